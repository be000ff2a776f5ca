//! Brite.

mod created;
mod found;
mod told;

use crate::book::Book;
use crate::stage::{Pace, Scene, Stage, at, good, says};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::client::Answer;

const NAME: &str = "brite";
const CREATE: &str = "/api/session.create_deposit";
const AUTHORIZE: &str = "/api/merchant.authorize";
const SESSION: &str = "/api/session.get";
const TRANSACTION: &str = "/api/transaction.get";
const SESSION_BY_REFERENCE: &str = "/api/session.get_by_merchant_reference";
const TRANSACTION_BY_REFERENCE: &str = "/api/transaction.get_by_merchantreference";
/// An id of nobody's.
const OTHER_REFERENCE: &str = "64a1f2b3c4d5e6f7a8b9c0d1";
/// Looks at something that comes within seconds: each takes a call.
const LOOKS_MAX: usize = 50_000;

#[tokio::test(flavor = "multi_thread")]
async fn brite() {
    let real = async {
        let mut book = Book::open(NAME);
        let mut stage = Stage::start(NAME, &["BRITE"], "", Pace::Real).await.expect("a stage");
        // First, while nothing is open that would be asked about and bring a token.
        created::of_the_account(&mut stage, &mut book).await;
        created::tokens(&mut stage, &mut book).await;
        created::rows(&mut stage, &mut book).await;
        triggers(&mut stage, &mut book).await;
        set(&stage, json!({"dropCallbacks": true})).await;
        found::rows(&mut stage, &mut book).await;
        told::rows(&mut stage, &mut book).await;
        told::at_last(&mut stage, &mut book).await;
        book
    };
    let fast = async {
        let mut book = Book::open("brite-by-schedule");
        let mut stage = Stage::start(NAME, &["BRITE"], "", Pace::Fast).await.expect("a stage");
        let body = order("52.05");
        stage.row(&mut book, "05", async |scene| scene.pay(&body).await.map(drop)).await;
        book
    };
    let (real, fast) = tokio::join!(real, fast);
    Book::close_all([real, fast]);
}

/// The sheet's digits; the buttons of the page.
async fn triggers(stage: &mut Stage, book: &mut Book) {
    for digits in ["00", "02", "03", "08", "10"] {
        let work = async |scene: &mut Scene<'_>| {
            scene.shows_once();
            scene.pay(&order(&format!("50.{digits}"))).await?;
            if digits != "10" {
                scene.control("pay").await?;
            }
            match digits {
                "02" => scene.until("Cancelled").await,
                "03" => scene.until("Expired").await,
                _ => is_settled(scene).await,
            }
        };
        stage.row(book, digits, work).await;
    }
    for digits in ["01", "09"] {
        stage.row(book, digits, async |scene| ends_twice(scene, &format!("50.{digits}"), "pay").await).await;
    }
    for digits in ["04", "06"] {
        stage.row(book, digits, async |scene| scene.pay(&order(&format!("52.{digits}"))).await.map(drop)).await;
    }
    for digits in ["11", "12"] {
        let work = async |scene: &mut Scene<'_>| {
            scene.pay(&order(&format!("54.{digits}"))).await?;
            scene.control("expire").await?;
            scene.until("Expired").await
        };
        stage.row(book, digits, work).await;
    }
    for outcome in ["decline", "fail", "risk", "late"] {
        let name = format!("the page's {outcome}");
        stage.row(book, &name, async |scene| ends_twice(scene, "55.00", outcome).await).await;
    }
    for (outcome, status) in [("approve", ""), ("cancel", "Cancelled"), ("expire", "Expired")] {
        let work = async |scene: &mut Scene<'_>| {
            scene.shows_once();
            scene.pay(&order("55.00")).await?;
            scene.control(outcome).await?;
            if status.is_empty() { is_settled(scene).await } else { scene.until(status).await }
        };
        stage.row(book, &format!("the page's {outcome}"), work).await;
    }
    let work = async |scene: &mut Scene<'_>| {
        scene.shows_once();
        scene.pay(&order("55.00")).await?;
        scene.control("approve").await?;
        is_settled(scene).await?;
        scene.control("reverse").await?;
        scene.until("Reversed").await
    };
    stage.row(book, "settled, then taken back", work).await;
    set(stage, json!({"forgeCallbacks": true})).await;
    let forged = async |scene: &mut Scene<'_>| {
        scene.pay(&order("55.00")).await?;
        scene.exchanges(3).await
    };
    stage.row(book, "a forged callback", forged).await;
    set(stage, json!({"forgeCallbacks": false})).await;
}

/// Session and transaction end, and each is told: in no order, so that it is found by hand. What comes late is told again.
async fn ends_twice(scene: &mut Scene<'_>, amount: &str, outcome: &str) -> Result<()> {
    scene.shows_once();
    scene.pay(&order(amount)).await?;
    scene.settings(json!({"dropCallbacks": true})).await?;
    scene.control(outcome).await?;
    scene.manage("inquire").await?;
    scene.until("Declined").await?;
    delivered(scene, 1).await?;
    scene.settings(json!({"dropCallbacks": false})).await?;
    if outcome == "late" || amount.ends_with("09") { is_settled(scene).await } else { Ok(()) }
}

async fn set(stage: &Stage, what: Value) {
    let set = stage.hands().client.control("PUT", "/brite/settings", Some(what)).await;
    good(&set.expect("settings")).expect("settings");
}

/// The sheet's example.
fn order(amount: &str) -> String {
    order_in(amount, "FI", "EUR")
}

fn order_in(amount: &str, country: &str, currency: &str) -> String {
    format!(
        r#"{{"pspType":"BRITE","type":"PAYIN","baseamount":{amount},"currency":"{currency}","country":"{country}","userId":"user_123","email":"player@example.com"}}"#
    )
}

fn order_with(amount: &str, more: &str) -> String {
    let plain = order(amount);
    format!("{},{more}}}", plain.strip_suffix('}').unwrap_or(&plain))
}

/// Waits until the timeline has so many entries of a kind that say the text.
async fn is_told(scene: &Scene<'_>, kind: &str, text: &str, count: usize) -> Result<()> {
    for _ in 0..LOOKS_MAX {
        let shown = scene.hands().managed(scene.id()).await?;
        let events = shown["events"].as_array().into_iter().flatten();
        if events.filter(|event| event["event"] == kind && event.to_string().contains(text)).count() >= count {
            return Ok(());
        }
    }
    anyhow::bail!("never {count} of {kind} {text}")
}

/// CREDIT is told at once, SETTLED a second later.
async fn is_settled(scene: &Scene<'_>) -> Result<()> {
    is_told(scene, "noted", "SETTLED", 1).await
}

/// Waits until so many webhooks have been delivered, so that what comes next stands after them.
async fn delivered(scene: &Scene<'_>, count: usize) -> Result<()> {
    is_told(scene, "webhook_delivered", "", count).await
}

/// A pay-in whose page is open; Brite's id of its session.
async fn opened(scene: &mut Scene<'_>) -> Result<String> {
    let answer = scene.pay(&order("511.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let shown = scene.hands().managed(scene.id()).await?.to_string();
    let session = shown.split("Brite's session: ").nth(1).and_then(|rest| rest.split('"').next());
    session.map(str::to_owned).context("no session on the timeline")
}

/// The answer for a call about that id alone.
fn about(path: &str, id: &str, reply: Value) -> Value {
    let mut next = at(path, reply);
    next["about"] = json!(id);
    next
}

fn problem(name: &str, text: &str) -> Value {
    json!({"error_name": name, "error_message": text, "state": "APPLICATION_ERROR"})
}

/// Something shown that is no answer to be shown whole.
fn shown(status: u16, text: impl Into<String>) -> Answer {
    Answer { status, headers: Vec::new(), bytes: text.into().into_bytes(), body: Value::Null }
}
