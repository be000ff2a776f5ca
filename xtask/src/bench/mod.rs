//! `cargo xtask bench ...`: the platform against the least program that could do the same durable work, and against another
//! revision of itself, in the same run and in turns. The platform is alone in its process; simulators, sink and load generator
//! have their own.

#![expect(clippy::float_arithmetic, reason = "figures for people; no amount is touched")]

mod all;
mod beside;
mod counts;
mod document;
mod floor;
mod lists;
mod load;
mod machine;
mod memory;
mod overload;
mod questions;
mod report;
mod run;
mod seed;
mod size;
mod stage;

pub(crate) use beside::{SimulatorArgs, simulators, sink};
pub(crate) use floor::{FloorArgs, serve as serve_floor};
pub(crate) use machine::describe;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};
use report::Case;
use run::Plan;
use serde_json::{Value, json};
use stage::{Beside, Side, Store};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The benchmarks.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Bench {
    /// Pay-ins, bare and settled, against the floor programs and against another binary, in turns.
    PayIn(PayInArgs),
    /// More pay-ins than can be done: closed loop for the peak, then an open loop at three times that.
    Overload(OverloadArgs),
    /// Every list and search over a company with a long past.
    Lists(ListsArgs),
    /// Room on disk that settled pay-ins take.
    Size(SizeArgs),
    /// Memory after so many pay-ins, and the time of a start with them stored.
    Memory(MemoryArgs),
    /// All of these one after the other, as the document shows them; says first how long it takes.
    All(all::AllArgs),
}

/// What all have in common.
#[derive(Debug, Clone, Args)]
pub(crate) struct CommonArgs {
    /// Only this store.
    #[arg(long, value_enum)]
    store: Option<StoreWord>,
    /// Connections of closed loops.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Measure this binary of the platform instead of building one.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Write the raw figures to this file as well.
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// Try the benchmark itself with whatever is built: its figures say nothing of speed then.
    #[arg(long)]
    any_build: bool,
}

/// A store as it is named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreWord {
    Sqlite,
    Postgres,
}

impl CommonArgs {
    fn takes(&self, store: Store) -> bool {
        self.store.is_none_or(|word| (word == StoreWord::Postgres) == store.is_postgres())
    }

    fn platform(&self) -> Side {
        let build = if self.any_build { "debug" } else { "release" };
        Side::Platform(self.binary.clone().unwrap_or_else(|| target().join(build).join("mozarto")))
    }
}

/// `bench pay-in`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PayInArgs {
    /// How long each measured run lasts, seconds.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// How often each side has its turn.
    #[arg(long, default_value_t = 5)]
    pairs: u32,
    /// Pay-ins per second of the open loop that shows the added latency.
    #[arg(long, default_value_t = 1000)]
    rate: u64,
    /// Only bare or only settled pay-ins.
    #[arg(long, value_enum)]
    only: Option<Kind>,
    /// Another binary of the platform, to compare with.
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// Leave the floor programs out.
    #[arg(long)]
    no_floor: bool,
    /// Also over PostgreSQL with statistics.
    #[arg(long)]
    analyzed: bool,
    /// Count statements over PostgreSQL (costs some speed).
    #[arg(long)]
    statements: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Bare: nobody pays. Settled: the payer pays, the callback comes, the webhook goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Bare,
    Settled,
}

/// `bench overload`.
#[derive(Debug, Clone, Args)]
pub(crate) struct OverloadArgs {
    /// How long the open loop lasts, seconds; the closed one a third of it.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    #[command(flatten)]
    common: CommonArgs,
}

/// `bench lists`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListsArgs {
    /// Transactions of the company.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// How often each question is asked.
    #[arg(long, default_value_t = 5)]
    repeats: u32,
    #[command(flatten)]
    common: CommonArgs,
}

/// `bench size`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SizeArgs {
    /// Settled pay-ins, at least.
    #[arg(long, default_value_t = 100_000)]
    transactions: u64,
    #[command(flatten)]
    common: CommonArgs,
}

/// `bench memory`.
#[derive(Debug, Clone, Args)]
pub(crate) struct MemoryArgs {
    /// Pay-ins.
    #[arg(long, default_value_t = 1_000_000)]
    transactions: u64,
    /// Stop after so many seconds over a store, whatever was reached; an error then.
    #[arg(long)]
    limit_seconds: Option<u64>,
    #[command(flatten)]
    common: CommonArgs,
}

impl Bench {
    fn common(&self) -> &CommonArgs {
        match self {
            Self::PayIn(args) => &args.common,
            Self::Overload(args) => &args.common,
            Self::Lists(args) => &args.common,
            Self::Size(args) => &args.common,
            Self::Memory(args) => &args.common,
            Self::All(args) => &args.common,
        }
    }
}

/// Builds everything for release, then runs itself from there: a load generator without optimisation measures itself.
pub(crate) fn run(what: &Bench) -> Result<()> {
    // Of a size no speed is measured: a binary that is there will do.
    let speed_counts = !matches!(what, Bench::Size(args) if args.common.binary.is_some()) && !what.common().any_build;
    if cfg!(debug_assertions) && speed_counts {
        crate::install::run(
            "cargo",
            &["build", "--release", "--bin", "mozarto", "--bin", "xtask", "--package", "xtask", "--package", "mozarto"],
        )?;
        let status = std::process::Command::new(release().join("xtask")).args(std::env::args_os().skip(1)).status();
        let status = status.context("starting the benchmark")?;
        ensure!(status.success(), "the benchmark ended with {status}");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match what {
            Bench::PayIn(args) => pay_in(args).await,
            Bench::Overload(args) => overload(args).await,
            Bench::Lists(args) => lists(args).await,
            Bench::Size(args) => size(args).await,
            Bench::Memory(args) => memory(args).await,
            Bench::All(args) => all::run(args).await,
        }
    })
}

fn target() -> PathBuf {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(target)
}

pub(crate) fn release() -> PathBuf {
    target().join("release")
}

fn write(path: Option<&PathBuf>, raw: &Value) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, raw.to_string()).with_context(|| format!("writing {}", path.display()))
}

async fn pay_in(args: &PayInArgs) -> Result<()> {
    let mut cases = Vec::new();
    let mut stores = vec![Store::Sqlite, Store::Postgres { analyzed: false }];
    if args.analyzed {
        stores.push(Store::Postgres { analyzed: true });
    }
    stores.retain(|store| args.common.takes(*store));
    let beside = Beside::start(stores.iter().any(|store| store.is_postgres()), args.statements);
    for store in stores {
        for kind in [Kind::Bare, Kind::Settled] {
            if args.only.is_none_or(|only| only == kind) {
                cases.push(case(args, &beside, store, kind).await?);
            }
        }
    }
    drop(beside);
    let (machine, fsyncs) = (machine::describe(), machine::fsyncs_per_second(&std::env::temp_dir())?);
    report::print(&machine, fsyncs, &cases);
    let raw: Vec<Value> = cases.iter().map(Case::json).collect();
    write(args.common.json.as_ref(), &json!({"machine": machine, "fsyncsPerSecond": fsyncs, "cases": raw}))?;
    report::compare(fsyncs, &cases)
}

/// The sides in turns.
async fn case(args: &PayInArgs, beside: &Beside, store: Store, kind: Kind) -> Result<Case> {
    let settle = kind == Kind::Settled;
    let mut case = Case { name: format!("{}, {}", store.name(), if settle { "settled" } else { "bare" }), ..Case::default() };
    let (length, connections) = (Duration::from_secs(args.seconds), args.common.connections);
    for pair in 0..args.pairs {
        let plan = Plan { store, settle, connections, length, open_rate: None };
        if !args.no_floor {
            case.floor.push(run::measure(beside, &Side::Floor, plan).await.context("the floor program")?);
        }
        let open_rate = (pair == 0 && args.rate > 0).then_some(args.rate);
        let side = args.common.platform();
        case.platform.push(run::measure(beside, &side, Plan { open_rate, ..plan }).await.context("the platform")?);
        if let Some(against) = &args.against {
            let side = Side::Platform(against.clone());
            case.against.push(run::measure(beside, &side, plan).await.context("the binary to compare with")?);
        }
        let rate = |runs: &[run::Outcome]| runs.last().map_or(0.0, |run| run.per_second);
        eprintln!(
            "{} {}: floor {:.0}/s, platform {:.0}/s, against {:.0}/s",
            case.name,
            pair + 1,
            rate(&case.floor),
            rate(&case.platform),
            rate(&case.against)
        );
    }
    Ok(case)
}

async fn overload(args: &OverloadArgs) -> Result<()> {
    let mut results = Vec::new();
    for store in [Store::Sqlite, Store::Postgres { analyzed: false }] {
        if args.common.takes(store) {
            let beside = Beside::start(store.is_postgres(), false);
            let (side, length) = (args.common.platform(), Duration::from_secs(args.seconds));
            results.push(overload::measure(&beside, &side, store, args.common.connections, length).await?);
            eprintln!("measured: overload, {}", store.name());
        }
    }
    println!("{}\n", json!({"machine": machine::describe(), "overload": results}));
    overload::print(&results);
    write(args.common.json.as_ref(), &json!(results))?;
    document::print(|text| document::overload(text, &results))
}

async fn lists(args: &ListsArgs) -> Result<()> {
    let mut results = Vec::new();
    for store in [Store::Sqlite, Store::Postgres { analyzed: false }] {
        if args.common.takes(store) {
            let beside = Beside::start(store.is_postgres(), false);
            let side = args.common.platform();
            results.extend(lists::measure(&beside, &side, store, args.rows, args.repeats).await?);
        }
    }
    println!("{}\n", json!({"machine": machine::describe(), "lists": results}));
    lists::print(&results);
    println!("\nFor {} (p99, without / with statistics):\n{}", document::DOCUMENT, document::lists_table(&results).join("\n"));
    write(args.common.json.as_ref(), &json!(results))?;
    document::print(|text| document::lists(text, &results))
}

async fn size(args: &SizeArgs) -> Result<()> {
    let mut results = Vec::new();
    for store in [Store::Sqlite, Store::Postgres { analyzed: false }] {
        if args.common.takes(store) {
            let beside = Beside::start(store.is_postgres(), false);
            let side = args.common.platform();
            results.push(size::measure(&beside, &side, store, args.common.connections, args.transactions).await?);
        }
    }
    println!("{}\n", json!({"size": results}));
    size::print(&results);
    write(args.common.json.as_ref(), &json!(results))
}

async fn memory(args: &MemoryArgs) -> Result<()> {
    let mut results = Vec::new();
    let goal = memory::Goal { transactions: args.transactions, limit: args.limit_seconds.map(Duration::from_secs) };
    for store in [Store::Sqlite, Store::Postgres { analyzed: false }] {
        if args.common.takes(store) {
            let beside = Beside::start(store.is_postgres(), false);
            let side = args.common.platform();
            results.push(memory::measure(&beside, &side, store, args.common.connections, goal).await?);
            eprintln!("measured: memory, {}", store.name());
        }
    }
    println!("{}\n", json!({"machine": machine::describe(), "memory": results}));
    memory::print(&results);
    write(args.common.json.as_ref(), &json!(results))?;
    let reached = results.iter().all(|result| result["reached"] == true);
    ensure!(reached, "the time was up before {} pay-ins were made: the memory is that after fewer", args.transactions);
    Ok(())
}
