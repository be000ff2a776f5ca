//! ForumPay: the error and status rows of its sheet.

use super::*;
use anyhow::Context as _;
use testkit::client::bodies;

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

/// All rows, one after the other.
pub(crate) async fn rows(hands: Hands) -> Result<()> {
    let mut rows = Rows::default();
    let (link, order) = (bodies::forumpay_in("410.00"), bodies::forumpay_out("420.00"));
    for (name, upstream, row) in forumpay_rows() {
        for (call, body) in [("CreatePaymentLink", &link), ("GetBuyRate", &order), ("StartBuyOrder", &order)] {
            let row = provoked(&hands, "forumpay", call, body, upstream.clone(), row);
            rows.row(&format!("{call}: {name}"), row).await;
        }
    }
    let script = says(200, json!({"url": "javascript:alert(1)"}));
    rows.row("CreatePaymentLink: no web address", provoked(&hands, "forumpay", "CreatePaymentLink", &link, script, UNKNOWN))
        .await;
    for member in ["url", "payment_link", "link", "access_url"] {
        rows.row(&format!("CreatePaymentLink: the address in {member}"), link_member(&hands, member)).await;
    }
    rows.row("StartBuyOrder: another address", other_address(&hands)).await;
    for http in [401, 403, 404, 429] {
        rows.row(&format!("ConfirmBuyOrder: {http}"), confirmed_later(&hands, http)).await;
    }
    rows.row("ConfirmBuyOrder: err", confirm_declined(&hands)).await;
    rows.row("approval: found paid already", found_paid(&hands)).await;
    for word in ["waiting", "processing", "underpayment", "blocked"] {
        rows.row(&format!("state {word}"), open_state(&hands, word)).await;
    }
    for (word, status) in [("confirmed", "Approved"), ("cancelled", "Cancelled")] {
        rows.row(&format!("state {word}"), end_state(&hands, word, status)).await;
    }
    let crafted: [(&str, &str, Value); 6] = [
        ("confirmed and cancelled", "anomaly", json!({"confirmed": true, "cancelled": true, "state": "confirmed"})),
        ("another amount", "stuck", json!({"confirmed": true, "state": "confirmed", "invoice_amount": "41.00"})),
        ("another currency", "anomaly", json!({"confirmed": true, "state": "confirmed", "invoice_currency": "USD"})),
        (
            "another reference",
            "anomaly",
            json!({"confirmed": true, "state": "confirmed", "reference_no": "64a1f2b3c4d5e6f7a8b9c0d1"}),
        ),
        ("another type", "anomaly", json!({"confirmed": true, "state": "confirmed", "type": "Buy"})),
        ("an unknown state", "anomaly", json!({"state": "exploded"})),
    ];
    for (name, attention, told) in crafted {
        rows.row(&format!("CheckPayment: {name}"), crafted_payment(&hands, told, attention)).await;
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
    next_about(hands, "forumpay", "CheckPayment", &payment_of(hands, &id).await?, says(200, told)).await?;
    let answer = hands.approve(&id).await?;
    ensure!(answer.status == 200, "approve: {} {}", answer.status, answer.body);
    hands.ends_as(&id, "Approved", "confirmed", LIMIT).await?;
    hands.nothing_moved("forumpay", &id).await
}

/// ForumPay's id of a payment, by which CheckPayment asks.
async fn payment_of(hands: &Hands, id: &str) -> Result<String> {
    let shown = hands.managed(id).await?;
    Ok(shown["pspTransactionId"].as_str().with_context(|| format!("no payment yet: {shown}"))?.to_owned())
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
async fn crafted_payment(hands: &Hands, told: Value, attention: &str) -> Result<()> {
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
    next_about(hands, "forumpay", "CheckPayment", &payment_of(hands, &id).await?, says(200, payment)).await?;
    inquire(hands, &id).await?;
    let data = hands.needs_attention(&id, attention, LIMIT).await?;
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
    next_about(hands, "forumpay", "GetTransactions", &id, says(200, invoices)).await?;
    for payment_id in
        [payment_of(hands, &id).await?.as_str(), "badd0b52-110f-4be2-af64-59d7645796af", "badd0b52-110f-4be2-af64-59d7645796b0"]
    {
        next_about(hands, "forumpay", "CheckPayment", payment_id, says(200, payment.clone())).await?;
    }
    inquire(hands, &id).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Approved", "{data}");
    // What the inquiry did not use up must not strike the next row.
    let clear = hands.client.control("PUT", "/forumpay/next", Some(json!({"http": 200, "times": 0}))).await?;
    ensure!(clear.status == 200, "{}", clear.body);
    hands.webhooks(&id, &["Approved"], LIMIT).await
}
