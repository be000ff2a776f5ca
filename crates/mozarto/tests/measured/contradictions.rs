//! What a provider says of a payment that has ended here. A success proves itself; another word without money is no news; one
//! that says that money moves, or is not where it was, is for a person, and is told once.

use crate::short_callbacks::posted;
use crate::steps::{LIMIT, control, events, id_of, inquire, next};
use crate::ten::{ALL, OfTen};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::sync::atomic::{AtomicU32, Ordering};
use testkit::client::bodies;
use testkit::world::{Hands, World};

/// What is to come of a word.
#[derive(Clone, Copy)]
enum Is {
    /// For a person; the text is in it.
    Odd(&'static str),
    Quiet,
    /// It changes the status.
    Now(&'static str),
}
use Is::{Now, Odd, Quiet};

const PAYS_YET: &str = "it may still be paid";

/// One payment that has ended, and a word that comes then.
struct Row {
    provider: &'static str,
    pays_out: bool,
    /// How it ends at the provider.
    ends: &'static str,
    ended: &'static str,
    word: &'static str,
    is: Is,
}

const fn pay_in(provider: &'static str, ends: &'static str, ended: &'static str, word: &'static str, is: Is) -> Row {
    Row { provider, pays_out: false, ends, ended, word, is }
}

const fn pay_out(provider: &'static str, ends: &'static str, ended: &'static str, word: &'static str, is: Is) -> Row {
    Row { provider, pays_out: true, ends, ended, word, is }
}

const ROWS: [Row; 35] = [
    pay_in("gigadat", "decline", "Declined", "STATUS_INITED", Quiet),
    pay_in("gigadat", "decline", "Declined", "STATUS_PENDING", Quiet),
    pay_in("gigadat", "decline", "Declined", "STATUS_EXPIRED", Quiet),
    pay_in("gigadat", "decline", "Declined", "STATUS_WEIRD", Odd("unknown")),
    pay_in("gigadat", "decline", "Declined", "STATUS_SUCCESS", Now("Approved")),
    pay_in("gigadat", "approve", "Approved", "STATUS_PENDING", Odd("STATUS_PENDING")),
    pay_in("gigadat", "approve", "Approved", "STATUS_REJECTED", Odd("STATUS_REJECTED")),
    pay_out("gigadat", "decline", "Declined", "STATUS_INITED", Odd(PAYS_YET)),
    pay_out("gigadat", "decline", "Declined", "STATUS_PENDING", Quiet),
    pay_out("gigadat", "decline", "Declined", "STATUS_ABORTED", Quiet),
    pay_out("gigadat", "decline", "Declined", "STATUS_SUCCESS", Odd("Approved")),
    pay_out("gigadat", "approve", "Approved", "STATUS_INITED", Odd("STATUS_INITED")),
    pay_in("neosurf", "decline", "Declined", "pending", Quiet),
    pay_in("neosurf", "decline", "Declined", "weird", Odd("unknown")),
    pay_in("neosurf", "cancel", "Cancelled", "ko", Quiet),
    pay_in("neosurf", "decline", "Declined", "ok", Now("Approved")),
    pay_in("neosurf", "approve", "Approved", "pending", Odd("pending")),
    pay_in("neosurf", "approve", "Approved", "ko", Odd("ko")),
    pay_in("cleo", "decline", "Declined", "PROCESSING", Quiet),
    pay_in("cleo", "decline", "Declined", "EXPIRED", Quiet),
    pay_in("cleo", "decline", "Declined", "COMPLETED", Now("Approved")),
    pay_in("cleo", "approve", "Approved", "PROCESSING", Odd("PROCESSING")),
    pay_out("cleo", "decline", "Declined", "PROCESSING", Odd(PAYS_YET)),
    pay_out("cleo", "decline", "Declined", "CANCELLED", Quiet),
    pay_in("payone", "decline", "Declined", "Pending", Quiet),
    pay_in("payone", "approve", "Approved", "Pending", Odd("Pending")),
    pay_out("payone", "decline", "Declined", "Pending", Odd(PAYS_YET)),
    pay_out("payone", "decline", "Declined", "Expired", Quiet),
    pay_in("forumpay", "cancel", "Cancelled", "waiting", Quiet),
    pay_in("forumpay", "approve", "Approved", "waiting", Odd("waiting")),
    pay_in("forumpay", "approve", "Approved", "blocked", Odd("blocked")),
    pay_out("forumpay", "approve", "Approved", "waiting", Odd("waiting")),
    pay_out("forumpay", "approve", "Approved", "cancelled", Odd("cancelled")),
    pay_out("forumpay", "decline", "Cancelled", "processing", Odd(PAYS_YET)),
    pay_in("forumpay", "cancel", "Cancelled", "processing", Odd("coins come to a payment that has ended")),
];

/// Brite's states are numbers.
const BRITE: [Row; 7] = [
    pay_in("brite", "decline", "Declined", "4", Quiet),
    pay_in("brite", "decline", "Declined", "2", Quiet),
    pay_in("brite", "decline", "Declined", "5", Now("Approved")),
    pay_in("brite", "approve", "Approved", "1", Odd("PENDING")),
    pay_in("brite", "reverse", "Reversed", "5", Odd("CREDIT of a payment that was taken back")),
    pay_in("brite", "reverse", "Reversed", "6", Odd("SETTLED of a payment that was taken back")),
    pay_in("brite", "reverse", "Reversed", "3", Odd("FAILED")),
];

/// Cards. Words that prove a payment, and what comes of a record that is some minutes old, break whoever goes by the standing of
/// a word alone.
const CARDS: [Row; 31] = [
    pay_in("worldpay", "decline", "Declined", "SENT_FOR_AUTHORISATION", Quiet),
    pay_in("worldpay", "decline", "Declined", "EXPIRED", Quiet),
    pay_in("worldpay", "decline", "Declined", "WEIRD", Odd("unknown")),
    pay_in("worldpay", "decline", "Declined", "REVOKED", Odd("REVOKED")),
    pay_in("worldpay", "decline", "Declined", "AUTHORISED", Now("Approved")),
    pay_in("worldpay", "decline", "Declined", "SENT_FOR_REFUND", Now("Approved")),
    pay_in("worldpay", "decline", "Declined", "CHARGED_BACK", Odd("Reversed")),
    // Its record is a copy, and may be older than what is known.
    pay_in("worldpay", "approve", "Approved", "SENT_FOR_AUTHORISATION", Quiet),
    pay_in("worldpay", "approve", "Approved", "REFUSED", Odd("REFUSED")),
    // Nothing is left of it, as its balance says.
    pay_in("worldpay", "reverse", "Reversed", "AUTHORISED", Quiet),
    pay_in("worldpay", "reverse", "Reversed", "REFUSED", Odd("REFUSED")),
    pay_in("emerchantpay", "decline", "Declined", "pending_async", Quiet),
    pay_in("emerchantpay", "decline", "Declined", "unsuccessful", Quiet),
    pay_in("emerchantpay", "decline", "Declined", "weird", Odd("unknown")),
    pay_in("emerchantpay", "decline", "Declined", "approved", Now("Approved")),
    pay_in("emerchantpay", "decline", "Declined", "chargebacked", Odd("Reversed")),
    pay_in("emerchantpay", "approve", "Approved", "pending_review", Odd("pending_review")),
    pay_in("emerchantpay", "approve", "Approved", "declined", Odd("declined")),
    pay_in("emerchantpay", "approve", "Approved", "voided", Now("Reversed")),
    pay_in("emerchantpay", "reverse", "Reversed", "approved", Odd("approved of a payment that is Reversed")),
    pay_in("trust", "decline", "Declined", "71000", Quiet),
    pay_in("trust", "decline", "Declined", "70001", Quiet),
    pay_in("trust", "decline", "Declined", "0%2F3", Quiet),
    pay_in("trust", "decline", "Declined", "65000", Odd("unknown")),
    pay_in("trust", "decline", "Declined", "0", Now("Approved")),
    pay_in("trust", "approve", "Approved", "60010", Quiet),
    pay_in("trust", "approve", "Approved", "65000", Odd("unknown")),
    pay_in("trust", "approve", "Approved", "70000", Odd("70000")),
    pay_in("trust", "approve", "Approved", "0%2F2", Odd("0/2")),
    pay_in("trust", "approve", "Approved", "0%2F3", Now("Reversed")),
    // Trust cancels for good, and repeats what it has told.
    pay_in("trust", "reverse", "Reversed", "0", Quiet),
];

/// Vouchers: the result of our redeem and the voucher's status. `USED` is a success with our own result alone.
const VOUCHERS: [Row; 6] = [
    pay_in("flexepin", "decline", "Declined", "4003 ACTIVE", Quiet),
    pay_in("flexepin", "decline", "Declined", "4003 USED", Odd("not by us")),
    pay_in("flexepin", "decline", "Declined", "0 WEIRD", Odd("unknown")),
    pay_in("flexepin", "decline", "Declined", "0 USED", Now("Approved")),
    pay_in("flexepin", "approve", "Approved", "0 WEIRD", Odd("unknown")),
    pay_in("flexepin", "approve", "Approved", "4002 USED", Odd("not by us")),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_a_payment_that_has_ended() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    // A pay-out would settle by itself before it is declined.
    for provider in ["gigadat", "cleo", "payone", "forumpay"] {
        let slow = json!({"settleDelayMs": 3_600_000});
        world.client.control("PUT", &format!("/{provider}/settings"), Some(slow)).await.expect("settings");
    }
    let mut table = OfTen::new("words after an ending");
    for row in ROWS.into_iter().chain(BRITE).chain(CARDS).chain(VOUCHERS) {
        let way = if row.pays_out { "out" } else { "in" };
        table.row(row.provider, format!("{way}: {} after {}", row.word, row.ended), said(world.hands(), row));
    }
    table.end().await;
}

/// Vouchers are spent once.
static SERIAL: AtomicU32 = AtomicU32::new(1);

fn body(row: &Row) -> Result<String> {
    const CLEO_OUT: &str = r#"{"pspType":"CLEO","type":"PAYOUT","baseamount":500.00,"currency":"MXN","currencyCode":"MXN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","countryCode":"MX","beneficiary":{"documentType":"RFC","documentNumber":"DOJO900115AB1","accountNumber":"032180000118359719"}}"#;
    Ok(match (row.provider, row.pays_out) {
        ("cleo", true) => CLEO_OUT.to_owned(),
        ("gigadat", true) => bodies::gigadat_out("ETO", "202.00"),
        ("payone", true) => bodies::payone("PAYOUT", "202.00"),
        ("forumpay", true) => bodies::forumpay_out("202.00"),
        // Its payer is challenged, so that it does not end at once.
        ("emerchantpay", _) => bodies::emerchantpay("100.00", "4918190000000002"),
        (name, _) => {
            let of = ALL.into_iter().find(|one| one.name == name).context("a provider")?;
            let refused = name == "flexepin" && row.ends == "decline";
            of.pay_in(SERIAL.fetch_add(1, Ordering::Relaxed), if refused { "100.01" } else { "100.00" })
        }
    })
}

/// A payment that has ended as the row says.
async fn ended(hands: &Hands, row: &Row) -> Result<String> {
    let answer = hands.client.cashier(&body(row)?).await?;
    let id = id_of(&answer)?;
    if row.provider == "flexepin" {
        hands.client.wait_for(&id, &[row.ended], LIMIT).await?;
        return Ok(id);
    }
    if row.provider == "trust" {
        posted(hands, answer.text("/data/paymentUrl")).await?;
    }
    if row.pays_out && ["gigadat", "forumpay"].contains(&row.provider) {
        let approved = hands.approve(&id).await?;
        ensure!(approved.status == 200, "approve: {} {}", approved.status, approved.body);
        crate::steps::until(hands, &id, |shown| !events(shown, "sent").is_empty()).await?;
    }
    if row.ends == "reverse" {
        control(hands, row.provider, &id, "approve").await?;
        hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    }
    control(hands, row.provider, &id, row.ends).await?;
    hands.client.wait_for(&id, &[row.ended], LIMIT).await?;
    Ok(id)
}

/// Has the provider say it from now on.
async fn say(hands: &Hands, row: &Row, id: &str) -> Result<()> {
    if row.provider != "flexepin" {
        return control(hands, row.provider, id, &format!("status/{}", row.word)).await;
    }
    let (result, status) = row.word.split_once(' ').context("a result and a status")?;
    let value = if row.ends == "decline" { 100.01 } else { 100.0 };
    let record = json!({"result": result, "transaction_id": id, "trans_no": "118203344", "value": value, "currency": "EUR", "status": status});
    let body = json!({"result": "0", "transaction_id": "q", "transaction": record});
    next(hands, "flexepin", json!({"path": "/trans/", "about": id, "http": 200, "body": body, "times": 100})).await
}

async fn said(hands: Hands, row: Row) -> Result<()> {
    let id = ended(&hands, &row).await?;
    let before = events(&hands.managed(&id).await?, "anomaly").len();
    ensure!(before == 0, "odd from the start: {}", hands.managed(&id).await?);
    say(&hands, &row, &id).await?;
    for _ in 0..2 {
        inquire(&hands, &id).await?;
    }
    let wanted = match row.is {
        Now(status) => status,
        Odd(_) | Quiet => row.ended,
    };
    hands.client.wait_for(&id, &[wanted], LIMIT).await?;
    inquire(&hands, &id).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == wanted, "{shown}");
    let odd = events(&shown, "anomaly");
    match row.is {
        // Once by the callback that notifies of it, once by the record.
        Odd(text) => {
            ensure!((1..=2).contains(&odd.len()) && odd.iter().all(|one| one.to_string().contains(text)), "{odd:?}");
        }
        Quiet | Now(_) => ensure!(odd.is_empty(), "{odd:?}"),
    }
    Ok(())
}
