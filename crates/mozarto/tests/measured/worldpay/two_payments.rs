//! Orders that were paid twice: the one of which something is left counts, wherever it is listed.

use super::documents::{Account, balance, booking, captured, next_record, payment, refund};
use super::standing;
use crate::steps::{LIMIT, events, inquire, minor_units, until};
use anyhow::{Result, ensure};
use testkit::table::Table;
use testkit::world::{Hands, World};

const TWO: &str = "two successful payments";

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_paid_twice() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["WORLDPAY_EU"], |options| options.time_scale(60));
    let world = world.await.expect("a sandbox");
    let account = Account::of(&world.hands()).await.expect("the demo account");
    let mut table = Table::new("two payments of one order");
    let gone = || [payment("REFUNDED", &captured(0)), payment("REFUNDED", ""), payment("CHARGED_BACK", "")];
    let kept = [
        (payment("INFORMATION_REQUESTED", &captured(15_000)), None),
        (payment("DISPUTED_FUNDS_HELD", &captured(15_000)), None),
        (payment("SENT_FOR_REFUND", &captured(15_000)), None),
        (payment("CHARGEBACK_REVERSED", ""), None),
        (payment("CAPTURED", &captured(15_000)), None),
        (payment("SETTLED", ""), None),
        (payment("REFUNDED", &captured(12_000)), Some("30.00")),
    ];
    for (n, (kept, refunded)) in kept.into_iter().enumerate() {
        for (m, gone) in gone().into_iter().enumerate() {
            for (order, record) in [(1, gone.clone() + &kept), (2, kept.clone() + &gone)] {
                for before in ["Approved", "Pending"] {
                    let row = stands(world.hands(), before, record.clone(), "Approved", refunded);
                    table.row(format!("kept {n}, gone {m}, order {order}, from {before}"), row);
                }
            }
        }
    }
    for (n, one) in gone().into_iter().enumerate() {
        for (m, other) in gone().into_iter().enumerate() {
            let row = stands(world.hands(), "Approved", one.clone() + &other, "Reversed", Some("150.00"));
            table.row(format!("both gone: {n} and {m}"), row);
        }
    }
    for kept_first in [false, true] {
        table.row(format!("both refunds are notified {kept_first}"), notified(world.hands(), account.clone(), kept_first));
    }
    for bookings in [
        booking("SETTLED_BIBIT_COMMISSION", 150, "EUR") + &booking("SETTLED_BIBIT_NET", 7_500, "EUR"),
        booking("SETTLED_BIBIT_NET", 7_500, "EUR") + &booking("SETTLED_BIBIT_COMMISSION", 150, "EUR"),
    ] {
        for balances in [String::new(), balance("SETTLED_BIBIT_NET", 0, "GBP", "credit")] {
            let row = commission(world.hands(), account.clone(), bookings.clone(), balances);
            table.row(format!("a commission in a refund's journal: {bookings}"), row);
        }
    }
    table.end().await;
}

async fn stands(
    hands: Hands,
    before: &'static str,
    record: String,
    status: &'static str,
    refunded: Option<&'static str>,
) -> Result<()> {
    let id = standing(&hands, before).await?;
    for _ in 0..2 {
        next_record(&hands, &id, &record, 1).await?;
        inquire(&hands, &id).await?;
    }
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == status && shown["attention"] == "anomaly", "{shown}");
    // What a chargeback took is in no refund.
    let disputed = shown["disputed"] == true;
    ensure!(shown["refundedAmount"].as_str() == refunded.filter(|_| !disputed), "{shown}");
    let told = events(&shown, "anomaly").iter().filter(|event| event.to_string().contains(TWO)).count();
    ensure!(told == 1, "told {told} times: {shown}");
    let webhooks: &[&str] = if status == "Reversed" { &["Approved", "Reversed"] } else { &["Approved"] };
    hands.webhooks(&id, webhooks, LIMIT).await
}

/// The double payment goes back whole, and 30.00 of the other: a notification names the order alone.
async fn notified(hands: Hands, account: Account, kept_first: bool) -> Result<()> {
    let id = standing(&hands, "Approved").await?;
    let listed = |gone: String, kept: String| if kept_first { kept + &gone } else { gone + &kept };
    let gone = || payment("REFUNDED", &captured(0));
    next_record(&hands, &id, &listed(gone(), payment("CAPTURED", &captured(15_000))), 1).await?;
    account.notify(&hands, &refund(&id, &booking("IN_PROCESS_CAPTURED", 15_000, "EUR"), 1, "")).await?;
    until(&hands, &id, |shown| shown["attention"] == "anomaly").await?;
    next_record(&hands, &id, &listed(gone(), payment("REFUNDED", &captured(12_000))), 1).await?;
    account.notify(&hands, &refund(&id, &booking("IN_PROCESS_CAPTURED", 3_000, "EUR"), 2, "")).await?;
    until(&hands, &id, |shown| shown["refundedAmount"] == "30.00").await?;
    inquire(&hands, &id).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == "Approved" && minor_units(&shown, "refunded") == [3_000], "{shown}");
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

/// Two refunds of a half, each with a journal that books a commission too.
async fn commission(hands: Hands, account: Account, bookings: String, balances: String) -> Result<()> {
    let id = standing(&hands, "Approved").await?;
    next_record(&hands, &id, &payment("REFUNDED", &balances), 1_000).await?;
    for (day, refunded, status) in [(1, "75.00", "Approved"), (2, "150.00", "Reversed")] {
        account.notify(&hands, &refund(&id, &bookings, day, "")).await?;
        let right = |shown: &serde_json::Value| shown["refundedAmount"] == refunded && shown["transaction_status"] == status;
        until(&hands, &id, right).await?;
    }
    ensure!(minor_units(&hands.managed(&id).await?, "refunded") == [7_500, 7_500], "other parts");
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}
