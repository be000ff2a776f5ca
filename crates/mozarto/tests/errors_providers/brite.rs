//! Brite: the error and status rows of its sheet.

use super::*;

const CREATE: &str = "/api/session.create_deposit";
const AUTHORIZE: &str = "/api/merchant.authorize";

fn brite_rows() -> Vec<(&'static str, Value, Row)> {
    let error = |name: &str, text: &str| json!({"error_name": name, "error_message": text, "state": "APPLICATION_ERROR"});
    vec![
        ("403", json!({"http": 403}), CREDENTIALS),
        ("404", says(404, error("NotFound", "no such thing")), CREDENTIALS),
        ("408", json!({"http": 408}), TIMEOUT),
        ("timeout in the body", says(400, error("BankError", "upstream TimeOut")), TIMEOUT),
        ("500", says(500, error("Internal", "sorry")), UNAVAILABLE),
        ("503 with a page", says(503, json!("<html>busy</html>")), UNAVAILABLE),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "7"}}), LIMITED),
        ("429", json!({"http": 429}), LIMITED),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}}), UNKNOWN),
        ("400 with error_name", says(400, error("InvalidAmount", "too much")), UNKNOWN),
        ("200 with error_name", says(200, error("TransactionInvalid", "no")), UNKNOWN),
        (
            "200 with an error beside an address",
            says(200, json!({"url": "https://p.example/x", "error_name": "NotFound"})),
            UNKNOWN,
        ),
        ("no url", says(200, json!({"id": "x"})), UNKNOWN),
        ("unreadable", says(200, json!("<html>hello</html>")), UNKNOWN),
    ]
}

fn request(amount: &str, country: &str) -> String {
    format!(
        r#"{{"pspType":"BRITE","type":"PAYIN","baseamount":{amount},"currency":"EUR","country":"{country}","userId":"user_123","email":"player@example.com"}}"#
    )
}

/// All rows, one after the other.
pub(crate) async fn rows(hands: Hands) -> Result<()> {
    let mut rows = Rows::default();
    let body = request("510.00", "FI");
    for (name, upstream, row) in brite_rows() {
        rows.row(name, provoked(&hands, "brite", CREATE, &body, upstream, row)).await;
    }
    rows.row("401 once: a new token, and the call once more", once_unauthorized(&hands)).await;
    let twice = json!({"http": 401, "times": 2});
    rows.row("401 twice", provoked(&hands, "brite", CREATE, &body, twice, CREDENTIALS)).await;
    for (name, upstream, row) in [
        ("merchant.authorize: 401", json!({"http": 401}), CREDENTIALS),
        ("merchant.authorize: 500", json!({"http": 500}), UNAVAILABLE),
        ("merchant.authorize: no token", says(200, json!({"expires": 1})), UNKNOWN),
    ] {
        rows.row(name, without_token(&hands, &body, upstream, row)).await;
    }
    rows.row("the country is unknown there", unknown_country(&hands)).await;
    for (word, status, shown, webhooks) in [
        ("ABORTED", "Declined", "ABORTED", &["Declined"][..]),
        ("FAILED", "Declined", "FAILED", &["Declined"]),
        ("CREDIT", "Approved", "CREDIT", &["Approved"]),
        ("SETTLED", "Approved", "SETTLED", &["Approved"]),
        ("DEBIT", "Reversed", "DEBIT", &["Approved", "Reversed"]),
        ("COMPLETED", "Pending", "COMPLETED", &[]),
        ("PENDING", "Pending", "PENDING", &[]),
        ("session:ABORTED", "Declined", "ABORTED", &["Declined"]),
        ("session:FAILED", "Declined", "FAILED", &["Declined"]),
        ("session:COMPLETED", "Pending", "COMPLETED", &[]),
        ("session:AUTHENTICATION_COMPLETED", "Pending", "AUTHENTICATION_COMPLETED", &[]),
    ] {
        rows.row(&format!("status {word}"), a_word(&hands, word, status, shown, webhooks)).await;
    }
    rows.row("reversed after credit", reversed(&hands)).await;
    rows.row("a state unknown to us", unknown_state(&hands)).await;
    rows.row("a state against the end", contradiction(&hands)).await;
    for (name, member, value) in [
        ("amount", "amount", json!(51.00)),
        ("currency", "currency_id", json!("sek")),
        ("reference", "merchant_reference", json!("64a1f2b3c4d5e6f7a8b9c0d1")),
        ("id", "id", json!("another")),
    ] {
        rows.row(&format!("an inquiry with another {name}"), another(&hands, member, value)).await;
    }
    rows.row("Test connection", test_connection(&hands, "BRITE", AUTHORIZE, None, true)).await;
    rows.row("Test connection: 401", test_connection(&hands, "BRITE", AUTHORIZE, Some(json!({"http": 401})), false)).await;
    rows.end()
}

async fn opened(hands: &Hands) -> Result<String> {
    let answer = hands.client.cashier(&request("511.00", "FI")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    id_of(&answer)
}

async fn once_unauthorized(hands: &Hands) -> Result<()> {
    next(hands, "brite", CREATE, json!({"http": 401})).await?;
    paid(hands).await
}

/// With a token that works, and nothing left that would be asked about and bring a new one.
async fn paid(hands: &Hands) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, "brite", &id, "status/CREDIT").await?;
    hands.ends_as(&id, "Approved", "CREDIT", LIMIT).await.map(|_| ())
}

/// The 401 drops the token that there is, so that the next thing is a new one.
async fn without_token(hands: &Hands, body: &str, upstream: Value, row: Row) -> Result<()> {
    paid(hands).await?;
    next(hands, "brite", CREATE, json!({"http": 401})).await?;
    provoked(hands, "brite", AUTHORIZE, body, upstream, row).await
}

/// The sheet's example of an error, field for field.
async fn unknown_country(hands: &Hands) -> Result<()> {
    let answer = hands.client.cashier(&request("512.00", "FR")).await?;
    let data = json!({"error_name": "NotFound", "error_message": "Country not found", "state": "APPLICATION_ERROR"});
    failed(hands, &answer, UNKNOWN, Some(&data), None).await
}

async fn a_word(hands: &Hands, word: &str, status: &str, shown: &str, webhooks: &[&str]) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, "brite", &id, &format!("status/{word}")).await?;
    inquire(hands, &id).await?;
    hands.ends_as(&id, status, shown, LIMIT).await?;
    hands.webhooks(&id, webhooks, LIMIT).await
}

async fn reversed(hands: &Hands) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, "brite", &id, "approve").await?;
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    control(hands, "brite", &id, "reverse").await?;
    hands.ends_as(&id, "Reversed", "DEBIT", LIMIT).await?;
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}

async fn unknown_state(hands: &Hands) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, "brite", &id, "status/42").await?;
    inquire(hands, &id).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    Ok(())
}

async fn contradiction(hands: &Hands) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, "brite", &id, "status/CREDIT").await?;
    hands.ends_as(&id, "Approved", "CREDIT", LIMIT).await?;
    control(hands, "brite", &id, "status/FAILED").await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Approved" && data["status"] == "CREDIT", "{data}");
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

/// An inquiry's answer about something else changes nothing.
async fn another(hands: &Hands, member: &str, value: Value) -> Result<()> {
    let id = opened(hands).await?;
    let shown = hands.managed(&id).await?.to_string();
    let session = shown.split("Brite's session: ").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
    ensure!(!session.is_empty(), "no session on the timeline: {shown}");
    let mut record = json!({
        "id": session, "type": 0, "state": 11, "amount": 511.00, "currency_id": "eur", "country_id": "fi", "merchant_reference": id,
        "transaction_id": null, "error_code": null,
    });
    record[member] = value;
    next_about(hands, "brite", "/api/session.get", &session, says(200, record)).await?;
    inquire(hands, &id).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.nothing_moved("brite", &id).await
}
