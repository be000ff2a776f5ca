//! Flexepin.

mod answers;
mod records;
mod triggers;

use crate::book::Book;
use crate::stage::{Pace, Scene, Stage};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::client::{Answer, bodies};

const NAME: &str = "flexepin";
const VALIDATE: &str = "/voucher/validate";
const REDEEM: &str = "/voucher/redeem";
const INQUIRY: &str = "/trans/";
const FOREIGN: &str = "64a1f2b3c4d5e6f7a8b9c0d2";

#[tokio::test(flavor = "multi_thread")]
async fn flexepin() {
    let real = async {
        let mut book = Book::open("flexepin");
        let mut stage = Stage::start(NAME, &["FLEXEPIN"], "", Pace::Real).await.expect("a stage");
        triggers::real(&mut stage, &mut book).await;
        answers::rows(&mut stage, &mut book).await;
        records::rows(&mut stage, &mut book).await;
        book
    };
    let fast = async {
        let mut book = Book::open("flexepin-by-schedule");
        // Half as fast as elsewhere: a limit for an answer stays half a second, which a busy machine keeps.
        let mut stage = Stage::start(NAME, &["FLEXEPIN"], "", Pace::Scaled(30)).await.expect("a stage");
        triggers::fast(&mut stage, &mut book).await;
        book
    };
    let (real, fast) = tokio::join!(real, fast);
    Book::close_all([real, fast]);
}

/// A row; each call has a number of its own there.
async fn plays(stage: &mut Stage, book: &mut Book, name: &str, work: impl AsyncFnOnce(&mut Scene<'_>) -> Result<()>) {
    let work = async |scene: &mut Scene<'_>| {
        work(scene).await?;
        know_numbers(scene).await
    };
    stage.row(book, name, work).await;
}

async fn know_numbers(scene: &mut Scene<'_>) -> Result<()> {
    let id = scene.id().to_owned();
    know_numbers_of(scene, &id, "").await
}

async fn know_numbers_of(scene: &mut Scene<'_>, id: &str, which: &str) -> Result<()> {
    let calls = scene.client().control("GET", "/flexepin/calls", None).await?;
    for call in calls.body["calls"].as_array().into_iter().flatten() {
        let path = call["path"].as_str().unwrap_or_default();
        let answer: Value = serde_json::from_str(call["answer"].as_str().unwrap_or_default()).unwrap_or_default();
        let is_ours = !id.is_empty() && path.contains(id);
        let number = answer["trans_no"].as_str().filter(|number| is_ours && number.len() > 8).unwrap_or_default();
        let of = if path.contains("/validate/") { "check" } else { "redeem" };
        scene.know(number, &format!("number of the {which}{of}"));
    }
    // Of one whose answer nobody saw, the ledger knows.
    for entry in scene.hands().entries(NAME, id).await? {
        scene.know(entry["providerReference"].as_str().unwrap_or_default(), &format!("number of the {which}redeem"));
    }
    Ok(())
}

/// EUR vouchers of the simulator: a serial, and the face value in cents.
fn pin(serial: u32, minor: u32) -> String {
    format!("10{serial:06}{minor:08}")
}

fn with_pin(pin: &str, amount: &str, currency: &str) -> String {
    let body = bodies::flexepin(0, 0).replace(&self::pin(0, 0), pin).replace("EUR", currency);
    body.replace(r#""baseamount":0.00"#, &format!(r#""baseamount":{amount}"#))
}

/// Something that the row does to the voucher before or after it is used.
async fn press(scene: &mut Scene<'_>, pin: &str, what: &str) -> Result<()> {
    let answer = scene.client().control("POST", &format!("/flexepin/{pin}/{what}"), None).await?;
    scene.did(format!("control {what}"), answer);
    Ok(())
}

async fn next(scene: &Scene<'_>, path: &str, mut reply: Value) -> Result<()> {
    reply["path"] = json!(path);
    scene.next(reply).await
}

/// What the next inquiry about the row's transaction is answered with.
async fn next_about(scene: &Scene<'_>, mut reply: Value) -> Result<()> {
    reply["about"] = json!(scene.id());
    next(scene, INQUIRY, reply).await
}

/// A voucher object of 50.00 EUR, as a call answers it, with members of a row's own. Its number is short: a later row does not
/// show what has a longer one of an earlier row in it.
fn voucher(status: &str, members: Value) -> Value {
    let mut voucher = json!({
        "result": "0", "result_description": "Success", "trans_no": "3344", "serial": "A1000001", "value": 50, "cost": 49,
        "residual_value": 0, "status": status, "currency": "EUR", "ean": "1", "description": "Flexepin EUR 50",
    });
    for (name, value) in members.as_object().into_iter().flatten() {
        voucher[name] = value.clone();
    }
    voucher
}

/// An inquiry's answer: the outer result, and the record.
fn inquiry(result: Value, record: Value) -> Value {
    let mut answer = json!({"trans_no": "3399", "result": result, "result_description": "said"});
    if !record.is_null() {
        answer["transaction"] = record;
    }
    answer
}

/// The row's transaction ends here: its redeem is found.
fn found() -> Value {
    json!({"http": 200, "body": inquiry(json!("0"), voucher("USED", json!({})))})
}
