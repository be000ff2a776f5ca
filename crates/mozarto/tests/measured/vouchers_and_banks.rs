//! Flexepin's records, Gigadat's amounts, Brite's transactions that name nobody, Cleo's documents, Neosurf's envelope.

use crate::steps::{LIMIT, control, inquire, next};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

const WEBHOOKS_OF: [&str; 4] = ["GIGADAT", "NEOSURF", "CLEO", "BRITE"];

/// Nobody pays by himself, and no callback comes but those that a row sends.
#[tokio::test(flavor = "multi_thread")]
async fn vouchers_and_banks_as_their_own_clients_know_them() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &WEBHOOKS_OF, |options| options.time_scale(10)).await;
    let world = world.expect("a sandbox");
    for (name, settings) in [
        ("brite", json!({"dropCallbacks": true, "shortRecords": true})),
        ("neosurf", json!({"dropCallbacks": true})),
        ("cleo", json!({"dropCallbacks": true})),
        ("gigadat", json!({"dropCallbacks": true, "settleDelayMs": 3_600_000})),
    ] {
        world.client.control("PUT", &format!("/{name}/settings"), Some(settings)).await.expect("settings");
    }
    let mut table = Table::new("vouchers and banks");
    // `next` strikes the next call whosoever it is: Flexepin's rows run one after the other.
    table.row("Flexepin", flexepin(world.hands()));
    for (form, amount) in
        [("a number", json!(55)), ("a decimal", json!(55.00)), ("a text", json!("55.00")), ("none", Value::Null)]
    {
        table.row(format!("Gigadat, the record's amount is {form}"), gigadat_amount(world.hands(), amount, true));
    }
    for (form, amount) in [("another", json!(550)), ("more exact", json!("55.001")), ("no number", json!("a lot"))] {
        table.row(format!("Gigadat, the record's amount is {form}"), gigadat_amount(world.hands(), amount, false));
    }
    table.row("Gigadat, three equal callbacks", gigadat_told_once(world.hands()));
    table.row("Gigadat, a refusal while it is on hold", gigadat_noted_once(world.hands()));
    table.row("Brite, its record names nobody", brite_names_nobody(world.hands()));
    table.row("Brite, somebody else's transaction in a callback", brite_foreign(world.hands()));
    table.row("Brite, a callback without content", empty_callback(world.hands(), "brite", brite("56.00"), "CREDIT"));
    table.row("Cleo, a callback without content", empty_callback(world.hands(), "cleo", cleo_in("56.00"), "COMPLETED"));
    for document in ["ÑAÑE850101AB1", "A&B850101AB1", "DOJO900115AB1", "&ÑA850101000", "N\u{303}AN850101AB1"] {
        table.row(
            format!("Cleo, RFC {document}"),
            cleo_paid(world.hands(), cleo_out("MX", "RFC", document, "032180000118359719")),
        );
    }
    for document in ["A&850101AB1", "ñaÑe850101AB1", "AÇB850101AB1", "DOJO900115ÑB1", "DOJO90011&AB1"] {
        table.row(
            format!("Cleo, no RFC {document}"),
            cleo_refused(world.hands(), cleo_out("MX", "RFC", document, "032180000118359719")),
        );
    }
    for (country, kind, document, account) in [
        ("CL", "RUT", "12.345.678-5", "0001 2345-678"),
        ("CL", "RUT", "12 345 678 - 5", "00012345678"),
        ("MX", "CURP", "HEGG560427MVZRRL04", "032 180 00011835971 9"),
        ("PE", "DNI", "12345678", "0021-930012345678-9015"),
    ] {
        let body = cleo_out(country, kind, document, account);
        table.row(format!("Cleo, {kind} {document} to {account}"), cleo_paid(world.hands(), body));
    }
    for (kind, document) in [("RUT", "12.345.678-4"), ("RUT", "ÑAÑE850101AB1"), ("RUT", "1234&678-5")] {
        table.row(format!("Cleo, no RUT {document}"), cleo_refused(world.hands(), cleo_out("CL", kind, document, "00012345678")));
    }
    table.row(
        "Cleo, a letter of the RFC in a CURP",
        cleo_refused(world.hands(), cleo_out("MX", "CURP", "ÑEGG560427MVZRRL04", "032180000118359719")),
    );
    table.row("Neosurf, the envelope", neosurf_envelope(world.hands()));
    table.end().await;
}

/// A pay-in with its page.
async fn opened(hands: &Hands, body: &str) -> Result<String> {
    let answer = hands.client.cashier(body).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(answer.text("/transaction/transactionId").to_owned())
}

/// What a simulator was sent about a transaction.
async fn sent_about(hands: &Hands, provider: &str, id: &str) -> Result<Vec<Value>> {
    let answer = hands.client.control("GET", &format!("/{provider}/calls"), None).await?;
    let calls = answer.body["calls"].as_array().with_context(|| format!("no calls: {}", answer.body))?;
    Ok(calls.iter().filter(|call| call.to_string().contains(id)).cloned().collect())
}

// --- Flexepin ---------------------------------------------------------------------------------

/// What an inquiry may answer after a redeem whose answer got lost, and the answer of the Cashier call. The outer `result` is the
/// query's own.
const RECORDS: [(&str, &str, u16); 9] = [
    (
        "a result of its own",
        r#"{"result":"0","transaction":{"result":"0","status":"USED","value":50,"currency":"EUR","trans_no":"1"}}"#,
        200,
    ),
    (
        "no result of its own",
        r#"{"result":0,"transaction":{"status":"USED","value":"50.00","currency":"EUR","trans_no":"2"}}"#,
        200,
    ),
    (
        "a result of its own as a number",
        r#"{"result":"0","transaction":{"result":0,"status":"used","value":50.0,"currency":"eur"}}"#,
        200,
    ),
    (
        "used by somebody else",
        r#"{"result":"0","transaction":{"result":"4002","status":"USED","value":50,"currency":"EUR"}}"#,
        504,
    ),
    (
        "used by somebody else, a number",
        r#"{"result":0,"transaction":{"result":4002,"status":"USED","value":50,"currency":"EUR"}}"#,
        504,
    ),
    ("blocked", r#"{"result":"0","transaction":{"result":"4003","status":"BLOCKED","value":50,"currency":"EUR"}}"#, 504),
    ("not redeemed", r#"{"result":"0","transaction":{"result":"0","status":"ACTIVE","value":50,"currency":"EUR"}}"#, 504),
    ("a query that failed", r#"{"result":"4040","result_description":"Transaction not found"}"#, 504),
    (
        "a query that failed, with a record",
        r#"{"result":"9","transaction":{"result":"0","status":"USED","value":50,"currency":"EUR"}}"#,
        504,
    ),
];

async fn flexepin(hands: Hands) -> Result<()> {
    for (serial, (name, record, http)) in (300..).zip(RECORDS) {
        flexepin_record(&hands, serial, record, http).await.with_context(|| format!("Flexepin's record: {name}"))?;
    }
    flexepin_ids(&hands).await.context("Flexepin's ids")?;
    flexepin_used_before(&hands).await.context("Flexepin's used id")
}

async fn flexepin_record(hands: &Hands, serial: u32, record: &str, http: u16) -> Result<()> {
    next(hands, "flexepin", json!({"path": "/voucher/redeem", "http": 500})).await?;
    let told = serde_json::from_str::<Value>(record)?;
    next(hands, "flexepin", json!({"path": "/trans/", "http": 200, "body": told, "times": 100})).await?;
    let answer = hands.client.cashier(&bodies::flexepin(serial, 5000)).await?;
    ensure!(answer.status == http, "HTTP {}: {}", answer.status, answer.body);
    let stands = answer.text("/transaction/transaction_status");
    ensure!(stands == if http == 200 { "Approved" } else { "Pending" }, "it is {stands}");
    let id = answer.text("/transaction/transactionId");
    // Of the others nothing is believed, and those that are odd are shown.
    let odd = record.contains("4002") || record.contains("4003") || record.contains(r#""9""#);
    for _ in 0..3 {
        inquire(hands, id).await?;
    }
    next(hands, "flexepin", json!({"http": 200, "times": 0})).await?;
    let data = hands.managed(id).await?;
    ensure!(data["transaction_status"] == if http == 200 { "Approved" } else { "Pending" }, "{data}");
    ensure!(data["attention"] == if odd { json!("anomaly") } else { Value::Null }, "attention is {}", data["attention"]);
    let shown = data.to_string().matches(r#""event":"anomaly""#).count();
    ensure!(shown == usize::from(odd), "shown {shown} times: {data}");
    Ok(())
}

/// A validate has an id of its own, so that an inquiry by ours can only find the redeem.
async fn flexepin_ids(hands: &Hands) -> Result<()> {
    let id = opened(hands, &bodies::flexepin(350, 5000)).await?;
    let calls = sent_about(hands, "flexepin", &id).await?;
    let paths: Vec<&str> = calls.iter().filter_map(|call| call["path"].as_str()).collect();
    let ends = |part: &str, end: &str| paths.iter().any(|path| path.contains(part) && path.ends_with(end));
    ensure!(paths.len() == 2 && ends("/validate/", &format!("{id}v")) && ends("/redeem/", &format!("/{id}")), "{paths:?}");
    Ok(())
}

/// "Used before" is doubt: what used it may have been our own call.
async fn flexepin_used_before(hands: &Hands) -> Result<()> {
    let told = json!({"result": "4005", "result_description": "Transaction id already used", "status": "USED", "value": 50, "currency": "EUR"});
    next(hands, "flexepin", json!({"path": "/voucher/redeem", "http": 200, "body": told})).await?;
    let used =
        json!({"result": "0", "transaction": {"result": "0", "status": "USED", "value": 50, "currency": "EUR", "trans_no": "1"}});
    next(hands, "flexepin", json!({"path": "/trans/", "http": 200, "body": used})).await?;
    let answer = hands.client.cashier(&bodies::flexepin(351, 5000)).await?;
    next(hands, "flexepin", json!({"http": 200, "times": 0})).await?;
    let stands = answer.text("/transaction/transaction_status");
    ensure!(answer.status == 200 && stands == "Approved", "{} {}", answer.status, answer.body);
    Ok(())
}

// --- Gigadat ----------------------------------------------------------------------------------

async fn gigadat_amount(hands: Hands, amount: Value, is_ours: bool) -> Result<()> {
    let id = opened(&hands, &bodies::gigadat_in("55.00")).await?;
    let mut data = json!({"userId": "user_123", "site": "https://m.example", "name": "John Test", "currency": "CAD"});
    if !amount.is_null() {
        data["amount"] = amount;
    }
    let record = json!({"id": id, "status": "STATUS_SUCCESS", "data": data});
    next(&hands, "gigadat", json!({"path": "/api/transactions/", "about": id, "http": 200, "body": record})).await?;
    inquire(&hands, &id).await?;
    if is_ours {
        hands.ends_as(&id, "Approved", "STATUS_SUCCESS", LIMIT).await?;
        return hands.webhooks(&id, &["Approved"], LIMIT).await;
    }
    let data = hands.needs_attention(&id, "anomaly", LIMIT).await?;
    ensure!(data["transaction_status"] == "Pending", "{data}");
    hands.webhooks(&id, &[], LIMIT).await
}

async fn listener(hands: &Hands) -> Result<String> {
    let method = hands.client.method_of("GIGADAT").await?;
    let answer = hands.client.manage("GET", &format!("/payment-methods/{method}"), None).await?;
    Ok(answer.body["data"]["callbackUrl"].as_str().with_context(|| format!("no address: {}", answer.body))?.to_owned())
}

async fn gigadat_told_once(hands: Hands) -> Result<()> {
    let id = opened(&hands, &bodies::gigadat_in("57.00")).await?;
    control(&hands, "gigadat", &id, "status/STATUS_PENDING").await?;
    let (address, form) = (listener(&hands).await?, [("content-type", "application/x-www-form-urlencoded")]);
    for _ in 0..3 {
        let body = format!("transactionId={id}&type=ETI&amount=57.00&currency=CAD").into_bytes();
        let told =
            hands.client.send("POST", &format!("{address}?transaction={id}&status=STATUS_PENDING"), &form, Some(body)).await?;
        ensure!(told.status == 200, "{} {}", told.status, told.body);
        inquire(&hands, &id).await?;
    }
    hands.ends_as(&id, "Pending", "STATUS_PENDING", LIMIT).await?;
    let text = hands.managed(&id).await?.to_string();
    ensure!(text.matches("the rail used was ETI").count() == 1, "told once: {text}");
    Ok(())
}

async fn gigadat_noted_once(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::gigadat_out("ETO", "58.00")).await?;
    let id = answer.text("/transaction/transactionId").to_owned();
    control(&hands, "gigadat", &id, "status/STATUS_REJECTED").await?;
    for _ in 0..3 {
        inquire(&hands, &id).await?;
    }
    let data = hands.managed(&id).await?;
    ensure!(data["transaction_status"] == "OnHold", "{data}");
    ensure!(data.to_string().matches("Gigadat says STATUS_REJECTED").count() == 1, "told once: {data}");
    Ok(())
}

// --- Brite ------------------------------------------------------------------------------------

fn brite(amount: &str) -> String {
    format!(
        r#"{{"pspType":"BRITE","type":"PAYIN","baseamount":{amount},"currency":"EUR","country":"FI","userId":"user_123","email":"player@example.com"}}"#
    )
}

/// The address that a provider was told to call about a pay-in.
async fn callback_address(hands: &Hands, provider: &str, id: &str) -> Result<String> {
    for call in sent_about(hands, provider, id).await? {
        let body = serde_json::from_str::<Value>(call["body"].as_str().unwrap_or_default()).unwrap_or_default();
        let address = body.pointer("/callbacks/0/url").or_else(|| body.get("notificationUrl")).and_then(Value::as_str);
        if let Some(address) = address {
            return Ok(address.to_owned());
        }
    }
    anyhow::bail!("no address was sent")
}

async fn tell(hands: &Hands, address: &str, body: &str) -> Result<()> {
    let told =
        hands.client.send("POST", address, &[("content-type", "application/json")], Some(body.as_bytes().to_vec())).await?;
    ensure!(told.status == 200, "{} {}", told.status, told.body);
    Ok(())
}

/// Brite's id of the transaction of a pay-in, from the ledger.
async fn transaction_of(hands: &Hands, id: &str) -> Result<String> {
    let entries = hands.entries("brite", id).await?;
    Ok(entries.first().and_then(|entry| entry["providerReference"].as_str()).context("not in the ledger")?.to_owned())
}

async fn brite_names_nobody(hands: Hands) -> Result<()> {
    let id = opened(&hands, &brite("51.00")).await?;
    control(&hands, "brite", &id, "status/CREDIT").await?;
    let told = json!({"merchant_id": "m", "transaction_id": transaction_of(&hands, &id).await?, "transaction_state": 5});
    tell(&hands, &callback_address(&hands, "brite", &id).await?, &told.to_string()).await?;
    hands.ends_as(&id, "Approved", "CREDIT", LIMIT).await?;
    hands.webhooks(&id, &["Approved"], LIMIT).await?;
    ensure!(hands.managed(&id).await?["attention"].is_null(), "somebody is asked to look");
    Ok(())
}

/// It was paid, and its record says nothing of whose it is: our own session decides.
async fn brite_foreign(hands: Hands) -> Result<()> {
    let (ours, theirs) = (opened(&hands, &brite("52.00")).await?, opened(&hands, &brite("52.00")).await?);
    control(&hands, "brite", &theirs, "status/CREDIT").await?;
    let told = json!({"merchant_id": "m", "transaction_id": transaction_of(&hands, &theirs).await?, "transaction_state": 5});
    tell(&hands, &callback_address(&hands, "brite", &ours).await?, &told.to_string()).await?;
    inquire(&hands, &theirs).await?;
    hands.ends_as(&theirs, "Approved", "CREDIT", LIMIT).await?;
    inquire(&hands, &ours).await?;
    hands.ends_as(&ours, "Pending", "CREATED", LIMIT).await?;
    hands.webhooks(&ours, &[], LIMIT).await?;
    hands.nothing_moved("brite", &ours).await
}

/// What comes to a transaction's own address asks about it, whatever is in it.
async fn empty_callback(hands: Hands, provider: &str, body: String, word: &str) -> Result<()> {
    for content in ["", "hello", "[]"] {
        let id = opened(&hands, &body).await?;
        control(&hands, provider, &id, &format!("status/{word}")).await?;
        tell(&hands, &callback_address(&hands, provider, &id).await?, content).await?;
        hands.ends_as(&id, "Approved", word, LIMIT).await?;
        hands.webhooks(&id, &["Approved"], LIMIT).await?;
    }
    Ok(())
}

// --- Cleo -------------------------------------------------------------------------------------

fn cleo_in(amount: &str) -> String {
    format!(
        r#"{{"pspType":"CLEO","type":"PAYIN","baseamount":{amount},"currency":"PEN","currencyCode":"PEN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"56912345678","gender":"male","dob":"1990-01-15","countryCode":"PE","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","emailVerification":"player@example.com","verificationDate":"2026-01-15","address":{{"line1":"Av. Uno 1","city":"Lima","state":"LIM","postalCode":"15001","country":"PE"}}}}"#
    )
}

fn cleo_out(country: &str, kind: &str, document: &str, account: &str) -> String {
    let currency = match country {
        "CL" => "CLP",
        "PE" => "PEN",
        _ => "MXN",
    };
    let mut body = json!({
        "pspType": "CLEO", "type": "PAYOUT", "baseamount": 53000, "currency": currency, "currencyCode": currency, "userId": "user_123",
        "email": "player@example.com", "firstName": "John", "lastName": "Doe", "countryCode": country,
        "beneficiary": {"documentType": kind, "documentNumber": document, "accountNumber": account},
    });
    if country == "CL" {
        body["beneficiary"]["bankCode"] = json!("001");
        body["beneficiary"]["accountType"] = json!("vista");
    }
    body.to_string()
}

/// Both sides take it.
async fn cleo_paid(hands: Hands, body: String) -> Result<()> {
    let answer = hands.client.cashier(&body).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = answer.text("/transaction/transactionId").to_owned();
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Approved", "COMPLETED", LIMIT).await?;
    let entry = hands.moved_once("cleo", &id, &json!({"direction": "out", "state": "settled"})).await?;
    let account = entry["destination"].as_str().unwrap_or_default();
    ensure!(!account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit()), "paid to {account}");
    Ok(())
}

/// A sentence about the document, and nothing was stored.
async fn cleo_refused(hands: Hands, body: String) -> Result<()> {
    let answer = hands.client.cashier(&body).await?;
    ensure!(answer.status == 400, "{} {}", answer.status, answer.body);
    let text = answer.body.to_string();
    ensure!(text.contains("beneficiary.documentNumber "), "{text}");
    ensure!(answer.text("/transactionId").is_empty(), "it was stored: {text}");
    Ok(())
}

// --- Neosurf ----------------------------------------------------------------------------------

/// The simulator takes no other envelope, so that the query alone tells of the payment.
async fn neosurf_envelope(hands: Hands) -> Result<()> {
    let id = opened(&hands, &bodies::neosurf("EUR", "54.00")).await?;
    control(&hands, "neosurf", &id, "approve").await?;
    inquire(&hands, &id).await?;
    hands.ends_as(&id, "Approved", "ok", LIMIT).await?;
    let calls = sent_about(&hands, "neosurf", &id).await?;
    let queries: Vec<&str> =
        calls.iter().filter_map(|call| call["body"].as_str()).filter(|body| body.contains("Envelope")).collect();
    ensure!(!queries.is_empty(), "nothing was asked");
    for query in queries {
        let inner = "<ns1:transactionGetDetails><transactionGetDetailsRequest><hash>";
        ensure!(query.contains(inner) && !query.contains("opRequest"), "{query}");
    }
    Ok(())
}
