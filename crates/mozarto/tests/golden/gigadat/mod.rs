//! Gigadat.

mod accounts;
mod called_back;
mod creating;
mod found;
mod released;
mod triggers;

use crate::book::Book;
use crate::stage::{Pace, Scene, Stage, at, good, says};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::client::bodies;

const NAME: &str = "gigadat";
const TOKEN: &str = "POST /api/payment-token/";
const REGISTER: &str = "POST /webflow";
const RELEASE: &str = "GET /webflow/deposit";
const RECORD: &str = "GET /api/transactions/";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// A token as Gigadat makes them.
const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2ln";
/// Somebody else's transaction.
const ANOTHER: &str = "64a1f2b3c4d5e6f7a8b9c0d1";
const LIMIT: Duration = Duration::from_secs(20);
/// A pay-out that was released is settled after this.
const SETTLES_AFTER_MS: u64 = 500;
/// By far later than any row's end.
const NEVER_MS: u64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn gigadat() {
    let real = async {
        let mut book = Book::open("gigadat");
        let mut stage = Stage::start(NAME, &["GIGADAT"], "", Pace::Real).await.expect("a stage");
        // What is about no transaction: before any is open that could be asked about meanwhile.
        accounts::tested(&mut stage, &mut book).await;
        called_back::about_nobody(&mut stage, &mut book).await;
        triggers::rows(&mut stage, &mut book).await;
        released::again(&mut stage, &mut book).await;
        found::rows(&mut stage, &mut book).await;
        released::answers(&mut stage, &mut book).await;
        called_back::rows(&mut stage, &mut book).await;
        accounts::incomplete(&mut stage, &mut book).await;
        book
    };
    let fast = async {
        let mut book = Book::open("gigadat-by-schedule");
        let mut stage = Stage::start(NAME, &["GIGADAT"], "", Pace::Fast).await.expect("a stage");
        triggers::in_doubt(&mut stage, &mut book).await;
        released::later(&mut stage, &mut book).await;
        creating::rows(&mut stage, &mut book).await;
        book
    };
    let (real, fast) = tokio::join!(real, fast);
    Book::close_all([real, fast]);
}

/// The simulator's settings, between rows.
async fn settings(stage: &Stage, what: Value) {
    let set = stage.hands().client.control("PUT", "/gigadat/settings", Some(what)).await.expect("settings");
    good(&set).expect("settings");
}

fn err(text: &str) -> Value {
    json!({"err": text})
}

/// What a call about the row's transaction is answered: the schedule's calls about earlier ones do not use it up.
async fn next_about(scene: &Scene<'_>, call: &str, mut answer: Value) -> Result<()> {
    answer["about"] = json!(scene.id());
    scene.next(at(call, answer)).await
}

/// Gigadat's record of a transaction.
fn record(id: &str, word: &str) -> Value {
    json!({
        "id": id, "status": word, "interac_bank_name": "Maple Test Bank",
        "data": {"userId": "user_123", "name": "John Test", "email": "merchant-user@example.com", "mobile": "15551234567"},
    })
}

/// Asks by hand; the record has this word.
async fn finds(scene: &mut Scene<'_>, word: &str) -> Result<()> {
    let answer = says(200, record(scene.id(), word));
    asks(scene, answer).await
}

/// Asks by hand; the answer is this.
async fn asks(scene: &mut Scene<'_>, answer: Value) -> Result<()> {
    next_about(scene, RECORD, answer).await?;
    scene.manage("inquire").await.map(drop)
}

/// A pay-out on hold.
async fn held(scene: &mut Scene<'_>, payout_type: &str, amount: &str) -> Result<()> {
    let answer = scene.pay(&bodies::gigadat_out(payout_type, amount)).await?;
    ensure!(answer.text("/message") == "Added to approvals table", "{} {}", answer.status, answer.body);
    Ok(())
}

/// Lets it go. The answer is not noted: how far the release is by then is nobody's promise.
async fn approve(scene: &Scene<'_>) -> Result<()> {
    good(&scene.hands().approve(scene.id()).await?)
}

/// Waits until it stands so, by the provider's word.
async fn stands(scene: &Scene<'_>, status: &str, word: &str) -> Result<()> {
    scene.hands().ends_as(scene.id(), status, word, LIMIT).await.map(drop)
}
