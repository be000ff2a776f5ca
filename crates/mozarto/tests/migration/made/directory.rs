//! The directory around a store, and the command that brings it up to date.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Stdio;

/// What of a sandbox's directory is not the platform's store, and goes on beside the old one.
const BESIDE: [&str; 5] = ["master.key", "sandbox.json", "simulators.db", "simulators.key", "shop.db"];

/// Takes over what belongs beside the store.
pub(crate) fn beside(fresh: &Path, data: &Path) -> Result<()> {
    for name in BESIDE {
        std::fs::copy(fresh.join(name), data.join(name)).with_context(|| name.to_owned())?;
    }
    Ok(())
}

/// `mozarto migrate`, as whoever operates it would.
pub(crate) async fn migrate(binary: &Path, data: &Path, database: Option<&str>) -> Result<()> {
    let mut command = tokio::process::Command::new(binary);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MOZARTO_")) {
        command.env_remove(name);
    }
    command.args(["migrate", "--json"]).stdin(Stdio::null()).kill_on_drop(true);
    command.env("MOZARTO_ENVIRONMENT", "sandbox").env("MOZARTO_PUBLIC_URL", "http://127.0.0.1:1").env("MOZARTO_DATA", data);
    command.env("MOZARTO_LISTEN", "127.0.0.1:0").env("MOZARTO_METRICS_LISTEN", "off");
    command.env("MOZARTO_MASTER_KEY_FILE", data.join("master.key"));
    if let Some(url) = database {
        command.env("MOZARTO_DATABASE", url);
    }
    let output = command.output().await?;
    ensure!(output.status.success(), "mozarto migrate: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
