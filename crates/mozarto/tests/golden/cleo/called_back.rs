//! Callbacks: hints at most. Cleo itself tells of nothing here.

use super::{body, record, theirs};
use crate::book::Book;
use crate::stage::{Scene, Stage};
use anyhow::Result;
use serde_json::{Value, json};

const AMOUNT: &str = "500.00";
const JSON: (&str, &str) = ("content-type", "application/json");

pub(super) async fn told(stage: &mut Stage, book: &mut Book) {
    for operation in ["PAYIN", "PAYOUT"] {
        members(stage, book, operation).await;
        in_vain(stage, book, operation).await;
    }
    bodies(stage, book).await;
    dressed(stage, book).await;
    stage.row(book, "told: not taken", not_taken).await;
}

async fn tell(scene: &mut Scene<'_>, body: &str) -> Result<()> {
    let url = scene.callback_address()?;
    scene.callback(&url, &[JSON], body.as_bytes().to_vec()).await.map(drop)
}

/// Paid at Cleo, as its record says; the callback is what has it asked.
async fn is_told(stage: &mut Stage, book: &mut Book, operation: &str, name: &str, body_of: impl FnOnce(Value) -> String) {
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&body(operation, AMOUNT)).await?;
        scene.control("approve").await?;
        let told = body_of(record(operation, &theirs(scene).await?, scene.id(), "COMPLETED", AMOUNT));
        tell(scene, &told).await
    };
    stage.row(book, &format!("{operation} told: {name}"), row).await;
}

fn with(mut record: Value, member: &str, value: Value) -> Value {
    record[member] = value;
    record
}

async fn members(stage: &mut Stage, book: &mut Book, operation: &str) {
    is_told(stage, book, operation, "good", |record| record.to_string()).await;
    for (member, value) in [
        ("amount", json!("1.00")),
        ("amount", json!(1)),
        ("amount", json!("many")),
        ("amount", json!(500)),
        ("amount", Value::Null),
        ("currency", json!("CLP")),
        ("type", json!("TRANSFER")),
        ("externalReference", json!("64a1f2b3c4d5e6f7a8b9c0d1")),
        ("id", json!("ti_000000")),
        ("id", json!("..")),
        ("id", json!(7)),
        ("status", json!("REJECTED")),
        ("status", json!("EXPLODED")),
        ("country", json!("AR")),
    ] {
        let name = format!("{member} is {value}");
        is_told(stage, book, operation, &name, |record| with(record, member, value).to_string()).await;
    }
    for (name, kept) in
        [("only the id", &["id"][..]), ("only the reference", &["externalReference"]), ("id and status", &["id", "status"])]
    {
        is_told(stage, book, operation, name, |record| {
            let members = record.as_object().into_iter().flatten().filter(|(name, _)| kept.contains(&name.as_str()));
            Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect()).to_string()
        })
        .await;
    }
}

/// What Cleo's record does not support.
async fn in_vain(stage: &mut Stage, book: &mut Book, operation: &str) {
    for word in ["COMPLETED", "REJECTED", "EXPIRED", "CANCELLED"] {
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&body(operation, AMOUNT)).await?;
            let told = record(operation, &theirs(scene).await?, scene.id(), word, AMOUNT);
            tell(scene, &told.to_string()).await
        };
        stage.row(book, &format!("{operation} told of {word}, in vain"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        scene.shows_once();
        scene.pay(&body(operation, AMOUNT)).await?;
        scene.control("approve").await?;
        let told = record(operation, &theirs(scene).await?, scene.id(), "COMPLETED", AMOUNT).to_string();
        for _ in 0..3 {
            tell(scene, &told).await?;
        }
        scene.until("Approved").await?;
        scene.all_told().await?;
        tell(scene, &told).await
    };
    stage.row(book, &format!("{operation} told four times"), row).await;
    // Its id is not known to us: that of the callback is asked about.
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&body(operation, "500.11")).await?;
        scene.control("approve").await?;
        let ledger = scene.hands().entries("cleo", scene.id()).await?;
        let id = ledger.first().and_then(|entry| entry["providerReference"].as_str()).unwrap_or_default().to_owned();
        let told = record(operation, &id, scene.id(), "COMPLETED", "500.11");
        tell(scene, &told.to_string()).await
    };
    stage.row(book, &format!("{operation} in doubt, then told"), row).await;
}

async fn bodies(stage: &mut Stage, book: &mut Book) {
    for (name, body) in [
        ("nothing", ""),
        ("no object", "[]"),
        ("a text", "\"COMPLETED\""),
        ("no JSON", "x"),
        ("cut", "{\"id\":"),
        ("an empty object", "{}"),
        ("only a mark", "\u{feff}"),
        ("a form", "id=ti_8f2c0a&status=COMPLETED"),
    ] {
        is_told(stage, book, "PAYIN", name, |_| body.to_owned()).await;
    }
}

/// A name, and what becomes of a record.
type Changed<T> = (&'static str, fn(&str) -> T);

async fn dressed(stage: &mut Stage, book: &mut Book) {
    let put_on: [Changed<String>; 4] = [
        ("a mark before it", |text| format!("\u{feff}{text}")),
        ("two marks before it", |text| format!("\u{feff}\u{feff}{text}")),
        ("a mark in it", |text| format!("{}\u{feff}{}", &text[..1], &text[1..])),
        ("the same member twice", |text| text.replacen('{', "{\"status\":\"REJECTED\",", 1)),
    ];
    for (name, put_on) in put_on {
        is_told(stage, book, "PAYIN", name, |record| put_on(&record.to_string())).await;
    }
    let bytes: [Changed<Vec<u8>>; 2] = [
        ("UTF-16", |text| std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()),
        ("a byte of ISO-8859-1", |text| [text.trim_end_matches('}').as_bytes(), b",\"payerName\":\"Ren\xe9\"}"].concat()),
    ];
    for (name, bytes) in bytes {
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&body("PAYIN", AMOUNT)).await?;
            scene.control("approve").await?;
            let told = record("PAYIN", &theirs(scene).await?, scene.id(), "COMPLETED", AMOUNT).to_string();
            let url = scene.callback_address()?;
            let answer = scene.client().send("POST", &url, &[JSON], Some(bytes(&told))).await?;
            scene.did("callback", answer);
            Ok(())
        };
        stage.row(book, &format!("PAYIN told: {name}"), row).await;
    }
}

async fn not_taken(scene: &mut Scene<'_>) -> Result<()> {
    scene.pay(&body("PAYIN", AMOUNT)).await?;
    let url = scene.callback_address()?;
    let told = record("PAYIN", &theirs(scene).await?, scene.id(), "COMPLETED", AMOUNT).to_string().into_bytes();
    let client = scene.client().clone();
    let got = client.send("GET", &url, &[], None).await?;
    scene.did(format!("GET, allowed: {}", got.header("allow").unwrap_or_default()), got);
    scene.did("PUT", client.send("PUT", &url, &[JSON], Some(told.clone())).await?);
    scene.did("another token", client.send("POST", &format!("{}x", &url[..url.len() - 1]), &[JSON], Some(told)).await?);
    scene.did("too long", client.send("POST", &url, &[JSON], Some(vec![b'a'; 65 * 1024])).await?);
    Ok(())
}
