//! Whatever a stranger has written, nothing of it acts on the terminal of whoever reads: answers of a server, what was typed,
//! lines of the log.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::process::Stdio;
use std::time::Duration;
use testkit::client::bodies;
use testkit::sandbox::{Options, Sandbox};
use testkit::table::Table;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

const BINARY: &str = crate::node::BINARY;
const LIMIT: Duration = Duration::from_secs(40);
/// A right-to-left override, an escape sequence that clears the screen, its one-byte form, a carriage return.
const ACTS: &str = "\u{202e}name\u{1b}[2J\u{9b}2J\rmore\u{2066}";

fn acts(text: &str) -> bool {
    text.chars().any(|c| {
        c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c))
    })
}

/// A server that answers everything with that.
async fn hostile(status: u16, body: String) -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut one, _)) = listener.accept().await {
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = one.read(&mut [0; 8_192]).await;
            let _ = one.write_all(head.as_bytes()).await;
            let _ = one.write_all(body.as_bytes()).await;
        }
    });
    Ok(address)
}

/// Runs it; answers what it has written to both.
async fn said(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MOZARTO_")) {
        command.env_remove(name);
    }
    command.args(arguments).env("MOZARTO_TOKEN", "token").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.context("it goes on running")??;
    let text = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_stranger_acts_on_a_terminal() {
    let mut table = Table::new("the terminal");
    for (name, arguments) in [
        ("an approval", &["approvals", "approve", "0199c82cc000aaaaaaaaaaaa"][..]),
        ("approvals", &["approvals", "list"]),
        ("transactions", &["transactions", "list"]),
        ("deliveries", &["deliveries", "list"]),
    ] {
        for status in [200, 409, 503] {
            table.row(format!("{name}, {status}"), async move {
                let row = json!({"id": ACTS, "transactionId": ACTS, "transaction_status": ACTS, "message": ACTS, "status": ACTS});
                let body = json!({"status": ACTS, "message": ACTS, "errors": [ACTS], "data": {"items": [row.clone()], "id": ACTS, "message": ACTS}});
                let url = hostile(status, body.to_string()).await?;
                let said = said(&[arguments, &["--url", &url]].concat()).await?;
                ensure!(!acts(&said), "it acts: {said:?}");
                ensure!(status == 200 || said.contains("name"), "nothing of it is told: {said:?}");
                Ok(())
            });
        }
    }
    for (name, arguments) in [
        ("an unknown command", vec![ACTS.to_owned()]),
        ("an unknown flag", vec!["sandbox".to_owned(), format!("--{ACTS}")]),
        ("a number that is none", vec!["sandbox".to_owned(), "--port".to_owned(), ACTS.to_owned()]),
        ("a file that is not there", vec!["config".to_owned(), "check".to_owned(), "--config".to_owned(), ACTS.to_owned()]),
        ("a server that is not there", vec!["approvals".to_owned(), "list".to_owned(), "--url".to_owned(), ACTS.to_owned()]),
    ] {
        table.row(name, async move {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let said = said(&arguments).await?;
            ensure!(!acts(&said) && !said.trim().is_empty(), "it acts: {said:?}");
            Ok(())
        });
    }
    table.row("the log of a sandbox", logged());
    table.row("what a sandbox says of where it is", told_where());
    table.end().await;
}

/// The name of the data directory is somebody's, too.
async fn told_where() -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut command = Command::new(BINARY);
    command
        .args(["sandbox", "--port", "0", "--simulator-port", "0", "--shop-port", "0", "--data"])
        .arg(data.path().join("x\u{1b}[31my\u{202e}z"));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    let (mut out, mut said) = (child.stdout.take().context("its output")?, Vec::new());
    tokio::time::timeout(LIMIT, async {
        while !String::from_utf8_lossy(&said).contains("Ctrl-C") {
            ensure!(out.read_buf(&mut said).await? > 0, "it ended: {}", String::from_utf8_lossy(&said));
        }
        Ok(())
    })
    .await??;
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(said.contains("31my") && !acts(&said), "it acts: {said:?}");
    Ok(())
}

/// What a payer's browser and a merchant bring, at the level that tells most.
async fn logged() -> Result<()> {
    let data = tempfile::tempdir()?;
    let log = data.path().join("log");
    let mut options = Options::new(BINARY, data.path()).variable("MOZARTO_LOG", "trace");
    options.log = Some(log.clone());
    let sandbox = Sandbox::start(options).await?;
    let client = testkit::client::Client::of(&sandbox);
    let mut body: serde_json::Value = serde_json::from_str(&bodies::payone("PAYIN", "100.00"))?;
    body["merchantReference"] = json!(ACTS);
    body["firstName"] = json!(ACTS);
    client.cashier(&body.to_string()).await?;
    client.manage("POST", "/rules", Some(json!({"name": ACTS}))).await?;
    client.read("/pay/%E2%80%AEname%1B%5B2J").await?;
    drop(sandbox);
    let said = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    let line = said.lines().find(|line| acts(line));
    ensure!(!said.is_empty() && line.is_none(), "it acts: {line:?}");
    Ok(())
}
