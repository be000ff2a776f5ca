//! Neosurf.

mod accounts;
mod called_back;
mod creating;
mod found;
mod signed;
mod triggers;

use crate::book::Book;
use crate::stage::{Pace, Scene, Stage, at, good, says};
use anyhow::Result;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, bodies};

const NAME: &str = "neosurf";
const SECRET: &str = "neosurf-demo-secret-0001";
const SOAP: &str = "POST /soap/index.php";
const PAGE: &str = "https://pay.secure-neosurf.com/EN-A1B2C3D4E5F6G7H8I";
/// What a page's address begins its last part with.
const PAGE_PREFIX: &str = "EN-";
/// Somebody else's transaction.
const ANOTHER: &str = "64a1f2b3c4d5e6f7a8b9c0d1";
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn neosurf() {
    let real = async {
        let mut book = Book::open("neosurf");
        let mut stage = stage(Pace::Real).await;
        // What names no transaction: before any is open that could be asked about meanwhile.
        accounts::tested(&mut stage, &mut book).await;
        creating::found_after_all(&mut stage, &mut book).await;
        triggers::rows(&mut stage, &mut book).await;
        creating::pages(&mut stage, &mut book).await;
        found::rows(&mut stage, &mut book).await;
        called_back::rows(&mut stage, &mut book).await;
        accounts::incomplete(&mut stage, &mut book).await;
        book
    };
    let fast = async {
        let mut book = Book::open("neosurf-by-schedule");
        let mut stage = stage(Pace::Fast).await;
        triggers::in_doubt(&mut stage, &mut book).await;
        creating::rows(&mut stage, &mut book).await;
        book
    };
    let (real, fast) = tokio::join!(real, fast);
    Book::close_all([real, fast]);
}

/// Its status query has an address of its own.
async fn stage(pace: Pace) -> Stage {
    let stage = Stage::start(NAME, &["NEOSURF"], "", pace).await.expect("a stage");
    let soap = format!("{}/soap/index.php", stage.address());
    configured(&stage.hands().client, json!({"soapUrl": soap})).await.expect("the address of the status query");
    stage
}

/// Changes the account's configuration.
async fn configured(client: &testkit::client::Client, config: Value) -> Result<()> {
    let method = client.method_of("NEOSURF").await?;
    good(&client.manage("PATCH", &format!("/payment-methods/{method}"), Some(json!({"config": config}))).await?)
}

/// The simulator's settings, between rows.
async fn settings(stage: &Stage, what: Value) {
    let set = stage.hands().client.control("PUT", "/neosurf/settings", Some(what)).await.expect("settings");
    good(&set).expect("settings");
}

/// A create. The page's id is of letters and digits at random: it need not look like one.
async fn pay(scene: &mut Scene<'_>, body: &str) -> Result<Answer> {
    let answer = scene.pay(body).await?;
    let page = answer.text("/transaction/redirectUrl");
    if let Some((_, id)) = page.rsplit_once('/').filter(|(_, id)| id.starts_with(PAGE_PREFIX)) {
        scene.know(id, "page");
    }
    // What stands before its `=` is long enough for something at random.
    scene.know("merchantTransactionId=", "merchantTransactionId=");
    let address = scene.callback_address().unwrap_or_default();
    scene.know(address.rsplit('/').next().unwrap_or_default(), "callback token");
    Ok(answer)
}

async fn opened(scene: &mut Scene<'_>, amount: &str) -> Result<()> {
    pay(scene, &bodies::neosurf("EUR", amount)).await.map(drop)
}

/// A create's answer. A status query's body has no `urlCallback`.
fn to_create(mut answer: Value) -> Value {
    answer["about"] = json!("urlCallback");
    at("POST /", answer)
}

/// What the status query about the row's transaction is answered: the schedule's queries about earlier ones do not use it up.
async fn next_query(scene: &Scene<'_>, mut answer: Value) -> Result<()> {
    answer["about"] = json!(scene.id());
    scene.next(at(SOAP, answer)).await
}

/// Asks by hand; the answer is this.
async fn asks(scene: &mut Scene<'_>, answer: Value) -> Result<()> {
    next_query(scene, answer).await?;
    scene.manage("inquire").await.map(drop)
}

/// The status query's answer with these fields.
fn details(fields: &[(&str, &str)]) -> Value {
    says(200, json!(envelope(fields)))
}

fn envelope(fields: &[(&str, &str)]) -> String {
    let fields: String = fields.iter().map(|(name, value)| format!("<{name} xsi:type=\"xsd:string\">{value}</{name}>")).collect();
    format!(
        "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:ns1=\"https://www.neosurf.info/soap/\">\
         <soap:Body><ns1:transactionGetDetailsResponse><opResponse>{fields}</opResponse></ns1:transactionGetDetailsResponse>\
         </soap:Body></soap:Envelope>"
    )
}

/// Never paid, never opened.
fn absent() -> Value {
    details(&[("errorCode", ""), ("errorMessage", "merchantTransactionId does not exist")])
}
