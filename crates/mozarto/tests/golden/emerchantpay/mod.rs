//! eMerchantPay.

mod browser;
mod cards;
mod records;
mod replies;
mod told;

use crate::book::Book;
use crate::stage::{Pace, Scene, Stage, at, good, says};
use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::client::{Answer, bodies};

const NAME: &str = "emerchantpay";
const USER: &str = "emp-demo";
const PASSWORD: &str = "emp-demo-secret-0001";
const TERMINAL: &str = "394fdemoterminal0001";
const PROCESS: &str = "/process/";
const RECONCILE: &str = "/reconcile/";
/// Approved at once; sent to the challenge; to the device check alone; to the device check, then to the challenge.
const FRICTIONLESS: &str = "4012000000060085";
const CHALLENGE: &str = "4918190000000002";
const CHECK: &str = "4066330000000004";
const CHECK_THEN_CHALLENGE: &str = "4938730000000001";

/// Looks at something that comes within seconds: each takes a call.
const LOOKS_MAX: usize = 50_000;

#[tokio::test(flavor = "multi_thread")]
async fn emerchantpay() {
    let real = async {
        let mut book = Book::open(NAME);
        let mut stage = Stage::start(NAME, &["EMERCHANTPAY"], "", Pace::Real).await.expect("a stage");
        cards::notified(&mut stage, &mut book).await;
        set(&stage, json!({"dropCallbacks": true})).await;
        cards::at_once(&mut stage, &mut book).await;
        browser::rows(&mut stage, &mut book).await;
        records::rows(&mut stage, &mut book).await;
        told::rows(&mut stage, &mut book).await;
        replies::of_the_account(&mut stage, &mut book).await;
        book
    };
    let fast = async {
        let mut book = Book::open("emerchantpay-by-schedule");
        let mut stage = Stage::start(NAME, &["EMERCHANTPAY"], "", Pace::Fast).await.expect("a stage");
        set(&stage, json!({"dropCallbacks": true})).await;
        replies::rows(&mut stage, &mut book).await;
        cards::lost(&mut stage, &mut book).await;
        book
    };
    let (real, fast) = tokio::join!(real, fast);
    Book::close_all([real, fast]);
}

async fn set(stage: &Stage, what: Value) {
    let set = stage.hands().client.control("PUT", "/emerchantpay/settings", Some(what)).await;
    good(&set.expect("settings")).expect("settings");
}

/// A row, with a name for the issuer's number of the approval, six digits that no pattern knows.
async fn row(stage: &mut Stage, book: &mut Book, name: &str, work: impl AsyncFnOnce(&mut Scene<'_>) -> Result<()>) {
    let row = async |scene: &mut Scene<'_>| {
        work(scene).await?;
        if let Some(code) = authorization_code(scene).await? {
            scene.know(&code, "authorization code");
        }
        Ok(())
    };
    stage.row(book, name, row).await;
}

/// As the gateway's own record has it. It is asked past the recorder.
async fn authorization_code(scene: &Scene<'_>) -> Result<Option<String>> {
    let url = format!("{}/emerchantpay{RECONCILE}{TERMINAL}/", scene.client().simulator);
    let body = format!("<reconcile><transaction_id>{}</transaction_id></reconcile>", scene.id());
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let headers = [("content-type", "text/xml"), ("authorization", basic.as_str())];
    let record = scene.client().send("POST", &url, &headers, Some(body.into_bytes())).await?;
    let text = String::from_utf8_lossy(&record.bytes).into_owned();
    let code = text.split_once("<authorization_code>").and_then(|(_, rest)| rest.split_once('<'));
    Ok(code.map(|(code, _)| code.to_owned()))
}

/// Waits until so many webhooks have been delivered, so that what comes next stands after them.
async fn delivered(scene: &Scene<'_>, count: usize) -> Result<()> {
    for _ in 0..LOOKS_MAX {
        let shown = scene.hands().managed(scene.id()).await?;
        let events = shown["events"].as_array().into_iter().flatten();
        if events.filter(|event| event["event"] == "webhook_delivered").count() >= count {
            return Ok(());
        }
    }
    anyhow::bail!("{count} webhooks were never delivered")
}

/// A pay-in of that amount and card.
fn order(amount: &str, pan: &str) -> String {
    let body = bodies::emerchantpay(amount, pan);
    // American Express has four digits.
    if pan.starts_with("37") { body.replace(r#""cvv":"123""#, r#""cvv":"1234""#) } else { body }
}

/// With further members.
fn order_with(amount: &str, pan: &str, more: &str) -> String {
    let plain = order(amount, pan);
    format!("{},{more}}}", plain.strip_suffix('}').unwrap_or(&plain))
}

/// A pay-in whose payer is awaited; the gateway's id.
async fn opened(scene: &mut Scene<'_>, amount: &str, pan: &str) -> Result<String> {
    let answer = scene.pay(&order(amount, pan)).await?;
    ensure!(answer.text("/data/status") == "pending_async", "{} {}", answer.status, answer.body);
    Ok(answer.text("/data/uniqueId").to_owned())
}

/// A pay-in that is approved at once; the gateway's id.
async fn paid(scene: &mut Scene<'_>, amount: &str) -> Result<String> {
    let answer = scene.pay(&order(amount, FRICTIONLESS)).await?;
    ensure!(answer.text("/data/status") == "approved", "{} {}", answer.status, answer.body);
    Ok(answer.text("/data/uniqueId").to_owned())
}

fn xml(http: u16, inner: &str) -> Value {
    says(http, json!(format!("<?xml version=\"1.0\"?>\n<payment_response>{inner}</payment_response>")))
}

/// The answer for a call about that payment alone.
fn about(path: &str, unique_id: &str, reply: Value) -> Value {
    let mut next = at(path, reply);
    next["about"] = json!(unique_id);
    next
}

/// Elements that name the row's payment.
fn ids(scene: &Scene<'_>, unique_id: &str) -> String {
    format!("<transaction_id>{}</transaction_id><unique_id>{unique_id}</unique_id>", scene.id())
}

fn hash(algorithm: &'static digest::Algorithm, parts: &[&str]) -> String {
    hex::encode(digest::digest(algorithm, parts.concat().as_bytes()))
}

/// Something shown that is no answer to be shown whole.
fn shown(status: u16, text: impl Into<String>) -> Answer {
    Answer { status, headers: Vec::new(), bytes: text.into().into_bytes(), body: Value::Null }
}

/// What the gateway was told of the row's payment in an element.
async fn told_to_gateway(scene: &Scene<'_>, element: &str) -> Result<String> {
    let calls = scene.client().control("GET", "/emerchantpay/calls", None).await?;
    let named = format!("<transaction_id>{}<", scene.id());
    let calls = calls.body["calls"].as_array().context("no calls")?.iter().filter_map(|call| call["body"].as_str());
    let call = calls.filter(|body| body.contains(&named)).find_map(|body| body.split_once(&format!("<{element}>")));
    let value = call.and_then(|(_, rest)| rest.split('<').next());
    value.map(str::to_owned).with_context(|| format!("the gateway was not told {element}"))
}
