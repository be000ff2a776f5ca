//! What a sandbox has lost, and what a file has lost while its log was left: never taken for a first start, and never for whole.

use crate::environment::{copy_of, refuses, sandbox_command, sandbox_starts, used_sandbox};
use crate::node::BINARY;
use anyhow::{Context, Result, ensure};
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};
use testkit::table::Table;
use tokio::process::Command;

/// How often a sandbox is stopped before its log ought to be copied back.
const STOPS_MAX: u32 = 10;

/// A sandbox with a payment, stopped (so that all is in its file), started, and killed: a log with little in it beside the file.
async fn with_a_short_log() -> Result<tempfile::TempDir> {
    let data = used_sandbox().await?;
    let log = || std::fs::metadata(data.path().join("mozarto.db-wal")).map_or(0, |log| log.len());
    let options = Options::new(BINARY, data.path()).variable("MOZARTO_LOG", "off");
    // A stop on a busy disk may leave the log to the next start: nothing is lost by that, but everything is in the log then.
    let mut stops = 0;
    while log() > 0 {
        stops += 1;
        ensure!(stops <= STOPS_MAX, "the log is never copied back");
        let mut sandbox = Sandbox::start(options.clone()).await?;
        let (status, _) = sandbox.terminate().await?;
        ensure!(status.code() == Some(0), "{status}");
    }
    let mut sandbox = Sandbox::start(options.clone()).await?;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    sandbox.kill().await?;
    ensure!(log() > 0, "there is no log");
    Ok(data)
}

fn cut(data: &Path, name: &str, to: u64) -> Result<()> {
    Ok(std::fs::OpenOptions::new().write(true).open(data.join(name))?.set_len(to)?)
}

/// Bytes of a page of the embedded database.
const PAGE: u64 = 4_096;

/// The bytes up to the end of the last page that is in the file alone: what lies behind it the log has too, so that its loss is
/// none.
/// Frames lie behind a header of 32 bytes, each a header of 24 and a page; those of this log repeat its salts.
/// Source: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.
fn alone_in_the_file(data: &Path) -> Result<u64> {
    let log = std::fs::read(data.join("mozarto.db-wal"))?;
    let (header, frames) = log.split_at_checked(32).context("a log without a header")?;
    let logged: HashSet<u64> = frames
        .chunks_exact(24 + PAGE as usize)
        .take_while(|frame| frame[8..16] == header[16..24])
        .map(|frame| u64::from(u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]])))
        .collect();
    let pages = std::fs::metadata(data.join("mozarto.db"))?.len() / PAGE;
    Ok((1..=pages).rev().find(|page| !logged.contains(page)).context("every page is in the log")? * PAGE)
}

/// How long a file is left of which so many bytes are there alone.
type Cut = fn(u64) -> u64;
const CUTS: [(&str, Cut); 4] =
    [("half", |alone| alone / 2), ("a page", |alone| alone - PAGE), ("a byte", |alone| alone - 1), ("nearly all", |_| 50)];

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_file_beside_its_log() {
    let used = with_a_short_log().await.expect("a sandbox");
    let whole = used.path().to_owned();
    let alone = alone_in_the_file(&whole).expect("the log");
    let mut table = Table::with_at_once("cut files", 2);
    for (name, to) in CUTS {
        let whole = whole.clone();
        table.row(name, async move {
            let data = copy_of(&whole)?;
            cut(data.path(), "mozarto.db", to(alone))?;
            let log = std::fs::read(data.path().join("mozarto.db-wal"))?;
            refuses(sandbox_command(data.path()), &["shorter", "To restore"]).await?;
            ensure!(std::fs::read(data.path().join("mozarto.db-wal"))? == log, "the log was touched");
            Ok(())
        });
    }
    let repaired = whole.clone();
    table.row("what the log has too", async move {
        let data = copy_of(&repaired)?;
        cut(data.path(), "mozarto.db", alone)?;
        sandbox_starts(data.path()).await
    });
    let untouched = whole.clone();
    table.row("untouched", async move { sandbox_starts(copy_of(&untouched)?.path()).await });
    table.end().await;
}

fn over(database: &str, data: &Path) -> Command {
    let mut command = sandbox_command(data);
    command.args(["--database", database]);
    command
}

/// How many tables there are.
async fn tables(url: &str) -> Result<i64> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client.query_one("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", &[]).await?.get(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_whose_database_was_lost_is_not_new() {
    let mut table = Table::with_at_once("a sandbox's database", 2);
    table.row("on PostgreSQL, made anew", async {
        let (data, database) = (tempfile::tempdir()?, testkit::postgres::database().await);
        let options = Options::new(BINARY, data.path()).variable("MOZARTO_LOG", "off");
        let mut sandbox = Sandbox::start(options.clone().database(&database.url)).await?;
        let company = sandbox.text("companyId").to_owned();
        let answer = Client::of(&sandbox).cashier(&bodies::payone("PAYIN", "100.00")).await?;
        ensure!(answer.status == 200, "{}", answer.body);
        sandbox.kill().await?;
        let kept = std::fs::read(data.path().join("sandbox.json"))?;
        let empty = testkit::postgres::database().await;
        refuses(over(&empty.url, data.path()), &["demo company", "sandbox.json", "--database"]).await?;
        ensure!(tables(&empty.url).await? == 0, "something was made in the other database");
        // Another sandbox's.
        let another = tempfile::tempdir()?;
        let mut other =
            Sandbox::start(Options::new(BINARY, another.path()).variable("MOZARTO_LOG", "off").database(&empty.url)).await?;
        other.kill().await?;
        refuses(over(&empty.url, data.path()), &["demo company", "sandbox.json", "--database"]).await?;
        ensure!(std::fs::read(data.path().join("sandbox.json"))? == kept, "sandbox.json was written anew");
        let sandbox = Sandbox::start(options.database(&database.url)).await?;
        ensure!(sandbox.text("companyId") == company, "another company");
        Ok(())
    });
    table.row("restored without sandbox.json", async {
        let data = used_sandbox().await?;
        let path = data.path().join("sandbox.json");
        let kept = std::fs::read(&path)?;
        std::fs::remove_file(&path)?;
        refuses(sandbox_command(data.path()), &["demo company", "sandbox.json"]).await?;
        ensure!(!path.exists(), "a second demo company");
        std::fs::write(&path, kept)?;
        sandbox_starts(data.path()).await
    });
    table.row("killed before it was ready: a first start still", async {
        let data = tempfile::tempdir()?;
        for wait_ms in [150, 400, 800] {
            let mut child = sandbox_command(data.path()).spawn()?;
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            child.kill().await.context("killing it")?;
        }
        let mut sandbox = Sandbox::start(Options::new(BINARY, data.path()).variable("MOZARTO_LOG", "off")).await?;
        sandbox.kill().await
    });
    table.end().await;
}
