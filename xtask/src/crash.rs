//! `cargo xtask crash`: what `crates/mozarto/tests/crash.rs` does, longer.

use crate::install;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use testkit::crash::{Plan, run as run_plan};

/// Kills so often on each store.
pub(crate) fn run(kills: u32, seed: Option<u64>) -> Result<()> {
    install::run("cargo", &["build", "--bin", "mozarto"])?;
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(target).join("debug").join("mozarto");
    let seed = seed.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let broken = runtime.block_on(async {
        let mut broken = 0;
        for store in ["sqlite", "postgres"] {
            let database = if store == "postgres" { Some(testkit::postgres::database().await) } else { None };
            let plan = Plan { binary: binary.clone(), database: database.as_ref().map(|d| d.url.clone()), kills, seed };
            let report = run_plan(&plan).await.with_context(|| format!("{store}, seed {seed}"))?;
            println!("{store}, seed {seed}: {report:#?}");
            broken += report.findings.broken.len();
        }
        anyhow::Ok(broken)
    })?;
    if broken > 0 {
        bail!("{broken} promises are broken (seed {seed})");
    }
    Ok(())
}
