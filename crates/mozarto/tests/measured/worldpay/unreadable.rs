//! Notifications of Worldpay that cannot be read: whatever they were about, the account's open orders are asked about.

use super::documents::Account;
use super::{NAME, opened};
use crate::steps::{control, id_of, until};
use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::client::bodies;
use testkit::world::{Hands, World};

/// A card whose payer is shown a challenge, so that the payment stays open.
const CHALLENGE: &str = "4000000000001091";

/// Real time, so that no schedule is due within this test, and no notification of the simulator's.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_an_anomaly_of_its_account() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["WORLDPAY_EU"], |options| options.time_scale(1));
    let world = world.await.expect("a sandbox");
    let settings = Some(json!({"dropCallbacks": true, "settleDelayMs": 3_600_000}));
    world.client.control("PUT", "/worldpay/settings", settings).await.expect("settings");
    told(&world.hands()).await.unwrap();
}

/// When it is asked about next.
fn next_at(shown: &Value) -> Result<Timestamp> {
    Ok(shown["nextActionAt"].as_str().context("nothing is due")?.parse()?)
}

async fn told(hands: &Hands) -> Result<()> {
    let account = Account::of(hands).await?;
    let theirs = id_of(&hands.client.cashier(&bodies::worldpay_card("150.00", CHALLENGE, "John Doe")).await?)?;
    let of_another = next_at(&hands.managed(&theirs).await?)?;
    let mut ours = Vec::new();
    for _ in 0..3 {
        let id = opened(hands).await?;
        control(hands, NAME, &id, "status/AUTHORISED").await?;
        let due = next_at(&hands.managed(&id).await?)?;
        ours.push((id, due));
    }
    let utf16: Vec<u8> = "<paymentService/>".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let unreadable: [(&str, &str, Option<Vec<u8>>); 6] = [
        ("POST", "application/x-www-form-urlencoded", Some(b"OrderCode=1&PaymentStatus=AUTHORISED".to_vec())),
        ("POST", "text/xml", Some(b"<paymentService><notify>".to_vec())),
        ("POST", "text/xml", Some(b"<paymentService version=\"1.4\"><notify/></paymentService>".to_vec())),
        ("POST", "text/xml; charset=utf-16", Some(utf16)),
        ("POST", "text/xml", Some(Vec::new())),
        ("GET", "text/xml", None),
    ];
    let times = unreadable.len();
    for (method, content_type, body) in unreadable {
        let answer = hands.client.send(method, &account.callback_url, &[("content-type", content_type)], body).await?;
        ensure!(answer.status == 200 && answer.bytes == b"[OK]", "{method} {content_type}: {} {:?}", answer.status, answer.bytes);
    }
    for (id, due) in &ours {
        let shown = until(hands, id, |shown| shown["transaction_status"] == "Approved").await?;
        let at: Timestamp = shown["updatedAt"].as_str().context("no updatedAt")?.parse()?;
        ensure!(at < *due, "asked about by the schedule alone: {at}, {due}");
    }
    let shown = hands.managed(&theirs).await?;
    ensure!(shown["transaction_status"] == "Pending" && next_at(&shown)? == of_another, "another account's: {shown}");
    let metrics = String::from_utf8(hands.client.read("/metrics").await?.bytes.to_vec())?;
    let counted: Vec<&str> = metrics.lines().filter(|line| line.starts_with("mozarto_account_anomalies_total{")).collect();
    ensure!(matches!(counted[..], [line] if line.ends_with(&format!(" {times}")) && line.contains(&account.id)), "{counted:?}");
    Ok(())
}
