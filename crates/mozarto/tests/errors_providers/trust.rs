//! Trust: the error rows of its query, and every status row, as its notification and as its record.

use super::*;
use testkit::client::bodies;
use testkit::forms::Form;

const NAME: &str = "trust";
const QUERY: &str = "/json/";

/// All rows, one after the other. Creating calls nobody: what goes wrong is the query, which changes nothing, with its errorCode
/// on the timeline.
pub(crate) async fn rows(hands: Hands) -> Result<()> {
    let mut rows = Rows::default();
    let fault = |code: &str| {
        let response = json!({"requesttypedescription": "ERROR", "errorcode": code, "errormessage": "no", "errordata": ["x"]});
        says(200, json!({"requestreference": "A1b2c3d4e", "version": "1.00", "response": [response]}))
    };
    let foreign = json!({"requestreference": "A1b2c3d4e", "version": "1.00", "response": [
        {"requesttypedescription": "TRANSACTIONQUERY", "errorcode": "0", "errormessage": "Ok", "records": []}]});
    let failures = [
        ("401", json!({"http": 401}), "INVALID_PSP_CREDENTIALS"),
        ("403", json!({"http": 403}), "INVALID_PSP_CREDENTIALS"),
        ("404", json!({"http": 404}), "INVALID_PSP_CREDENTIALS"),
        ("30001", fault("30001"), "INVALID_PSP_CREDENTIALS"),
        ("30006", fault("30006"), "INVALID_PSP_CREDENTIALS"),
        ("30008", fault("30008"), "INVALID_PSP_CREDENTIALS"),
        ("50005", fault("50005"), "PSP_TIMEOUT"),
        ("60020", fault("60020"), "PSP_TIMEOUT"),
        ("408", json!({"http": 408}), "PSP_TIMEOUT"),
        ("timeout in the body", says(400, json!("Gateway timeout")), "PSP_TIMEOUT"),
        ("500", json!({"http": 500}), "PSP_UNAVAILABLE"),
        ("503", json!({"http": 503}), "PSP_UNAVAILABLE"),
        ("429", json!({"http": 429, "headers": {"Retry-After": "3"}}), "PSP_RATE_LIMITED"),
        ("30000", fault("30000"), "UNKNOWN_PSP_ERROR"),
        ("another requestreference", says(200, foreign), "UNKNOWN_PSP_ERROR"),
        ("no JSON", says(200, json!("<html></html>")), "UNKNOWN_PSP_ERROR"),
        ("400", json!({"http": 400}), "UNKNOWN_PSP_ERROR"),
    ];
    for (name, upstream, code) in failures {
        rows.row(&format!("query: {name}"), query_fails(&hands, upstream.clone(), code)).await;
        rows.row(&format!("Test connection: {name}"), test_connection(&hands, "TRUST", QUERY, Some(upstream), false)).await;
    }
    rows.row("Test connection", test_connection(&hands, "TRUST", QUERY, None, true)).await;
    for settle in ["0", "1", "10", "100"] {
        rows.row(&format!("0/{settle}"), word(&hands, &format!("0/{settle}"), "Approved")).await;
    }
    rows.row("0/3", word(&hands, "0/3", "Cancelled")).await;
    for code in ["70000", "71000", "72000", "60022", "60036", "60042", "60043", "60044", "60045", "60500"] {
        rows.row(code, word(&hands, code, "Declined")).await;
    }
    for code in [
        "0/2", "60010", "60034", "99999", "50000", "50014", "60020", "70001", "79000", "79001", "30000", "31000", "31004",
        "40000",
    ] {
        rows.row(code, word(&hands, code, "Pending")).await;
    }
    for odd in ["65000", "0/7", "odd"] {
        rows.row(&format!("unknown: {odd}"), unknown_word(&hands, odd)).await;
    }
    for (outcome, what) in [("reverse", "0/3"), ("refund", "0/0")] {
        rows.row(&format!("{outcome} after the approval"), taken_back(&hands, outcome, what)).await;
    }
    rows.row("suspended, then released", released(&hands)).await;
    rows.row("bank error, then settled", settled_later(&hands)).await;
    rows.row("forged notification", forged(&hands)).await;
    rows.end()
}

/// A pay-in whose form Trust has.
async fn posted(hands: &Hands, amount: &str) -> Result<String> {
    let answer = hands.client.cashier(&bodies::trust("EUR", amount)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let url = answer.text("/data/paymentUrl").to_owned();
    let page = hands.client.send("GET", &url, &[], None).await?;
    ensure!(page.status == 200, "the page: {}", page.status);
    let there = Form::of(&page.bytes)?.post(&hands.client, &url, &[]).await?;
    let text = String::from_utf8_lossy(&there.bytes).into_owned();
    ensure!(there.status == 200 && !text.contains("Invalid details"), "{} {text}", there.status);
    id_of(&answer)
}

async fn timeline(hands: &Hands, id: &str) -> Result<String> {
    Ok(hands.client.status(id).await?.body["data"]["events"].to_string())
}

async fn query_fails(hands: &Hands, upstream: Value, code: &str) -> Result<()> {
    let id = posted(hands, "610.00").await?;
    next_about(hands, NAME, QUERY, &id, upstream).await?;
    inquire(hands, &id).await?;
    let data = hands.managed(&id).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    let events = timeline(hands, &id).await?;
    ensure!(events.contains(&format!("\"errorCode\":\"{code}\"")), "{code} is not on the timeline: {events}");
    hands.webhooks(&id, &[], LIMIT).await
}

async fn word(hands: &Hands, word: &str, status: &str) -> Result<()> {
    let id = posted(hands, "620.00").await?;
    control(hands, NAME, &id, &format!("status/{}", word.replace('/', "%2F"))).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    let webhooks: &[&str] = if status == "Pending" { &[] } else { &[status] };
    hands.webhooks(&id, webhooks, LIMIT).await
}

async fn unknown_word(hands: &Hands, word: &str) -> Result<()> {
    let id = posted(hands, "621.00").await?;
    control(hands, NAME, &id, &format!("status/{}", word.replace('/', "%2F"))).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    control(hands, NAME, &id, "status/0%2F0").await?;
    hands.ends_as(&id, "Approved", "0/0", LIMIT).await?;
    Ok(())
}

async fn taken_back(hands: &Hands, outcome: &str, word: &str) -> Result<()> {
    let id = posted(hands, "622.00").await?;
    control(hands, NAME, &id, "pay").await?;
    hands.ends_as(&id, "Approved", "0/0", LIMIT).await?;
    control(hands, NAME, &id, outcome).await?;
    hands.ends_as(&id, "Reversed", word, LIMIT).await?;
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}

async fn released(hands: &Hands) -> Result<()> {
    let id = posted(hands, "623.00").await?;
    control(hands, NAME, &id, "suspend").await?;
    hands.ends_as(&id, "Pending", "0/2", LIMIT).await?;
    control(hands, NAME, &id, "approve").await?;
    hands.ends_as(&id, "Approved", "0/0", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

/// The published test amount of a bank system's error.
async fn settled_later(hands: &Hands) -> Result<()> {
    let id = posted(hands, "600.10").await?;
    control(hands, NAME, &id, "pay").await?;
    hands.ends_as(&id, "Pending", "60010", LIMIT).await?;
    control(hands, NAME, &id, "decline").await?;
    hands.ends_as(&id, "Declined", "70000", LIMIT).await?;
    hands.webhooks(&id, &["Declined"], LIMIT).await
}

/// Success told for what nobody paid, with a hash that is wrong: Trust is asked, and knows nothing of it.
async fn forged(hands: &Hands) -> Result<()> {
    let set = hands.client.control("PUT", &format!("/{NAME}/settings"), Some(json!({"forgeCallbacks": true}))).await?;
    ensure!(set.status == 200, "settings: {} {}", set.status, set.body);
    let id = posted(hands, "624.00").await;
    let set = hands.client.control("PUT", &format!("/{NAME}/settings"), Some(json!({"forgeCallbacks": false}))).await?;
    ensure!(set.status == 200, "settings: {} {}", set.status, set.body);
    let id = id?;
    let until = tokio::time::Instant::now() + LIMIT;
    while !timeline(hands, &id).await?.contains("notified unsigned: AUTH, errorcode 0") {
        ensure!(tokio::time::Instant::now() < until, "the forged notification is not on the timeline");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    hands.webhooks(&id, &[], LIMIT).await?;
    ensure!(hands.managed(&id).await?["transaction_status"] == "Pending", "believed");
    hands.nothing_moved(NAME, &id).await
}
