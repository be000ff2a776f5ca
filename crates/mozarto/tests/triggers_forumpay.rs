//! Every trigger amount of the ForumPay sheet ("Simulator"), pay-in and pay-out: the answer, how the transaction ends, the
//! webhooks, and ForumPay's own ledger.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::shape::same_shape;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// Everything that is due at the time scale of these tests comes within this.
const LIMIT: Duration = Duration::from_secs(30);
const WALLET: &str = "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh";
const PAID_IN: &str = "Crypto payment confirmed and successfully processed";
const PAID_OUT: &str = "Crypto payout confirmed and successfully processed";

#[tokio::test(flavor = "multi_thread")]
async fn forumpay_triggers() {
    let binary = env!("CARGO_BIN_EXE_mozarto");
    let fast = World::start(binary, &["FORUMPAY"], |options| {
        options.time_scale(60).auto_settle(50).variable("MOZARTO_PROVIDERS_FORUMPAY_NOT_FOUND_AFTER_SECONDS", "60")
    });
    // Nobody pays here by himself, and the second payment of a payer comes late enough for the first to have been worked off.
    let slow = World::start(binary, &["FORUMPAY"], |options| options.time_scale(2));
    let (fast, slow) = tokio::try_join!(fast, slow).expect("two sandboxes");
    let mut table = Table::new("ForumPay triggers");
    for digits in ["00", "08", "10"] {
        table.row(format!("PAYIN {digits}"), pay_in_approved(fast.hands(), digits));
    }
    for (digits, status, word, message) in ENDINGS {
        table.row(format!("PAYIN {digits}"), pay_in_ended(fast.hands(), digits, status, word, message));
        table.row(format!("PAYOUT {digits}"), pay_out_ended(fast.hands(), digits, status, word, message));
    }
    for (digits, failure) in FAILURES {
        table.row(format!("PAYIN {digits}"), failed(fast.hands(), "PAYIN", format!("103.{digits}"), failure));
    }
    for (digits, failure) in &FAILURES[1..] {
        table.row(format!("PAYOUT {digits}"), failed(fast.hands(), "PAYOUT", format!("203.{digits}"), *failure));
    }
    table.row("PAYIN 09", second_payment(slow.hands()));
    table.row("PAYIN 11", link_lost(slow.hands(), "104.11", UNKNOWN, Some("{\"url\":")));
    table.row("PAYIN 12", link_lost(slow.hands(), "104.12", UNAVAILABLE, None));
    for digits in ["00", "08", "09", "10", "11", "12"] {
        table.row(format!("PAYOUT {digits}"), pay_out_approved(fast.hands(), digits));
    }
    table.row("PAYOUT 04", released_again(fast.hands()));
    table.row("PAYOUT rejected", rejected(fast.hands()));
    table.end().await;
}

/// A row of the error table: HTTP status, code, whether it may be tried again, message.
type Failure = (u16, &'static str, bool, &'static str);

const UNAVAILABLE: Failure = (502, "PSP_UNAVAILABLE", true, "Payment provider is unavailable.");
const UNKNOWN: Failure = (500, "UNKNOWN_PSP_ERROR", false, "An unexpected error occurred. Contact support if it continues.");
const FAILURES: [(&str, Failure); 4] = [
    ("04", UNAVAILABLE),
    ("05", (504, "PSP_TIMEOUT", true, "Payment provider did not respond in time.")),
    ("06", (429, "PSP_RATE_LIMITED", true, "Payment provider is limiting requests.")),
    ("07", (400, "INVALID_PSP_CREDENTIALS", false, "Payment could not be processed due to invalid PSP credentials.")),
];
/// Digits, status, word, message (the `reason`, else the word). 01 is in review first, which ends nothing.
const ENDINGS: [(&str, &str, &str, &str); 3] = [
    ("01", "Cancelled", "cancelled", "bad_rate"),
    ("02", "Cancelled", "cancelled", "curious"),
    ("03", "Expired", "cancelled", "cancelled"),
];

fn transaction(operation: &str, amount: &str, transaction_status: &str, status: &str) -> Value {
    json!({
        "transactionId": "<id>", "sessionId": "<uuid>", "pspType": "FORUMPAY", "type": operation, "brandId": "", "transaction_status": transaction_status,
        "status": status, "amount": amount, "currency": "EUR", "merchantReference": "", "userId": "user_123",
        "pspTransactionId?": "<text>", "redirectUrl?": "<url>", "message?": "<text>", "createdAt": "<time>", "updatedAt": "<time>",
    })
}

fn number(amount: &str) -> Value {
    serde_json::from_str(amount.trim_end_matches('0').trim_end_matches('.')).expect("an amount is a number")
}

fn id_of(answer: &Answer) -> String {
    answer.text("/transaction/transactionId").to_owned()
}

fn paid_in(amount: &str) -> Value {
    json!({"direction": "in", "amount": amount, "currency": "EUR", "state": "settled"})
}

fn paid_out(amount: &str, state: &str) -> Value {
    json!({"direction": "out", "amount": amount, "currency": "EUR", "destination": WALLET, "state": state})
}

/// A pay-in with a page.
async fn opened(hands: &Hands, amount: &str) -> Result<String> {
    let answer = hands.client.cashier(&bodies::forumpay_in(amount)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let expected = json!({
        "status": "success", "message": "Successfully", "isSuccess": true,
        "data": {"status": "PENDING", "url": "<url>", "sessionId": answer.text("/transaction/sessionId")},
        "transaction": transaction("PAYIN", amount, "Pending", "waiting"),
    });
    same_shape(&answer.body, &expected)?;
    ensure!(
        answer.text("/transaction/redirectUrl") == answer.text("/data/url"),
        "transaction.redirectUrl is another: {}",
        answer.body
    );
    Ok(id_of(&answer))
}

/// A pay-out on hold.
async fn held(hands: &Hands, amount: &str) -> Result<String> {
    let answer = hands.client.cashier(&bodies::forumpay_out(amount)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = id_of(&answer);
    let expected = json!({
        "status": "success", "message": "Transaction is on hold", "isSuccess": true,
        "data": {
            "invoice_currency": "EUR", "invoice_amount": amount, "currency": "BTC", "payment_source": "cash", "wait_time": "20 minutes",
            "network_processing_fee": "<decimal>", "rate": "<decimal>", "amount_exchange": "<decimal>", "amount": number(amount),
            "fast_transaction_fee": "<decimal>", "fast_transaction_fee_currency": "BTC/kB", "payment_id": "<uuid>", "reference_no": id,
            "address": "<text>", "access_token": "<text>", "transactionId": id, "merchantReference": "", "transaction_status": "Pending",
        },
        "transaction": transaction("PAYOUT", amount, "OnHold", "on_hold"),
    });
    same_shape(&answer.body, &expected)?;
    ensure!(
        answer.text("/transaction/pspTransactionId") == answer.text("/data/payment_id"),
        "pspTransactionId is another: {}",
        answer.body
    );
    hands.nothing_moved("forumpay", &id).await?;
    Ok(id)
}

/// A pay-out that was held and approved.
async fn approved(hands: &Hands, amount: &str) -> Result<String> {
    let id = held(hands, amount).await?;
    let answer = hands.approve(&id).await?;
    ensure!(answer.status == 200, "approve: {} {}", answer.status, answer.body);
    Ok(id)
}

async fn pay_in_approved(hands: Hands, digits: &str) -> Result<()> {
    let amount = format!("100.{digits}");
    let id = opened(&hands, &amount).await?;
    let data = hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    ensure!(data["message"] == PAID_IN, "{}", data["message"]);
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("forumpay", &id, &paid_in(&amount)).await?;
    Ok(())
}

async fn pay_in_ended(hands: Hands, digits: &str, status: &str, word: &str, message: &str) -> Result<()> {
    let id = opened(&hands, &format!("101.{digits}")).await?;
    let data = hands.ends_as(&id, status, word, LIMIT).await?;
    ensure!(data["message"] == message, "message {} instead of {message}", data["message"]);
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.nothing_moved("forumpay", &id).await
}

fn is_failure(answer: &Answer, failure: Failure, data: Option<&str>, transaction: Value) -> Result<()> {
    let (http, code, retryable, message) = failure;
    ensure!(answer.status == http, "HTTP {} instead of {http}: {}", answer.status, answer.body);
    let mut expected = json!({
        "status": "error", "message": message, "isSuccess": false, "errorCode": code, "retryable": retryable, "errors": [],
        "transactionId": id_of(answer), "transaction": transaction,
    });
    if let Some(data) = data {
        expected["data"] = json!(data);
    }
    if expected["transaction"]["transaction_status"] == "Pending" {
        expected["outcome"] = json!("open");
    }
    same_shape(&answer.body, &expected)?;
    let retry_after = answer.header("retry-after");
    let expected = (http == 429).then_some("1");
    ensure!(retry_after == expected, "Retry-After is {retry_after:?} instead of {expected:?}");
    Ok(())
}

async fn failed(hands: Hands, operation: &str, amount: String, failure: Failure) -> Result<()> {
    let body = if operation == "PAYIN" { bodies::forumpay_in(&amount) } else { bodies::forumpay_out(&amount) };
    let answer = hands.client.cashier(&body).await?;
    let word = failure.1.to_lowercase();
    is_failure(&answer, failure, None, transaction(operation, &amount, "Failed", &word))?;
    let id = id_of(&answer);
    hands.ends_as(&id, "Failed", &word, LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("forumpay", &id).await
}

async fn press_pay(hands: &Hands, id: &str) -> Result<()> {
    let answer = hands.client.control("POST", &format!("/forumpay/{id}/pay"), None).await?;
    ensure!(answer.status == 200, "pay: {} {}", answer.status, answer.body);
    Ok(())
}

/// The payer cancels and pays with a second payment: a late success.
async fn second_payment(hands: Hands) -> Result<()> {
    let id = opened(&hands, "102.09").await?;
    press_pay(&hands, &id).await?;
    hands.ends_as(&id, "Cancelled", "cancelled", LIMIT).await?;
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.webhooks(&id, &["Cancelled", "Approved"], LIMIT).await?;
    hands.moved_once("forumpay", &id, &paid_in("102.09")).await?;
    Ok(())
}

/// The link was made, its address got lost; whoever has it all the same can pay.
async fn link_lost(hands: Hands, amount: &str, failure: Failure, data: Option<&str>) -> Result<()> {
    let answer = hands.client.cashier(&bodies::forumpay_in(amount)).await?;
    let word = failure.1.to_lowercase();
    is_failure(&answer, failure, data, transaction("PAYIN", amount, "Failed", &word))?;
    let id = id_of(&answer);
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    press_pay(&hands, &id).await?;
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.webhooks(&id, &["Failed", "Approved"], LIMIT).await?;
    hands.moved_once("forumpay", &id, &paid_in(amount)).await?;
    Ok(())
}

async fn pay_out_approved(hands: Hands, digits: &str) -> Result<()> {
    let amount = format!("200.{digits}");
    let id = approved(&hands, &amount).await?;
    let data = hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    ensure!(data["message"] == PAID_OUT, "{}", data["message"]);
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("forumpay", &id, &paid_out(&amount, "settled")).await?;
    Ok(())
}

async fn pay_out_ended(hands: Hands, digits: &str, status: &str, word: &str, message: &str) -> Result<()> {
    let amount = format!("201.{digits}");
    let id = approved(&hands, &amount).await?;
    let data = hands.ends_as(&id, status, word, LIMIT).await?;
    ensure!(data["message"] == message, "message {} instead of {message}", data["message"]);
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.moved_once("forumpay", &id, &paid_out(&amount, "returned")).await?;
    Ok(())
}

/// ForumPay never took the confirmation: a person finds it with its evidence, releases it again, and it is paid once.
async fn released_again(hands: Hands) -> Result<()> {
    let id = approved(&hands, "202.04").await?;
    let data = hands.needs_attention(&id, "stuck", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.nothing_moved("forumpay", &id).await?;
    hands.webhooks(&id, &[], LIMIT).await?;
    let listed = hands.client.manage("GET", "/transactions?attention=stuck&limit=200", None).await?;
    let items = listed.body["data"]["items"].as_array().cloned().unwrap_or_default();
    ensure!(items.iter().any(|item| item["transactionId"] == *id), "it is not listed: {}", listed.body);
    let released = hands
        .client
        .manage("POST", &format!("/transactions/{id}/release"), Some(json!({"reason": "seen in the portal"})))
        .await?;
    ensure!(released.status == 200, "release: {} {}", released.status, released.body);
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("forumpay", &id, &paid_out("202.04", "settled")).await?;
    let again = hands.client.manage("POST", &format!("/transactions/{id}/release"), Some(json!({}))).await?;
    ensure!(again.status == 409, "release after the end: {} {}", again.status, again.body);
    Ok(())
}

async fn rejected(hands: Hands) -> Result<()> {
    let id = held(&hands, "205.00").await?;
    let answer =
        hands.client.manage("POST", &format!("/approvals/{id}/reject"), Some(json!({"reason": "unknown wallet"}))).await?;
    ensure!(answer.status == 200, "reject: {} {}", answer.status, answer.body);
    hands.ends_as(&id, "Rejected", "rejected", LIMIT).await?;
    hands.webhooks(&id, &["Rejected"], LIMIT).await?;
    let late = hands.approve(&id).await?;
    ensure!(late.status == 409, "approve after reject: {} {}", late.status, late.body);
    hands.nothing_moved("forumpay", &id).await
}
