//! `bench all`: the parts one after the other, each of a bounded length, each with its own tables.

use super::stage::Store;
use super::{CommonArgs, Kind, ListsArgs, MemoryArgs, OverloadArgs, PayInArgs, SizeArgs, StoreWord};
use super::{lists, memory, overload, pay_in, size};
use anyhow::{Result, ensure};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;

/// What a run of pay-ins takes beside its measured length, seconds: processes, warming up, counters.
const RUN_BESIDE_S: u64 = 7;
/// Seconds for a million transactions whose lists are asked, over one store: making them, and asking twice.
const LISTS_S: u64 = 480;
/// Statements are counted in runs of this length, seconds.
const COUNTED_S: u64 = 2;
/// How often each question about lists is put.
const REPEATS: u32 = 5;

/// `bench all`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AllArgs {
    /// How long each measured run of pay-ins lasts, seconds.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// How often each side has its turn.
    #[arg(long, default_value_t = 5)]
    pairs: u32,
    /// How long the open loop of the overload lasts, seconds.
    #[arg(long, default_value_t = 60)]
    overload_seconds: u64,
    /// Transactions of the company whose lists are asked.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Pay-ins after which the memory is looked at.
    #[arg(long, default_value_t = 1_000_000)]
    memory_transactions: u64,
    /// The longest time for them over one store, seconds.
    #[arg(long, default_value_t = 600)]
    memory_seconds: u64,
    /// Settled pay-ins whose room on disk is looked at.
    #[arg(long, default_value_t = 30_000)]
    size_transactions: u64,
    /// A binary of the revision before, for both stores.
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// A part, and how long it takes, seconds.
struct Part {
    name: String,
    seconds: u64,
    what: What,
}

enum What {
    PayIn(PayInArgs),
    Overload(OverloadArgs),
    Lists(ListsArgs),
    Size(SizeArgs),
    Memory(MemoryArgs),
}

impl Part {
    fn new(name: impl Into<String>, seconds: u64, what: What) -> Self {
        Self { name: name.into(), seconds, what }
    }

    async fn run(&self) -> Result<()> {
        match &self.what {
            What::PayIn(args) => pay_in(args).await,
            What::Overload(args) => overload(args).await,
            What::Lists(args) => lists(args).await,
            What::Size(args) => size(args).await,
            What::Memory(args) => memory(args).await,
        }
    }
}

/// Pay-ins against the floor programs and the binary of before, on both stores; over PostgreSQL without statistics and with.
fn pay_ins(args: &AllArgs, common: &CommonArgs) -> Vec<Part> {
    let sides = 2 + u64::from(args.against.is_some());
    let of = |store: StoreWord, kind: Kind| {
        let analyzed = store == StoreWord::Postgres;
        let rate = if kind == Kind::Bare { 1_000 } else { 0 };
        let seconds = u64::from(args.pairs) * sides * (args.seconds + RUN_BESIDE_S) * (1 + u64::from(analyzed));
        let pay_in = PayInArgs {
            seconds: args.seconds,
            pairs: args.pairs,
            rate,
            only: Some(kind),
            against: args.against.clone(),
            no_floor: false,
            analyzed,
            statements: false,
            common: CommonArgs { store: Some(store), ..common.clone() },
        };
        Part::new(format!("pay-ins, {store:?}, {kind:?}").to_lowercase(), seconds, What::PayIn(pay_in))
    };
    let mut parts = Vec::new();
    for (store, kind) in [
        (StoreWord::Postgres, Kind::Settled),
        (StoreWord::Sqlite, Kind::Settled),
        (StoreWord::Postgres, Kind::Bare),
        (StoreWord::Sqlite, Kind::Bare),
    ] {
        if common.store.is_none_or(|only| only == store) {
            parts.push(of(store, kind));
        }
    }
    // Counted apart: counting costs speed.
    if common.store != Some(StoreWord::Sqlite) {
        let counted = PayInArgs {
            seconds: COUNTED_S,
            pairs: 1,
            rate: 0,
            only: None,
            against: None,
            no_floor: true,
            analyzed: false,
            statements: true,
            common: CommonArgs { store: Some(StoreWord::Postgres), ..common.clone() },
        };
        parts.push(Part::new("statements", 2 * (COUNTED_S + RUN_BESIDE_S), What::PayIn(counted)));
    }
    parts
}

fn parts(args: &AllArgs) -> Vec<Part> {
    let common = CommonArgs { json: None, ..args.common.clone() };
    let stores = [Store::Sqlite, Store::Postgres { analyzed: false }];
    let stores = stores.iter().filter(|store| common.takes(**store)).fold(0, |stores, _| stores + 1);
    let mut parts = pay_ins(args, &common);
    let seconds = stores * (args.overload_seconds * 4 / 3 + 20);
    parts.push(Part::new(
        "overload",
        seconds,
        What::Overload(OverloadArgs { seconds: args.overload_seconds, common: common.clone() }),
    ));
    let seconds = stores * (30 + LISTS_S * args.rows / 1_000_000);
    let lists = ListsArgs { rows: args.rows, repeats: REPEATS, common: common.clone() };
    parts.push(Part::new("lists", seconds, What::Lists(lists)));
    // A thousand settled pay-ins a second, and the first thousand that are not counted.
    let seconds = stores * (20 + args.size_transactions / 1_000);
    parts.push(Part::new("size", seconds, What::Size(SizeArgs { transactions: args.size_transactions, common: common.clone() })));
    let seconds = stores * (15 + args.memory_seconds.min(args.memory_transactions / 2_000));
    let memory = MemoryArgs { transactions: args.memory_transactions, limit_seconds: Some(args.memory_seconds), common };
    parts.push(Part::new("memory", seconds, What::Memory(memory)));
    parts
}

/// Says what it will take, and does it; goes on after a part that failed.
pub(super) async fn run(args: &AllArgs) -> Result<()> {
    let parts = parts(args);
    let all: u64 = parts.iter().map(|part| part.seconds).sum();
    eprintln!("About {} minutes:", all.div_ceil(60));
    for part in &parts {
        eprintln!("  {}: {} min {} s", part.name, part.seconds / 60, part.seconds % 60);
    }
    let mut failed = Vec::new();
    for part in &parts {
        let began = Instant::now();
        println!("\n# {}\n", part.name);
        if let Err(error) = part.run().await {
            eprintln!("{}: {error:#}", part.name);
            failed.push(part.name.clone());
        }
        eprintln!("{}: {} s", part.name, began.elapsed().as_secs());
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}
