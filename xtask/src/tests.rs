//! `cargo xtask test`: the whole suite with what it needs.

use crate::install::{self, cargo_tool, debian_package};
use anyhow::{Context, Result};
use std::io::Write as _;
use std::time::Instant;

/// The file that is told how long the suites ran, for whoever keeps a budget. Not one of the product's own names: what tests
/// start would take it for a setting.
const TIMES: &str = "XTASK_TIMES";

/// Installs what is missing, builds the binary that black-box tests start, runs every test, stops the test database server.
/// Compiling comes first and by itself, so that the time of the suites is theirs alone.
pub(crate) fn run(more: &[String]) -> Result<()> {
    let began = Instant::now();
    debian_package("postgresql", &["/usr/lib/postgresql/*/bin/postgres"])?;
    debian_package("faketime", &["/usr/lib/*/faketime/libfaketimeMT.so.1"])?;
    debian_package("pgbouncer", &["/usr/sbin/pgbouncer"])?;
    debian_package("chromium", &["/usr/bin/chromium"])?;
    debian_package("chromium-driver", &["/usr/bin/chromedriver"])?;
    debian_package("python3", &["/usr/bin/python3", "/usr/local/bin/python3"])?;
    cargo_tool("cargo-nextest")?;
    told("tools", began.elapsed().as_secs())?;
    testkit::postgres::ensure_cluster();
    let mut arguments = vec!["nextest", "run", "--workspace"];
    arguments.extend(more.iter().map(String::as_str));
    install::run("cargo", &["nextest", "run", "--workspace", "--no-run"])?;
    let began = Instant::now();
    let result = install::run("cargo", &arguments);
    testkit::postgres::stop_cluster();
    told("suites", began.elapsed().as_secs())?;
    result
}

/// Says how long a part took, and writes it where that is asked for.
fn told(part: &str, seconds: u64) -> Result<()> {
    println!("xtask: {part} took {}:{:02} min", seconds / 60, seconds % 60);
    let Some(file) = std::env::var_os(TIMES) else { return Ok(()) };
    let mut file = std::fs::File::options().create(true).append(true).open(file).context("the file of times")?;
    writeln!(file, "{part} {seconds}").context("the file of times")
}
