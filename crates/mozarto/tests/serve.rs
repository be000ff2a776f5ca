//! `mozarto serve`: the platform by its configuration alone, and the rows of the error table that need another configuration than
//! the sandbox's.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testkit::table::Table;

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
const LIMIT: Duration = Duration::from_secs(20);
/// 32 bytes in hex; of no other use.
const MASTER_KEY: &str = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";
const BURST: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn serving_for_real() {
    let mut table = Table::new("serve");
    table.row("rates, suspension, stop", by_configuration());
    table.row("production refuses to start", async { tokio::task::spawn_blocking(refused_starts).await? });
    table.end().await;
}

/// The binary with the configuration in its environment and nothing else of ours there.
fn mozarto(data: &Path, listen: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for name in std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("MOZARTO_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped());
    command.env("MOZARTO_ENVIRONMENT", "sandbox").env("MOZARTO_PUBLIC_URL", format!("http://{listen}"));
    command.env("MOZARTO_LISTEN", listen).env("MOZARTO_DATA", data).env("MOZARTO_MASTER_KEY", MASTER_KEY);
    command.env("MOZARTO_LIMITS_REQUESTS_PER_SECOND", "1").env("MOZARTO_LIMITS_BURST", BURST.to_string());
    command
}

fn json_of(command: &mut Command) -> Result<Value> {
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A server; killed when the test is done with it, however that comes.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    async fn start(data: &Path, listen: &str) -> Result<Self> {
        let server = Self(mozarto(data, listen, &["serve"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn()?);
        let until = Instant::now() + LIMIT;
        while !reqwest::get(format!("http://{listen}/readyz")).await.is_ok_and(|answer| answer.status() == 200) {
            ensure!(Instant::now() < until, "it is not ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    async fn stop(mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        let status = tokio::task::spawn_blocking(move || self.0.wait()).await??;
        ensure!(status.code() == Some(0), "it ended with {status}");
        Ok(())
    }
}

/// Status, `Retry-After`, document.
async fn list(listen: &str, token: &str) -> Result<(u16, Option<u64>, Value)> {
    let request = reqwest::Client::new()
        .get(format!("http://{listen}/v1/api/mozarto/transactions"))
        .header("authorization", format!("Bearer {token}"));
    let answer = request.send().await?;
    let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    Ok((answer.status().as_u16(), retry_after, serde_json::from_slice(&answer.bytes().await?)?))
}

fn error(message: &str) -> Value {
    json!({"status": "error", "message": message, "isSuccess": false, "errors": []})
}

async fn by_configuration() -> Result<()> {
    let data = tempfile::tempdir()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let listen = port.to_string();
    let create = ["company", "create", "--name", "Shop Ltd", "--country", "DE", "--json"];
    let company = json_of(&mut mozarto(data.path(), &listen, &create))?;
    let (id, token) = (company["companyId"].as_str().context("an id")?, company["companyToken"].as_str().context("a token")?);
    let other = json_of(&mut mozarto(data.path(), &listen, &create))?;
    let other = other["companyToken"].as_str().context("a token")?;

    let server = Server::start(data.path(), &listen).await?;
    for _ in 0..BURST {
        let (status, _, body) = list(&listen, token).await?;
        ensure!(status == 200 && body["data"]["items"] == json!([]), "{status} {body}");
    }
    let (status, retry_after, body) = list(&listen, token).await?;
    ensure!(status == 429 && body == error("Too many requests"), "{status} {body}");
    let wait = retry_after.filter(|seconds| (1..=2).contains(seconds)).with_context(|| format!("Retry-After {retry_after:?}"))?;
    let (status, ..) = list(&listen, other).await?;
    ensure!(status == 200, "another company is limited too: {status}");
    let (status, _, body) = list(&listen, "mt_nobody").await?;
    ensure!(status == 401 && body == error("Unauthorized"), "{status} {body}");
    tokio::time::sleep(Duration::from_secs(wait)).await;
    let (status, ..) = list(&listen, token).await?;
    ensure!(status == 200, "still limited after Retry-After: {status}");
    server.stop().await?;

    let suspended = json_of(&mut mozarto(data.path(), &listen, &["company", "suspend", id, "--json"]))?;
    ensure!(suspended["suspended"] == true, "{suspended}");
    let server = Server::start(data.path(), &listen).await?;
    let (status, _, body) = list(&listen, token).await?;
    ensure!(status == 403 && body == error("Forbidden"), "{status} {body}");
    let (status, ..) = list(&listen, other).await?;
    ensure!(status == 200, "the other company is suspended too: {status}");
    server.stop().await
}

/// Production says what it lacks instead of starting.
fn refused_starts() -> Result<()> {
    let data = tempfile::tempdir()?;
    for (name, value, sentence) in [
        ("MOZARTO_PUBLIC_URL", "http://pay.example", "https"),
        ("MOZARTO_MASTER_KEY", "", "master key"),
        ("MOZARTO_PROVIDERS_PAYONE_BASE_URL", "https://127.0.0.1:8081/payone", "payone"),
        ("MOZARTO_PROVIDERS_PAYONE_BASE_URL", "https://10.0.0.7/", "payone"),
        ("MOZARTO_DATABASE", "mysql://x", "postgres://"),
        ("MOZARTO_TYPO", "1", "MOZARTO_TYPO"),
    ] {
        let mut command = mozarto(data.path(), "127.0.0.1:0", &["serve"]);
        command.env("MOZARTO_ENVIRONMENT", "production").env("MOZARTO_PUBLIC_URL", "https://pay.example");
        if value.is_empty() {
            command.env_remove(name);
        } else {
            command.env(name, value);
        }
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1), "{name}={value}: exit code {:?}: {said}", output.status.code());
        ensure!(said.contains(sentence) && !said.contains(MASTER_KEY) && !said.contains("panicked"), "{name}={value}: {said}");
    }
    // A store that belongs to another master key is not opened.
    let create = ["company", "create", "--name", "Shop Ltd", "--country", "DE", "--json"];
    json_of(&mut mozarto(data.path(), "127.0.0.1:0", &create))?;
    let mut command = mozarto(data.path(), "127.0.0.1:0", &["serve"]);
    let output = command.env("MOZARTO_MASTER_KEY", MASTER_KEY.replace('2', "4")).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && said.contains("master key"), "another master key: {said}");
    Ok(())
}
