//! What merchants were told is kept for a time and then removed, with its deliveries and their attempts; on both stores.

use crate::node::BINARY;
use crate::stores::Store;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};
use testkit::sink::Sink;

/// Pay-ins whose events grow old, and those whose do not.
const OLD: usize = 12;
const YOUNG: usize = 3;
const LIMIT: Duration = Duration::from_secs(40);
const DAY_MS: i64 = 24 * 3_600_000;
const TABLES: [&str; 3] = ["webhook_events", "deliveries", "delivery_attempts"];

/// Pays in, and waits until each has told its webhook, with a first attempt that is recorded.
async fn pay(client: &Client, sink: &Sink, count: usize) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let answer = client.cashier(&bodies::payone("PAYIN", "10.00")).await?;
        ensure!(answer.status == 200, "{}", answer.body);
        ids.push(answer.text("/transaction/transactionId").to_owned());
    }
    for id in &ids {
        sink.wait_for(id, 1, LIMIT).await?;
    }
    Ok(ids)
}

async fn rows(store: &Store) -> Result<Vec<i64>> {
    let mut rows = Vec::new();
    for table in TABLES {
        rows.push(store.count(&format!("SELECT COUNT(*) FROM {table}")).await?);
    }
    Ok(rows)
}

async fn until_rows(store: &Store, expected: usize) -> Result<()> {
    let until = Instant::now() + LIMIT;
    let expected = i64::try_from(expected)?;
    loop {
        let rows = rows(store).await?;
        if rows == [expected; 3] {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{TABLES:?}: {rows:?} instead of {expected} each");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn purged(client: &Client) -> Result<(i64, i64)> {
    let answer = client.send("GET", &format!("{}/metrics", client.base), &[], None).await?;
    let text = String::from_utf8_lossy(&answer.bytes).into_owned();
    let of = |kind: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("mozarto_purged_total{{kind=\"{kind}\"}}")));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
    };
    Ok((of("events"), of("deliveries")))
}

async fn old_events_go(database: Option<&str>) -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut options = Options::new(BINARY, data.path()).auto_settle(10).variable("MOZARTO_LOG", "off");
    options = options.variable("MOZARTO_RETENTION_DELIVERIES_DAYS", "30");
    if let Some(url) = database {
        options = options.database(url);
    }
    let mut sandbox = Sandbox::start(options.clone()).await?;
    let (client, sink) = (Client::of(&sandbox), Sink::start(sandbox.text("webhookSecret"), sandbox.text("webhookBearer")).await?);
    client.set_webhooks(&sink.url, &["PAYONE"]).await?;
    let store = Store::open(data.path(), database).await?;
    pay(&client, &sink, OLD).await?;
    until_rows(&store, OLD).await?;
    sandbox.terminate().await?;
    // Thirty-one days later, all of it; then some more is told, of today.
    let past = 31 * DAY_MS;
    store.run(&format!("UPDATE webhook_events SET created_at = created_at - {past}")).await?;
    store.run(&format!("UPDATE deliveries SET created_at = created_at - {past}")).await?;
    let sandbox = Sandbox::start(options).await?;
    let client = Client::of(&sandbox);
    let young = pay(&client, &sink, YOUNG).await?;
    until_rows(&store, YOUNG).await?;
    let until = Instant::now() + LIMIT;
    let all = i64::try_from(OLD)?;
    while purged(&client).await? != (all, all) {
        ensure!(Instant::now() < until, "counted: {:?}", purged(&client).await?);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What is left is what is young, and the feed begins with it.
    let feed = client.read("/v1/api/mozarto/events").await?;
    let told = feed.body.to_string();
    ensure!(feed.status == 200 && young.iter().all(|id| told.contains(id.as_str())), "{} {told}", feed.status);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_past_their_time_go_with_their_deliveries_on_sqlite() {
    old_events_go(None).await.map_err(|error| format!("{error:#}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_past_their_time_go_with_their_deliveries_on_postgres() {
    let database = testkit::postgres::database().await;
    old_events_go(Some(&database.url)).await.map_err(|error| format!("{error:#}")).unwrap();
}
