//! One file per group of commands.

mod approvals;
mod backup;
mod client;
mod company;
mod deliveries;
mod keys;
mod listen;
mod store_of;
mod transactions;
mod trigger;
mod user;

use crate::cli::{Cli, Command, ConfigCommand};
use crate::{config, sandbox, serve};
use anyhow::Result;

/// Runs the command.
pub(crate) async fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Serve(args) => serve::run(&args).await,
        Command::Migrate(args) => {
            let store = store_of::open(&args.store).await?;
            let applied = store.migrate(args.environment).await?;
            if args.store.json {
                println!("{}", serde_json::json!({ "applied": applied }));
            } else {
                println!("{applied} migration(s) applied; the schema is up to date");
            }
            Ok(())
        }
        Command::Config(ConfigCommand::Check(args)) => {
            let settings = config::load(args.config.as_deref(), &config::variables())?;
            println!("The configuration is usable: {} at {}.", settings.environment.as_str(), settings.public_url);
            Ok(())
        }
        Command::Company(command) => company::run(command).await,
        Command::User(command) => user::run(command).await,
        Command::Keys(command) => keys::run(command).await,
        Command::Backup(args) => backup::run(&args).await,
        Command::Transactions(command) => transactions::run(command).await,
        Command::Approvals(command) => approvals::run(command).await,
        Command::Deliveries(command) => deliveries::run(command).await,
        Command::Listen(args) => listen::run(args).await,
        Command::Trigger(args) => trigger::run(args).await,
    }
}
