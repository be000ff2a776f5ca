//! Making sure that a tool is there: found, or installed by Debian's or cargo's own client. Nothing is skipped in silence.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a command with its output shown; anything but success is an error.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let status = Command::new(program).args(arguments).status().with_context(|| format!("starting {program}"))?;
    if !status.success() {
        bail!("{program} {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}

/// Whether the program answers.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Makes sure of a Debian package by one of the paths that it brings (a `*` in the last but one part is searched).
pub(crate) fn debian_package(package: &str, brings: &[&str]) -> Result<()> {
    if brings.iter().any(|path| exists(path)) {
        return Ok(());
    }
    println!("xtask: {package} is not here; installing Debian's package");
    let root = answers("sh", &["-c", "test \"$(id -u)\" = 0"]);
    let apt = |arguments: &[&str]| {
        if root {
            run("apt-get", arguments)
        } else {
            let mut with_sudo = vec!["apt-get"];
            with_sudo.extend_from_slice(arguments);
            run("sudo", &with_sudo)
        }
    };
    apt(&["update"])?;
    apt(&["install", "-y", "--no-install-recommends", package])
        .with_context(|| format!("the tests need {package}: install it by hand and try again"))
}

fn exists(path: &str) -> bool {
    match path.split_once("/*/") {
        None => Path::new(path).exists(),
        Some((folder, rest)) => std::fs::read_dir(folder)
            .map(|entries| entries.flatten().any(|entry| entry.path().join(rest).exists()))
            .unwrap_or(false),
    }
}

/// Makes sure of a cargo subcommand.
pub(crate) fn cargo_tool(name: &str) -> Result<()> {
    let subcommand = name.trim_start_matches("cargo-");
    if answers("cargo", &[subcommand, "--version"]) {
        return Ok(());
    }
    println!("xtask: {name} is not here; installing it (this takes some minutes, once)");
    run("cargo", &["install", "--locked", name])
}
