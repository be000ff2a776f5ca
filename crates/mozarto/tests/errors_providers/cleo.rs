//! Cleo: the error and status rows of its sheet.

use super::*;

const IN: &str = "/v1/transfer-in";
const CREATE_IN: &str = "POST /v1/transfer-in";
const CREATE_OUT: &str = "POST /v1/transfer-out";

fn cleo_rows() -> Vec<(&'static str, Value, Row)> {
    let error = |code: &str, text: &str| json!({"code": code, "message": text});
    vec![
        ("401", says(401, error("UNAUTHORIZED", "who are you")), CREDENTIALS),
        ("403", json!({"http": 403}), CREDENTIALS),
        ("404", json!({"http": 404}), CREDENTIALS),
        ("408", json!({"http": 408}), TIMEOUT),
        ("timeout in the body", says(400, error("BANK", "upstream TimeOut")), TIMEOUT),
        ("500", says(500, error("INTERNAL", "sorry")), UNAVAILABLE),
        ("503 with a page", says(503, json!("<html>busy</html>")), UNAVAILABLE),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "7"}}), LIMITED),
        ("429", json!({"http": 429}), LIMITED),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}}), UNKNOWN),
        ("400", says(400, error("INVALID_REQUEST", "amount is required")), UNKNOWN),
        ("409", says(409, error("DUPLICATE_REFERENCE", "used")), UNKNOWN),
        ("422", says(422, error("LIMIT", "too much")), UNKNOWN),
        ("unreadable", says(201, json!("<html>hello</html>")), UNKNOWN),
        ("nothing in it", says(201, json!({})), UNKNOWN),
    ]
}

/// Answers to a transfer-out that leave its fate open; every other row is a certain refusal.
const DOUBTFUL: [&str; 8] = ["408", "timeout in the body", "500", "503 with a page", "302", "409", "unreadable", "nothing in it"];

fn request_in(amount: &str) -> String {
    format!(
        r#"{{"pspType":"CLEO","type":"PAYIN","baseamount":{amount},"currency":"PEN","currencyCode":"PEN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"56912345678","gender":"male","dob":"1990-01-15","countryCode":"PE","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","emailVerification":"player@example.com","verificationDate":"2026-01-15","address":{{"line1":"Av. Uno 1","city":"Lima","state":"LIM","postalCode":"15001","country":"PE"}}}}"#
    )
}

/// To Chile: every field of the beneficiary.
fn request_out(amount: &str) -> String {
    format!(
        r#"{{"pspType":"CLEO","type":"PAYOUT","baseamount":{amount},"currency":"CLP","currencyCode":"CLP","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","countryCode":"CL","beneficiary":{{"documentType":"RUT","documentNumber":"12345678-5","bankCode":"001","accountType":"vista","accountNumber":"00012345678"}}}}"#
    )
}

/// All rows, one after the other.
pub(crate) async fn rows(hands: Hands) -> Result<()> {
    let mut rows = Rows::default();
    let (page, money) = (request_in("610.00"), request_out("62000"));
    for (name, upstream, row) in cleo_rows() {
        rows.row(&format!("transfer-in: {name}"), provoked(&hands, "cleo", CREATE_IN, &page, upstream.clone(), row)).await;
        let name = format!("transfer-out: {name}");
        if DOUBTFUL.iter().any(|doubtful| name.ends_with(&format!(": {doubtful}"))) {
            rows.row(&name, in_doubt(&hands, &money, upstream)).await;
        } else {
            rows.row(&name, provoked(&hands, "cleo", CREATE_OUT, &money, upstream, row)).await;
        }
    }
    rows.row("secrets are taken out of data", redacted(&hands)).await;
    for (word, status) in [
        ("PENDING", "Pending"),
        ("PROCESSING", "Pending"),
        ("COMPLETED", "Approved"),
        ("REJECTED", "Declined"),
        ("EXPIRED", "Expired"),
        ("CANCELLED", "Cancelled"),
    ] {
        rows.row(&format!("status {word}"), a_word(&hands, word, status)).await;
    }
    rows.row("a word unknown to us", unknown_word(&hands)).await;
    rows.row("a word against the end", contradiction(&hands)).await;
    for (name, member, value) in [
        ("amount", "amount", "61.00"),
        ("currency", "currency", "CLP"),
        ("type", "type", "TRANSFER_OUT"),
        ("reference", "externalReference", "64a1f2b3c4d5e6f7a8b9c0d1"),
        ("id", "id", "ti_000000"),
    ] {
        rows.row(&format!("an inquiry with another {name}"), another(&hands, member, value)).await;
    }
    rows.row("Test connection", test_connection(&hands, "CLEO", IN, None, true)).await;
    rows.row("Test connection: 401", test_connection(&hands, "CLEO", IN, Some(json!({"http": 401})), false)).await;
    rows.end()
}

async fn in_doubt(hands: &Hands, body: &str, upstream: Value) -> Result<()> {
    next(hands, "cleo", CREATE_OUT, upstream).await?;
    let answer = hands.client.cashier(body).await?;
    ensure!(answer.status == 200, "HTTP {}: {}", answer.status, answer.body);
    let expected = json!({
        "status": "success", "message": "Transaction is being processed", "isSuccess": true,
        "data": {"status": "PENDING", "transactionId": id_of(&answer)?}, "transaction": "<object>",
    });
    same_shape(&answer.body, &expected)?;
    let shown = (answer.text("/transaction/transaction_status"), answer.text("/transaction/status"));
    ensure!(shown == ("Pending", "unknown"), "it stands at {shown:?}");
    hands.nothing_moved("cleo", &id_of(&answer)?).await
}

/// The provider's text repeats our key and the account: neither must be seen.
async fn redacted(hands: &Hands) -> Result<()> {
    let secrets = ["cleo-demo-key-chile-0001", "00012345678", "123456785"];
    let said = says(400, json!({"code": "X", "message": format!("no limit left: {}", secrets.join(" "))}));
    next(hands, "cleo", CREATE_OUT, said).await?;
    let answer = hands.client.cashier(&request_out("63000")).await?;
    ensure!(answer.status == 500 && answer.text("/data/message").contains("no limit left"), "{} {}", answer.status, answer.body);
    let managed = hands.managed(&id_of(&answer)?).await?;
    for secret in secrets {
        ensure!(!answer.body.to_string().contains(secret) && !managed.to_string().contains(secret), "{secret}: {managed}");
    }
    Ok(())
}

async fn opened(hands: &Hands) -> Result<String> {
    let answer = hands.client.cashier(&request_in("611.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    id_of(&answer)
}

async fn a_word(hands: &Hands, word: &str, status: &str) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, "cleo", &id, &format!("status/{word}")).await?;
    inquire(hands, &id).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, if status == "Pending" { &[] } else { std::slice::from_ref(&status) }, LIMIT).await
}

async fn unknown_word(hands: &Hands) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, "cleo", &id, "status/EXPLODED").await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    control(hands, "cleo", &id, "status/COMPLETED").await?;
    hands.ends_as(&id, "Approved", "COMPLETED", LIMIT).await.map(|_| ())
}

async fn contradiction(hands: &Hands) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, "cleo", &id, "status/COMPLETED").await?;
    hands.ends_as(&id, "Approved", "COMPLETED", LIMIT).await?;
    control(hands, "cleo", &id, "status/REJECTED").await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Approved" && data["status"] == "COMPLETED", "{data}");
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

/// An inquiry's answer about something else changes nothing.
async fn another(hands: &Hands, member: &str, value: &str) -> Result<()> {
    let id = opened(hands).await?;
    let theirs = hands.managed(&id).await?["pspTransactionId"].as_str().unwrap_or_default().to_owned();
    ensure!(!theirs.is_empty(), "no id of Cleo's");
    let mut record = json!({
        "id": theirs, "externalReference": id, "type": "TRANSFER_IN", "status": "COMPLETED", "amount": "611.00", "currency": "PEN",
        "country": "PE", "reason": null,
    });
    record[member] = json!(value);
    next_about(hands, "cleo", IN, &theirs, says(200, record)).await?;
    inquire(hands, &id).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.nothing_moved("cleo", &id).await
}
