//! What merchants were told is kept for a time and then removed, with its deliveries and their attempts; on both stores, and
//! faster than it comes.

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

/// Events of the past with a delivery and an attempt each: twenty seconds of a thousand payments a second.
const MANY: i64 = 20_000;
/// Every tenth of them is another company's.
const OTHER_COMPANY: &str = "0199c82cc0000a0a0a0a0a0a";
/// How many of those must go in a second, beside payments: as many as come at most. An unoptimised build is held to it too.
const EVENTS_PER_SECOND: i64 = 1_000;
/// And no payment may wait for longer than this meanwhile: a purge that holds the writer is quick at the cost of everybody else.
const SLOWEST: Duration = Duration::from_secs(2);

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

/// Much that is past its time.
async fn aged(store: &Store) -> Result<()> {
    let company = store.texts("SELECT id FROM companies", 1).await?.swap_remove(0).swap_remove(0);
    let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?;
    let (old, series) = (now - 31 * DAY_MS, store.series(MANY));
    let id = format!("{} || {}", store.hex(&old.to_string()), store.hex("n"));
    let whose = format!("CASE WHEN n % 10 = 0 THEN '{OTHER_COMPANY}' ELSE '{company}' END");
    let (body, method) = ("x".repeat(600), "0".repeat(24));
    store
        .run(&format!(
            "INSERT INTO webhook_events (company_id, id, transaction_id, sequence, method_id, sample, created_at, body) \
             SELECT {whose}, 'evt-old-' || n, {id}, 1, '{method}', 0, {old}, '{body}' FROM {series}; \
             INSERT INTO deliveries (company_id, id, event_id, transaction_id, sequence, method_id, state, attempts, attempts_total, created_at, delivered_at) \
             SELECT {whose}, {id}, 'evt-old-' || n, {id}, 1, '{method}', 'delivered', 1, 1, {old}, {old} FROM {series}; \
             INSERT INTO delivery_attempts (company_id, delivery_id, n, at, http_status, latency_ms, response_body) \
             SELECT {whose}, {id}, 1, {old}, 200, 3, 'ok' FROM {series}"
        ))
        .await
}

async fn many_go_faster_than_they_come(database: Option<&str>) -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut options = Options::new(BINARY, data.path()).auto_settle(10).variable("MOZARTO_LOG", "off");
    if let Some(url) = database {
        options = options.database(url);
    }
    let mut sandbox = Sandbox::start(options.clone()).await?;
    sandbox.terminate().await?;
    let store = Store::open(data.path(), database).await?;
    aged(&store).await?;
    let sandbox = Sandbox::start(options).await?;
    let client = Client::of(&sandbox);
    let left = "SELECT COUNT(*) FROM webhook_events WHERE id LIKE 'evt-old-%'";
    // The first look comes a second after the start; from then on it must go quickly, with payments beside it.
    let (mut began, mut paid, mut slowest) = (Instant::now(), 0_u32, Duration::ZERO);
    let until = began + LIMIT;
    let mut before = MANY;
    loop {
        let events = store.count(left).await?;
        if events == 0 {
            break;
        }
        if before == MANY && events == MANY {
            began = Instant::now();
        }
        before = events;
        ensure!(Instant::now() < until, "{events} of {MANY} events are left, {:?} after the first went", began.elapsed());
        let one = Instant::now();
        let answer = client.cashier(&bodies::payone("PAYIN", "10.00")).await?;
        ensure!(answer.status == 200, "{}", answer.body);
        slowest = slowest.max(one.elapsed());
        paid += 1;
    }
    let took = began.elapsed();
    let rate = MANY * 1_000 / i64::try_from(took.as_millis().max(1))?;
    let name = if database.is_some() { "PostgreSQL" } else { "SQLite" };
    println!(
        "{name}: {MANY} events went in {took:?} with a delivery and an attempt each: {rate} events, {} rows a second; \
         {paid} payments beside it, the slowest in {slowest:?}",
        rate * 3
    );
    let old = "SELECT COUNT(*) FROM deliveries WHERE event_id LIKE 'evt-old-%'";
    let attempts = "SELECT COUNT(*) FROM delivery_attempts WHERE latency_ms = 3 AND response_body = 'ok' AND delivery_id NOT IN (SELECT id FROM deliveries)";
    for left in [old, attempts] {
        let rows = store.count(left).await?;
        ensure!(rows == 0, "{rows} rows are left of events that are gone: {left}");
    }
    ensure!(rate >= EVENTS_PER_SECOND, "{rate} events a second, at least {EVENTS_PER_SECOND}");
    ensure!(slowest <= SLOWEST, "a payment waited for {slowest:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_go_faster_than_they_come_on_sqlite() {
    many_go_faster_than_they_come(None).await.map_err(|error| format!("{error:#}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_go_faster_than_they_come_on_postgres() {
    let database = testkit::postgres::database().await;
    many_go_faster_than_they_come(Some(&database.url)).await.map_err(|error| format!("{error:#}")).unwrap();
}
