//! The sheet's digits, the page's buttons and the control words.

use super::{opened, pay, settings};
use crate::book::Book;
use crate::stage::{Scene, Stage};
use anyhow::ensure;
use serde_json::json;
use testkit::client::bodies;
use testkit::forms::Form;

const PUBLISHED: &str = r#"{"pspType":"NEOSURF","type":"PAYIN","baseamount":50.00,"currency":"EUR","currencyCode":"EUR","userId":"user_123","email":"player@example.com"}"#;
/// With everything that may be in it.
const WHOLE: &str = r#"{"pspType":"NEOSURF","type":"PAYIN","baseamount":50.5,"currency":"EUR","currencyCode":"EUR","userId":"user_123","email":"player@example.com","siteUrl":"https://other.example/x?a=b","merchantReference":"ORDER 1","isTestMode":true}"#;

pub(super) async fn rows(stage: &mut Stage, book: &mut Book) {
    for (name, body) in [("published", PUBLISHED), ("whole", WHOLE)] {
        stage.row(book, &format!("PAYIN {name}"), async |scene| pay(scene, body).await.map(drop)).await;
    }
    for (name, currency, amount) in [
        ("00", "EUR", "100.00"),
        ("01", "EUR", "100.01"),
        ("02", "EUR", "100.02"),
        ("03", "EUR", "100.03"),
        ("08", "EUR", "100.08"),
        ("09", "EUR", "100.09"),
        ("in JPY", "JPY", "500"),
        ("in JPY 01", "JPY", "501"),
        ("in KWD", "KWD", "50.100"),
        ("in KWD 02", "KWD", "50.102"),
    ] {
        let body = bodies::neosurf(currency, amount);
        let row = async |scene: &mut Scene<'_>| {
            pay(scene, &body).await?;
            scene.control("pay").await?;
            if name == "09" { scene.until("Approved").await } else { Ok(()) }
        };
        stage.row(book, &format!("PAYIN {name}"), row).await;
    }
    for digits in ["04", "06", "07", "10", "11", "12"] {
        let body = bodies::neosurf("EUR", &format!("100.{digits}"));
        stage.row(book, &format!("PAYIN {digits}"), async |scene| pay(scene, &body).await.map(drop)).await;
    }
    pages(stage, book).await;
    controlled(stage, book).await;
    settings(stage, json!({"forgeCallbacks": true})).await;
    stage.row(book, "PAYIN forged", async |scene| opened(scene, "115.00").await).await;
    settings(stage, json!({"forgeCallbacks": false})).await;
}

/// What only the schedule ends.
pub(super) async fn in_doubt(stage: &mut Stage, book: &mut Book) {
    stage.row(book, "PAYIN 05", async |scene| opened(scene, "100.05").await).await;
}

/// The hosted page: opened, asked about, a wrong PIN, and each of its buttons.
async fn pages(stage: &mut Stage, book: &mut Book) {
    for action in ["pay", "cancel", "later"] {
        let row = async |scene: &mut Scene<'_>| {
            let answer = pay(scene, &bodies::neosurf("EUR", "110.00")).await?;
            let page = answer.text("/transaction/redirectUrl").to_owned();
            scene.manage("inquire").await?;
            let shown = scene.client().send("GET", &page, &[], None).await?;
            ensure!(shown.status == 200, "the page: {}", shown.status);
            scene.manage("inquire").await?;
            let form = Form::of(&shown.bytes)?;
            let wrong = form.post(scene.client(), &page, &[("pin", "0000000000"), ("action", "pay")]).await?;
            ensure!(wrong.status == 422, "a wrong PIN: {}", wrong.status);
            let left = form.post(scene.client(), &page, &[("pin", "ABCDE12345"), ("action", action)]).await?;
            ensure!(left.status == 303, "{action}: {}", left.status);
            Ok(())
        };
        stage.row(book, &format!("page: {action}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        let answer = pay(scene, &bodies::neosurf("EUR", "111.00")).await?;
        let page = answer.text("/transaction/redirectUrl").to_owned();
        for (action, status) in [("later", "pending"), ("pay", "ok")] {
            let shown = scene.client().send("GET", &page, &[], None).await?;
            let pressed = [("pin", "ABCDE12345"), ("action", action)];
            let left = Form::of(&shown.bytes)?.post(scene.client(), &page, &pressed).await?;
            ensure!(left.status == 303, "{action}: {}", left.status);
            // Each is told before the next one.
            let until = if status == "ok" { "Approved" } else { "Pending" };
            scene.hands().ends_as(scene.id(), until, status, super::LIMIT).await?;
        }
        Ok(())
    };
    stage.row(book, "page: later, and then pay", row).await;
}

/// The control words, and the raw ones, told by Neosurf's callback.
async fn controlled(stage: &mut Stage, book: &mut Book) {
    let outcomes = ["approve", "decline", "cancel", "expire"];
    let words = ["status/ok", "status/ko", "status/pending", "status/refunded", "status/OK"];
    for what in outcomes.into_iter().chain(words) {
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, "112.00").await?;
            scene.control(what).await
        };
        stage.row(book, &format!("PAYIN control: {what}"), row).await;
    }
}
