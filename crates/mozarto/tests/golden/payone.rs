//! PayOne.

use crate::book::Book;
use crate::stage::{Pace, Scene, Stage, at, good, says};
use anyhow::Result;
use aws_lc_rs::hmac;
use serde_json::{Value, json};
use testkit::client::bodies;

const KEY: &str = "payone-demo-key-0001";
const DEPOSIT: &str = "/api/deposit";
const WITHDRAW: &str = "/api/withdraw";
const RECORD: &str = "GET /api/transaction";

#[tokio::test(flavor = "multi_thread")]
async fn payone() {
    let mut book = Book::open("payone");
    let real = async {
        let mut stage = Stage::start("payone", &["PAYONE"], "", Pace::Real).await.expect("a stage");
        triggers(&mut stage, &mut book).await;
        creating(&mut stage, &mut book).await;
        found(&mut stage, &mut book).await;
        called_back(&mut stage, &mut book).await;
        book
    };
    let fast = async {
        let mut book = Book::open("payone-by-schedule");
        let mut stage = Stage::start("payone", &["PAYONE"], "", Pace::Fast).await.expect("a stage");
        in_doubt(&mut stage, &mut book).await;
        book
    };
    let (real, fast) = tokio::join!(real, fast);
    Book::close_all([real, fast]);
}

/// The sheet's digits, those apart that only the schedule ends.
async fn triggers(stage: &mut Stage, book: &mut Book) {
    for digits in ["00", "01", "02", "03", "08", "09"] {
        let body = bodies::payone("PAYIN", &format!("100.{digits}"));
        let row = async |scene: &mut Scene<'_>| {
            if digits == "08" {
                scene.shows_once();
            }
            scene.pay(&body).await?;
            scene.control("pay").await?;
            if digits == "09" { scene.until("Approved").await } else { Ok(()) }
        };
        stage.row(book, &format!("PAYIN {digits}"), row).await;
    }
    for digits in ["04", "06", "07", "10"] {
        let body = bodies::payone("PAYIN", &format!("100.{digits}"));
        stage.row(book, &format!("PAYIN {digits}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
    for digits in ["00", "01", "02", "03", "06", "07", "08", "09", "10"] {
        let body = bodies::payone("PAYOUT", &format!("200.{digits}"));
        let row = async |scene: &mut Scene<'_>| {
            if digits == "08" {
                scene.shows_once();
            }
            scene.pay(&body).await.map(drop)
        };
        stage.row(book, &format!("PAYOUT {digits}"), row).await;
    }
}

/// What only the schedule ends.
async fn in_doubt(stage: &mut Stage, book: &mut Book) {
    stage.row(book, "PAYIN 05", async |scene| scene.pay(&bodies::payone("PAYIN", "100.05")).await.map(drop)).await;
    for digits in ["11", "12"] {
        let body = bodies::payone("PAYIN", &format!("100.{digits}"));
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&body).await?;
            scene.control("pay").await
        };
        stage.row(book, &format!("PAYIN {digits}"), row).await;
    }
    for digits in ["04", "05", "11", "12"] {
        let body = bodies::payone("PAYOUT", &format!("200.{digits}"));
        stage.row(book, &format!("PAYOUT {digits}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
}

fn error(text: &str) -> Value {
    json!({"success": false, "error": text})
}

/// Answers to a creating call.
fn replies() -> Vec<(&'static str, Value)> {
    vec![
        ("404 without a body", json!({"http": 404})),
        ("404 with a body", says(404, error("No such thing"))),
        ("Invalid account details", says(400, error("Invalid account details for this client"))),
        ("Invalid API key, with 200", says(200, error("INVALID API KEY"))),
        ("401", says(401, error("Who are you"))),
        ("401 with a timeout", says(401, json!("timeout"))),
        ("403", says(403, error("Not you"))),
        ("408", json!({"http": 408})),
        ("timeout in the body", says(400, error("Upstream TimeOut"))),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "7"}})),
        ("429", json!({"http": 429})),
        ("500", says(500, error("Internal error"))),
        ("503 with a page", says(503, json!("<html>busy</html>"))),
        ("502 with a refusal", says(502, error("Limit reached"))),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("a refusal", says(400, error("Limit reached"))),
        ("a refusal, with 200", says(200, error("Limit reached"))),
        ("our key in a refusal", says(400, error(&format!("key {KEY} has no limit left")))),
        ("false without an error", says(200, json!({"success": false}))),
        ("unreadable", says(200, json!("<html>hello</html>"))),
        ("cut", says(200, json!("{\"success\":tr"))),
        ("a list", says(200, json!([]))),
        ("nothing", says(200, json!(""))),
    ]
}

async fn creating(stage: &mut Stage, book: &mut Book) {
    let page = |url: &str| says(200, json!({"success": true, "message": "taken", "redirect_url": url}));
    let deposits = [
        ("no redirect_url", says(200, json!({"success": true, "message": "taken"}))),
        ("another form of address", page("https://p.example/pay/AB/t")),
        ("an address without an id", page("https://p.example/webflow-payment//t")),
        ("a script for an address", page("javascript:alert(1)")),
        ("an open address", page("http://p.example/webflow-payment/a/b")),
    ];
    for (name, reply) in replies().into_iter().chain(deposits) {
        answered(stage, book, "PAYIN", DEPOSIT, name, reply).await;
    }
    let withdraw = |members: Value| says(200, json!({"success": true, "message": "taken", "withdraw": members}));
    let withdraws = [
        ("no withdraw", says(200, json!({"success": true, "message": "taken"}))),
        ("another amount", withdraw(json!({"transactionId": "HS932097JV", "amount": "30.00", "currency": "CAD"}))),
        ("another currency", withdraw(json!({"transactionId": "HS932097JV", "amount": "300.00", "currency": "EUR"}))),
        ("Pending", withdraw(json!({"transactionId": "HS932097JV", "status": "Pending"}))),
        ("Approved", withdraw(json!({"transactionId": "HS932098JV", "status": "Approved"}))),
        ("Declined", withdraw(json!({"transactionId": "HS932099JV", "status": "Declined"}))),
        ("Cancelled", withdraw(json!({"transactionId": "HS932100JV", "status": "Cancelled"}))),
        ("Expired", withdraw(json!({"transactionId": "HS932101JV", "status": "Expired"}))),
        ("a word unknown to us", withdraw(json!({"transactionId": "HS932102JV", "status": "Brandnew"}))),
    ];
    for (name, reply) in replies().into_iter().chain(withdraws) {
        answered(stage, book, "PAYOUT", WITHDRAW, name, reply).await;
    }
}

async fn answered(stage: &mut Stage, book: &mut Book, operation: &str, path: &str, name: &str, reply: Value) {
    let row = async |scene: &mut Scene<'_>| {
        scene.next(at(path, reply)).await?;
        scene.pay(&bodies::payone(operation, "300.00")).await.map(drop)
    };
    stage.row(book, &format!("{path}: {name}"), row).await;
}

/// The provider's record of a payment.
fn record(id: &str, kind: &str, status: &str) -> Value {
    json!({
        "transactionId": "HS932097JV", "referenceId": id, "userId": "user_123", "amount": "400.00", "currency": "CAD", "type": kind,
        "status": status, "message": status,
    })
}

fn with(mut record: Value, member: &str, value: Value) -> Value {
    record[member] = value;
    record
}

/// What an inquiry finds. Callbacks are dropped: what is found is found by hand.
async fn found(stage: &mut Stage, book: &mut Book) {
    let settings = |drop: bool| json!({"dropCallbacks": drop});
    good(&stage.hands().client.control("PUT", "/payone/settings", Some(settings(true))).await.expect("settings"))
        .expect("settings");
    for (operation, kind) in [("PAYIN", "deposit"), ("PAYOUT", "withdraw")] {
        for word in ["Pending", "Approved", "Declined", "Cancelled", "Expired", "Exploded"] {
            is_found(stage, book, operation, word, |id| says(200, record(id, kind, word))).await;
        }
        is_found(stage, book, operation, "a reason", |id| {
            says(200, with(record(id, kind, "Declined"), "message", json!("Declined by bank")))
        })
        .await;
        let others = [("amount", "1.00"), ("currency", "USD"), ("type", "transfer"), ("referenceId", "64a1f2b3c4d5e6f7a8b9c0d1")];
        for (member, value) in others {
            is_found(stage, book, operation, &format!("another {member}"), |id| {
                says(200, with(record(id, kind, "Approved"), member, json!(value)))
            })
            .await;
        }
        for (name, reply) in [
            ("not found", says(404, error("Transaction not found"))),
            ("404 without a body", json!({"http": 404})),
            ("404 with a page", says(404, json!("<html>not found</html>"))),
            ("500", json!({"http": 500})),
            ("a list", says(200, json!([]))),
        ] {
            is_found(stage, book, operation, name, |_| reply).await;
        }
    }
}

async fn is_found(stage: &mut Stage, book: &mut Book, operation: &str, name: &str, reply: impl FnOnce(&str) -> Value) {
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&bodies::payone(operation, "400.00")).await?;
        scene.next(at(RECORD, reply(scene.id()))).await?;
        scene.manage("inquire").await.map(drop)
    };
    stage.row(book, &format!("{operation} found: {name}"), row).await;
}

fn signed(body: &str) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes()), body.as_bytes()))
}

/// What a callback says, about a deposit that is open at the provider.
async fn called_back(stage: &mut Stage, book: &mut Book) {
    let whole = |id: &str| with(record(id, "deposit", "Approved"), "amount", json!("500.00"));
    told(stage, book, "good", |id| whole(id).to_string(), signed).await;
    told(stage, book, "unsigned", |id| whole(id).to_string(), |_| String::new()).await;
    told(stage, book, "signed by another key", |id| whole(id).to_string(), |_| signed("")).await;
    told(stage, book, "signed in capitals", |id| whole(id).to_string(), |body| signed(body).to_uppercase()).await;
    let others = [
        ("amount", "1.00"),
        ("currency", "EUR"),
        ("type", "withdraw"),
        ("referenceId", "64a1f2b3c4d5e6f7a8b9c0d2"),
        ("status", "Exploded"),
    ];
    for (member, value) in others {
        told(stage, book, &format!("another {member}"), |id| with(whole(id), member, json!(value)).to_string(), signed).await;
    }
    for (name, body) in [
        ("nothing", ""),
        ("no object", "[]"),
        ("cut", "{\"transactionId\":"),
        ("only a mark", "\u{feff}"),
        ("an empty object", "{}"),
    ] {
        told(stage, book, name, |_| body.to_owned(), signed).await;
    }
    told(stage, book, "only an id", |_| json!({"transactionId": "HS932097JV"}).to_string(), signed).await;
}

async fn told(
    stage: &mut Stage,
    book: &mut Book,
    name: &str,
    body: impl FnOnce(&str) -> String,
    signature: impl FnOnce(&str) -> String,
) {
    let row = async |scene: &mut Scene<'_>| -> Result<()> {
        scene.pay(&bodies::payone("PAYIN", "500.00")).await?;
        let body = body(scene.id());
        let signature = signature(&body);
        let headers = [("content-type", "application/json"), ("x-signature", signature.as_str())];
        scene.callback(&scene.callback_address()?, &headers, body.into_bytes()).await.map(drop)
    };
    stage.row(book, &format!("told: {name}"), row).await;
}
