//! Callbacks whose processing meets trouble: an odd one, ten times, while its provider answers nothing. What it has to tell is on
//! the timeline once, however often it came and however often it was tried. Of all ten providers.

use crate::short_callbacks::{Open, events, nobody, open, sha256_hex};
use crate::ten::{ALL, Provider};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use testkit::table::Table;
use testkit::world::{Hands, World};

const LIMIT: Duration = Duration::from_secs(40);
const TIMES: usize = 10;

/// An odd callback: its body, how it is answered, and what of it the timeline tells.
struct Odd {
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
    answer: u16,
    told: &'static str,
}

impl Odd {
    fn json(body: &serde_json::Value, told: &'static str) -> Self {
        Self { content_type: "application/json", headers: Vec::new(), body: body.to_string(), answer: 200, told }
    }

    fn form(body: impl Into<String>, answer: u16, told: &'static str) -> Self {
        Self { content_type: "application/x-www-form-urlencoded", headers: Vec::new(), body: body.into(), answer, told }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_callback_is_told_once_while_nobody_answers() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options.time_scale(60)).await.expect("a sandbox");
    let mut table = Table::new("odd callbacks in trouble");
    for provider in ALL {
        match provider.name {
            "flexepin" => table.row("flexepin calls nobody", nobody(world.hands())),
            // None of its callbacks is odd: they are unsigned, their numbers are not believed, and no reference of ours is in
            // them. One may name a transaction of somebody else, which shows in Brite's record alone.
            "brite" => table.row("brite: another's transaction", told_once(world.hands(), provider, world.data().to_owned())),
            name => table.row(name, told_once(world.hands(), provider, world.data().to_owned())),
        }
    }
    table.end().await;
}

async fn odd(hands: &Hands, provider: Provider, id: &str) -> Result<Odd> {
    const ANOTHER: &str = "64a1f2b3c4d5e6f7a8b9c0d1";
    Ok(match provider.name {
        "brite" => {
            let other = open(hands, provider).await?;
            let paid = hands.client.control("POST", &format!("/brite/{}/approve", other.id), None).await?;
            ensure!(paid.status == 200, "{} {}", paid.status, paid.body);
            let entries = hands.entries("brite", &other.id).await?;
            let theirs = entries.first().and_then(|entry| entry["providerReference"].as_str()).context("not in the ledger")?;
            Odd::json(&json!({"merchant_id": "m", "transaction_id": theirs, "transaction_state": 5}), "another")
        }
        "cleo" => Odd::json(&json!({"externalReference": ANOTHER, "status": "COMPLETED"}), "a Cleo callback has another"),
        "forumpay" => Odd::json(&json!({"reference_no": ANOTHER}), "a ForumPay callback names another reference"),
        "gigadat" => Odd::json(&json!({"transactionId": id, "amount": "900.00"}), "a Gigadat callback has another"),
        "payone" => {
            let forged = Odd::json(&json!({"referenceId": id, "status": "Approved"}), "a missing or wrong signature");
            Odd { headers: vec![("x-signature", "00".repeat(32))], answer: 401, ..forged }
        }
        "neosurf" => {
            let body = format!("merchantTransactionId={id}&status=ok&hash={}", "0".repeat(128));
            Odd::form(body, 403, "a missing or wrong hash")
        }
        "trust" => {
            let body = format!("notificationreference=1-1&errorcode=0&orderreference={id}&requesttypedescription=AUTH");
            Odd::form(body, 200, "notified unsigned")
        }
        "emerchantpay" => {
            let shown = hands.managed(id).await?;
            let theirs = shown["pspTransactionId"].as_str().context("no unique_id")?;
            let signature = sha256_hex(format!("{theirs}emp-demo-secret-0001").as_bytes());
            let body = format!("unique_id={theirs}&signature={signature}&status=approved&event=retrieval_request");
            Odd::form(body, 200, "a retrieval request")
        }
        _ => Odd {
            content_type: "text/xml",
            headers: Vec::new(),
            body: format!(
                "<paymentService version=\"1.4\" merchantCode=\"DEMOCOMPANY\"><notify><orderStatusEvent orderCode=\"{id}\">\
                 <payment><lastEvent>REVOKE_REQUESTED</lastEvent></payment></orderStatusEvent></notify></paymentService>"
            ),
            answer: 200,
            told: "Worldpay notified REVOKE_REQUESTED",
        },
    })
}

async fn mute(hands: &Hands, provider: Provider, times: u32) -> Result<()> {
    let next = json!({"path": "", "http": 500, "times": times});
    let set = hands.client.control("PUT", &format!("/{}/next", provider.name), Some(next)).await?;
    ensure!(set.status == 200, "next: {} {}", set.status, set.body);
    Ok(())
}

/// How many calls were answered with 500, and how many otherwise.
async fn calls(hands: &Hands, provider: Provider) -> Result<(usize, usize)> {
    let calls = hands.client.control("GET", &format!("/{}/calls", provider.name), None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let failed = calls.iter().filter(|call| call["http"] == 500).count();
    Ok((failed, calls.len() - failed))
}

async fn until<F: Future<Output = Result<bool>>>(what: &str, mut holds: impl FnMut() -> F) -> Result<()> {
    let end = Instant::now() + LIMIT;
    while !holds().await? {
        ensure!(Instant::now() < end, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Ok(())
}

async fn told(hands: &Hands, id: &str, text: &str) -> Result<usize> {
    let told = events(hands, id).await?;
    let odd = told.iter().filter(|event| event["event"] == "anomaly" || event["event"] == "noted");
    Ok(odd.filter(|event| event.to_string().contains(text)).count())
}

/// Callbacks of a transaction in the store; and those of them that are not worked off.
fn kept(data: &Path, id: &str) -> Result<(i64, i64)> {
    let db = rusqlite::Connection::open(data.join("mozarto.db"))?;
    db.busy_timeout(Duration::from_secs(20))?;
    let sql = "SELECT COUNT(*), COUNT(due_at) FROM callbacks WHERE transaction_id = ?1";
    Ok(db.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

async fn told_once(hands: Hands, provider: Provider, data: PathBuf) -> Result<()> {
    let Open { id, url } = open(&hands, provider).await?;
    let odd = odd(&hands, provider, &id).await?;
    let (failed, _) = calls(&hands, provider).await?;
    mute(&hands, provider, 100_000).await?;
    let mut headers = vec![("content-type", odd.content_type)];
    headers.extend(odd.headers.iter().map(|(name, value)| (*name, value.as_str())));
    for _ in 0..TIMES {
        let answer = hands.client.send("POST", &url, &headers, Some(odd.body.clone().into_bytes())).await?;
        ensure!(answer.status == odd.answer, "{} {}", answer.status, answer.body);
    }
    // What a callback says is told before anybody is asked; of Brite's only the record says something.
    if provider.name != "brite" {
        until("it is told", async || Ok(told(&hands, &id, odd.told).await? > 0)).await?;
    }
    until("asked in vain, twice", async || Ok(calls(&hands, provider).await?.0 >= failed + 2)).await?;
    let meanwhile = told(&hands, &id, odd.told).await?;
    ensure!(meanwhile == usize::from(provider.name != "brite"), "told {meanwhile} times: {:?}", events(&hands, &id).await?);
    mute(&hands, provider, 0).await?;
    until("all are worked off", async || Ok(kept(&data, &id)?.1 == 0)).await?;
    let (rows, _) = kept(&data, &id)?;
    ensure!(rows == 1, "{rows} are kept");
    let told = told(&hands, &id, odd.told).await?;
    ensure!(told == 1, "told {told} times: {:?}", events(&hands, &id).await?);
    Ok(())
}
