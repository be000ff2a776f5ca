//! The inbox: each callback counts with what it says, is told once, is read in the bytes that came, and a flood of them does no harm.

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::hmac;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};
use testkit::client::{Answer, bodies};
use testkit::forms::Form;
use testkit::table::Table;
use testkit::world::{Hands, World};

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
const LIMIT: Duration = Duration::from_secs(40);
const PSP_TYPES: [&str; 9] =
    ["PAYONE", "FORUMPAY", "GIGADAT", "NEOSURF", "CLEO", "BRITE", "TRUST", "EMERCHANTPAY", "WORLDPAY_EU"];
/// A card that is approved at once.
const FRICTIONLESS: &str = "4012000000060085";
/// A card whose payer is sent to the device check.
const DEVICE_CHECK: &str = "4938730000000001";

// --- hands ------------------------------------------------------------------------------------

fn id_of(answer: &Answer) -> Result<String> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = answer.text("/transaction/transactionId");
    ensure!(!id.is_empty(), "no transaction: {}", answer.body);
    Ok(id.to_owned())
}

async fn until<F: Future<Output = Result<bool>>>(what: &str, mut holds: impl FnMut() -> F) -> Result<()> {
    let end = Instant::now() + LIMIT;
    while !holds().await? {
        ensure!(Instant::now() < end, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Ok(())
}

/// The entries of a transaction's timeline.
async fn events(hands: &Hands, id: &str) -> Result<Vec<Value>> {
    let answer = hands.client.status(id).await?;
    answer.body["data"]["events"].as_array().cloned().with_context(|| format!("no timeline: {}", answer.body))
}

/// How many entries say that.
async fn told(hands: &Hands, id: &str, text: &str) -> Result<usize> {
    Ok(events(hands, id).await?.iter().filter(|event| event.to_string().contains(text)).count())
}

/// What a provider was sent, in order, as text.
async fn sent(hands: &Hands, provider: &str) -> Result<Vec<String>> {
    let answer = hands.client.control("GET", &format!("/{provider}/calls"), None).await?;
    let calls = answer.body["calls"].as_array().context("no calls")?;
    Ok(calls.iter().map(|call| format!("{} {}?{} {}", call["method"], call["path"], call["query"], call["body"])).collect())
}

/// The address for callbacks that the provider was told about that transaction.
async fn told_address(hands: &Hands, provider: &str, id: &str) -> Result<String> {
    let calls = hands.client.control("GET", &format!("/{provider}/calls"), None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let start = format!("{}/callbacks/{provider}/", hands.client.base);
    let of = |call: &Value| {
        let body = call["body"].as_str().unwrap_or_default();
        let body = url_decoded(body);
        let token =
            body.split_once(&start)?.1.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))).next()?.to_owned();
        body.contains(id).then(|| format!("{start}{token}"))
    };
    calls.iter().find_map(of).with_context(|| format!("{provider} was told no address about {id}"))
}

fn url_decoded(text: &str) -> String {
    text.replace("%3A", ":").replace("%2F", "/").replace("\\/", "/")
}

/// Sends a callback.
async fn post(hands: &Hands, url: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Result<Answer> {
    hands.client.send("POST", url, &[("content-type", content_type)], Some(body.into())).await
}

async fn taken(hands: &Hands, url: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Result<()> {
    let answer = post(hands, url, content_type, body).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, String::from_utf8_lossy(&answer.bytes));
    Ok(())
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const XML: &str = "text/xml";

/// The provider's answers to calls about that transaction below a path are unreadable until [`Mute::end`].
struct Mute<'a> {
    hands: &'a Hands,
    provider: &'static str,
    path: &'static str,
    about: &'a str,
}

impl<'a> Mute<'a> {
    async fn begin(hands: &'a Hands, provider: &'static str, path: &'static str, about: &'a str) -> Result<Self> {
        let mute = Self { hands, provider, path, about };
        mute.times(100_000).await?;
        Ok(mute)
    }

    async fn times(&self, times: u32) -> Result<()> {
        let mut answer = json!({"path": self.path, "http": 500, "times": times});
        if !self.about.is_empty() {
            answer["about"] = json!(self.about);
        }
        let set = self.hands.client.control("PUT", &format!("/{}/next", self.provider), Some(answer)).await?;
        ensure!(set.status == 200, "next: {} {}", set.status, set.body);
        Ok(())
    }

    async fn end(self) -> Result<()> {
        self.times(0).await
    }
}

async fn account_address(hands: &Hands, psp_type: &str, index: usize) -> Result<String> {
    let methods = hands.client.methods_of(psp_type).await?;
    let answer = hands.client.manage("GET", &format!("/payment-methods/{}", methods[index]), None).await?;
    let address = answer.text("/data/callbackUrl");
    ensure!(!address.is_empty(), "no address: {}", answer.body);
    Ok(address.to_owned())
}

fn payone_signature(body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"payone-demo-key-0001");
    hex::encode(hmac::sign(&key, body))
}

fn payone_callback(id: &str, theirs: &str) -> String {
    format!(
        r#"{{"transactionId":"{theirs}","referenceId":"{id}","userId":"user_123","amount":"100.00","currency":"CAD","type":"deposit","status":"Pending"}}"#
    )
}

async fn payone_told(hands: &Hands, url: &str, body: &str) -> Result<Answer> {
    let signature = payone_signature(body.as_bytes());
    hands.client.send("POST", url, &[("content-type", JSON), ("x-signature", &signature)], Some(body.as_bytes().to_vec())).await
}

fn brite_in() -> &'static str {
    r#"{"pspType":"BRITE","type":"PAYIN","baseamount":100.00,"currency":"EUR","country":"FI","userId":"user_123","email":"player@example.com"}"#
}

/// A notification with the gateway's weak signature: it covers the id alone.
fn emerchantpay_notification(id: &str, unique_id: &str, more: &str) -> Vec<u8> {
    let signature = hex::encode(digest(&SHA256, format!("{unique_id}emp-demo-secret-0001").as_bytes()));
    format!("transaction_id={id}&unique_id={unique_id}&transaction_type=sale3d&amount=10000&signature={signature}{more}")
        .into_bytes()
}

/// An eMerchantPay pay-in that is approved at once: its id, the gateway's, and the address for notifications.
async fn emerchantpay_paid(hands: &Hands) -> Result<(String, String, String)> {
    let id = id_of(&hands.client.cashier(&bodies::emerchantpay("100.00", FRICTIONLESS)).await?)?;
    let data = hands.ends_as(&id, "Approved", "approved", LIMIT).await?;
    let unique_id = data["pspTransactionId"].as_str().context("no unique_id")?.to_owned();
    let url = told_address(hands, "emerchantpay", &id).await?;
    Ok((id, unique_id, url))
}

fn worldpay_notification(id: &str, event: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><paymentService version="1.4" merchantCode="DEMOCOMPANY"><notify><orderStatusEvent orderCode="{id}"><payment><paymentMethod>VISA-SSL</paymentMethod><amount value="10000" currencyCode="EUR" exponent="2" debitCreditIndicator="credit"/><lastEvent>{event}</lastEvent></payment><journal journalType="{event}" sent="n"/></orderStatusEvent></notify></paymentService>"#
    )
}

/// A Trust pay-in whose form Trust has: its id and the address in the form.
async fn trust_posted(hands: &Hands, currency: &str, amount: &str) -> Result<(String, String)> {
    let answer = hands.client.cashier(&bodies::trust(currency, amount)).await?;
    let id = id_of(&answer)?;
    let url = answer.text("/data/paymentUrl").to_owned();
    let page = hands.client.send("GET", &url, &[], None).await?;
    let form = Form::of(&page.bytes)?;
    let notified = form.all("allurlnotification")[0].to_owned();
    let there = form.post(&hands.client, &url, &[]).await?;
    ensure!(there.status == 200, "{}", there.status);
    Ok((id, notified))
}

// --- each counts ------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn each_of_several_callbacks_counts() {
    let world = World::start(BINARY, &PSP_TYPES, |options| options.time_scale(60)).await.expect("a sandbox");
    let mut table = Table::new("callbacks that wait together");
    table.row("PayOne: three ids", three_ids_at_payone(world.hands()));
    table.row("Brite: three ids", three_ids_at_brite(world.hands()));
    table.row("Worldpay: three events of an order that is paid", three_events_at_worldpay(world.hands()));
    table.row("eMerchantPay: a retrieval request between others", a_retrieval_request(world.hands()));
    table.row("Gigadat: three rails", three_rails(world.hands()));
    table.row("Trust: a report of success before others", zero_is_kept(world.hands()));
    table.row("PayOne: the provider is silent while its schedule runs", kept_beside_a_schedule(world.hands()));
    table.end().await;
}

async fn three_ids_at_payone(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?)?;
    let url = told_address(&hands, "payone", &id).await?;
    let mute = Mute::begin(&hands, "payone", "/api/transaction", "").await?;
    let ids = ["FIRST0000A", "SECOND000B", "THIRD0000C"];
    for theirs in ids {
        let answer = payone_told(&hands, &url, &payone_callback(&id, theirs)).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    }
    mute.end().await?;
    for theirs in ids {
        let asked = format!("/api/transaction/{theirs}");
        // Answered, not only asked while nothing came back.
        until(&format!("PayOne is asked about {theirs}"), async || {
            let calls = hands.client.control("GET", "/payone/calls", None).await?;
            let calls = calls.body["calls"].as_array().cloned().unwrap_or_default();
            Ok(calls.iter().any(|call| call["path"].as_str().is_some_and(|path| path.ends_with(&asked)) && call["http"] != 500))
        })
        .await?;
    }
    Ok(())
}

/// What a callback says is not lost because an inquiry is due anyway: that one does not have it.
async fn kept_beside_a_schedule(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?)?;
    let url = told_address(&hands, "payone", &id).await?;
    let mute = Mute::begin(&hands, "payone", "/api/transaction/KEPT", "").await?;
    ensure!(payone_told(&hands, &url, &payone_callback(&id, "KEPT00000D")).await?.status == 200);
    until("asked in vain", async || Ok(sent(&hands, "payone").await?.iter().any(|call| call.contains("KEPT00000D")))).await?;
    let before = sent(&hands, "payone").await?.iter().filter(|call| call.contains("KEPT00000D")).count();
    mute.end().await?;
    until("asked again with it", async || {
        Ok(sent(&hands, "payone").await?.iter().filter(|call| call.contains("KEPT00000D")).count() > before)
    })
    .await
}

async fn three_ids_at_brite(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(brite_in()).await?)?;
    let url = told_address(&hands, "brite", &id).await?;
    let mute = Mute::begin(&hands, "brite", "/api/transaction.get", "").await?;
    let ids = ["brite-first-a", "brite-second-b", "brite-third-c"];
    for theirs in ids {
        taken(&hands, &url, JSON, format!(r#"{{"merchant_id":"m","transaction_id":"{theirs}","transaction_state":5}}"#)).await?;
    }
    mute.end().await?;
    for theirs in ids {
        until(&format!("Brite is asked about {theirs}"), async || {
            let calls = hands.client.control("GET", "/brite/calls", None).await?;
            let calls = calls.body["calls"].as_array().cloned().unwrap_or_default();
            Ok(calls.iter().any(|call| call["body"].as_str().is_some_and(|body| body.contains(theirs)) && call["http"] != 500))
        })
        .await?;
    }
    Ok(())
}

async fn three_events_at_worldpay(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::worldpay("100.00")).await?;
    let id = id_of(&answer)?;
    let pay = hands.client.control("POST", &format!("/worldpay/{id}/approve"), None).await?;
    ensure!(pay.status == 200, "{}", pay.body);
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    let url = account_address(&hands, "WORLDPAY_EU", 0).await?;
    let mute = Mute::begin(&hands, "worldpay", "/jsp/merchant/xml/paymentService.jsp", &id).await?;
    let words = ["INFORMATION_REQUESTED", "INFORMATION_SUPPLIED", "CHARGEBACK_REVERSED"];
    for word in words {
        taken(&hands, &url, XML, worldpay_notification(&id, word)).await?;
    }
    mute.end().await?;
    for word in words {
        until(&format!("{word} is on the timeline"), async || Ok(told(&hands, &id, word).await? > 0)).await?;
    }
    Ok(())
}

async fn a_retrieval_request(hands: Hands) -> Result<()> {
    let (id, unique_id, url) = emerchantpay_paid(&hands).await?;
    let mute = Mute::begin(&hands, "emerchantpay", "/reconcile/", &id).await?;
    for more in ["&status=chargebacked&event=retrieval_request", "&status=approved&event=first", "&status=approved&event=second"]
    {
        taken(&hands, &url, FORM, emerchantpay_notification(&id, &unique_id, more)).await?;
    }
    mute.end().await?;
    until("the retrieval request is told", async || Ok(told(&hands, &id, "retrieval request").await? > 0)).await
}

async fn three_rails(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::gigadat_in("100.00")).await?)?;
    let url = account_address(&hands, "GIGADAT", 0).await?;
    let url = format!("{url}?transaction={id}&status=STATUS_INITED");
    let mute = Mute::begin(&hands, "gigadat", "", &id).await?;
    for rail in ["ETI", "RFM", "CPI"] {
        taken(&hands, &url, JSON, format!(r#"{{"transactionId":"{id}","type":"{rail}"}}"#)).await?;
    }
    mute.end().await?;
    for rail in ["ETI", "RFM", "CPI"] {
        until(&format!("the rail {rail} is told"), async || Ok(told(&hands, &id, &format!("used was {rail}")).await? > 0))
            .await?;
    }
    Ok(())
}

/// Each is on the timeline, whoever proves it.
async fn zero_is_kept(hands: Hands) -> Result<()> {
    let (id, url) = trust_posted(&hands, "EUR", "100.00").await?;
    let mute = Mute::begin(&hands, "trust", "/json/", &id).await?;
    for code in ["0", "70000", "60010"] {
        taken(&hands, &url, FORM, format!("notificationreference=1-1&errorcode={code}&requesttypedescription=AUTH")).await?;
    }
    mute.end().await?;
    for code in ["0", "70000", "60010"] {
        let text = format!("notified unsigned: AUTH, errorcode {code}");
        until(&text, async || Ok(told(&hands, &id, &text).await? == 1)).await?;
    }
    Ok(())
}

// --- each thing is told once ------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_is_told_once() {
    let world = World::start(BINARY, &PSP_TYPES, |options| options.time_scale(120)).await.expect("a sandbox");
    let mut table = Table::new("told once");
    table.row("Trust: a note, while the query fails", noted_once(world.hands()));
    table.row("Gigadat: what an inquiry tells because of a callback", rail_once(world.hands()));
    table.row("Brite: an anomaly, and the callback comes ten times", repeated_once(world.hands()));
    table.row("PayOne: a forged callback comes ten times", forged_once(world.hands()));
    table.row("PayOne: the record contradicts at each inquiry", contradicts_once(world.hands()));
    table.row("Gigadat: to another account's address, ten times", misdirected_once(world.hands()));
    table.row("Trust: the browser comes back five times", returned_once(world.hands()));
    table.end().await;
}

async fn noted_once(hands: Hands) -> Result<()> {
    let (id, url) = trust_posted(&hands, "EUR", "100.00").await?;
    // Once it is paid, no schedule of its own asks any more: only the callback does.
    let paid = hands.client.control("POST", &format!("/trust/{id}/approve"), None).await?;
    ensure!(paid.status == 200, "{}", paid.body);
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    let mute = Mute::begin(&hands, "trust", "/json/", &id).await?;
    let before = sent(&hands, "trust").await?.iter().filter(|call| call.contains(&id) && call.contains("/json/")).count();
    taken(&hands, &url, FORM, "notificationreference=1-1&errorcode=0&requesttypedescription=AUTH").await?;
    // Tried again and again: 10 s, 30 s, 2 min, 5 min later.
    until("four queries in vain", async || {
        Ok(sent(&hands, "trust").await?.iter().filter(|call| call.contains(&id) && call.contains("/json/")).count() >= before + 4)
    })
    .await?;
    let told = told(&hands, &id, "notified unsigned").await?;
    ensure!(told == 1, "told {told} times");
    mute.end().await
}

async fn rail_once(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::gigadat_in("101.00")).await?)?;
    let url = format!("{}?transaction={id}&status=STATUS_INITED", account_address(&hands, "GIGADAT", 0).await?);
    for _ in 0..5 {
        taken(&hands, &url, JSON, format!(r#"{{"transactionId":"{id}","type":"ETI"}}"#)).await?;
        until("the rail is told", async || Ok(told(&hands, &id, "used was ETI").await? > 0)).await?;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let told = told(&hands, &id, "used was ETI").await?;
    ensure!(told == 1, "told {told} times");
    Ok(())
}

async fn repeated_once(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?)?;
    let url = told_address(&hands, "payone", &id).await?;
    let other = payone_callback(&id, "X").replace("100.00", "900.00");
    for _ in 0..10 {
        ensure!(payone_told(&hands, &url, &other).await?.status == 200);
    }
    until("it is told", async || Ok(told(&hands, &id, "has another amount").await? > 0)).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let told = told(&hands, &id, "has another amount").await?;
    ensure!(told == 1, "told {told} times");
    Ok(())
}

async fn forged_once(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?)?;
    let url = told_address(&hands, "payone", &id).await?;
    let body = payone_callback(&id, "X");
    for _ in 0..10 {
        let answer = hands.client.send("POST", &url, &[("x-signature", "00")], Some(body.clone().into_bytes())).await?;
        ensure!(answer.status == 401, "{} {}", answer.status, answer.body);
    }
    until("it is told", async || Ok(told(&hands, &id, "wrong signature").await? > 0)).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    ensure!(told(&hands, &id, "wrong signature").await? == 1);
    // The same bytes with the right signature are another callback: their fact counts.
    ensure!(payone_told(&hands, &url, &payone_callback(&id, "RIGHT0000E")).await?.status == 200);
    until("the right one is asked about", async || {
        Ok(sent(&hands, "payone").await?.iter().any(|call| call.contains("RIGHT0000E")))
    })
    .await
}

async fn contradicts_once(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "102.00")).await?)?;
    let record = json!({"path": "/api/transaction", "about": id, "http": 200, "times": 100_000, "body": {
        "transactionId": "T", "referenceId": id, "amount": "7.00", "currency": "CAD", "type": "deposit", "status": "Approved"}});
    let set = hands.client.control("PUT", "/payone/next", Some(record)).await?;
    ensure!(set.status == 200, "{}", set.body);
    until("asked four times", async || {
        Ok(sent(&hands, "payone").await?.iter().filter(|call| call.contains(&id) && call.contains("/api/transaction\"")).count()
            >= 4)
    })
    .await?;
    let anomalies = events(&hands, &id).await?.iter().filter(|event| event["event"] == "anomaly").count();
    ensure!(anomalies == 1, "told {anomalies} times: {:?}", events(&hands, &id).await?);
    Ok(())
}

async fn misdirected_once(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::gigadat_in("103.00")).await?)?;
    let account = json!({"pspType": "GIGADAT", "config": {"accountName": "Other", "apiKey": "gd-other", "secret": "gd-other", "campaignId": "other"}});
    let made = hands.client.manage("POST", "/payment-methods", Some(account)).await?;
    let url = format!("{}?transaction={id}&status=STATUS_SUCCESS", made.text("/data/callbackUrl"));
    for _ in 0..10 {
        taken(&hands, &url, JSON, "").await?;
    }
    let told = told(&hands, &id, "another account's address").await?;
    ensure!(told == 1, "told {told} times");
    Ok(())
}

async fn returned_once(hands: Hands) -> Result<()> {
    let answer = hands.client.cashier(&bodies::trust("EUR", "104.00")).await?;
    let id = id_of(&answer)?;
    let page = hands.client.send("GET", answer.text("/data/paymentUrl"), &[], None).await?;
    let back = Form::of(&page.bytes)?.all("successfulurlredirect")[0].to_owned();
    for _ in 0..5 {
        hands.client.send("GET", &back, &[], None).await?;
    }
    let told = told(&hands, &id, "the browser came back").await?;
    ensure!(told == 1, "told {told} times");
    Ok(())
}

// --- the same bytes ---------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_processed_as_it_came() {
    let world = World::start(BINARY, &PSP_TYPES, |options| options.time_scale(20)).await.expect("a sandbox");
    let mut table = Table::new("the bytes that came");
    table.row("eMerchantPay: a chargeback with a byte of ISO-8859-1", latin1_chargeback(world.hands()));
    table.row("Trust: a report with a byte of ISO-8859-1", latin1_report(world.hands()));
    table.row("Neosurf: a field with a byte of ISO-8859-1 is covered by its hash", latin1_neosurf(world.hands()));
    table.row("PayOne: the signature is the seventieth header, one before it no UTF-8", many_headers(world.hands()));
    table.end().await;
    amount_of_twelve_digits(&world).await.expect("Trust: an amount of twelve digits is no card number");
}

async fn latin1_chargeback(hands: Hands) -> Result<()> {
    let (id, unique_id, url) = emerchantpay_paid(&hands).await?;
    let settings = json!({"dropCallbacks": true});
    hands.client.control("PUT", "/emerchantpay/settings", Some(settings)).await?;
    let reversed = hands.client.control("POST", &format!("/emerchantpay/{id}/reverse"), None).await?;
    ensure!(reversed.status == 200, "{}", reversed.body);
    let mut body = emerchantpay_notification(&id, &unique_id, "&status=chargebacked&event=chargeback&card_holder=Ren");
    body.push(0xe9);
    let answer = post(&hands, &url, FORM, body).await?;
    ensure!(answer.status == 200 && String::from_utf8_lossy(&answer.bytes).contains(&unique_id), "{}", answer.status);
    hands.client.control("PUT", "/emerchantpay/settings", Some(json!({"dropCallbacks": false}))).await?;
    hands.client.wait_for(&id, &["Reversed"], LIMIT).await?;
    Ok(())
}

async fn latin1_report(hands: Hands) -> Result<()> {
    let (id, url) = trust_posted(&hands, "EUR", "105.00").await?;
    let mut body = b"notificationreference=1-1&errorcode=0&requesttypedescription=AUTH&billingfirstname=Ren".to_vec();
    body.push(0xe9);
    taken(&hands, &url, FORM, body).await?;
    until("it is told", async || Ok(told(&hands, &id, "notified unsigned: AUTH, errorcode 0").await? == 1)).await
}

async fn latin1_neosurf(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::neosurf("EUR", "100.00")).await?)?;
    let url = told_address(&hands, "neosurf", &id).await?;
    let answer = hands.client.control("GET", &format!("/neosurf/{id}"), None).await?;
    let shop = sent(&hands, "neosurf").await?.into_iter().find(|call| call.contains(&id)).context("no call")?;
    let sub_merchant =
        shop.split_once("subMerchantId=").and_then(|(_, rest)| rest.split(['&', '"', ' ']).next()).unwrap_or_default();
    let fields = [
        ("amount", "10000".to_owned()),
        ("currency", "eur".to_owned()),
        ("errorCode", String::new()),
        ("errorMessage", String::new()),
        ("merchantId", "24842".to_owned()),
        ("merchantTransactionId", id.clone()),
        ("methodLabel", "Caf\u{fffd}".to_owned()),
        ("status", "ok".to_owned()),
        ("subMerchantId", url_decoded(sub_merchant)),
        ("transactionId", "987654321".to_owned()),
    ];
    let bytes = |value: &str| -> Vec<u8> {
        value.replace('\u{fffd}', "\u{1}").bytes().map(|byte| if byte == 1 { 0xe9 } else { byte }).collect()
    };
    // The secret stands at the end, the values in the order of their names: the bytes as they go over the wire.
    let mut joined: Vec<u8> = fields.iter().flat_map(|(_, value)| bytes(value)).collect();
    joined.extend_from_slice(b"neosurf-demo-secret-0001");
    let hash = hex::encode(digest(&SHA512, &joined));
    let mut body: Vec<u8> = Vec::new();
    for (name, value) in &fields {
        body.extend_from_slice(format!("{name}=").as_bytes());
        body.extend(bytes(value));
        body.push(b'&');
    }
    body.extend_from_slice(format!("hash={hash}").as_bytes());
    let answer_to = post(&hands, &url, FORM, body).await?;
    ensure!(answer_to.status == 200, "{} {}; {}", answer_to.status, answer_to.body, answer.body);
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    Ok(())
}

async fn many_headers(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?)?;
    let url = told_address(&hands, "payone", &id).await?;
    let body = payone_callback(&id, "HEADERS00F");
    let address = url.strip_prefix("http://").context("no http")?;
    let (host, path) = address.split_once('/').context("no path")?;
    let mut request =
        format!("POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\nconnection: close\r\nx-odd: ", body.len())
            .into_bytes();
    request.extend_from_slice(b"Caf\xe9\r\n");
    for n in 0..66 {
        request.extend_from_slice(format!("x-hop-{n}: 1\r\n").as_bytes());
    }
    request.extend_from_slice(format!("x-signature: {}\r\n\r\n{body}", payone_signature(body.as_bytes())).as_bytes());
    let answer = raw(host, &request).await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    until("asked about", async || Ok(sent(&hands, "payone").await?.iter().any(|call| call.contains("HEADERS00F")))).await?;
    ensure!(told(&hands, &id, "wrong signature").await? == 0, "its signature was not read again");
    Ok(())
}

async fn raw(host: &str, request: &[u8]) -> Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(host).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A signed notification is proven by the values that came, whatever is masked of them where they are kept.
async fn amount_of_twelve_digits(world: &World) -> Result<()> {
    let hands = world.hands();
    let method = hands.client.method_of("TRUST").await?;
    let none = json!({"config": {"webServicesUsername": null, "webServicesPassword": null}});
    let changed = hands.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(none)).await?;
    ensure!(changed.status == 200, "{}", changed.body);
    let (id, _) = trust_posted(&hands, "JPY", "123456789012").await?;
    let paid = hands.client.control("POST", &format!("/trust/{id}/approve"), None).await?;
    ensure!(paid.status == 200, "{}", paid.body);
    hands.ends_as(&id, "Approved", "0/0", LIMIT).await?;
    Ok(())
}

// --- floods -----------------------------------------------------------------------------------

fn store(path: &Path) -> Result<Connection> {
    let db = Connection::open(path.join("mozarto.db"))?;
    db.busy_timeout(Duration::from_secs(10))?;
    Ok(db)
}

fn number(db: &Connection, sql: &str, id: &str) -> Result<i64> {
    Ok(db.query_row(sql, [id], |row| row.get(0))?)
}

const KEPT: &str = "SELECT COUNT(*) FROM callbacks WHERE transaction_id = ?1";

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_callbacks_does_no_harm() {
    let world = World::start(BINARY, &PSP_TYPES, |options| options.time_scale(20).variable("MOZARTO_LOG", "error")).await;
    let world = world.expect("a sandbox");
    over_the_cap(&world).await.expect("over the cap");
    folded(&world).await.expect("identical bodies");
    over_the_rate(&world).await.expect("over the rate");
    browser_tokens(&world).await.expect("tokens that a browser sees");
    let mut table = Table::new("the address");
    table.row("a trailing slash", trailing_slash(world.hands()));
    table.row("another method", other_methods(world.hands()));
    for provider in ["brite", "cleo", "forumpay", "emerchantpay", "payone", "trust"] {
        table.row(format!("{provider}: without readable content"), unreadable(world.hands(), provider));
    }
    table.end().await;
}

/// First 20 and newest 20 are kept; what comes over the cap has the provider asked.
async fn over_the_cap(world: &World) -> Result<()> {
    let hands = world.hands();
    let id = id_of(&hands.client.cashier(brite_in()).await?)?;
    let url = told_address(&hands, "brite", &id).await?;
    for n in 0..70 {
        taken(&hands, &url, JSON, format!(r#"{{"merchant_id":"m","session_id":"s","session_state":{n}}}"#)).await?;
    }
    let db = store(world.data())?;
    ensure!(number(&db, KEPT, &id)? == 40, "{} are kept", number(&db, KEPT, &id)?);
    let set = |drop: bool| hands.client.control("PUT", "/brite/settings", Some(json!({"dropCallbacks": drop})));
    set(true).await?;
    let paid = hands.client.control("POST", &format!("/brite/{id}/approve"), None).await?;
    ensure!(paid.status == 200, "{}", paid.body);
    let last = r#"{"merchant_id":"m","session_id":"s","session_state":99}"#;
    taken(&hands, &url, JSON, last).await?;
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    set(false).await?;
    ensure!(number(&db, KEPT, &id)? == 40, "{} are kept", number(&db, KEPT, &id)?);
    Ok(())
}

/// Identical bodies are one row, whatever the headers; a repeat of one that was worked off has the provider asked again.
async fn folded(world: &World) -> Result<()> {
    let hands = world.hands();
    let id = id_of(&hands.client.cashier(brite_in()).await?)?;
    let url = told_address(&hands, "brite", &id).await?;
    let body = r#"{"merchant_id":"m","session_id":"s","session_state":1}"#;
    for n in 0..30 {
        let number = n.to_string();
        let answer =
            hands.client.send("POST", &url, &[("content-type", JSON), ("x-request-id", &number)], Some(body.into())).await?;
        ensure!(answer.status == 200, "{}", answer.status);
    }
    let db = store(world.data())?;
    ensure!(number(&db, KEPT, &id)? == 1, "{} are kept", number(&db, KEPT, &id)?);
    ensure!(number(&db, "SELECT copies FROM callbacks WHERE transaction_id = ?1", &id)? == 30);
    until("worked off", async || {
        Ok(number(&db, "SELECT COUNT(*) FROM callbacks WHERE transaction_id = ?1 AND due_at IS NOT NULL", &id)? == 0)
    })
    .await?;
    hands.client.control("PUT", "/brite/settings", Some(json!({"dropCallbacks": true}))).await?;
    hands.client.control("POST", &format!("/brite/{id}/approve"), None).await?;
    taken(&hands, &url, JSON, body).await?;
    hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    hands.client.control("PUT", "/brite/settings", Some(json!({"dropCallbacks": false}))).await?;
    Ok(())
}

async fn over_the_rate(world: &World) -> Result<()> {
    let hands = world.hands();
    let id = id_of(&hands.client.cashier(brite_in()).await?)?;
    let url = told_address(&hands, "brite", &id).await?;
    let asked_before = hands.client.control("GET", "/brite/calls", None).await?.body["total"].as_u64().unwrap_or_default();
    let began = Instant::now();
    let mut flood = tokio::task::JoinSet::new();
    for client in 0..8 {
        let (hands, url) = (hands.clone(), url.clone());
        flood.spawn(async move {
            let (mut good, mut limited) = (0_u32, 0_u32);
            for n in 0..250 {
                let body = format!(r#"{{"merchant_id":"m","transaction_id":"flood-{client}-{n}","transaction_state":1}}"#);
                let answer = post(&hands, &url, JSON, body).await?;
                match answer.status {
                    200 => good += 1,
                    429 if answer.header("retry-after").is_some() => limited += 1,
                    other => anyhow::bail!("{other} {}", answer.body),
                }
            }
            Ok::<_, anyhow::Error>((good, limited))
        });
    }
    let (mut good, mut limited) = (0, 0);
    while let Some(one) = flood.join_next().await {
        let (some, over) = one??;
        good += some;
        limited += over;
    }
    let seconds = u32::try_from(began.elapsed().as_secs())? + 1;
    ensure!(limited > 0 && good <= 200 + 20 * seconds, "{good} taken, {limited} over the rate, in {seconds} s");
    let db = store(world.data())?;
    ensure!(number(&db, KEPT, &id)? <= 40, "{} are kept", number(&db, KEPT, &id)?);
    // Another transaction of the same provider is not concerned.
    let other = id_of(&hands.client.cashier(brite_in()).await?)?;
    let told = told_address(&hands, "brite", &other).await?;
    taken(&hands, &told, JSON, r#"{"merchant_id":"m","session_id":"s","session_state":1}"#).await?;
    let asked =
        hands.client.control("GET", "/brite/calls", None).await?.body["total"].as_u64().unwrap_or_default() - asked_before;
    ensure!(asked < 200, "Brite was asked {asked} times because of {good} callbacks");
    Ok(())
}

fn is_token_of_callbacks(db: &Connection, url: &str) -> Result<bool> {
    let token = url.rsplit('/').next().unwrap_or_default();
    let hash = digest(&SHA256, token.as_bytes());
    let found: i64 =
        db.query_row("SELECT COUNT(*) FROM transactions WHERE callback_token_hash = ?1", [hash.as_ref()], |row| row.get(0))?;
    Ok(found > 0)
}

async fn browser_tokens(world: &World) -> Result<()> {
    let hands = world.hands();
    let db = store(world.data())?;
    let (id, url) = trust_posted(&hands, "EUR", "106.00").await?;
    ensure!(!is_token_of_callbacks(&db, &url)?, "Trust's form shows the callback token");
    taken(&hands, &url, FORM, "notificationreference=1-1&errorcode=0&requesttypedescription=AUTH").await?;
    until("it is read", async || Ok(told(&hands, &id, "notified unsigned").await? == 1)).await?;
    for n in 0..60 {
        taken(&hands, &url, FORM, format!("notificationreference=1-{n}&errorcode=7&requesttypedescription=AUTH")).await?;
    }
    ensure!(number(&db, KEPT, &id)? == 40, "{} are kept", number(&db, KEPT, &id)?);
    // The token of the device check opens nothing but its own address.
    let card = hands.client.cashier(&bodies::emerchantpay("107.00", DEVICE_CHECK)).await?;
    let id = id_of(&card)?;
    let calls = sent(&hands, "emerchantpay").await?.into_iter().find(|call| call.contains(&id)).context("no call")?;
    let check = calls.split_once("<callback_url>").and_then(|(_, rest)| rest.split('<').next()).context("no address")?.to_owned();
    ensure!(check.ends_with("/threeds"), "{check}");
    let bare = check.trim_end_matches("/threeds");
    ensure!(!is_token_of_callbacks(&db, bare)?);
    ensure!(post(&hands, bare, FORM, "a=b").await?.status == 404, "the device check's token takes notifications");
    for address in [check.clone(), format!("{check}/")] {
        ensure!(post(&hands, &address, FORM, b"a=\xe9".to_vec()).await?.status == 200, "{address}");
    }
    let wrong = hands.client.send("GET", &check, &[], None).await?;
    ensure!(wrong.status == 405 && wrong.header("allow") == Some("POST"), "{} {:?}", wrong.status, wrong.header("allow"));
    let mut limited = 0;
    for _ in 0..400 {
        limited += u32::from(post(&hands, &check, FORM, "a=b").await?.status == 429);
    }
    ensure!(limited > 0, "the device check's address has no rate");
    Ok(())
}

async fn trailing_slash(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(brite_in()).await?)?;
    let url = told_address(&hands, "brite", &id).await?;
    taken(&hands, &format!("{url}/"), JSON, r#"{"merchant_id":"m","transaction_id":"with-a-slash"}"#).await?;
    until("asked about", async || Ok(sent(&hands, "brite").await?.iter().any(|call| call.contains("with-a-slash")))).await
}

async fn other_methods(hands: Hands) -> Result<()> {
    let id = id_of(&hands.client.cashier(brite_in()).await?)?;
    let url = told_address(&hands, "brite", &id).await?;
    for address in [url.clone(), format!("{url}/")] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
            let answer = hands.client.send(method, &address, &[], None).await?;
            let allow = answer.header("allow").unwrap_or_default();
            ensure!(answer.status == 405 && allow.contains("POST"), "{method}: {} Allow {allow:?}", answer.status);
        }
    }
    Ok(())
}

/// Somebody knows the address and says nothing that can be read: the provider is asked about that transaction.
async fn unreadable(hands: Hands, provider: &'static str) -> Result<()> {
    let body = match provider {
        "brite" => brite_in().to_owned(),
        "cleo" => cleo_in(),
        "forumpay" => bodies::forumpay_in("100.00"),
        "emerchantpay" => bodies::emerchantpay("108.00", "4918190000000002"),
        "payone" => bodies::payone("PAYIN", "109.00"),
        _ => bodies::trust("EUR", "109.00"),
    };
    for content in [&b""[..], b"\xff\xfe", b"[]"] {
        let (id, url) = if provider == "trust" {
            trust_posted(&hands, "EUR", "109.00").await?
        } else {
            let id = id_of(&hands.client.cashier(&body).await?)?;
            let url = told_address(&hands, provider, &id).await?;
            (id, url)
        };
        hands.client.control("PUT", &format!("/{provider}/settings"), Some(json!({"dropCallbacks": true}))).await?;
        let paid = hands.client.control("POST", &format!("/{provider}/{id}/approve"), None).await?;
        ensure!(paid.status == 200, "{}", paid.body);
        let signature = payone_signature(content);
        let headers = [("x-signature", signature.as_str())];
        let headers = if provider == "payone" { &headers[..] } else { &[] };
        let answer = hands.client.send("POST", &url, headers, Some(content.to_vec())).await?;
        ensure!(answer.status == 200, "{content:?}: {} {}", answer.status, answer.body);
        hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    }
    hands.client.control("PUT", &format!("/{provider}/settings"), Some(json!({"dropCallbacks": false}))).await?;
    Ok(())
}

fn cleo_in() -> String {
    r#"{"pspType":"CLEO","type":"PAYIN","baseamount":100.00,"currency":"PEN","currencyCode":"PEN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"56912345678","gender":"male","dob":"1990-01-15","countryCode":"PE","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","emailVerification":"player@example.com","verificationDate":"2026-01-15","address":{"line1":"Av. Uno 1","city":"Lima","state":"LIM","postalCode":"15001","country":"PE"}}"#.to_owned()
}
