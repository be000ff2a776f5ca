//! Byte order marks, exponents, compressed answers, character sets: dressing is not meaning. Each provider is paid by in each
//! dress, its answers and its callbacks; what cannot be read is no refusal and no success, and costs no memory.

use crate::ten::{ALL, Provider, WITH_WEBHOOKS};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// What is due comes within this.
const LIMIT: Duration = Duration::from_secs(30);
/// What a process may grow by while bombs of 1 GiB are sent to it, KiB.
const GROWTH_MAX_KIB: u64 = 96 * 1024;
/// 1 GiB.
const BOMB: u64 = 1 << 30;
/// Vouchers are spent once.
static SERIAL: AtomicU32 = AtomicU32::new(1);

/// Dresses in which every answer means what it means.
fn good() -> Vec<(&'static str, Value)> {
    vec![
        ("a mark", json!({"marks": 1})),
        ("exponents", json!({"exponents": true})),
        ("gzip", json!({"packed": "gzip"})),
        ("x-gzip", json!({"packed": "x-gzip"})),
        ("deflate", json!({"packed": "deflate"})),
        ("the bare stream as deflate", json!({"packed": "raw-deflate"})),
        ("all at once", json!({"packed": "gzip", "marks": 1, "exponents": true})),
        ("says gzip and is not", json!({"says": "gzip"})),
        ("says deflate and is not", json!({"says": "deflate"})),
        ("ISO-8859-1 by the header", json!({"charset": "ISO-8859-1", "charsetIn": "header"})),
        ("windows-1252 by the header, packed", json!({"charset": "windows-1252", "charsetIn": "header", "packed": "deflate"})),
        ("UTF-8 by the header", json!({"charset": "UTF-8", "charsetIn": "header", "marks": 1})),
    ]
}

/// Dresses that nobody sees through.
fn unreadable() -> Vec<(&'static str, Value)> {
    vec![
        ("two marks", json!({"marks": 2})),
        ("a mark inside", json!({"markInside": true})),
        ("UTF-16", json!({"charset": "UTF-16", "charsetIn": "header"})),
        ("an odd byte of no character set", json!({"charset": "ISO-8859-1", "charsetIn": "nowhere"})),
        ("gzip that says br", json!({"packed": "gzip", "says": "br"})),
        ("64 KiB that unpack to 64 MiB", json!({"bombBytes": BOMB / 16})),
        ("a few KiB that unpack to 1 GiB", json!({"bombBytes": BOMB})),
    ]
}

pub(crate) async fn world() -> World {
    World::start(env!("CARGO_BIN_EXE_mozarto"), &WITH_WEBHOOKS, |options| options.time_scale(60).auto_settle(50))
        .await
        .expect("a sandbox")
}

pub(crate) async fn set(hands: &Hands, provider: Provider, settings: Value) -> Result<()> {
    let set = hands.client.control("PUT", &format!("/{}/settings", provider.name), Some(settings)).await?;
    ensure!(set.status == 200, "{}", set.body);
    Ok(())
}

pub(crate) async fn pay(hands: &Hands, provider: Provider) -> Result<testkit::client::Answer> {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    hands.client.cashier(&provider.pay_in(serial, "100.00")).await
}

pub(crate) async fn approved(hands: &Hands, provider: Provider) -> Result<()> {
    let answer = pay(hands, provider).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let data = hands.client.wait_for(answer.text("/transaction/transactionId"), &["Approved"], LIMIT).await?;
    let managed = hands.managed(data["transactionId"].as_str().unwrap_or_default()).await?;
    ensure!(managed["attention"].is_null(), "something was odd: {managed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn dressing_is_not_meaning() {
    let world = world().await;
    let mut table = Table::new("dresses");
    for provider in ALL {
        table.row(provider.name, answers_in_every_dress(world.hands(), provider));
    }
    table.end().await;
    let mut table = Table::new("asked for no compression");
    for provider in ALL {
        table.row(provider.name, asked_for_identity(world.hands(), provider));
    }
    table.end().await;
    let mut table = Table::new("callbacks in dresses");
    for provider in ALL {
        table.row(provider.name, callbacks_in_every_dress(world.hands(), provider));
    }
    table.end().await;
}

async fn answers_in_every_dress(hands: Hands, provider: Provider) -> Result<()> {
    let mut dresses = good();
    // JSON has no declaration, so that there an odd byte is in no character set.
    if ["emerchantpay", "worldpay"].contains(&provider.name) {
        dresses.push(("by the declaration", json!({"charset": "ISO-8859-1", "charsetIn": "declaration"})));
        dresses.push((
            "by the declaration, packed",
            json!({"charset": "windows-1252", "charsetIn": "declaration", "packed": "gzip"}),
        ));
    }
    for (dress, settings) in dresses {
        set(&hands, provider, json!({ "dress": settings })).await?;
        approved(&hands, provider).await.context(dress)?;
    }
    set(&hands, provider, json!({"dress": null})).await
}

/// Whatever was sent to the simulator by now.
async fn asked_for_identity(hands: Hands, provider: Provider) -> Result<()> {
    let calls = hands.client.control("GET", &format!("/{}/calls", provider.name), None).await?;
    let calls = calls.body["calls"].as_array().cloned().unwrap_or_default();
    ensure!(!calls.is_empty(), "nothing was sent");
    let of_ours = calls.iter().filter(|call| call["headers"]["user-agent"].as_str().is_some_and(|by| by.starts_with("mozarto/")));
    let mut seen = 0;
    for call in of_ours {
        seen += 1;
        ensure!(call["headers"]["accept-encoding"] == "identity", "{call}");
    }
    ensure!(seen > 0, "none of the calls is ours");
    Ok(())
}

async fn callbacks_in_every_dress(hands: Hands, provider: Provider) -> Result<()> {
    // Where bytes or all fields are signed, a further field is no dress.
    let signed_fields = ["neosurf", "payone", "trust"].contains(&provider.name);
    for (dress, settings) in good() {
        if signed_fields && settings.get("charset").is_some() {
            continue;
        }
        set(&hands, provider, json!({ "dressCallbacks": settings })).await?;
        approved(&hands, provider).await.context(dress)?;
    }
    set(&hands, provider, json!({"dressCallbacks": null})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_no_outcome() {
    let world = world().await;
    let process = world.sandbox.process_id().expect("a process");
    let mut table = Table::new("no warming up");
    for provider in ALL {
        let hands = world.hands();
        table.row(provider.name, async move { approved(&hands, provider).await });
    }
    table.end().await;
    let before = resident_peak_kib(process);
    let mut table = Table::new("unreadable");
    for provider in ALL {
        table.row(provider.name, unreadable_is_doubt(world.hands(), provider));
    }
    table.end().await;
    let after = resident_peak_kib(process);
    assert!(after < before + GROWTH_MAX_KIB, "bombs were unpacked: {before} KiB at most before, {after} KiB after");
}

async fn unreadable_is_doubt(hands: Hands, provider: Provider) -> Result<()> {
    for (dress, settings) in unreadable() {
        set(&hands, provider, json!({ "dress": settings, "dropCallbacks": true })).await?;
        let answer = pay(&hands, provider).await?;
        // Trust is not called before the payer comes; Neosurf's page is an address in a header. Their records are what cannot be
        // read.
        let has_page = ["neosurf", "trust"].contains(&provider.name);
        if has_page && answer.status == 200 && answer.text("/transaction/status") != "unknown" {
            let id = answer.text("/transaction/transactionId").to_owned();
            let asked =
                || async { Ok::<_, anyhow::Error>(hands.managed(&id).await?["events"].to_string().contains("\"asked\"")) };
            let until = tokio::time::Instant::now() + LIMIT;
            while !asked().await? {
                ensure!(tokio::time::Instant::now() < until, "{dress}: nobody asked");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let shown = hands.managed(&id).await?;
            ensure!(shown["transaction_status"] == "Pending", "{dress}: {shown}");
            set(&hands, provider, json!({"dress": null, "dropCallbacks": false})).await?;
            hands.client.wait_for(&id, &["Approved"], LIMIT).await.context(dress)?;
            continue;
        }
        set(&hands, provider, json!({"dress": null, "dropCallbacks": false})).await?;
        let status = answer.text("/transaction/transaction_status").to_owned();
        let open = answer.status == 200 && status == "Pending" && answer.text("/transaction/status") == "unknown";
        let failed = answer.status >= 500 && ["Failed", "Pending"].contains(&status.as_str());
        ensure!(open || failed, "{dress}: {} {}", answer.status, answer.body);
        if open {
            hands.client.wait_for(answer.text("/transaction/transactionId"), &["Approved"], LIMIT).await.context(dress)?;
        }
    }
    approved(&hands, provider).await
}

/// The most memory that the process ever had, KiB.
pub(crate) fn resident_peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("its peak");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}
