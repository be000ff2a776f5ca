//! The feed of a store that is not the one in which its events were stored: migrated from the revision before, or copied table by
//! table as logical replication does. Every cursor that a merchant may hold goes on, in the order that was shown, and what is new
//! comes last.

use crate::moved::{events, feed_has, paid};
use crate::node::{BINARY, mozarto};
use crate::refused_starts::{connect, older_schema};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};
use testkit::client::Client;
use testkit::sandbox::{Options, Sandbox};
use tokio::process::Command;
use tokio_postgres::Client as Database;

const LIMIT: Duration = Duration::from_secs(45);

fn options(data: &Path, url: &str) -> Options {
    Options::new(BINARY, data).auto_settle(50).database(url).variable("MOZARTO_LOG", "off")
}

/// A command over a sandbox's database, with its key.
async fn run(data: &Path, url: &str, arguments: &[&str]) -> Result<serde_json::Value> {
    let mut command: Command = mozarto(arguments);
    command.env_remove("MOZARTO_MASTER_KEY").env("MOZARTO_MASTER_KEY_FILE", data.join("master.key"));
    command.env("MOZARTO_DATABASE", url).stdout(Stdio::piped());
    let output = tokio::time::timeout(LIMIT, command.output()).await.context("it goes on running")??;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn texts(database: &Database, sql: &str) -> Result<Vec<String>> {
    Ok(database.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

async fn columns(database: &Database, table: &str) -> Result<Vec<String>> {
    let sql = "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'public' AND table_name = ";
    texts(database, &format!("{sql}'{table}' ORDER BY ordinal_position")).await
}

/// The rows of one database in the tables of another, in place of what is there, as a subscriber of logical replication writes
/// them: no triggers, no foreign keys, no sequences, and only what both know.
async fn copy_rows(from: &Database, to: &Database, but: &[&str]) -> Result<()> {
    to.batch_execute("SET session_replication_role = replica").await?;
    for table in texts(to, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").await? {
        if but.contains(&table.as_str()) {
            continue;
        }
        let known = columns(from, &table).await?;
        let both: Vec<_> = columns(to, &table).await?.into_iter().filter(|name| known.contains(name)).collect();
        // Of a table of old there may be nothing in the new schema.
        if both.is_empty() {
            continue;
        }
        let both = both.join(", ");
        let sql = format!("SELECT COALESCE(json_agg(t), '[]')::text FROM (SELECT {both} FROM {table}) t");
        let rows: String = from.query_one(&sql, &[]).await?.get(0);
        to.batch_execute(&format!("DELETE FROM {table}")).await?;
        let sql = format!(
            "INSERT INTO {table} ({both}) SELECT {both} FROM \
             json_populate_recordset(CAST(NULL AS {table}), CAST(CAST($1 AS text) AS json))"
        );
        to.execute(&sql, &[&rows]).await.with_context(|| table.clone())?;
    }
    Ok(())
}

/// The whole feed, and what comes after each of its events.
async fn is_whole(client: &Client, expected: &[String]) -> Result<()> {
    let all = feed_has(client, None, expected.len()).await?;
    ensure!(all == expected, "the feed is {all:?} instead of {expected:?}");
    for (place, cursor) in expected.iter().enumerate() {
        let after = events(client, Some(cursor)).await?;
        ensure!(after == expected[place + 1..], "after {place}: {after:?}");
    }
    Ok(())
}

/// An event as the revision before stored it.
struct Old {
    company: usize,
    id: String,
    written_by: u64,
    position: i64,
    created_at: i64,
    sample: bool,
}

/// Of two companies by turns. Who wrote, the place given out, the id and the time contradict each other, as those of writers that
/// commit side by side do; and the numbers of the writers are no texts to be sorted: some have more digits, some are past 32
/// bits.
fn old_events() -> Result<Vec<Old>> {
    const WRITERS: [u64; 8] = [9_000_000_000, 70_000, 1_000_000_009, 999, 5_000_000_000, 80_000, 10_000_000_000, 1_000];
    let now = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis())?;
    let old = |n: i64| {
        let written_by = WRITERS[usize::try_from(n / 3)?];
        let id = format!("evt_{now:012x}{:012x}", 1_000 - n);
        let company = usize::try_from(n % 2)?;
        Ok(Old { company, id, written_by, position: n * 7 % 24 + 1, created_at: now - n * 5 % 24 * 1_000, sample: n == 10 })
    };
    (0..24).map(old).collect()
}

async fn write(database: &Database, event: &Old, company: &str) -> Result<()> {
    let transaction = event.id.trim_start_matches("evt_");
    let body = serde_json::json!({"transaction_id": transaction}).to_string();
    let sql = format!(
        "INSERT INTO webhook_events \
         (position, company_id, id, transaction_id, sequence, method_id, sample, created_at, body, written_by) \
         OVERRIDING SYSTEM VALUE VALUES ({}, $1, $2, $3, 1, $3, {}, {}, $4, '{}')",
        event.position,
        i32::from(event.sample),
        event.created_at,
        event.written_by
    );
    database.execute(&sql, &[&company, &event.id, &transaction, &body]).await?;
    Ok(())
}

/// The revision before showed events by their writers, then by their places; the migration numbers them so.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_keeps_its_order() {
    let rows = async {
        let data = tempfile::tempdir()?;
        let (new, old) = (testkit::postgres::database().await, testkit::postgres::database().await);
        let mut sandbox = Sandbox::start(options(data.path(), &new.url)).await?;
        sandbox.terminate().await?;
        let second =
            run(data.path(), &new.url, &["company", "create", "--name", "Second Ltd", "--country", "DE", "--json"]).await?;
        let companies = [sandbox.text("companyId"), second["companyId"].as_str().context("companyId")?];

        let (from, to) = (connect(&new.url).await?, connect(&old.url).await?);
        older_schema(&to).await?;
        copy_rows(&from, &to, &["schema_migrations", "webhook_events"]).await?;
        to.batch_execute("DELETE FROM instance WHERE name <> 'platform_key'").await?;
        let mut all = old_events()?;
        for event in &all {
            write(&to, event, companies[event.company]).await?;
        }
        // As the revision before read it.
        let shown = |company: &str| {
            format!("SELECT id FROM webhook_events WHERE company_id = '{company}' AND sample = 0 ORDER BY written_by, position")
        };
        let before = [texts(&to, &shown(companies[0])).await?, texts(&to, &shown(companies[1])).await?];
        all.sort_by_key(|event| event.position);
        for (company, before) in before.iter().enumerate() {
            let of_company = all.iter().filter(|event| event.company == company && !event.sample);
            ensure!(of_company.map(|event| &event.id).ne(before), "these places contradict nothing");
        }
        ensure!(before[0].len() + before[1].len() == 23, "{before:?}");

        let sandbox = Sandbox::start(options(data.path(), &old.url)).await?;
        let first = Client::of(&sandbox);
        let mut other = first.clone();
        second["companyToken"].as_str().context("companyToken")?.clone_into(&mut other.company_token);
        for (client, before) in [&first, &other].into_iter().zip(&before) {
            is_whole(client, before).await?;
        }
        // What is new comes last, and at its own company alone.
        paid(&first, "101.00").await?;
        let new = feed_has(&first, before[0].last().map(String::as_str), 1).await?;
        is_whole(&first, &[&before[0][..], &new].concat()).await?;
        is_whole(&other, &before[1]).await
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

/// What means something in one cluster's life only, as a type of a column or as a number that is given out beside the rows.
async fn means_nothing_elsewhere(database: &Database) -> Result<()> {
    let sql = "SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns \
               WHERE table_schema = 'public' AND (is_identity = 'YES' OR data_type IN \
               ('xid', 'xid8', 'cid', 'tid', 'oid', 'pg_lsn', 'pg_snapshot', 'txid_snapshot')) \
               UNION ALL SELECT schemaname || '.' || sequencename FROM pg_sequences";
    let found = texts(database, sql).await?;
    ensure!(found.is_empty(), "of one cluster only: {found:?}");
    Ok(())
}

/// A schema made by `mozarto migrate`, the rows copied into it, and what the sequencer knows left behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_logical_copy_goes_on() {
    let rows = async {
        let data = tempfile::tempdir()?;
        let source = testkit::postgres::database().await;
        let mut sandbox = Sandbox::start(options(data.path(), &source.url)).await?;
        let client = Client::of(&sandbox);
        let mut old = Vec::new();
        for amount in ["101.00", "102.00", "103.00", "104.00"] {
            paid(&client, amount).await?;
            // Each in a round of its own: the one before is closed by then.
            old.append(&mut feed_has(&client, old.last().map(String::as_str), 1).await?);
        }
        sandbox.terminate().await?;
        let from = connect(&source.url).await?;
        means_nothing_elsewhere(&from).await?;
        // It has run for long: further than a new sequencer gets round by round.
        from.batch_execute(
            "UPDATE webhook_events SET round = round + 1000000; \
             UPDATE feed_state SET round = round + 1000000, closed = closed + 1000000",
        )
        .await?;
        for (name, then) in [
            ("as a new schema has it", ""),
            ("without a state", "DELETE FROM feed_state"),
            ("a clock that was two hours ahead", "UPDATE webhook_events SET position = position + 7200000000"),
        ] {
            let copy = testkit::postgres::database().await;
            run(data.path(), &copy.url, &["migrate", "--json"]).await.context(name)?;
            let to = connect(&copy.url).await?;
            copy_rows(&from, &to, &["schema_migrations", "feed_state"]).await.context(name)?;
            to.batch_execute(then).await?;
            let mut sandbox = Sandbox::start(options(data.path(), &copy.url)).await.context(name)?;
            let client = Client::of(&sandbox);
            is_whole(&client, &old).await.context(name)?;
            paid(&client, "105.00").await.context(name)?;
            let new = feed_has(&client, old.last().map(String::as_str), 1).await.context(name)?;
            is_whole(&client, &[&old[..], &new].concat()).await.context(name)?;
            sandbox.terminate().await?;
        }
        Ok(())
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}
