//! What time alone ends: the page that nobody opens, the three hours and a quarter that a payer has; and an answer that never
//! comes.

use super::accounts::{brand, of};
use super::sent::{encoded, paid, signed, with};
use super::{PASSWORD, USER, USER_PASSWORD, configure, eur, opened, stage};
use crate::book::Book;
use crate::stage::{Pace, Scene, Stage};
use anyhow::{Result, bail};
use serde_json::json;
use testkit::forms::Form;
use testkit::world::Hands;

/// Three hours and a quarter are twenty seconds, and the life of a link is half of one.
const SCALE: u32 = 600;
const TRIES: usize = 20;

/// A payment that was begun; an account that is slow to open its link has it run out as it should.
async fn begun(hands: &Hands, body: &str) -> Result<(String, Form)> {
    for _ in 0..TRIES {
        let answer = hands.client.cashier(body).await?;
        let url = answer.text("/data/paymentUrl");
        let page = hands.client.send("GET", url, &[], None).await?;
        if page.status == 200 {
            let form = Form::of(&page.bytes)?;
            form.post(&hands.client, url, &[]).await?;
            return Ok((answer.text("/transaction/transactionId").to_owned(), form));
        }
    }
    bail!("no page opens")
}

async fn tell(hands: &Hands, form: &Form, body: String) -> Result<()> {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    hands.client.send("POST", form.all("allurlnotification")[0], &headers, Some(body.into_bytes())).await.map(drop)
}

/// The payments that run out together.
struct Begun {
    unpaid: String,
    reported: String,
    corrected: String,
    tried: String,
    neither: String,
    asked: String,
    invalid: String,
    asked_tried: String,
}

async fn all(stage: &Stage) -> Result<Begun> {
    let hands = &stage.hands();
    brand(stage, "neither", json!({}), json!({"merchant": "Demo company"})).await?;
    let password = json!({"siteSecurityPassword": PASSWORD});
    brand(stage, "signed", password.clone(), password).await?;
    // Asked as little as may be: as long as nobody can be.
    configure(hands, json!({"webServicesUsername": null, "webServicesPassword": null})).await?;
    let told = |id: &str, code: &str| {
        let changes = [("errorcode", code), ("settlestatus", "3"), ("sitereference", "test_signed")];
        encoded(&signed(with(paid(id, "10000"), &changes)))
    };
    let (unpaid, _) = begun(hands, &of("signed", "100.00")).await?;
    let (reported, form) = begun(hands, &of("signed", "100.00")).await?;
    tell(hands, &form, "errorcode=0&requesttypedescription=AUTH".to_owned()).await?;
    let (corrected, form) = begun(hands, &of("signed", "100.00")).await?;
    tell(hands, &form, told(&corrected, "30000")).await?;
    let (tried, form) = begun(hands, &of("signed", "100.00")).await?;
    tell(hands, &form, told(&tried, "60010")).await?;
    let (neither, _) = begun(hands, &of("neither", "100.00")).await?;
    let (asked, _) = begun(hands, &eur("100.00")).await?;
    let (invalid, _) = begun(hands, &eur("100.03")).await?;
    let (asked_tried, _) = begun(hands, &eur("100.00")).await?;
    let set = hands.client.control("POST", &format!("/trust/{asked_tried}/status/60010"), None).await?;
    crate::stage::good(&set)?;
    Ok(Begun { unpaid, reported, corrected, tried, neither, asked, invalid, asked_tried })
}

pub(super) async fn hours() -> Book {
    let mut book = Book::open("trust-hours");
    let mut stage = stage(Pace::Scaled(SCALE)).await;
    let begun = all(&stage).await.expect("payments");
    stage.row(&mut book, "nobody opens the page", unopened).await;
    let user = json!({"webServicesUsername": USER, "webServicesPassword": USER_PASSWORD});
    configure(&stage.hands(), user).await.expect("a user");
    for (name, id) in [
        ("signed only: nobody pays", &begun.unpaid),
        ("signed only: the form was corrected", &begun.corrected),
        ("asked: nobody pays", &begun.asked),
        ("asked: invalid details", &begun.invalid),
    ] {
        let row = async |scene: &mut Scene<'_>| {
            scene.adopt(id);
            scene.until("Expired").await
        };
        stage.row(&mut book, name, row).await;
    }
    for (name, id) in [("signed only: somebody reported a success", &begun.reported), ("neither: nobody pays", &begun.neither)] {
        let row = async |scene: &mut Scene<'_>| {
            scene.adopt(id);
            scene.until_shown("attention", "stuck").await
        };
        stage.row(&mut book, name, row).await;
    }
    for (name, id) in [("signed only: nobody knows", &begun.tried), ("asked: nobody knows", &begun.asked_tried)] {
        let row = async |scene: &mut Scene<'_>| {
            scene.adopt(id);
            scene.manage("inquire").await.map(drop)
        };
        stage.row(&mut book, name, row).await;
    }
    book
}

async fn unopened(scene: &mut Scene<'_>) -> Result<()> {
    let url = scene.pay(&eur("100.00")).await?.text("/data/paymentUrl").to_owned();
    scene.until("Expired").await?;
    let late = scene.client().send("GET", &url, &[], None).await?;
    scene.did("GET", late);
    Ok(())
}

/// Queries that are never answered.
pub(super) async fn hangs() -> Book {
    let mut book = Book::open("trust-by-schedule");
    let mut stage: Stage = stage(Pace::Fast).await;
    let row = async |scene: &mut Scene<'_>| {
        opened(scene, &eur("100.05")).await?;
        scene.control("pay").await?;
        scene.until("Approved").await
    };
    stage.row(&mut book, "PAYIN 05", row).await;
    book
}
