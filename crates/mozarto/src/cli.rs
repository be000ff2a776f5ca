//! What can be typed.

use clap::{Args, Parser, Subcommand};
use domain::urls::Environment;
use std::net::IpAddr;
use std::path::PathBuf;

/// Payments orchestration: one Cashier API over many payment providers.
#[derive(Debug, Parser)]
#[command(name = "mozarto", version, about, after_help = "Example: mozarto sandbox")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole thing on a laptop, from nothing: platform, provider simulators, demo shop.
    #[command(after_help = "Example: mozarto sandbox --auto-settle 2000")]
    Sandbox(SandboxArgs),
    /// The platform for real, by its configuration file.
    #[command(after_help = "Example: MOZARTO_MASTER_KEY_FILE=key mozarto serve --config mozarto.toml")]
    Serve(ConfigArgs),
    /// Brings the database to this version's schema.
    #[command(after_help = "Example: mozarto migrate --config mozarto.toml")]
    Migrate(MigrateArgs),
    /// The configuration file.
    #[command(subcommand, after_help = "Example: mozarto config check --config mozarto.toml")]
    Config(ConfigCommand),
    /// Companies, on the store.
    #[command(subcommand, after_help = "Example: mozarto company list --config mozarto.toml")]
    Company(CompanyCommand),
    /// People of the back office, on the store.
    #[command(
        subcommand,
        after_help = "Example: mozarto user create --company 64a1... --email me@example.com --config mozarto.toml"
    )]
    User(UserCommand),
    /// The master key, on the store.
    #[command(subcommand, after_help = "Example: mozarto keys rotate --new-key-file new.key --config mozarto.toml")]
    Keys(KeysCommand),
    /// A consistent copy of the embedded database, taken while it runs.
    #[command(after_help = "Example: mozarto backup copy.db --config mozarto.toml")]
    Backup(BackupArgs),
    /// Transactions of a live server.
    #[command(subcommand, after_help = "Example: mozarto transactions list --data mozarto-data")]
    Transactions(TransactionsCommand),
    /// Pay-outs on hold, of a live server.
    #[command(subcommand, after_help = "Example: mozarto approvals list --data mozarto-data")]
    Approvals(ApprovalsCommand),
    /// Webhook deliveries of a live server.
    #[command(subcommand, after_help = "Example: mozarto deliveries list --status failing --data mozarto-data")]
    Deliveries(DeliveriesCommand),
    /// Follows the events of a live server and forwards them, signed like webhooks.
    #[command(after_help = "Example: mozarto listen --forward-to http://localhost:3000/webhook --data mozarto-data")]
    Listen(ListenArgs),
    /// Sends a demo transaction whose amount makes the provider's simulator do something in particular, and prints its timeline
    /// as it happens.
    #[command(after_help = trigger_help())]
    Trigger(TriggerArgs),
}

/// `mozarto sandbox`.
#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// Database, keys, `simulators.db`, `sandbox.json`; `:memory:` is a private temporary directory, removed at exit.
    #[arg(long, default_value = "./mozarto-data", value_name = "DIR")]
    pub(crate) data: String,
    /// `postgres://...` instead of the embedded store.
    #[arg(long, value_name = "URL", env = "MOZARTO_SANDBOX_DATABASE", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// Port of the platform; 0 picks a free one.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Port of the provider simulators; 0 picks a free one.
    #[arg(long, default_value_t = 8081)]
    pub(crate) simulator_port: u16,
    /// Port of the demo shop; 0 picks a free one.
    #[arg(long, default_value_t = 8082)]
    pub(crate) shop_port: u16,
    /// Simulators settle by themselves after so many milliseconds instead of waiting for someone on the hosted page.
    #[arg(long, value_name = "MS")]
    pub(crate) auto_settle: Option<u64>,
    /// Divides every wait of platform and simulators by N, for tests.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) time_scale: u32,
    /// One line of JSON on standard output when everything listens, nothing else there.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file; every setting may also come as `MOZARTO_...`.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Which store a command works on.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// A sandbox's data directory instead of a configuration file. The sandbox must not be running, unless for a backup.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) data: Option<PathBuf>,
    /// JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `mozarto migrate`.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Says once which environment a store is of that was made before stores said so themselves: `sandbox` or `production`.
    #[arg(long, value_name = "ENVIRONMENT", value_parser = environment)]
    pub(crate) environment: Option<Environment>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

fn environment(word: &str) -> Result<Environment, String> {
    word.parse().map_err(|()| "it is sandbox or production".to_owned())
}

/// `mozarto config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Explains what is wrong with the configuration, or that nothing is.
    #[command(after_help = "Example: mozarto config check --config mozarto.toml")]
    Check(ConfigArgs),
}

/// `mozarto company`.
#[derive(Debug, Subcommand)]
pub(crate) enum CompanyCommand {
    /// Creates a company and prints its tokens, once.
    #[command(after_help = "Example: mozarto company create --name 'Shop Ltd' --currency EUR --country DE --config mozarto.toml")]
    Create {
        /// Legal name.
        #[arg(long)]
        name: String,
        /// Billing currency, ISO 4217.
        #[arg(long, default_value = "EUR")]
        currency: String,
        /// Country of registration, ISO 3166-1 alpha-2.
        #[arg(long)]
        country: String,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Lists the companies.
    #[command(after_help = "Example: mozarto company list --config mozarto.toml")]
    List {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Suspends a company: every call of it is refused. `--lift` lets it work again.
    #[command(after_help = "Example: mozarto company suspend 64a1f2b3c4d5e6f7a8b9c0d1 --config mozarto.toml")]
    Suspend {
        /// The company's id.
        id: String,
        /// Lift the suspension.
        #[arg(long)]
        lift: bool,
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// `mozarto user`.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Creates an owner account and prints its password, once.
    #[command(after_help = "Example: mozarto user create --company 64a1... --email me@example.com --config mozarto.toml")]
    Create {
        /// The company's id.
        #[arg(long)]
        company: String,
        /// The person's address.
        #[arg(long)]
        email: String,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Gives a person a new password and prints it, once.
    #[command(after_help = "Example: mozarto user reset-password --company 64a1... --email me@example.com --config mozarto.toml")]
    ResetPassword {
        /// The company's id.
        #[arg(long)]
        company: String,
        /// The person's address.
        #[arg(long)]
        email: String,
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// `mozarto keys`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Puts every data key under a new master key. Stop every server first.
    #[command(after_help = "Example: mozarto keys rotate --new-key-file new.key --config mozarto.toml")]
    Rotate {
        /// The file with the new master key; with `--data` the directory gets a new one by itself.
        #[arg(long, value_name = "FILE", conflicts_with = "data")]
        new_key_file: Option<PathBuf>,
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// `mozarto backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The new file.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// Which live server a command speaks to.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Address of the platform.
    #[arg(long, value_name = "URL", env = "MOZARTO_URL", hide_env_values = true)]
    pub(crate) url: Option<String>,
    /// A sandbox's data directory: its address and tokens are in `sandbox.json` there. Else the token comes from `MOZARTO_TOKEN`.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `mozarto transactions`.
#[derive(Debug, Subcommand)]
pub(crate) enum TransactionsCommand {
    /// Lists transactions, newest first.
    #[command(after_help = "Example: mozarto transactions list --status Pending --limit 20 --data mozarto-data")]
    List {
        /// `transaction_status`.
        #[arg(long)]
        status: Option<String>,
        /// `pspType`.
        #[arg(long)]
        psp: Option<String>,
        /// `stuck`, `anomaly` or `duplicate`.
        #[arg(long)]
        attention: Option<String>,
        /// How many, at most 200.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// One transaction with its timeline.
    #[command(after_help = "Example: mozarto transactions show 64a1f2b3c4d5e6f7a8b9c0d1 --data mozarto-data")]
    Show {
        /// Transaction id or session id.
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Prints transactions as they come and change, until interrupted.
    #[command(after_help = "Example: mozarto transactions tail --data mozarto-data")]
    Tail {
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// `mozarto approvals`.
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// Lists pay-outs on hold, oldest first.
    #[command(after_help = "Example: mozarto approvals list --data mozarto-data")]
    List {
        /// `waiting`, `approved` or `rejected`.
        #[arg(long, default_value = "waiting")]
        status: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Lets a pay-out go.
    #[command(after_help = "Example: mozarto approvals approve 64a1f2b3c4d5e6f7a8b9c0d1 --data mozarto-data")]
    Approve {
        /// Transaction id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Refuses a pay-out: nothing is sent.
    #[command(
        after_help = "Example: mozarto approvals reject 64a1f2b3c4d5e6f7a8b9c0d1 --reason 'wrong wallet' --data mozarto-data"
    )]
    Reject {
        /// Transaction id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// `mozarto deliveries`.
#[derive(Debug, Subcommand)]
pub(crate) enum DeliveriesCommand {
    /// Lists webhook deliveries, newest first.
    #[command(after_help = "Example: mozarto deliveries list --transaction 64a1f2b3c4d5e6f7a8b9c0d1 --data mozarto-data")]
    List {
        /// `waiting`, `delivered`, `failing`, `exhausted`, ...
        #[arg(long)]
        status: Option<String>,
        /// Transaction id.
        #[arg(long)]
        transaction: Option<String>,
        /// How many, at most 200.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Sends one delivery again, or all since a time, with their original ids.
    #[command(
        after_help = "Example: mozarto deliveries replay --since 2026-05-17T00:00:00Z --status failing --data mozarto-data"
    )]
    Replay {
        /// One delivery's id.
        #[arg(required_unless_present = "since", conflicts_with = "since")]
        id: Option<String>,
        /// All since this time (RFC 3339).
        #[arg(long)]
        since: Option<String>,
        /// Only those of this status.
        #[arg(long, requires = "since")]
        status: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// `mozarto listen`.
#[derive(Debug, Args)]
pub(crate) struct ListenArgs {
    /// Where to forward.
    #[arg(long, value_name = "URL")]
    pub(crate) forward_to: String,
    /// Begin after this event instead of with the next one.
    #[arg(long, value_name = "EVENT")]
    pub(crate) after: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `mozarto trigger`.
#[derive(Debug, Args)]
pub(crate) struct TriggerArgs {
    /// The provider.
    #[arg(value_parser = provider_names())]
    pub(crate) provider: String,
    /// The last two digits of the amount, 01 to 12; 00 is nothing special.
    #[arg(value_parser = clap::value_parser!(u8).range(0..=12))]
    pub(crate) scenario: u8,
    /// A pay-out instead of a pay-in.
    #[arg(long)]
    pub(crate) payout: bool,
    /// How long it is watched after it was answered, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 90, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub(crate) wait: u64,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

fn provider_names() -> clap::builder::PossibleValuesParser {
    providers::all().iter().map(|provider| provider.descriptor().name).collect::<Vec<_>>().into()
}

/// The example is of the first provider there is.
fn trigger_help() -> String {
    let name = providers::all().first().map_or("PROVIDER", |provider| provider.descriptor().name);
    format!(
        "01 refused, 02 cancelled, 03 run out, 04 error, 05 silence, 06 too many requests, 07 credentials refused, 08 told three times,\n\
         09 late success, 10 told before answered, 11 answer cut off, 12 connection closed; docs/providers has each provider's own words.\n\
         The token is a company token (MOZARTO_TOKEN, or the sandbox's); MOZARTO_USER_TOKEN is the user's where the company checks it.\n\
         Production refuses demo transactions.\n\n\
         Example: mozarto trigger {name} 01 --data mozarto-data"
    )
}

/// Where the three parts of the sandbox listen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loopback;

impl Loopback {
    /// The one address that the sandbox binds.
    pub(crate) const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
}
