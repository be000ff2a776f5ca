//! The sheet's digits, amounts, methods, cards and buttons.

use super::{eur, followed, opened, pressed};
use crate::book::Book;
use crate::stage::{Scene, Stage};
use anyhow::{Result, ensure};
use testkit::client::bodies;

/// How often Trust is asked until it tells.
const ASKED: [(&str, usize); 5] = [("04", 4), ("06", 4), ("07", 4), ("11", 2), ("12", 1)];

pub(super) async fn digits(stage: &mut Stage, book: &mut Book) {
    signed_digits(stage, book).await;
    for (digits, times) in ASKED {
        let row = async |scene: &mut Scene<'_>| {
            // So long an amount that the answer of 11 is cut behind the reference in it.
            opened(scene, &eur(&format!("12345678.{digits}"))).await?;
            scene.control("pay").await?;
            for _ in 0..times {
                scene.manage("inquire").await?;
            }
            scene.until("Approved").await
        };
        stage.row(book, &format!("PAYIN {digits}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        opened(scene, &eur("100.03")).await?;
        scene.manage("inquire").await.map(drop)
    };
    stage.row(book, "PAYIN 03", row).await;
    for (name, outcome) in [("settled", "approve"), ("declined", "decline")] {
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, &eur("600.10")).await?;
            scene.control("pay").await?;
            scene.until_shown("status", "60010").await?;
            scene.all_told().await?;
            scene.control(outcome).await
        };
        stage.row(book, &format!("PAYIN 600.10, then {name}"), row).await;
    }
}

/// Those of which a notification tells.
pub(super) async fn signed_digits(stage: &mut Stage, book: &mut Book) {
    let amounts = [
        ("00", "EUR", "100.00"),
        ("01", "EUR", "100.01"),
        ("02", "EUR", "100.02"),
        ("08", "EUR", "100.08"),
        ("10.50", "EUR", "10.50"),
        ("700.00", "EUR", "700.00"),
        ("600.10", "EUR", "600.10"),
        ("in JPY", "JPY", "500"),
        ("in KWD", "KWD", "50.100"),
        ("of twelve digits", "JPY", "123456789000"),
    ];
    for (name, currency, amount) in amounts {
        let row = async |scene: &mut Scene<'_>| {
            if name == "08" {
                scene.shows_once();
            }
            opened(scene, &bodies::trust(currency, amount)).await?;
            scene.control("pay").await
        };
        stage.row(book, &format!("PAYIN {name}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        opened(scene, &eur("100.09")).await?;
        scene.control("pay").await?;
        scene.until("Declined").await?;
        scene.all_told().await?;
        scene.until("Approved").await
    };
    stage.row(book, "PAYIN 09", row).await;
    stage.row(book, "PAYIN 10", async |scene| opened(scene, &eur("100.10")).await.map(drop)).await;
}

const PAY: (&str, &str) = ("action", "pay");

/// What the payer presses.
pub(super) async fn buttons(stage: &mut Stage, book: &mut Book) {
    for method in ["VISA", "MASTERCARD", "APPLEPAY", "GOOGLEPAY"] {
        pays(stage, book, method, "100.00", &[("method", method), PAY], "Approved").await;
    }
    pays(stage, book, "VISA, declined", "100.01", &[("method", "VISA"), PAY], "Declined").await;
    pays(stage, book, "VISA, cancelled", "100.02", &[("method", "VISA"), PAY], "Cancelled").await;
    for (pan, status) in [
        ("4111110000000211", "Approved"),
        ("4111111111111111", "Approved"),
        ("5100000000000511", "Approved"),
        ("4242424242424242", "Declined"),
        ("4000000000000002", "Declined"),
    ] {
        pays(stage, book, &format!("card {pan}"), "100.00", &[("method", "CARD"), ("pan", pan), PAY], status).await;
    }
    for (name, with) in [
        ("no card", &[("method", "CARD"), ("pan", "4111111111111112"), PAY][..]),
        ("no such method", &[("method", "CASH"), PAY]),
        ("nothing", &[]),
    ] {
        let row = async |scene: &mut Scene<'_>| {
            let (_, page) = opened(scene, &eur("100.00")).await?;
            pressed(scene, &page, with).await.map(drop)
        };
        stage.row(book, &format!("pressed: {name}"), row).await;
    }
    stage.row(book, "pressed: cancel", cancelled).await;
    stage.row(book, "pressed: another card", another_card).await;
    stage.row(book, "pressed: the line drops", line_drops).await;
    stage.row(book, "the form comes twice", twice).await;
}

async fn pays(stage: &mut Stage, book: &mut Book, name: &str, amount: &str, with: &[(&str, &str)], status: &str) {
    let row = async |scene: &mut Scene<'_>| {
        let (_, page) = opened(scene, &eur(amount)).await?;
        let back = pressed(scene, &page, with).await?;
        scene.until(status).await?;
        scene.all_told().await?;
        followed(scene, &back).await
    };
    stage.row(book, &format!("pressed: {name}"), row).await;
}

/// Told by a redirect alone; one that lies is navigation too.
async fn cancelled(scene: &mut Scene<'_>) -> Result<()> {
    let (form, page) = opened(scene, &eur("100.00")).await?;
    let back = pressed(scene, &page, &[("action", "cancel")]).await?;
    followed(scene, &back).await?;
    // Our call, Trust's page and its record: the first question is answered before the next.
    scene.exchanges(2).await?;
    scene.manage("inquire").await?;
    let forged = form.all("successfulurlredirect")[0].to_owned();
    followed(scene, &format!("{forged}?errorcode=0&settlestatus=0&orderreference={}", scene.id())).await
}

async fn another_card(scene: &mut Scene<'_>) -> Result<()> {
    let (_, page) = opened(scene, &eur("100.00")).await?;
    pressed(scene, &page, &[("method", "CARD"), ("pan", "4242424242424242"), PAY]).await?;
    scene.until("Declined").await?;
    scene.all_told().await?;
    pressed(scene, &page, &[("method", "VISA"), PAY]).await?;
    scene.until("Approved").await
}

/// It is booked, and nobody tells.
async fn line_drops(scene: &mut Scene<'_>) -> Result<()> {
    let (_, page) = opened(scene, &eur("100.12")).await?;
    ensure!(pressed(scene, &page, &[("method", "VISA"), PAY]).await.is_err(), "the connection is closed");
    scene.manage("inquire").await.map(drop)
}

async fn twice(scene: &mut Scene<'_>) -> Result<()> {
    let (form, _) = opened(scene, &eur("100.00")).await?;
    let client = scene.client().clone();
    form.post(&client, &client.base, &[]).await?;
    scene.control("pay").await
}

/// What the control says.
pub(super) async fn outcomes(stage: &mut Stage, book: &mut Book) {
    for outcome in ["approve", "decline", "cancel", "suspend", "success", "approved", "declined", "cancelled"] {
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, &eur("100.00")).await?;
            scene.control(outcome).await
        };
        stage.row(book, &format!("outcome: {outcome}"), row).await;
    }
    for outcome in ["approve", "cancel"] {
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, &eur("100.00")).await?;
            scene.control("suspend").await?;
            scene.until_shown("status", "0/2").await?;
            scene.all_told().await?;
            scene.control(outcome).await
        };
        stage.row(book, &format!("outcome: suspend, then {outcome}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        opened(scene, &eur("100.00")).await?;
        scene.control("expire").await?;
        scene.manage("inquire").await.map(drop)
    };
    stage.row(book, "outcome: expire", row).await;
    for outcome in ["cancel", "reverse", "refund"] {
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, &eur("100.00")).await?;
            scene.control("pay").await?;
            scene.until("Approved").await?;
            scene.all_told().await?;
            scene.control(outcome).await
        };
        stage.row(book, &format!("outcome: pay, then {outcome}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        forge(scene, true).await?;
        let opened = opened(scene, &eur("100.00")).await;
        forge(scene, false).await?;
        opened.map(drop)
    };
    stage.row(book, "forged", row).await;
}

async fn forge(scene: &Scene<'_>, forges: bool) -> Result<()> {
    scene.settings(serde_json::json!({"forgeCallbacks": forges})).await
}
