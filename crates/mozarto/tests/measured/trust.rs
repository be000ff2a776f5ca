//! Trust Payments: refunds in parts, words and fields of its own.

use crate::steps::{LIMIT, control, minor_units, only_signed, posted, until};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

const NAME: &str = "trust";

#[tokio::test(flavor = "multi_thread")]
async fn trust_as_it_is() {
    let world = World::start(env!("CARGO_BIN_EXE_mozarto"), &["TRUST"], |options| options.time_scale(60));
    let world = world.await.expect("a sandbox");
    let mut table = Table::new("Trust");
    parts(&mut table, &world, "asked");
    table.row("lowered, then refunded", lowered(world.hands()));
    table.row("lowered twice", lowered_twice(world.hands()));
    table.row("refunded before anybody asked", refunded_first(world.hands()));
    for code in ["60043", "60045"] {
        table.row(code, declined(world.hands(), code));
    }
    for address in addresses() {
        table.row(format!("pays with {address}"), pays(world.hands(), address));
    }
    // Without a web-services user only what is signed counts.
    table.row_alone("no web services", no_web_services(world.hands())).await;
    parts(&mut table, &world, "told");
    table.end().await;
}

fn parts(table: &mut Table, world: &World, how: &str) {
    let cases: [(&str, &[i64], &str); 6] = [
        ("30 + 70", &[3_000, 7_000], "Reversed"),
        ("two equal parts", &[5_000, 5_000], "Reversed"),
        ("many parts", &[1, 999, 4_000, 5_000], "Reversed"),
        ("the whole", &[10_000], "Reversed"),
        ("a part", &[9_999], "Approved"),
        ("a cent", &[1], "Approved"),
    ];
    for (name, minors, status) in cases {
        table.row(format!("{how}: {name}"), refunded(world.hands(), minors, status));
    }
}

/// A payment of 100.00.
async fn paid(hands: &Hands) -> Result<String> {
    let (id, _) = posted(hands, &bodies::trust("EUR", "100.00")).await?;
    control(hands, NAME, &id, "pay").await?;
    hands.ends_as(&id, "Approved", "0/0", LIMIT).await?;
    Ok(id)
}

/// Waits until so much has gone back, in so many parts.
async fn went_back(hands: &Hands, id: &str, parts: &[i64]) -> Result<Value> {
    let sum: i64 = parts.iter().sum();
    let shown = format!("{}.{:02}", sum / 100, sum % 100);
    until(hands, id, |data| minor_units(data, "refunded") == parts && data["refundedAmount"] == shown.as_str()).await
}

async fn refunded(hands: Hands, minors: &'static [i64], status: &'static str) -> Result<()> {
    let id = paid(&hands).await?;
    for (n, minor) in minors.iter().enumerate() {
        control(&hands, NAME, &id, &format!("refund?minor={minor}")).await?;
        let shown = went_back(&hands, &id, &minors[..=n]).await?;
        ensure!(shown["transaction_status"] == "Approved" || n + 1 == minors.len(), "{shown}");
    }
    let shown = hands.managed(&id).await?;
    ensure!(shown["transaction_status"] == status && shown["attention"].is_null(), "{shown}");
    let webhooks: &[&str] = if status == "Reversed" { &["Approved", "Reversed"] } else { &["Approved"] };
    hands.webhooks(&id, webhooks, LIMIT).await
}

/// Less was settled than authorised, and the rest went back.
async fn lowered(hands: Hands) -> Result<()> {
    let id = paid(&hands).await?;
    control(&hands, NAME, &id, "lower?minor=2000").await?;
    let shown = went_back(&hands, &id, &[2_000]).await?;
    ensure!(shown["transaction_status"] == "Approved", "{shown}");
    control(&hands, NAME, &id, "refund?minor=8000").await?;
    let shown = went_back(&hands, &id, &[2_000, 8_000]).await?;
    ensure!(shown["transaction_status"] == "Reversed" && shown["attention"].is_null(), "{shown}");
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}

async fn lowered_twice(hands: Hands) -> Result<()> {
    let id = paid(&hands).await?;
    for (minor, parts) in [(2_000, &[2_000][..]), (500, &[2_000, 500])] {
        control(&hands, NAME, &id, &format!("lower?minor={minor}")).await?;
        let shown = went_back(&hands, &id, parts).await?;
        ensure!(shown["transaction_status"] == "Approved" && shown["attention"].is_null(), "{shown}");
    }
    hands.webhooks(&id, &["Approved"], LIMIT).await
}

/// Of the payment itself nobody was told: its refund is the first that is heard of it.
async fn refunded_first(hands: Hands) -> Result<()> {
    let (id, _) = posted(&hands, &bodies::trust("EUR", "100.12")).await?;
    control(&hands, NAME, &id, "pay").await?;
    control(&hands, NAME, &id, "refund?minor=3000").await?;
    let shown = went_back(&hands, &id, &[3_000]).await?;
    ensure!(shown["transaction_status"] == "Approved" && shown["attention"].is_null(), "{shown}");
    control(&hands, NAME, &id, "refund").await?;
    let shown = went_back(&hands, &id, &[3_000, 7_012]).await?;
    ensure!(shown["transaction_status"] == "Reversed" && shown["attention"].is_null(), "{shown}");
    hands.webhooks(&id, &["Approved", "Reversed"], LIMIT).await
}

async fn declined(hands: Hands, code: &'static str) -> Result<()> {
    let (id, _) = posted(&hands, &bodies::trust("EUR", "620.00")).await?;
    control(&hands, NAME, &id, &format!("status/{code}")).await?;
    hands.ends_as(&id, "Declined", code, LIMIT).await?;
    hands.webhooks(&id, &["Declined"], LIMIT).await
}

/// What people live at, and what no form takes.
fn addresses() -> Vec<Value> {
    let long = |length: usize| "1".repeat(length);
    vec![
        json!({"line1": "Königin-Elisabeth-Straße 123a", "city": "Berlin", "postalCode": "14059", "country": "DE"}),
        json!({"line1": long(26), "line2": long(128), "city": long(128), "postalCode": long(26), "country": "GB"}),
        json!({"line1": long(25), "line2": long(127), "city": long(127), "postalCode": long(25), "country": "GB"}),
        json!({"line1": "1 High Street", "city": "Maidstone", "state": "Kent", "postalCode": "ME14 1XX"}),
        json!({"line1": "1 High Street", "city": "Maidstone", "state": "Kent", "postalCode": "ME14 1XX", "country": "GB"}),
        json!({"line1": "1 High Street", "state": "Kent", "country": "Great Britain"}),
    ]
}

/// A billing field never stops the payer.
async fn pays(hands: Hands, address: Value) -> Result<()> {
    for phone in ["+447911123456", "+44 (0)20 7946 0958 ext. 12345"] {
        let mut body: Value = serde_json::from_str(&bodies::trust("EUR", "100.00"))?;
        body["address"] = address.clone();
        body["phone"] = json!(phone);
        let (id, page) = posted(&hands, &body.to_string()).await?;
        ensure!(!page.contains("Invalid details"), "{address} {phone}: {page}");
        control(&hands, NAME, &id, "pay").await?;
        hands.ends_as(&id, "Approved", "0/0", LIMIT).await?;
    }
    Ok(())
}

async fn no_web_services(hands: Hands) -> Result<()> {
    let changed = only_signed(&hands).await?;
    ensure!(changed.body.to_string().contains("must have exactly these fields"), "{}", changed.body);
    Ok(())
}
