//! A pay-out's approval: the inquiry before it, the release, and "Release again".

use super::{
    ANOTHER, JWT, LIMIT, RECORD, REGISTER, RELEASE, TOKEN, approve, err, finds, held, next_about, record, settings, stands,
};
use crate::book::Book;
use crate::stage::{Scene, Stage, at, good, says};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

const AMOUNT: &str = "60.00";

/// Answers before the release with which nothing is released.
fn before() -> Vec<(&'static str, Value)> {
    vec![
        ("404 without a body", json!({"http": 404})),
        ("401", json!({"http": 401})),
        ("429", json!({"http": 429})),
        ("500", json!({"http": 500})),
        ("cut", says(200, json!("{\"status\":"))),
        ("400 with err", says(400, err("no"))),
    ]
}

/// Answers to the release that leave it in doubt.
fn doubtful() -> Vec<(&'static str, Value)> {
    vec![
        ("500", json!({"http": 500})),
        ("500 with err", says(500, err("x"))),
        ("408 with err", says(408, err("x"))),
        ("302 with err", json!({"http": 302, "headers": {"Location": "https://elsewhere.example/"}, "body": {"err": "x"}})),
        ("timeout in the body", says(400, err("upstream Timeout"))),
        ("400 without a body", json!({"http": 400})),
        ("404 without a body", json!({"http": 404})),
        ("cut", says(200, json!("{\"status\":"))),
        ("another transaction", says(200, json!({"data": {"transactionId": ANOTHER}}))),
        ("another amount", says(200, json!({"data": {"amount": "1.00"}}))),
    ]
}

/// What is answered at once, and what becomes of it.
pub(super) async fn answers(stage: &mut Stage, book: &mut Book) {
    for word in super::found::WORDS {
        if word != "STATUS_PENDING" {
            asked_before(stage, book, word, |id| says(200, record(id, word))).await;
        }
    }
    asked_before(stage, book, "another amount", |_| says(200, json!({"status": "STATUS_PENDING", "amount": 11}))).await;
    asked_before(stage, book, "404 with err", |_| says(404, err("Transaction not found"))).await;
    for (name, reply) in [
        ("empty", json!({"http": 200})),
        ("202", says(202, json!({}))),
        ("a page", says(200, json!("<html>"))),
        ("a record", says(200, record("gd-1", "STATUS_INITED"))),
        ("another word", says(200, json!({"status": "STATUS_REJECTED"}))),
        ("err, with 200", says(200, err("Invalid token"))),
        ("err, with 400", says(400, err("Invalid token"))),
        ("err, with 404", says(404, err("Invalid transaction"))),
        ("err, with 422", says(422, err("Insufficient funds"))),
    ] {
        is_answered(stage, book, name, reply, async |_| Ok(())).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        scene.next(at(TOKEN, says(200, json!({"token": JWT})))).await?;
        scene.next(at(REGISTER, json!({"http": 200}))).await?;
        held(scene, "ETO", AMOUNT).await?;
        next_about(scene, RECORD, says(200, record(scene.id(), "STATUS_PENDING"))).await?;
        next_about(scene, RELEASE, says(400, err(&format!("Invalid token {JWT}")))).await?;
        approve(scene).await?;
        scene.exchanges(4).await
    };
    stage.row(book, "release: its token in an err", row).await;
    for (name, reply) in doubtful() {
        let asked = async |scene: &mut Scene<'_>| {
            stands(scene, "Pending", "unknown").await?;
            scene.manage("release").await?;
            finds(scene, "STATUS_PENDING").await?;
            finds(scene, "STATUS_SUCCESS").await
        };
        is_answered(stage, book, name, reply, asked).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        held(scene, "ETO", AMOUNT).await?;
        next_about(scene, RELEASE, says(429, err("slow"))).await?;
        next_about(scene, RECORD, says(200, record(scene.id(), "STATUS_PENDING"))).await?;
        next_about(scene, RECORD, says(200, record(scene.id(), "STATUS_EXPIRED"))).await?;
        approve(scene).await?;
        scene.until("Expired").await
    };
    stage.row(book, "release: 429, and it had expired", row).await;
}

/// Answers to the inquiry before the release.
async fn asked_before(stage: &mut Stage, book: &mut Book, name: &str, reply: impl FnOnce(&str) -> Value) {
    let row = async |scene: &mut Scene<'_>| {
        held(scene, "ETO", AMOUNT).await?;
        let reply = reply(scene.id());
        next_about(scene, RECORD, reply).await?;
        approve(scene).await?;
        scene.exchanges(3).await
    };
    stage.row(book, &format!("before the release: {name}"), row).await;
}

async fn is_answered(
    stage: &mut Stage,
    book: &mut Book,
    name: &str,
    reply: Value,
    then: impl AsyncFnOnce(&mut Scene<'_>) -> Result<()>,
) {
    let row = async |scene: &mut Scene<'_>| {
        held(scene, "ETO", AMOUNT).await?;
        next_about(scene, RELEASE, reply).await?;
        approve(scene).await?;
        scene.exchanges(4).await?;
        then(scene).await
    };
    stage.row(book, &format!("release: {name}"), row).await;
}

/// What the schedule brings to an end.
pub(super) async fn later(stage: &mut Stage, book: &mut Book) {
    for (name, reply) in before() {
        let row = async |scene: &mut Scene<'_>| {
            held(scene, "ETO", AMOUNT).await?;
            next_about(scene, RECORD, reply).await?;
            approve(scene).await?;
            scene.until("Approved").await
        };
        stage.row(book, &format!("before the release: {name}"), row).await;
    }
    for http in [401, 403, 429] {
        let row = async |scene: &mut Scene<'_>| {
            held(scene, "ETO", AMOUNT).await?;
            next_about(scene, RELEASE, says(http, err("no"))).await?;
            approve(scene).await?;
            scene.until("Approved").await
        };
        stage.row(book, &format!("release: {http}"), row).await;
    }
    for (name, word) in [("never released", None), ("never released, and not known there", Some(says(404, err("not found"))))] {
        let row = async |scene: &mut Scene<'_>| {
            held(scene, "ETO", AMOUNT).await?;
            next_about(scene, RELEASE, json!({"http": 500})).await?;
            approve(scene).await?;
            stands(scene, "Pending", "unknown").await?;
            if let Some(mut absent) = word {
                absent["times"] = json!(1_000);
                next_about(scene, RECORD, absent).await?;
            }
            scene.hands().needs_attention(scene.id(), "stuck", LIMIT).await?;
            scene.next(json!({"http": 200, "times": 0})).await?;
            release_again(scene).await?;
            scene.until("Approved").await
        };
        stage.row(book, &format!("release again: {name}"), row).await;
    }
}

/// The answer is not noted: how far the release is by then is nobody's promise.
async fn release_again(scene: &Scene<'_>) -> Result<()> {
    let path = format!("/transactions/{}/release", scene.id());
    good(&scene.client().manage("POST", &path, Some(json!({"reason": "seen in the portal"}))).await?)
}

/// "Release again" of a pay-out that a person must decide about: somebody else seemed to have released it.
pub(super) async fn again(stage: &mut Stage, book: &mut Book) {
    for (name, word, reply) in [
        ("taken", "STATUS_PENDING", None),
        ("it has arrived", "STATUS_INITED", None),
        ("it is paid", "STATUS_SUCCESS", None),
        ("it is refused", "STATUS_REJECTED", None),
        ("an unknown word", "STATUS_EXPLODED", None),
        ("err", "STATUS_PENDING", Some(says(400, err("Invalid token")))),
        ("401", "STATUS_PENDING", Some(json!({"http": 401}))),
        ("429", "STATUS_PENDING", Some(json!({"http": 429}))),
        ("500", "STATUS_PENDING", Some(json!({"http": 500}))),
        ("cut", "STATUS_PENDING", Some(says(200, json!("{\"status\":")))),
    ] {
        let row = async |scene: &mut Scene<'_>| {
            stuck(scene).await?;
            next_about(scene, RECORD, says(200, record(scene.id(), word))).await?;
            let expected = if word == "STATUS_PENDING" { 5 } else { 4 };
            if let Some(reply) = reply {
                next_about(scene, RELEASE, reply).await?;
            }
            release_again(scene).await?;
            scene.exchanges(expected).await
        };
        stage.row(book, &format!("release again: {name}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        stuck(scene).await?;
        next_about(scene, RECORD, json!({"http": 500})).await?;
        release_again(scene).await?;
        scene.exchanges(4).await
    };
    stage.row(book, "release again: nobody answers", row).await;
    settings(stage, json!({"dropCallbacks": true})).await;
    let row = async |scene: &mut Scene<'_>| {
        held(scene, "ETO", AMOUNT).await?;
        let refused = scene.manage("release").await?;
        ensure!(refused.status == 409, "{} {}", refused.status, refused.body);
        Ok(())
    };
    stage.row(book, "release again: on hold", row).await;
    let row = async |scene: &mut Scene<'_>| {
        scene.pay(&testkit::client::bodies::gigadat_in(AMOUNT)).await?;
        scene.manage("release").await.map(drop)
    };
    stage.row(book, "release again: a pay-in", row).await;
    settings(stage, json!({"dropCallbacks": false})).await;
}

async fn stuck(scene: &mut Scene<'_>) -> Result<()> {
    held(scene, "ETO", AMOUNT).await?;
    next_about(scene, RECORD, says(200, record(scene.id(), "STATUS_INITED"))).await?;
    approve(scene).await?;
    scene.hands().needs_attention(scene.id(), "stuck", LIMIT).await.map(drop)
}
