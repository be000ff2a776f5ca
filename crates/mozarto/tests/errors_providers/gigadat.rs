//! Gigadat: the error and status rows of its sheet.

use super::*;
use testkit::client::bodies;

const NAME: &str = "gigadat";
const TOKEN: &str = "/api/payment-token";
const REGISTER: &str = "/webflow";
const RELEASE: &str = "/webflow/deposit";
const STATUS: &str = "/api/transactions/";

fn gigadat_rows() -> Vec<(&'static str, Value, Row)> {
    let err = |text: &str| json!({"err": text});
    vec![
        ("401", says(401, err("Unauthorized")), CREDENTIALS),
        ("403", json!({"http": 403}), CREDENTIALS),
        ("404", says(404, err("Campaign not found")), CREDENTIALS),
        ("408", json!({"http": 408}), TIMEOUT),
        ("timeout in the body", says(400, err("Gateway Timeout")), TIMEOUT),
        ("500", says(500, err("Internal error")), UNAVAILABLE),
        ("503 with a page", says(503, json!("<html>busy</html>")), UNAVAILABLE),
        ("429 with Retry-After", json!({"http": 429, "headers": {"Retry-After": "3"}}), LIMITED),
        ("429", says(429, err("slow down")), LIMITED),
        ("err", says(400, err("amount is too low")), UNKNOWN),
        ("err, with 200", says(200, err("amount is too low")), UNKNOWN),
        ("302", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}}), UNKNOWN),
        ("another transaction", says(200, json!({"data": {"transactionId": "64a1f2b3c4d5e6f7a8b9c0d1"}})), UNKNOWN),
    ]
}

/// All rows, one after the other.
pub(crate) async fn rows(hands: Hands) -> Result<()> {
    let mut rows = Rows::default();
    let (page, eto, ach) =
        (bodies::gigadat_in("510.00"), bodies::gigadat_out("ETO", "520.00"), bodies::gigadat_out("ACH", "521.00"));
    for (name, upstream, row) in gigadat_rows() {
        for (call, body) in [(TOKEN, &page), (TOKEN, &ach), (REGISTER, &eto)] {
            let row = provoked(&hands, NAME, call, body, upstream.clone(), row);
            rows.row(&format!("{call}: {name}"), row).await;
        }
    }
    // Asked for once more, with the same end.
    let unreadable = json!({"http": 200, "body": "<html>hello</html>", "times": 2});
    rows.row("token: unreadable twice", provoked(&hands, NAME, TOKEN, &page, unreadable, UNKNOWN)).await;
    rows.row("token: nothing in it", provoked(&hands, NAME, TOKEN, &page, says(200, json!({})), UNKNOWN)).await;
    // Whatever else is no JSON has been accepted.
    rows.row("register: unreadable", provoked(&hands, NAME, REGISTER, &eto, says(200, json!("{\"status\":")), UNKNOWN)).await;
    rows.row("token: unreadable once", second_try(&hands)).await;
    rows.row("secrets are taken out of data", redacted(&hands)).await;
    for word in ["STATUS_INITED", "STATUS_PENDING"] {
        rows.row(word, open_word(&hands, word)).await;
    }
    for (word, status) in ENDS {
        rows.row(&format!("pay-in {word}"), pay_in_word(&hands, word, status)).await;
        rows.row(&format!("pay-out {word}"), pay_out_word(&hands, word, status)).await;
        rows.row(&format!("on hold: {word}"), word_on_hold(&hands, word, status)).await;
    }
    rows.row("a word unknown to us", unknown_word(&hands)).await;
    for told in [json!({"amount": "51.00"}), json!({"currency": "USD"}), json!({"transactionId": "64a1f2b3c4d5e6f7a8b9c0d1"})] {
        rows.row(&format!("an inquiry about {told}"), other_record(&hands, told)).await;
    }
    rows.row("release: err", release_refused(&hands)).await;
    for http in [401, 403, 429] {
        rows.row(&format!("release: {http}"), released_later(&hands, http)).await;
    }
    for upstream in
        [json!({"http": 500}), says(408, json!({"err": "x"})), json!({"http": 404}), says(400, json!({"err": "timeout"}))]
    {
        rows.row(&format!("release: {upstream}"), release_unknown(&hands, upstream)).await;
    }
    rows.row("a callback to another account's address", to_another_account(&hands)).await;
    rows.row("Test connection", test_connection(&hands, "GIGADAT", STATUS, None, true)).await;
    for http in [401, 403] {
        let row = test_connection(&hands, "GIGADAT", STATUS, Some(json!({"http": http})), false);
        rows.row(&format!("Test connection: {http}"), row).await;
    }
    rows.end()
}

const ENDS: [(&str, &str); 7] = [
    ("STATUS_SUCCESS", "Approved"),
    ("STATUS_REJECTED", "Declined"),
    ("STATUS_REJECTED1", "Declined"),
    ("STATUS_FAILED", "Declined"),
    ("STATUS_EXPIRED", "Expired"),
    ("STATUS_ABORTED", "Cancelled"),
    ("STATUS_ABORTED1", "Cancelled"),
];

async fn opened(hands: &Hands) -> Result<String> {
    let answer = hands.client.cashier(&bodies::gigadat_in("511.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    id_of(&answer)
}

/// The address is the account's: what it names of another account is not touched, and somebody should look.
async fn to_another_account(hands: &Hands) -> Result<()> {
    let id = opened(hands).await?;
    let account = json!({"pspType": "GIGADAT", "config": {"accountName": "Second", "apiKey": "gd-second", "secret": "gd-second", "campaignId": "second"}});
    let made = hands.client.manage("POST", "/payment-methods", Some(account)).await?;
    let address = made.text("/data/callbackUrl").to_owned();
    ensure!(!address.is_empty(), "no address: {} {}", made.status, made.body);
    let url = format!("{address}?transaction={id}&status=STATUS_SUCCESS");
    let told = hands.client.send("POST", &url, &[], Some(Vec::new())).await?;
    ensure!(told.status == 200, "{} {}", told.status, told.body);
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.nothing_moved("gigadat", &id).await
}

async fn held(hands: &Hands) -> Result<String> {
    let answer = hands.client.cashier(&bodies::gigadat_out("ETO", "522.00")).await?;
    ensure!(answer.text("/message") == "Added to approvals table", "{} {}", answer.status, answer.body);
    id_of(&answer)
}

async fn approve(hands: &Hands, id: &str) -> Result<()> {
    let answer = hands.approve(id).await?;
    ensure!(answer.status == 200, "approve: {} {}", answer.status, answer.body);
    Ok(())
}

fn paid_out() -> Value {
    json!({"direction": "out", "amount": "522.00", "currency": "CAD", "destination": "player@example.com", "state": "settled"})
}

async fn second_try(hands: &Hands) -> Result<()> {
    next(hands, NAME, TOKEN, says(200, json!("{\"token\":\"ey"))).await?;
    opened(hands).await.map(|_| ())
}

async fn redacted(hands: &Hands) -> Result<()> {
    next(hands, NAME, TOKEN, says(400, json!({"err": "gd-demo-security-0001 is over its limit"}))).await?;
    let answer = hands.client.cashier(&bodies::gigadat_in("512.00")).await?;
    ensure!(answer.status == 500 && answer.text("/data/err").contains("is over its limit"), "{} {}", answer.status, answer.body);
    ensure!(!answer.body.to_string().contains("gd-demo-security-0001"), "{}", answer.body);
    Ok(())
}

async fn open_word(hands: &Hands, word: &str) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, NAME, &id, &format!("status/{word}")).await?;
    inquire(hands, &id).await?;
    hands.ends_as(&id, "Pending", word, LIMIT).await?;
    hands.webhooks(&id, &[], LIMIT).await
}

async fn pay_in_word(hands: &Hands, word: &str, status: &str) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, NAME, &id, &format!("status/{word}")).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await
}

/// The word comes while Gigadat is busy with the pay-out.
async fn pay_out_word(hands: &Hands, word: &str, status: &str) -> Result<()> {
    let id = held(hands).await?;
    // It takes the release and says nothing more by itself.
    next_about(hands, NAME, RELEASE, &id, says(200, json!({"status": "STATUS_INITED"}))).await?;
    approve(hands, &id).await?;
    hands.ends_as(&id, "Pending", "STATUS_INITED", LIMIT).await?;
    control(hands, NAME, &id, &format!("status/{word}")).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await
}

/// A failure word is noted, and an approval ends as it says; a success is for a person. Nothing is released.
async fn word_on_hold(hands: &Hands, word: &str, status: &str) -> Result<()> {
    let id = held(hands).await?;
    control(hands, NAME, &id, &format!("status/{word}")).await?;
    inquire(hands, &id).await?;
    let data = hands.managed(&id).await?;
    ensure!(data["transaction_status"] == "OnHold", "{data}");
    if status == "Approved" {
        hands.needs_attention(&id, "anomaly", LIMIT).await?;
    } else {
        let events = hands.client.status(&id).await?.body["data"]["events"].to_string();
        ensure!(events.contains(word), "it is not on the timeline: {events}");
    }
    approve(hands, &id).await?;
    hands.ends_as(&id, status, word, LIMIT).await?;
    hands.webhooks(&id, &[status], LIMIT).await?;
    hands.nothing_moved(NAME, &id).await
}

async fn unknown_word(hands: &Hands) -> Result<()> {
    let id = opened(hands).await?;
    control(hands, NAME, &id, "status/STATUS_EXPLODED").await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    control(hands, NAME, &id, "status/STATUS_SUCCESS").await?;
    hands.ends_as(&id, "Approved", "STATUS_SUCCESS", LIMIT).await?;
    Ok(())
}

async fn other_record(hands: &Hands, told: Value) -> Result<()> {
    let id = opened(hands).await?;
    next_about(hands, NAME, STATUS, &id, says(200, json!({"id": id, "status": "STATUS_SUCCESS", "data": told}))).await?;
    inquire(hands, &id).await?;
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.nothing_moved(NAME, &id).await
}

async fn release_refused(hands: &Hands) -> Result<()> {
    let id = held(hands).await?;
    next_about(hands, NAME, RELEASE, &id, says(400, json!({"err": "Invalid token"}))).await?;
    approve(hands, &id).await?;
    let data = hands.ends_as(&id, "Declined", "release_refused", LIMIT).await?;
    ensure!(data["message"] == "Invalid token", "{data}");
    hands.webhooks(&id, &["Declined"], LIMIT).await?;
    hands.nothing_moved(NAME, &id).await
}

async fn released_later(hands: &Hands, http: u16) -> Result<()> {
    let id = held(hands).await?;
    next_about(hands, NAME, RELEASE, &id, json!({"http": http})).await?;
    approve(hands, &id).await?;
    hands.ends_as(&id, "Approved", "STATUS_SUCCESS", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    hands.moved_once(NAME, &id, &paid_out()).await?;
    Ok(())
}

/// Nobody knows what became of the release: it is asked about, and not sent again.
async fn release_unknown(hands: &Hands, upstream: Value) -> Result<()> {
    let id = held(hands).await?;
    next_about(hands, NAME, RELEASE, &id, upstream).await?;
    approve(hands, &id).await?;
    hands.ends_as(&id, "Pending", "unknown", LIMIT).await?;
    for _ in 0..2 {
        inquire(hands, &id).await?;
    }
    hands.ends_as(&id, "Pending", "unknown", LIMIT).await?;
    hands.webhooks(&id, &[], LIMIT).await?;
    hands.nothing_moved(NAME, &id).await
}
