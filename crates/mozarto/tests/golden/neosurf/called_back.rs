//! What a callback says: signed over all of its fields, it counts by itself.

use super::found::MEANINGS;
use super::signed::{self, Field, hash, signed, whole, with, without};
use super::{ANOTHER, SECRET, opened, settings};
use crate::book::Book;
use crate::stage::{Scene, Stage};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;

const FORM: &str = "application/x-www-form-urlencoded";
const AMOUNT: &str = "50.00";
const MINOR: &str = "5000";
/// The most that is read of a callback.
const BODY_MAX: usize = 64 * 1024;

/// The simulator drops its own: each row tells by itself.
pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    settings(stage, json!({"dropCallbacks": true})).await;
    words(stage, book).await;
    hashes(stage, book).await;
    hints(stage, book).await;
    for (name, value) in [
        ("amount", "5001"),
        ("amount", "50.00"),
        ("currency", "usd"),
        ("merchantId", "24843"),
        ("subMerchantId", "other.example"),
        ("merchantTransactionId", ANOTHER),
    ] {
        let row = async |scene: &mut Scene<'_>| {
            let fields = with(open(scene).await?, name, value)?;
            tell(scene, &signed(&fields)).await
        };
        stage.row(book, &format!("told of another {name}: {value}"), row).await;
    }
    repeated(stage, book).await;
    late(stage, book).await;
    raw(stage, book).await;
    settings(stage, json!({"dropCallbacks": false})).await;
}

/// An open pay-in, and the callback that says that it is paid.
async fn open(scene: &mut Scene<'_>) -> Result<Vec<Field>> {
    opened(scene, AMOUNT).await?;
    let (site, _) = scene.client().base.rsplit_once(':').context("an address")?;
    let host = site.rsplit_once('/').context("an address")?.1.to_owned();
    Ok(whole(scene.id(), MINOR, &host))
}

async fn tell(scene: &mut Scene<'_>, body: &str) -> Result<()> {
    let url = scene.callback_address()?;
    scene.callback(&url, &[("content-type", FORM)], body.as_bytes().to_vec()).await.map(drop)
}

async fn words(stage: &mut Stage, book: &mut Book) {
    for [status, code, message] in MEANINGS {
        let row = async |scene: &mut Scene<'_>| {
            let fields = with(open(scene).await?, "status", status)?;
            let fields = with(with(fields, "errorCode", code)?, "errorMessage", message)?;
            tell(scene, &signed(&fields)).await
        };
        stage.row(book, format!("told: {status} {code} {message}").trim_end(), row).await;
    }
}

/// Signed otherwise, or not at all.
async fn hashes(stage: &mut Stage, book: &mut Book) {
    for name in ["in capitals", "missing", "empty", "of another key", "of no key", "short", "twice", "of other values"] {
        let row = async |scene: &mut Scene<'_>| {
            let fields = open(scene).await?;
            let right = hash(&fields, SECRET);
            let mut all = fields.clone();
            let presented = match name {
                "missing" => None,
                "in capitals" => Some(right.to_uppercase()),
                "empty" => Some(String::new()),
                "of another key" => Some(hash(&fields, "another")),
                "of no key" => Some(hash(&fields, "")),
                "short" => Some(right[1..].to_owned()),
                "of other values" => {
                    all = with(fields, "status", "ko")?;
                    Some(right)
                }
                _ => {
                    all.push(("hash".to_owned(), right.clone()));
                    Some(right)
                }
            };
            all.extend(presented.map(|hash| ("hash".to_owned(), hash)));
            tell(scene, &signed::form(&all)).await
        };
        stage.row(book, &format!("told, its hash: {name}"), row).await;
    }
}

/// Rightly signed, but not exactly the known fields: a hint. Told of what is paid, and of what is not.
async fn hints(stage: &mut Stage, book: &mut Book) {
    for is_paid in [true, false] {
        for name in [
            "a field more",
            "a field twice",
            "a value moved",
            "no amount",
            "no currency",
            "no merchantId",
            "no subMerchantId",
            "no merchantTransactionId",
            "an id and a word",
            "an id alone",
            "a word alone",
            "nothing",
        ] {
            let row = async |scene: &mut Scene<'_>| {
                let fields = open(scene).await?;
                if is_paid {
                    scene.control("approve").await?;
                }
                tell(scene, &signed(&hinting(fields, name)?)).await
            };
            let paid = if is_paid { "paid" } else { "not paid" };
            stage.row(book, &format!("hinted, {paid}: {name}"), row).await;
        }
    }
    let row = async |scene: &mut Scene<'_>| {
        let fields = without(open(scene).await?, "transaction3d");
        tell(scene, &signed(&fields)).await
    };
    stage.row(book, "told without an empty field", row).await;
}

fn hinting(mut fields: Vec<Field>, name: &str) -> Result<Vec<Field>> {
    let keep = |fields: Vec<Field>, names: &[&str]| {
        fields.into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect::<Vec<_>>()
    };
    Ok(match name {
        "a field more" => {
            fields.push(("extra".to_owned(), String::new()));
            fields
        }
        "a field twice" => {
            fields.push(("errorCode".to_owned(), String::new()));
            fields
        }
        // The same values in the same order, a character moved into a field of another name.
        "a value moved" => {
            let mut fields = with(fields, "errorCode", "7")?;
            "dcode".clone_into(&mut fields[3].0);
            fields
        }
        "an id and a word" => keep(fields, &["merchantTransactionId", "status"]),
        "an id alone" => keep(fields, &["merchantTransactionId"]),
        "a word alone" => keep(fields, &["status"]),
        "nothing" => Vec::new(),
        other => without(fields, other.strip_prefix("no ").context("a name")?),
    })
}

async fn repeated(stage: &mut Stage, book: &mut Book) {
    let row = async |scene: &mut Scene<'_>| {
        let body = signed(&open(scene).await?);
        tell(scene, &body).await?;
        scene.until("Approved").await?;
        tell(scene, &body).await?;
        tell(scene, &body).await
    };
    stage.row(book, "told three times", row).await;
    let row = async |scene: &mut Scene<'_>| {
        let fields = open(scene).await?;
        tell(scene, &signed(&fields)).await?;
        scene.until("Approved").await?;
        tell(scene, &signed(&with(fields, "transactionId", "987654322")?)).await
    };
    stage.row(book, "told of two payments", row).await;
    let row = async |scene: &mut Scene<'_>| {
        let fields = open(scene).await?;
        for label in ["first", "second"] {
            let waits = with(with(fields.clone(), "status", "pending")?, "methodLabel", label)?;
            tell(scene, &signed(&waits)).await?;
        }
        scene.hands().ends_as(scene.id(), "Pending", "pending", super::LIMIT).await?;
        tell(scene, &signed(&fields)).await?;
        scene.until("Approved").await?;
        tell(scene, &signed(&with(fields, "status", "pending")?)).await
    };
    stage.row(book, "told of a payment between others", row).await;
    let row = async |scene: &mut Scene<'_>| {
        let fields = open(scene).await?;
        let other = signed(&with(fields, "amount", "5001")?);
        for _ in 0..3 {
            tell(scene, &other).await?;
        }
        Ok(())
    };
    stage.row(book, "told of another amount three times", row).await;
    let row = async |scene: &mut Scene<'_>| {
        let fields = open(scene).await?;
        let forged = signed::form(&[fields.clone(), vec![("hash".to_owned(), "0".repeat(128))]].concat());
        for _ in 0..3 {
            tell(scene, &forged).await?;
        }
        scene.hands().needs_attention(scene.id(), "anomaly", super::LIMIT).await?;
        tell(scene, &signed(&fields)).await
    };
    stage.row(book, "forged three times, then told rightly", row).await;
}

/// After an end: a success, and what contradicts one.
async fn late(stage: &mut Stage, book: &mut Book) {
    for (end, code) in [("Declined", "1001"), ("Cancelled", "1002"), ("Expired", "1003"), ("Approved", "")] {
        let row = async |scene: &mut Scene<'_>| {
            let fields = open(scene).await?;
            let refused = |code: &str| with(with(fields.clone(), "status", "ko")?, "errorCode", code);
            let first = if code.is_empty() { fields.clone() } else { refused(code)? };
            tell(scene, &signed(&first)).await?;
            scene.until(end).await?;
            scene.all_told().await?;
            if !code.is_empty() {
                tell(scene, &signed(&fields)).await?;
                scene.until("Approved").await?;
                scene.all_told().await?;
            }
            tell(scene, &signed(&refused("1001")?)).await
        };
        stage.row(book, &format!("told after {end}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        opened(scene, "50.12").await?;
        scene.all_told().await?;
        let (site, _) = scene.client().base.rsplit_once(':').context("an address")?;
        let fields = whole(scene.id(), "5012", site.rsplit_once('/').context("an address")?.1);
        tell(scene, &signed(&fields)).await
    };
    stage.row(book, "told after Failed", row).await;
}

/// Methods, addresses, sizes, and bytes.
async fn raw(stage: &mut Stage, book: &mut Book) {
    for (name, method, slash) in [("a slash at its end", "POST", "/"), ("GET", "GET", ""), ("PUT", "PUT", "")] {
        let row = async |scene: &mut Scene<'_>| {
            let body = signed(&open(scene).await?).into_bytes();
            let url = format!("{}{slash}", scene.callback_address()?);
            let answer = scene.client().send(method, &url, &[("content-type", FORM)], Some(body)).await?;
            scene.did(format!("{method} {slash}"), answer);
            Ok(())
        };
        stage.row(book, &format!("told: {name}"), row).await;
    }
    for (name, content_type) in [("as JSON", "application/json"), ("without a type", "")] {
        let row = async |scene: &mut Scene<'_>| {
            let body = signed(&open(scene).await?);
            let headers = [("content-type", content_type)];
            let headers = if content_type.is_empty() { &headers[..0] } else { &headers[..] };
            scene.callback(&scene.callback_address()?, headers, body.into_bytes()).await.map(drop)
        };
        stage.row(book, &format!("told: {name}"), row).await;
    }
    for (name, body) in [("empty", ""), ("no form", "{\"status\":\"ok\"}"), ("only a mark", "\u{feff}")] {
        let row = async |scene: &mut Scene<'_>| {
            open(scene).await?;
            tell(scene, body).await
        };
        stage.row(book, &format!("told: {name}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        let fields = open(scene).await?;
        let body = format!("\u{feff}{}", signed(&fields));
        tell(scene, &body).await
    };
    stage.row(book, "told: after a mark", row).await;
    stage.row(book, "told too much, and at an unknown address", strange).await;
    stage.row(book, "told with a byte of another character set", odd_byte).await;
}

async fn strange(scene: &mut Scene<'_>) -> Result<()> {
    let fields = open(scene).await?;
    let address = scene.callback_address()?;
    let large = vec![b'a'; BODY_MAX + 1];
    let answer = scene.client().send("POST", &address, &[("content-type", FORM)], Some(large)).await?;
    scene.did("a body over the limit", answer);
    let (before, _) = address.rsplit_once('/').context("an address")?;
    let url = format!("{before}/{}", "pQ7v2LmX4c".repeat(4));
    let answer = scene.client().send("POST", &url, &[("content-type", FORM)], Some(signed(&fields).into_bytes())).await?;
    scene.did("an unknown address", answer);
    Ok(())
}

/// Covered by the hash as it goes over the wire.
async fn odd_byte(scene: &mut Scene<'_>) -> Result<()> {
    const PLACE: &str = "\u{1}";
    let in_bytes =
        |text: &str| text.bytes().map(|byte| if byte == PLACE.as_bytes()[0] { 0xe9 } else { byte }).collect::<Vec<u8>>();
    let fields = with(open(scene).await?, "methodLabel", PLACE)?;
    let joined: String = fields.iter().map(|(_, value)| value.as_str()).chain([SECRET]).collect();
    let hash = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, &in_bytes(&joined)));
    let body = format!("{}&hash={hash}", signed::form(&fields).replace("%01", PLACE));
    let answer =
        scene.client().send("POST", &scene.callback_address()?, &[("content-type", FORM)], Some(in_bytes(&body))).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    scene.did("a byte of ISO-8859-1", answer);
    Ok(())
}
