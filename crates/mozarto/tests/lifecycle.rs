//! Starting, stopping, starting again: nothing answered is lost, nothing is left lying about, and what is wrong is said.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::World;

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
/// A stop takes no longer than this, whatever is under way.
const STOP_LIMIT: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(30);
/// What of the JSON line changes from start to start: where things listen, and the user token.
const CHANGING: [&str; 7] = ["baseUrl", "cashierUrl", "backOfficeUrl", "simulatorUrl", "shopUrl", "demoWebhookUrl", "userToken"];

#[tokio::test(flavor = "multi_thread")]
async fn life_of_a_sandbox() {
    let mut table = Table::new("lifecycle");
    table.row_alone("SIGTERM and restart", stop_and_restart()).await;
    table.row_alone("SIGTERM with calls under way", stop_under_load()).await;
    table.row_alone("kill -9", kill_and_restart()).await;
    table.row_alone("kinds of starts", blocking(starts)).await;
    table.end().await;
}

async fn blocking(work: fn() -> Result<()>) -> Result<()> {
    tokio::task::spawn_blocking(work).await?
}

/// `sandbox.json` and the JSON line stay what they are but for what must change; tokens, transactions, roles and webhooks outlive
/// the ports.
async fn stop_and_restart() -> Result<()> {
    let mut world = World::start(BINARY, &[], |options| options.auto_settle(50)).await?;
    let ready = world.client.read("/readyz").await?;
    ensure!(ready.status == 200, "/readyz: {} {}", ready.status, ready.body);
    let first_line = world.sandbox.line.clone();
    let file = world.data().join("sandbox.json");
    let first_file: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    ensure!(first_file == first_line, "sandbox.json is not the line: {first_file}");
    for (path, mode) in [(world.data().to_owned(), 0o700), (file.clone(), 0o600), (world.data().join("master.key"), 0o600)] {
        let seen = std::fs::metadata(&path)?.permissions().mode() & 0o777;
        // The directory is the test's own; files in it are not.
        ensure!(seen == mode || path.is_dir(), "{} has mode {seen:o}", path.display());
    }
    let paid = world.client.cashier(&bodies::payone("PAYIN", "100.00")).await?;
    let id = paid.text("/data/transactionId").to_owned();
    world.hands().ends_as(&id, "Approved", "success", LIMIT).await?;
    let (status, took) = world.sandbox.terminate().await?;
    ensure!(status.code() == Some(0), "it ended with {status}");
    ensure!(took < STOP_LIMIT, "it took {took:?}");

    // Somebody else has the ports from before: where they are free, port 0 means them.
    let taken = ports(&first_line)?.into_iter().map(|port| std::net::TcpListener::bind(("127.0.0.1", port)));
    let taken = taken.collect::<std::io::Result<Vec<_>>>().context("the ports from before are not free")?;
    world.restart().await?;
    drop(taken);
    let second_line = world.sandbox.line.clone();
    for (name, value) in first_line.as_object().context("the line")? {
        ensure!(CHANGING.contains(&name.as_str()) || second_line[name] == *value, "{name} changed");
    }
    let names = |line: &Value| line.as_object().map(|line| line.keys().cloned().collect::<Vec<_>>());
    ensure!(names(&first_line) == names(&second_line), "other members");
    ensure!(first_line["baseUrl"] != second_line["baseUrl"], "the test needs other ports");
    let before = world.sandbox.line.clone();
    world.sandbox.kill().await?;
    world.restart().await?;
    ensure!(ports(&before)? == ports(&world.sandbox.line)?, "free ports are not used again: {}", world.sandbox.line);
    let mode = std::fs::metadata(&file)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "sandbox.json has mode {mode:o}");
    // Methods point at simulators and shop by role, so that both still work on their new ports.
    let hands = world.hands();
    hands.ends_as(&id, "Approved", "success", LIMIT).await?;
    for (provider, body) in [("payone", bodies::payone("PAYIN", "101.00")), ("forumpay", bodies::forumpay_in("101.00"))] {
        let paid = hands.client.cashier(&body).await?;
        ensure!(paid.status == 200, "{provider} after a restart: {} {}", paid.status, paid.body);
        let id = paid.text("/transaction/transactionId").to_owned();
        hands.client.wait_for(&id, &["Approved"], LIMIT).await?;
        delivered(&world, &id).await?;
    }
    Ok(())
}

/// The webhook reached the demo shop.
async fn delivered(world: &World, id: &str) -> Result<()> {
    let until = Instant::now() + LIMIT;
    loop {
        let list = world.client.manage("GET", &format!("/deliveries?transactionId={id}"), None).await?;
        let items = list.body["data"]["items"].as_array().cloned().unwrap_or_default();
        if items.len() == 1 && items[0]["status"] == "delivered" {
            return Ok(());
        }
        ensure!(Instant::now() < until, "not delivered: {}", list.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Silent providers, a silent endpoint and requests under way do not hold the stop up; what they were about is settled after the
/// next start.
async fn stop_under_load() -> Result<()> {
    let set = |options: testkit::sandbox::Options| {
        options.auto_settle(50).variable("MOZARTO_PROVIDERS_PAYONE_NOT_FOUND_AFTER_SECONDS", "1")
    };
    let mut world = World::start(BINARY, &[], set).await?;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", silent.local_addr()?);
    world.client.set_webhooks(&url, &["PAYONE", "FORUMPAY"]).await?;
    let paid = world.client.cashier(&bodies::forumpay_in("100.00")).await?;
    let told_nobody = paid.text("/transaction/transactionId").to_owned();
    world.hands().ends_as(&told_nobody, "Approved", "confirmed", LIMIT).await?;
    let mut calls = Vec::new();
    for body in [bodies::payone("PAYIN", "100.05"), bodies::payone("PAYOUT", "200.05"), bodies::forumpay_in("100.05")] {
        let client = world.client.clone();
        calls.push(tokio::spawn(async move { client.cashier_with_key(&body, &body.len().to_string()).await }));
    }
    let hands = world.hands();
    while hands.calls("payone").await? < 2 || hands.calls("forumpay").await? < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (status, took) = world.sandbox.terminate().await?;
    ensure!(status.code() == Some(0), "it ended with {status}");
    ensure!(took <= STOP_LIMIT, "it took {took:?}");
    for call in calls {
        // Each was answered in time or cut off; neither may leave the process hanging.
        let _ = call.await?;
    }
    world.restart().await?;
    let hands = world.hands();
    let list = hands.client.read("/v1/api/mozarto/transactions?limit=200").await?;
    let items = list.body["data"]["items"].as_array().cloned().unwrap_or_default();
    ensure!(items.len() == 4, "{} of 4 transactions are there: {}", items.len(), list.body);
    for item in items {
        let id = item["transactionId"].as_str().unwrap_or_default();
        let last = hands.client.wait_for(id, &["Approved", "Failed", "Pending"], LIMIT).await?;
        if item["type"] == "PAYOUT" || id == told_nobody {
            continue;
        }
        hands.client.wait_for(id, &["Failed"], LIMIT).await.with_context(|| format!("a page call: {last}"))?;
    }
    // The webhook that nobody took waits for its next attempt.
    let list = hands.client.manage("GET", &format!("/deliveries?transactionId={told_nobody}"), None).await?;
    let delivery = &list.body["data"]["items"][0];
    ensure!(matches!(delivery["status"].as_str(), Some("failing" | "waiting")), "{}", list.body);
    Ok(())
}

/// The ports of platform, simulators and shop.
fn ports(line: &Value) -> Result<Vec<u16>> {
    let port = |name: &str| -> Result<u16> {
        let url = line[name].as_str().context("an address")?;
        Ok(url.rsplit(':').next().context("a port")?.parse()?)
    };
    ["baseUrl", "simulatorUrl", "shopUrl"].into_iter().map(port).collect()
}

/// Whatever was answered 2xx is there after a kill -9, and goes on. The pages pay a second later, to the callback
/// addresses from before the kill: port 0 is the same port again.
async fn kill_and_restart() -> Result<()> {
    let mut world = World::start(BINARY, &["PAYONE", "FORUMPAY"], |options| options.time_scale(10).auto_settle(10_000)).await?;
    let mut ids = Vec::new();
    for n in 0..20 {
        let paid = world.client.cashier(&bodies::payone("PAYIN", &format!("10{n}.00"))).await?;
        ensure!(paid.status == 200, "{} {}", paid.status, paid.body);
        ids.push(paid.text("/data/transactionId").to_owned());
    }
    let held = world.client.cashier(&bodies::forumpay_out("200.00")).await?;
    let held = held.text("/transaction/transactionId").to_owned();
    let approved = world.hands().approve(&held).await?;
    ensure!(approved.status == 200, "{} {}", approved.status, approved.body);
    world.sandbox.kill().await?;
    let began = Instant::now();
    world.restart().await?;
    let ready = began.elapsed();
    let hands = world.hands();
    for id in &ids {
        hands.ends_as(id, "Approved", "success", LIMIT).await?;
        hands.sink.wait_for(id, 1, LIMIT).await?;
        hands.moved_once("payone", id, &json!({"direction": "in"})).await?;
    }
    hands.ends_as(&held, "Approved", "confirmed", LIMIT).await?;
    hands.moved_once("forumpay", &held, &json!({"direction": "out"})).await?;
    println!("ready {ready:?} after a kill");
    Ok(())
}

// --- starts that are looked at from outside -------------------------------------------------------

fn sandbox(data: &str, more: &[&str], temporary: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["sandbox", "--json", "--simulator-port", "0", "--shop-port", "0", "--data", data]).args(more);
    command.env("TMPDIR", temporary).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A process that is killed when the test is done with it, however that comes.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts it; answers its first line too.
    fn start(mut command: Command) -> Result<(Self, BufReader<std::process::ChildStdout>, String)> {
        let mut running = Self(command.spawn()?);
        let mut out = BufReader::new(running.0.stdout.take().context("its output")?);
        let mut line = String::new();
        out.read_line(&mut line)?;
        ensure!(!line.is_empty(), "it said nothing");
        Ok((running, out, line))
    }

    fn terminate(&mut self) -> Result<std::process::ExitStatus> {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        let until = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > until {
                bail!("it does not stop");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn starts() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = tempfile::tempdir()?;
    let data_text = data.path().to_str().context("a path")?;
    memory(temporary.path())?;
    stopped_at_once(temporary.path())?;
    let (mut running, _out, line) = Running::start(sandbox(data_text, &["--port", "0"], temporary.path()))?;
    let line: Value = serde_json::from_str(&line)?;
    in_use(data_text, temporary.path())?;
    port_taken(&line, temporary.path())?;
    ensure!(running.terminate()?.code() == Some(0), "the first one did not stop well");
    for_a_person(data_text, temporary.path())
}

/// A stop right after the line, as fast as it can come, ten times: each is a good end.
fn stopped_at_once(temporary: &Path) -> Result<()> {
    for _ in 0..10 {
        let (mut running, _out, _) = Running::start(sandbox(":memory:", &["--port", "0"], temporary))?;
        let status = running.terminate()?;
        ensure!(status.code() == Some(0), "it ended with {status}");
    }
    let left: Vec<_> = std::fs::read_dir(temporary)?.flatten().map(|entry| entry.file_name()).collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}

/// `:memory:` leaves nothing behind, and standard output has the line and nothing else.
fn memory(temporary: &Path) -> Result<()> {
    let (mut running, mut out, line) = Running::start(sandbox(":memory:", &["--port", "0"], temporary))?;
    let _: Value = serde_json::from_str(&line)?;
    ensure!(std::fs::read_dir(temporary)?.count() == 1, "no private directory while it runs");
    let status = running.terminate()?;
    ensure!(status.code() == Some(0), "it ended with {status}");
    let mut rest = String::new();
    out.read_to_string(&mut rest)?;
    ensure!(rest.is_empty(), "more on standard output: {rest}");
    let left: Vec<_> = std::fs::read_dir(temporary)?.flatten().map(|entry| entry.file_name()).collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}

fn refused(output: &Output, sentence: &str) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "exit code {:?}: {said}", output.status.code());
    ensure!(output.stdout.is_empty(), "on standard output: {}", String::from_utf8_lossy(&output.stdout));
    ensure!(said.contains(sentence), "it does not say {sentence:?}: {said}");
    ensure!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "a panic: {said}");
    Ok(())
}

fn in_use(data: &str, temporary: &Path) -> Result<()> {
    let output = sandbox(data, &["--port", "0"], temporary).output()?;
    refused(&output, &format!("{data} is in use by another mozarto process"))?;
    let list = Command::new(BINARY).args(["company", "list", "--data", data]).output()?;
    refused(&list, &format!("{data} is in use by another mozarto process"))
}

fn port_taken(line: &Value, temporary: &Path) -> Result<()> {
    let taken = line["baseUrl"].as_str().and_then(|url| url.rsplit(':').next()).context("a port")?;
    let output = sandbox(":memory:", &["--port", taken], temporary).output()?;
    refused(&output, &format!("port {taken} is taken"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("--port"), "it does not say what to do: {said}");
    let left = std::fs::read_dir(temporary)?.count();
    ensure!(left == 0, "{left} left behind by a start that failed");
    Ok(())
}

/// Without `--json`: a page with a `curl` that can be pasted, and is.
fn for_a_person(data: &str, temporary: &Path) -> Result<()> {
    let mut command = Command::new(BINARY);
    command.args(["sandbox", "--port", "0", "--simulator-port", "0", "--shop-port", "0", "--data", data]);
    command.env("TMPDIR", temporary).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let (mut running, mut out, _) = Running::start(command)?;
    let mut page = String::new();
    while !page.contains("Stop with Ctrl-C") {
        ensure!(out.read_line(&mut page)? > 0, "the page ends early: {page}");
    }
    let curl: String = page
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("curl"))
        .take_while(|line| !line.is_empty())
        .fold(String::new(), |all, line| all + line + "\n");
    let answered = Command::new("sh").args(["-c", curl.trim()]).output()?;
    let answer: Value = serde_json::from_slice(&answered.stdout).with_context(|| format!("the curl: {curl} {answered:?}"))?;
    ensure!(answer["isSuccess"] == true && answer["transaction"]["redirectUrl"].is_string(), "the curl is answered {answer}");
    ensure!(running.terminate()?.code() == Some(0), "it did not stop well");
    Ok(())
}
