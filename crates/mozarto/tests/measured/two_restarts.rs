//! An embedded store over more than one restart, with a clock that was wrong in one of them: what a start leaves out stays left
//! out, and what is put right at one start is not put wrong at the next.

use crate::clocks::Wall;
use crate::node::BINARY;
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};
use testkit::table::Table;

const LIMIT: Duration = Duration::from_secs(60);
/// Waits are divided by this.
const SCALE: u32 = 20;
/// `not_found` counts from then on: 900 s by the contract, as they are really waited here.
const NOT_FOUND_AFTER: Duration = Duration::from_secs(900 / SCALE as u64);

/// How often PayOne's simulator was asked how something stands, since its start.
async fn inquiries(client: &Client) -> Result<u64> {
    let answer = client.control("GET", "/payone/calls", None).await?;
    answer.body["total"].as_u64().with_context(|| format!("no calls: {}", answer.body))
}

/// A pay-out whose fate is unknown, and which the provider does not know: it fails after its time, whatever the clock did at the
/// starts between.
async fn unknown_pay_out(offsets: &'static [&'static str]) -> Result<()> {
    let data = tempfile::tempdir()?;
    let wall = Wall::new(data.path(), "wall", "+0")?;
    let mut options = Options::new(BINARY, data.path()).time_scale(SCALE).variable("MOZARTO_LOG", "off");
    options.variables.extend(wall.variables());
    let mut sandbox = Sandbox::start(options.clone()).await?;
    let sent = Instant::now();
    let answer = Client::of(&sandbox).cashier(&bodies::payone("PAYOUT", "100.04")).await?;
    ensure!(
        answer.status == 200 && answer.text("/message") == "Transaction is being processed",
        "{} {}",
        answer.status,
        answer.body
    );
    let id = answer.text("/transaction/transactionId").to_owned();
    let told = ["companyId", "companyToken", "managementToken"].map(|name| sandbox.text(name).to_owned());
    for offset in offsets {
        sandbox.kill().await?;
        wall.set(offset)?;
        sandbox = Sandbox::start(options.clone()).await?;
        let now = ["companyId", "companyToken", "managementToken"].map(|name| sandbox.text(name).to_owned());
        ensure!(now == told, "another demo company, or other tokens, at {offset}");
    }
    let client = Client::of(&sandbox);
    let until = Instant::now() + LIMIT;
    // Asked at once after a start, then by the schedule: two answers that nothing is known would be enough.
    while inquiries(&client).await? < 2 {
        let status = client.status(&id).await?;
        ensure!(status.status == 200, "{} {}", status.status, status.body);
        let word = status.text("/data/transaction_status");
        ensure!(word == "Pending" || sent.elapsed() >= NOT_FOUND_AFTER, "{word} after {:?}: {}", sent.elapsed(), status.body);
        ensure!(Instant::now() < until, "the provider is not asked");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The second answer may be just being read.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let shown = client.manage("GET", &format!("/transactions/{id}"), None).await?;
    let word = shown.body["data"]["transaction_status"].as_str().unwrap_or_default();
    ensure!(word == "Pending" || sent.elapsed() >= NOT_FOUND_AFTER, "{word} after {:?}: {}", sent.elapsed(), shown.body);
    Ok(())
}

/// A key that was good for a day is good after a start with a clock that is six days ahead: the same request is the same payment.
async fn key_of_a_request(offsets: &'static [&'static str]) -> Result<()> {
    let data = tempfile::tempdir()?;
    let wall = Wall::new(data.path(), "wall", "+0")?;
    let mut options = Options::new(BINARY, data.path()).auto_settle(50).variable("MOZARTO_LOG", "off");
    options.variables.extend(wall.variables());
    let mut sandbox = Sandbox::start(options.clone()).await?;
    let (body, client) = (bodies::payone("PAYOUT", "100.00"), Client::of(&sandbox));
    let first = client.cashier_with_key(&body, "one-key").await?;
    ensure!(first.status == 200, "{} {}", first.status, first.body);
    let id = first.text("/transaction/transactionId").to_owned();
    client.wait_for(&id, &["Approved"], LIMIT).await?;
    for offset in offsets {
        sandbox.kill().await?;
        wall.set(offset)?;
        sandbox = Sandbox::start(options.clone()).await?;
    }
    let client = Client::of(&sandbox);
    // What is past its time is removed from a second after the start on.
    for _ in 0..3 {
        let again = client.cashier_with_key(&body, "one-key").await?;
        ensure!(again.status == 200 && again.bytes == first.bytes, "{} {} after {}", again.status, again.body, first.body);
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let listed = client.read("/v1/api/mozarto/transactions").await?;
    ensure!(listed.body["data"]["items"].as_array().is_some_and(|items| items.len() == 1), "{}", listed.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_start_leaves_out_stays_left_out() {
    const WAYS: [&[&str]; 6] = [&["+2h"], &["-2h"], &["+2h", "+2h"], &["+2h", "+0"], &["-2h", "+0"], &["+6d", "-2h", "+6d"]];
    let mut table = Table::with_at_once("starts with a clock that was set", 3);
    for way in WAYS {
        table.row(format!("an unknown pay-out, {way:?}"), unknown_pay_out(way));
    }
    for way in [&["+6d"][..], &["+6d", "+6d"], &["-2h", "+6d"]] {
        table.row(format!("a key, {way:?}"), key_of_a_request(way));
    }
    table.end().await;
}
