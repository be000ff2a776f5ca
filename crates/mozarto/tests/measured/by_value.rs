//! A number is compared by its value, whatever its valid literal: amounts, codes and times of the ten providers with zeros behind
//! the point.

use crate::ten::{ALL, Provider};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::table::Table;
use testkit::world::{Hands, World};

const LIMIT: Duration = Duration::from_secs(40);
/// Vouchers are spent once.
static SERIAL: AtomicU32 = AtomicU32::new(500);

/// What a provider numbers.
fn numbers(provider: Provider) -> &'static [&'static str] {
    match provider.name {
        "brite" => &["amount", "state", "expires"],
        "emerchantpay" => &["amount", "code"],
        "flexepin" => &["result", "value"],
        "forumpay" => &["amount", "invoice_amount"],
        "trust" => &["baseamount", "settlebaseamount", "errorcode", "settlestatus"],
        "worldpay" => &["value", "exponent", "code"],
        _ => &["amount"],
    }
}

/// Nobody calls: the records tell.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_count_by_their_value() {
    let set = |options: testkit::sandbox::Options| options.time_scale(60).auto_settle(50);
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], set).await.expect("a sandbox");
    for provider in ALL {
        let settings = json!({"dropCallbacks": true, "dress": {"decimals": numbers(provider)}});
        let set = world.client.control("PUT", &format!("/{}/settings", provider.name), Some(settings)).await;
        assert_eq!(set.expect("settings").status, 200);
    }
    let mut table = Table::new("numbers");
    for provider in ALL {
        if provider.name == "flexepin" {
            // `next` strikes the next call whosoever it is: one after the other.
            table.row("flexepin: paid, and what else it says", results(world.hands(), provider));
            continue;
        }
        table.row(format!("{}: paid", provider.name), paid_by_value(world.hands(), provider));
        for minors in [&[7_000, 3_000][..], &[1, 9_999], &[2_500]] {
            if ["trust", "emerchantpay", "worldpay"].contains(&provider.name) {
                table.row(format!("{}: {minors:?} given back", provider.name), given_back(world.hands(), provider, minors));
            }
        }
    }
    table.row("Trust: lowered, then given back", lowered(world.hands()));
    table.row("test connections", tested(world.hands()));
    table.end().await;
}

async fn pay(hands: &Hands, provider: Provider) -> Result<Answer> {
    hands.client.cashier(&provider.pay_in(SERIAL.fetch_add(1, Ordering::Relaxed), "100.00")).await
}

async fn paid(hands: &Hands, provider: Provider) -> Result<String> {
    let answer = pay(hands, provider).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = answer.text("/transaction/transactionId").to_owned();
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    Ok(id)
}

async fn paid_by_value(hands: Hands, provider: Provider) -> Result<()> {
    let id = paid(&hands, provider).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["attention"].is_null(), "something was odd: {shown}");
    let calls = hands.client.control("GET", &format!("/{}/calls", provider.name), None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let answers: Vec<&str> = calls.iter().filter_map(|call| call["answer"].as_str()).collect();
    let written = numbers(provider).iter().any(|name| answers.iter().any(|answer| has_zeros(answer, name)));
    ensure!(written, "nothing was written so: {answers:?}");
    Ok(())
}

/// Whether a number of that name has zeros behind its point.
fn has_zeros(answer: &str, name: &str) -> bool {
    answer.split(name).skip(1).any(|rest| {
        // An element may have attributes.
        let rest = rest.split_once('>').filter(|_| rest.starts_with(' ')).map_or(rest, |(_, rest)| rest);
        let rest = rest.trim_start_matches(|c| "\":=> ".contains(c));
        let number = rest.split(|c: char| !(c.is_ascii_digit() || c == '.')).next().unwrap_or_default();
        number.split_once('.').is_some_and(|(whole, rest)| !whole.is_empty() && rest.len() > 1 && rest.ends_with("00"))
    })
}

async fn control(hands: &Hands, provider: &str, id: &str, what: &str) -> Result<()> {
    let answer = hands.client.control("POST", &format!("/{provider}/{id}/{what}"), None).await?;
    ensure!(answer.status == 200, "{what}: {} {}", answer.status, answer.body);
    Ok(())
}

async fn inquire(hands: &Hands, id: &str) -> Result<()> {
    let asked = hands.client.manage("POST", &format!("/transactions/{id}/inquire"), Some(json!({}))).await?;
    ensure!(asked.status == 200, "inquire: {} {}", asked.status, asked.body);
    Ok(())
}

/// One after the other, each found when a person asks.
async fn went_back(hands: &Hands, provider: &str, id: &str, steps: &[(&str, i64)]) -> Result<Value> {
    let mut sum = 0;
    for (what, minor) in steps {
        control(hands, provider, id, &format!("{what}?minor={minor}")).await?;
        inquire(hands, id).await?;
        sum += minor;
        let shown = hands.managed(id).await?;
        let written = format!("{}.{:02}", sum / 100, sum % 100);
        ensure!(shown["refundedAmount"] == written && shown["attention"].is_null(), "{written}: {shown}");
        let status = if sum == 10_000 { "Reversed" } else { "Approved" };
        ensure!(shown["transaction_status"] == status, "{shown}");
    }
    hands.managed(id).await
}

async fn given_back(hands: Hands, provider: Provider, minors: &'static [i64]) -> Result<()> {
    let id = paid(&hands, provider).await?;
    let steps: Vec<(&str, i64)> = minors.iter().map(|minor| ("refund", *minor)).collect();
    went_back(&hands, provider.name, &id, &steps).await.map(drop)
}

async fn lowered(hands: Hands) -> Result<()> {
    let trust = ALL.into_iter().find(|provider| provider.name == "trust").context("no Trust")?;
    let id = paid(&hands, trust).await?;
    went_back(&hands, "trust", &id, &[("lower", 2_000), ("lower", 500), ("refund", 7_500)]).await.map(drop)
}

/// The codes of what nobody knows: the accounts are good. Neosurf, which answers by words, and Flexepin, which numbers nothing
/// here, stand for the control.
async fn tested(hands: Hands) -> Result<()> {
    for provider in ALL {
        for method in hands.client.methods_of(provider.psp_type).await? {
            let tested = hands.client.manage("POST", &format!("/payment-methods/{method}/test"), Some(json!({}))).await?;
            ensure!(tested.status == 200 && tested.body["data"]["ok"] == true, "{}: {}", provider.name, tested.body);
        }
    }
    Ok(())
}

// --- Flexepin ---------------------------------------------------------------------------------

async fn next(hands: &Hands, what: Value) -> Result<()> {
    let set = hands.client.control("PUT", "/flexepin/next", Some(what)).await?;
    ensure!(set.status == 200, "next: {} {}", set.status, set.body);
    Ok(())
}

/// What a redeem answers, and how it stands; the inquiry, where there is one, says that the voucher was redeemed by us.
async fn results(hands: Hands, provider: Provider) -> Result<()> {
    paid_by_value(hands.clone(), provider).await?;
    for (result, status) in [
        (json!("0"), "Approved"),
        (json!("0.0"), "Approved"),
        (json!("00"), "Approved"),
        (json!("-0"), "Approved"),
        (json!(0.0), "Approved"),
        (json!("0e0"), "Approved"),
        (json!("4003.0"), "Declined"),
        (json!(4003), "Declined"),
        (json!("4.003e3"), "Declined"),
        // Used before, perhaps by our own call.
        (json!("4005.0"), "Approved"),
        (json!(4005.0), "Approved"),
        // These are no results: the inquiry tells.
        (json!("n/a"), "Approved"),
        (json!("0x0"), "Approved"),
        (json!(""), "Approved"),
    ] {
        redeemed(&hands, &result, status).await.with_context(|| format!("result {result}"))?;
    }
    for (result, http) in [("0.0", 200), ("0.00", 200), ("n/a", 504), ("4040.0", 504)] {
        inquired(&hands, result, http).await.with_context(|| format!("the inquiry's result {result}"))?;
    }
    Ok(())
}

async fn redeemed(hands: &Hands, result: &Value, status: &str) -> Result<()> {
    let told = json!({"result": result, "status": "USED", "value": 50, "currency": "EUR", "trans_no": "1"});
    next(hands, json!({"path": "/voucher/redeem", "http": 200, "body": told})).await?;
    let found = json!({"result": "0", "transaction": {"result": "0.0", "status": "USED", "value": 50, "currency": "EUR"}});
    next(hands, json!({"path": "/trans/", "http": 200, "body": found})).await?;
    let answer = hands.client.cashier(&bodies::flexepin(SERIAL.fetch_add(1, Ordering::Relaxed), 5_000)).await?;
    next(hands, json!({"http": 200, "times": 0})).await?;
    let stands = answer.text("/transaction/transaction_status");
    ensure!(stands == status, "{} {}", answer.status, answer.body);
    ensure!(answer.status == if status == "Approved" { 200 } else { 400 }, "{} {}", answer.status, answer.body);
    Ok(())
}

/// After a redeem whose answer got lost. What is no result is no answer, so that nothing is concluded from it.
async fn inquired(hands: &Hands, result: &str, http: u16) -> Result<()> {
    next(hands, json!({"path": "/voucher/redeem", "http": 500})).await?;
    let record = json!({"result": result, "status": "USED", "value": 50, "currency": "EUR", "trans_no": "1"});
    let found = if http == 200 { json!({"result": result, "transaction": record}) } else { json!({"result": result}) };
    next(hands, json!({"path": "/trans/", "http": 200, "body": found, "times": 100})).await?;
    let answer = hands.client.cashier(&bodies::flexepin(SERIAL.fetch_add(1, Ordering::Relaxed), 5_000)).await?;
    next(hands, json!({"http": 200, "times": 0})).await?;
    ensure!(answer.status == http, "{} {}", answer.status, answer.body);
    Ok(())
}
