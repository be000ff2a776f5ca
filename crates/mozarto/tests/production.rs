//! What production refuses to start with, beyond its own settings: accounts that it may not call, a store that does not keep what
//! it answers. And how it stops.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};
use testkit::postgres::PrivateCluster;
use testkit::table::Table;
use tokio::process::{Child, Command};

const LIMIT: Duration = Duration::from_secs(20);
/// 32 bytes in hex; of no other use.
const MASTER_KEY: &str = "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f";
/// A graceful stop with nothing to wait for.
const IDLE_STOP: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn production() {
    let mut table = Table::new("production");
    table.row("accounts that it may not call", accounts());
    table.row("a store that does not sync", without_sync());
    table.end().await;
}

/// The binary with its configuration in the environment and nothing else of ours there.
fn mozarto(environment: &str, data: &Path, listen: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mozarto"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MOZARTO_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // Others may be running on this machine.
    command.env("MOZARTO_METRICS_LISTEN", "off");
    command.env("MOZARTO_ENVIRONMENT", environment).env("MOZARTO_PUBLIC_URL", "https://pay.example");
    command.env("MOZARTO_LISTEN", listen).env("MOZARTO_DATA", data).env("MOZARTO_MASTER_KEY", MASTER_KEY);
    command
}

async fn output(command: &mut Command) -> Result<Output> {
    tokio::time::timeout(LIMIT, command.output()).await.context("it goes on running")?.context("starting it")
}

/// It ends with 1 and says all of this.
async fn refuses(command: &mut Command, words: &[&str]) -> Result<()> {
    let output = output(command).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "exit code {:?}: {said}", output.status.code());
    for word in words {
        ensure!(said.contains(word), "{word} is not in: {said}");
    }
    ensure!(!said.contains(MASTER_KEY) && !said.contains("panicked"), "{said}");
    Ok(())
}

async fn status(url: &str) -> Option<u16> {
    let http = reqwest::Client::builder().no_proxy().build().ok()?;
    Some(http.get(url).send().await.ok()?.status().as_u16())
}

/// Starts it, waits until it is ready, stops it: 0, and soon.
async fn starts_and_stops(command: &mut Command, listen: &str) -> Result<()> {
    let child = ready(command, listen).await?;
    stop(child).await
}

async fn ready(command: &mut Command, listen: &str) -> Result<Child> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let until = Instant::now() + LIMIT;
    while status(&format!("http://{listen}/readyz")).await != Some(200) {
        ensure!(child.try_wait()?.is_none(), "it ended");
        ensure!(Instant::now() < until, "it is not ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ensure!(status(&format!("http://{listen}/healthz")).await == Some(200), "it is ready, but not healthy");
    Ok(child)
}

async fn stop(mut child: Child) -> Result<()> {
    let id = child.id().context("a process")?;
    let began = Instant::now();
    ensure!(Command::new("kill").args(["-TERM", &id.to_string()]).status().await?.success(), "no signal");
    let ended = tokio::time::timeout(LIMIT, child.wait()).await.context("it does not stop")??;
    ensure!(ended.code() == Some(0) && began.elapsed() < IDLE_STOP, "{ended} after {:?}", began.elapsed());
    Ok(())
}

fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// A store that a sandbox was tried out on is opened in production: every account that may not be called there is named.
async fn accounts() -> Result<()> {
    let data = tempfile::tempdir()?;
    let listen = free_address()?;
    let create = ["company", "create", "--name", "Shop Ltd", "--country", "CA", "--json"];
    let made = output(&mut mozarto("sandbox", data.path(), &listen, &create)).await?;
    let company: Value =
        serde_json::from_slice(&made.stdout).with_context(|| String::from_utf8_lossy(&made.stderr).into_owned())?;
    let token = company["managementToken"].as_str().with_context(|| format!("no token: {company}"))?;

    let sandbox = ready(&mut mozarto("sandbox", data.path(), &listen, &["serve"]), &listen).await?;
    let assumed = json!({"accountName": "Shop", "apiKey": "payone-key-0001", "webhookUrl": "https://shop.example/hook", "siteUrl": "https://shop.example/"});
    let simulated = json!({"username": "fp-shop", "password": "fp-secret", "forumpayUserId": "shop-1", "webhookUrl": "https://shop.example/hook",
        "baseUrl": "http://127.0.0.1:8081/forumpay/pay/v2"});
    let assumed = add(&listen, token, "PAYONE", assumed).await?;
    let simulated = add(&listen, token, "FORUMPAY", simulated).await?;
    stop(sandbox).await?;
    // A sandbox's store is never opened in production; here it stands for one of production that has such accounts.
    let store = rusqlite::Connection::open(data.path().join("mozarto.db"))?;
    store.execute("UPDATE instance SET value = 'production' WHERE name = 'environment'", [])?;
    drop(store);

    let serve = || mozarto("production", data.path(), &listen, &["serve"]);
    // Both at once, each by its id, and what to do.
    let words = [assumed.as_str(), "payone-assumed-v0", "accept_assumed_protocol", simulated.as_str(), "baseUrl"];
    refuses(&mut serve(), &words).await?;
    let accept = ("MOZARTO_PROVIDERS_PAYONE_ACCEPT_ASSUMED_PROTOCOL", "true");
    refuses(serve().env(accept.0, accept.1), &[simulated.as_str(), "baseUrl"]).await?;
    // The operator's address wins over the account's.
    let address = ("MOZARTO_PROVIDERS_FORUMPAY_BASE_URL", "https://api.forumpay.com/pay/v2");
    refuses(serve().env(address.0, address.1), &[assumed.as_str(), "payone-assumed-v0"]).await?;
    starts_and_stops(serve().env(accept.0, accept.1).env(address.0, address.1), &listen).await
}

async fn add(listen: &str, token: &str, psp_type: &str, config: Value) -> Result<String> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let request = http
        .post(format!("http://{listen}/v1/api/mozarto/admin/payment-methods"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(json!({"pspType": psp_type, "enabled": true, "config": config}).to_string());
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    let body: Value = serde_json::from_slice(&answer.bytes().await?)?;
    body["data"]["id"].as_str().map(str::to_owned).with_context(|| format!("{status} {body}"))
}

/// PostgreSQL with `fsync` or `full_page_writes` off would lose what was answered: refused in the sandbox too. The same server
/// with both on is taken, and what a database sets for itself does not count.
async fn without_sync() -> Result<()> {
    let data = tempfile::tempdir()?;
    let listen = free_address()?;
    for setting in ["fsync", "full_page_writes"] {
        let cluster = tokio::task::spawn_blocking(move || PrivateCluster::start(&[(setting, "off")])).await?;
        for environment in ["production", "sandbox"] {
            let mut command = mozarto(environment, data.path(), &listen, &["serve"]);
            refuses(command.env("MOZARTO_DATABASE", cluster.url()), &[setting, "off"]).await?;
        }
        tokio::task::spawn_blocking(move || drop(cluster)).await?;
    }
    let cluster = tokio::task::spawn_blocking(|| PrivateCluster::start(&[("synchronous_commit", "off")])).await?;
    let mut command = mozarto("production", data.path(), &listen, &["serve"]);
    let result = starts_and_stops(command.env("MOZARTO_DATABASE", cluster.url()), &listen).await;
    tokio::task::spawn_blocking(move || drop(cluster)).await?;
    // Every connection sets it for itself, and reads it back.
    result.context("synchronous_commit is off by default")
}
