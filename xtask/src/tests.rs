//! `cargo xtask test`: the whole suite with what it needs.

use crate::install::{self, cargo_tool, debian_package};
use anyhow::Result;

/// Installs what is missing, builds the binary that black-box tests start, runs every test, stops the test database server.
pub(crate) fn run(more: &[String]) -> Result<()> {
    debian_package("postgresql", &["/usr/lib/postgresql/*/bin/postgres"])?;
    debian_package("faketime", &["/usr/lib/*/faketime/libfaketimeMT.so.1"])?;
    debian_package("pgbouncer", &["/usr/sbin/pgbouncer"])?;
    debian_package("chromium", &["/usr/bin/chromium"])?;
    debian_package("chromium-driver", &["/usr/bin/chromedriver"])?;
    debian_package("python3", &["/usr/bin/python3", "/usr/local/bin/python3"])?;
    cargo_tool("cargo-nextest")?;
    testkit::postgres::ensure_cluster();
    let mut arguments = vec!["nextest", "run", "--workspace"];
    arguments.extend(more.iter().map(String::as_str));
    let result = install::run("cargo", &arguments);
    testkit::postgres::stop_cluster();
    result
}
