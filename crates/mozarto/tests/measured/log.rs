//! A log that is closed, full, or read by nobody.

use anyhow::{Context, Result, ensure};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
const LIMIT: Duration = Duration::from_secs(30);
/// What a stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Payments per state of the log: with what follows, at the level `trace`, more lines than a pipe takes.
const PAYMENTS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_takes_is_in_nobodys_way() {
    let mut table = Table::with_at_once("the log", 2);
    // How standard error looks to the process; `$FIFO` is a named pipe. And whether lines are certainly lost.
    for (name, redirection, lost) in [
        ("closed", "2>&-", false),
        ("full", "2>/dev/full", true),
        ("a pipe that nobody reads", "2<>\"$FIFO\"", true),
        // Whoever starts a process may have made its end of the pipe non-blocking.
        (
            "a pipe that nobody reads and that does not block",
            "2<>\"$FIFO\"; python3 -c 'import os; os.set_blocking(2, False)' && exec",
            true,
        ),
        ("a pipe whose reader goes away", "2> >(head -n 3 >/dev/null)", true),
        ("a terminal's other end that is gone", "2> >(exec true)", true),
    ] {
        table.row(name, in_nobodys_way(redirection, lost));
    }
    table.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_full_disk_everything_goes_on_by_itself() {
    full_disk().await.unwrap();
}

/// A program that starts the real one with the same arguments.
fn starter(directory: &Path, text: &str) -> Result<PathBuf> {
    let path = directory.join("starter");
    std::fs::write(&path, format!("#!/bin/bash\n{text}\n"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

async fn in_nobodys_way(redirection: &'static str, lost: bool) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let fifo = directory.path().join("fifo");
    let text = format!("FIFO='{}'; mkfifo \"$FIFO\"; exec {redirection}; exec '{BINARY}' \"$@\"", fifo.display());
    let binary = starter(directory.path(), &text.replace("&& exec;", "&&"))?;
    let world = World::start(binary.to_str().context("a path")?, &["PAYONE"], |options| {
        options.auto_settle(20).time_scale(20).variable("MOZARTO_LOG", "trace")
    });
    let mut world = world.await?;
    let hands = world.hands();
    for n in 0..PAYMENTS {
        pays(&hands, n).await?;
    }
    // What fails inside writes to the log from every part: here a payment that nobody answers in time, and a page that is none.
    let refused = hands.client.cashier(&bodies::payone("PAYIN", "100.05")).await?;
    ensure!(refused.status == 504, "{} {}", refused.status, refused.body);
    let nothing = hands.client.read("/pay/nothing").await?;
    ensure!(nothing.status == 404, "{}", nothing.status);
    let until = Instant::now() + LIMIT;
    while lost && dropped_lines(&hands).await? == 0 {
        ensure!(Instant::now() < until, "no line was counted as dropped");
        for _ in 0..100 {
            hands.client.read("/pay/nothing").await?;
        }
    }
    dropped_lines(&hands).await?;
    let (status, took) = world.sandbox.terminate().await?;
    ensure!(status.code() == Some(0) && took < STOP_LIMIT, "{status} after {took:?}");
    Ok(())
}

/// A pay-in is answered, settled and told.
async fn pays(hands: &Hands, n: usize) -> Result<()> {
    let answer = hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await.with_context(|| format!("payment {n}"))?;
    ensure!(answer.status == 200, "payment {n}: {} {}", answer.status, answer.body);
    let id = answer.text("/transaction/transactionId");
    hands.ends_as(id, "Approved", "success", LIMIT).await?;
    hands.sink.wait_for(id, 1, LIMIT).await?;
    Ok(())
}

async fn dropped_lines(hands: &Hands) -> Result<u64> {
    let answer = hands.client.read("/metrics").await?;
    let text = String::from_utf8(answer.bytes)?;
    let line = text.lines().find_map(|line| line.strip_prefix("mozarto_log_lines_dropped_total "));
    Ok(line.context("no count of dropped lines")?.parse()?)
}

/// Data and log on one file system without room: what cannot be stored is refused, and as soon as there is room everything works
/// again, without a restart.
async fn full_disk() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = tempfile::tempdir()?;
    let at = |name: &str| directory.path().join(name);
    // The file system exists only for this process and its children; so somebody in there fills it and makes room again, on a
    // sign from outside.
    let text = format!(
        "mount -t tmpfs -o size=64m,mode=0700 none '{data}' || exit 1\n\
         (exec >/dev/null 2>&1; while kill -0 $$; do\n\
         if [ -e '{fill}' ]; then rm '{fill}'; dd if=/dev/zero of='{data}/filler' bs=64k; dd if=/dev/zero of='{data}/rest' bs=512; true; touch '{filled}'; fi\n\
         if [ -e '{free}' ]; then rm '{free}'; rm '{data}/filler' '{data}/rest'; touch '{freed}'; fi\n\
         sleep 0.05; done) &\n\
         exec '{BINARY}' \"$@\" 2>'{data}/log'",
        data = data.path().display(),
        fill = at("fill").display(),
        filled = at("filled").display(),
        free = at("free").display(),
        freed = at("freed").display(),
    );
    starter(directory.path(), &text)?;
    let inside = at("inside");
    std::fs::rename(at("starter"), &inside)?;
    // A namespace of its own for mounts; who is not root gets one of users with it.
    let outside =
        format!("unshare -m true 2>/dev/null && exec unshare -m '{0}' \"$@\"; exec unshare -rm '{0}' \"$@\"", inside.display());
    let binary = starter(directory.path(), &outside)?;
    let set = |options: testkit::sandbox::Options| options.auto_settle(20).time_scale(20).variable("MOZARTO_LOG", "debug");
    let mut world = World::start_in(data, binary.to_str().context("a path")?, &["PAYONE"], set).await?;
    let hands = world.hands();
    for n in 0..3 {
        pays(&hands, n).await?;
    }

    std::fs::write(at("fill"), "")?;
    wait_for(&at("filled")).await?;
    let mut refused = 0;
    for n in 0..200 {
        let began = Instant::now();
        let answer = hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await.with_context(|| format!("full, {n}"))?;
        ensure!(began.elapsed() < LIMIT, "an answer took {:?}", began.elapsed());
        refused += usize::from(answer.status >= 500);
        // Once nothing is taken any more, some more of the kind, at once.
        if refused > 20 {
            break;
        }
    }
    ensure!(refused > 20, "the disk was never full: {refused} refused");
    // What only reads goes on.
    let list = hands.client.read("/v1/api/mozarto/transactions").await?;
    ensure!(list.status == 200, "{} {}", list.status, list.body);

    std::fs::write(at("free"), "")?;
    wait_for(&at("freed")).await?;
    let until = Instant::now() + LIMIT;
    loop {
        let answer = hands.client.cashier(&bodies::payone("PAYIN", "100.00")).await?;
        if answer.status == 200 {
            break;
        }
        ensure!(Instant::now() < until, "nothing is stored although there is room: {} {}", answer.status, answer.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for n in 0..3 {
        pays(&hands, n).await.context("after the disk was full")?;
    }
    let (status, took) = world.sandbox.terminate().await?;
    ensure!(status.code() == Some(0) && took < STOP_LIMIT, "{status} after {took:?}");
    Ok(())
}

async fn wait_for(file: &Path) -> Result<()> {
    let until = Instant::now() + LIMIT;
    while !file.exists() {
        ensure!(Instant::now() < until, "{} does not appear", file.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
