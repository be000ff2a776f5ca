//! What grows is capped, kept for a time that is a setting, and purged; and how much room it takes.

use crate::node::BINARY;
use crate::stores::Store;
use anyhow::{Result, ensure};
use futures::StreamExt;
use std::path::Path;
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};
use testkit::sink::Sink;

const DAY_MS: i64 = 24 * 3_600_000;
/// Keys that are past their time: twenty seconds of a thousand payments a second.
const KEYS: i64 = 20_000;
/// Callbacks that are past their time, four to a transaction.
const CALLBACKS: i64 = 8_000;

fn now_ms() -> Result<i64> {
    Ok(i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?)
}

/// A store in which much is past its time.
async fn aged(store: &Store) -> Result<()> {
    let company = store.texts("SELECT id FROM companies", 1).await?.swap_remove(0).swap_remove(0);
    let now = now_ms()?;
    let id = |at: i64, n: &str| format!("{} || {}", store.hex(&at.to_string()), store.hex(n));
    let (print, answer, raw) = (store.bytes(1, 32), store.bytes(2, 900), store.bytes(3, 2_000));
    let keys = "INSERT INTO idempotency (company_id, path, idempotency_key, fingerprint, transaction_id, answer_status, answer, created_at, expires_at)";
    let key = |name: &str, made: i64, n: &str, ends: &str| {
        format!("SELECT '{company}', 'POST /cashier', {name}, {print}, {}, 200, {answer}, {made}, {ends}", id(made, n))
    };
    let old = key("'old-' || n", now - 2 * DAY_MS, "n", &(now - DAY_MS).to_string());
    store.run(&format!("{keys} {old} FROM {}", store.series(KEYS))).await?;
    // One of a transaction that is still open, and one whose time has not come.
    store.run(&format!("{keys} {}", key("'open'", 1, "1", "NULL"))).await?;
    store.run(&format!("{keys} {}", key("'fresh'", now, "1", &(now + DAY_MS).to_string()))).await?;
    let callbacks = "INSERT INTO callbacks (company_id, transaction_id, id, received_at, raw, due_at, attempt)";
    let callback = |of: (i64, &str), at: i64, n: &str| {
        format!("SELECT '{company}', {}, {}, {at}, {raw}, NULL, 0", id(of.0, of.1), id(at, n))
    };
    let old = now - 31 * DAY_MS;
    let many = callback((old - 1_000, "n / 4"), old, "n");
    store.run(&format!("{callbacks} {many} FROM {}", store.series(CALLBACKS))).await?;
    // Of an old transaction, but of yesterday; and of one of 29 days ago.
    store.run(&format!("{callbacks} {}", callback((old - 1_000, "1"), now - DAY_MS, "1"))).await?;
    let (young, of) = (now - 29 * DAY_MS, "0");
    store.run(&format!("{callbacks} {}", callback((young, of), young, "1"))).await
}

/// A sandbox that has aged while it was away, and its store.
async fn aged_sandbox(data: &Path, database: Option<&str>, set: impl FnOnce(Options) -> Options) -> Result<(Sandbox, Store)> {
    let mut options = Options::new(BINARY, data).auto_settle(10).variable("MOZARTO_LOG", "off");
    if let Some(url) = database {
        options = options.database(url);
    }
    let mut sandbox = Sandbox::start(options.clone()).await?;
    sandbox.terminate().await?;
    let store = Store::open(data, database).await?;
    aged(&store).await?;
    Ok((Sandbox::start(set(options)).await?, store))
}

async fn goes_faster_than_it_comes(database: Option<&str>) -> Result<()> {
    let data = tempfile::tempdir()?;
    let (sandbox, store) = aged_sandbox(data.path(), database, |options| options).await?;
    let client = Client::of(&sandbox);
    let began = Instant::now();
    let (mut paid, mut slowest) = (0_u32, Duration::ZERO);
    let keys = "SELECT COUNT(*) FROM idempotency WHERE idempotency_key LIKE 'old-%'";
    let callbacks = "SELECT COUNT(*) FROM callbacks WHERE length(raw) = 2000";
    // Payments go on beside it.
    loop {
        let (of_keys, of_callbacks) = (store.count(keys).await?, store.count(callbacks).await?);
        if of_keys == 0 && of_callbacks <= 2 {
            break;
        }
        ensure!(began.elapsed() < Duration::from_secs(28), "{of_keys} keys, {of_callbacks} callbacks left");
        let one = Instant::now();
        let answer = client.cashier_with_key(&bodies::payone("PAYIN", "10.00"), &format!("new-{paid}")).await?;
        ensure!(answer.status == 200, "{}", answer.body);
        slowest = slowest.max(one.elapsed());
        paid += 1;
    }
    let name = if database.is_some() { "PostgreSQL" } else { "SQLite" };
    println!(
        "{name}: {KEYS} keys and {CALLBACKS} callbacks went in {:?}; {paid} payments beside it, the slowest in {slowest:?}",
        began.elapsed()
    );
    let kept = store.count("SELECT COUNT(*) FROM idempotency WHERE idempotency_key IN ('open', 'fresh')").await?;
    ensure!(kept == 2, "{kept} keys whose time has not come");
    let kept = store.count(callbacks).await?;
    ensure!(kept == 2, "{kept} callbacks whose time has not come");
    counted(&client).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_time_goes_faster_than_it_comes_on_sqlite() {
    goes_faster_than_it_comes(None).await.map_err(|error| format!("{error:#}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_time_goes_faster_than_it_comes_on_postgres() {
    let database = testkit::postgres::database().await;
    goes_faster_than_it_comes(Some(&database.url)).await.map_err(|error| format!("{error:#}")).unwrap();
}

async fn counted(client: &Client) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = client.send("GET", &format!("{}/metrics", client.base), &[], None).await?;
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        let of = |kind: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("mozarto_purged_total{{kind=\"{kind}\"}}")))?;
            line.rsplit(' ').next()?.parse::<i64>().ok()
        };
        if (of("idempotency"), of("callbacks")) == (Some(KEYS), Some(CALLBACKS)) {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{:?} {:?}", of("idempotency"), of("callbacks"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A shorter time is a setting; one that breaks what merchants are promised is refused by name.
#[tokio::test(flavor = "multi_thread")]
async fn the_times_are_settings() {
    let data = tempfile::tempdir().unwrap();
    let shorter = |options: Options| options.variable("MOZARTO_RETENTION_CALLBACKS_DAYS", "7");
    let (_sandbox, store) = aged_sandbox(data.path(), None, shorter).await.unwrap();
    let until = Instant::now() + Duration::from_secs(25);
    loop {
        let left = store.count("SELECT COUNT(*) FROM callbacks").await.unwrap();
        if left <= 1 {
            break;
        }
        assert!(Instant::now() < until, "{left} are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let key = data.path().join("key");
    std::fs::write(&key, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").unwrap();
    let mut command = std::process::Command::new(BINARY);
    command.args(["config", "check"]).env("MOZARTO_ENVIRONMENT", "sandbox").env("MOZARTO_PUBLIC_URL", "http://127.0.0.1:1");
    command.env("MOZARTO_MASTER_KEY_FILE", &key).env("MOZARTO_RETENTION_IDEMPOTENCY_HOURS", "1");
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success() && said.contains("retention.idempotency_hours must be a number from 24 to 8760"), "{said}");
}

/// Settled pay-ins with a key and a webhook each that the room on disk is measured with; `cargo xtask bench size` is the figure
/// of many more.
const MEASURED: u32 = 400;
/// More than this of 100,000 is a loss, megabytes. Of a few hundred much is what the stores reserve ahead.
const MOST_MB: u64 = 2_500;

#[tokio::test(flavor = "multi_thread")]
async fn room_on_disk() {
    let database = testkit::postgres::database().await;
    for database in [None, Some(database.url.as_str())] {
        let figure = room(database).await.unwrap();
        println!("{figure} MB per 100,000 settled transactions");
        assert!(figure < MOST_MB, "{figure} MB");
    }
}

/// Megabytes that 100,000 would take.
async fn room(database: Option<&str>) -> Result<u64> {
    let data = tempfile::tempdir()?;
    let mut options = Options::new(BINARY, data.path()).auto_settle(1).variable("MOZARTO_LOG", "off");
    if let Some(url) = database {
        options = options.database(url);
    }
    let sandbox = Sandbox::start(options).await?;
    let (client, sink) = (Client::of(&sandbox), Sink::start(sandbox.text("webhookSecret"), sandbox.text("webhookBearer")).await?);
    client.set_webhooks(&sink.url, &["PAYONE"]).await?;
    let store = Store::open(data.path(), database).await?;
    let size = match store {
        Store::Sqlite(_) => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        Store::Postgres(_) => "SELECT pg_database_size(current_database())",
    };
    pay(&client, &sink, 0..100).await?;
    let before = store.count(size).await?;
    pay(&client, &sink, 100..100 + MEASURED).await?;
    let grown = u64::try_from(store.count(size).await?.saturating_sub(before))?;
    Ok(grown * 100_000 / u64::from(MEASURED) / 1_000_000)
}

/// Pays in, and waits until each has told its webhook.
async fn pay(client: &Client, sink: &Sink, numbers: std::ops::Range<u32>) -> Result<()> {
    let last = usize::try_from(numbers.end)?;
    let paying = futures::stream::iter(numbers).for_each_concurrent(16, async |n| {
        let answer = client.cashier_with_key(&bodies::payone("PAYIN", "10.00"), &format!("room-{n:032}")).await;
        assert!(answer.is_ok_and(|answer| answer.status == 200), "payment {n}");
    });
    paying.await;
    let until = Instant::now() + Duration::from_secs(60);
    while sink.received().len() < last {
        ensure!(Instant::now() < until, "{} of {last} webhooks", sink.received().len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
