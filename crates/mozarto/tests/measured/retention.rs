//! What grows is capped, kept for a time that is a setting, and purged; and how much room it takes.

use anyhow::{Result, ensure};
use futures::StreamExt;
use rusqlite::{Connection, params};
use std::path::Path;
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};
use testkit::sink::Sink;

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
const DAY_MS: i64 = 24 * 3_600_000;
/// Keys that are past their time: twenty seconds of a thousand payments a second.
const KEYS: i64 = 20_000;
/// Callbacks that are past their time, four to a transaction.
const CALLBACKS: i64 = 8_000;

fn open(data: &Path) -> Result<Connection> {
    let db = Connection::open(data.join("mozarto.db"))?;
    db.busy_timeout(Duration::from_secs(20))?;
    Ok(db)
}

fn count(db: &Connection, sql: &str) -> Result<i64> {
    Ok(db.query_row(sql, [], |row| row.get(0))?)
}

fn now_ms() -> Result<i64> {
    Ok(i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?)
}

/// An id of ours: its time in milliseconds, then what makes it one.
fn id(at_ms: i64, n: i64) -> String {
    format!("{at_ms:012x}{n:012x}")
}

/// A store in which much is past its time.
fn aged(data: &Path, company: &str) -> Result<()> {
    let mut db = open(data)?;
    let now = now_ms()?;
    let all = db.transaction()?;
    {
        let mut key = all.prepare(
            "INSERT INTO idempotency (company_id, path, idempotency_key, fingerprint, transaction_id, answer_status, answer, created_at, expires_at) \
             VALUES (?1, 'POST /cashier', ?2, ?3, ?4, 200, ?5, ?6, ?7)",
        )?;
        let (print, answer) = ([1_u8; 32], [2_u8; 900]);
        for n in 0..KEYS {
            let made = now - 2 * DAY_MS;
            key.execute(params![company, format!("old-{n}"), print, id(made, n), answer, made, now - DAY_MS])?;
        }
        // One of a transaction that is still open, and one whose time has not come.
        key.execute(params![company, "open", print, id(1, 1), answer, 1, None::<i64>])?;
        key.execute(params![company, "fresh", print, id(now, 1), answer, now, now + DAY_MS])?;
        let mut callback = all.prepare(
            "INSERT INTO callbacks (company_id, transaction_id, id, received_at, raw, due_at, attempt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
        )?;
        let raw = [3_u8; 2_000];
        let old = now - 31 * DAY_MS;
        for n in 0..CALLBACKS {
            callback.execute(params![company, id(old - 1_000, n / 4), id(old, n), old, raw, None::<i64>])?;
        }
        // Of an old transaction, but of yesterday; and of one of 29 days ago.
        callback.execute(params![company, id(old - 1_000, 0), id(now - DAY_MS, 1), now - DAY_MS, raw, None::<i64>])?;
        callback.execute(params![
            company,
            id(now - 29 * DAY_MS, 0),
            id(now - 29 * DAY_MS, 1),
            now - 29 * DAY_MS,
            raw,
            None::<i64>
        ])?;
    }
    all.commit()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_time_goes_faster_than_it_comes() {
    let data = tempfile::tempdir().unwrap();
    let options = Options::new(BINARY, data.path()).auto_settle(10).variable("MOZARTO_LOG", "off");
    let mut sandbox = Sandbox::start(options).await.unwrap();
    sandbox.terminate().await.unwrap();
    let company: String = open(data.path()).unwrap().query_row("SELECT id FROM companies", [], |row| row.get(0)).unwrap();
    aged(data.path(), &company).unwrap();
    let sandbox = Sandbox::start(sandbox.options.clone()).await.unwrap();
    let client = Client::of(&sandbox);
    let began = Instant::now();
    let (mut paid, mut slowest) = (0_u32, Duration::ZERO);
    let db = open(data.path()).unwrap();
    let (keys, callbacks) = (
        "SELECT COUNT(*) FROM idempotency WHERE idempotency_key LIKE 'old-%'",
        "SELECT COUNT(*) FROM callbacks WHERE length(raw) = 2000",
    );
    // Payments go on beside it.
    while count(&db, keys).unwrap() > 0 || count(&db, callbacks).unwrap() > 2 {
        assert!(
            began.elapsed() < Duration::from_secs(28),
            "{} keys, {} callbacks left",
            count(&db, keys).unwrap(),
            count(&db, callbacks).unwrap()
        );
        let one = Instant::now();
        let answer = client.cashier_with_key(&bodies::payone("PAYIN", "10.00"), &format!("new-{paid}")).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        slowest = slowest.max(one.elapsed());
        paid += 1;
    }
    println!(
        "{KEYS} keys and {CALLBACKS} callbacks went in {:?}; {paid} payments beside it, the slowest in {slowest:?}",
        began.elapsed()
    );
    assert_eq!(count(&db, "SELECT COUNT(*) FROM idempotency WHERE idempotency_key IN ('open', 'fresh')").unwrap(), 2);
    assert_eq!(count(&db, callbacks).unwrap(), 2, "those whose time has not come");
    counted(&client).await.unwrap();
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
    let options = Options::new(BINARY, data.path()).variable("MOZARTO_LOG", "off");
    let mut sandbox = Sandbox::start(options).await.unwrap();
    sandbox.terminate().await.unwrap();
    let company: String = open(data.path()).unwrap().query_row("SELECT id FROM companies", [], |row| row.get(0)).unwrap();
    aged(data.path(), &company).unwrap();
    let _sandbox = Sandbox::start(sandbox.options.clone().variable("MOZARTO_RETENTION_CALLBACKS_DAYS", "7")).await.unwrap();
    let db = open(data.path()).unwrap();
    let until = Instant::now() + Duration::from_secs(25);
    while count(&db, "SELECT COUNT(*) FROM callbacks").unwrap() > 1 {
        assert!(Instant::now() < until, "{} are left", count(&db, "SELECT COUNT(*) FROM callbacks").unwrap());
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

/// Settled pay-ins with a key and a webhook each that the room on disk is measured with, unless `MEASURED_TRANSACTIONS` says how many.
const MEASURED: u32 = 400;
/// More than this of 100,000 is a loss, megabytes. Of a few hundred much is what the stores reserve ahead.
const MOST_MB: u64 = 2_500;

/// Prints the room that 100,000 would take: `MEASURED_TRANSACTIONS=100000 cargo nextest run -p mozarto --test measured room_on_disk --no-capture`.
#[tokio::test(flavor = "multi_thread")]
async fn room_on_disk() {
    let data = tempfile::tempdir().unwrap();
    let options = |data: &Path| Options::new(BINARY, data).auto_settle(1).variable("MOZARTO_LOG", "off");
    let of_sqlite = || async {
        let db = open(data.path())?;
        let bytes = count(&db, "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")?;
        Ok::<u64, anyhow::Error>(u64::try_from(bytes)?)
    };
    let figure = room(Sandbox::start(options(data.path())).await.unwrap(), of_sqlite).await.unwrap();
    println!("SQLite: {figure} MB per 100,000 settled transactions");
    assert!(figure < MOST_MB, "{figure} MB");

    let (database, data) = (testkit::postgres::database().await, tempfile::tempdir().unwrap());
    let of_postgres = || testkit::postgres::size(&database.url);
    let figure = room(Sandbox::start(options(data.path()).database(&database.url)).await.unwrap(), of_postgres).await.unwrap();
    println!("PostgreSQL: {figure} MB per 100,000 settled transactions");
    assert!(figure < MOST_MB, "{figure} MB");
}

/// Megabytes that 100,000 would take.
async fn room<F: Future<Output = Result<u64>>>(sandbox: Sandbox, size: impl Fn() -> F) -> Result<u64> {
    let (client, sink) = (Client::of(&sandbox), Sink::start(sandbox.text("webhookSecret"), sandbox.text("webhookBearer")).await?);
    client.set_webhooks(&sink.url, &["PAYONE"]).await?;
    let transactions = std::env::var("MEASURED_TRANSACTIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(MEASURED);
    pay(&client, &sink, 0..100).await?;
    let before = size().await?;
    pay(&client, &sink, 100..100 + transactions).await?;
    let grown = size().await?.saturating_sub(before);
    Ok(grown * 100_000 / u64::from(transactions) / 1_000_000)
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
