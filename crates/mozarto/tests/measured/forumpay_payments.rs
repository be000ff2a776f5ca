//! An order of ForumPay with several payments: what can be asked is judged, whatever the others answer; each is looked at in its
//! turn; and the order ends without money only once every one of them was.

use crate::steps::{LIMIT, events, id_of, inquire, next, until};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// More of them than one inquiry asks about.
const MANY: usize = 22;
/// More than three inquiries ask about.
const CROWD: usize = 65;
/// After so many inquiries each of a crowd was looked at.
const TURNS: usize = 8;

/// What CheckPayment answers about a payment.
#[derive(Clone)]
enum Says {
    Confirmed,
    Cancelled,
    Waiting,
    Answer(u16, Value),
    /// First this, then that it was cancelled.
    OnceThenCancelled(u16),
}

fn unreadable() -> Vec<(&'static str, Says)> {
    vec![
        ("404 with err", Says::Answer(404, json!({"err": "Payment not found", "err_code": "paymentNotFound"}))),
        ("404", Says::Answer(404, json!("<html>not here</html>"))),
        ("500", Says::Answer(500, json!("x"))),
        ("403 with err", Says::Answer(403, json!({"err": "x"}))),
        ("429", Says::Answer(429, json!({}))),
        ("a cut answer", Says::Answer(200, json!("{\"reference_no\":"))),
        ("a list", Says::Answer(200, json!([]))),
        ("302", Says::Answer(302, json!(""))),
        ("err", Says::Answer(200, json!({"err": "Payment not found"}))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_asked_is_judged() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["FORUMPAY"], |options| options).await.expect("a sandbox");
    let mut table = Table::new("ForumPay's payments of one order");
    for (name, says) in unreadable() {
        let confirmed = vec![says.clone(), Says::Confirmed];
        table.row(format!("{name}, then confirmed"), ends(world.hands(), confirmed, "Approved", 1));
        let between = vec![Says::Cancelled, says.clone(), Says::Waiting, Says::Confirmed];
        table.row(format!("cancelled, {name}, waiting, then confirmed"), ends(world.hands(), between, "Approved", 1));
        table.row(format!("{name} beside cancelled"), stays(world.hands(), vec![says.clone(), Says::Cancelled]));
        table.row(format!("cancelled beside {name}"), stays(world.hands(), vec![Says::Cancelled, says]));
    }
    for status in [404, 500] {
        let then = vec![Says::OnceThenCancelled(status), Says::Cancelled];
        table.row(format!("{status} once, then cancelled as the other"), ends(world.hands(), then, "Cancelled", 2));
    }
    let none = Says::Answer(500, json!("x"));
    table.row("none can be asked", silent(world.hands(), vec![none.clone(), none.clone()]));
    let mut last = vec![Says::Cancelled; MANY];
    last[MANY - 1] = Says::Confirmed;
    table.row("many, the last one confirmed", ends(world.hands(), last, "Approved", 2));
    let mut first = vec![Says::Waiting; MANY];
    first[0] = Says::Confirmed;
    table.row("many, the first one confirmed", ends(world.hands(), first, "Approved", 2));
    table.row("many, all cancelled", each_was_asked(world.hands(), vec![Says::Cancelled; MANY], "Cancelled"));
    let mut silent_ones = vec![none; CROWD];
    silent_ones[CROWD - 1] = Says::Confirmed;
    table.row("a crowd that cannot be asked, the last one confirmed", ends(world.hands(), silent_ones, "Approved", 40));
    let mut waiting = vec![Says::Waiting; CROWD];
    waiting[CROWD / 2] = Says::Confirmed;
    table.row("a crowd that waits, the middle one confirmed", ends(world.hands(), waiting, "Approved", TURNS));
    table.row("a crowd, all cancelled", each_was_asked(world.hands(), vec![Says::Cancelled; CROWD], "Cancelled"));
    table.end().await;
}

fn payment(id: &str, n: usize) -> String {
    format!("{id}-{n:03}")
}

/// A pay-in whose list has these payments.
async fn order(hands: &Hands, payments: &[Says]) -> Result<String> {
    let answer = hands.client.cashier(&bodies::forumpay_in("31.20")).await?;
    let id = id_of(&answer)?;
    let invoices: Vec<Value> = (0..payments.len())
        .map(|n| {
            json!({"state": "waiting", "status": "x", "pos_id": "widget", "invoice_currency": "EUR", "invoice_amount": "31.20",
                "currency": "BTC", "address": "btc-1eda64a85da94d71a2ac5ed84e929553", "payment_id": payment(&id, n),
                "confirmed": null, "cancelled": null})
        })
        .collect();
    set(hands, "GetTransactions", &id, 200, json!({"invoices": invoices}), 100).await?;
    for (n, says) in payments.iter().enumerate() {
        let about = payment(&id, n);
        match says {
            Says::Confirmed => set(hands, "CheckPayment", &about, 200, record(&id, "confirmed"), 100).await?,
            Says::Cancelled => set(hands, "CheckPayment", &about, 200, record(&id, "cancelled"), 100).await?,
            Says::Waiting => set(hands, "CheckPayment", &about, 200, record(&id, "waiting"), 100).await?,
            Says::Answer(status, body) => set(hands, "CheckPayment", &about, *status, body.clone(), 100).await?,
            Says::OnceThenCancelled(status) => {
                set(hands, "CheckPayment", &about, *status, json!({"err": "x"}), 1).await?;
                set(hands, "CheckPayment", &about, 200, record(&id, "cancelled"), 100).await?;
            }
        }
    }
    Ok(id)
}

async fn set(hands: &Hands, path: &str, about: &str, http: u16, body: Value, times: u32) -> Result<()> {
    next(hands, "forumpay", json!({"path": path, "about": about, "http": http, "body": body, "times": times})).await
}

fn record(id: &str, state: &str) -> Value {
    json!({"reference_no": id, "inserted": "2026-05-17 09:32:57", "invoice_amount": "31.20", "invoice_currency": "EUR",
        "type": "Sell", "amount": "0.003", "currency": "BTC", "confirmed": state == "confirmed", "cancelled": state == "cancelled",
        "reason": if state == "cancelled" { json!("curious") } else { Value::Null }, "status": "x", "state": state})
}

async fn status(hands: &Hands, id: &str) -> Result<String> {
    Ok(hands.managed(id).await?["transaction_status"].as_str().unwrap_or_default().to_owned())
}

/// Within so many inquiries it ends so, and never otherwise.
async fn ends(hands: Hands, payments: Vec<Says>, as_what: &'static str, within: usize) -> Result<()> {
    let id = order(&hands, &payments).await?;
    for _ in 0..within {
        inquire(&hands, &id).await?;
        if status(&hands, &id).await? != "Pending" {
            break;
        }
    }
    let ended = status(&hands, &id).await?;
    ensure!(ended == as_what, "{ended}: {}", hands.managed(&id).await?);
    Ok(())
}

async fn stays(hands: Hands, payments: Vec<Says>) -> Result<()> {
    ends(hands, payments, "Pending", 3).await
}

/// Nothing could be read: that is told as it is, and it stays open.
async fn silent(hands: Hands, payments: Vec<Says>) -> Result<()> {
    let id = order(&hands, &payments).await?;
    inquire(&hands, &id).await?;
    let shown = until(&hands, &id, |shown| !events(shown, "asked").is_empty()).await?;
    ensure!(shown["transaction_status"] == "Pending", "{shown}");
    let asked = &events(&shown, "asked")[0]["detail"];
    ensure!(asked["errorCode"] == "PSP_UNAVAILABLE", "{asked}");
    Ok(())
}

/// It ends so, and not before each was asked.
async fn each_was_asked(hands: Hands, payments: Vec<Says>, as_what: &'static str) -> Result<()> {
    let id = order(&hands, &payments).await?;
    let mut asked: BTreeSet<String> = BTreeSet::new();
    for _ in 0..TURNS {
        inquire(&hands, &id).await?;
        let calls = hands.client.control("GET", "/forumpay/calls", None).await?;
        for call in calls.body["calls"].as_array().into_iter().flatten() {
            let text = call.to_string();
            asked.extend((0..payments.len()).map(|n| payment(&id, n)).filter(|one| text.contains(&format!("payment_id={one}"))));
        }
        let stands = status(&hands, &id).await?;
        if stands != "Pending" {
            ensure!(asked.len() == payments.len(), "{stands} after {} of {}", asked.len(), payments.len());
            break;
        }
    }
    hands.client.wait_for(&id, &[as_what], LIMIT).await?;
    Ok(())
}
