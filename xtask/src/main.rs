//! The project's own tools: `cargo xtask <command>`.

mod bench;
mod crash;
mod install;
mod licences;
mod new_provider;
mod old_store;
mod shares;
mod tests;
mod tidy;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The project's own tools.
#[derive(Debug, Parser)]
#[command(name = "xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Installs what the tests need (PostgreSQL, Chromium, nextest, Python), then runs all of them.
    Test {
        /// Passed on to nextest.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        more: Vec<String>,
    },
    /// What a reader would stumble over: file lengths, paths of one machine, floats near money, provider sizes.
    Tidy,
    /// Writes the folders of a new provider, small and working, enters it in the registry, and says what is left to do.
    NewProvider {
        /// Its folder, and its name in addresses: small letters and digits.
        name: String,
        /// Only writes: nothing is compiled, no tables and snapshots are made.
        #[arg(long)]
        write_only: bool,
    },
    /// kill -9 under load, on both stores (over PostgreSQL two processes, of which one or both are killed); ends with the
    /// figures, or with the promises that are broken.
    Crash {
        /// Moments of kills per store.
        #[arg(long, default_value_t = 100)]
        kills: u32,
        /// Repeats an earlier run's moments and requests.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Builds an earlier revision, pays with its sandbox, and tries its store with this one, on both stores: refused as
    /// production with nothing changed, gone on with as a sandbox. Or, with `--fill`, times the migration of a large store.
    OldStore {
        /// The earlier revision.
        #[arg(long, default_value = "3ce58ef")]
        revision: String,
        /// Makes stores of so many payments as the revision before left them, on both stores, and times `mozarto migrate`.
        #[arg(long, conflicts_with = "revision")]
        fill: Option<usize>,
        /// Times the release build.
        #[arg(long, requires = "fill")]
        release: bool,
        /// An empty database of PostgreSQL in place of one of a server that is started for it.
        #[arg(long)]
        database: Option<String>,
    },
    /// One company, provider or peer at its worst: what the others notice of it; ends with an error when that is too much.
    Shares(shares::SharesArgs),
    /// The process that attacks; started by `shares`.
    #[command(hide = true)]
    SharesAttack(shares::AttackArgs),
    /// Benchmarks.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// The floor program that benchmarks compare with; started by them.
    #[command(hide = true)]
    Floor(bench::FloorArgs),
    /// The simulators in a process of their own; started by benchmarks.
    #[command(hide = true)]
    Simulators(bench::SimulatorArgs),
    /// Takes webhooks and does nothing else; started by benchmarks.
    #[command(hide = true)]
    Sink,
    /// Licences, bans and sources of every dependency, by `deny.toml`.
    Licences,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Test { more } => tests::run(&more),
        Command::Tidy => tidy::run(),
        Command::NewProvider { name, write_only } => new_provider::run(&name, write_only),
        Command::Licences => licences::run(),
        Command::Crash { kills, seed } => crash::run(kills, seed),
        Command::OldStore { fill: Some(payments), release, database, .. } => {
            old_store::fill(payments, release, database.as_deref())
        }
        Command::OldStore { revision, database, .. } => old_store::run(&revision, database.as_deref()),
        Command::Bench(what) => bench::run(&what),
        Command::Shares(args) => shares::run(&args),
        Command::SharesAttack(args) => shares::attack(&args),
        Command::Floor(args) => bench::serve_floor(&args),
        Command::Simulators(args) => bench::simulators(&args),
        Command::Sink => bench::sink(),
    }
}
