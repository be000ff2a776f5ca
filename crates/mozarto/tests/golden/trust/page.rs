//! What a pay-in may say, and the page of ours that it leads to.

use super::{eur, followed, opened, sent};
use crate::book::Book;
use crate::stage::{Scene, Stage};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::client::Answer;
use testkit::forms::Form;

fn with(members: Value) -> String {
    let mut body: Value = serde_json::from_str(&eur("100.00")).expect("an object");
    for (name, value) in members.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body.to_string()
}

/// No transaction comes of these.
pub(super) async fn refused(stage: &mut Stage, book: &mut Book) {
    for (name, members) in [
        ("a pay-out", json!({"type": "PAYOUT"})),
        ("a card", json!({"card": {"pan": "4111110000000211", "CVV": "987"}})),
        ("a number that is null", json!({"PAN": null})),
        ("an expiry, deep", json!({"address": {"x": [{"Expiry": "12/30"}]}, "baseamount": "nonsense"})),
        ("no such currency", json!({"currency": "XXQ"})),
        ("too many decimals", json!({"currency": "JPY", "baseamount": 100.5})),
        ("an open address", json!({"hppSuccessUrl": "http://merchant.example/"})),
    ] {
        let body = with(members);
        stage.row(book, &format!("refused: {name}"), async |scene| scene.pay(&body).await.map(drop)).await;
    }
}

fn in_england(mut address: Value) -> Value {
    address["country"] = json!("GB");
    address
}

/// Billing fields that Trust takes, and those that are left out.
fn billing() -> Vec<(&'static str, Value)> {
    let long = |length: usize| "x".repeat(length);
    let england = |one: usize, other: usize| {
        let address = json!({"line1": long(one), "line2": long(other), "city": long(other), "postalCode": long(one)});
        json!({"address": in_england(address)})
    };
    let berlin = json!({"line1": "Königin-Elisabeth-Straße 123a", "city": "Berlin", "postalCode": "14059", "country": "DE"});
    vec![
        (
            "everything",
            json!({"email": "a@b.example", "firstName": "Ann", "lastName": "Lee", "phone": "+44", "countryCode": "FR",
                "address": {"line1": "1", "line2": "High St", "city": "York", "state": "Yorks", "postalCode": "YO1"}}),
        ),
        (
            "nothing that fits",
            json!({"email": "nonsense", "firstName": 7, "lastName": "a\u{7}b", "phone": long(128), "countryCode": "DEU",
                "gender": 5, "address": {"line1": "1 High St", "city": ["x"], "country": "GB"}}),
        ),
        ("no address", json!({"address": "1 High St"})),
        ("signs", json!({"address": {"line1": "1 <High> \"St\" & co", "country": "Germany", "city": 7}, "countryCode": "DE"})),
        ("Berlin", json!({"address": berlin})),
        ("too long", england(26, 128)),
        ("as long as may be", england(25, 127)),
        ("a county without a country", json!({"address": {"line1": "1 High Street", "city": "Maidstone", "state": "Kent"}})),
        ("a county and a country", json!({"address": {"line1": "1 High Street", "state": "Kent", "country": "GB"}})),
        ("a county and no country", json!({"address": {"line1": "1 High Street", "state": "Kent", "country": "Great Britain"}})),
        ("a long number", json!({"phone": "+44 (0)20 7946 0958 ext. 12345"})),
    ]
}

pub(super) async fn billed(stage: &mut Stage, book: &mut Book) {
    for (name, members) in billing() {
        let body = with(members);
        let row = async |scene: &mut Scene<'_>| {
            opened(scene, &body).await?;
            scene.control("pay").await
        };
        stage.row(book, &format!("billing: {name}"), row).await;
    }
}

/// What a browser gets, with the headers that matter.
async fn looked(scene: &mut Scene<'_>, method: &str, url: &str, header: (&str, &str)) -> Result<Answer> {
    let answer = scene.client().send(method, url, &[header], None).await?;
    let shown = ["cache-control", "referrer-policy", "x-robots-tag", "content-security-policy", "content-type", "location"];
    let shown: Vec<String> = shown.iter().filter_map(|name| Some(format!("{name}: {}", answer.header(name)?))).collect();
    // The page's one-time word is as long as no token is.
    let nonce = answer.header("content-security-policy").and_then(|policy| policy.split_once("'nonce-")?.1.split('\'').next());
    if let Some(nonce) = nonce {
        scene.know(nonce, "nonce");
    }
    scene.did(format!("{method} {url} {header:?}\n{}", shown.join("\n")), answer.clone());
    Ok(answer)
}

const PLAIN: (&str, &str) = ("accept", "*/*");

/// The page of ours: looked at ahead, opened, opened again.
async fn ours(scene: &mut Scene<'_>) -> Result<()> {
    let url = scene.pay(&eur("100.00")).await?.text("/data/paymentUrl").to_owned();
    for (method, header) in [("HEAD", PLAIN), ("GET", ("sec-purpose", "prefetch;prerender")), ("GET", ("purpose", "prefetch"))] {
        looked(scene, method, &url, header).await?;
    }
    looked(scene, "GET", &url, PLAIN).await?;
    looked(scene, "GET", &url, PLAIN).await.map(drop)
}

async fn unknown(scene: &mut Scene<'_>) -> Result<()> {
    let url = format!("{}/pay/x", scene.client().base);
    looked(scene, "GET", &url, PLAIN).await.map(drop)
}

/// Where the merchant wants the payer back.
async fn back(scene: &mut Scene<'_>, members: Value, word: &str) -> Result<()> {
    let (form, _) = opened(scene, &with(members)).await?;
    let name = if word == "success" { "successfulurlredirect" } else { "declinedurlredirect" };
    let url = form.all(name).first().copied().context("no address")?.to_owned();
    followed(scene, &format!("{url}?errorcode=70000&orderreference={}", scene.id())).await
}

/// The browser comes back five times; to no such word; signed and wrongly signed.
async fn returns(scene: &mut Scene<'_>) -> Result<()> {
    scene.shows_once();
    let (form, _) = opened(scene, &eur("100.00")).await?;
    let url = form.all("successfulurlredirect")[0].to_owned();
    for _ in 0..5 {
        followed(scene, &url).await?;
    }
    followed(scene, &url.replace("/success", "/elsewhere")).await?;
    followed(scene, &format!("{}/return/trust/x/success", scene.client().base)).await
}

async fn redirected(scene: &mut Scene<'_>, right: bool) -> Result<()> {
    scene.know("A1b2c3d4e", "request");
    let (form, _): (Form, Answer) = opened(scene, &eur("100.00")).await?;
    let fields = sent::signed(sent::redirect(scene.id()));
    let fields = if right { fields } else { sent::with(fields, &[("transactionreference", "42-14-120")]) };
    let url = form.all("successfulurlredirect")[0].to_owned();
    followed(scene, &format!("{url}?{}", sent::encoded(&fields))).await
}

pub(super) async fn ours_and_back(stage: &mut Stage, book: &mut Book) {
    stage.row(book, "page: ours", ours).await;
    stage.row(book, "page: unknown", unknown).await;
    let merchant = json!({"hppSuccessUrl": "https://merchant.example/paid?a=b", "hppFailureUrl": "https://merchant.example/not"});
    for word in ["success", "failure"] {
        for (name, members) in [("the merchant's addresses", merchant.clone()), ("the account's address", json!({}))] {
            stage.row(book, &format!("page: back to {name}, {word}"), async |scene| back(scene, members, word).await).await;
        }
    }
    stage.row(book, "page: back five times", returns).await;
    stage.row(book, "page: back, signed", async |scene| redirected(scene, true).await).await;
    stage.row(book, "page: back, wrongly signed", async |scene| redirected(scene, false).await).await;
}
