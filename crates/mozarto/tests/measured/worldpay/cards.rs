//! Cards server to server: what Worldpay is sent of the browser, and the codes with which it refuses.

use super::NAME;
use crate::steps::{LIMIT, id_of};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::client::bodies;
use testkit::world::Hands;

const VISA: &str = "4444333322221111";

/// The language and the depth of colour as 3-D Secure takes them.
pub(super) async fn browser(hands: Hands, said: &str, parts: [&str; 2]) -> Result<()> {
    let mut body: Value = serde_json::from_str(&bodies::worldpay_card("150.00", VISA, "John Doe"))?;
    body["browser"] = serde_json::from_str(said)?;
    let answer = hands.client.cashier(&body.to_string()).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = id_of(&answer)?;
    let calls = hands.client.control("GET", &format!("/{NAME}/calls?limit=1000"), None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let bodies = calls.iter().filter_map(|call| call["body"].as_str());
    let sent: Vec<&str> = bodies.filter(|body| body.contains("<CARD-SSL>") && body.contains(&id)).collect();
    ensure!(matches!(sent[..], [order] if parts.iter().all(|part| order.contains(part))), "{sent:?}");
    Ok(())
}

/// Told with Worldpay's own number, as it is.
pub(super) async fn refused(hands: Hands, code: &str, text: &str) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card("150.00", VISA, &format!("REFUSED{code}"))).await?;
    ensure!(answer.status == 400 && answer.body.get("errorCode").is_none(), "{} {}", answer.status, answer.body);
    ensure!(answer.text("/message") == "Transaction declined", "{}", answer.body);
    ensure!(answer.text("/data/returnCode") == code && answer.text("/data/returnMessage") == text, "{}", answer.body);
    let id = id_of(&answer)?;
    hands.client.wait_for(&id, &["Declined"], LIMIT).await?;
    hands.nothing_moved(NAME, &id).await
}
