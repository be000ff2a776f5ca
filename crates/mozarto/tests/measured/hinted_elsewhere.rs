//! A callback whose id the provider does not take (a session's, another account's, nobody's): our own payment is asked about all
//! the same, and a paid one is not kept open by it.

use crate::short_callbacks::{Open, events, open};
use crate::steps::{LIMIT, control, has_event, inquire, next};
use crate::ten::ALL;
use anyhow::{Context, Result, ensure};
use aws_lc_rs::hmac;
use serde_json::{Value, json};
use testkit::table::Table;
use testkit::world::{Hands, World};

/// The schedule begins after 10 s, long after the callback: what is found is found because of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_callback_names_need_not_be_ours() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    for provider in ["brite", "forumpay", "payone"] {
        let drop = json!({"dropCallbacks": true});
        world.client.control("PUT", &format!("/{provider}/settings"), Some(drop)).await.expect("settings");
    }
    let mut table = Table::new("a callback's id that is none");
    let error = |name: &str| json!({"error_name": name, "error_message": "x", "state": "APPLICATION_ERROR"});
    for (provider, path, http, body) in [
        ("brite", "transaction.get", 400, error("TransactionInvalid")),
        ("brite", "transaction.get", 200, error("TransactionInvalid")),
        ("brite", "transaction.get", 404, error("NotFound")),
        ("brite", "transaction.get", 404, json!("<html>not here</html>")),
        ("brite", "transaction.get", 422, json!("")),
        ("payone", "/api/transaction/", 404, json!({"success": false, "error": "Transaction not found"})),
        ("payone", "/api/transaction/", 404, json!("")),
        ("payone", "/api/transaction/", 400, json!({"success": false, "error": "transactionId is not valid"})),
        ("payone", "/api/transaction/", 422, json!("x")),
        ("forumpay", "CheckPayment", 200, json!({"err": "Payment not found"})),
        ("forumpay", "CheckPayment", 404, json!({"err": "Payment not found"})),
        ("forumpay", "CheckPayment", 400, json!("x")),
        ("forumpay", "CheckPayment", 500, json!("x")),
    ] {
        let name = format!("{provider}: {http} {body}");
        table.row(name, asked_all_the_same(world.hands(), provider, path, http, body));
    }
    table.row("brite: the id of our own session", a_sessions_id(world.hands()));
    table.row("payone: the record names another payment than the one asked about", another_record(world.hands()));
    table.end().await;
}

async fn paid(hands: &Hands, provider: &str) -> Result<Open> {
    let of = ALL.into_iter().find(|one| one.name == provider).context("a provider")?;
    let open = open(hands, of).await?;
    control(hands, provider, &open.id, "approve").await?;
    Ok(open)
}

async fn sent(hands: &Hands, provider: &str, open: &Open, theirs: &str) -> Result<()> {
    let body = match provider {
        "brite" => json!({"merchant_id": "m", "transaction_id": theirs, "transaction_state": 5}),
        "payone" => json!({"transactionId": theirs, "referenceId": open.id, "status": "Approved"}),
        _ => json!({"pos_id": "widget", "payment_id": theirs, "currency": "BTC", "address": "btc-1", "reference_no": open.id}),
    }
    .to_string();
    let signature = hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"payone-demo-key-0001"), body.as_bytes()));
    let headers = [("content-type", "application/json"), ("x-signature", signature.as_str())];
    let told = hands.client.send("POST", &open.url, &headers, Some(body.into_bytes())).await?;
    ensure!(told.status == 200, "{} {}", told.status, told.body);
    Ok(())
}

async fn tell(hands: &Hands, provider: &str, open: &Open, theirs: &str) -> Result<()> {
    sent(hands, provider, open, theirs).await?;
    hands.client.wait_for(&open.id, &["Approved"], LIMIT).await?;
    let events = events(hands, &open.id).await?;
    let approved = events.iter().find(|event| event["to"] == "Approved");
    ensure!(approved.is_some_and(|event| event["detail"]["by"] == "callback"), "not because of the callback: {events:?}");
    ensure!(events.iter().all(|event| event["event"] != "anomaly"), "something was odd: {events:?}");
    Ok(())
}

async fn asked_all_the_same(hands: Hands, provider: &'static str, path: &'static str, http: u16, body: Value) -> Result<()> {
    let open = paid(&hands, provider).await?;
    let theirs = format!("none-{}", open.id);
    next(&hands, provider, json!({"path": path, "about": theirs, "http": http, "body": body, "times": 9})).await?;
    tell(&hands, provider, &open, &theirs).await
}

/// Brite's simulator refuses a session's id where it wants a transaction's, as Brite does.
async fn a_sessions_id(hands: Hands) -> Result<()> {
    let open = paid(&hands, "brite").await?;
    let all = events(&hands, &open.id).await?;
    let noted = all.iter().filter(|event| event["event"] == "noted").find_map(|event| event["detail"]["text"].as_str());
    let session = noted.and_then(|text| text.strip_prefix("Brite's session: ")).context("no session on the timeline")?;
    tell(&hands, "brite", &open, session).await
}

/// What is asked about by its id is that one, whatever else of the record is ours.
async fn another_record(hands: Hands) -> Result<()> {
    let open = paid(&hands, "payone").await?;
    let before = hands.managed(&open.id).await?["pspTransactionId"].clone();
    let record = json!({
        "transactionId": "HS000000ZZ", "referenceId": open.id, "amount": "100.00", "currency": "CAD", "type": "deposit",
        "status": "Approved", "message": "Approved",
    });
    let theirs = "HS111111YY";
    let path = format!("/api/transaction/{theirs}");
    next(&hands, "payone", json!({"path": path, "http": 200, "body": record, "times": 1})).await?;
    sent(&hands, "payone", &open, theirs).await?;
    let shown = hands.needs_attention(&open.id, "anomaly", LIMIT).await?;
    ensure!(shown["transaction_status"] == "Pending" && shown["pspTransactionId"] == before, "{shown}");
    ensure!(has_event(&shown, "anomaly", "another id"), "{shown}");
    // Asked about by our reference, it is the one that it was.
    inquire(&hands, &open.id).await?;
    hands.client.wait_for(&open.id, &["Approved"], LIMIT).await?;
    let shown = hands.managed(&open.id).await?;
    ensure!(shown["pspTransactionId"] != "HS000000ZZ" && shown["pspTransactionId"] == before, "{before} {shown}");
    Ok(())
}
