//! What is signed are bytes, whatever letters they mean: Trust's response hash over a name that is no UTF-8, in a notification
//! and in a redirect.

use crate::short_callbacks::{posted, sha256_hex};
use crate::steps::only_signed;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

const LIMIT: Duration = Duration::from_secs(40);
const PASSWORD: &str = "trust-demo-password-0001";

/// The account cannot ask: only what is signed counts.
#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_of_bytes() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &[], |options| options.time_scale(60)).await.expect("a sandbox");
    only_signed(&world.hands()).await.expect("the account");
    let mut table = Table::new("signed bytes");
    for (name, brand) in [
        ("ASCII", &b"VISA"[..]),
        ("one byte of windows-1252", b"CB\xe9"),
        ("UTF-8", "CBé".as_bytes()),
        ("both", b"\xe9\xc3\xa9"),
        ("bytes that windows-1252 has no letter for", b"\x81\x8d"),
        ("blanks and signs", b" +&=% "),
    ] {
        table.row(format!("notified: {name}"), notified(world.hands(), brand, true));
        table.row(format!("notified, another byte: {name}"), notified(world.hands(), brand, false));
        table.row(format!("redirected: {name}"), redirected(world.hands(), brand));
    }
    table.end().await;
}

type Fields = Vec<(&'static str, Vec<u8>)>;

/// The hash over the values in the order of their names, and the password.
fn hash(fields: &Fields) -> String {
    let mut sorted: Vec<_> = fields.iter().filter(|(name, _)| *name != "notificationreference").collect();
    sorted.sort_by_key(|(name, _)| *name);
    let values: Vec<&[u8]> = sorted.iter().map(|(_, value)| value.as_slice()).chain([PASSWORD.as_bytes()]).collect();
    sha256_hex(&values.concat())
}

/// Every byte that is no letter or digit is escaped.
fn encoded(fields: &Fields) -> String {
    let escaped = |byte: &u8| {
        if byte.is_ascii_alphanumeric() { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
    };
    let pair = |(name, value): &(&str, Vec<u8>)| format!("{name}={}", value.iter().map(escaped).collect::<String>());
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn fields(id: &str, brand: &[u8]) -> Fields {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("errorcode", text("0")),
        ("orderreference", text(id)),
        ("transactionreference", text("42-14-119")),
        ("settlestatus", text("0")),
        ("paymenttypedescription", brand.to_vec()),
        ("sitereference", text("test_mozarto0001")),
    ]
}

async fn opened(hands: &Hands) -> Result<(String, testkit::forms::Form)> {
    let answer = hands.client.cashier(&bodies::trust("EUR", "100.00")).await?;
    let form = posted(hands, answer.text("/data/paymentUrl")).await?;
    Ok((answer.text("/transaction/transactionId").to_owned(), form))
}

async fn timeline_says(hands: &Hands, id: &str, text: &str) -> Result<Value> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let shown = hands.managed(id).await?;
        if shown["events"].to_string().contains(text) {
            return Ok(shown);
        }
        ensure!(tokio::time::Instant::now() < deadline, "{text} is not told: {shown}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn notified(hands: Hands, brand: &'static [u8], right: bool) -> Result<()> {
    let (id, form) = opened(&hands).await?;
    let mut sent = fields(&id, brand);
    sent.push(("baseamount", b"10000".to_vec()));
    sent.push(("currencyiso3a", b"EUR".to_vec()));
    sent.push(("requesttypedescription", b"AUTH".to_vec()));
    let signature = hash(&sent);
    if !right {
        let (_, brand) = sent.iter_mut().find(|(name, _)| *name == "paymenttypedescription").context("no brand")?;
        brand[0] ^= 1;
    }
    sent.push(("notificationreference", b"1-A60356".to_vec()));
    sent.push(("responsesitesecurity", signature.into_bytes()));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let url = form.all("allurlnotification")[0].to_owned();
    let told = hands.client.send("POST", &url, &headers, Some(encoded(&sent).into_bytes())).await?;
    ensure!(told.status == 200, "{}", told.status);
    let how = if right { "Trust notified: " } else { "Trust notified unsigned: " };
    let shown = timeline_says(&hands, &id, how).await?;
    if right {
        hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
    } else {
        ensure!(shown["transaction_status"] == "Pending", "{shown}");
    }
    Ok(())
}

/// Navigation alone: what is right about it is told, and nothing follows.
async fn redirected(hands: Hands, brand: &'static [u8]) -> Result<()> {
    let (id, form) = opened(&hands).await?;
    let mut sent = fields(&id, brand);
    sent.push(("requestreference", b"A1b2c3d4e".to_vec()));
    let signature = hash(&sent);
    sent.push(("responsesitesecurity", signature.into_bytes()));
    let url = format!("{}?{}", form.all("successfulurlredirect")[0], encoded(&sent));
    let back = hands.client.send("GET", &url, &[], None).await?;
    ensure!((200..400).contains(&back.status), "{}", back.status);
    let shown = timeline_says(&hands, &id, "the browser came back (success)").await?;
    ensure!(shown["events"].to_string().contains("its hash is right"), "{}", shown["events"]);
    ensure!(shown["transaction_status"] == "Pending", "{shown}");
    Ok(())
}
