//! The inbox: each callback counts with what it says, is told once, is read in the bytes that came, and a flood of them does no
//! harm.

mod bytes;
mod each;
mod each_facts;
mod floods;
mod once;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::hmac;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};
use testkit::client::{Answer, Client, bodies};
use testkit::forms::Form;
use testkit::sandbox::{Options, Sandbox};
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
    address_told(&hands.client, provider, id).await
}

async fn address_told(client: &Client, provider: &str, id: &str) -> Result<String> {
    let calls = client.control("GET", &format!("/{provider}/calls"), None).await?;
    let calls = calls.body["calls"].as_array().cloned().context("no calls")?;
    let start = format!("{}/callbacks/{provider}/", client.base);
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

fn cleo_in() -> String {
    r#"{"pspType":"CLEO","type":"PAYIN","baseamount":100.00,"currency":"PEN","currencyCode":"PEN","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"56912345678","gender":"male","dob":"1990-01-15","countryCode":"PE","kycVerified":true,"blocked":false,"isVelocity":false,"transactionCount":"12","userBalance":0,"partnerName":"Acme","emailVerification":"player@example.com","verificationDate":"2026-01-15","address":{"line1":"Av. Uno 1","city":"Lima","state":"LIM","postalCode":"15001","country":"PE"}}"#.to_owned()
}
