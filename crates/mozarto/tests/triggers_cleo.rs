//! Every trigger amount of the Cleo sheet ("Simulator"), pay-in in pesos of Chile without decimals, pay-out in those of Mexico
//! with two: the answer, how the transaction ends, the webhooks, and Cleo's own ledger.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::Answer;
use testkit::shape::same_shape;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// Everything that is due at the time scale of these tests comes within this.
const LIMIT: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn cleo_triggers() {
    let binary = env!("CARGO_BIN_EXE_mozarto");
    let fast = World::start(binary, &["CLEO"], |options| {
        options.time_scale(60).auto_settle(50).variable("MOZARTO_PROVIDERS_CLEO_NOT_FOUND_AFTER_SECONDS", "60")
    });
    // Late successes come 2 s after the callback before: that callback must have been worked off by then.
    let slow = World::start(binary, &["CLEO"], |options| options.time_scale(2).auto_settle(50));
    // Nobody presses Pay on a page whose address got lost: its half hour runs out.
    let lonely = World::start(binary, &["CLEO"], |options| options.time_scale(180));
    let (fast, slow, lonely) = tokio::try_join!(fast, slow, lonely).expect("three sandboxes");
    let mut table = Table::new("Cleo triggers");
    for digits in ["00", "08", "10"] {
        table.row(format!("PAYIN {digits}"), pay_in_approved(fast.hands(), digits));
    }
    for (digits, status, word) in [("01", "Declined", "REJECTED"), ("02", "Cancelled", "CANCELLED"), ("03", "Expired", "EXPIRED")]
    {
        table.row(format!("PAYIN {digits}"), pay_in_not_paid(fast.hands(), digits, status, word));
        table.row(format!("PAYOUT {digits}"), pay_out_not_paid(fast.hands(), digits, status, word));
    }
    for (digits, failure) in FAILURES {
        table.row(format!("PAYIN {digits}"), pay_in_failed(fast.hands(), digits, failure));
    }
    table.row("PAYIN 09", late_success(slow.hands()));
    table.row("PAYIN 11", page_lost(lonely.hands(), "11", UNKNOWN, Some("{\"id\":\"ti")));
    table.row("PAYIN 12", page_lost(lonely.hands(), "12", UNAVAILABLE, None));
    for digits in ["00", "08", "09", "10"] {
        table.row(format!("PAYOUT {digits}"), pay_out_approved(fast.hands(), digits));
    }
    for digits in ["04", "05"] {
        table.row(format!("PAYOUT {digits}"), pay_out_not_found(fast.hands(), digits));
    }
    for (digits, failure) in &FAILURES[2..] {
        table.row(format!("PAYOUT {digits}"), pay_out_refused(fast.hands(), digits, *failure));
    }
    table.row("PAYOUT on hold", pay_out_held(lonely.hands()));
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

/// The sheet's example requests, with another amount: whole pesos.
fn request_in(amount: &str) -> String {
    format!(
        r#"{{"pspType":"CLEO","type":"PAYIN","baseamount":{amount}.00,"currency":"CLP","currencyCode":"CLP","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"56912345678","gender":"male","dob":"1990-01-15","countryCode":"CL","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","emailVerification":"player@example.com","verificationDate":"2026-01-15","address":{{"line1":"Av. Uno 1","city":"Santiago","state":"RM","postalCode":"8320000","country":"CL"}}}}"#
    )
}

fn request_out(amount: &str) -> String {
    format!(
        r#"{{"pspType":"CLEO","type":"PAYOUT","baseamount":{amount},"currency":"MXN","currencyCode":"MXN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","countryCode":"MX","beneficiary":{{"documentType":"RFC","documentNumber":"DOJO900115AB1","accountNumber":"{CLABE}"}}}}"#
    )
}

const CLABE: &str = "032180000118359719";

fn transaction(operation: &str, amount: &str, transaction_status: &str, status: &str) -> Value {
    let currency = if operation == "PAYIN" { "CLP" } else { "MXN" };
    json!({
        "transactionId": "<id>", "sessionId": "<uuid>", "pspType": "CLEO", "type": operation, "brandId": "", "transaction_status": transaction_status,
        "status": status, "amount": amount, "currency": currency, "merchantReference": "", "userId": "user_123",
        "pspTransactionId?": "<text>", "redirectUrl?": "<url>", "message?": "<text>", "createdAt": "<time>", "updatedAt": "<time>",
    })
}

fn id_of(answer: &Answer) -> String {
    answer.text("/transaction/transactionId").to_owned()
}

fn entry(direction: &str, amount: &str, state: &str) -> Value {
    let currency = if direction == "in" { "CLP" } else { "MXN" };
    let mut entry = json!({"direction": direction, "amount": amount, "currency": currency, "state": state});
    if direction == "out" {
        entry["destination"] = json!(CLABE);
    }
    entry
}

/// A pay-in that Cleo opened a page for: the published answer, field for field.
async fn opened(hands: &Hands, amount: &str) -> Result<String> {
    let answer = hands.client.cashier(&request_in(amount)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let expected = json!({
        "status": "success", "message": "Successfully", "isSuccess": true,
        "data": {"status": "PENDING", "url": "<url>", "sessionId": answer.text("/transaction/sessionId")},
        "transaction": transaction("PAYIN", amount, "Pending", "PENDING"),
    });
    same_shape(&answer.body, &expected)?;
    ensure!(answer.text("/transaction/redirectUrl") == answer.text("/data/url"), "redirectUrl is another: {}", answer.body);
    ensure!(answer.text("/transaction/pspTransactionId").starts_with("ti_"), "{}", answer.body);
    Ok(id_of(&answer))
}

/// A pay-out: the published answer, field for field. `word`: the provider's, or `unknown` while nobody knows.
async fn paid_out(hands: &Hands, amount: &str, message: &str, word: &str) -> Result<String> {
    let answer = hands.client.cashier(&request_out(amount)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let expected = json!({
        "status": "success", "message": message, "isSuccess": true,
        "data": {"status": "PENDING", "transactionId": id_of(&answer)},
        "transaction": transaction("PAYOUT", amount, "Pending", word),
    });
    same_shape(&answer.body, &expected)?;
    let id = id_of(&answer);
    let shown = hands.managed(&id).await?;
    ensure!(!shown.to_string().contains(CLABE) && !shown.to_string().contains("DOJO900115AB1"), "a number is seen: {shown}");
    ensure!(shown.to_string().contains("032 ***9719, RFC ***5AB1"), "its last four are not: {shown}");
    Ok(id)
}

/// A pay-out that Cleo took.
async fn taken(hands: &Hands, amount: &str) -> Result<String> {
    paid_out(hands, amount, "Successfully", "PENDING").await
}

async fn pay_in_approved(hands: Hands, digits: &str) -> Result<()> {
    let amount = format!("100{digits}");
    let id = opened(&hands, &amount).await?;
    hands.ends_as(&id, "Approved", "COMPLETED", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("cleo", &id, &entry("in", &amount, "settled")).await?;
    Ok(())
}

async fn pay_in_not_paid(hands: Hands, digits: &str, status: &str, word: &str) -> Result<()> {
    let id = opened(&hands, &format!("101{digits}")).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.nothing_moved("cleo", &id).await
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
    let amount = format!("102{digits}");
    let answer = hands.client.cashier(&request_in(&amount)).await?;
    let word = failure.1.to_lowercase();
    is_failure(&answer, failure, failure.2, None, transaction("PAYIN", &amount, "Failed", &word))?;
    let id = id_of(&answer);
    hands.ends_as(&id, "Failed", &word, LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("cleo", &id).await
}

async fn late_success(hands: Hands) -> Result<()> {
    let id = opened(&hands, "10309").await?;
    hands.ends_as(&id, "Declined", "REJECTED", LIMIT).await?;
    hands.ends_as(&id, "Approved", "COMPLETED", LIMIT).await?;
    hands.webhooks(&id, &["Declined", "Approved"], LIMIT).await?;
    hands.moved_once("cleo", &id, &entry("in", "10309", "settled")).await?;
    Ok(())
}

/// The page was made, its address got lost: found by our reference, `Pending` beside the error, then run out.
async fn page_lost(hands: Hands, digits: &str, failure: Failure, data: Option<&str>) -> Result<()> {
    let amount = format!("104{digits}");
    let answer = hands.client.cashier(&request_in(&amount)).await?;
    is_failure(&answer, failure, false, data, transaction("PAYIN", &amount, "Pending", "PENDING"))?;
    let id = id_of(&answer);
    hands.ends_as(&id, "Expired", "EXPIRED", LIMIT).await?;
    hands.webhooks(&id, &["Expired"], LIMIT).await?;
    hands.nothing_moved("cleo", &id).await
}

async fn pay_out_approved(hands: Hands, digits: &str) -> Result<()> {
    let amount = format!("200.{digits}");
    let id = taken(&hands, &amount).await?;
    hands.ends_as(&id, "Approved", "COMPLETED", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("cleo", &id, &entry("out", &amount, "settled")).await?;
    Ok(())
}

async fn pay_out_not_paid(hands: Hands, digits: &str, status: &str, word: &str) -> Result<()> {
    let amount = format!("201.{digits}");
    let id = taken(&hands, &amount).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.moved_once("cleo", &id, &entry("out", &amount, "returned")).await?;
    Ok(())
}

/// The answer while nobody knows.
async fn in_doubt(hands: &Hands, amount: &str) -> Result<String> {
    paid_out(hands, amount, "Transaction is being processed", "unknown").await
}

async fn pay_out_not_found(hands: Hands, digits: &str) -> Result<()> {
    let id = in_doubt(&hands, &format!("202.{digits}")).await?;
    hands.ends_as(&id, "Failed", "not_found", LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("cleo", &id).await
}

async fn pay_out_refused(hands: Hands, digits: &str, failure: Failure) -> Result<()> {
    let amount = format!("203.{digits}");
    let answer = hands.client.cashier(&request_out(&amount)).await?;
    let word = failure.1.to_lowercase();
    is_failure(&answer, failure, failure.2, None, transaction("PAYOUT", &amount, "Failed", &word))?;
    let id = id_of(&answer);
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("cleo", &id).await
}

async fn pay_out_in_doubt(hands: Hands, digits: &str) -> Result<()> {
    let amount = format!("204.{digits}");
    let id = in_doubt(&hands, &amount).await?;
    hands.ends_as(&id, "Approved", "COMPLETED", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("cleo", &id, &entry("out", &amount, "settled")).await?;
    Ok(())
}

/// A rule holds it: the same `data`, nobody called before a person approves, then one payment.
async fn pay_out_held(hands: Hands) -> Result<()> {
    let rule =
        json!({"name": "Hold", "priority": 1000, "match": {"pspTypes": ["CLEO"], "types": ["PAYOUT"]}, "action": {"hold": true}});
    let made = hands.client.manage("POST", "/rules", Some(rule)).await?;
    ensure!(made.status == 200 || made.status == 201, "{} {}", made.status, made.body);
    let answer = hands.client.cashier(&request_out("205.00")).await?;
    let expected = json!({
        "status": "success", "message": "Transaction is on hold", "isSuccess": true,
        "data": {"status": "PENDING", "transactionId": id_of(&answer)},
        "transaction": transaction("PAYOUT", "205.00", "OnHold", "on_hold"),
    });
    same_shape(&answer.body, &expected)?;
    let id = id_of(&answer);
    hands.nothing_moved("cleo", &id).await?;
    let approved = hands.approve(&id).await?;
    ensure!(approved.status == 200, "{} {}", approved.status, approved.body);
    hands.ends_as(&id, "Approved", "COMPLETED", LIMIT).await?;
    hands.moved_once("cleo", &id, &entry("out", "205.00", "settled")).await?;
    Ok(())
}
