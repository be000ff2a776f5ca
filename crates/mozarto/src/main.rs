//! `mozarto`: the whole platform in one binary.

/// As the standard library's, but that nothing in a text acts on a terminal: what strangers wrote (references, messages of providers, a slip in a configuration) is
/// shown, as JSON escapes it. Whatever a command prints goes through this.
macro_rules! println {
    () => { std::println!() };
    ($($part:tt)*) => { std::println!("{}", domain::visible::visible(&format!($($part)*), &['\n'])) };
}

/// The same for standard error.
macro_rules! eprintln {
    ($($part:tt)*) => { std::eprintln!("{}", domain::visible::visible(&format!($($part)*), &['\n'])) };
}

mod cli;
mod commands;
mod config;
mod fault;
mod files;
mod logging;
mod platform;
mod sandbox;
mod serve;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mozarto: the run time cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(commands::run(cli));
    // Threads that still wait for a provider must not hold the exit up: what they wait for is stored as an intent.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mozarto: {error:#}");
            ExitCode::FAILURE
        }
    }
}
