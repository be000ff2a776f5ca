//! `mozarto`: the whole platform in one binary.

mod cli;
mod commands;
mod config;
mod fault;
mod files;
mod logging;
mod platform;
mod presence;
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
            eprintln!("mozarto: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error with its causes, each once: many repeat theirs in their own text.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_cause_is_told_once() {
        let error = Err::<(), _>(anyhow::anyhow!("no route")).context("connecting: no route").context("starting").unwrap_err();
        assert_eq!(told(&error), "starting: connecting: no route");
    }
}
