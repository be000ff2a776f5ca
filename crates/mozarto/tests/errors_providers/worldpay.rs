//! Worldpay: the error rows of both modes, of the second submit and of the inquiry; every status row.

use super::*;
use testkit::client::bodies;

const NAME: &str = "worldpay";
const SERVICE: &str = "/jsp/merchant/xml/paymentService.jsp";
const VISA: &str = "4444333322221111";
const CHALLENGE: &str = "4000000000001091";
const PLAIN: &str = "John Doe";
/// Amounts that only submits carry: an inquiry does not use an answer up.
const HOSTED_AMOUNT: (&str, &str) = ("610.00", "value=\"61000\"");
const DIRECT_AMOUNT: (&str, &str) = ("620.00", "value=\"62000\"");

fn xml(inner: &str) -> Value {
    let root = "<paymentService version=\"1.4\"><reply>";
    says(200, json!(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{root}{inner}</reply></paymentService>")))
}

fn error(code: &str, text: &str) -> Value {
    xml(&format!("<error code=\"{code}\"><![CDATA[{text}]]></error>"))
}

/// An answer about an order: what stands in its `orderStatus`.
fn about(id: &str, inner: &str) -> Value {
    xml(&format!("<orderStatus orderCode=\"{id}\">{inner}</orderStatus>"))
}

fn payment(event: &str, minor: i64, currency: &str) -> String {
    format!(
        "<payment><paymentMethod>VISA-SSL</paymentMethod><amount value=\"{minor}\" currencyCode=\"{currency}\" exponent=\"2\"/><lastEvent>{event}</lastEvent></payment>"
    )
}

/// Refused for certain, in either mode; `true`: the raw answer is shown.
fn certain() -> Vec<(String, Value, Row)> {
    let mut rows = vec![
        ("401".to_owned(), says(401, json!("<html>Requires Authentication</html>")), CREDENTIALS),
        ("403".to_owned(), json!({"http": 403}), CREDENTIALS),
        ("404".to_owned(), json!({"http": 404}), CREDENTIALS),
        ("error 4".to_owned(), error("4", "Security violation"), CREDENTIALS),
        ("429".to_owned(), json!({"http": 429, "headers": {"Retry-After": "3"}}), LIMITED),
    ];
    for code in ["2", "3", "5", "6", "10", "11", "12", "13", "14"] {
        rows.push((format!("error {code}"), error(code, "no good"), UNKNOWN));
    }
    rows
}

/// What leaves open whether an order was taken, with the row of a hosted one.
fn doubtful() -> Vec<(&'static str, Value, Row)> {
    let other = about("64a1f2b3c4d5e6f7a8b9c0ff", &payment("AUTHORISED", 62_000, "EUR"));
    vec![
        ("408", json!({"http": 408}), TIMEOUT),
        ("timeout in no XML", says(200, json!("<p>Gateway Timeout")), TIMEOUT),
        ("500", json!({"http": 500}), UNAVAILABLE),
        ("503 with a refusal", says(503, error("2", "no")["body"].clone()), UNAVAILABLE),
        ("error 8", error("8", "Service temporarily unavailable"), UNAVAILABLE),
        ("302", json!({"http": 302, "headers": {"Location": "https://a.example/"}}), UNKNOWN),
        ("no XML", says(200, json!("<html><p>Welcome")), UNKNOWN),
        ("an internal subset", says(200, json!("<!DOCTYPE a [<!ENTITY e \"x\">]><paymentService/>")), UNKNOWN),
        ("error 1", error("1", "Internal error"), UNKNOWN),
        ("error 9", error("9", "Idempotency"), UNKNOWN),
        ("error 5 Duplicate Order", error("5", "Duplicate Order"), UNKNOWN),
        ("another order", other, UNKNOWN),
    ]
}

/// All rows, one after the other.
pub(crate) async fn rows(hands: Hands) -> Result<()> {
    let mut rows = Rows::default();
    for (name, upstream, row) in certain() {
        rows.row(&format!("hosted: {name}"), hosted_fails(&hands, upstream.clone(), row)).await;
        rows.row(&format!("direct: {name}"), direct_fails(&hands, upstream, row)).await;
    }
    for (name, upstream, row) in doubtful() {
        rows.row(&format!("hosted: {name}"), hosted_fails(&hands, upstream.clone(), row)).await;
        rows.row(&format!("direct: {name}"), direct_in_doubt(&hands, upstream)).await;
    }
    for direct in [false, true] {
        rows.row(&format!("error 7, direct {direct}"), details_refused(&hands, direct)).await;
    }
    rows.row("no connection", not_connected(&hands)).await;
    rows.row("a required setting is empty", not_configured(&hands)).await;
    for (name, upstream) in [("500", json!({"http": 500})), ("error 5", error("5", "no")), ("401", json!({"http": 401}))] {
        rows.row(&format!("second submit: {name}"), second_submit_fails(&hands, upstream)).await;
    }
    // Nothing is captured by itself: the words are those of the rows.
    set(&hands, &account(&hands, false).await?, json!({"captureDelay": "OFF"})).await?;
    status_rows(&hands, &mut rows).await;
    inquiry_rows(&hands, &mut rows).await;
    rows.row("Test connection", test_connection(&hands, "WORLDPAY_EU", SERVICE, None, true)).await;
    for (name, upstream) in [
        ("401", json!({"http": 401})),
        ("error 4", error("4", "Security violation")),
        ("500", json!({"http": 500})),
        ("no XML", says(200, json!("<html>"))),
    ] {
        rows.row(&format!("Test connection: {name}"), test_connection(&hands, "WORLDPAY_EU", SERVICE, Some(upstream), false))
            .await;
    }
    rows.end()
}

async fn status_rows(hands: &Hands, rows: &mut Rows) {
    for (event, status) in [
        ("AUTHORISED", "Approved"),
        ("CAPTURED", "Approved"),
        ("SETTLED", "Approved"),
        ("SETTLED_BY_MERCHANT", "Approved"),
        ("REFUSED", "Declined"),
        ("CANCELLED", "Cancelled"),
        ("SHOPPER_CANCELLED", "Cancelled"),
        ("VOIDED", "Cancelled"),
        ("EXPIRED", "Expired"),
        ("REFUNDED", "Reversed"),
        ("REFUNDED_BY_MERCHANT", "Reversed"),
        ("CHARGED_BACK", "Reversed"),
        // What can only follow a payment proves it.
        ("SENT_FOR_REFUND", "Approved"),
        ("REFUND_FAILED", "Approved"),
        ("DISPUTED_FUNDS_HELD", "Approved"),
        ("CHARGEBACK_REVERSED", "Approved"),
        ("SENT_FOR_AUTHORISATION", "Pending"),
        ("WAITING_FOR_AUTHORISATION", "Pending"),
        ("SHOPPER_REDIRECTED", "Pending"),
        ("WAITING_FOR_SHOPPER", "Pending"),
        ("SIGNED_FORM_RECEIVED", "Pending"),
        ("ERROR", "Pending"),
        ("FAILURE", "Pending"),
        ("QUERY_REQUIRED", "Pending"),
    ] {
        rows.row(&format!("status {event}"), word(hands, event, status)).await;
    }
    rows.row("status OPEN, null", no_news(hands)).await;
    for event in ["CAPTURED", "SETTLED"] {
        rows.row(&format!("after the approval: {event}"), word_follows(hands, event)).await;
    }
    for event in ["CANCELLED", "SHOPPER_CANCELLED", "VOIDED", "EXPIRED", "REFUNDED", "REFUNDED_BY_MERCHANT", "CHARGED_BACK"] {
        rows.row(&format!("after the approval: {event}"), taken_back(hands, event)).await;
    }
    for event in ["SENT_FOR_REFUND", "REFUND_WEBFORM_ISSUED", "INFORMATION_REQUESTED", "INFORMATION_SUPPLIED"] {
        rows.row(&format!("after the approval: {event}"), only_told(hands, event, false)).await;
    }
    for event in ["CAPTURE_FAILED", "REFUSED_BY_BANK", "REVOKED", "REFUND_FAILED", "CHARGEBACK_REVERSED", "ODD_WORD"] {
        rows.row(&format!("after the approval: {event}"), only_told(hands, event, true)).await;
    }
}

async fn inquiry_rows(hands: &Hands, rows: &mut Rows) {
    let absent = "<error code=\"5\"><![CDATA[Could not find payment for order]]></error>";
    for (name, inner) in [
        ("another amount", payment("AUTHORISED", 5_001, "EUR")),
        ("another currency", payment("AUTHORISED", 5_000, "USD")),
        ("an unknown event", payment("ODD_WORD", 5_000, "EUR")),
    ] {
        rows.row(&format!("inquiry: {name}"), contradicts(hands, &inner, None)).await;
    }
    let other = Some("64a1f2b3c4d5e6f7a8b9c0ff");
    rows.row("inquiry: another order", contradicts(hands, &payment("AUTHORISED", 5_000, "EUR"), other)).await;
    rows.row("inquiry: two successes", two_successes(hands)).await;
    rows.row("inquiry: a partial refund", partial_refund(hands)).await;
    let whole = payment("AUTHORISED", 5_000, "EUR");
    for (name, upstream) in [
        ("500", json!({"http": 500})),
        ("401", json!({"http": 401})),
        ("no XML", says(200, json!("<html>"))),
        ("error 1", error("1", "Internal error")),
        ("error 5", error("5", "Could not find payment for order")),
        ("cut off", says(200, json!(format!("<paymentService><reply><orderStatus>{whole}")))),
    ] {
        rows.row(&format!("inquiry: {name}"), stays(hands, |_| upstream.clone())).await;
    }
    rows.row("inquiry: no payment yet", stays(hands, |id| about(id, absent))).await;
}

// --- orders -----------------------------------------------------------------------------------

async fn next_submit(hands: &Hands, marker: &str, upstream: Value) -> Result<()> {
    next_about(hands, NAME, SERVICE, marker, upstream).await
}

async fn fails(hands: &Hands, body: &str, marker: &str, upstream: Value, row: Row) -> Result<()> {
    let retry_after = (row.0 == 429).then(|| upstream["headers"]["Retry-After"].as_str().unwrap_or("1").to_owned());
    let data = (row.1 == UNKNOWN.1).then(|| if upstream["body"].is_null() { json!("") } else { upstream["body"].clone() });
    next_submit(hands, marker, upstream).await?;
    let answer = hands.client.cashier(body).await?;
    failed(hands, &answer, row, data.as_ref(), retry_after.as_deref()).await?;
    hands.nothing_moved(NAME, &id_of(&answer)?).await
}

async fn hosted_fails(hands: &Hands, upstream: Value, row: Row) -> Result<()> {
    fails(hands, &bodies::worldpay(HOSTED_AMOUNT.0), HOSTED_AMOUNT.1, upstream, row).await
}

async fn direct_fails(hands: &Hands, upstream: Value, row: Row) -> Result<()> {
    fails(hands, &bodies::worldpay_card(DIRECT_AMOUNT.0, VISA, PLAIN), DIRECT_AMOUNT.1, upstream, row).await
}

/// 200 `Pending`, and nothing else is sent.
async fn direct_in_doubt(hands: &Hands, upstream: Value) -> Result<()> {
    next_submit(hands, DIRECT_AMOUNT.1, upstream).await?;
    let answer = hands.client.cashier(&bodies::worldpay_card(DIRECT_AMOUNT.0, VISA, PLAIN)).await?;
    ensure!(answer.status == 200, "HTTP {}: {}", answer.status, answer.body);
    let text = "Transaction is being processed";
    ensure!(answer.body["message"] == text && answer.body["data"]["message"] == text, "{}", answer.body);
    ensure!(answer.text("/transaction/status") == "unknown", "{}", answer.body);
    ensure!(answer.body["data"].get("paymentUrl").is_none(), "{}", answer.body);
    hands.nothing_moved(NAME, &id_of(&answer)?).await
}

async fn details_refused(hands: &Hands, direct: bool) -> Result<()> {
    let (amount, marker) = if direct { DIRECT_AMOUNT } else { HOSTED_AMOUNT };
    let body = if direct { bodies::worldpay_card(amount, VISA, PLAIN) } else { bodies::worldpay(amount) };
    next_submit(hands, marker, error("7", &format!("Invalid payment details : Card number : {VISA}"))).await?;
    let answer = hands.client.cashier(&body).await?;
    ensure!(answer.status == 400, "HTTP {}: {}", answer.status, answer.body);
    let id = id_of(&answer)?;
    let expected = json!({
        "status": "error", "message": "Payment details were refused by the provider.", "isSuccess": false, "errors": [],
        "transactionId": id, "transaction": "<object>",
    });
    same_shape(&answer.body, &expected)?;
    hands.client.wait_for(&id, &["Failed"], LIMIT).await?;
    hands.webhooks(&id, &["Failed"], LIMIT).await?;
    let shown = format!("{}{}", answer.body, hands.managed(&id).await?);
    ensure!(!shown.contains(VISA), "a card number is shown: {shown}");
    hands.nothing_moved(NAME, &id).await
}

/// The demo company's account for cards, or the one of hosted pages.
async fn account(hands: &Hands, direct: bool) -> Result<String> {
    let methods = hands.client.manage("GET", "/payment-methods?limit=200", None).await?;
    let methods = methods.body["data"]["items"].as_array().cloned().unwrap_or_default();
    let of_provider = methods.iter().filter(|method| method["pspType"] == "WORLDPAY_EU");
    let found = of_provider.into_iter().find(|method| (method["config"]["integrationMode"] == "direct") == direct);
    let id = found.and_then(|method| method["id"].as_str()).unwrap_or_default();
    ensure!(!id.is_empty(), "no such account");
    Ok(format!("/payment-methods/{id}"))
}

async fn set(hands: &Hands, path: &str, config: Value) -> Result<Value> {
    let set = hands.client.manage("PATCH", path, Some(json!({"config": config}))).await?;
    ensure!(set.status == 200, "{} {}", set.status, set.body);
    Ok(set.body)
}

async fn not_connected(hands: &Hands) -> Result<()> {
    let account = account(hands, true).await?;
    set(hands, &account, json!({"baseUrl": "http://127.0.0.1:9"})).await?;
    let answer = hands.client.cashier(&bodies::worldpay_card(DIRECT_AMOUNT.0, VISA, PLAIN)).await;
    set(hands, &account, json!({"baseUrl": format!("{}/{NAME}", hands.client.simulator)})).await?;
    failed(hands, &answer?, UNAVAILABLE, None, None).await
}

async fn not_configured(hands: &Hands) -> Result<()> {
    let account = account(hands, true).await?;
    let shown = set(hands, &account, json!({"threeDsIssuer": null})).await?;
    let warned = shown.to_string().contains("Missing required field: threeDsIssuer");
    let answer = hands.client.cashier(&bodies::worldpay_card(DIRECT_AMOUNT.0, VISA, PLAIN)).await;
    set(hands, &account, json!({"threeDsIssuer": "wp-demo-issuer"})).await?;
    let answer = answer?;
    ensure!(warned, "no warning: {shown}");
    let Row(http, code, _, message) = NOT_CONFIGURED;
    ensure!(answer.status == http && answer.body["errorCode"] == code && answer.body["message"] == message, "{}", answer.body);
    ensure!(answer.body.get("transactionId").is_none(), "nothing is created: {}", answer.body);
    Ok(())
}

/// A second submit without a result: asked about; what Worldpay says later counts.
async fn second_submit_fails(hands: &Hands, upstream: Value) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay_card("630.00", CHALLENGE, PLAIN)).await?;
    let (id, page) = (id_of(&answer)?, answer.text("/data/paymentUrl").to_owned());
    ensure!(!page.is_empty(), "no challenge: {}", answer.body);
    next_about(hands, NAME, SERVICE, "completedAuthentication", upstream).await?;
    for _ in 0..2 {
        let back = hands.client.send("POST", &format!("{page}/return"), &[], Some(Vec::new())).await?;
        ensure!(back.status == 303, "{}", back.status);
        ensure!(back.header("location").is_some_and(|url| url.ends_with("result=pending")), "{:?}", back.header("location"));
    }
    hands.client.wait_for(&id, &["Pending"], LIMIT).await?;
    hands.nothing_moved(NAME, &id).await?;
    control(hands, NAME, &id, "approve").await?;
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once(NAME, &id, &json!({"direction": "in", "amount": "630.00", "currency": "EUR"})).await?;
    Ok(())
}

// --- statuses ---------------------------------------------------------------------------------

async fn opened(hands: &Hands) -> Result<String> {
    let answer = hands.client.cashier(&bodies::worldpay("50.00")).await?;
    ensure!(answer.status == 200, "HTTP {}: {}", answer.status, answer.body);
    id_of(&answer)
}

async fn approved(hands: &Hands) -> Result<String> {
    let id = opened(hands).await?;
    control(hands, NAME, &id, "status/AUTHORISED").await?;
    hands.ends_as(&id, "Approved", "AUTHORISED", LIMIT).await?;
    Ok(id)
}

async fn word(hands: &Hands, event: &str, status: &str) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, NAME, &id, &format!("status/{event}")).await?;
    hands.ends_as(&id, status, event, LIMIT).await?;
    let webhooks: &[&str] = match status {
        "Pending" => &[],
        "Reversed" => &["Approved", "Reversed"],
        status => &[status],
    };
    hands.webhooks(&id, webhooks, LIMIT).await
}

async fn no_news(hands: &Hands) -> Result<()> {
    for (event, shown) in [("OPEN", "OPEN"), ("null", "PENDING")] {
        let id = opened(hands).await?;
        let reply = about(&id, &payment(event, 5_000, "EUR"));
        next_about(hands, NAME, SERVICE, &id, reply).await?;
        inquire(hands, &id).await?;
        hands.ends_as(&id, "Pending", shown, LIMIT).await?;
    }
    Ok(())
}

/// The raw word follows, without a second webhook.
async fn word_follows(hands: &Hands, event: &str) -> Result<()> {
    let id = approved(hands).await?;
    control(hands, NAME, &id, &format!("status/{event}")).await?;
    hands.ends_as(&id, "Approved", event, LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

async fn taken_back(hands: &Hands, event: &str) -> Result<()> {
    let id = approved(hands).await?;
    control(hands, NAME, &id, &format!("status/{event}")).await?;
    hands.ends_as(&id, "Reversed", event, LIMIT).await?;
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}

/// On the timeline, as an anomaly or not; the status stays.
async fn only_told(hands: &Hands, event: &str, anomaly: bool) -> Result<()> {
    let id = approved(hands).await?;
    control(hands, NAME, &id, &format!("status/{event}")).await?;
    if anomaly {
        hands.needs_attention(&id, "anomaly", LIMIT).await?;
    }
    on_timeline(hands, &id, event).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["attention"].is_null() != anomaly, "{shown}");
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

/// Waits until the timeline has the text.
async fn on_timeline(hands: &Hands, id: &str, text: &str) -> Result<()> {
    let until = tokio::time::Instant::now() + LIMIT;
    loop {
        let shown = hands.client.status(id).await?.body["data"]["events"].to_string() + &hands.managed(id).await?.to_string();
        if shown.contains(text) {
            return Ok(());
        }
        ensure!(tokio::time::Instant::now() < until, "{text} is not on the timeline: {shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

// --- inquiries --------------------------------------------------------------------------------

/// The record says it of this order, or of another one.
async fn contradicts(hands: &Hands, inner: &str, order: Option<&str>) -> Result<()> {
    let id = opened(hands).await?;
    next_about(hands, NAME, SERVICE, &id, about(order.unwrap_or(&id), inner)).await?;
    inquire(hands, &id).await?;
    hands.needs_attention(&id, "anomaly", LIMIT).await?;
    hands.client.wait_for(&id, &["Pending"], LIMIT).await?;
    hands.webhooks(&id, &[], LIMIT).await
}

async fn two_successes(hands: &Hands) -> Result<()> {
    let id = opened(hands).await?;
    let twice = payment("AUTHORISED", 5_000, "EUR") + &payment("CAPTURED", 5_000, "EUR");
    next_about(hands, NAME, SERVICE, &id, about(&id, &twice)).await?;
    inquire(hands, &id).await?;
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    hands.needs_attention(&id, "anomaly", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

async fn partial_refund(hands: &Hands) -> Result<()> {
    let id = approved(hands).await?;
    next_about(hands, NAME, SERVICE, &id, about(&id, &payment("REFUNDED", 2_000, "EUR"))).await?;
    inquire(hands, &id).await?;
    on_timeline(hands, &id, "a part was refunded").await?;
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

/// Whatever the inquiry met, the transaction is open as before.
async fn stays(hands: &Hands, upstream: impl Fn(&str) -> Value) -> Result<()> {
    let id = opened(hands).await?;
    next_about(hands, NAME, SERVICE, &id, upstream(&id)).await?;
    inquire(hands, &id).await?;
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == "Pending" && shown["attention"].is_null(), "{shown}");
    hands.webhooks(&id, &[], LIMIT).await
}
