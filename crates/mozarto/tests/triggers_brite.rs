//! Every trigger amount of the Brite sheet ("Simulator"): the answer, how the transaction ends, the webhooks, and Brite's own
//! ledger.

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
async fn brite_triggers() {
    let binary = env!("CARGO_BIN_EXE_mozarto");
    let fast = World::start(binary, &["BRITE"], |options| options.time_scale(60).auto_settle(50));
    // Late successes come 2 s after the callback before: that callback must have been worked off by then.
    let slow = World::start(binary, &["BRITE"], |options| options.time_scale(2).auto_settle(50));
    // Nobody presses Pay on a page whose address got lost: its half hour runs out.
    let lonely = World::start(binary, &["BRITE"], |options| options.time_scale(180));
    let (fast, slow, lonely) = tokio::try_join!(fast, slow, lonely).expect("three sandboxes");
    let mut table = Table::new("Brite triggers");
    for digits in ["00", "08", "10"] {
        table.row(format!("PAYIN {digits}"), approved(fast.hands(), digits));
    }
    let ended = [("01", "Declined", "FAILED"), ("02", "Cancelled", "ABORTED"), ("03", "Expired", "ABORTED")];
    for (digits, status, word) in ended {
        table.row(format!("PAYIN {digits}"), not_paid(fast.hands(), digits, status, word));
    }
    for (digits, failure) in FAILURES {
        table.row(format!("PAYIN {digits}"), failed(fast.hands(), digits, failure));
    }
    table.row("PAYIN 09", late_success(slow.hands()));
    table.row("PAYIN 11", page_lost(lonely.hands(), "11", UNKNOWN, Some("{\"url\":\"htt")));
    table.row("PAYIN 12", page_lost(lonely.hands(), "12", UNAVAILABLE, None));
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

/// The sheet's example request.
fn request(amount: &str) -> String {
    format!(
        r#"{{"pspType":"BRITE","type":"PAYIN","baseamount":{amount},"currency":"EUR","country":"FI","userId":"user_123","email":"player@example.com"}}"#
    )
}

fn transaction(amount: &str, transaction_status: &str, status: &str) -> Value {
    json!({
        "transactionId": "<id>", "sessionId": "<uuid>", "pspType": "BRITE", "type": "PAYIN", "brandId": "", "transaction_status": transaction_status,
        "status": status, "amount": amount, "currency": "EUR", "merchantReference": "", "userId": "user_123",
        "pspTransactionId?": "<text>", "redirectUrl?": "<url>", "message?": "<text>", "createdAt": "<time>", "updatedAt": "<time>",
    })
}

fn id_of(answer: &Answer) -> String {
    answer.text("/transaction/transactionId").to_owned()
}

fn entry(amount: &str) -> Value {
    json!({"direction": "in", "amount": amount, "currency": "EUR", "state": "settled"})
}

/// A pay-in that Brite opened a page for: the published answer, field for field.
async fn opened(hands: &Hands, amount: &str) -> Result<String> {
    let answer = hands.client.cashier(&request(amount)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let expected = json!({
        "status": "success", "message": "Successfully", "isSuccess": true,
        "data": {"status": "PENDING", "url": "<url>", "sessionId": answer.text("/transaction/sessionId")},
        "transaction": transaction(amount, "Pending", "CREATED"),
    });
    same_shape(&answer.body, &expected)?;
    ensure!(answer.text("/transaction/redirectUrl") == answer.text("/data/url"), "redirectUrl is another: {}", answer.body);
    Ok(id_of(&answer))
}

/// CREDIT approves; who asks a second later hears SETTLED.
async fn is_approved(hands: &Hands, id: &str) -> Result<()> {
    let data = hands.client.wait_for(id, &["Approved"], LIMIT).await?;
    ensure!(matches!(data["status"].as_str(), Some("CREDIT" | "SETTLED")), "{data}");
    ensure!(data["pspTransactionId"].is_string(), "Brite's transaction id is not known: {data}");
    Ok(())
}

async fn approved(hands: Hands, digits: &str) -> Result<()> {
    let amount = format!("50.{digits}");
    let id = opened(&hands, &amount).await?;
    is_approved(&hands, &id).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("brite", &id, &entry(&amount)).await?;
    let shown = hands.managed(&id).await?.to_string();
    ensure!(shown.contains("Brite's session: "), "Brite's session id is not on the timeline: {shown}");
    Ok(())
}

async fn not_paid(hands: Hands, digits: &str, status: &str, word: &str) -> Result<()> {
    let id = opened(&hands, &format!("51.{digits}")).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.nothing_moved("brite", &id).await
}

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

async fn failed(hands: Hands, digits: &str, failure: Failure) -> Result<()> {
    let amount = format!("52.{digits}");
    let answer = hands.client.cashier(&request(&amount)).await?;
    let word = failure.1.to_lowercase();
    is_failure(&answer, failure, failure.2, None, transaction(&amount, "Failed", &word))?;
    let id = id_of(&answer);
    hands.ends_as(&id, "Failed", &word, LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("brite", &id).await
}

async fn late_success(hands: Hands) -> Result<()> {
    let id = opened(&hands, "53.09").await?;
    let declined = hands.ends_as(&id, "Declined", "ABORTED", LIMIT).await?;
    ensure!(declined["message"] == "risk_rejected", "{declined}");
    is_approved(&hands, &id).await?;
    hands.webhooks(&id, &["Declined", "Approved"], LIMIT).await?;
    hands.moved_once("brite", &id, &entry("53.09")).await?;
    Ok(())
}

/// The session was made, its page's address got lost: found by our reference, `Pending` beside the error, then run out.
async fn page_lost(hands: Hands, digits: &str, failure: Failure, data: Option<&str>) -> Result<()> {
    let amount = format!("54.{digits}");
    let answer = hands.client.cashier(&request(&amount)).await?;
    is_failure(&answer, failure, false, data, transaction(&amount, "Pending", "CREATED"))?;
    let id = id_of(&answer);
    let calls = hands.client.control("GET", "/brite/calls", None).await?;
    let created = |call: &&Value| {
        call["path"].as_str().is_some_and(|path| path.ends_with("session.create_deposit"))
            && call["body"].as_str().is_some_and(|body| body.contains(&id))
    };
    let sessions = calls.body["calls"].as_array().into_iter().flatten().filter(created).count();
    ensure!(sessions == 1, "{sessions} sessions");
    hands.ends_as(&id, "Expired", "ABORTED", LIMIT).await?;
    hands.webhooks(&id, &["Expired"], LIMIT).await?;
    hands.nothing_moved("brite", &id).await
}
