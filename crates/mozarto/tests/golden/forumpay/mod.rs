//! ForumPay.

mod orders;
mod pay_ins;
mod replies;
mod told;
mod triggers;

use crate::book::Book;
use crate::stage::{Pace, Scene, Stage};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::{Answer, bodies};

const NAME: &str = "forumpay";
const LIST: &str = "GetTransactions";
const CHECK: &str = "CheckPayment";
const CONFIRM: &str = "ConfirmBuyOrder";
/// A payment that nobody asks about.
const A: &str = "badd0b52-110f-4be2-af64-59d7645796af";
const FOREIGN: &str = "64a1f2b3c4d5e6f7a8b9c0d1";
const LIMIT: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(40);
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn forumpay() {
    let real = async {
        let mut stage = Stage::start(NAME, &["FORUMPAY"], "/pay/v2", Pace::Real).await.expect("a stage");
        let [mut of_triggers, mut of_replies, mut of_pay_ins, mut of_pay_outs, mut of_callbacks] =
            ["forumpay", "forumpay-replies", "forumpay-pay-ins", "forumpay-pay-outs", "forumpay-told"].map(Book::open);
        triggers::real(&mut stage, &mut of_triggers).await;
        replies::rows(&mut stage, &mut of_replies).await;
        pay_ins::rows(&mut stage, &mut of_pay_ins).await;
        orders::rows(&mut stage, &mut of_pay_outs).await;
        told::rows(&mut stage, &mut of_callbacks).await;
        [of_triggers, of_replies, of_pay_ins, of_pay_outs, of_callbacks]
    };
    let fast = async {
        let mut book = Book::open("forumpay-by-schedule");
        // Half as fast as elsewhere: a limit for an answer stays half a second, which a busy machine keeps.
        let mut stage = Stage::start(NAME, &["FORUMPAY"], "/pay/v2", Pace::Scaled(30)).await.expect("a stage");
        triggers::fast(&mut stage, &mut book).await;
        orders::by_schedule(&mut stage, &mut book).await;
        book
    };
    let (real, fast) = tokio::join!(real, fast);
    Book::close_all(real.into_iter().chain([fast]));
}

/// A row.
async fn plays(stage: &mut Stage, book: &mut Book, name: &str, work: impl AsyncFnOnce(&mut Scene<'_>) -> Result<()>) {
    let work = async |scene: &mut Scene<'_>| {
        work(scene).await?;
        know_lists(scene).await
    };
    stage.row(book, name, work).await;
}

/// The list makes up two texts for each payment each time it is asked, which look like none of what has a name.
async fn know_lists(scene: &mut Scene<'_>) -> Result<()> {
    let calls = scene.client().control("GET", "/forumpay/calls", None).await?;
    let id = scene.id().to_owned();
    for call in calls.body["calls"].as_array().into_iter().flatten() {
        let is_list = !id.is_empty() && call["query"].as_str().is_some_and(|query| query.contains(&id));
        let answer: Value = serde_json::from_str(call["answer"].as_str().unwrap_or_default()).unwrap_or_default();
        for payment in answer["invoices"].as_array().into_iter().flatten().filter(|_| is_list) {
            scene.know(payment["sid"].as_str().unwrap_or_default(), "sid");
            scene.know(payment["access_token"].as_str().unwrap_or_default(), "access token");
        }
    }
    Ok(())
}

/// The simulator's settings, for the rows that follow.
async fn set(stage: &Stage, settings: Value) {
    let answer = stage.hands().client.control("PUT", "/forumpay/settings", Some(settings)).await.expect("settings");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// What is left of the payer's time is shown by the second.
fn know_countdown(scene: &mut Scene<'_>) {
    for second in 0..300 {
        scene.know(&format!("({}:{:02})", second / 60, second % 60), "countdown");
    }
    scene.know("(5:00)", "countdown");
}

/// A link; answers the page's address, if there is one.
async fn link(scene: &mut Scene<'_>, amount: &str) -> Result<String> {
    know_countdown(scene);
    let answer = scene.pay(&bodies::forumpay_in(amount)).await?;
    Ok(answer.text("/data/url").to_owned())
}

/// A pay-out on hold, or refused.
async fn order(scene: &mut Scene<'_>, amount: &str) -> Result<Answer> {
    order_of(scene, &bodies::forumpay_out(amount)).await
}

async fn order_of(scene: &mut Scene<'_>, body: &str) -> Result<Answer> {
    let answer = scene.pay(body).await?;
    // One of a hundred such tokens has no digit, and would be taken for a word.
    scene.know(answer.text("/data/access_token"), "access token");
    Ok(answer)
}

/// A button of the payer's page.
async fn press(scene: &mut Scene<'_>, page: &str, button: &str) -> Result<()> {
    let form = Some(format!("action={button}&coin=BTC").into_bytes());
    let answer = scene.client().send("POST", page, &[("content-type", FORM)], form).await?;
    ensure!(answer.status == 303, "{button}: {} {}", answer.status, answer.body);
    let leads_to = answer.header("location").unwrap_or_default().to_owned();
    scene.did(format!("press {button}, which leads to {leads_to}"), answer);
    Ok(())
}

/// What the simulator answers next about that reference or payment.
async fn next_about(scene: &Scene<'_>, path: &str, about: &str, mut reply: Value) -> Result<()> {
    reply["path"] = json!(path);
    reply["about"] = json!(about);
    scene.next(reply).await
}

/// Waits until the provider's word is this one.
async fn word(scene: &Scene<'_>, status: &str, word: &str) -> Result<()> {
    scene.hands().ends_as(scene.id(), status, word, LIMIT).await.map(drop)
}

/// Waits until the timeline has an event with this in it.
async fn event(scene: &Scene<'_>, what: &str) -> Result<()> {
    let until = tokio::time::Instant::now() + LIMIT;
    loop {
        let shown = scene.hands().managed(scene.id()).await?;
        if shown["events"].to_string().contains(what) {
            return Ok(());
        }
        ensure!(tokio::time::Instant::now() < until, "no {what}: {shown}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until the shop was told of all that there was to tell: what is done next stands behind that on the timeline.
async fn shop_told(scene: &Scene<'_>) -> Result<()> {
    let until = tokio::time::Instant::now() + LIMIT;
    loop {
        let shown = scene.hands().managed(scene.id()).await?["events"].to_string();
        if shown.matches("webhook_queued").count() == shown.matches("webhook_delivered").count() {
            return Ok(());
        }
        ensure!(tokio::time::Instant::now() < until, "the shop was not told: {shown}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// An inquiry by hand, and what follows from it.
async fn inquire(scene: &mut Scene<'_>) -> Result<()> {
    scene.manage("inquire").await?;
    shop_told(scene).await
}

/// The provider's id of the payment, once it is known.
async fn payment_of(scene: &Scene<'_>) -> Result<String> {
    let shown = scene.hands().managed(scene.id()).await?;
    Ok(shown["pspTransactionId"].as_str().with_context(|| format!("no payment yet: {shown}"))?.to_owned())
}

/// A payment that only what is answered here knows: each row has its own, for a later row does not show what is asked about
/// those of earlier ones.
fn theirs(n: usize, id: &str) -> String {
    format!("badd0b5{n}-110f-4be2-af64-{}", &id[id.len() - 12..])
}

/// CheckPayment's record, with members of a row's own.
fn record(id: &str, kind: &str, amount: &str, members: Value) -> Value {
    let mut record = json!({
        "reference_no": id, "inserted": "2026-05-17 09:32:57", "invoice_amount": amount, "invoice_currency": "EUR", "type": kind,
        "amount": "0.0007", "currency": "BTC", "confirmed": false, "cancelled": false, "reason": null, "status": "?",
        "state": "waiting",
    });
    for (name, value) in members.as_object().into_iter().flatten() {
        record[name] = value.clone();
    }
    record
}

/// GetTransactions' list of payments in the official client's form, which does not name the reference.
fn listed(payments: &[String]) -> Value {
    let invoices: Vec<Value> = payments.iter().map(|payment| element(payment, json!({}))).collect();
    json!({"invoices": invoices})
}

fn element(payment: &str, members: Value) -> Value {
    let mut element = json!({
        "state": "waiting", "status": "?", "pos_id": "widget", "invoice_currency": "EUR", "invoice_amount": "50.00",
        "currency": "BTC", "amount": "0.0007", "address": "btc-1eda64a85da94d71a2ac5ed84e929553", "type": "Sell",
        "confirmed": null, "cancelled": null, "payment_id": payment,
    });
    for (name, value) in members.as_object().into_iter().flatten() {
        element[name] = value.clone();
    }
    element
}
