//! What an inquiry finds. Callbacks are dropped: what is found is found by hand.

use super::{ANOTHER, absent, asks, details, envelope, opened, settings};
use crate::book::Book;
use crate::stage::{Scene, Stage, says};
use anyhow::Result;
use serde_json::{Value, json};

const AMOUNT: &str = "50.00";
/// Status, error code, error message.
pub(super) const MEANINGS: [[&str; 3]; 12] = [
    ["ok", "", ""],
    ["pending", "", ""],
    ["ko", "1001", "Transaction declined"],
    ["ko", "", ""],
    ["ko", "1002", "x"],
    ["ko", "", "Cancelled by the customer"],
    ["ko", "1003", ""],
    ["ko", "9", "Transaction EXPIRED"],
    ["ok", "7", ""],
    ["refunded", "", ""],
    ["OK", "", ""],
    ["pending", "5", "still"],
];

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    settings(stage, json!({"dropCallbacks": true})).await;
    for [status, code, message] in MEANINGS {
        let reply =
            details(&[("errorCode", code), ("errorMessage", message), ("status", status), ("transactionId", "987654321")]);
        is_found(stage, book, &format!("{status} {code} {message}"), vec![reply]).await;
    }
    for (name, reply) in in_dress() {
        is_found(stage, book, name, vec![reply]).await;
    }
    let others =
        [("amount", "5001"), ("amount", "50.00"), ("amount", "many"), ("currency", "usd"), ("merchantTransactionId", ANOTHER)];
    let others = others.iter().map(|other| details(&[("status", "ok"), *other])).collect();
    is_found(stage, book, "another's, in turn", others).await;
    is_found(stage, book, "what says nothing, in turn", silent()).await;
    for outcome in ["approve", "decline", "cancel", "expire", "status/pending"] {
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, AMOUNT).await?;
            scene.control(outcome).await?;
            scene.manage("inquire").await.map(drop)
        };
        stage.row(book, &format!("found in its own record: {outcome}"), row).await;
    }
    late(stage, book).await;
}

async fn is_found(stage: &mut Stage, book: &mut Book, name: &str, replies: Vec<Value>) {
    let row = async |scene: &mut Scene<'_>| {
        opened(scene, AMOUNT).await?;
        for reply in replies {
            asks(scene, reply).await?;
        }
        Ok(())
    };
    stage.row(book, &format!("found: {}", name.trim_end()), row).await;
}

/// A payment that is told in other dress.
fn in_dress() -> Vec<(&'static str, Value)> {
    let paid = [("amount", "5000"), ("currency", "eur"), ("status", "ok"), ("transactionId", "987654321")];
    let text = envelope(&paid);
    let elements: String = paid.iter().map(|(name, value)| format!("<x:{name}>{value}</x:{name}>")).collect();
    let prefixed = format!(
        "<?xml version='1.0'?><S:Envelope xmlns:S='a' xmlns:x='b'><S:Body><x:transactionGetDetailsResponse>{elements}\
         </x:transactionGetDetailsResponse></S:Body></S:Envelope>"
    );
    let declined = envelope(&[("status", "ko"), ("errorMessage", "Refusé"), ("transactionId", "987654321")]);
    let latin = format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{declined}");
    vec![
        ("with other prefixes", says(200, json!(prefixed))),
        ("after a mark", says(200, json!(format!("\u{feff}{text}")))),
        ("packed", json!({"http": 200, "body": text, "dress": {"packed": "gzip"}})),
        ("with a comment and CDATA", says(200, json!(text.replace(">ok<", "><!-- a --><![CDATA[ok]]><")))),
        (
            "in another character set",
            json!({"http": 200, "body": latin, "dress": {"charset": "ISO-8859-1", "charsetIn": "declaration"}}),
        ),
        ("in capitals", details(&[("amount", "5000"), ("currency", "EUR"), ("status", "ok")])),
    ]
}

/// Answers that change nothing.
fn silent() -> Vec<Value> {
    let fault = "<S:Envelope xmlns:S='a'><S:Body><S:Fault><faultstring>merchantTransactionId does not exist</faultstring>\
                 </S:Fault></S:Body></S:Envelope>";
    vec![
        absent(),
        says(200, json!(fault)),
        says(500, json!(fault)),
        says(500, json!(envelope(&[("status", "ok")]))),
        json!({"http": 401}),
        json!({"http": 403}),
        json!({"http": 404}),
        json!({"http": 408}),
        json!({"http": 429, "headers": {"Retry-After": "7"}}),
        json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}}),
        says(200, json!("")),
        says(200, json!("<html>")),
        says(200, json!({"status": "ok"})),
        says(200, json!("<Envelope>")),
        details(&[("errorMessage", "hash is not correct")]),
        details(&[]),
        says(200, json!(envelope(&[("status", "ok")]).trim_end_matches("</soap:Body></soap:Envelope>"))),
    ]
}

/// Words after an end: what contradicts it, and a success that comes late.
async fn late(stage: &mut Stage, book: &mut Book) {
    let ends = [
        ("Approved", "00", details(&[("status", "ok"), ("transactionId", "987654321")])),
        ("Declined", "00", details(&[("status", "ko"), ("errorCode", "1001")])),
        ("Cancelled", "00", details(&[("status", "ko"), ("errorCode", "1002")])),
        ("Expired", "00", details(&[("status", "ko"), ("errorCode", "1003")])),
        ("Failed", "12", absent()),
    ];
    for (end, digits, reply) in ends {
        let row = async |scene: &mut Scene<'_>| -> Result<()> {
            opened(scene, &format!("60.{digits}")).await?;
            scene.all_told().await?;
            asks(scene, reply).await?;
            scene.until(end).await?;
            scene.all_told().await?;
            for reply in [
                details(&[("status", "pending")]),
                details(&[("status", "ko"), ("errorCode", "1003")]),
                details(&[("status", "ok"), ("transactionId", "987654321")]),
                details(&[("status", "ko"), ("errorCode", "1001")]),
                absent(),
            ] {
                asks(scene, reply).await?;
                scene.all_told().await?;
            }
            Ok(())
        };
        stage.row(book, &format!("found after {end}"), row).await;
    }
}
