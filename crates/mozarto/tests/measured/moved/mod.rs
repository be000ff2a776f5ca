//! The store moved, went away, filled up, or is not what it should be: what is answered then, and what is there afterwards.

mod away;
mod feed;
mod frozen;
mod servers;
mod tls;

use crate::node::{MASTER_KEY, Node, Proxy, by_port, for_the_server, mozarto, refusal};
use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use testkit::client::{Answer, Client, bodies};
use testkit::postgres::PrivateCluster;
use testkit::sandbox::{Options, Sandbox};
use testkit::table::Table;
use tokio::process::{Child, Command};

const BINARY: &str = crate::node::BINARY;
const LIMIT: Duration = Duration::from_secs(45);

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

async fn run_sql(url: &str, sql: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client.batch_execute(sql).await?)
}

fn serve_on(url: &str) -> Command {
    let mut command = mozarto(&["serve"]);
    command.env("MOZARTO_DATABASE", url).env("MOZARTO_DATABASE_WAIT_SECONDS", "0");
    command
}

async fn refused(url: &str, words: &[&str]) -> Result<()> {
    let said = refusal(serve_on(url)).await?;
    for word in words {
        ensure!(said.contains(word), "{word} is not in: {said}");
    }
    // The cause stands there once.
    let last = words.last().context("a word")?;
    ensure!(said.matches(last).count() == 1, "told twice: {said}");
    Ok(())
}

/// The company's events after one, by id.
pub(crate) async fn events(client: &Client, after: Option<&str>) -> Result<Vec<String>> {
    let after = after.map_or(String::new(), |id| format!("&after={id}"));
    let answer = client.read(&format!("/v1/api/mozarto/events?limit=200{after}")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let items = answer.body["data"]["items"].as_array().context("items")?;
    Ok(items.iter().map(|item| item["id"].as_str().unwrap_or_default().to_owned()).collect())
}

pub(crate) async fn paid(client: &Client, amount: &str) -> Result<String> {
    let answer = client.cashier(&bodies::payone("PAYIN", amount)).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = answer.text("/transaction/transactionId").to_owned();
    client.wait_for(&id, &["Approved"], LIMIT).await?;
    Ok(id)
}

async fn becomes(client: &Client, status: u16) -> Result<Answer> {
    let until = Instant::now() + LIMIT;
    loop {
        let answer = client.read("/readyz").await?;
        if answer.status == status {
            return Ok(answer);
        }
        ensure!(Instant::now() < until, "{} instead of {status}: {}", answer.status, answer.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn first_line(child: &mut Child) -> Result<Value> {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let line = tokio::time::timeout(LIMIT, lines.next_line()).await.context("it is not ready")??;
    Ok(serde_json::from_str(&line.context("it ended before it was ready")?)?)
}

/// Waits until the feed has so many events after that one.
pub(crate) async fn feed_has(client: &Client, after: Option<&str>, count: usize) -> Result<Vec<String>> {
    let until = Instant::now() + LIMIT;
    loop {
        let found = events(client, after).await?;
        if found.len() >= count {
            ensure!(found.len() == count, "{found:?} instead of {count}");
            return Ok(found);
        }
        ensure!(Instant::now() < until, "{} of {count} events", found.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
