//! What an inquiry finds.

use super::{ANOTHER, NEVER_MS, SETTLES_AFTER_MS, approve, asks, err, finds, held, record, settings, stands};
use crate::book::Book;
use crate::stage::{Scene, Stage, says};
use anyhow::Result;
use serde_json::{Value, json};
use testkit::client::bodies;

/// The sheet's words, and one that it does not know.
pub(super) const WORDS: [&str; 10] = [
    "STATUS_INITED",
    "STATUS_PENDING",
    "STATUS_SUCCESS",
    "STATUS_REJECTED",
    "STATUS_REJECTED1",
    "STATUS_FAILED",
    "STATUS_EXPIRED",
    "STATUS_ABORTED",
    "STATUS_ABORTED1",
    "STATUS_EXPLODED",
];
/// Where a transaction is when it is asked about.
const STANDINGS: [&str; 3] = ["PAYIN", "ETO on hold", "ETO released"];
const AMOUNT: &str = "55.00";
/// Stands for the row's transaction.
const ID: &str = "{id}";

/// Callbacks are dropped: what is found is found by hand.
pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    settings(stage, json!({"dropCallbacks": true, "settleDelayMs": NEVER_MS})).await;
    for standing in STANDINGS {
        for word in WORDS {
            is_found(stage, book, standing, word, vec![says(200, record(ID, word))]).await;
        }
        for (name, members) in ours() {
            is_found(stage, book, standing, name, vec![says(200, with(&members))]).await;
        }
        for (name, reply) in in_dress() {
            is_found(stage, book, standing, name, vec![reply]).await;
        }
        let others = others().iter().map(|members| says(200, with(members))).collect();
        is_found(stage, book, standing, "another's, in turn", others).await;
        is_found(stage, book, standing, "what says nothing, in turn", odd()).await;
    }
    // Found in what was really released, and returned.
    for word in ["STATUS_SUCCESS", "STATUS_REJECTED"] {
        let row = async |scene: &mut Scene<'_>| {
            brought_to(scene, "ETO released").await?;
            scene.control(&format!("status/{word}")).await?;
            scene.manage("inquire").await.map(drop)
        };
        stage.row(book, &format!("ETO released, by its own record: {word}"), row).await;
    }
    late(stage, book).await;
    settings(stage, json!({"settleDelayMs": SETTLES_AFTER_MS})).await;
}

/// A success whose record has something else in `data`.
fn with(members: &Value) -> Value {
    let mut record = record(ID, "STATUS_SUCCESS");
    for (name, value) in members.as_object().into_iter().flatten() {
        record["data"][name] = value.clone();
    }
    record
}

/// What is ours, however it is written.
fn ours() -> Vec<(&'static str, Value)> {
    vec![
        ("all as it should be", json!({"amount": "55.00", "currency": "cad", "type": "RFM"})),
        ("the amount as a number", json!({"amount": 55})),
        ("the amount as a number with decimals", json!({"amount": 55.00})),
        ("the amount as a short text", json!({"amount": "55"})),
        ("no amount", json!({"amount": null})),
    ]
}

/// What is somebody else's: nothing changes.
fn others() -> Vec<Value> {
    vec![
        json!({"amount": "5.00", "currency": "CAD"}),
        json!({"amount": 550}),
        json!({"amount": "55.001"}),
        json!({"amount": "a lot"}),
        json!({"amount": "55.00", "currency": "USD"}),
        json!({"transactionId": ANOTHER}),
    ]
}

/// A success, said otherwise.
fn in_dress() -> Vec<(&'static str, Value)> {
    vec![
        ("a word alone", says(200, json!({"status": "STATUS_SUCCESS"}))),
        ("after a mark", says(200, json!("\u{feff}{\"status\":\"STATUS_SUCCESS\"}"))),
        ("packed", json!({"http": 200, "body": {"status": "STATUS_SUCCESS"}, "dress": {"packed": "gzip"}})),
    ]
}

/// Answers that change nothing.
fn odd() -> Vec<Value> {
    let success = json!({"status": "STATUS_SUCCESS"});
    vec![
        says(200, json!({"status": "STATUS_SUCCESS", "amount": 11})),
        says(200, json!({"status": "STATUS_SUCCESS", "transactionId": ANOTHER})),
        says(200, json!({"status": "STATUS_SUCCESS", "err": "no"})),
        says(500, success),
        says(200, json!({"status": ""})),
        says(200, json!({"status": 1})),
        says(404, err("Transaction not found")),
        json!({"http": 404}),
        says(404, json!("<html>not found</html>")),
        says(400, err("Invalid transaction")),
        says(401, err("Unauthorized")),
        json!({"http": 403}),
        json!({"http": 408}),
        json!({"http": 429, "headers": {"Retry-After": "7"}}),
        json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}}),
        says(500, err("Internal error")),
        says(503, json!("<html>busy</html>")),
        says(200, json!({})),
        says(200, json!([])),
        says(200, json!("")),
        says(200, json!("{\"status\":\"STATUS_SUC")),
    ]
}

/// Brings a transaction of the row to where it is asked about.
async fn brought_to(scene: &mut Scene<'_>, standing: &str) -> Result<()> {
    match standing {
        "PAYIN" => scene.pay(&bodies::gigadat_in(AMOUNT)).await.map(drop),
        "ETO on hold" => held(scene, "ETO", AMOUNT).await,
        _ => {
            held(scene, "ETO", AMOUNT).await?;
            approve(scene).await?;
            stands(scene, "Pending", "STATUS_INITED").await
        }
    }
}

/// Asked by hand, once for each of the answers.
async fn is_found(stage: &mut Stage, book: &mut Book, standing: &str, name: &str, replies: Vec<Value>) {
    let row = async |scene: &mut Scene<'_>| {
        brought_to(scene, standing).await?;
        for reply in replies {
            let of_row = reply.to_string().replace(ID, scene.id());
            asks(scene, serde_json::from_str(&of_row)?).await?;
        }
        Ok(())
    };
    stage.row(book, &format!("{standing}, found: {name}"), row).await;
}

/// Words after an end: what contradicts it, and a success that comes late.
async fn late(stage: &mut Stage, book: &mut Book) {
    for (end, digits) in
        [("STATUS_SUCCESS", "00"), ("STATUS_REJECTED", "00"), ("STATUS_ABORTED1", "00"), ("STATUS_EXPIRED", "00"), ("", "11")]
    {
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&bodies::gigadat_in(&format!("56.{digits}"))).await?;
            if !end.is_empty() {
                finds(scene, end).await?;
            }
            ask_on(scene).await
        };
        let name = if end.is_empty() { "the token got lost" } else { end };
        stage.row(book, &format!("PAYIN, after {name}"), row).await;
    }
    for end in ["STATUS_SUCCESS", "STATUS_REJECTED", "STATUS_EXPIRED"] {
        let row = async |scene: &mut Scene<'_>| {
            brought_to(scene, "ETO released").await?;
            finds(scene, end).await?;
            ask_on(scene).await
        };
        stage.row(book, &format!("ETO, after {end}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        held(scene, "ETO", AMOUNT).await?;
        let path = format!("/approvals/{}/reject", scene.id());
        crate::stage::good(&scene.client().manage("POST", &path, Some(json!({"reason": "no"}))).await?)?;
        ask_on(scene).await
    };
    stage.row(book, "ETO, after a person's no", row).await;
}

async fn ask_on(scene: &mut Scene<'_>) -> Result<()> {
    scene.all_told().await?;
    for word in ["STATUS_PENDING", "STATUS_FAILED", "STATUS_ABORTED", "STATUS_SUCCESS", "STATUS_REJECTED1"] {
        finds(scene, word).await?;
        scene.all_told().await?;
    }
    Ok(())
}
