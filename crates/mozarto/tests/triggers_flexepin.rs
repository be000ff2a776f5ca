//! Every trigger amount of the Flexepin sheet ("Simulator"), and its control outcomes: the answer is the outcome, no webhook is
//! ever sent, a voucher is redeemed once.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, bodies};
use testkit::shape::same_shape;
use testkit::table::Table;
use testkit::world::{Hands, World};

/// Everything that is due at the time scale of these tests comes within this.
const LIMIT: Duration = Duration::from_secs(60);
const IN_DOUBT: &str = "The voucher may have been redeemed. Query the transaction before trying again.";
const NOT_FOUND_AFTER: (&str, &str) = ("MOZARTO_PROVIDERS_FLEXEPIN_NOT_FOUND_AFTER_SECONDS", "60");

#[tokio::test(flavor = "multi_thread")]
async fn flexepin_triggers() {
    let binary = env!("CARGO_BIN_EXE_mozarto");
    let start = |scale| {
        World::start(binary, &[], move |options| {
            options.time_scale(scale).auto_settle(50).variable(NOT_FOUND_AFTER.0, NOT_FOUND_AFTER.1)
        })
    };
    // The late success of 09 comes an hour after the end: 36 s at the faster scale.
    let (world, faster) = tokio::try_join!(start(60), start(100)).expect("two sandboxes");
    let mut table = Table::new("Flexepin triggers");
    table.row("09", late_success(faster.hands()));
    for minor in [2500, 2502, 2508, 2510, 2511, 2512] {
        table.row(format!("{:02}", minor % 100), redeemed(world.hands(), minor));
    }
    table.row("01", declined(world.hands(), 2501, "4003", "Voucher blocked"));
    table.row("03", declined(world.hands(), 2503, "4004", "Voucher expired"));
    table.row("04", never_taken(world.hands(), 2504));
    for (minor, failure) in FAILURES {
        table.row(format!("{:02}", minor % 100), failed(world.hands(), minor, failure));
    }
    table.row("control lost", lost(world.hands()));
    for (outcome, result, message) in
        [("decline", "4003", "Voucher blocked"), ("expire", "4004", "Voucher expired"), ("used", "4002", "Voucher already used")]
    {
        table.row(format!("control {outcome}"), controlled(world.hands(), outcome, result, message));
    }
    table.row("swap needed", swap_needed(world.hands()));
    table.row("used twice", used_twice(world.hands()));
    table.row("invalid PIN", invalid_pin(world.hands()));
    table.row("published PIN", published_pin(world.hands()));
    table.row(
        "other currency",
        mismatch(
            world.hands(),
            "1000001000002500",
            "USD",
            "25.00",
            "currency_mismatch",
            "Voucher currency does not match the requested currency",
        ),
    );
    table.row(
        "other amount",
        mismatch(
            world.hands(),
            "1000001100002500",
            "EUR",
            "24.99",
            "amount_mismatch",
            "Voucher amount does not match the requested amount",
        ),
    );
    table.row("in flight", in_flight(world.hands()));
    table.end().await;
    for world in [world, faster] {
        assert!(world.sink.received().is_empty(), "Flexepin sends no webhook");
    }
}

/// A row of the error table: HTTP status, code, whether it may be tried again, message.
type Failure = (u16, &'static str, bool, &'static str);

const FAILURES: [(u32, Failure); 3] = [
    (2505, (504, "PSP_TIMEOUT", true, "Payment provider did not respond in time.")),
    (2506, (429, "PSP_RATE_LIMITED", true, "Payment provider is limiting requests.")),
    (2507, (400, "INVALID_PSP_CREDENTIALS", false, "Payment could not be processed due to invalid PSP credentials.")),
];

fn decimal(minor: u32) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

fn transaction(amount: &str, currency: &str, transaction_status: &str, status: &str) -> Value {
    json!({
        "transactionId": "<id>", "sessionId": "<uuid>", "pspType": "FLEXEPIN", "type": "PAYIN", "brandId": "", "transaction_status": transaction_status,
        "status": status, "amount": amount, "currency": currency, "merchantReference": "", "userId": "user_123",
        "pspTransactionId?": "<text>", "message?": "<text>", "createdAt": "<time>", "updatedAt": "<time>",
    })
}

fn id_of(answer: &Answer) -> String {
    answer.text("/transaction/transactionId").to_owned()
}

fn entry(minor: u32) -> Value {
    json!({"direction": "in", "amount": decimal(minor), "currency": "EUR", "state": "settled"})
}

async fn pay(hands: &Hands, serial: u32, minor: u32) -> Result<Answer> {
    let answer = hands.client.cashier(&bodies::flexepin(serial, minor)).await?;
    let pin = format!("10{serial:06}{minor:08}");
    ensure!(!String::from_utf8_lossy(&answer.bytes).contains(&pin), "the PIN is in the answer: {}", answer.body);
    Ok(answer)
}

fn is_redeemed(answer: &Answer, minor: u32) -> Result<String> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let expected = json!({
        "status": "success", "message": "Successfully", "isSuccess": true,
        "data": {"status": "PENDING", "sessionId": answer.text("/transaction/sessionId")},
        "transaction": transaction(&decimal(minor), "EUR", "Approved", "USED"),
    });
    same_shape(&answer.body, &expected)?;
    ensure!(answer.text("/transaction/message") == "Success", "message: {}", answer.body);
    Ok(id_of(answer))
}

async fn redeemed(hands: Hands, minor: u32) -> Result<()> {
    let id = is_redeemed(&pay(&hands, 1, minor).await?, minor)?;
    hands.moved_once("flexepin", &id, &entry(minor)).await?;
    hands.ends_as(&id, "Approved", "USED", LIMIT).await?;
    Ok(())
}

/// The rejection form: no `errorCode`; `serial` and `ean` taken out of `data`.
fn is_declined(answer: &Answer, transaction: Value, message: &str) -> Result<String> {
    ensure!(answer.status == 400, "{} {}", answer.status, answer.body);
    let expected = json!({
        "status": "error", "message": message, "isSuccess": false, "errors": [], "transactionId": id_of(answer),
        "data?": "<object>", "transaction": transaction,
    });
    same_shape(&answer.body, &expected)?;
    let data = &answer.body["data"];
    ensure!(data.get("serial").is_none() && data.get("ean").is_none(), "serial or ean in data: {}", answer.body);
    Ok(id_of(answer))
}

async fn declined(hands: Hands, minor: u32, result: &str, message: &str) -> Result<()> {
    let answer = pay(&hands, 2, minor).await?;
    let id = is_declined(&answer, transaction(&decimal(minor), "EUR", "Declined", result), message)?;
    ensure!(answer.body["data"]["result"] == result, "data is not the raw answer: {}", answer.body);
    hands.nothing_moved("flexepin", &id).await
}

async fn failed(hands: Hands, minor: u32, failure: Failure) -> Result<()> {
    let answer = pay(&hands, 3, minor).await?;
    let (http, code, retryable, message) = failure;
    ensure!(answer.status == http, "HTTP {} instead of {http}: {}", answer.status, answer.body);
    let expected = json!({
        "status": "error", "message": message, "isSuccess": false, "errorCode": code, "retryable": retryable, "errors": [],
        "transactionId": id_of(&answer), "transaction": transaction(&decimal(minor), "EUR", "Failed", &code.to_lowercase()),
    });
    same_shape(&answer.body, &expected)?;
    ensure!(answer.header("retry-after") == (http == 429).then_some("1"), "Retry-After: {:?}", answer.header("retry-after"));
    hands.nothing_moved("flexepin", &id_of(&answer)).await
}

/// The 504 form.
fn is_in_doubt(answer: &Answer, minor: u32) -> Result<String> {
    ensure!(answer.status == 504, "{} {}", answer.status, answer.body);
    let expected = json!({
        "status": "error", "message": IN_DOUBT, "isSuccess": false, "errorCode": "PSP_TIMEOUT", "retryable": false, "outcome": "open", "errors": [],
        "transactionId": id_of(answer), "transaction": transaction(&decimal(minor), "EUR", "Pending", "unknown"),
    });
    same_shape(&answer.body, &expected)?;
    Ok(id_of(answer))
}

async fn never_taken(hands: Hands, minor: u32) -> Result<()> {
    let id = is_in_doubt(&pay(&hands, 4, minor).await?, minor)?;
    hands.ends_as(&id, "Failed", "not_found", LIMIT).await?;
    hands.nothing_moved("flexepin", &id).await
}

/// Redeemed, but unknown to the inquiry for 45 minutes: it fails, and is found an hour after that.
async fn late_success(hands: Hands) -> Result<()> {
    let id = is_in_doubt(&pay(&hands, 5, 2509).await?, 2509)?;
    hands.ends_as(&id, "Failed", "not_found", LIMIT).await?;
    hands.ends_as(&id, "Approved", "USED", LIMIT).await?;
    hands.moved_once("flexepin", &id, &entry(2509)).await?;
    Ok(())
}

async fn control(hands: &Hands, serial: u32, minor: u32, what: &str) -> Result<()> {
    let answer = hands.client.control("POST", &format!("/flexepin/10{serial:06}{minor:08}/{what}"), None).await?;
    ensure!(answer.status == 200, "{what}: {} {}", answer.status, answer.body);
    Ok(())
}

async fn lost(hands: Hands) -> Result<()> {
    control(&hands, 6, 2600, "lost").await?;
    let id = is_in_doubt(&pay(&hands, 6, 2600).await?, 2600)?;
    hands.ends_as(&id, "Failed", "not_found", LIMIT).await?;
    hands.nothing_moved("flexepin", &id).await?;
    // Nothing was taken, so that the voucher is good for another try.
    is_redeemed(&pay(&hands, 6, 2600).await?, 2600)?;
    Ok(())
}

async fn controlled(hands: Hands, outcome: &str, result: &str, message: &str) -> Result<()> {
    let serial = 70 + u32::try_from(outcome.len())?;
    control(&hands, serial, 2500, outcome).await?;
    let id = is_declined(&pay(&hands, serial, 2500).await?, transaction("25.00", "EUR", "Declined", result), message)?;
    hands.nothing_moved("flexepin", &id).await
}

/// `4019` on the redeem: a rejection here.
async fn swap_needed(hands: Hands) -> Result<()> {
    control(&hands, 8, 2500, "status/4019").await?;
    let id = is_declined(
        &pay(&hands, 8, 2500).await?,
        transaction("25.00", "EUR", "Declined", "4019"),
        "Voucher needs a currency swap",
    )?;
    hands.nothing_moved("flexepin", &id).await
}

async fn used_twice(hands: Hands) -> Result<()> {
    let first = is_redeemed(&pay(&hands, 9, 2500).await?, 2500)?;
    let second =
        is_declined(&pay(&hands, 9, 2500).await?, transaction("25.00", "EUR", "Declined", "4002"), "Voucher already used")?;
    hands.moved_once("flexepin", &first, &entry(2500)).await?;
    hands.nothing_moved("flexepin", &second).await
}

fn with_pin(pin: &str, amount: &str, currency: &str) -> String {
    format!(
        r#"{{"pspType":"FLEXEPIN","type":"PAYIN","voucherPin":"{pin}","baseamount":{amount},"currency":"{currency}","currencyCode":"{currency}","userId":"user_123","email":"player@example.com"}}"#
    )
}

async fn invalid_pin(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&with_pin("9900-0000 0000-2500", "25.00", "EUR")).await?;
    let id = is_declined(&answer, transaction("25.00", "EUR", "Declined", "4001"), "Invalid PIN")?;
    hands.nothing_moved("flexepin", &id).await
}

/// The PIN of the published example is always fresh; spaces and dashes are taken out.
async fn published_pin(hands: Hands) -> Result<()> {
    for pin in ["1234567890123456", "1234 5678-9012 3456"] {
        let id = is_redeemed(&hands.client.cashier(&with_pin(pin, "25.00", "EUR")).await?, 2500)?;
        hands.moved_once("flexepin", &id, &entry(2500)).await?;
    }
    Ok(())
}

async fn mismatch(hands: Hands, pin: &str, currency: &str, amount: &str, status: &str, message: &str) -> Result<()> {
    let answer = hands.client.cashier(&with_pin(pin, amount, currency)).await?;
    let id = is_declined(&answer, transaction(amount, currency, "Declined", status), message)?;
    hands.nothing_moved("flexepin", &id).await
}

/// While nobody knows whether a voucher was redeemed, nobody else gets to redeem it.
async fn in_flight(hands: Hands) -> Result<()> {
    control(&hands, 11, 2700, "lost").await?;
    let first = is_in_doubt(&pay(&hands, 11, 2700).await?, 2700)?;
    let message = "This voucher is already being redeemed";
    let answer = pay(&hands, 11, 2700).await?;
    is_declined(&answer, transaction("27.00", "EUR", "Declined", "duplicate_in_flight"), message)?;
    hands.ends_as(&first, "Failed", "not_found", LIMIT).await?;
    is_redeemed(&pay(&hands, 11, 2700).await?, 2700)?;
    Ok(())
}
