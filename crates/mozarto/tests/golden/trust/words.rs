//! Each raw status, first and after another; and what went back.

use super::accounts::at_trust;
use super::{PASSWORD, SITE, USER, USER_PASSWORD, eur, opened};
use crate::book::Book;
use crate::stage::{Scene, Stage};
use anyhow::Result;
use serde_json::json;

const WORDS: [&str; 37] = [
    "0/0", "0/1", "0/10", "0/100", "0/2", "0/3", "70000", "71000", "72000", "60022", "60036", "60042", "60043", "60044", "60045",
    "60500", "60010", "60034", "99999", "50000", "50007", "50014", "60020", "70001", "79000", "79001", "30000", "31000", "31004",
    "40000", "50015", "31005", "65000", "1", "0/4", "0/7", "odd",
];

fn set(word: &str) -> String {
    format!("status/{}", word.replace('/', "%2F"))
}

pub(super) async fn told(stage: &mut Stage, book: &mut Book) {
    for word in WORDS {
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, &eur("620.00")).await?;
            scene.control(&set(word)).await
        };
        stage.row(book, &format!("word {word}"), row).await;
    }
}

/// The status that has come about, and the word that follows.
pub(super) async fn after(stage: &mut Stage, book: &mut Book) {
    let before = [
        ("0/0", "Approved", &["70000", "0/3", "0/2", "60010", "0/10", "65000"][..]),
        ("70000", "Declined", &["0/0", "0/1", "0/10", "0/100", "0/2", "0/3", "71000"]),
        ("0/3", "Cancelled", &["0/0", "0/100", "70000"]),
        ("65000", "Pending", &["0/0", "70000"]),
    ];
    for (first, status, then) in before {
        for word in then {
            let row = async |scene: &mut Scene<'_>| {
                opened(scene, &eur("621.00")).await?;
                scene.control(&set(first)).await?;
                if status == "Pending" {
                    scene.until_shown("attention", "anomaly").await?;
                    scene.all_told().await?;
                } else {
                    scene.until(status).await?;
                    scene.all_told().await?;
                }
                scene.control(&set(word)).await
            };
            stage.row(book, &format!("word {first}, then {word}"), row).await;
        }
    }
    let row = async |scene: &mut Scene<'_>| {
        opened(scene, &eur("621.00")).await?;
        scene.control("pay").await?;
        scene.until("Approved").await?;
        scene.all_told().await?;
        scene.control("reverse").await?;
        scene.until("Reversed").await?;
        scene.all_told().await?;
        scene.control(&set("0/0")).await
    };
    stage.row(book, "word 0/0 after a reversal", row).await;
}

/// What the control does, and how much has gone back then.
type Steps = &'static [(&'static str, &'static str)];

const PARTS: [(&str, Steps); 9] = [
    ("30 + 70", &[("refund?minor=3000", "30.00"), ("refund?minor=7000", "100.00")]),
    ("two equal parts", &[("refund?minor=5000", "50.00"), ("refund?minor=5000", "100.00")]),
    (
        "many parts",
        &[("refund?minor=1", "0.01"), ("refund?minor=999", "10.00"), ("refund?minor=4000", "50.00"), ("refund", "100.00")],
    ),
    ("the whole", &[("refund?minor=10000", "100.00")]),
    ("a part", &[("refund?minor=9999", "99.99")]),
    ("a cent", &[("refund?minor=1", "0.01")]),
    ("lowered, then refunded", &[("lower?minor=2000", "20.00"), ("refund?minor=8000", "100.00")]),
    ("lowered twice", &[("lower?minor=2000", "20.00"), ("lower?minor=500", "25.00")]),
    (
        "lowered, lowered, refunded",
        &[("lower?minor=2000", "20.00"), ("lower?minor=500", "25.00"), ("refund?minor=7500", "100.00")],
    ),
];

/// Whoever cannot ask is not told what is settled: no notification has a field for it.
pub(super) async fn parts(stage: &mut Stage, book: &mut Book, asks: bool) {
    for (name, steps) in PARTS.into_iter().filter(|(name, _)| asks || !name.starts_with("lowered")) {
        let row = async |scene: &mut Scene<'_>| {
            paid(scene).await?;
            went_back(scene, steps).await
        };
        stage.row(book, &format!("refunds: {name}"), row).await;
    }
    let row = async |scene: &mut Scene<'_>| {
        opened(scene, &eur("100.12")).await?;
        scene.control("pay").await?;
        went_back(scene, &[("refund?minor=3000", "30.00"), ("refund", "100.12")]).await
    };
    stage.row(book, "refunds: nobody was told of the payment", row).await;
    if !asks {
        let row = async |scene: &mut Scene<'_>| {
            paid(scene).await?;
            scene.control("lower?minor=2000").await
        };
        stage.row(book, "refunds: lowered", row).await;
    }
    if asks {
        nameless(stage, book).await;
    }
}

/// Trust's refunds without references of their own.
async fn nameless(stage: &mut Stage, book: &mut Book) {
    refund_references(stage, false).await.expect("the account");
    for (name, steps) in [
        ("equal parts", &[("refund?minor=5000", "50.00"), ("refund?minor=5000", "100.00")][..]),
        (
            "parts",
            &[
                ("refund?minor=2000", "20.00"),
                ("refund?minor=3000", "50.00"),
                ("refund?minor=2000", "70.00"),
                ("refund?minor=2000", "90.00"),
            ],
        ),
    ] {
        let row = async |scene: &mut Scene<'_>| {
            paid(scene).await?;
            went_back(scene, steps).await
        };
        stage.row(book, &format!("refunds: {name} without a reference"), row).await;
    }
    refund_references(stage, true).await.expect("the account");
}

async fn refund_references(stage: &Stage, have: bool) -> Result<()> {
    let account = json!({
        "siteSecurityPassword": PASSWORD, "webServicesUsername": USER, "webServicesPassword": USER_PASSWORD,
        "merchant": "Demo company", "refundReferences": have,
    });
    at_trust(&stage.hands(), SITE, account).await
}

async fn paid(scene: &mut Scene<'_>) -> Result<()> {
    opened(scene, &eur("100.00")).await?;
    scene.control("pay").await?;
    scene.until("Approved").await?;
    scene.all_told().await
}

async fn went_back(scene: &mut Scene<'_>, steps: &[(&str, &str)]) -> Result<()> {
    for (what, sum) in steps {
        scene.control(what).await?;
        scene.until_shown("refundedAmount", sum).await?;
        scene.all_told().await?;
    }
    Ok(())
}
