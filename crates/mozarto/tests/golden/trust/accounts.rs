//! Accounts that lack something, or are set up otherwise.

use super::sent::{encoded, hash, paid, signed, with};
use super::{PASSWORD, SITE, USER, USER_PASSWORD, configure, eur, opened, pressed};
use crate::book::Book;
use crate::stage::{Scene, Stage, good};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::client::Answer;
use testkit::world::Hands;

/// What Trust knows of a site.
pub(super) async fn at_trust(hands: &Hands, site: &str, account: Value) -> Result<()> {
    let put = hands.client.control("PUT", &format!("/trust/accounts/{site}"), Some(account)).await?;
    ensure!(put.status == 200, "{}", put.body);
    Ok(())
}

/// A brand with an account of its own, which has a site of its own; the account's address for notifications.
pub(super) async fn brand(stage: &Stage, name: &str, mut config: Value, mut at: Value) -> Result<String> {
    let hands = stage.hands();
    let made = hands.client.manage("POST", "/brands", Some(json!({"brandId": name, "name": name, "active": true}))).await?;
    ensure!(made.status < 300, "{} {}", made.status, made.body);
    let (base, site) = (stage.address(), format!("test_{name}"));
    for member in ["pagesBaseUrl", "webServicesBaseUrl"] {
        config[member] = json!(base);
    }
    config["sitereference"] = json!(site);
    let method = json!({"pspType": "TRUST", "brandId": name, "config": config});
    let made = hands.client.manage("POST", "/payment-methods", Some(method)).await?;
    ensure!(made.status < 300, "{} {}", made.status, made.body);
    let url = super::account_address(&hands, made.text("/data/id")).await?;
    at["notificationUrl"] = json!(url);
    at_trust(&hands, &site, at).await?;
    Ok(url)
}

/// A pay-in of that brand.
pub(super) fn of(brand: &str, amount: &str) -> String {
    eur(amount).replace("{\"pspType\"", &format!("{{\"brandId\":\"{brand}\",\"pspType\""))
}

/// Takes the web-services user out, and shows what the account is warned of.
pub(super) async fn only_signed(stage: &mut Stage, book: &mut Book) {
    let row = async |scene: &mut Scene<'_>| {
        let set = configure(scene.hands(), json!({"webServicesUsername": null, "webServicesPassword": null})).await?;
        warned(scene, &set.body);
        super::queries::test(scene).await
    };
    stage.row(book, "without web services", row).await;
}

fn warned(scene: &mut Scene<'_>, shown: &Value) {
    let warnings = shown["data"]["warnings"].to_string().into_bytes();
    scene.did("warnings", Answer { status: 200, headers: Vec::new(), bytes: warnings, body: Value::Null });
}

/// Every other way to set an account up.
pub(super) async fn others(stage: &mut Stage, book: &mut Book) {
    neither(stage, book).await;
    asks(stage, book).await;
    hash_fields(stage, book).await;
    mistaken(stage, book).await;
}

async fn pays(stage: &mut Stage, book: &mut Book, name: &str, amount: &str, outcome: &str) {
    let row = async |scene: &mut Scene<'_>| {
        opened(scene, &of(name, amount)).await?;
        scene.control(outcome).await
    };
    stage.row(book, &format!("account {name}: {outcome}"), row).await;
}

/// Nothing proves an outcome, and nobody can be asked.
async fn neither(stage: &mut Stage, book: &mut Book) {
    let url = brand(stage, "neither", json!({}), json!({"merchant": "Demo company"})).await.expect("an account");
    pays(stage, book, "neither", "100.00", "approve").await;
    pays(stage, book, "neither", "100.00", "decline").await;
    let row = async |scene: &mut Scene<'_>| {
        opened(scene, &of("neither", "100.00")).await?;
        // Not even an empty password signs.
        let fields = with(paid(scene.id(), "10000"), &[("sitereference", "test_neither")]);
        let hash = hash(&fields, "");
        let body = encoded(&with(fields, &[("responsesitesecurity", &hash)]));
        scene.callback(&url, &[("content-type", "application/x-www-form-urlencoded")], body.into_bytes()).await.map(drop)
    };
    stage.row(book, "account neither: signed with an empty password", row).await;
}

/// Whoever may ask needs no signature.
async fn asks(stage: &mut Stage, book: &mut Book) {
    let user = json!({"webServicesUsername": "ws@asks.example", "webServicesPassword": "asks-0001"});
    brand(stage, "asks", user.clone(), user).await.expect("an account");
    for outcome in ["approve", "decline", "suspend", "cancel"] {
        pays(stage, book, "asks", "100.00", outcome).await;
    }
    let ours = json!({"webServicesUsername": "ws@wrong.example", "webServicesPassword": "another"});
    let theirs = json!({"webServicesUsername": "ws@wrong.example", "webServicesPassword": "wrong-0001"});
    brand(stage, "wrong", ours, theirs).await.expect("an account");
    pays(stage, book, "wrong", "100.00", "approve").await;
}

/// What the hash does not cover is not sent.
async fn hash_fields(stage: &mut Stage, book: &mut Book) {
    const CORE: &str = "sitereference,currencyiso3a,mainamount";
    for (name, more) in [
        ("core", ""),
        ("unruled", ",allurlnotification,successfulurlredirect"),
        ("success", ",ruleidentifier,successfulurlredirect"),
        ("unnamed", ",ruleidentifier,allurlnotification,orderreference"),
        ("plugin", ",orderreference,billingemail,settleduedate,settlestatus,accounttypedescription,isusediframe"),
    ] {
        let account = json!({"siteSecurityPassword": "of-this-0001", "hashFields": format!("{CORE}{more}")});
        brand(stage, name, account.clone(), account).await.expect("an account");
        pays(stage, book, name, "100.00", "approve").await;
        for (amount, button) in [("100.00", "pay"), ("100.01", "pay"), ("100.00", "cancel")] {
            let row = async |scene: &mut Scene<'_>| {
                let (_, page) = opened(scene, &of(name, amount)).await?;
                pressed(scene, &page, &[("method", "VISA"), ("action", button)]).await.map(drop)
            };
            stage.row(book, &format!("account {name}: {amount}, {button} is pressed"), row).await;
        }
    }
}

/// Settings that are wrong, or not there.
async fn mistaken(stage: &mut Stage, book: &mut Book) {
    let user = json!({"webServicesUsername": USER, "webServicesPassword": USER_PASSWORD});
    for (name, wrong, right) in [
        ("another password", json!({"siteSecurityPassword": "another"}), json!({"siteSecurityPassword": PASSWORD})),
        ("an unknown site", json!({"sitereference": "test_unknown"}), json!({"sitereference": SITE})),
        ("another's site", json!({"sitereference": "test_asks"}), json!({"sitereference": SITE})),
        ("no such user", json!({"webServicesUsername": "ws@nobody.example"}), json!({"webServicesUsername": USER})),
    ] {
        configure(&stage.hands(), user.clone()).await.expect("a user");
        configure(&stage.hands(), wrong).await.expect("a mistake");
        stage.row(book, &format!("mistaken: {name}, tested"), super::queries::test).await;
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, &eur("100.00")).await?;
            scene.manage("inquire").await?;
            let body = encoded(&signed(paid(scene.id(), "10000")));
            super::notified::tell(scene, &body).await
        };
        stage.row(book, &format!("mistaken: {name}"), row).await;
        configure(&stage.hands(), right).await.expect("as it was");
    }
    stage.row(book, "mistaken: no site", incomplete).await;
}

async fn incomplete(scene: &mut Scene<'_>) -> Result<()> {
    let client = scene.client().clone();
    let brand = client.manage("POST", "/brands", Some(json!({"brandId": "none", "name": "none", "active": true}))).await?;
    good(&brand).or_else(|error| if brand.status == 201 { Ok(()) } else { Err(error) })?;
    let method = json!({"pspType": "TRUST", "brandId": "none", "config": {"siteSecurityPassword": "x"}});
    let made = client.manage("POST", "/payment-methods", Some(method)).await?;
    warned(scene, &made.body);
    scene.pay(&of("none", "100.00")).await.map(drop)
}
