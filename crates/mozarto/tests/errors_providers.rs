//! Every error and status row of the three sheets, provoked at the simulators (`next` makes their next answer, `status/{word}` their word): the
//! answer as written, where the transaction stands, and whether money moved.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::future::Future;
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::shape::same_shape;
use testkit::table::Table;
use testkit::world::{Hands, World};

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_providers() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["PAYONE", "FORUMPAY"], |options| options.time_scale(60)).await;
    let world = world.expect("a sandbox");
    let mut table = Table::new("provider errors");
    // `next` strikes the provider's next call, whoever makes it: one provider's rows run one after the other.
    table.row("PayOne", payone(world.hands()));
    table.row("ForumPay", forumpay(world.hands()));
    table.row("Flexepin", flexepin(world.hands()));
    table.end().await;
}

/// What an answer must be: HTTP status, code, retryable, message.
#[derive(Clone, Copy)]
struct Row(u16, &'static str, bool, &'static str);

const NOT_CONFIGURED: Row = Row(400, "PSP_NOT_CONFIGURED", false, "Payment provider is not configured.");
const CREDENTIALS: Row =
    Row(400, "INVALID_PSP_CREDENTIALS", false, "Payment could not be processed due to invalid PSP credentials.");
const TIMEOUT: Row = Row(504, "PSP_TIMEOUT", true, "Payment provider did not respond in time.");
const UNAVAILABLE: Row = Row(502, "PSP_UNAVAILABLE", true, "Payment provider is unavailable.");
const LIMITED: Row = Row(429, "PSP_RATE_LIMITED", true, "Payment provider is limiting requests.");
const UNKNOWN: Row = Row(500, "UNKNOWN_PSP_ERROR", false, "An unexpected error occurred. Contact support if it continues.");

/// The rows of one provider, each with its outcome.
#[derive(Default)]
struct Rows(Vec<String>);

impl Rows {
    async fn row(&mut self, name: &str, row: impl Future<Output = Result<()>>) {
        if let Err(error) = row.await {
            self.0.push(format!("      {name}: {error:#}"));
        }
    }

    fn end(self) -> Result<()> {
        ensure!(self.0.is_empty(), "{} rows:\n{}", self.0.len(), self.0.join("\n"));
        Ok(())
    }
}

/// An upstream answer with a JSON body.
fn says(http: u16, body: Value) -> Value {
    json!({"http": http, "body": body})
}

async fn next(hands: &Hands, provider: &str, path: &str, mut answer: Value) -> Result<()> {
    answer["path"] = json!(path);
    let set = hands.client.control("PUT", &format!("/{provider}/next"), Some(answer)).await?;
    ensure!(set.status == 200, "next: {} {}", set.status, set.body);
    Ok(())
}

fn id_of(answer: &Answer) -> Result<String> {
    let id = answer.text("/transaction/transactionId");
    ensure!(!id.is_empty(), "no transaction in {} {}", answer.status, answer.body);
    Ok(id.to_owned())
}

/// An error row about a transaction that failed.
async fn failed(hands: &Hands, answer: &Answer, row: Row, data: Option<&Value>, retry_after: Option<&str>) -> Result<()> {
    let Row(http, code, retryable, message) = row;
    ensure!(answer.status == http, "HTTP {} instead of {http}: {}", answer.status, answer.body);
    let id = id_of(answer)?;
    let mut expected = json!({
        "status": "error", "message": message, "isSuccess": false, "errorCode": code, "retryable": retryable, "errors": [],
        "transactionId": id, "transaction": "<object>",
    });
    if let Some(data) = data {
        expected["data"] = data.clone();
    }
    same_shape(&answer.body, &expected)?;
    let shown = (answer.text("/transaction/transaction_status"), answer.text("/transaction/status"));
    ensure!(shown == ("Failed", &code.to_lowercase()), "it stands at {shown:?}");
    ensure!(answer.header("retry-after") == retry_after, "Retry-After is {:?}", answer.header("retry-after"));
    hands.ends_as(&id, "Failed", &code.to_lowercase(), LIMIT).await?;
    Ok(())
}

/// Calls, after `next` made the answer to `path`, and expects the error row.
async fn provoked(hands: &Hands, provider: &str, path: &str, body: &str, upstream: Value, row: Row) -> Result<()> {
    let retry_after = (row.0 == 429).then(|| upstream["headers"]["Retry-After"].as_str().unwrap_or("1").to_owned());
    // `data` is the raw answer of an unknown error: JSON as it is, else the text.
    let data = (row.1 == UNKNOWN.1).then(|| if upstream["body"].is_null() { json!("") } else { upstream["body"].clone() });
    next(hands, provider, path, upstream).await?;
    let answer = hands.client.cashier(body).await?;
    failed(hands, &answer, row, data.as_ref(), retry_after.as_deref()).await
}

// --- PayOne -----------------------------------------------------------------------------------

fn payone_rows() -> Vec<(&'static str, Value, Row)> {
    let error = |text: &str| json!({"success": false, "error": text});
    vec![
        ("404 without a body", json!({"http": 404}), CREDENTIALS),
        ("Invalid account details", says(400, error("Invalid account details for this client")), CREDENTIALS),
        ("Invalid API key, with 200", says(200, error("INVALID API KEY")), CREDENTIALS),
        ("408", json!({"http": 408}), TIMEOUT),
        ("timeout in the body", says(400, error("Upstream TimeOut")), TIMEOUT),
        ("500", says(500, error("Internal error")), UNAVAILABLE),
        ("503 with a page", says(503, json!("<html>busy</html>")), UNAVAILABLE),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "7"}}), LIMITED),
        ("429", json!({"http": 429}), LIMITED),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}}), UNKNOWN),
        ("401", says(401, error("Who are you")), UNKNOWN),
        ("403", says(403, error("Not you")), UNKNOWN),
        ("404 with a body", says(404, error("No such thing")), UNKNOWN),
        ("a refusal", says(400, error("Limit reached")), UNKNOWN),
        ("a refusal, with 200", says(200, error("Limit reached")), UNKNOWN),
    ]
}

async fn payone(hands: Hands) -> Result<()> {
    let mut rows = Rows::default();
    let (page, money) = (bodies::payone("PAYIN", "310.00"), bodies::payone("PAYOUT", "320.00"));
    let mut deposit = payone_rows();
    deposit.push(("unreadable", says(200, json!("<html>hello</html>")), UNKNOWN));
    deposit.push(("no redirect_url", says(200, json!({"success": true, "message": "taken"})), UNKNOWN));
    for (name, upstream, row) in deposit {
        rows.row(&format!("deposit: {name}"), provoked(&hands, "payone", "/api/deposit", &page, upstream, row)).await;
    }
    // Certain refusals of a withdraw; all else is asked about.
    let certain = ["404 without a body", "Invalid account details", "Invalid API key, with 200", "429 with Retry-After", "429", "401", "403", "404 with a body", "a refusal", "a refusal, with 200"];
    for (name, upstream, row) in payone_rows() {
        let name = format!("withdraw: {name}");
        if certain.iter().any(|certain| name.ends_with(certain)) {
            rows.row(&name, provoked(&hands, "payone", "/api/withdraw", &money, upstream, row)).await;
        } else {
            rows.row(&name, payone_doubt(&hands, &money, upstream)).await;
        }
    }
    let withdraw = |amount: &str| json!({"success": true, "message": "taken", "withdraw": {"transactionId": "X", "amount": amount, "currency": "CAD"}});
    for (name, upstream) in [
        ("unreadable", says(200, json!("<html>hello</html>"))),
        ("no withdraw", says(200, json!({"success": true, "message": "taken"}))),
        ("another amount", says(200, withdraw("32.00"))),
        ("false without an error", says(200, json!({"success": false}))),
        ("502 with a refusal", says(502, json!({"success": false, "error": "Limit reached"}))),
    ] {
        rows.row(&format!("withdraw: {name}"), payone_doubt(&hands, &money, upstream)).await;
    }
    rows.row("secrets are taken out of data", redacted(&hands)).await;
    rows.row("data is at most 4 KiB of text", cut_short(&hands)).await;
    for (word, status, shown) in [("Approved", "Approved", "success"), ("Declined", "Declined", "Declined"), ("Cancelled", "Declined", "Cancelled"), ("Expired", "Declined", "Expired")] {
        rows.row(&format!("status {word}"), payone_word(&hands, word, status, shown)).await;
    }
    rows.row("status unknown to us", payone_unknown_word(&hands)).await;
    rows.row("a word against the end", payone_contradiction(&hands)).await;
    for (name, member, value) in [("amount", "amount", "31.00"), ("currency", "currency", "USD"), ("type", "type", "withdraw"), ("reference", "referenceId", "64a1f2b3c4d5e6f7a8b9c0d1")] {
        rows.row(&format!("an inquiry with another {name}"), payone_other(&hands, member, value)).await;
    }
    rows.end()
}

async fn payone_doubt(hands: &Hands, body: &str, upstream: Value) -> Result<()> {
    next(hands, "payone", "/api/withdraw", upstream).await?;
    let answer = hands.client.cashier(body).await?;
    ensure!(answer.status == 200, "HTTP {}: {}", answer.status, answer.body);
    let text = "Transaction is being processed";
    let expected = json!({
        "status": "success", "message": text, "isSuccess": true,
        "data": {"message": text, "transactionId": id_of(&answer)?, "merchantReference": "", "amount": 320}, "transaction": "<object>",
    });
    same_shape(&answer.body, &expected)?;
    let shown = (answer.text("/transaction/transaction_status"), answer.text("/transaction/status"));
    ensure!(shown == ("Pending", "unknown"), "it stands at {shown:?}");
    hands.nothing_moved("payone", &id_of(&answer)?).await
}

/// The provider's text repeats our key: it must not be seen.
async fn redacted(hands: &Hands) -> Result<()> {
    let said = says(400, json!({"success": false, "error": "key payone-demo-key-0001 has no limit left"}));
    next(hands, "payone", "/api/deposit", said).await?;
    let answer = hands.client.cashier(&bodies::payone("PAYIN", "311.00")).await?;
    ensure!(answer.status == 500, "{} {}", answer.status, answer.body);
    ensure!(!answer.body.to_string().contains("payone-demo-key-0001"), "{}", answer.body);
    ensure!(answer.text("/data/error").contains("has no limit left"), "{}", answer.body);
    let managed = hands.managed(&id_of(&answer)?).await?;
    ensure!(!managed.to_string().contains("payone-demo-key-0001"), "{managed}");
    Ok(())
}

async fn cut_short(hands: &Hands) -> Result<()> {
    next(hands, "payone", "/api/deposit", says(400, json!("x".repeat(10_000)))).await?;
    let answer = hands.client.cashier(&bodies::payone("PAYIN", "312.00")).await?;
    ensure!(answer.status == 500 && answer.text("/data").len() == 4096, "{} {}", answer.status, answer.text("/data").len());
    Ok(())
}

async fn payone_opened(hands: &Hands) -> Result<String> {
    let answer = hands.client.cashier(&bodies::payone("PAYIN", "313.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    id_of(&answer)
}

async fn control(hands: &Hands, provider: &str, id: &str, what: &str) -> Result<()> {
    let answer = hands.client.control("POST", &format!("/{provider}/{id}/{what}"), None).await?;
    ensure!(answer.status == 200, "{what}: {} {}", answer.status, answer.body);
    Ok(())
}

async fn payone_word(hands: &Hands, word: &str, status: &str, shown: &str) -> Result<()> {
    let id = payone_opened(hands).await?;
    control(hands, "payone", &id, &format!("status/{word}")).await?;
    hands.ends_as(&id, status, shown, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await
}

async fn payone_unknown_word(hands: &Hands) -> Result<()> {
    let id = payone_opened(hands).await?;
    control(hands, "payone", &id, "status/Exploded").await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    control(hands, "payone", &id, "status/Approved").await?;
    hands.ends_as(&id, "Approved", "success", LIMIT).await?;
    Ok(())
}

async fn payone_contradiction(hands: &Hands) -> Result<()> {
    let id = payone_opened(hands).await?;
    control(hands, "payone", &id, "status/Approved").await?;
    hands.ends_as(&id, "Approved", "success", LIMIT).await?;
    control(hands, "payone", &id, "status/Declined").await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Approved" && data["status"] == "success", "{data}");
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

/// An inquiry's answer about something else changes nothing.
async fn payone_other(hands: &Hands, member: &str, value: &str) -> Result<()> {
    let id = payone_opened(hands).await?;
    let mut record = json!({
        "transactionId": "HS932097JV", "referenceId": id, "userId": "user_123", "amount": "313.00", "currency": "CAD", "type": "deposit",
        "status": "Approved", "message": "Approved",
    });
    record[member] = json!(value);
    next(hands, "payone", "/api/transaction", says(200, record)).await?;
    inquire(hands, &id).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.nothing_moved("payone", &id).await
}

async fn inquire(hands: &Hands, id: &str) -> Result<()> {
    let asked = hands.client.manage("POST", &format!("/transactions/{id}/inquire"), Some(json!({}))).await?;
    ensure!(asked.status == 200, "inquire: {} {}", asked.status, asked.body);
    Ok(())
}

// --- ForumPay ---------------------------------------------------------------------------------

fn forumpay_rows() -> Vec<(&'static str, Value, Row)> {
    vec![
        ("payer", says(200, json!({"err": "Payer ID is required", "err_code": "payerIdRequired"})), NOT_CONFIGURED),
        ("payer, with 401", says(401, json!({"err": "payer id is REQUIRED"})), NOT_CONFIGURED),
        ("401", json!({"http": 401}), CREDENTIALS),
        ("403", says(403, json!("<html>no</html>")), CREDENTIALS),
        ("unauthorized in the body", says(400, json!({"message": "UNAUTHORIZED"})), CREDENTIALS),
        ("invalid credentials, with 200", says(200, json!({"err": "Invalid credentials"})), CREDENTIALS),
        ("408", json!({"http": 408}), TIMEOUT),
        ("timeout in the body", says(200, json!({"err": "Gateway timeout", "err_code": "x"})), TIMEOUT),
        ("500", json!({"http": 500}), UNAVAILABLE),
        ("503 with err", says(503, json!({"err": "busy", "err_code": "x"})), UNAVAILABLE),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "3"}}), LIMITED),
        ("429", json!({"http": 429}), LIMITED),
        ("err, with 200", says(200, json!({"err": "Currency is not supported", "err_code": "currencyNotSupported"})), UNKNOWN),
        ("err_code alone, with 400", says(400, json!({"err_code": "payerKYCNeeded"})), UNKNOWN),
        ("404", says(404, json!({"message": "Unknown action"})), UNKNOWN),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}}), UNKNOWN),
        ("unreadable", says(200, json!("<html>hello</html>")), UNKNOWN),
        ("nothing in it", says(200, json!({})), UNKNOWN),
    ]
}

async fn forumpay(hands: Hands) -> Result<()> {
    let mut rows = Rows::default();
    let (link, order) = (bodies::forumpay_in("410.00"), bodies::forumpay_out("420.00"));
    for (name, upstream, row) in forumpay_rows() {
        for (call, body) in [("CreatePaymentLink", &link), ("GetBuyRate", &order), ("StartBuyOrder", &order)] {
            let row = provoked(&hands, "forumpay", call, body, upstream.clone(), row);
            rows.row(&format!("{call}: {name}"), row).await;
        }
    }
    let script = says(200, json!({"url": "javascript:alert(1)"}));
    rows.row("CreatePaymentLink: no web address", provoked(&hands, "forumpay", "CreatePaymentLink", &link, script, UNKNOWN)).await;
    for member in ["url", "payment_link", "link", "access_url"] {
        rows.row(&format!("CreatePaymentLink: the address in {member}"), link_member(&hands, member)).await;
    }
    rows.row("StartBuyOrder: another address", other_address(&hands)).await;
    for http in [401, 403, 404, 429] {
        rows.row(&format!("ConfirmBuyOrder: {http}"), confirmed_later(&hands, http)).await;
    }
    rows.row("ConfirmBuyOrder: err", confirm_declined(&hands)).await;
    rows.row("approval: found paid already", found_paid(&hands)).await;
    for word in ["waiting", "processing", "underpayment"] {
        rows.row(&format!("state {word}"), open_state(&hands, word)).await;
    }
    for (word, status) in [("confirmed", "Approved"), ("blocked", "Declined"), ("cancelled", "Cancelled")] {
        rows.row(&format!("state {word}"), end_state(&hands, word, status)).await;
    }
    let crafted: [(&str, Value); 7] = [
        ("confirmed and cancelled", json!({"confirmed": true, "cancelled": true, "state": "confirmed"})),
        ("confirmed with an underpayment", json!({"confirmed": true, "state": "confirmed", "underpayment": {"missing_amount": "0.1"}})),
        ("another amount", json!({"confirmed": true, "state": "confirmed", "invoice_amount": "41.00"})),
        ("another currency", json!({"confirmed": true, "state": "confirmed", "invoice_currency": "USD"})),
        ("another reference", json!({"confirmed": true, "state": "confirmed", "reference_no": "64a1f2b3c4d5e6f7a8b9c0d1"})),
        ("another type", json!({"confirmed": true, "state": "confirmed", "type": "Buy"})),
        ("an unknown state", json!({"state": "exploded"})),
    ];
    for (name, told) in crafted {
        rows.row(&format!("CheckPayment: {name}"), crafted_payment(&hands, told)).await;
    }
    rows.row("a second confirmed payment", second_confirmed(&hands)).await;
    rows.end()
}

async fn link_member(hands: &Hands, member: &str) -> Result<()> {
    let page = "https://pay.forumpay.com/invoice/abc123xyz";
    next(hands, "forumpay", "CreatePaymentLink", says(200, json!({member: page, "other": "https://x.example/"}))).await?;
    let answer = hands.client.cashier(&bodies::forumpay_in("411.00")).await?;
    ensure!(answer.status == 200 && answer.text("/data/url") == page, "{} {}", answer.status, answer.body);
    Ok(())
}

/// An order to an address that is neither ours nor ForumPay's form: no hold, and somebody should look.
async fn other_address(hands: &Hands) -> Result<()> {
    let told = json!({
        "invoice_currency": "EUR", "invoice_amount": "421.00", "currency": "BTC", "payment_id": "badd0b52-110f-4be2-af64-59d7645796af",
        "address": "bc1qsomebodyelse000000000000000000000000000", "amount": "0.006",
    });
    next(hands, "forumpay", "StartBuyOrder", says(200, told)).await?;
    let answer = hands.client.cashier(&bodies::forumpay_out("421.00")).await?;
    ensure!(answer.status == 500 && answer.text("/errorCode") == UNKNOWN.1, "{} {}", answer.status, answer.body);
    let id = id_of(&answer)?;
    hands.needs_attention(&id, "anomaly", LIMIT).await?;
    let late = hands.approve(&id).await?;
    ensure!(late.status == 409, "it can be approved: {} {}", late.status, late.body);
    hands.nothing_moved("forumpay", &id).await
}

async fn held(hands: &Hands) -> Result<String> {
    let answer = hands.client.cashier(&bodies::forumpay_out("422.00")).await?;
    ensure!(answer.text("/message") == "Transaction is on hold", "{} {}", answer.status, answer.body);
    id_of(&answer)
}

async fn approved(hands: &Hands) -> Result<String> {
    let id = held(hands).await?;
    let answer = hands.approve(&id).await?;
    ensure!(answer.status == 200, "approve: {} {}", answer.status, answer.body);
    Ok(id)
}

const PAID_OUT: &str = r#"{"direction":"out","amount":"422.00","currency":"EUR","destination":"bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh","state":"settled"}"#;

/// A certain refusal of ConfirmBuyOrder: it is tried again on the schedule, and paid once.
async fn confirmed_later(hands: &Hands, http: u16) -> Result<()> {
    next(hands, "forumpay", "ConfirmBuyOrder", json!({"http": http})).await?;
    let id = approved(hands).await?;
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once("forumpay", &id, &serde_json::from_str(PAID_OUT)?).await?;
    Ok(())
}

async fn confirm_declined(hands: &Hands) -> Result<()> {
    let told = json!({"err": "Payer is blocked", "err_code": "payerBlocked"});
    next(hands, "forumpay", "ConfirmBuyOrder", says(200, told)).await?;
    let id = approved(hands).await?;
    hands.ends_as(&id, "Declined", "payerBlocked", LIMIT).await?;
    hands.webhooks(&id, &["Declined"], LIMIT).await?;
    hands.nothing_moved("forumpay", &id).await
}

/// CheckPayment says confirmed before anything was confirmed by us: taken as found, nothing is sent.
async fn found_paid(hands: &Hands) -> Result<()> {
    let id = held(hands).await?;
    let told = json!({
        "reference_no": id, "invoice_amount": "422.00", "invoice_currency": "EUR", "type": "Buy", "currency": "BTC",
        "confirmed": true, "cancelled": false, "reason": null, "status": "Confirmed", "state": "confirmed",
    });
    next(hands, "forumpay", "CheckPayment", says(200, told)).await?;
    let answer = hands.approve(&id).await?;
    ensure!(answer.status == 200, "approve: {} {}", answer.status, answer.body);
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.nothing_moved("forumpay", &id).await
}

async fn forumpay_opened(hands: &Hands) -> Result<String> {
    let answer = hands.client.cashier(&bodies::forumpay_in("412.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    id_of(&answer)
}

async fn open_state(hands: &Hands, word: &str) -> Result<()> {
    let id = forumpay_opened(hands).await?;
    control(hands, "forumpay", &id, &format!("status/{word}")).await?;
    inquire(hands, &id).await?;
    hands.ends_as(&id, "Pending", word, LIMIT).await?;
    hands.webhooks(&id, &[], LIMIT).await?;
    hands.nothing_moved("forumpay", &id).await
}

async fn end_state(hands: &Hands, word: &str, status: &str) -> Result<()> {
    let id = forumpay_opened(hands).await?;
    control(hands, "forumpay", &id, &format!("status/{word}")).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await
}

/// A pay-in whose payer has begun, and an inquiry that says something odd about it: nothing changes, somebody should look.
async fn crafted_payment(hands: &Hands, told: Value) -> Result<()> {
    let id = forumpay_opened(hands).await?;
    control(hands, "forumpay", &id, "status/processing").await?;
    hands.ends_as(&id, "Pending", "processing", LIMIT).await?;
    let mut payment = json!({
        "reference_no": id, "invoice_amount": "412.00", "invoice_currency": "EUR", "type": "Sell", "amount": "0.006", "currency": "BTC",
        "confirmed": false, "cancelled": false, "reason": null, "status": "?", "state": "processing",
    });
    for (name, value) in told.as_object().context("told is an object")? {
        payment[name] = value.clone();
    }
    next(hands, "forumpay", "CheckPayment", says(200, payment)).await?;
    inquire(hands, &id).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.webhooks(&id, &[], LIMIT).await
}

/// The payer paid twice: one success, and an anomaly for a person.
async fn second_confirmed(hands: &Hands) -> Result<()> {
    let id = forumpay_opened(hands).await?;
    control(hands, "forumpay", &id, "status/confirmed").await?;
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    let list = |payment: &str, address: &str| {
        json!({"state": "confirmed", "status": "Confirmed", "pos_id": "mozarto", "invoice_currency": "EUR", "invoice_amount": "412.00", "currency": "BTC",
            "amount": "0.006", "address": address, "type": "Sell", "payment_id": payment, "reference_no": id, "confirmed": true, "cancelled": false})
    };
    let invoices = json!({"invoices": [
        list("badd0b52-110f-4be2-af64-59d7645796af", "btc-1eda64a85da94d71a2ac5ed84e929553"),
        list("badd0b52-110f-4be2-af64-59d7645796b0", "btc-1eda64a85da94d71a2ac5ed84e929554"),
    ]});
    let payment = json!({
        "reference_no": id, "invoice_amount": "412.00", "invoice_currency": "EUR", "type": "Sell", "amount": "0.006", "currency": "BTC",
        "confirmed": true, "cancelled": false, "reason": null, "status": "Confirmed", "state": "confirmed",
    });
    next(hands, "forumpay", "GetTransactions", says(200, invoices)).await?;
    let mut told = says(200, payment);
    told["times"] = json!(2);
    next(hands, "forumpay", "CheckPayment", told).await?;
    inquire(hands, &id).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Approved", "{data}");
    // What the inquiry did not use up must not strike the next row.
    let clear = hands.client.control("PUT", "/forumpay/next", Some(json!({"http": 200, "times": 0}))).await?;
    ensure!(clear.status == 200, "{}", clear.body);
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

// --- Flexepin ---------------------------------------------------------------------------------

const IN_DOUBT: &str = "The voucher may have been redeemed. Query the transaction before trying again.";

fn flexepin_rows() -> Vec<(&'static str, Value, Row)> {
    let problem = |text: &str| json!({"error": text});
    vec![
        ("401", json!({"http": 401}), CREDENTIALS),
        ("403", says(403, problem("no")), CREDENTIALS),
        ("404", says(404, problem("no such terminal")), CREDENTIALS),
        ("408", json!({"http": 408}), TIMEOUT),
        ("timeout in the body", says(400, problem("read TIMEOUT")), TIMEOUT),
        ("500", says(500, problem("sorry")), UNAVAILABLE),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "9"}}), LIMITED),
        ("429", json!({"http": 429}), LIMITED),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}}), UNKNOWN),
        ("400 without a result", says(400, problem("no")), UNKNOWN),
        ("unreadable", says(200, json!("<html>hello</html>")), UNKNOWN),
    ]
}

async fn flexepin(hands: Hands) -> Result<()> {
    let mut rows = Rows::default();
    let mut serial = 100;
    let mut voucher = || {
        serial += 1;
        serial
    };
    for (name, upstream, row) in flexepin_rows() {
        let body = bodies::flexepin(voucher(), 5000);
        rows.row(&format!("validate: {name}"), provoked(&hands, "flexepin", "/voucher/validate", &body, upstream, row)).await;
    }
    for (name, upstream, row) in flexepin_rows() {
        let serial = voucher();
        let name = format!("redeem: {name}");
        if matches!(row.1, "INVALID_PSP_CREDENTIALS" | "PSP_RATE_LIMITED") {
            let body = bodies::flexepin(serial, 5000);
            rows.row(&name, provoked(&hands, "flexepin", "/voucher/redeem", &body, upstream, row)).await;
        } else {
            rows.row(&name, in_doubt(&hands, serial, upstream)).await;
        }
    }
    let object = |result: Value, status: &str, value: Value, currency: &str| {
        json!({"result": result, "result_description": "Said so", "trans_no": 118_203_345, "status": status, "value": value, "currency": currency, "serial": "A1", "ean": "1"})
    };
    let used = says(200, object(json!("0"), "USED", json!(50), "EUR"));
    rows.row("validate: not active", refused(&hands, "validate", voucher(), used, "USED", "Voucher is not active (USED)")).await;
    for (call, http) in [("validate", 200), ("validate", 400), ("redeem", 200), ("redeem", 400)] {
        let refusal = says(http, object(json!(4002), "USED", json!(50), "EUR"));
        rows.row(&format!("{call}: a refusal with {http}"), refused(&hands, call, voucher(), refusal, "4002", "Said so")).await;
    }
    let other = says(200, object(json!("0"), "ACTIVE", json!(50), "AUD"));
    let sentence = "Voucher currency does not match the requested currency";
    rows.row("validate: another currency", refused(&hands, "validate", voucher(), other, "currency_mismatch", sentence)).await;
    let other = says(200, object(json!("0"), "ACTIVE", json!("50.01"), "EUR"));
    let sentence = "Voucher amount does not match the requested amount";
    rows.row("validate: another amount", refused(&hands, "validate", voucher(), other, "amount_mismatch", sentence)).await;
    for value in [json!(50), json!("50.00"), json!("50")] {
        let good = says(200, object(json!(0), "ACTIVE", value.clone(), "EUR"));
        rows.row(&format!("validate: value {value}"), redeemed(&hands, voucher(), good)).await;
    }
    let spoilt = says(500, object(json!("4002"), "USED", json!(50), "EUR"));
    rows.row("redeem: a refusal with 500", in_doubt(&hands, voucher(), spoilt)).await;
    for (name, value, currency) in [("value", json!(60), "EUR"), ("currency", json!(50), "AUD")] {
        let taken = says(200, object(json!("0"), "USED", value, currency));
        rows.row(&format!("redeem: another {name}"), value_mismatch(&hands, voucher(), taken)).await;
    }
    rows.row("the PIN is masked in data", pin_masked(&hands, voucher())).await;
    rows.end()
}

async fn redeem_doubt(hands: &Hands, serial: u32, upstream: Value, status: &str) -> Result<String> {
    next(hands, "flexepin", "/voucher/redeem", upstream).await?;
    let answer = hands.client.cashier(&bodies::flexepin(serial, 5000)).await?;
    ensure!(answer.status == 504, "HTTP {}: {}", answer.status, answer.body);
    let id = id_of(&answer)?;
    let expected = json!({
        "status": "error", "message": IN_DOUBT, "isSuccess": false, "errorCode": "PSP_TIMEOUT", "retryable": false, "errors": [],
        "transactionId": id, "transaction": "<object>",
    });
    same_shape(&answer.body, &expected)?;
    let shown = (answer.text("/transaction/transaction_status"), answer.text("/transaction/status"));
    ensure!(shown == ("Pending", status), "it stands at {shown:?}");
    Ok(id)
}

async fn in_doubt(hands: &Hands, serial: u32, upstream: Value) -> Result<()> {
    let id = redeem_doubt(hands, serial, upstream, "unknown").await?;
    hands.nothing_moved("flexepin", &id).await
}

async fn value_mismatch(hands: &Hands, serial: u32, upstream: Value) -> Result<()> {
    let id = redeem_doubt(hands, serial, upstream, "value_mismatch").await?;
    let data = hands.needs_attention(&id, "stuck", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending" && data["nextAction"].is_null(), "{data}");
    Ok(())
}

async fn refused(hands: &Hands, call: &str, serial: u32, upstream: Value, status: &str, message: &str) -> Result<()> {
    let mut data = upstream["body"].clone();
    for gone in ["serial", "ean"] {
        data.as_object_mut().context("a voucher object")?.remove(gone);
    }
    next(hands, "flexepin", &format!("/voucher/{call}"), upstream).await?;
    let answer = hands.client.cashier(&bodies::flexepin(serial, 5000)).await?;
    ensure!(answer.status == 400, "HTTP {}: {}", answer.status, answer.body);
    let id = id_of(&answer)?;
    let expected = json!({
        "status": "error", "message": message, "isSuccess": false, "errors": [], "transactionId": id, "data": data, "transaction": "<object>",
    });
    same_shape(&answer.body, &expected)?;
    hands.ends_as(&id, "Declined", status, LIMIT).await?;
    hands.nothing_moved("flexepin", &id).await
}

async fn redeemed(hands: &Hands, serial: u32, upstream: Value) -> Result<()> {
    next(hands, "flexepin", "/voucher/validate", upstream).await?;
    let answer = hands.client.cashier(&bodies::flexepin(serial, 5000)).await?;
    ensure!(answer.status == 200, "HTTP {}: {}", answer.status, answer.body);
    let entry = json!({"direction": "in", "amount": "50.00", "currency": "EUR", "state": "settled"});
    hands.moved_once("flexepin", &id_of(&answer)?, &entry).await?;
    Ok(())
}

/// An error page may echo the path, and the PIN with it.
async fn pin_masked(hands: &Hands, serial: u32) -> Result<()> {
    let pin = format!("10{serial:06}00005000");
    let spaced = format!("{} {} {} {}", &pin[..4], &pin[4..8], &pin[8..12], &pin[12..]);
    let page = format!("<html>no route to /voucher/validate/{pin}/TERM01 ({spaced})</html>");
    next(hands, "flexepin", "/voucher/validate", says(418, json!(page))).await?;
    let answer = hands.client.cashier(&bodies::flexepin(serial, 5000)).await?;
    ensure!(answer.status == 500 && answer.text("/data").contains("no route to"), "{} {}", answer.status, answer.body);
    let managed = hands.managed(&id_of(&answer)?).await?;
    for text in [answer.body.to_string(), managed.to_string()] {
        ensure!(!text.contains(&pin) && !text.contains(&spaced), "{text}");
    }
    Ok(())
}
