//! Every trigger amount of the Gigadat sheet ("Simulator"), pay-in and pay-out: the answer, how the transaction ends, the
//! webhooks, and Gigadat's own ledger; and the published bodies, whose answers are as published.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::shape::same_shape;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// Everything that is due at the time scale of these tests comes within this.
const LIMIT: Duration = Duration::from_secs(30);
const SUCCESS: &str = "STATUS_SUCCESS";

#[tokio::test(flavor = "multi_thread")]
async fn gigadat_triggers() {
    let binary = env!("CARGO_BIN_EXE_mozarto");
    let fast = World::start(binary, &["GIGADAT"], |options| {
        options.time_scale(60).auto_settle(50).variable("MOZARTO_PROVIDERS_GIGADAT_NOT_FOUND_AFTER_SECONDS", "60")
    });
    // Nobody pays here by himself, and the late success comes late enough for the refusal to have been worked off.
    let slow = World::start(binary, &["GIGADAT"], |options| options.time_scale(2));
    let (fast, slow) = tokio::try_join!(fast, slow).expect("two sandboxes");
    let mut table = Table::new("Gigadat triggers");
    for digits in ["00", "08", "10", "12"] {
        table.row(format!("PAYIN {digits}"), pay_in_approved(fast.hands(), digits));
    }
    for (digits, status, word) in ENDINGS {
        table.row(format!("PAYIN {digits}"), pay_in_ended(fast.hands(), digits, status, word));
        table.row(format!("PAYOUT {digits}"), pay_out_ended(fast.hands(), digits, status, word));
    }
    for (digits, failure, data) in FAILURES {
        table.row(format!("PAYIN {digits}"), failed(fast.hands(), "PAYIN", format!("103.{digits}"), failure, data));
        table.row(format!("PAYOUT {digits}"), failed(fast.hands(), "PAYOUT", format!("203.{digits}"), failure, data));
    }
    table.row("PAYIN 09", late_success(slow.hands()));
    for digits in ["00", "08", "09", "10", "12"] {
        table.row(format!("PAYOUT {digits}"), pay_out_approved(fast.hands(), "ETO", digits));
    }
    table.row("PAYOUT 00 to an account", pay_out_approved(fast.hands(), "ACH", "00"));
    table.row("PAYOUT never released", released_again(fast.hands()));
    table.row("PAYOUT rejected", rejected(fast.hands()));
    table.row("published pay-in", published_pay_in(slow.hands()));
    for body in [PUBLISHED_ETO, ACH] {
        table.row("published pay-out", published_pay_out(slow.hands(), body));
    }
    table.end().await;
}

/// A row of the error table: HTTP status, code, whether it may be tried again, message.
type Failure = (u16, &'static str, bool, &'static str);

const FAILURES: [(&str, Failure, Option<&str>); 5] = [
    ("04", (502, "PSP_UNAVAILABLE", true, "Payment provider is unavailable."), None),
    ("05", (504, "PSP_TIMEOUT", true, "Payment provider did not respond in time."), None),
    ("06", (429, "PSP_RATE_LIMITED", true, "Payment provider is limiting requests."), None),
    ("07", (400, "INVALID_PSP_CREDENTIALS", false, "Payment could not be processed due to invalid PSP credentials."), None),
    // Cut off within the token, no part of which is shown.
    ("11", (500, "UNKNOWN_PSP_ERROR", false, "An unexpected error occurred. Contact support if it continues."), Some("{")),
];
/// Digits, status, word.
const ENDINGS: [(&str, &str, &str); 3] =
    [("01", "Declined", "STATUS_REJECTED"), ("02", "Cancelled", "STATUS_ABORTED1"), ("03", "Expired", "STATUS_EXPIRED")];

fn transaction(operation: &str, amount: &str, transaction_status: &str, status: &str) -> Value {
    json!({
        "transactionId": "<id>", "sessionId": "<uuid>", "pspType": "GIGADAT", "type": operation, "brandId": "", "transaction_status": transaction_status,
        "status": status, "amount": amount, "currency": "CAD", "merchantReference": "", "userId": "<text>",
        "pspTransactionId?": "<id>", "redirectUrl?": "<url>", "message?": "<text>", "createdAt": "<time>", "updatedAt": "<time>",
    })
}

fn number(amount: &str) -> Value {
    serde_json::from_str(amount.trim_end_matches('0').trim_end_matches('.')).expect("an amount is a number")
}

fn id_of(answer: &Answer) -> String {
    answer.text("/transaction/transactionId").to_owned()
}

fn paid_in(amount: &str) -> Value {
    json!({"direction": "in", "amount": amount, "currency": "CAD", "state": "settled"})
}

fn paid_out(payout_type: &str, amount: &str, state: &str) -> Value {
    // The claims' address.
    let destination = if payout_type == "ACH" { "001-12345-1234567" } else { "player@example.com" };
    json!({"direction": "out", "amount": amount, "currency": "CAD", "destination": destination, "state": state})
}

/// The answer to a pay-in is as published.
fn is_opened(hands: &Hands, answer: &Answer, amount: &str) -> Result<String> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let (id, token) = (id_of(answer), answer.text("/data/paymentToken"));
    let page = format!("{}/gigadat/webflow?transaction={id}&token={token}", hands.client.simulator);
    let expected = json!({
        "status": "success", "message": "Gigadat CPI payment initiated successfully", "isSuccess": true,
        "data": {
            "transactionId": id, "databaseTransactionId": id, "method": "GET_REDIRECT", "webflowURL": page, "formSubmissionURL": null,
            "instructions": "Use direct redirect to webflowURL", "paymentToken": "<text>", "transaction_status": "Pending",
            "amount": number(amount), "merchantReference": "", "data": {"gigadatTransactionId": id},
        },
        "transaction": transaction("PAYIN", amount, "Pending", "STATUS_PENDING"),
    });
    same_shape(&answer.body, &expected)?;
    ensure!(answer.text("/transaction/redirectUrl") == page, "transaction.redirectUrl is another: {}", answer.body);
    Ok(id)
}

/// The answer to a pay-out is as published; nothing in it opens anything.
fn is_held(hands: &Hands, answer: &Answer, payout_type: &str, amount: &str) -> Result<String> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = id_of(answer);
    let address = |path: &str| format!("{}/gigadat{path}?transaction={id}&token=<payment-token>", hands.client.simulator);
    let expected = json!({
        "status": "success", "message": "Added to approvals table", "isSuccess": true,
        "data": {
            "transactionId": id, "databaseTransactionId": id, "payoutType": payout_type, "method": "AWAITING_APPROVAL",
            "webflowURL": address("/webflow"), "finalizationURL": address("/webflow/deposit"),
            "instructions": "Transaction created in Gigadat and added to approval queue. Finalization will occur after admin approval.",
            "paymentToken": "<payment-token>", "amount": number(amount), "merchantReference": "", "transaction_status": "Pending",
            "data": {"gigadatTransactionId": id},
        },
        "transaction": transaction("PAYOUT", amount, "OnHold", "STATUS_PENDING"),
    });
    ensure!(answer.text("/data/paymentToken") == "<payment-token>", "the token is shown: {}", answer.body);
    ensure!(answer.body["transaction"].get("redirectUrl").is_none(), "{}", answer.body);
    let mut shown = answer.body.clone();
    // A placeholder of the comparison is a literal here.
    shown["data"]["paymentToken"] = json!("x");
    let mut expected = expected;
    expected["data"]["paymentToken"] = json!("x");
    same_shape(&shown, &expected)?;
    Ok(id)
}

async fn opened(hands: &Hands, amount: &str) -> Result<String> {
    let answer = hands.client.cashier(&bodies::gigadat_in(amount)).await?;
    is_opened(hands, &answer, amount)
}

async fn held(hands: &Hands, payout_type: &str, amount: &str) -> Result<String> {
    let answer = hands.client.cashier(&bodies::gigadat_out(payout_type, amount)).await?;
    let id = is_held(hands, &answer, payout_type, amount)?;
    hands.nothing_moved("gigadat", &id).await?;
    Ok(id)
}

async fn approved(hands: &Hands, payout_type: &str, amount: &str) -> Result<String> {
    let id = held(hands, payout_type, amount).await?;
    let answer = hands.approve(&id).await?;
    ensure!(answer.status == 200, "approve: {} {}", answer.status, answer.body);
    Ok(id)
}

async fn pay_in_approved(hands: Hands, digits: &str) -> Result<()> {
    let amount = format!("100.{digits}");
    let id = opened(&hands, &amount).await?;
    hands.ends_as(&id, "Approved", SUCCESS, LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("gigadat", &id, &paid_in(&amount)).await?;
    Ok(())
}

async fn pay_in_ended(hands: Hands, digits: &str, status: &str, word: &str) -> Result<()> {
    let id = opened(&hands, &format!("101.{digits}")).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.nothing_moved("gigadat", &id).await
}

async fn failed(hands: Hands, operation: &str, amount: String, failure: Failure, data: Option<&str>) -> Result<()> {
    let body = if operation == "PAYIN" { bodies::gigadat_in(&amount) } else { bodies::gigadat_out("ETO", &amount) };
    let answer = hands.client.cashier(&body).await?;
    let (http, code, retryable, message) = failure;
    let word = code.to_lowercase();
    ensure!(answer.status == http, "HTTP {} instead of {http}: {}", answer.status, answer.body);
    let id = id_of(&answer);
    let mut expected = json!({
        "status": "error", "message": message, "isSuccess": false, "errorCode": code, "retryable": retryable, "errors": [],
        "transactionId": id, "transaction": transaction(operation, &amount, "Failed", &word),
    });
    if let Some(data) = data {
        expected["data"] = json!(data);
    }
    same_shape(&answer.body, &expected)?;
    let expected = (http == 429).then_some("1");
    ensure!(answer.header("retry-after") == expected, "Retry-After is {:?}", answer.header("retry-after"));
    hands.ends_as(&id, "Failed", &word, LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved("gigadat", &id).await
}

async fn late_success(hands: Hands) -> Result<()> {
    let id = opened(&hands, "102.09").await?;
    let pressed = hands.client.control("POST", &format!("/gigadat/{id}/pay"), None).await?;
    ensure!(pressed.status == 200, "pay: {} {}", pressed.status, pressed.body);
    hands.ends_as(&id, "Declined", "STATUS_REJECTED", LIMIT).await?;
    hands.ends_as(&id, "Approved", SUCCESS, LIMIT).await?;
    hands.webhooks(&id, &["Declined", "Approved"], LIMIT).await?;
    hands.moved_once("gigadat", &id, &paid_in("102.09")).await?;
    Ok(())
}

async fn pay_out_approved(hands: Hands, payout_type: &str, digits: &str) -> Result<()> {
    let amount = format!("200.{digits}");
    let id = approved(&hands, payout_type, &amount).await?;
    hands.ends_as(&id, "Approved", SUCCESS, LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("gigadat", &id, &paid_out(payout_type, &amount, "settled")).await?;
    Ok(())
}

async fn pay_out_ended(hands: Hands, digits: &str, status: &str, word: &str) -> Result<()> {
    let amount = format!("201.{digits}");
    let id = approved(&hands, "ETO", &amount).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.moved_once("gigadat", &id, &paid_out("ETO", &amount, "returned")).await?;
    Ok(())
}

/// Gigadat never took the release: neither its word nor anything else proves it, so that a person releases it again, and it is
/// paid once.
async fn released_again(hands: Hands) -> Result<()> {
    let id = held(&hands, "ETO", "202.00").await?;
    let fault = json!({"path": "/webflow/deposit", "about": id, "http": 500});
    let set = hands.client.control("PUT", "/gigadat/next", Some(fault)).await?;
    ensure!(set.status == 200, "next: {} {}", set.status, set.body);
    let answer = hands.approve(&id).await?;
    ensure!(answer.status == 200, "approve: {} {}", answer.status, answer.body);
    let data = hands.needs_attention(&id, "stuck", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.nothing_moved("gigadat", &id).await?;
    hands.webhooks(&id, &[], LIMIT).await?;
    let path = format!("/transactions/{id}/release");
    let released = hands.client.manage("POST", &path, Some(json!({"reason": "seen in the portal"}))).await?;
    ensure!(released.status == 200, "release: {} {}", released.status, released.body);
    hands.ends_as(&id, "Approved", SUCCESS, LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("gigadat", &id, &paid_out("ETO", "202.00", "settled")).await?;
    Ok(())
}

async fn rejected(hands: Hands) -> Result<()> {
    let id = held(&hands, "ETO", "205.00").await?;
    let path = format!("/approvals/{id}/reject");
    let answer = hands.client.manage("POST", &path, Some(json!({"reason": "unknown payee"}))).await?;
    ensure!(answer.status == 200, "reject: {} {}", answer.status, answer.body);
    hands.ends_as(&id, "Rejected", "rejected", LIMIT).await?;
    hands.webhooks(&id, &["Rejected"], LIMIT).await?;
    hands.nothing_moved("gigadat", &id).await
}

// --- published bodies -------------------------------------------------------------------------

const PUBLISHED_IN: &str = r#"{"pspType":"GIGADAT","type":"PAYIN","name":"John Test","email":"merchant-user@example.com","phone":"15551234567","baseamount":10.00,"currency":"CAD","userId":"user_123","userIp":"1.2.3.4"}"#;
const PUBLISHED_ETO: &str = r#"{"pspType":"GIGADAT","type":"PAYOUT","payoutType":"ETO","isTestMode":false,"name":"John Test","email":"merchant-user@example.com","baseamount":10.00,"currency":"CAD","userId":"000000000000000000000001","userIp":"1.2.3.4","mobile":"07700900000"}"#;
const ACH: &str = r#"{"pspType":"GIGADAT","type":"PAYOUT","payoutType":"ACH","name":"John Test","email":"merchant-user@example.com","baseamount":10.00,"currency":"CAD","userId":"000000000000000000000001","userIp":"1.2.3.4","bank":{"institution":"001","transit":"12345","account":"1234567"}}"#;

async fn published_pay_in(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(PUBLISHED_IN).await?;
    is_opened(&hands, &answer, "10.00").map(|_| ())
}

/// By the user whom the published body names, without further claims.
async fn published_pay_out(mut hands: Hands, body: &str) -> Result<()> {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let claims = json!({"userId": "000000000000000000000001"});
    hands.client.user_token = format!("{}.{}.c2lnbmVk", part(json!({"alg": "HS256", "typ": "JWT"})), part(claims));
    let answer = hands.client.cashier(body).await?;
    let payout_type = if body == ACH { "ACH" } else { "ETO" };
    let id = is_held(&hands, &answer, payout_type, "10.00")?;
    let shown = hands.managed(&id).await?.to_string();
    ensure!(!shown.contains("1234567\"") && !shown.contains("07700900000"), "the destination is shown: {shown}");
    hands.nothing_moved("gigadat", &id).await
}
