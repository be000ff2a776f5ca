//! What an inquiry finds.

use super::{body, path, record, theirs};
use crate::book::Book;
use crate::stage::{Scene, Stage, at, says};
use anyhow::Result;
use serde_json::{Value, json};

const AMOUNT: &str = "400.00";

fn error(code: &str) -> Value {
    json!({"code": code, "message": "no"})
}

pub(super) async fn found(stage: &mut Stage, book: &mut Book) {
    for operation in ["PAYIN", "PAYOUT"] {
        words(stage, book, operation).await;
        others(stage, book, operation).await;
        failures(stage, book, operation).await;
        lost(stage, book, operation).await;
    }
}

async fn words(stage: &mut Stage, book: &mut Book, operation: &str) {
    for word in ["PENDING", "PROCESSING", "COMPLETED", "REJECTED", "EXPIRED", "CANCELLED", "EXPLODED", "completed", ""] {
        is_found(stage, book, operation, &format!("\"{word}\""), |record| says(200, with(record, "status", json!(word)))).await;
    }
    for (name, word, reason) in [
        ("a reason", "REJECTED", json!("Rejected by the bank")),
        ("an empty reason", "REJECTED", json!("")),
        ("a reason with signs", "EXPIRED", json!("<b>no\u{7}\u{202e}</b>")),
        ("a reason of a success", "COMPLETED", json!("well done")),
        ("a reason that is none", "CANCELLED", json!(7)),
        ("our account in a reason", "REJECTED", json!("no such account: 032180000118359719")),
    ] {
        is_found(stage, book, operation, name, |record| says(200, with(with(record, "status", json!(word)), "reason", reason)))
            .await;
    }
}

async fn others(stage: &mut Stage, book: &mut Book, operation: &str) {
    let another = if operation == "PAYIN" { "TRANSFER_OUT" } else { "TRANSFER_IN" };
    for (member, value) in [
        ("amount", json!("400.01")),
        ("amount", json!("many")),
        ("amount", Value::Null),
        ("amount", json!(400)),
        ("amount", json!("400.000")),
        ("amount", json!("4e2")),
        ("currency", json!("USD")),
        ("currency", Value::Null),
        ("type", json!(another)),
        ("type", Value::Null),
        ("externalReference", json!("64a1f2b3c4d5e6f7a8b9c0d1")),
        ("externalReference", Value::Null),
        ("id", json!("ti_000000")),
        ("id", Value::Null),
        ("country", json!("AR")),
        ("status", Value::Null),
    ] {
        let name = format!("{member} is {value}");
        is_found(stage, book, operation, &name, |record| says(200, with(record, member, value))).await;
    }
    for name in ["status", "amount", "type", "id", "reason"] {
        is_found(stage, book, operation, &format!("no {name}"), |mut record| {
            if let Some(members) = record.as_object_mut() {
                members.shift_remove(name);
            }
            says(200, record)
        })
        .await;
    }
}

async fn failures(stage: &mut Stage, book: &mut Book, operation: &str) {
    for (name, reply) in [
        ("404 without a body", json!({"http": 404})),
        ("404, another code", says(404, error("GONE"))),
        ("404 with a page", says(404, json!("<html>not found</html>"))),
        ("401", says(401, error("UNAUTHORIZED"))),
        ("403", json!({"http": 403})),
        ("400", says(400, error("INVALID_REQUEST"))),
        ("408", json!({"http": 408})),
        ("429", json!({"http": 429, "headers": {"Retry-After": "3"}})),
        ("500", json!({"http": 500})),
        ("503 with a page", says(503, json!("<html>busy</html>"))),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("timeout in the body", says(200, json!("timeout"))),
        ("a page", says(200, json!("<html></html>"))),
        ("cut", says(200, json!("{\"id\":\"t"))),
        ("a list", says(200, json!([]))),
        ("nothing", says(200, json!(""))),
    ] {
        is_found(stage, book, operation, name, |_| reply).await;
    }
    is_found(stage, book, operation, "500 with a record", |record| says(500, record)).await;
    is_found(stage, book, operation, "another dress", |record| says(200, json!(format!("\u{feff}{record}")))).await;
}

/// Its id is not known there any more; our reference may be.
async fn lost(stage: &mut Stage, book: &mut Book, operation: &str) {
    for (name, times) in [("by the id", 1), ("neither by the id nor by the reference", 2)] {
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&body(operation, AMOUNT)).await?;
            let id = theirs(scene).await?;
            about(scene, operation, &id, says(404, error("NOT_FOUND"))).await?;
            if times == 2 {
                let reference = scene.id().to_owned();
                about(scene, operation, &reference, says(404, error("NOT_FOUND"))).await?;
            }
            scene.manage("inquire").await.map(drop)
        };
        stage.row(book, &format!("{operation} not found {name}"), row).await;
    }
    // Of what was taken the id got lost: it is found by our reference, in whatever state it is.
    for outcome in ["", "approve", "decline", "cancel", "expire"] {
        let amount = "400.11";
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&body(operation, amount)).await?;
            if !outcome.is_empty() {
                scene.control(outcome).await?;
            }
            scene.manage("inquire").await.map(drop)
        };
        stage
            .row(book, &format!("{operation} in doubt, then {}", if outcome.is_empty() { "nothing" } else { outcome }), row)
            .await;
    }
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&body(operation, "400.11")).await?;
        // The ledger alone knows its id.
        let ledger = scene.hands().entries("cleo", scene.id()).await?;
        let id = ledger.first().and_then(|entry| entry["providerReference"].as_str()).unwrap_or_default().to_owned();
        scene.know(&id, "provider id");
        scene.manage("release").await.map(drop)
    };
    stage.row(book, &format!("{operation} in doubt, then released again"), row).await;
}

fn with(mut record: Value, member: &str, value: Value) -> Value {
    record[member] = value;
    record
}

/// The next answer to an inquiry that has this in its address.
async fn about(scene: &Scene<'_>, operation: &str, about: &str, reply: Value) -> Result<()> {
    let mut reply = at(&format!("GET {}", path(operation)), reply);
    reply["about"] = json!(about);
    scene.next(reply).await
}

async fn is_found(stage: &mut Stage, book: &mut Book, operation: &str, name: &str, reply: impl FnOnce(Value) -> Value) {
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&body(operation, AMOUNT)).await?;
        let id = theirs(scene).await?;
        let reply = reply(record(operation, &id, scene.id(), "COMPLETED", AMOUNT));
        about(scene, operation, &id, reply).await?;
        scene.manage("inquire").await.map(drop)
    };
    stage.row(book, &format!("{operation} found: {name}"), row).await;
}
