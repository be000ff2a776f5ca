//! What is stored while a voucher is being redeemed: the intent of a pay-in.

use crate::steps::LIMIT;
use crate::stores::Store;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};

async fn over(database: Option<&str>) -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut options = Options::new(env!("CARGO_BIN_EXE_mozarto"), data.path());
    if let Some(url) = database {
        options = options.database(url);
    }
    let sandbox = Sandbox::start(options).await?;
    let client = Client::of(&sandbox);
    // The validate answers; the redeem, which takes the money, is silent.
    let lost = client.control("POST", "/flexepin/1000004200002500/lost", Some(json!({}))).await?;
    ensure!(lost.status == 200, "{} {}", lost.status, lost.body);
    let paying = tokio::spawn(async move { client.cashier(&bodies::flexepin(42, 2_500)).await });
    let store = Store::open(data.path(), database).await?;
    let until = Instant::now() + LIMIT;
    let stored = loop {
        let rows = store.texts("SELECT next_kind, next_detail FROM attempts WHERE next_kind IS NOT NULL", 2).await?;
        if let [row] = rows.as_slice() {
            let detail: Value = serde_json::from_str(&row[1])?;
            // Whatever is stored on the way there is this pay-in's, too.
            ensure!(row[0] != "intent" || detail["task"] == "pay_in", "{detail}");
            if detail["step"] == "redeem" {
                break (row[0].clone(), detail);
            }
        }
        ensure!(!paying.is_finished(), "it ended with {rows:?} alone");
        ensure!(Instant::now() < until, "no redeem is stored: {rows:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let (kind, detail) = stored;
    ensure!(kind == "intent" && detail["doubt"] == "money", "{kind} {detail}");
    ensure!(detail["amount"] == "25.00" && detail["currency"] == "EUR", "{detail}");
    let id = detail["reference"].as_str().context("no reference")?;
    let whose = format!("SELECT operation, status FROM transactions WHERE id = '{id}'");
    let rows = store.texts(&whose, 2).await?;
    ensure!(matches!(rows.as_slice(), [row] if row[0] == "PAYIN"), "{rows:?}");
    paying.abort();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redeem_is_stored_as_a_pay_in_on_sqlite() {
    over(None).await.map_err(|error| format!("{error:#}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redeem_is_stored_as_a_pay_in_on_postgres() {
    let database = testkit::postgres::database().await;
    over(Some(&database.url)).await.map_err(|error| format!("{error:#}")).unwrap();
}
