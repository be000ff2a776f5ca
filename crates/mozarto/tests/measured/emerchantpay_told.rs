//! eMerchantPay notifies what its record does not show. The gateway was told that we have it and does not notify again, so that
//! nothing may be lost with it: a person is told.

use crate::emerchantpay::{NAME, paid, sent};
use crate::short_callbacks::{sha256_hex, told_address};
use crate::steps::{LIMIT, control, events, inquire, until};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use testkit::table::Table;
use testkit::world::{Hands, World};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_notified_and_not_in_the_record_is_shown() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["EMERCHANTPAY"], |options| options.time_scale(20));
    let world = world.await.expect("a sandbox");
    let mut table = Table::new("eMerchantPay notifies");
    for (record, notified, open) in [
        ("approved", "chargebacked", true),
        ("approved", "second_chargebacked", true),
        ("approved", "represented", true),
        ("approved", "voided", true),
        ("approved", "declined", true),
        ("approved", "exploded", true),
        ("approved", "CHARGEBACKED", true),
        ("approved", "approved", false),
        ("approved", "pending_async", false),
        ("chargebacked", "approved", false),
        // The first chargeback was shown; a second one is another.
        ("chargebacked", "second_chargebacked", true),
        ("chargebacked", "chargebacked", false),
        ("voided", "approved", false),
    ] {
        table.row(format!("{record}, notified {notified}"), notified_alone(world.hands(), record, notified, open));
    }
    table.end().await;
}

/// A notification that is signed; the signature covers the id alone.
async fn signed(hands: &Hands, id: &str, status: &str) -> Result<Vec<u8>> {
    let data = hands.managed(id).await?;
    let unique_id = data["pspTransactionId"].as_str().context("no unique_id")?;
    let signature = sha256_hex(format!("{unique_id}emp-demo-secret-0001").as_bytes());
    let ids = format!("transaction_id={id}&unique_id={unique_id}&signature={signature}");
    Ok(format!("{ids}&transaction_type=sale3d&amount=10000&status={status}").into_bytes())
}

/// The gateway notifies what its record does not show: a person is told, once, and the status stays.
async fn notified_alone(hands: Hands, record: &'static str, notified: &'static str, open: bool) -> Result<()> {
    let id = paid(&hands, "100.00").await?;
    let status = if record == "approved" { "Approved" } else { "Reversed" };
    if record != "approved" {
        control(&hands, NAME, &id, &format!("status/{record}")).await?;
        until(&hands, &id, |data| data["transaction_status"] == status).await?;
    }
    let body = signed(&hands, &id, notified).await?;
    let url = told_address(&hands, NAME, &id).await?;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let asked = sent(&hands, &id, "/reconcile/").await?.len();
    for _ in 0..2 {
        let answer = hands.client.send("POST", &url, &form, Some(body.clone())).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    }
    let end = Instant::now() + LIMIT;
    while sent(&hands, &id, "/reconcile/").await?.len() == asked {
        ensure!(Instant::now() < end, "nobody asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    inquire(&hands, &id).await?;
    let data = hands.client.status(&id).await?.body["data"].clone();
    let told = events(&data, "anomaly").iter().filter(|event| event.to_string().contains("its record does not show")).count();
    ensure!(told == usize::from(open) && data["transaction_status"] == status, "{told} times: {data}");
    Ok(())
}
