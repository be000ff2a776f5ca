//! `cargo xtask bench pay-in`: the platform against the least program that could do the same durable work, in the same run.

#![expect(clippy::float_arithmetic, reason = "figures for people; no amount is touched")]

mod floor;
mod load;
mod machine;
mod report;

pub(crate) use floor::{FloorArgs, serve as serve_floor};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use load::{Figures, Target};
use report::{Case, Report};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use testkit::sandbox::{Options, Sandbox};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The benchmark's settings.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArgs {
    /// How long each measured run lasts, seconds.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Pay-ins per second of the open-loop run.
    #[arg(long, default_value_t = 1000)]
    rate: u64,
    /// Connections of the closed-loop run.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Write the raw figures to this file as well.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Builds everything for release, then runs itself from there: a load generator without optimisation measures itself.
pub(crate) fn pay_in(args: &BenchArgs) -> Result<()> {
    let release = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(target_dir()).join("release");
    if cfg!(debug_assertions) {
        crate::install::run("cargo", &["build", "--release", "--bin", "mozarto", "--package", "xtask", "--package", "mozarto"])?;
        let mut command = std::process::Command::new(release.join("xtask"));
        command.args(["bench", "pay-in"]).args(["--seconds", &args.seconds.to_string()]);
        command.args(["--rate", &args.rate.to_string()]).args(["--connections", &args.connections.to_string()]);
        if let Some(path) = &args.json {
            command.arg("--json").arg(path);
        }
        let status = command.status().context("starting the benchmark")?;
        ensure!(status.success(), "the benchmark ended with {status}");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run_all(args, &release.join("mozarto")))
}

fn target_dir() -> String {
    std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned())
}

async fn run_all(args: &BenchArgs, binary: &Path) -> Result<()> {
    let mut report = Report::new(machine::describe());
    for store in ["sqlite", "postgres"] {
        for settle in [false, true] {
            let case = measure(args, binary, store, settle).await.with_context(|| format!("{store}, settle {settle}"))?;
            report.add(case);
        }
    }
    testkit::postgres::stop_cluster();
    report.print();
    if let Some(path) = &args.json {
        std::fs::write(path, report.json().to_string()).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// One store, bare or with auto-settle and webhooks: platform and floor, open loop and closed loop.
async fn measure(args: &BenchArgs, binary: &Path, store: &'static str, settle: bool) -> Result<Case> {
    let length = Duration::from_secs(args.seconds);
    let data = tempfile::tempdir()?;
    let database = if store == "postgres" { Some(testkit::postgres::database().await) } else { None };
    let mut options = Options::new(binary, data.path()).variable("MOZARTO_LOG", "error");
    if let Some(database) = &database {
        options = options.database(&database.url);
    }
    if settle {
        options = options.auto_settle(50);
    }
    let sandbox = Sandbox::start(options).await?;
    let platform = Target::platform(&sandbox)?;
    let simulator = Target::simulator(&sandbox)?;
    load::warm_up(&platform, args.connections).await?;
    let provider_alone = load::open_loop(&simulator, args.rate, length).await?;
    let platform_open = load::open_loop(&platform, args.rate, length).await?;
    let platform_closed = load::closed_loop(&platform, args.connections, length).await?;
    let accepted = platform.accepted();
    account_for(&sandbox, database.as_ref().map(|d| d.url.as_str()), accepted).await?;
    let rss_kib = sandbox.process_id().and_then(machine::rss_kib);
    drop(sandbox);
    drop(data);

    let (floor_open, floor_closed) = measure_floor(args, binary, store).await?;
    Ok(Case { store, settle, provider_alone, platform_open, platform_closed, floor_open, floor_closed, accepted, rss_kib })
}

async fn measure_floor(args: &BenchArgs, binary: &Path, store: &str) -> Result<(Figures, Figures)> {
    let length = Duration::from_secs(args.seconds);
    let data = tempfile::tempdir()?;
    // Only its simulators are used.
    let sandbox = Sandbox::start(Options::new(binary, data.path()).variable("MOZARTO_LOG", "error")).await?;
    let database = if store == "postgres" { Some(testkit::postgres::database().await) } else { None };
    let floor_data = tempfile::tempdir()?;
    let (_child, address) =
        start_floor(sandbox.text("simulatorUrl"), floor_data.path(), database.as_ref().map(|d| d.url.as_str())).await?;
    let floor = Target::floor(&address);
    load::warm_up(&floor, args.connections).await?;
    let open = load::open_loop(&floor, args.rate, length).await?;
    let closed = load::closed_loop(&floor, args.connections, length).await?;
    Ok((open, closed))
}

async fn start_floor(simulator: &str, data: &Path, database: Option<&str>) -> Result<(Child, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["floor", "--simulator", simulator]).arg("--data").arg(data);
    if let Some(url) = database {
        command.args(["--database", url]);
    }
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().context("starting the floor program")?;
    let stdout = child.stdout.take().context("the floor program's output")?;
    let line = BufReader::new(stdout).lines().next_line().await?.context("the floor program ended")?;
    let ready: Value = serde_json::from_str(&line)?;
    Ok((child, ready["address"].as_str().context("the floor program's address")?.to_owned()))
}

/// Every accepted transaction must be stored, once.
async fn account_for(sandbox: &Sandbox, database: Option<&str>, accepted: u64) -> Result<()> {
    const COUNT: &str = "SELECT COUNT(*), COUNT(DISTINCT id) FROM transactions WHERE status <> 'Failed'";
    let (rows, distinct): (i64, i64) = match database {
        Some(url) => {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
            tokio::spawn(connection);
            let row = client.query_one(COUNT, &[]).await?;
            (row.get(0), row.get(1))
        }
        None => {
            let db = rusqlite::Connection::open_with_flags(
                sandbox.data().join("mozarto.db"),
                rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
            )?;
            db.query_row(COUNT, [], |row| Ok((row.get(0)?, row.get(1)?)))?
        }
    };
    if rows != distinct || u64::try_from(rows).ok() != Some(accepted) {
        bail!("{accepted} pay-ins were accepted, {rows} are stored ({distinct} distinct)");
    }
    Ok(())
}
