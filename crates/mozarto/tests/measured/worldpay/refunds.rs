//! Refunds at Worldpay: balances, equal parts, empty references.

use super::documents::{Account, balance, booking, captured, next_record, payment, refund};
use super::{NAME, standing};
use crate::steps::{LIMIT, inquire, minor_units, until};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::time::Duration;
use testkit::world::Hands;

/// What an anomaly says that somebody has to look up at Worldpay.
const LOOK_IT_UP: &str = "look it up";

/// The record of a refund, asked about by hand.
pub(super) struct Refund {
    pub(super) name: &'static str,
    record: String,
    status: &'static str,
    refunded: Option<&'static str>,
    anomaly: bool,
}

pub(super) fn refunds() -> Vec<Refund> {
    let net = |minor, side| balance("SETTLED_BIBIT_NET", minor, "EUR", side);
    let commission = balance("SETTLED_BIBIT_COMMISSION", 160, "EUR", "credit");
    let case = |name, balances: String, status, refunded, anomaly| Refund {
        name,
        record: payment("REFUNDED", &balances),
        status,
        refunded,
        anomaly,
    };
    let mut by_merchant = case("by the merchant", captured(14_000), "Approved", Some("10.00"), false);
    by_merchant.record = payment("REFUNDED_BY_MERCHANT", &captured(14_000));
    vec![
        case("a part", captured(14_000), "Approved", Some("10.00"), false),
        by_merchant,
        case("one cent is left", captured(1), "Approved", Some("149.99"), false),
        case("nothing is left", captured(0), "Reversed", Some("150.00"), false),
        case("no balance and no part", String::new(), "Reversed", Some("150.00"), false),
        case("a part after the settlement", net(13_840, "credit") + &commission, "Approved", Some("10.00"), false),
        case("the whole after the settlement", net(160, "debit") + &commission, "Reversed", Some("150.00"), false),
        case("commission before net", commission.clone() + &net(160, "debit"), "Reversed", Some("150.00"), false),
        case("in another currency", balance("SETTLED_BIBIT_NET", 12_000, "GBP", "credit"), "Approved", None, true),
        case(
            "in two currencies",
            captured(14_000) + &balance("SETTLED_BIBIT_NET", 12_000, "GBP", "credit"),
            "Approved",
            None,
            true,
        ),
        case("more than was paid", captured(15_001), "Approved", None, true),
        case("not a number", captured(1).replace("value=\"1\"", "value=\"all\""), "Approved", None, true),
    ]
}

pub(super) async fn refunded(hands: Hands, _account: Account, case: Refund) -> Result<()> {
    for before in ["Approved", "Pending"] {
        let id = standing(&hands, before).await?;
        let moved = hands.managed(&id).await?["updatedAt"].clone();
        next_record(&hands, &id, &case.record, 1).await?;
        inquire(&hands, &id).await?;
        let shown = hands.managed(&id).await?;
        ensure!(shown["transaction_status"] == case.status, "{before}: {shown}");
        ensure!(shown["refundedAmount"].as_str() == case.refunded, "{before}: {shown}");
        ensure!((shown["attention"] == "anomaly") == case.anomaly, "{before}: {shown}");
        ensure!(shown["updatedAt"] != moved, "{before}: {shown}");
        let webhooks: &[&str] = if case.status == "Reversed" { &["Approved", "Reversed"] } else { &["Approved"] };
        hands.webhooks(&id, webhooks, LIMIT).await?;
        ensure!(minor_units(&shown, "refunded").len() == usize::from(case.refunded.is_some()), "{shown}");
    }
    Ok(())
}

/// Notifications one after the other, each with the record that Worldpay has by then; how it ends.
pub(super) type Told = (&'static str, fn(&str) -> Vec<String>, fn(usize) -> String, &'static str, bool);

pub(super) fn told() -> Vec<Told> {
    vec![
        (
            "two equal parts, nothing left",
            |id| vec![half(id, 1, ""), half(id, 1, "")],
            |n| captured([7_500, 0][n]),
            "Reversed",
            false,
        ),
        ("two parts of two days", |id| vec![half(id, 1, ""), half(id, 2, "")], |_| String::new(), "Reversed", false),
        (
            "two parts with references of twelve digits",
            |id| vec![half(id, 1, "100000000001"), half(id, 1, "100000000002")],
            |_| String::new(),
            "Reversed",
            false,
        ),
        (
            "two parts with short references",
            |id| vec![half(id, 1, "r1"), half(id, 1, "r2")],
            |_| String::new(),
            "Reversed",
            false,
        ),
        ("a part told three times, half is left", |id| vec![half(id, 1, ""); 3], |_| captured(7_500), "Approved", false),
        ("a part told three times, no balance", |id| vec![half(id, 1, ""); 3], |_| String::new(), "Approved", true),
        (
            "other bookings before",
            |id| {
                let bookings = booking("SETTLED_BIBIT_NET", 6_450, "GBP") + &booking("IN_PROCESS_CAPTURED", 7_500, "EUR");
                vec![refund(id, &bookings, 1, ""), refund(id, &bookings, 2, "")]
            },
            |_| balance("SETTLED_BIBIT_NET", 0, "GBP", "credit"),
            "Reversed",
            false,
        ),
        (
            "captured before what comes first",
            |id| {
                let bookings = booking("SETTLED_BIBIT_COMMISSION", 150, "EUR") + &booking("IN_PROCESS_CAPTURED", 7_500, "EUR");
                vec![refund(id, &bookings, 1, ""), refund(id, &bookings, 2, "")]
            },
            |_| String::new(),
            "Reversed",
            false,
        ),
        (
            "in another currency alone",
            |id| vec![refund(id, &booking("SETTLED_BIBIT_NET", 6_450, "GBP"), 1, "")],
            |_| balance("SETTLED_BIBIT_NET", 6_450, "GBP", "credit"),
            "Approved",
            true,
        ),
    ]
}

fn half(id: &str, day: u8, reference: &str) -> String {
    refund(id, &booking("IN_PROCESS_CAPTURED", 7_500, "EUR"), day, reference)
}

pub(super) async fn notified(
    hands: Hands,
    account: Account,
    bodies: fn(&str) -> Vec<String>,
    balance: fn(usize) -> String,
    status: &'static str,
    anomaly: bool,
) -> Result<()> {
    let id = standing(&hands, "Approved").await?;
    for (n, body) in bodies(&id).iter().enumerate() {
        let inquiries = asked(&hands, &id).await?;
        next_record(&hands, &id, &payment("REFUNDED", &balance(n)), 1).await?;
        account.notify(&hands, body).await?;
        let until = tokio::time::Instant::now() + LIMIT;
        while asked(&hands, &id).await? == inquiries {
            ensure!(tokio::time::Instant::now() < until, "nobody asked");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let right = |shown: &Value| shown["transaction_status"] == status && (shown["attention"] == "anomaly") == anomaly;
    let shown = until(&hands, &id, right).await?;
    let events = hands.client.status(&id).await?.body["data"]["events"].to_string();
    ensure!(events.contains(LOOK_IT_UP) == anomaly, "{events}");
    let parts = minor_units(&shown, "refunded");
    let sum: i64 = parts.iter().sum();
    match status {
        "Reversed" => {
            ensure!(parts == [7_500, 7_500] && shown["refundedAmount"] == "150.00", "{parts:?} {shown}");
            hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
        }
        _ => {
            ensure!(shown["refundedAmount"].as_str().unwrap_or("0.00") == format!("{}.00", sum / 100), "{parts:?} {shown}");
            hands.webhooks(&id, &["Approved"], LIMIT).await
        }
    }
}

/// Before anybody was asked, the same bytes came again, and were answered each time.
pub(super) async fn told_at_once(hands: Hands, account: Account) -> Result<()> {
    let id = standing(&hands, "Approved").await?;
    next_record(&hands, &id, &payment("REFUNDED", ""), 20).await?;
    for _ in 0..3 {
        account.notify(&hands, &half(&id, 1, "")).await?;
    }
    let shown = until(&hands, &id, |shown| shown["attention"] == "anomaly").await?;
    ensure!(shown["transaction_status"] == "Approved" && shown["refundedAmount"] == "75.00", "{shown}");
    ensure!(shown["events"].to_string().contains(LOOK_IT_UP), "{shown}");
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

/// How often Worldpay was asked about an order.
async fn asked(hands: &Hands, id: &str) -> Result<usize> {
    let calls = hands.client.control("GET", &format!("/{NAME}/calls?limit=1000"), None).await?;
    let calls = calls.body["calls"].as_array().cloned().unwrap_or_default();
    let about = |call: &&Value| {
        let body = call["body"].as_str().unwrap_or_default();
        body.contains("orderInquiry") && body.contains(id)
    };
    Ok(calls.iter().filter(about).count())
}
