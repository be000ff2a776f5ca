//! Flexepin: the error and status rows of its sheet.

use super::*;
use anyhow::Context as _;
use testkit::client::bodies;

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

/// All rows, one after the other.
pub(crate) async fn rows(hands: Hands) -> Result<()> {
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
    let object = |result: Value, status: &str, value: Value, currency: &str| json!({"result": result, "result_description": "Said so", "trans_no": 118_203_345, "status": status, "value": value, "currency": currency, "serial": "A1", "ean": "1"});
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
        "status": "error", "message": IN_DOUBT, "isSuccess": false, "errorCode": "PSP_TIMEOUT", "retryable": false, "outcome": "open", "errors": [],
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
