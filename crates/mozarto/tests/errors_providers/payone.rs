//! PayOne: the error and status rows of its sheet.

use super::*;
use testkit::client::bodies;

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

/// All rows, one after the other.
pub(crate) async fn rows(hands: Hands) -> Result<()> {
    let mut rows = Rows::default();
    let (page, money) = (bodies::payone("PAYIN", "310.00"), bodies::payone("PAYOUT", "320.00"));
    let mut deposit = payone_rows();
    deposit.push(("unreadable", says(200, json!("<html>hello</html>")), UNKNOWN));
    deposit.push(("no redirect_url", says(200, json!({"success": true, "message": "taken"})), UNKNOWN));
    for (name, upstream, row) in deposit {
        rows.row(&format!("deposit: {name}"), provoked(&hands, "payone", "/api/deposit", &page, upstream, row)).await;
    }
    // Certain refusals of a withdraw; all else is asked about.
    let certain = [
        "404 without a body",
        "Invalid account details",
        "Invalid API key, with 200",
        "429 with Retry-After",
        "429",
        "401",
        "403",
        "404 with a body",
        "a refusal",
        "a refusal, with 200",
    ];
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
    for (word, status, shown) in [
        ("Approved", "Approved", "success"),
        ("Declined", "Declined", "Declined"),
        ("Cancelled", "Declined", "Cancelled"),
        ("Expired", "Declined", "Expired"),
    ] {
        rows.row(&format!("status {word}"), payone_word(&hands, word, status, shown)).await;
    }
    rows.row("status unknown to us", payone_unknown_word(&hands)).await;
    rows.row("a word against the end", payone_contradiction(&hands)).await;
    for (name, member, value) in [
        ("amount", "amount", "31.00"),
        ("currency", "currency", "USD"),
        ("type", "type", "withdraw"),
        ("reference", "referenceId", "64a1f2b3c4d5e6f7a8b9c0d1"),
    ] {
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
    next_about(hands, "payone", "/api/transaction", &id, says(200, record)).await?;
    inquire(hands, &id).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.nothing_moved("payone", &id).await
}
