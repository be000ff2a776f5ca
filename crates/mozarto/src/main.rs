//! `mozarto`: the whole platform in one binary.

/// As the standard library's, but that nothing in a text acts on a terminal: what strangers wrote (references, messages of
/// providers, a slip in a configuration) is shown, as JSON escapes it. Whatever a command prints goes through this, and does not
/// panic where nobody takes it.
macro_rules! println {
    () => { crate::printed::line("") };
    ($($part:tt)*) => { crate::printed::line(&format!($($part)*)) };
}

/// The same for standard error.
macro_rules! eprintln {
    ($($part:tt)*) => { crate::printed::aside(&format!($($part)*)) };
}

mod cli;
mod commands;
mod config;
mod fault;
mod files;
mod harden;
mod limit_settings;
mod logging;
mod platform;
mod presence;
mod printed;
mod sandbox;
mod serve;
mod toml_error;
mod wal;

use clap::Parser;
use std::process::ExitCode;

/// A payment allocates a thousand times, on several threads, and frees on others.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    harden::harden();
    logging::tell_of_panics();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        // Quotes what was typed, which may come from a script.
        Err(error) if error.use_stderr() => {
            logging::say(error.render().to_string().trim_end());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(u8::MAX));
        }
        Err(asked) => asked.exit(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            logging::say(&format!("mozarto: the run time cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(commands::run(cli));
    // Threads that still wait for a provider must not hold the exit up: what they wait for is stored as an intent.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::say(&format!("mozarto: {}", told(&error)));
            ExitCode::FAILURE
        }
    };
    logging::finish();
    code
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
