//! eMerchantPay: the error and status rows of its sheet.

mod later;

use super::*;
use anyhow::Context as _;
use later::{continued, reconciled};
use testkit::client::bodies;

const PROVIDER: &str = "emerchantpay";
const PROCESS: &str = "/process/";
const RECONCILE: &str = "/reconcile/";
/// Approved at once; sent to the challenge; sent to the device check.
const FRICTIONLESS: &str = "4012000000060085";
const CHALLENGE: &str = "4918190000000002";
const DEVICE_CHECK: &str = "4938730000000001";
const UNIQUE_ID: &str = "44177a21403427eb96664a6d7e5d5d48";
const ALREADY_USED: &str = "<code>340</code><technical_message>'transaction_id' has already been used!</technical_message>";

fn xml(http: u16, inner: &str) -> Value {
    says(http, json!(format!("<?xml version=\"1.0\"?>\n<payment_response>{inner}</payment_response>")))
}

fn error(inner: &str) -> Value {
    xml(200, &format!("<status>error</status>{inner}"))
}

fn code(code: u16) -> Value {
    error(&format!("<code>{code}</code><message>Said so</message>"))
}

/// Certain refusals that answer with an error code (rows 3, 4 and 7).
fn refusals() -> Vec<(&'static str, Value, Row)> {
    let limited = json!({"http": 429, "headers": {"Retry-After": "7"}});
    vec![
        ("401", json!({"http": 401}), CREDENTIALS),
        ("401 with 110", xml(401, "<status>error</status><code>110</code>"), CREDENTIALS),
        ("110", code(110), CREDENTIALS),
        ("403", says(403, json!("<html>no</html>")), CREDENTIALS),
        ("404 with a page", says(404, json!("<html>no</html>")), CREDENTIALS),
        ("404 without a body", json!({"http": 404}), CREDENTIALS),
        ("220", code(220), CREDENTIALS),
        ("429 with Retry-After", limited, LIMITED),
        ("429", json!({"http": 429}), LIMITED),
        ("101", code(101), UNAVAILABLE),
        ("120", code(120), UNKNOWN),
        ("350", code(350), UNKNOWN),
        ("360", code(360), UNKNOWN),
        ("120 and the word timeout", error("<code>120</code><message>timeout</message>"), UNKNOWN),
    ]
}

/// Answers after which nobody knows (rows 2 and 8).
fn doubts() -> Vec<(&'static str, Value)> {
    let declined = "<status>declined</status><code>500</code>";
    vec![
        ("500", json!({"http": 500})),
        ("503 with a decline", xml(503, declined)),
        ("408", json!({"http": 408})),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}})),
        ("a page", says(200, json!("<html>hello</html>"))),
        ("JSON", says(200, json!({"status": "declined", "code": 500}))),
        ("cut", says(200, json!("<payment_response><status>declined</status><code>500</code>"))),
        (
            "a DOCTYPE with entities",
            says(200, json!("<!DOCTYPE p [<!ENTITY x \"y\">]><payment_response><status>&x;</status></payment_response>")),
        ),
        ("200", code(200)),
        ("210", code(210)),
        ("230", code(230)),
        ("240", code(240)),
        ("250", code(250)),
        ("530", code(530)),
        ("630", code(630)),
        ("900", code(900)),
        ("950", code(950)),
        ("960", code(960)),
        ("an unknown code", code(777)),
        ("no code", error("")),
        ("sent before", error(ALREADY_USED)),
        ("declined with 230", xml(200, "<status>declined</status><code>230</code>")),
        ("approved without an id", xml(200, "<status>approved</status>")),
        (
            "pending_async without an address",
            xml(200, &format!("<status>pending_async</status><unique_id>{UNIQUE_ID}</unique_id>")),
        ),
    ]
}

/// Answers that are not believed, which a person should see.
fn disbelieved() -> Vec<(&'static str, Value)> {
    let challenge = |inner: &str| xml(200, &format!("<status>pending_async</status><unique_id>{UNIQUE_ID}</unique_id>{inner}"));
    let elsewhere = "https://elsewhere.example/threeds/threeds_method";
    vec![
        ("another transaction", xml(200, "<status>approved</status><transaction_id>64a1f2b3c4d5e6f7a8b9c0d1</transaction_id>")),
        ("another amount", xml(200, "<status>approved</status><amount>100</amount>")),
        ("another currency", xml(200, "<status>declined</status><code>500</code><currency>USD</currency>")),
        ("no id of the gateway", xml(200, "<status>approved</status><unique_id>1</unique_id>")),
        ("an unknown status", xml(200, "<status>exploded</status>")),
        ("a script to go to", challenge("<redirect_url>javascript:alert(1)</redirect_url>")),
        (
            "a device check elsewhere",
            challenge(&format!(
                "<threeds_method_url>{elsewhere}</threeds_method_url><threeds_method_continue_url>{elsewhere}</threeds_method_continue_url><timestamp>2026-01-02T03:04:05Z</timestamp>"
            )),
        ),
    ]
}

/// All rows, one after the other.
pub(crate) async fn rows(hands: Hands) -> Result<()> {
    let mut rows = Rows::default();
    // First, while nothing else is asked about: what strikes the next reconcile, whosever it is, strikes these rows' own.
    for (word, status) in [("approved", "Approved"), ("declined", "Declined"), ("timeout", "Expired")] {
        rows.row(&format!("process 500, reconcile {word}"), found_inside(&hands, word, status)).await;
    }
    rows.row("test connection", test_connection(&hands)).await;
    let body = bodies::emerchantpay("500.00", FRICTIONLESS);
    for (name, upstream, row) in refusals() {
        rows.row(&format!("process: {name}"), provoked(&hands, PROVIDER, PROCESS, &body, upstream, row)).await;
    }
    for number in [500, 510, 520, 540, 550, 600, 620, 690, 697] {
        rows.row(&format!("process: {number}"), refused(&hands, code(number), &number.to_string(), "error", "Declined")).await;
    }
    for number in [300, 310, 320, 330, 340, 400, 410, 450, 490, 700, 740] {
        rows.row(&format!("process: {number}"), refused(&hands, code(number), &number.to_string(), "error", "Failed")).await;
    }
    let declined = xml(200, "<status>declined</status><code>340</code><message>Said so</message>");
    rows.row("process: declined with 340", refused(&hands, declined, "340", "declined", "Declined")).await;
    let spoilt = xml(
        404,
        "<status>declined</status><code>510</code><message>Said so</message><technical_message>timeout</technical_message>",
    );
    rows.row("process: 404 with a document", refused(&hands, spoilt, "510", "declined", "Declined")).await;
    rows.row("process: card data in an unknown error", masked(&hands)).await;
    for (name, upstream) in doubts() {
        rows.row(&format!("process: {name}"), in_doubt(&hands, upstream, false)).await;
    }
    for (name, upstream) in disbelieved() {
        rows.row(&format!("process: {name}"), in_doubt(&hands, upstream, true)).await;
    }
    words(&mut rows, &hands).await;
    reconciled(&mut rows, &hands).await;
    continued(&mut rows, &hands).await;
    rows.row("forged notifications", forged(&hands)).await;
    rows.row("not configured, another currency", not_taken(&hands)).await;
    rows.end()
}

/// The first answer is lost, the reconcile inside the request tells the end: answered as if it had come at once.
async fn found_inside(hands: &Hands, word: &str, status: &str) -> Result<()> {
    next(hands, PROVIDER, PROCESS, json!({"http": 500})).await?;
    let told = format!("<status>{word}</status><unique_id>{UNIQUE_ID}</unique_id><amount>50100</amount><currency>EUR</currency>");
    next(hands, PROVIDER, RECONCILE, xml(200, &told)).await?;
    let answer = hands.client.cashier(&bodies::emerchantpay("501.00", FRICTIONLESS)).await?;
    let (http, message) = if status == "Approved" { (200, "Transaction approved") } else { (400, "Transaction declined") };
    ensure!(answer.status == http && answer.text("/message") == message, "{} {}", answer.status, answer.body);
    ensure!(answer.text("/errorCode").is_empty(), "{}", answer.body);
    let shown = (answer.text("/data/status"), answer.text("/data/transaction_status"), answer.text("/data/uniqueId"));
    ensure!(shown == (word, status, UNIQUE_ID), "{}", answer.body);
    hands.ends_as(&id_of(&answer)?, status, word, LIMIT).await?;
    hands.webhooks(&id_of(&answer)?, &[status], LIMIT).await
}

/// 400 without a code, in the gateway's words.
async fn refused(hands: &Hands, upstream: Value, code: &str, word: &str, status: &str) -> Result<()> {
    next(hands, PROVIDER, PROCESS, upstream).await?;
    let answer = hands.client.cashier(&bodies::emerchantpay("502.00", FRICTIONLESS)).await?;
    ensure!(answer.status == 400, "HTTP {}: {}", answer.status, answer.body);
    let id = id_of(&answer)?;
    let expected = json!({
        "status": "error", "message": "Said so", "isSuccess": false, "errors": [], "transactionId": id,
        "data": {"status": word, "transaction_status": status, "code": code, "merchantReference": "ORDER-REF-001"}, "transaction": "<object>",
    });
    same_shape(&answer.body, &expected)?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.nothing_moved(PROVIDER, &id).await
}

async fn masked(hands: &Hands) -> Result<()> {
    let told =
        format!("<code>120</code><card_number>{FRICTIONLESS}</card_number><cvv>123</cvv><message>4012 0000 0006 0085</message>");
    next(hands, PROVIDER, PROCESS, error(&told)).await?;
    let answer = hands.client.cashier(&bodies::emerchantpay("503.00", FRICTIONLESS)).await?;
    ensure!(answer.status == 500, "{} {}", answer.status, answer.body);
    let data = answer.text("/data");
    ensure!(data.contains("<card_number></card_number><cvv></cvv><message>**** **** **** ****</message>"), "{data}");
    Ok(())
}

async fn in_doubt(hands: &Hands, upstream: Value, seen: bool) -> Result<()> {
    next(hands, PROVIDER, PROCESS, upstream).await?;
    let answer = hands.client.cashier(&bodies::emerchantpay("504.00", FRICTIONLESS)).await?;
    ensure!(answer.status == 200, "HTTP {}: {}", answer.status, answer.body);
    let (id, text) = (id_of(&answer)?, "Transaction is being processed");
    let expected = json!({
        "status": "success", "message": text, "isSuccess": true,
        "data": {"message": text, "transactionId": id, "merchantReference": "ORDER-REF-001", "amount": 504}, "transaction": "<object>",
    });
    same_shape(&answer.body, &expected)?;
    let shown = (answer.text("/transaction/transaction_status"), answer.text("/transaction/status"));
    ensure!(shown == ("Pending", "unknown"), "it stands at {shown:?}");
    let managed = hands.managed(&id).await?;
    ensure!((managed["attention"] == "anomaly") == seen, "attention is {}", managed["attention"]);
    hands.nothing_moved(PROVIDER, &id).await
}

async fn opened(hands: &Hands, pan: &str) -> Result<String> {
    let answer = hands.client.cashier(&bodies::emerchantpay("505.00", pan)).await?;
    ensure!(answer.status == 200 && answer.text("/data/status") == "pending_async", "{} {}", answer.status, answer.body);
    id_of(&answer)
}

async fn approved(hands: &Hands) -> Result<String> {
    let answer = hands.client.cashier(&bodies::emerchantpay("505.00", FRICTIONLESS)).await?;
    ensure!(answer.status == 200 && answer.text("/data/status") == "approved", "{} {}", answer.status, answer.body);
    id_of(&answer)
}

async fn words(rows: &mut Rows, hands: &Hands) {
    let ends = [
        ("approved", "Approved"),
        ("declined", "Declined"),
        ("unsuccessful", "Declined"),
        ("error", "Declined"),
        ("timeout", "Expired"),
        ("cancelled", "Cancelled"),
        ("voided", "Cancelled"),
    ];
    for (word, status) in ends {
        rows.row(&format!("status {word}"), ends_with(hands, word, &[status])).await;
    }
    for word in ["refunded", "chargebacked", "second_chargebacked", "pre_arbitrated", "representment_reversed"] {
        rows.row(&format!("status {word} while pending"), ends_with(hands, word, &["Approved", "Reversed"])).await;
        rows.row(&format!("status {word} after the approval"), reversed(hands, word)).await;
    }
    for word in ["voided", "cancelled"] {
        rows.row(&format!("status {word} after the approval"), reversed(hands, word)).await;
    }
    for word in ["pending", "in_progress", "pending_hold", "pending_review"] {
        rows.row(&format!("status {word}"), stays_open(hands, word)).await;
    }
    for word in ["chargeback_reversed", "chargeback_reversal", "represented"] {
        rows.row(&format!("status {word} while pending"), ends_with(hands, word, &["Approved"])).await;
    }
    for word in ["chargeback_reversed", "chargeback_reversal", "represented", "exploded", "declined"] {
        rows.row(&format!("status {word} against an approval"), contradicts(hands, word)).await;
    }
    rows.row("status unknown to us", unknown_word(hands)).await;
}

async fn ends_with(hands: &Hands, word: &str, statuses: &[&str]) -> Result<()> {
    let id = opened(hands, CHALLENGE).await?;
    control(hands, PROVIDER, &id, &format!("status/{word}")).await?;
    hands.ends_as(&id, statuses.last().context("no status")?, word, LIMIT).await?;
    hands.webhooks(&id, statuses, LIMIT).await
}

async fn reversed(hands: &Hands, word: &str) -> Result<()> {
    let id = approved(hands).await?;
    control(hands, PROVIDER, &id, &format!("status/{word}")).await?;
    hands.ends_as(&id, "Reversed", word, LIMIT).await?;
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}

async fn stays_open(hands: &Hands, word: &str) -> Result<()> {
    let id = opened(hands, CHALLENGE).await?;
    control(hands, PROVIDER, &id, &format!("status/{word}")).await?;
    hands.ends_as(&id, "Pending", word, LIMIT).await?;
    control(hands, PROVIDER, &id, "status/approved").await?;
    hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

async fn contradicts(hands: &Hands, word: &str) -> Result<()> {
    let id = approved(hands).await?;
    control(hands, PROVIDER, &id, &format!("status/{word}")).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Approved" && data["status"] == "approved", "{data}");
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

async fn unknown_word(hands: &Hands) -> Result<()> {
    let id = opened(hands, CHALLENGE).await?;
    control(hands, PROVIDER, &id, "status/exploded").await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending" && data["status"] == "pending_async", "{data}");
    control(hands, PROVIDER, &id, "status/approved").await?;
    hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    Ok(())
}

async fn forge(hands: &Hands, on: bool) -> Result<()> {
    let set = hands.client.control("PUT", "/emerchantpay/settings", Some(json!({"forgeCallbacks": on}))).await?;
    ensure!(set.status == 200, "{}", set.body);
    Ok(())
}

/// Success told for what nobody paid, with a signature that is nobody's.
async fn forged(hands: &Hands) -> Result<()> {
    forge(hands, true).await?;
    let opened = opened(hands, CHALLENGE).await;
    forge(hands, false).await?;
    let id = opened?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.webhooks(&id, &[], LIMIT).await?;
    hands.nothing_moved(PROVIDER, &id).await
}

async fn configured(hands: &Hands, config: Value) -> Result<()> {
    let method = hands.client.method_of("EMERCHANTPAY").await?;
    let set = hands.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(json!({"config": config}))).await?;
    ensure!(set.status == 200, "{} {}", set.status, set.body);
    Ok(())
}

async fn tested(hands: &Hands) -> Result<Value> {
    let method = hands.client.method_of("EMERCHANTPAY").await?;
    let answer = hands.client.manage("POST", &format!("/payment-methods/{method}/test"), None).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(answer.body["data"].clone())
}

async fn test_connection(hands: &Hands) -> Result<()> {
    let said = |data: &Value| (data["ok"] == true, data["message"].as_str().unwrap_or_default().to_owned());
    let good = said(&tested(hands).await?);
    ensure!(good == (true, "eMerchantPay accepts the credentials".to_owned()), "{good:?}");
    for (upstream, message) in [
        (xml(401, "<status>error</status><code>110</code>"), "eMerchantPay refuses the user name or the password"),
        (code(110), "eMerchantPay refuses the user name or the password"),
        (code(220), "eMerchantPay refuses the terminal token"),
        (json!({"http": 503}), "Payment provider is unavailable."),
    ] {
        next(hands, PROVIDER, RECONCILE, upstream).await?;
        let bad = said(&tested(hands).await?);
        ensure!(bad == (false, message.to_owned()), "{bad:?} instead of {message}");
    }
    Ok(())
}

/// Before anything is created.
async fn not_taken(hands: &Hands) -> Result<()> {
    let other = bodies::emerchantpay("506.00", FRICTIONLESS).replace("\"EUR\"", "\"USD\"");
    let answer = hands.client.cashier(&other).await?;
    let sentence = "currency must be EUR for this payment method";
    ensure!(answer.status == 400 && answer.body["errors"] == json!([sentence]), "{} {}", answer.status, answer.body);
    ensure!(answer.body["transaction"].is_null(), "{}", answer.body);
    configured(hands, json!({"username": null})).await?;
    let answer = hands.client.cashier(&bodies::emerchantpay("506.00", FRICTIONLESS)).await;
    configured(hands, json!({"username": "emp-demo"})).await?;
    let answer = answer?;
    let Row(http, code, retryable, message) = NOT_CONFIGURED;
    let expected = json!({"status": "error", "message": message, "isSuccess": false, "errorCode": code, "retryable": retryable, "errors": []});
    ensure!(answer.status == http, "{} {}", answer.status, answer.body);
    same_shape(&answer.body, &expected)
}
