//! Neosurf: the error and status rows of its sheet.

use super::*;
use testkit::client::bodies;

const NAME: &str = "neosurf";
const SOAP: &str = "/soap/index.php";

fn neosurf_rows() -> Vec<(&'static str, Value, Row)> {
    vec![
        ("401", json!({"http": 401}), CREDENTIALS),
        ("403", says(403, json!("<h1>Forbidden</h1>")), CREDENTIALS),
        ("404", json!({"http": 404}), CREDENTIALS),
        ("408", json!({"http": 408}), TIMEOUT),
        ("timeout in the body", says(200, json!({"error": "Gateway timeout", "errorcode": "1"})), TIMEOUT),
        ("500", json!({"http": 500}), UNAVAILABLE),
        ("503 with a refusal", says(503, json!({"error": "busy", "errorcode": "1"})), UNAVAILABLE),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "3"}}), LIMITED),
        ("429", json!({"http": 429}), LIMITED),
    ]
}

/// An unknown answer, and the text that is shown of it.
fn unknown_rows() -> Vec<(&'static str, Value, &'static str)> {
    let html = |code: &str| says(200, json!(format!("<html><script>{code}</script></html>")));
    vec![
        ("a page without an address", says(200, json!("<html><h1>Welcome</h1> back</html>")), "Welcome back"),
        (
            "an address of no web",
            html("document.location.href='javascript:alert(1)'"),
            "document.location.href='javascript:alert(1)'",
        ),
        (
            "an address without https",
            html("document.location.href='http://a.example/'"),
            "document.location.href='http://a.example/'",
        ),
        ("nothing in it", says(200, json!({})), "{}"),
        ("a refusal with 400", says(400, json!({"error": "The amount is not correct"})), "The amount is not correct"),
        ("301", json!({"http": 301, "headers": {"Location": "https://a.example/"}}), ""),
        ("302 to nowhere", json!({"http": 302, "headers": {"Location": "/EN-X"}}), ""),
    ]
}

/// All rows, one after the other. The create's path is the simulator's root, so that its rows name the transaction's amount.
pub(crate) async fn rows(hands: Hands) -> Result<()> {
    let mut rows = Rows::default();
    for (name, upstream, row) in neosurf_rows() {
        rows.row(name, refused(&hands, upstream, row)).await;
    }
    for (name, upstream, shown) in unknown_rows() {
        rows.row(name, unknown(&hands, upstream, shown)).await;
    }
    rows.row("business refusal", business_refusal(&hands)).await;
    for upstream in [
        json!({"http": 302, "headers": {"Location": PAGE}}),
        json!({"http": 303, "headers": {"Location": PAGE}}),
        says(200, json!({"url": PAGE})),
        says(200, json!({"redirectUrl": PAGE})),
        says(200, json!(format!("<script>document.location.href = \"{PAGE}\"</script>"))),
    ] {
        rows.row(&format!("the page in {upstream}"), page_found(&hands, upstream)).await;
    }
    for (word, status) in [("ok", "Approved"), ("ko", "Declined")] {
        rows.row(&format!("callback {word}"), word_of_callback(&hands, word, status)).await;
    }
    rows.row("callback pending", pending(&hands)).await;
    rows.row("callback unknown to us", unknown_word(&hands)).await;
    let told = |status: &str, code: &str, message: &str| {
        [("status", status.to_owned()), ("errorCode", code.to_owned()), ("errorMessage", message.to_owned())]
    };
    for (fields, status, word) in [
        (told("ok", "", ""), "Approved", "ok"),
        (told("ko", "1001", "declined"), "Declined", "ko"),
        (told("ko", "1002", ""), "Cancelled", "ko"),
        (told("ko", "", "Cancelled by somebody"), "Cancelled", "ko"),
        (told("ko", "1003", ""), "Expired", "ko"),
        (told("ko", "", "has expired"), "Expired", "ko"),
        (told("pending", "", ""), "Pending", "pending"),
    ] {
        rows.row(&format!("query {fields:?}"), query_says(&hands, &fields, status, word)).await;
    }
    for fields in [
        told("ok", "7", "").to_vec(),
        told("refunded", "", "").to_vec(),
        vec![("status", "ok".to_owned()), ("amount", "5001".to_owned())],
        vec![("status", "ok".to_owned()), ("currency", "usd".to_owned())],
        vec![("status", "ok".to_owned()), ("merchantTransactionId", "64a1f2b3c4d5e6f7a8b9c0d1".to_owned())],
    ] {
        rows.row(&format!("query {fields:?}"), query_contradicts(&hands, &fields)).await;
    }
    for upstream in
        [json!({"http": 500}), says(200, json!("<Envelope><Body><Fault/></Body></Envelope>")), says(200, json!("<Envelope>"))]
    {
        rows.row(&format!("query {upstream}"), query_fails(&hands, upstream)).await;
    }
    rows.row("forged callback", forged(&hands)).await;
    rows.row("Test connection", test_connection(&hands, "NEOSURF", SOAP, None, true)).await;
    for http in [401, 403, 404] {
        let row = test_connection(&hands, "NEOSURF", SOAP, Some(json!({"http": http})), false);
        rows.row(&format!("Test connection: {http}"), row).await;
    }
    rows.end()
}

const PAGE: &str = "https://pay.secure-neosurf.com/EN-A1B2C3D4E5F6G7H8I";

/// The next create is answered so; a status query's body has no `urlCallback`.
async fn next_create(hands: &Hands, upstream: Value) -> Result<()> {
    next_about(hands, NAME, "/", "urlCallback", upstream).await
}

async fn refused(hands: &Hands, upstream: Value, row: Row) -> Result<()> {
    let retry_after = (row.0 == 429).then(|| upstream["headers"]["Retry-After"].as_str().unwrap_or("1").to_owned());
    next_create(hands, upstream).await?;
    let answer = hands.client.cashier(&bodies::neosurf("EUR", "610.00")).await?;
    failed(hands, &answer, row, None, retry_after.as_deref()).await
}

async fn unknown(hands: &Hands, upstream: Value, shown: &str) -> Result<()> {
    next_create(hands, upstream).await?;
    let answer = hands.client.cashier(&bodies::neosurf("EUR", "611.00")).await?;
    failed(hands, &answer, UNKNOWN, Some(&json!({"error": shown})), None).await
}

/// The sheet's example, field for field.
async fn business_refusal(hands: &Hands) -> Result<()> {
    next_create(hands, says(200, json!({"error": "The amount is not correct", "errorcode": "2003"}))).await?;
    let answer = hands.client.cashier(&bodies::neosurf("EUR", "612.00")).await?;
    ensure!(answer.status == 400, "HTTP {}: {}", answer.status, answer.body);
    let id = id_of(&answer)?;
    let expected = json!({
        "status": "error", "message": "The amount is not correct", "isSuccess": false, "errors": [], "transactionId": id,
        "data": {"error": "The amount is not correct", "errorcode": "2003"}, "transaction": "<object>",
    });
    same_shape(&answer.body, &expected)?;
    hands.client.wait_for(&id, &["Failed"], LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    hands.nothing_moved(NAME, &id).await
}

async fn page_found(hands: &Hands, upstream: Value) -> Result<()> {
    next_create(hands, upstream).await?;
    let answer = hands.client.cashier(&bodies::neosurf("EUR", "613.00")).await?;
    ensure!(answer.status == 200 && answer.text("/transaction/redirectUrl") == PAGE, "{} {}", answer.status, answer.body);
    Ok(())
}

async fn opened(hands: &Hands) -> Result<String> {
    let answer = hands.client.cashier(&bodies::neosurf("EUR", "50.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    id_of(&answer)
}

async fn word_of_callback(hands: &Hands, word: &str, status: &str) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, NAME, &id, &format!("status/{word}")).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await
}

async fn pending(hands: &Hands) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, NAME, &id, "status/pending").await?;
    inquire(hands, &id).await?;
    hands.ends_as(&id, "Pending", "pending", LIMIT).await?;
    hands.webhooks(&id, &[], LIMIT).await
}

async fn unknown_word(hands: &Hands) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, NAME, &id, "status/exploded").await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    control(hands, NAME, &id, "status/ok").await?;
    hands.ends_as(&id, "Approved", "ok", LIMIT).await?;
    Ok(())
}

/// The status query's answer with these fields.
fn details(fields: &[(&str, String)]) -> Value {
    let fields: String = fields.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
    let text = format!(
        "<S:Envelope xmlns:S=\"a\"><S:Body><S:transactionGetDetailsResponse><opResponse>{fields}</opResponse></S:transactionGetDetailsResponse></S:Body></S:Envelope>"
    );
    says(200, json!(text))
}

/// A manual inquiry is answered so.
async fn asked(hands: &Hands, upstream: Value) -> Result<String> {
    let id = opened(hands).await?;
    next_about(hands, NAME, SOAP, &id, upstream).await?;
    inquire(hands, &id).await?;
    Ok(id)
}

async fn query_says(hands: &Hands, fields: &[(&str, String)], status: &str, word: &str) -> Result<()> {
    let id = asked(hands, details(fields)).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    let webhooks: &[&str] = if status == "Pending" { &[] } else { &[status] };
    hands.webhooks(&id, webhooks, LIMIT).await
}

async fn query_contradicts(hands: &Hands, fields: &[(&str, String)]) -> Result<()> {
    let id = asked(hands, details(fields)).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.webhooks(&id, &[], LIMIT).await
}

async fn query_fails(hands: &Hands, upstream: Value) -> Result<()> {
    let id = asked(hands, upstream).await?;
    hands.ends_as(&id, "Pending", "pending", LIMIT).await?;
    hands.webhooks(&id, &[], LIMIT).await
}

/// Success told for what nobody paid, with a hash that is wrong.
async fn forged(hands: &Hands) -> Result<()> {
    let set = hands.client.control("PUT", &format!("/{NAME}/settings"), Some(json!({"forgeCallbacks": true}))).await?;
    ensure!(set.status == 200, "settings: {} {}", set.status, set.body);
    let id = opened(hands).await;
    let set = hands.client.control("PUT", &format!("/{NAME}/settings"), Some(json!({"forgeCallbacks": false}))).await?;
    ensure!(set.status == 200, "settings: {} {}", set.status, set.body);
    let id = id?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.nothing_moved(NAME, &id).await
}
