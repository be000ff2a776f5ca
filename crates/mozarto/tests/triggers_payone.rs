//! Every trigger amount of the PayOne sheet ("Simulator"), pay-in and pay-out: the answer, how the transaction ends, the
//! webhooks, and PayOne's own ledger.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::shape::same_shape;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// Everything that is due at the time scale of these tests comes within this.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn payone_triggers() {
    let binary = env!("CARGO_BIN_EXE_mozarto");
    let fast = World::start(binary, &["PAYONE"], |options| {
        options.time_scale(60).auto_settle(50).variable("MOZARTO_PROVIDERS_PAYONE_NOT_FOUND_AFTER_SECONDS", "60")
    });
    // Late successes come 2 s after the callback before: that callback must have been worked off by then.
    let slow = World::start(binary, &["PAYONE"], |options| options.time_scale(2).auto_settle(50));
    let (fast, slow) = tokio::try_join!(fast, slow).expect("two sandboxes");
    let mut table = Table::new("PayOne triggers");
    for digits in ["00", "08", "10"] {
        table.row(format!("PAYIN {digits}"), pay_in_approved(fast.hands(), digits));
    }
    for (digits, word) in [("01", "Declined"), ("02", "Cancelled"), ("03", "Expired")] {
        table.row(format!("PAYIN {digits}"), pay_in_declined(fast.hands(), digits, word));
        table.row(format!("PAYOUT {digits}"), pay_out_declined(fast.hands(), digits, word));
    }
    for (digits, failure) in FAILURES {
        table.row(format!("PAYIN {digits}"), pay_in_failed(fast.hands(), digits, failure));
    }
    table.row("PAYIN 09", late_success(slow.hands()));
    table.row("PAYIN 11", page_lost(fast.hands(), "11", UNKNOWN, Some("{\"success\":tr")));
    table.row("PAYIN 12", page_lost(fast.hands(), "12", UNAVAILABLE, None));
    for digits in ["00", "08", "09", "10"] {
        table.row(format!("PAYOUT {digits}"), pay_out_approved(fast.hands(), digits));
    }
    for digits in ["04", "05"] {
        table.row(format!("PAYOUT {digits}"), pay_out_not_found(fast.hands(), digits));
    }
    for (digits, failure) in &FAILURES[2..] {
        table.row(format!("PAYOUT {digits}"), pay_out_refused(fast.hands(), digits, *failure));
    }
    for digits in ["11", "12"] {
        table.row(format!("PAYOUT {digits}"), pay_out_in_doubt(fast.hands(), digits));
    }
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

fn transaction(operation: &str, amount: &str, transaction_status: &str, status: &str) -> Value {
    json!({
        "transactionId": "<id>", "sessionId": "<uuid>", "pspType": "PAYONE", "type": operation, "brandId": "", "transaction_status": transaction_status,
        "status": status, "amount": amount, "currency": "CAD", "merchantReference": "", "userId": "user_123",
        "pspTransactionId?": "<text>", "redirectUrl?": "<url>", "message?": "<text>", "createdAt": "<time>", "updatedAt": "<time>",
    })
}

fn number(amount: &str) -> Value {
    serde_json::from_str(amount.trim_end_matches('0').trim_end_matches('.')).expect("an amount is a number")
}

fn id_of(answer: &Answer) -> String {
    answer.text("/transaction/transactionId").to_owned()
}

fn entry(direction: &str, amount: &str, state: &str) -> Value {
    let mut entry = json!({"direction": direction, "amount": amount, "currency": "CAD", "state": state});
    if direction == "out" {
        entry["destination"] = json!("player@example.com");
    }
    entry
}

/// A pay-in that PayOne opened a page for.
async fn opened(hands: &Hands, amount: &str) -> Result<String> {
    let answer = hands.client.cashier(&bodies::payone("PAYIN", amount)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let expected = json!({
        "status": "success", "message": "Transaction successfully processed", "isSuccess": true,
        "data": {
            "success": true, "message": "Transaction successfully Ongoing Process ", "redirect_url": "<url>",
            "transactionId": id_of(&answer), "merchantReference": "", "amount": number(amount),
        },
        "transaction": transaction("PAYIN", amount, "Pending", "Pending"),
    });
    same_shape(&answer.body, &expected)?;
    let page = answer.text("/data/redirect_url");
    ensure!(answer.text("/transaction/redirectUrl") == page, "transaction.redirectUrl is another: {}", answer.body);
    let reference = page.split('/').rev().nth(1).unwrap_or_default();
    ensure!(answer.text("/transaction/pspTransactionId") == reference, "pspTransactionId is not in {page}: {}", answer.body);
    Ok(id_of(&answer))
}

/// A pay-out that PayOne took.
async fn taken(hands: &Hands, amount: &str) -> Result<String> {
    let answer = hands.client.cashier(&bodies::payone("PAYOUT", amount)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let expected = json!({
        "status": "success", "message": "Withdraw request successfully processed", "isSuccess": true,
        "data": {
            "success": true, "message": "Withdraw request successfully processed",
            "withdraw": {
                "client": "Demo company", "brand": "Demo company", "userId": "user_123", "transactionId": "<text>", "first_name": "John",
                "last_name": "Doe", "email": "player@example.com", "phone": "15551234567", "userIp": "127.0.0.1", "currency": "CAD",
                "siteUrl": "<url>", "amount": amount, "date": "<date>", "status": "Pending",
            },
            "transactionId": id_of(&answer), "merchantReference": "", "amount": number(amount),
        },
        "transaction": transaction("PAYOUT", amount, "Pending", "Pending"),
    });
    same_shape(&answer.body, &expected)?;
    let theirs = answer.text("/data/withdraw/transactionId");
    ensure!(answer.text("/transaction/pspTransactionId") == theirs, "pspTransactionId is another: {}", answer.body);
    Ok(id_of(&answer))
}

async fn pay_in_approved(hands: Hands, digits: &str) -> Result<()> {
    let amount = format!("100.{digits}");
    let id = opened(&hands, &amount).await?;
    let data = hands.ends_as(&id, "Approved", "success", LIMIT).await?;
    ensure!(data["message"] == "Transaction approved and successfully processed", "{}", data["message"]);
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("payone", &id, &entry("in", &amount, "settled")).await?;
    Ok(())
}

async fn pay_in_declined(hands: Hands, digits: &str, word: &str) -> Result<()> {
    let id = opened(&hands, &format!("101.{digits}")).await?;
    hands.ends_as(&id, "Declined", word, LIMIT).await?;
    hands.webhooks(&id, &["Declined"], LIMIT).await?;
    hands.nothing_moved("payone", &id).await
}

/// The error row of an answer; `shown`: the transaction's status and word.
fn is_failure(answer: &Answer, failure: Failure, retryable: bool, data: Option<&str>, transaction: Value) -> Result<()> {
    let (http, code, _, message) = failure;
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

async fn pay_in_failed(hands: Hands, digits: &str, failure: Failure) -> Result<()> {
    let amount = format!("102.{digits}");
    let answer = hands.client.cashier(&bodies::payone("PAYIN", &amount)).await?;
    let word = failure.1.to_lowercase();
    is_failure(&answer, failure, failure.2, None, transaction("PAYIN", &amount, "Failed", &word))?;
    let id = id_of(&answer);
    hands.ends_as(&id, "Failed", &word, LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("payone", &id).await
}

async fn late_success(hands: Hands) -> Result<()> {
    let id = opened(&hands, "103.09").await?;
    hands.ends_as(&id, "Declined", "Declined", LIMIT).await?;
    hands.ends_as(&id, "Approved", "success", LIMIT).await?;
    hands.webhooks(&id, &["Declined", "Approved"], LIMIT).await?;
    hands.moved_once("payone", &id, &entry("in", "103.09", "settled")).await?;
    Ok(())
}

/// The page was made, its address got lost: the deposit is found by our reference, and once it is paid it counts.
async fn page_lost(hands: Hands, digits: &str, failure: Failure, data: Option<&str>) -> Result<()> {
    let amount = format!("104.{digits}");
    let answer = hands.client.cashier(&bodies::payone("PAYIN", &amount)).await?;
    // The page pays by itself, so that it may be paid already when we ask at once.
    let (status, word) = match answer.text("/transaction/transaction_status") {
        "Approved" => ("Approved", "success"),
        _ => ("Pending", "Pending"),
    };
    is_failure(&answer, failure, false, data, transaction("PAYIN", &amount, status, word))?;
    let id = id_of(&answer);
    hands.ends_as(&id, "Approved", "success", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("payone", &id, &entry("in", &amount, "settled")).await?;
    Ok(())
}

async fn pay_out_approved(hands: Hands, digits: &str) -> Result<()> {
    let amount = format!("200.{digits}");
    let id = taken(&hands, &amount).await?;
    hands.ends_as(&id, "Approved", "success", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("payone", &id, &entry("out", &amount, "settled")).await?;
    Ok(())
}

async fn pay_out_declined(hands: Hands, digits: &str, word: &str) -> Result<()> {
    let amount = format!("201.{digits}");
    let id = taken(&hands, &amount).await?;
    hands.ends_as(&id, "Declined", word, LIMIT).await?;
    hands.webhooks(&id, &["Declined"], LIMIT).await?;
    hands.moved_once("payone", &id, &entry("out", &amount, "returned")).await?;
    Ok(())
}

/// The answer while nobody knows.
async fn in_doubt(hands: &Hands, amount: &str) -> Result<String> {
    let answer = hands.client.cashier(&bodies::payone("PAYOUT", amount)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let text = "Transaction is being processed";
    let expected = json!({
        "status": "success", "message": text, "isSuccess": true,
        "data": {"message": text, "transactionId": id_of(&answer), "merchantReference": "", "amount": number(amount)},
        "transaction": transaction("PAYOUT", amount, "Pending", "unknown"),
    });
    same_shape(&answer.body, &expected)?;
    Ok(id_of(&answer))
}

async fn pay_out_not_found(hands: Hands, digits: &str) -> Result<()> {
    let id = in_doubt(&hands, &format!("202.{digits}")).await?;
    hands.ends_as(&id, "Failed", "not_found", LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("payone", &id).await
}

async fn pay_out_refused(hands: Hands, digits: &str, failure: Failure) -> Result<()> {
    let amount = format!("203.{digits}");
    let answer = hands.client.cashier(&bodies::payone("PAYOUT", &amount)).await?;
    let word = failure.1.to_lowercase();
    is_failure(&answer, failure, failure.2, None, transaction("PAYOUT", &amount, "Failed", &word))?;
    let id = id_of(&answer);
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("payone", &id).await
}

async fn pay_out_in_doubt(hands: Hands, digits: &str) -> Result<()> {
    let amount = format!("204.{digits}");
    let id = in_doubt(&hands, &amount).await?;
    hands.ends_as(&id, "Approved", "success", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("payone", &id, &entry("out", &amount, "settled")).await?;
    Ok(())
}
