//! A timeline does not grow without end: what callbacks tell fills half of it at most, and what we do ourselves still has its
//! place.

use crate::short_callbacks::{events, open};
use crate::ten::ALL;
use anyhow::{Context, Result, ensure};
use aws_lc_rs::hmac;
use serde_json::json;
use std::time::Duration;
use testkit::world::World;

const LIMIT: Duration = Duration::from_secs(40);
/// Callbacks that differ, each with something odd.
const ODD: usize = 600;
/// What callbacks tell: entries of a timeline at most.
const TOLD_MAX: usize = 250;

#[tokio::test(flavor = "multi_thread")]
async fn six_hundred_odd_callbacks_leave_a_timeline_within_its_cap() {
    capped().await.map_err(|error| format!("{error:#}")).unwrap();
}

async fn capped() -> Result<()> {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["PAYONE"], |options| {
        options.time_scale(200).variable("MOZARTO_LOG", "error")
    })
    .await?;
    let hands = world.hands();
    let provider = ALL.into_iter().find(|provider| provider.name == "payone").context("no PayOne")?;
    let open = open(&hands, provider).await?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"payone-demo-key-0001");
    for n in 0..ODD {
        let body = json!({"referenceId": open.id, "amount": format!("{}.01", 900 + n), "status": "Approved"}).to_string();
        let signature = hex::encode(hmac::sign(&key, body.as_bytes()));
        let headers = [("content-type", "application/json"), ("x-signature", signature.as_str())];
        loop {
            let answer = hands.client.send("POST", &open.url, &headers, Some(body.clone().into_bytes())).await?;
            if answer.status == 200 {
                break;
            }
            // Over the rate: it is sent again, as its sender does.
            ensure!(answer.status == 429, "{} {}", answer.status, answer.body);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let told = events(&hands, &open.id).await?;
    let odd = told.iter().filter(|event| event["event"] == "anomaly").count();
    println!("{odd} of {ODD} told, {} entries", told.len());
    ensure!(told.len() <= TOLD_MAX + 1, "{} entries, {odd} of them odd", told.len());
    ensure!(odd > TOLD_MAX / 2, "only {odd} are told: the cap was not met");
    // There is room for what becomes of the payment.
    let paid = hands.client.control("POST", &format!("/payone/{}/approve", open.id), None).await?;
    ensure!(paid.status == 200, "{}", paid.body);
    hands.client.wait_for(&open.id, &["Approved"], LIMIT).await?;
    let told = events(&hands, &open.id).await?;
    ensure!(told.iter().any(|event| event["to"] == "Approved"), "its ending is not told");
    Ok(())
}
