//! Answers to a create.

use super::{PAGE, SECRET, SOAP, absent, details, opened, to_create};
use crate::book::Book;
use crate::stage::{Scene, Stage, at, says};
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Failed at once, whatever the answer: a page that is not known is asked about, and nobody opened it.
pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    for (name, reply) in errors().into_iter().chain(no_pages()).chain(refusals()) {
        answered(stage, book, name, reply).await;
    }
    for (name, text) in echoes() {
        let reply = says(200, json!({"error": format!("not with {text} here"), "errorcode": "2010"}));
        answered(stage, book, &format!("our secret, {name}"), reply).await;
    }
    let text = format!("<html>{SECRET}<b>{}</b></html>", STANDARD.encode(SECRET));
    answered(stage, book, "our secret, in a page", says(200, json!(text))).await;
}

/// Answers that have the page.
pub(super) async fn pages(stage: &mut Stage, book: &mut Book) {
    let moved = |http: u16, body: Value| json!({"http": http, "headers": {"Location": PAGE}, "body": body});
    let script = |code: String| says(200, json!(format!("<html><script>setTimeout(function(){{{code}}});</script></html>")));
    let packed = json!({"http": 200, "body": format!("document.location.href='{PAGE}'"), "dress": {"packed": "gzip"}});
    for (name, reply) in [
        ("302", moved(302, json!(""))),
        ("303 with an error beside it", moved(303, json!({"error": "x"}))),
        ("url", says(200, json!({"url": PAGE, "redirectUrl": "https://b.example/"}))),
        ("redirectUrl", says(201, json!({"url": "", "redirectUrl": PAGE}))),
        ("a script", script(format!("document.location.href='{PAGE}'"))),
        ("a script that says it twice", script(format!("document.location.href;document.location.href  =\n \"{PAGE}\""))),
        ("after a mark", says(200, json!(format!("\u{feff}{{\"url\":\"{PAGE}\"}}")))),
        ("packed", packed),
        ("this machine", json!({"http": 302, "headers": {"Location": "http://127.0.0.1:8081/neosurf/EN-X"}})),
    ] {
        answered(stage, book, &format!("the page: {name}"), reply).await;
    }
}

async fn answered(stage: &mut Stage, book: &mut Book, name: &str, reply: Value) {
    let row = async |scene: &mut Scene<'_>| {
        scene.next(to_create(reply)).await?;
        opened(scene, "610.00").await
    };
    stage.row(book, &format!("create: {name}"), row).await;
}

/// The answer to a create was lost, and Neosurf is asked at once.
pub(super) async fn found_after_all(stage: &mut Stage, book: &mut Book) {
    for (name, reply) in [
        ("pending", details(&[("status", "pending"), ("transactionId", "987654321")])),
        ("paid", details(&[("status", "ok"), ("errorCode", ""), ("transactionId", "987654321")])),
        ("refused", details(&[("status", "ko"), ("errorCode", "1001"), ("errorMessage", "Transaction declined")])),
        ("of an unknown word", details(&[("status", "refunded")])),
        ("of another amount", details(&[("status", "ok"), ("amount", "1")])),
        ("not there", absent()),
        ("nobody answers", json!({"http": 500})),
    ] {
        let row = async |scene: &mut Scene<'_>| -> Result<()> {
            scene.next(to_create(says(200, json!("<html><head>")))).await?;
            scene.next(at(SOAP, reply)).await?;
            opened(scene, "620.00").await
        };
        stage.row(book, &format!("create lost, and found: {name}"), row).await;
    }
}

fn errors() -> Vec<(&'static str, Value)> {
    vec![
        ("401", json!({"http": 401})),
        ("403", says(403, json!("<h1>Forbidden</h1>"))),
        ("404", json!({"http": 404})),
        ("408", json!({"http": 408})),
        ("timeout in the body", says(200, json!({"error": "Gateway timeout", "errorcode": "1"}))),
        ("500", json!({"http": 500})),
        ("503 with a refusal", says(503, json!({"error": "busy", "errorcode": "1"}))),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "3"}})),
        ("429", json!({"http": 429})),
        ("a refusal with 400", says(400, json!({"error": "The amount is not correct"}))),
        ("418 with a page", says(418, json!(format!("document.location.href='{PAGE}'")))),
    ]
}

/// Answers without an address that may be used.
fn no_pages() -> Vec<(&'static str, Value)> {
    let moved = |http: u16, to: &str| json!({"http": http, "headers": {"Location": to}});
    let html = |code: &str| says(200, json!(format!("<html><script>{code}</script></html>")));
    let long = format!("<html><body><h1>Not\n now</h1><p class='a'>{}</p></body></html>", "xyz ".repeat(100));
    vec![
        ("a page without an address", says(200, json!("<html><h1>Welcome</h1> back</html>"))),
        ("a long page", says(200, json!(long))),
        ("an address of no web", html("document.location.href='javascript:alert(1)'")),
        ("an address without https", html("document.location.href='http://a.example/'")),
        ("an address without an end", says(200, json!(format!("document.location.href = '{PAGE}")))),
        ("an empty address", html("document.location.href = ''")),
        ("a link", says(200, json!(format!("<a href='{PAGE}'>document.location</a>")))),
        ("url without https", says(200, json!({"url": "http://pay.example/"}))),
        ("an empty object", says(200, json!({}))),
        ("a list", says(200, json!([]))),
        ("nothing", says(200, json!(""))),
        ("301", moved(301, "https://a.example/")),
        ("302 to nowhere", moved(302, "/EN-X")),
        ("302 without https", moved(302, "http://pay.example/")),
        ("302 to a script", moved(302, "javascript:alert(1)")),
        ("302 without an address", json!({"http": 302})),
    ]
}

/// Neosurf's own refusals.
fn refusals() -> Vec<(&'static str, Value)> {
    vec![
        ("refused: amount", says(200, json!({"error": "The amount is not correct", "errorcode": "2003"}))),
        ("refused: used before", says(200, json!({"error": "The merchantTransactionId already exists", "errorcode": "2001"}))),
        ("refused: a number", says(200, json!({"errorcode": 2003}))),
        ("refused: a text alone", says(200, json!({"error": "no", "url": "https://a.example/"}))),
        ("refused: an odd code", says(200, json!({"error": "no", "errorcode": "a b"}))),
        ("refused: with 201", says(201, json!({"error": "Merchant is inactive", "errorcode": "7"}))),
    ]
}

/// The forms in which a provider may send our secret back.
fn echoes() -> Vec<(&'static str, String)> {
    let escaped = |before: &str, after: &str| SECRET.bytes().map(|byte| format!("{before}{byte:02x}{after}")).collect::<String>();
    let in_json = json!({"secret": SECRET}).to_string();
    let pieces = |size: usize, between: &str| {
        let pieces: Vec<&str> =
            (0..SECRET.len()).step_by(size).filter_map(|at| SECRET.get(at..(at + size).min(SECRET.len()))).collect();
        pieces.join(between)
    };
    vec![
        ("plain", SECRET.to_owned()),
        ("in capitals", SECRET.to_uppercase()),
        ("percent-encoded", escaped("%", "")),
        ("percent-encoded twice", escaped("%25", "")),
        ("form-encoded", format!("a+b={SECRET}&c=d")),
        ("escaped as in JSON", escaped("\\u00", "")),
        ("JSON in JSON", json!({"said": in_json}).to_string()),
        ("in entities", escaped("&#x", ";")),
        ("in CDATA", format!("<![CDATA[{SECRET}]]>")),
        ("in base64", STANDARD.encode(SECRET)),
        ("in base64url", URL_SAFE_NO_PAD.encode(SECRET)),
        ("in hex", hex::encode(SECRET)),
        ("folded", pieces(9, "\r\n ")),
        ("broken by blanks", pieces(4, " ")),
        ("broken by dashes", pieces(4, "-")),
        ("in an address", format!("https://gw.example/callbacks/{SECRET}?a=b")),
        ("as a header line", format!("X-Key: {SECRET}")),
    ]
}
