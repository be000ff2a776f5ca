//! Trust Payments: an account that may ask, one that can only believe what is signed, ones with neither, and what time
//! alone ends.

mod accounts;
mod notified;
mod page;
mod queries;
mod schedule;
mod sent;
mod triggers;
mod words;

use crate::book::Book;
use crate::stage::{Pace, Scene, Stage, good};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::client::{Answer, bodies};
use testkit::forms::Form;
use testkit::world::Hands;

const SITE: &str = "test_mozarto0001";
const PASSWORD: &str = "trust-demo-password-0001";
const USER: &str = "ws@demo-company.example";
const USER_PASSWORD: &str = "trust-demo-ws-0001";

/// Trust is asked wherever there is somebody to ask; and what only time ends.
#[tokio::test(flavor = "multi_thread")]
async fn trust() {
    let asks = async {
        let mut book = Book::open("trust");
        let mut stage = stage(Pace::Real).await;
        queries::tested(&mut stage, &mut book).await;
        page::refused(&mut stage, &mut book).await;
        page::ours_and_back(&mut stage, &mut book).await;
        page::billed(&mut stage, &mut book).await;
        triggers::digits(&mut stage, &mut book).await;
        triggers::buttons(&mut stage, &mut book).await;
        triggers::outcomes(&mut stage, &mut book).await;
        words::told(&mut stage, &mut book).await;
        words::after(&mut stage, &mut book).await;
        words::parts(&mut stage, &mut book, true).await;
        queries::answered(&mut stage, &mut book).await;
        notified::rows(&mut stage, &mut book).await;
        notified::against_records(&mut stage, &mut book).await;
        book
    };
    let (asks, hours) = tokio::join!(asks, schedule::hours());
    Book::close_all([asks, hours]);
}

/// What is signed decides, where anything does.
#[tokio::test(flavor = "multi_thread")]
async fn trust_only_signed() {
    let signed = async {
        let mut book = Book::open("trust-only-signed");
        let mut stage = stage(Pace::Real).await;
        accounts::only_signed(&mut stage, &mut book).await;
        triggers::signed_digits(&mut stage, &mut book).await;
        words::told(&mut stage, &mut book).await;
        words::after(&mut stage, &mut book).await;
        words::parts(&mut stage, &mut book, false).await;
        notified::rows(&mut stage, &mut book).await;
        notified::details(&mut stage, &mut book).await;
        accounts::others(&mut stage, &mut book).await;
        book
    };
    let (signed, hangs) = tokio::join!(signed, schedule::hangs());
    Book::close_all([signed, hangs]);
}

async fn stage(pace: Pace) -> Stage {
    let stage = Stage::start("trust", &["TRUST"], "", pace).await.expect("a stage");
    let base = stage.address();
    configure(&stage.hands(), json!({"pagesBaseUrl": base, "webServicesBaseUrl": base})).await.expect("the addresses");
    stage
}

/// Changes the company's account.
async fn configure(hands: &Hands, config: Value) -> Result<Answer> {
    let method = hands.client.method_of("TRUST").await?;
    let set = hands.client.manage("PATCH", &format!("/payment-methods/{method}"), Some(json!({"config": config}))).await?;
    good(&set)?;
    Ok(set)
}

fn eur(amount: &str) -> String {
    bodies::trust("EUR", amount)
}

/// Pays, opens the page of ours and posts its form to Trust, as a browser does: the form, and Trust's page.
async fn opened(scene: &mut Scene<'_>, body: &str) -> Result<(Form, Answer)> {
    let url = scene.pay(body).await?.text("/data/paymentUrl").to_owned();
    let page = scene.client().send("GET", &url, &[], None).await?;
    ensure!(page.status == 200, "the page: {}", page.status);
    let form = Form::of(&page.bytes)?;
    let there = form.post(scene.client(), &url, &[]).await?;
    Ok((form, there))
}

/// A button of Trust's page; answers where the browser is sent.
async fn pressed(scene: &mut Scene<'_>, page: &Answer, with: &[(&str, &str)]) -> Result<String> {
    let simulator = scene.client().simulator.clone();
    let answer = Form::of(&page.bytes)?.post(scene.client(), &simulator, with).await?;
    let location = answer.header("location").unwrap_or_default().to_owned();
    let said: Vec<String> = with.iter().map(|(name, value)| format!("{name}={value}")).collect();
    scene.did(format!("pressed {}: to {location}", said.join("&")), answer);
    Ok(location)
}

/// The browser follows.
async fn followed(scene: &mut Scene<'_>, url: &str) -> Result<()> {
    let answer = scene.client().send("GET", url, &[], None).await?;
    let location = answer.header("location").unwrap_or_default().to_owned();
    scene.did(format!("GET {url}: to {location}"), answer);
    Ok(())
}

/// The account's own address for notifications.
async fn account_address(hands: &Hands, method: &str) -> Result<String> {
    let shown = hands.client.manage("GET", &format!("/payment-methods/{method}"), None).await?;
    Some(shown.text("/data/callbackUrl").to_owned()).filter(|url| !url.is_empty()).context("the account has no address")
}
