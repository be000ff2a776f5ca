//! Answers to the call for a token, and to the registration of a pay-out.

use super::{ANOTHER, JWT, REGISTER, TOKEN, err};
use crate::book::Book;
use crate::stage::{Scene, Stage, at, says};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::client::bodies;

const ACCESS: &str = "gd-demo-access-0001";
const SECURITY: &str = "gd-demo-security-0001";

/// They end as they are answered, so that what the schedule does meanwhile is about none of them.
pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    let calls = [
        ("token", TOKEN, bodies::gigadat_in("300.00"), usize::MAX),
        // As of a pay-in: a few of each kind.
        ("ACH token", TOKEN, bodies::gigadat_out("ACH", "310.00"), 5),
        ("register", REGISTER, bodies::gigadat_out("ETO", "320.00"), usize::MAX),
    ];
    for (call, path, body, most) in calls {
        for (name, reply) in replies().into_iter().take(most) {
            answered(stage, book, &format!("{call}: {name}"), &body, at(path, reply)).await;
        }
    }
    let body = bodies::gigadat_in("330.00");
    for (name, reply) in tokens() {
        answered(stage, book, &format!("token: {name}"), &body, at(TOKEN, reply)).await;
    }
    for (name, reply) in unreadable() {
        answered(stage, book, &format!("token: {name}, once"), &body, at(TOKEN, reply.clone())).await;
        let mut twice = at(TOKEN, reply);
        twice["times"] = json!(2);
        answered(stage, book, &format!("token: {name}, twice"), &body, twice).await;
    }
    let body = bodies::gigadat_out("ETO", "340.00");
    for (name, reply) in registrations() {
        answered(stage, book, &format!("register: {name}"), &body, at(REGISTER, reply)).await;
    }
    // Whoever has the token can release the money.
    for (name, reply) in [
        ("its token in an err", says(400, err(&format!("Invalid token {JWT}")))),
        ("its token in a text", says(418, json!(format!("no {JWT}")))),
    ] {
        let row = async |scene: &mut Scene<'_>| {
            scene.next(at(TOKEN, says(200, json!({"token": JWT})))).await?;
            scene.next(at(REGISTER, reply)).await?;
            scene.pay(&body).await.map(drop)
        };
        stage.row(book, &format!("register: {name}"), row).await;
    }
    let body = bodies::gigadat_in("350.00");
    for (name, text) in echoes() {
        let reply = at(TOKEN, says(400, err(&format!("not with {text} here"))));
        answered(stage, book, &format!("token: our secret, {name}"), &body, reply).await;
    }
}

async fn answered(stage: &mut Stage, book: &mut Book, name: &str, body: &str, reply: Value) {
    let row = async |scene: &mut Scene<'_>| {
        scene.next(reply).await?;
        scene.pay(body).await.map(drop)
    };
    stage.row(book, name, row).await;
}

/// Answers to either call.
fn replies() -> Vec<(&'static str, Value)> {
    vec![
        ("401", says(401, err("Unauthorized"))),
        ("403", json!({"http": 403})),
        ("404", says(404, err("Campaign not found"))),
        ("404 without a body", json!({"http": 404})),
        ("408", json!({"http": 408})),
        ("timeout in the body", says(400, err("Gateway Timeout"))),
        ("timeout, with 200", says(200, json!("gateway timeout"))),
        ("500", says(500, err("Internal error"))),
        ("503 with a page", says(503, json!("<html>busy</html>"))),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "3"}})),
        ("429 with a date", json!({"http": 429, "headers": {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}})),
        ("429", says(429, err("slow down"))),
        ("err", says(400, err("amount is too low"))),
        ("err, with 200", says(200, err("amount is too low"))),
        ("err of another kind", says(400, json!({"err": {"code": 7, "text": "no"}}))),
        ("used before", says(400, err("Transaction already exists"))),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("418 with a text", says(418, json!("no tea"))),
        ("another transaction", says(200, json!({"data": {"transactionId": ANOTHER}}))),
        ("both secrets", says(400, err(&format!("{ACCESS} and {SECURITY} are over their limit")))),
    ]
}

fn given(data: Value) -> Value {
    says(200, json!({"token": JWT, "data": data}))
}

/// Tokens, good and odd ones.
fn tokens() -> Vec<(&'static str, Value)> {
    vec![
        ("nothing else", says(200, json!({"token": JWT}))),
        ("201", says(201, json!({"token": JWT}))),
        ("after a mark", says(200, json!(format!("\u{feff}{{\"token\":\"{JWT}\"}}")))),
        ("packed", json!({"http": 200, "body": {"token": JWT}, "dress": {"packed": "gzip"}})),
        ("for another transaction", given(json!({"transactionId": ANOTHER}))),
        ("for another amount", given(json!({"amount": "11.00"}))),
        ("for the same amount", given(json!({"amount": "330.0", "currency": "cad"}))),
        ("for another currency", given(json!({"currency": "USD"}))),
        ("with an err", says(200, json!({"err": "x", "token": JWT}))),
        ("with 400", says(400, json!({"token": JWT}))),
        ("with a blank in it", says(200, json!({"token": "a b"}))),
        ("an empty token", says(200, json!({"token": ""}))),
        ("a number for a token", says(200, json!({"token": 7}))),
        ("nothing in it", says(200, json!({}))),
    ]
}

/// Answers that are asked for once more.
fn unreadable() -> Vec<(&'static str, Value)> {
    vec![
        ("a page", says(200, json!("<html>hello</html>"))),
        ("cut", says(200, json!("{\"token\":\"ey"))),
        ("empty", says(200, json!(""))),
        ("201 with a page", says(201, json!("<html>"))),
        ("a list", says(200, json!([]))),
    ]
}

/// What else a registration may be answered.
fn registrations() -> Vec<(&'static str, Value)> {
    vec![
        ("empty", json!({"http": 200})),
        ("204", json!({"http": 204})),
        ("201", says(201, json!({}))),
        ("STATUS_PENDING", says(200, json!({"status": "STATUS_PENDING"}))),
        ("unreadable", says(200, json!("<html>hello</html>"))),
        ("another amount", says(200, json!({"data": {"amount": "11.00"}}))),
        ("our currency", says(200, json!({"data": {"amount": 340, "currency": "CAD"}}))),
    ]
}

/// The forms in which a provider may send our secret back.
fn echoes() -> Vec<(&'static str, String)> {
    let escaped =
        |before: &str, after: &str| SECURITY.bytes().map(|byte| format!("{before}{byte:02x}{after}")).collect::<String>();
    let in_json = json!({"secret": SECURITY}).to_string();
    let lines = |size: usize, between: &str| {
        let pieces: Vec<&str> =
            (0..SECURITY.len()).step_by(size).filter_map(|at| SECURITY.get(at..(at + size).min(SECURITY.len()))).collect();
        pieces.join(between)
    };
    vec![
        ("plain", SECURITY.to_owned()),
        ("in capitals", SECURITY.to_uppercase()),
        ("percent-encoded", escaped("%", "")),
        ("percent-encoded twice", escaped("%25", "")),
        ("form-encoded", format!("a+b={SECURITY}&c=d")),
        ("escaped as in JSON", escaped("\\u00", "")),
        ("JSON in JSON", json!({"said": in_json}).to_string()),
        ("in entities", escaped("&#x", ";")),
        ("in CDATA", format!("<![CDATA[{SECURITY}]]>")),
        ("in base64", STANDARD.encode(SECURITY)),
        ("in base64url", URL_SAFE_NO_PAD.encode(SECURITY)),
        ("of the Basic pair", STANDARD.encode(format!("{ACCESS}:{SECURITY}"))),
        ("in hex", hex::encode(SECURITY)),
        ("folded", lines(9, "\r\n ")),
        ("broken by blanks", lines(4, " ")),
        ("broken by dashes", lines(4, "-")),
        ("in an address", format!("https://gw.example/callbacks/{SECURITY}?a=b")),
        ("as a header line", format!("Authorization: Basic {}", STANDARD.encode(format!("{ACCESS}:{SECURITY}")))),
    ]
}
