//! A callback whose id the provider does not take (a session's, another account's, nobody's): our own payment is asked about all
//! the same, and a paid one is not kept open by it.

use crate::short_callbacks::{Open, events, nobody, open, sha256_hex};
use crate::steps::{LIMIT, control, has_event, inquire, next};
use crate::ten::{ALL, OfTen};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA512, digest};
use aws_lc_rs::hmac;
use serde_json::{Value, json};
use testkit::world::{Hands, World};

/// The schedule begins after 10 s, long after the callback: what is found is found because of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_callback_names_need_not_be_ours() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options).await.expect("a sandbox");
    for provider in ALL {
        let drop = json!({"dropCallbacks": true});
        world.client.control("PUT", &format!("/{}/settings", provider.name), Some(drop)).await.expect("settings");
    }
    let mut table = OfTen::new("a callback's id that is none");
    table.excuse("flexepin", "it calls nobody", nobody(world.hands()));
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
        table.row(provider, format!("{http} {body}"), asked_all_the_same(world.hands(), provider, path, http, body));
    }
    table.row("brite", "the id of our own session", a_sessions_id(world.hands()));
    for (provider, theirs, is_odd) in elsewhere() {
        table.row(provider, format!("names {theirs}"), named_elsewhere(world.hands(), provider, theirs, is_odd));
    }
    table.row("payone", "the record names another payment than the one asked about", another_record(world.hands()));
    table.end().await;
}

/// Ids that nobody has, at those that ask by what they know themselves; whether a person is told of it. Gigadat's and Worldpay's
/// first break whoever takes the id that a body names for the one that finds the payment.
fn elsewhere() -> Vec<(&'static str, &'static str, bool)> {
    vec![
        ("cleo", "ti_000000", false),
        // Signed with its id, so that somebody with the password has made it.
        ("emerchantpay", "00000000000000000000000000000000", true),
        ("gigadat", "gd-000000", false),
        ("neosurf", "000000", false),
        ("trust", "99-99-999", false),
        ("worldpay", "000000000000", false),
    ]
}

/// A callback about our payment that names another id of theirs beside it.
fn naming(provider: &str, open: &Open, theirs: &str) -> (String, &'static str, String) {
    const FORM: &str = "application/x-www-form-urlencoded";
    let (id, url) = (&open.id, open.url.clone());
    match provider {
        "cleo" => (url, "application/json", json!({"id": theirs, "externalReference": id, "status": "COMPLETED"}).to_string()),
        "emerchantpay" => {
            let signature = sha256_hex(format!("{theirs}emp-demo-secret-0001").as_bytes());
            (url, FORM, format!("transaction_id={id}&unique_id={theirs}&status=approved&signature={signature}"))
        }
        "gigadat" => (
            format!("{url}?transaction={id}&status=STATUS_SUCCESS"),
            FORM,
            format!("transactionId={theirs}&status=STATUS_SUCCESS"),
        ),
        "neosurf" => {
            let signed = format!("{id}ok{theirs}neosurf-demo-secret-0001");
            let hash = hex::encode(digest(&SHA512, signed.as_bytes()));
            (url, FORM, format!("merchantTransactionId={id}&status=ok&transactionId={theirs}&hash={hash}"))
        }
        "trust" => {
            let hash = sha256_hex(format!("0{id}{theirs}trust-demo-password-0001").as_bytes());
            (url, FORM, format!("errorcode=0&orderreference={id}&transactionreference={theirs}&responsesitesecurity={hash}"))
        }
        _ => {
            let journal = format!(
                "<journal journalType=\"AUTHORISED\"><journalReference type=\"capture\" reference=\"{theirs}\"/></journal>"
            );
            let event = format!("<payment><lastEvent>AUTHORISED</lastEvent></payment><reference id=\"{theirs}\"/>{journal}");
            let notify = format!("<notify><orderStatusEvent orderCode=\"{id}\">{event}</orderStatusEvent></notify>");
            (url, "text/xml", format!("<paymentService version=\"1.4\" merchantCode=\"DEMOCOMPANY\">{notify}</paymentService>"))
        }
    }
}

async fn named_elsewhere(hands: Hands, provider: &'static str, theirs: &str, is_odd: bool) -> Result<()> {
    let open = paid(&hands, provider).await?;
    let (url, content_type, body) = naming(provider, &open, theirs);
    let told = hands.client.send("POST", &url, &[("content-type", content_type)], Some(body.into_bytes())).await?;
    ensure!(told.status == 200, "{} {}", told.status, told.body);
    found_by_callback(&hands, &open, is_odd).await
}

async fn found_by_callback(hands: &Hands, open: &Open, is_odd: bool) -> Result<()> {
    hands.client.wait_for(&open.id, &["Approved"], LIMIT).await?;
    let events = events(hands, &open.id).await?;
    let approved = events.iter().find(|event| event["to"] == "Approved");
    ensure!(approved.is_some_and(|event| event["detail"]["by"] == "callback"), "not because of the callback: {events:?}");
    let odd: Vec<&Value> = events.iter().filter(|event| event["event"] == "anomaly").collect();
    ensure!(odd.len() == usize::from(is_odd) && odd.iter().all(|one| one.to_string().contains("another")), "{odd:?}");
    Ok(())
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
    found_by_callback(hands, open, false).await
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
