//! What a callback says: the account's address, unsigned, so that it is a hint and the inquiry decides.

use super::{ANOTHER, FORM, JSON, approve, held, settings, stands};
use crate::book::Book;
use crate::stage::{Scene, Stage, good};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::client::bodies;

const AMOUNT: &str = "500.00";
const PAY_IN_RAILS: [&str; 4] = ["ETI", "RFM", "CPI", "ACK"];
const PAY_OUT_RAILS: [&str; 6] = ["ETO", "RTO", "RTX", "ANR", "ANX", "ACH"];
/// The most that is read of a callback.
const BODY_MAX: usize = 64 * 1024;

/// What is told; `{id}` is the row's transaction.
struct Told<'a> {
    query: &'a str,
    content_type: &'a str,
    body: &'a str,
}

/// What names nobody has every open pay-in of the account asked about, once a minute: the stage's first and only one of the kind.
pub(super) async fn about_nobody(stage: &mut Stage, book: &mut Book) {
    settings(stage, json!({"dropCallbacks": true})).await;
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&bodies::gigadat_in(AMOUNT)).await?;
        scene.control("approve").await?;
        tell(scene, &Told { query: "", content_type: JSON, body: "{\"transactionId\":" }).await
    };
    stage.row(book, "told what cannot be read, about nobody", row).await;
    settings(stage, json!({"dropCallbacks": false})).await;
}

/// The simulator drops its own: each row tells by itself.
pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    settings(stage, json!({"dropCallbacks": true})).await;
    let forms = forms();
    for (name, told) in &forms {
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&bodies::gigadat_in(AMOUNT)).await?;
            scene.control("approve").await?;
            tell(scene, told).await
        };
        stage.row(book, &format!("told, and paid: {name}"), row).await;
    }
    let good = Told { query: "transaction={id}&status=STATUS_SUCCESS", content_type: FORM, body: WHOLE };
    for (name, word) in [("not opened", None), ("open", Some("STATUS_INITED")), ("refused", Some("STATUS_REJECTED"))] {
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&bodies::gigadat_in(AMOUNT)).await?;
            if let Some(word) = word {
                scene.control(&format!("status/{word}")).await?;
            }
            tell(scene, &good).await
        };
        stage.row(book, &format!("told of a success: {name}"), row).await;
    }
    rails(stage, book).await;
    repeated(stage, book, &good).await;
    of_pay_outs(stage, book, &good).await;
    raw(stage, book).await;
    settings(stage, json!({"dropCallbacks": false})).await;
}

const WHOLE: &str = "transactionId={id}&userId=user_123&site=https%3A%2F%2Fmerchant.example&userIp=1.2.3.4&currency=CAD&amount=500&\
    name=John+Test&email=merchant-user%40example.com&type=ETI&sandbox=true&entityId=e&aggid=a&cookie=&cpiType=ETI";

fn forms() -> Vec<(&'static str, Told<'static>)> {
    const SUCCESS: &str = "transaction={id}&status=STATUS_SUCCESS";
    let told = |query, content_type, body| Told { query, content_type, body };
    vec![
        ("whole", told(SUCCESS, FORM, WHOLE)),
        ("the address alone", told(SUCCESS, FORM, "")),
        ("a form alone", told("", FORM, "transactionId={id}&amount=500.00")),
        ("JSON alone", told("", JSON, r#"{"transactionId":"{id}","amount":500,"currency":"CAD"}"#)),
        ("in small letters", told("", JSON, r#"{"transactionid":"{id}"}"#)),
        ("the address is wrong, the body right", told("transaction=x", JSON, r#"{"transactionId":"{id}"}"#)),
        ("the address says another word", told("transaction={id}&status=STATUS_REJECTED", FORM, "")),
        ("the address says an unknown word", told("transaction={id}&status=STATUS_EXPLODED", FORM, "")),
        ("without a word", told("transaction={id}", FORM, "")),
        ("another transaction in the body", told(SUCCESS, FORM, "transactionId=64a1f2b3c4d5e6f7a8b9c0d1")),
        ("another transaction in the address", told("transaction=64a1f2b3c4d5e6f7a8b9c0d1", FORM, "transactionId={id}")),
        ("no transaction of ours", told("transaction=64a1f2b3c4d5e6f7a8b9c0d1&status=STATUS_SUCCESS", FORM, "")),
        ("another amount", told(SUCCESS, FORM, "transactionId={id}&amount=900.00")),
        ("a more exact amount", told(SUCCESS, JSON, r#"{"transactionId":"{id}","amount":"500.001"}"#)),
        ("no amount at all", told(SUCCESS, FORM, "transactionId={id}&amount=")),
        ("another currency", told(SUCCESS, FORM, "transactionId={id}&amount=500.00&currency=USD")),
        ("a rail too long", told(SUCCESS, FORM, "transactionId={id}&type=ABCDEFGHIJKLMNOPQ")),
        ("a rail of odd characters", told(SUCCESS, JSON, r#"{"transactionId":"{id}","type":"<b>"}"#)),
        ("after a mark", told("", JSON, "\u{feff}{\"transactionId\":\"{id}\"}")),
        ("unreadable, with the address", told(SUCCESS, JSON, "{\"transactionId\":")),
        ("a list", told(SUCCESS, JSON, "[]")),
        ("only a mark", told(SUCCESS, JSON, "\u{feff}")),
        ("an empty object", told(SUCCESS, JSON, "{}")),
    ]
}

/// The account's address, as the Management API shows it.
async fn address(scene: &Scene<'_>) -> Result<String> {
    let method = scene.client().method_of("GIGADAT").await?;
    let shown = scene.client().manage("GET", &format!("/payment-methods/{method}"), None).await?;
    let address = shown.text("/data/callbackUrl").to_owned();
    ensure!(!address.is_empty(), "no address: {} {}", shown.status, shown.body);
    Ok(address)
}

async fn tell(scene: &mut Scene<'_>, told: &Told<'_>) -> Result<()> {
    let address = address(scene).await?;
    tell_at(scene, &address, told).await
}

async fn tell_at(scene: &mut Scene<'_>, address: &str, told: &Told<'_>) -> Result<()> {
    let of_row = |text: &str| text.replace("{id}", scene.id());
    let (query, body) = (of_row(told.query), of_row(told.body));
    let url = if query.is_empty() { address.to_owned() } else { format!("{address}?{query}") };
    let headers = [("content-type", told.content_type)];
    let answer = scene.client().send("POST", &url, &headers, Some(body.clone().into_bytes())).await?;
    scene.did(format!("callback ?{query} {} {body}", told.content_type), answer);
    Ok(())
}

/// Each rail word is on the timeline.
async fn rails(stage: &mut Stage, book: &mut Book) {
    for rail in PAY_IN_RAILS {
        let body = format!("transactionId={{id}}&type={rail}");
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&bodies::gigadat_in(AMOUNT)).await?;
            scene.control("approve").await?;
            tell(scene, &Told { query: "", content_type: FORM, body: &body }).await
        };
        stage.row(book, &format!("told the rail {rail}"), row).await;
    }
    for rail in PAY_OUT_RAILS {
        let body = format!("transactionId={{id}}&type={rail}");
        let row = async |scene: &mut Scene<'_>| {
            held(scene, "ETO", AMOUNT).await?;
            tell(scene, &Told { query: "", content_type: FORM, body: &body }).await
        };
        stage.row(book, &format!("told the rail {rail} on hold"), row).await;
    }
}

/// The same again, and late.
async fn repeated(stage: &mut Stage, book: &mut Book, good: &Told<'_>) {
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&bodies::gigadat_in(AMOUNT)).await?;
        scene.control("approve").await?;
        tell(scene, good).await?;
        scene.until("Approved").await?;
        tell(scene, good).await?;
        tell(scene, good).await
    };
    stage.row(book, "told three times", row).await;
    let other =
        Told { query: "transaction={id}&status=STATUS_SUCCESS", content_type: FORM, body: "transactionId={id}&amount=900" };
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&bodies::gigadat_in(AMOUNT)).await?;
        for _ in 0..3 {
            tell(scene, &other).await?;
        }
        scene.hands().needs_attention(scene.id(), "anomaly", super::LIMIT).await?;
        scene.control("approve").await?;
        tell(scene, good).await
    };
    stage.row(book, "told of another amount three times, then rightly", row).await;
    for (end, outcome) in [("Declined", "decline"), ("Cancelled", "cancel"), ("Expired", "expire")] {
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&bodies::gigadat_in(AMOUNT)).await?;
            scene.control(outcome).await?;
            tell(scene, good).await?;
            scene.until(end).await?;
            scene.all_told().await?;
            scene.control("status/STATUS_SUCCESS").await?;
            let late = Told { query: "transaction={id}&status=STATUS_SUCCESS", content_type: FORM, body: "" };
            tell(scene, &late).await
        };
        stage.row(book, &format!("told late, after {end}"), row).await;
    }
}

async fn of_pay_outs(stage: &mut Stage, book: &mut Book, good: &Told<'_>) {
    let row = async |scene: &mut Scene<'_>| {
        held(scene, "ETO", AMOUNT).await?;
        tell(scene, good).await
    };
    stage.row(book, "told of a success on hold", row).await;
    for word in ["STATUS_SUCCESS", "STATUS_REJECTED"] {
        let row = async |scene: &mut Scene<'_>| {
            held(scene, "ETO", AMOUNT).await?;
            scene.control(&format!("status/{word}")).await?;
            tell(scene, good).await
        };
        stage.row(book, &format!("told on hold of what the record has: {word}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        held(scene, "ACH", AMOUNT).await?;
        approve(scene).await?;
        stands(scene, "Pending", "STATUS_INITED").await?;
        scene.control("approve").await?;
        tell(scene, &Told { query: "transaction={id}", content_type: FORM, body: "transactionId={id}&type=ACH" }).await
    };
    stage.row(book, "told of a pay-out that is paid", row).await;
}

/// Methods, addresses, sizes, bytes, and another account's address.
async fn raw(stage: &mut Stage, book: &mut Book) {
    for (name, method, slash) in [("a slash at its end", "POST", "/"), ("GET", "GET", ""), ("PUT", "PUT", "")] {
        let row = async |scene: &mut Scene<'_>| {
            scene.pay(&bodies::gigadat_in(AMOUNT)).await?;
            scene.control("approve").await?;
            let url = format!("{}{slash}?transaction={}", address(scene).await?, scene.id());
            let answer = scene.client().send(method, &url, &[("content-type", FORM)], Some(Vec::new())).await?;
            scene.did(format!("{method} {slash}"), answer);
            Ok(())
        };
        stage.row(book, &format!("told: {name}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&bodies::gigadat_in(AMOUNT)).await?;
        scene.control("approve").await?;
        let address = address(scene).await?;
        let url = format!("{}?transaction={}", address, scene.id());
        let large = vec![b' '; BODY_MAX + 1];
        let answer = scene.client().send("POST", &url, &[("content-type", FORM)], Some(large)).await?;
        scene.did("a body over the limit", answer);
        let (before, _) = address.rsplit_once('/').context("an address")?;
        let url = format!("{before}/{}?transaction={}", "pQ7v2LmX4c".repeat(4), scene.id());
        let answer = scene.client().send("POST", &url, &[("content-type", FORM)], Some(Vec::new())).await?;
        scene.did("an unknown address", answer);
        Ok(())
    };
    stage.row(book, "told too much, and at an unknown address", row).await;
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&bodies::gigadat_in(AMOUNT)).await?;
        scene.control("approve").await?;
        let mut body = format!("{{\"transactionId\":\"{}\",\"payerName\":\"Ren", scene.id()).into_bytes();
        body.extend_from_slice(b"\xe9\"}");
        let url = format!("{}?transaction={}", address(scene).await?, scene.id());
        let answer = scene.client().send("POST", &url, &[("content-type", JSON)], Some(body)).await?;
        scene.did("a byte of ISO-8859-1", answer);
        Ok(())
    };
    stage.row(book, "told with a byte of another character set", row).await;
    misdirected(stage, book).await;
}

async fn misdirected(stage: &mut Stage, book: &mut Book) {
    let account: Value = json!({"pspType": "GIGADAT", "config": {
        "accountName": "Second", "apiKey": "gd-second", "secret": "gd-second", "campaignId": "second"}});
    let made = stage.hands().client.manage("POST", "/payment-methods", Some(account)).await.expect("a second account");
    let second = made.text("/data/callbackUrl").to_owned();
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&bodies::gigadat_in(AMOUNT)).await?;
        scene.control("approve").await?;
        for query in ["transaction={id}&status=STATUS_SUCCESS", "transaction={id}&status=STATUS_SUCCESS", ANOTHER] {
            tell_at(scene, &second, &Told { query, content_type: FORM, body: "" }).await?;
        }
        Ok(())
    };
    stage.row(book, "told at another account's address", row).await;
    let path = format!("/payment-methods/{}", made.text("/data/id"));
    let gone = stage.hands().client.manage("PATCH", &path, Some(json!({"enabled": false}))).await.expect("switched off");
    good(&gone).expect("switched off");
}
