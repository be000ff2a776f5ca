//! What is left behind: files, process, terminal, configuration errors.

use anyhow::{Context, Result, ensure};
use std::io::BufRead as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::World;

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");

#[tokio::test(flavor = "multi_thread")]
async fn little_is_left_behind() {
    let mut table = Table::with_at_once("left behind", 2);
    table.row("files of a sandbox, of its backup and of an older version", files());
    table.row("a directory of somebody else's", somebody_elses());
    table.row("no image of the memory", no_image());
    table.row("arguments", arguments());
    table.end().await;
}

fn mode(path: &Path) -> Result<u32> {
    Ok(std::fs::metadata(path).with_context(|| path.display().to_string())?.permissions().mode() & 0o777)
}

/// Of everything below: directories 0700, files 0600.
fn is_private(directory: &Path) -> Result<usize> {
    ensure!(mode(directory)? == 0o700, "{} has mode {:o}", directory.display(), mode(directory)?);
    let mut files = 0;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files += is_private(&path)?;
        } else {
            ensure!(mode(&path)? == 0o600, "{} has mode {:o}", path.display(), mode(&path)?);
            files += 1;
        }
    }
    Ok(files)
}

/// The usual umask, whatever that of this test is.
fn starter(directory: &Path) -> Result<String> {
    let path = directory.join("starter");
    std::fs::write(&path, format!("#!/bin/sh\numask 022\nexec '{BINARY}' \"$@\"\n"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path.display().to_string())
}

async fn files() -> Result<()> {
    let around = tempfile::tempdir()?;
    let data = tempfile::tempdir()?;
    let binary = starter(around.path())?;
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o755))?;
    let mut world = World::start_in(data, &binary, &["PAYONE"], |options| options.auto_settle(20)).await?;
    let answer = world.client.cashier(&bodies::payone("PAYIN", "100.00")).await?;
    ensure!(answer.status == 200, "{}", answer.body);
    let files = is_private(world.data())?;
    ensure!(files >= 6, "only {files} files");
    let copy = around.path().join("copy.db");
    let made = Command::new(&binary).arg("backup").arg(&copy).arg("--data").arg(world.data()).output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    ensure!(mode(&copy)? == 0o600, "the backup has mode {:o}", mode(&copy)?);

    // As an earlier version left them: closed at the next start.
    world.sandbox.kill().await?;
    std::fs::set_permissions(world.data(), std::fs::Permissions::from_mode(0o755))?;
    for entry in std::fs::read_dir(world.data())? {
        std::fs::set_permissions(entry?.path(), std::fs::Permissions::from_mode(0o644))?;
    }
    world.restart().await?;
    is_private(world.data())?;
    Ok(())
}

/// Open to others, and not ours to close: refused. (Who is root may close everything; so another user is asked for, where there
/// is one to become.)
async fn somebody_elses() -> Result<()> {
    let data = tempfile::tempdir()?;
    let is_root = std::fs::metadata("/proc/self").map(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0).unwrap_or(false);
    // `/` is open to all, and nobody's but root's.
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(readable_copy(data.path())?);
        command
    } else {
        Command::new(BINARY)
    };
    command.args(["sandbox", "--json", "--port", "0", "--simulator-port", "0", "--shop-port", "0", "--data", "/"]);
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && said.contains("is open to others"), "{:?}: {said}", output.status);
    Ok(())
}

/// The program where anybody can start it.
fn readable_copy(directory: &Path) -> Result<std::path::PathBuf> {
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))?;
    let copy = directory.join("mozarto");
    std::fs::copy(BINARY, &copy)?;
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755))?;
    Ok(copy)
}

/// Whoever allows images gets none of this process, while he gets one of another.
async fn no_image() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let start = |what: &str| {
        let script = format!("ulimit -c unlimited; cd '{}'; exec {what}", directory.path().display());
        let mut command = Command::new("bash");
        command.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().context("starting it")
    };
    let other = start("bash -c 'kill -ABRT $$'")?.wait()?;
    ensure!(other.core_dumped(), "this machine makes no images, so nothing can be shown here: {other}");
    let mut ours = start(&format!("'{BINARY}' sandbox --json --port 0 --simulator-port 0 --shop-port 0 --data ./data"))?;
    let mut line = String::new();
    std::io::BufReader::new(ours.stdout.take().context("its output")?).read_line(&mut line)?;
    let killed = Command::new("kill").args(["-ABRT", &ours.id().to_string()]).status()?;
    let ended = ours.wait()?;
    ensure!(line.contains("ready") && killed.success(), "it did not start");
    ensure!(ended.signal() == Some(6) && !ended.core_dumped(), "{ended}");
    Ok(())
}

/// What every process of the machine can read of ours.
async fn arguments() -> Result<()> {
    for url in ["postgres://u:s3cretw0rd@127.0.0.1:1/d", "postgres://u@127.0.0.1:1/d?password=s3cretw0rd"] {
        let data = tempfile::tempdir()?;
        let base = ["sandbox", "--json", "--port", "0", "--simulator-port", "0", "--shop-port", "0", "--data"];
        let mut command = Command::new(BINARY);
        command.args(base).arg(data.path()).args(["--database", url]);
        let said = failing(&mut command)?;
        ensure!(said.contains("MOZARTO_SANDBOX_DATABASE"), "it does not say what to do: {said}");
        // From the environment it is taken, and fails only because nobody is there.
        let mut command = Command::new(BINARY);
        command.args(base).arg(data.path()).env("MOZARTO_SANDBOX_DATABASE", url);
        let said = failing(&mut command)?;
        ensure!(said.contains("PostgreSQL"), "{said}");
    }
    Ok(())
}

fn failing(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    ensure!(output.status.code() == Some(1), "{:?}: {said}", output.status);
    ensure!(!said.contains("s3cretw0rd"), "it is shown: {said}");
    Ok(said)
}
