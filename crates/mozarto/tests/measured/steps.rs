//! What the tables of several providers do alike.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::Answer;
use testkit::forms::Form;
use testkit::world::Hands;

/// Until then whatever is waited for has happened.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The transaction that an answer is about, whatever else it says.
pub(crate) fn id_of(answer: &Answer) -> Result<String> {
    let id = answer.text("/transaction/transactionId").to_owned();
    ensure!(!id.is_empty(), "{} {}", answer.status, answer.body);
    Ok(id)
}

/// Brings a transaction to something at its simulator: an outcome, or `status/{word}`.
pub(crate) async fn control(hands: &Hands, provider: &str, id: &str, what: &str) -> Result<()> {
    let answer = hands.client.control("POST", &format!("/{provider}/{id}/{what}"), None).await?;
    ensure!(answer.status == 200, "{what}: {} {}", answer.status, answer.body);
    Ok(())
}

/// Takes the web services from the account at Trust: it believes what is signed, and can ask nothing. Answers the account.
pub(crate) async fn only_signed(hands: &Hands) -> Result<Answer> {
    let method = hands.client.method_of("TRUST").await?;
    let none = json!({"config": {"webServicesUsername": null, "webServicesPassword": null}});
    let changed = hands.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(none)).await?;
    ensure!(changed.status == 200, "{}", changed.body);
    Ok(changed)
}

/// What a simulator answers next.
pub(crate) async fn next(hands: &Hands, provider: &str, what: Value) -> Result<()> {
    let set = hands.client.control("PUT", &format!("/{provider}/next"), Some(what)).await?;
    ensure!(set.status == 200, "next: {} {}", set.status, set.body);
    Ok(())
}

/// Has the provider asked, by hand; answers once it was.
pub(crate) async fn inquire(hands: &Hands, id: &str) -> Result<()> {
    let asked = hands.client.manage("POST", &format!("/transactions/{id}/inquire"), Some(json!({}))).await?;
    ensure!(asked.status == 200, "inquire: {} {}", asked.status, asked.body);
    Ok(())
}

/// The transaction with its timeline, as the Management API shows it, once it is as wanted.
pub(crate) async fn until(hands: &Hands, id: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        let shown = hands.managed(id).await?;
        if wanted(&shown) {
            return Ok(shown);
        }
        ensure!(tokio::time::Instant::now() < end, "never as wanted: {shown}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The entries of a timeline of one kind.
pub(crate) fn events(shown: &Value, kind: &str) -> Vec<Value> {
    let all = shown["events"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|event| event["event"] == kind).collect()
}

/// Whether an entry of that kind says the text.
pub(crate) fn has_event(shown: &Value, kind: &str, text: &str) -> bool {
    events(shown, kind).iter().any(|event| event.to_string().contains(text))
}

/// The minor units of the entries of one kind.
pub(crate) fn minor_units(shown: &Value, kind: &str) -> Vec<i64> {
    events(shown, kind).iter().map(|event| event["detail"]["minorUnits"].as_i64().unwrap_or(-1)).collect()
}

/// A pay-in whose form the payer's browser has brought to the provider, and the page that it then shows.
pub(crate) async fn posted(hands: &Hands, body: &str) -> Result<(String, String)> {
    let answer = hands.client.cashier(body).await?;
    let url = answer.text("/data/paymentUrl").to_owned();
    let page = hands.client.send("GET", &url, &[], None).await?;
    ensure!(page.status == 200, "the page: {} {}", page.status, answer.body);
    let there = Form::of(&page.bytes)?.post(&hands.client, &url, &[]).await?;
    Ok((id_of(&answer)?, String::from_utf8_lossy(&there.bytes).into_owned()))
}
