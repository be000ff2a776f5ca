//! Every trigger amount of the Neosurf sheet ("Simulator"): the answer, how the transaction ends, the webhooks, and Neosurf's own
//! ledger; and the published body, whose answer is as published.

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
async fn neosurf_triggers() {
    let binary = env!("CARGO_BIN_EXE_mozarto");
    let fast = World::start(binary, &["NEOSURF"], |options| options.time_scale(60).auto_settle(50));
    // Nobody pays here by himself, and the late success comes late enough for the refusal to have been worked off.
    let slow = World::start(binary, &["NEOSURF"], |options| options.time_scale(2));
    let (fast, slow) = tokio::try_join!(fast, slow).expect("two sandboxes");
    let mut table = Table::new("Neosurf triggers");
    for digits in ["00", "08", "10"] {
        table.row(format!("PAYIN {digits}"), approved(fast.hands(), "EUR", format!("100.{digits}")));
    }
    // The digits of a currency without decimals, and of one with three.
    table.row("PAYIN in JPY", approved(fast.hands(), "JPY", "500".to_owned()));
    table.row("PAYIN in KWD", approved(fast.hands(), "KWD", "50.100".to_owned()));
    for (digits, status, message) in ENDINGS {
        table.row(format!("PAYIN {digits}"), ended(fast.hands(), digits, status, message));
    }
    for (digits, failure, data) in FAILURES {
        table.row(format!("PAYIN {digits}"), failed(fast.hands(), digits, failure, data));
    }
    table.row("PAYIN 09", late_success(slow.hands()));
    table.row("published pay-in", published(slow.hands()));
    table.end().await;
}

/// A row of the error table: HTTP status, code, whether it may be tried again, message.
type Failure = (u16, &'static str, bool, &'static str);

const UNAVAILABLE: Failure = (502, "PSP_UNAVAILABLE", true, "Payment provider is unavailable.");
const FAILURES: [(&str, Failure, Option<&str>); 6] = [
    ("04", UNAVAILABLE, None),
    ("05", (504, "PSP_TIMEOUT", true, "Payment provider did not respond in time."), None),
    ("06", (429, "PSP_RATE_LIMITED", true, "Payment provider is limiting requests."), None),
    ("07", (400, "INVALID_PSP_CREDENTIALS", false, "Payment could not be processed due to invalid PSP credentials."), None),
    (
        "11",
        (500, "UNKNOWN_PSP_ERROR", false, "An unexpected error occurred. Contact support if it continues."),
        Some("document.location"),
    ),
    ("12", UNAVAILABLE, None),
];
/// Digits, status, message; the word is `ko`.
const ENDINGS: [(&str, &str, &str); 3] = [
    ("01", "Declined", "Transaction declined"),
    ("02", "Cancelled", "Cancelled by the customer"),
    ("03", "Expired", "Transaction expired"),
];

fn transaction(currency: &str, amount: &str, transaction_status: &str, status: &str) -> Value {
    json!({
        "transactionId": "<id>", "sessionId": "<uuid>", "pspType": "NEOSURF", "type": "PAYIN", "brandId": "", "transaction_status": transaction_status,
        "status": status, "amount": amount, "currency": currency, "merchantReference": "", "userId": "user_123",
        "pspTransactionId?": "<text>", "redirectUrl?": "<url>", "message?": "<text>", "createdAt": "<time>", "updatedAt": "<time>",
    })
}

fn id_of(answer: &Answer) -> String {
    answer.text("/transaction/transactionId").to_owned()
}

fn paid(currency: &str, amount: &str) -> Value {
    json!({"direction": "in", "amount": amount, "currency": currency, "state": "settled"})
}

/// The answer to a pay-in is as published: no address in `data`.
fn is_opened(answer: &Answer, currency: &str, amount: &str) -> Result<String> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let expected = json!({
        "status": "success", "message": "Successfully", "isSuccess": true,
        "data": {"status": "PENDING", "sessionId": answer.text("/transaction/sessionId")},
        "transaction": transaction(currency, amount, "Pending", "pending"),
    });
    same_shape(&answer.body, &expected)?;
    let page = answer.text("/transaction/redirectUrl");
    let id = page.rsplit_once("/EN-").map(|(_, id)| id).unwrap_or_default();
    ensure!(id.len() == 17, "the page is {page}");
    Ok(id_of(answer))
}

async fn opened(hands: &Hands, currency: &str, amount: &str) -> Result<String> {
    let answer = hands.client.cashier(&bodies::neosurf(currency, amount)).await?;
    is_opened(&answer, currency, amount)
}

async fn approved(hands: Hands, currency: &str, amount: String) -> Result<()> {
    let id = opened(&hands, currency, &amount).await?;
    let data = hands.ends_as(&id, "Approved", "ok", LIMIT).await?;
    let reference = data["pspTransactionId"].as_str().unwrap_or_default();
    ensure!(reference.len() == 9 && reference.bytes().all(|byte| byte.is_ascii_digit()), "pspTransactionId is {reference}");
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("neosurf", &id, &paid(currency, &amount)).await?;
    Ok(())
}

async fn ended(hands: Hands, digits: &str, status: &str, message: &str) -> Result<()> {
    let id = opened(&hands, "EUR", &format!("101.{digits}")).await?;
    let data = hands.ends_as(&id, status, "ko", LIMIT).await?;
    ensure!(data["message"] == message, "message {} instead of {message}", data["message"]);
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.nothing_moved("neosurf", &id).await
}

async fn failed(hands: Hands, digits: &str, failure: Failure, data: Option<&str>) -> Result<()> {
    let amount = format!("103.{digits}");
    let answer = hands.client.cashier(&bodies::neosurf("EUR", &amount)).await?;
    let (http, code, retryable, message) = failure;
    let word = code.to_lowercase();
    ensure!(answer.status == http, "HTTP {} instead of {http}: {}", answer.status, answer.body);
    let id = id_of(&answer);
    let mut expected = json!({
        "status": "error", "message": message, "isSuccess": false, "errorCode": code, "retryable": retryable, "errors": [],
        "transactionId": id, "transaction": transaction("EUR", &amount, "Failed", &word),
    });
    if let Some(data) = data {
        expected["data"] = json!({"error": data});
    }
    same_shape(&answer.body, &expected)?;
    let expected = (http == 429).then_some("1");
    ensure!(answer.header("retry-after") == expected, "Retry-After is {:?}", answer.header("retry-after"));
    hands.ends_as(&id, "Failed", &word, LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("neosurf", &id).await
}

async fn late_success(hands: Hands) -> Result<()> {
    let id = opened(&hands, "EUR", "102.09").await?;
    let pressed = hands.client.control("POST", &format!("/neosurf/{id}/pay"), None).await?;
    ensure!(pressed.status == 200, "pay: {} {}", pressed.status, pressed.body);
    hands.ends_as(&id, "Declined", "ko", LIMIT).await?;
    hands.ends_as(&id, "Approved", "ok", LIMIT).await?;
    hands.webhooks(&id, &["Declined", "Approved"], LIMIT).await?;
    hands.moved_once("neosurf", &id, &paid("EUR", "102.09")).await?;
    Ok(())
}

const PUBLISHED: &str = r#"{"pspType":"NEOSURF","type":"PAYIN","baseamount":50.00,"currency":"EUR","currencyCode":"EUR","userId":"user_123","email":"player@example.com"}"#;

async fn published(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(PUBLISHED).await?;
    is_opened(&answer, "EUR", "50.00")?;
    let pay_out = hands.client.cashier(&PUBLISHED.replace("PAYIN", "PAYOUT")).await?;
    ensure!(pay_out.status == 400, "{} {}", pay_out.status, pay_out.body);
    ensure!(pay_out.body.to_string().contains("NEOSURF does not support PAYOUT"), "{}", pay_out.body);
    Ok(())
}
