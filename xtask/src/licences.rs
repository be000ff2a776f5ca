//! `cargo xtask licences`: `cargo deny`, installed when it is not here.

use crate::install::{self, cargo_tool};
use anyhow::Result;

/// Checks licences, bans and sources. Advisories need a database from outside and are left to whoever has the network:
/// `cargo deny check`.
pub(crate) fn run() -> Result<()> {
    cargo_tool("cargo-deny")?;
    // All platforms' crates are looked at, those too that are never built here.
    install::run("cargo", &["fetch", "--locked", "--quiet"])?;
    install::run("cargo", &["deny", "--offline", "--all-features", "check", "licenses", "bans", "sources"])
}
