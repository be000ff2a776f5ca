//! More facts than an inbox keeps: what goes over the cap is not lost, for the provider is asked in its place.

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA512, digest};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::client::bodies;
use testkit::world::{Hands, World};

const BINARY: &str = crate::node::BINARY;
const LIMIT: Duration = Duration::from_secs(40);
/// Shorter than what lies between the first two inquiries of the schedule.
const BEFORE_THE_NEXT: Duration = Duration::from_secs(13);
/// So many are worked on at once; whatever comes then waits for some seconds.
const PROMPT: usize = 40;
/// How often it is tried to be quick enough.
const ATTEMPTS: usize = 4;

fn url_decoded(text: &str) -> String {
    text.replace("%3A", ":").replace("%2F", "/").replace("\\/", "/")
}

/// The address and the sub-merchant that Neosurf was told about that transaction.
pub(crate) async fn told(hands: &Hands, id: &str) -> Result<(String, String)> {
    let calls = hands.client.control("GET", "/neosurf/calls", None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let of = |call: &Value| call["body"].as_str().map(url_decoded).filter(|body| body.contains(id));
    let body = calls.iter().find_map(of).context("Neosurf was told nothing")?;
    let start = format!("{}/callbacks/neosurf/", hands.client.base);
    let token = body.split_once(&start).context("no address")?.1;
    let token = token.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))).next().unwrap_or_default();
    let sub_merchant = body.split_once("subMerchantId=").and_then(|(_, rest)| rest.split('&').next()).unwrap_or_default();
    Ok((format!("{start}{token}"), sub_merchant.to_owned()))
}

/// A signed notification; `label` makes it another one.
pub(crate) fn notification(id: &str, sub_merchant: &str, status: &str, label: &str) -> Vec<u8> {
    let fields = [
        ("amount", "10000"),
        ("currency", "eur"),
        ("errorCode", ""),
        ("errorMessage", ""),
        ("merchantId", "24842"),
        ("merchantTransactionId", id),
        ("methodLabel", label),
        ("status", status),
        ("subMerchantId", sub_merchant),
        ("transactionId", "987654321"),
    ];
    // The secret stands at the end, the values in the order of their names.
    let joined: String = fields.iter().map(|(_, value)| *value).chain(["neosurf-demo-secret-0001"]).collect();
    let mut body: String = fields.iter().map(|(name, value)| format!("{name}={value}&")).collect();
    body.push_str(&format!("hash={}", hex::encode(digest(&SHA512, joined.as_bytes()))));
    body.into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_over_the_cap_has_the_provider_asked() {
    let rows = async {
        let world = World::start(BINARY, &["NEOSURF"], |options| options.time_scale(2)).await?;
        // On a machine so slow that what waits is worked on before all of it has come nothing went over the cap, and nothing is
        // shown.
        for _ in 0..ATTEMPTS {
            if is_asked_in_its_place(&world).await? {
                return Ok(());
            }
        }
        anyhow::bail!("it was never over the cap")
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

/// False: nothing went over the cap.
async fn is_asked_in_its_place(world: &World) -> Result<bool> {
    let hands = world.hands();
    let answer = hands.client.cashier(&bodies::neosurf("EUR", "100.00")).await?;
    let id = answer.text("/transaction/transactionId").to_owned();
    ensure!(answer.status == 200 && !id.is_empty(), "{} {}", answer.status, answer.body);
    let (url, sub_merchant) = told(&hands, &id).await?;
    hands.client.control("PUT", "/neosurf/settings", Some(json!({"dropCallbacks": true}))).await?;
    let tell = async |status: &str, n: usize| {
        let body = notification(&id, &sub_merchant, status, &format!("n{n}"));
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let answer = hands.client.send("POST", &url, &form, Some(body)).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        Ok(())
    };
    let asked = async || anyhow::Ok(hands.client.control("GET", "/neosurf/calls", None).await?.body["total"].as_u64());
    // The first inquiry of the schedule comes after 5 s; the next one 15 s later, which is longer than is waited for below.
    let until = Instant::now() + LIMIT;
    let begun = asked().await?;
    while asked().await? == begun {
        ensure!(Instant::now() < until, "no inquiry of the schedule");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (before, until) = (asked().await?, Instant::now() + BEFORE_THE_NEXT);
    for n in 0..PROMPT {
        tell("pending", n).await?;
    }
    // These wait together; the one that says that it is paid is the oldest of them, and goes.
    tell("ok", PROMPT).await?;
    for n in 0..PROMPT + 20 {
        tell("pending", PROMPT + 1 + n).await?;
    }
    while asked().await? == before {
        let status = hands.client.status(&id).await?;
        if status.body["data"]["transaction_status"] == "Approved" {
            return Ok(false);
        }
        ensure!(Instant::now() < until, "nobody asked Neosurf: {}", status.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(true)
}
