//! HTTP as strangers speak it.

use crate::node::free;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testkit::client::bodies;
use testkit::table::Table;
use testkit::world::{Hands, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
const KEY: &str = "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f";
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_send() {
    let world = World::start(BINARY, &["PAYONE"], |options| options).await.expect("a sandbox");
    let hands = world.hands();
    let mut table = Table::new("the wire");
    for (name, request, status) in [
        ("one host", "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", 200),
        ("a host with a port", "GET /healthz HTTP/1.1\r\nHost: pay.example:8080\r\n\r\n", 200),
        ("a host that is an address", "GET /healthz HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200),
        ("no host in 1.0", "GET /healthz HTTP/1.0\r\n\r\n", 200),
        ("no host", "GET /healthz HTTP/1.1\r\n\r\n", 400),
        ("two hosts", "GET /healthz HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", 400),
        ("the same host twice", "GET /healthz HTTP/1.1\r\nhost: x\r\nHost: x\r\n\r\n", 400),
        ("two hosts in 1.0", "GET /healthz HTTP/1.0\r\nhost: x\r\nhost: y\r\n\r\n", 400),
        ("two hosts on one line", "GET /healthz HTTP/1.1\r\nhost: x, y\r\n\r\n", 400),
        ("an empty host", "GET /healthz HTTP/1.1\r\nhost:\r\n\r\n", 400),
        ("a user in the host", "GET /healthz HTTP/1.1\r\nhost: u@x\r\n\r\n", 400),
        ("a path in the host", "GET /healthz HTTP/1.1\r\nhost: x/y\r\n\r\n", 400),
        ("two hosts and a whole address", "GET http://x/healthz HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", 400),
        ("no host where nothing is", "GET /nowhere HTTP/1.1\r\n\r\n", 400),
        ("no host for the Cashier", "POST /v1/api/mozarto/cashier HTTP/1.1\r\ncontent-length: 0\r\n\r\n", 400),
    ] {
        table.row(name, is_answered(hands.clone(), request, status));
    }
    for (part, ours) in [("platform", true), ("simulators", false), ("shop", false)] {
        let at = match part {
            "platform" => world.client.base.clone(),
            "simulators" => world.client.simulator.clone(),
            _ => world.sandbox.text("shopUrl").to_owned(),
        };
        table.row(format!("a name that was pointed here: {part}"), pointed_here(at, ours));
    }
    table.row("half closed after a payment", half_closed(hands.clone()));
    table.row("replays and scopes", replays(hands.clone()));
    table.row("production", production());
    table.end().await;
}

/// A page elsewhere whose name means this machine now reads nothing of what is for this machine alone. The platform itself may
/// have any name.
async fn pointed_here(at: String, any_name: bool) -> Result<()> {
    let address: SocketAddr = at.trim_start_matches("http://").trim_end_matches('/').parse()?;
    let ask = async |host: String| {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
        let text = rest(&mut stream).await?;
        Ok::<_, anyhow::Error>(text.split(' ').nth(1).unwrap_or_default().to_owned())
    };
    for ours in [address.to_string(), format!("localhost:{}", address.port()), format!("LOCALHOST:{}", address.port())] {
        ensure!(ask(ours.clone()).await? != "403", "{ours} is refused");
    }
    for name in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "0.0.0.0"] {
        let told = ask(format!("{name}:{}", address.port())).await?;
        ensure!(any_name || told == "403", "{name}: {told}");
    }
    Ok(())
}

async fn connect(hands: &Hands) -> Result<TcpStream> {
    Ok(TcpStream::connect(hands.client.base.trim_start_matches("http://")).await?)
}

/// Everything until the other side closes.
async fn rest(stream: &mut TcpStream) -> Result<String> {
    let mut text = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut text)).await.context("the connection stays open")??;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

async fn is_answered(hands: Hands, request: &'static str, status: u16) -> Result<()> {
    let mut stream = connect(&hands).await?;
    stream.write_all(request.as_bytes()).await?;
    stream.shutdown().await?;
    let answer = rest(&mut stream).await?;
    let first = answer.lines().next().unwrap_or_default();
    ensure!(first.split(' ').nth(1) == Some(&status.to_string()), "{first:?} instead of {status}");
    ensure!(status == 200 || answer.contains(r#""isSuccess":false,"errors":[]"#), "no envelope: {answer}");
    Ok(())
}

/// A client that says that it has said everything still gets its answer.
async fn half_closed(hands: Hands) -> Result<()> {
    let mut stream = connect(&hands).await?;
    let body = bodies::payone("PAYIN", "100.00");
    let head = format!(
        "POST /v1/api/mozarto/cashier HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nx-user-token: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        hands.client.company_token,
        hands.client.user_token,
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.shutdown().await?;
    let answer = rest(&mut stream).await?;
    ensure!(answer.starts_with("HTTP/1.1 200") && answer.contains("transactionId"), "{answer:?}");
    Ok(())
}

/// A token of the company with these scopes.
async fn token(hands: &Hands, scopes: &[&str]) -> Result<String> {
    let body = json!({"kind": "company", "name": scopes.join(" "), "scopes": scopes});
    let answer = hands.client.manage("POST", "/credentials", Some(body)).await?;
    let token = answer.text("/data/token").to_owned();
    ensure!(!token.is_empty(), "{} {}", answer.status, answer.body);
    Ok(token)
}

/// What is stored under a key goes only to those who could have asked for it.
async fn replays(hands: Hands) -> Result<()> {
    let pay_in = bodies::payone("PAYIN", "100.00");
    let pay_out = bodies::payone("PAYOUT", "100.00");
    let with = |token: String| {
        let mut client = hands.client.clone();
        client.company_token = token;
        client
    };
    let reader = with(token(&hands, &["read"]).await?);
    let in_only = with(token(&hands, &["payin"]).await?);
    let out_only = with(token(&hands, &["payout"]).await?);
    for (key, body, may, may_not) in [("scope-in", &pay_in, &in_only, &out_only), ("scope-out", &pay_out, &out_only, &in_only)] {
        let first = hands.client.cashier_with_key(body, key).await?;
        ensure!(first.status == 200, "{} {}", first.status, first.body);
        let replay = may.cashier_with_key(body, key).await?;
        ensure!(replay.bytes == first.bytes && replay.header("idempotent-replayed") == Some("true"), "{}", replay.body);
        // In quotes it is the same key.
        let quoted = may.cashier_with_key(body, &format!("\"{key}\"")).await?;
        ensure!(quoted.bytes == first.bytes && quoted.header("idempotent-replayed") == Some("true"), "{}", quoted.body);
        // Neither the answer, nor that there is one.
        for (who, body) in [(may_not, body.as_str()), (&reader, body.as_str()), (&reader, "{}"), (&reader, "nonsense")] {
            let refused = who.cashier_with_key(body, key).await?;
            ensure!(refused.status == 403 && refused.text("/message") == "Forbidden", "{} {}", refused.status, refused.body);
            ensure!(refused.header("idempotent-replayed").is_none(), "it is told as a replay");
        }
        let unknown = reader.cashier_with_key(body, "never-used").await?;
        ensure!(unknown.status == 403, "{}", unknown.status);
    }
    Ok(())
}

fn serve(environment: &str, data: &std::path::Path, listen: SocketAddr, metrics: &str) -> tokio::process::Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MOZARTO_")) {
        command.env_remove(name);
    }
    command.arg("serve").env("MOZARTO_ENVIRONMENT", environment).env("MOZARTO_PUBLIC_URL", "https://pay.example");
    command.env("MOZARTO_LISTEN", listen.to_string()).env("MOZARTO_DATA", data).env("MOZARTO_MASTER_KEY", KEY);
    command.env("MOZARTO_METRICS_LISTEN", metrics).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true);
    command
}

async fn get(at: SocketAddr, path: &str) -> Option<reqwest::Response> {
    let http = reqwest::Client::builder().no_proxy().build().ok()?;
    http.get(format!("http://{at}{path}")).send().await.ok()
}

async fn ready(child: &mut tokio::process::Child, at: SocketAddr) -> Result<()> {
    let until = Instant::now() + LIMIT;
    while get(at, "/readyz").await.is_none_or(|answer| answer.status() != 200) {
        ensure!(child.try_wait()?.is_none(), "it ended");
        ensure!(Instant::now() < until, "it is not ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Metrics on a listener of their own and nowhere else; a taken address is refused; browsers are told to stay with TLS.
async fn production() -> Result<()> {
    let data = tempfile::tempdir()?;
    let (listen, metrics) = (free()?, free()?);
    let mut child = serve("production", data.path(), listen, &metrics.to_string()).stderr(Stdio::null()).spawn()?;
    ready(&mut child, listen).await?;
    for path in ["/healthz", "/nowhere", "/v1/api/mozarto/transactions", "/back-office"] {
        let answer = get(listen, path).await.context("no answer")?;
        let told = answer.headers().get("strict-transport-security").and_then(|value| value.to_str().ok());
        ensure!(told.is_some_and(|text| text.starts_with("max-age=")), "{path}: {told:?}");
    }
    ensure!(get(listen, "/metrics").await.is_some_and(|answer| answer.status() == 404), "metrics where everybody comes");
    let text = get(metrics, "/metrics").await.context("no metrics")?.text().await?;
    ensure!(text.contains("mozarto_log_lines_dropped_total 0"), "{text}");

    let other = tempfile::tempdir()?;
    let refused = serve("production", other.path(), free()?, &metrics.to_string()).output();
    let refused = tokio::time::timeout(LIMIT, refused).await.context("it goes on running")??;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(refused.status.code() == Some(1) && said.contains("metrics_listen"), "{:?}: {said}", refused.status);

    let (listen, other) = (free()?, tempfile::tempdir()?);
    let mut elsewhere = serve("sandbox", other.path(), listen, &metrics.to_string()).stderr(Stdio::null()).spawn()?;
    ready(&mut elsewhere, listen).await?;
    ensure!(
        get(listen, "/metrics").await.is_some_and(|answer| answer.status() == 200),
        "a sandbox shows them on its own address"
    );
    let answer = get(listen, "/healthz").await.context("no answer")?;
    ensure!(!answer.headers().contains_key("strict-transport-security"), "a sandbox has no TLS");
    Ok(())
}

/// Connections of one address, more than it may have: the others come in.
#[tokio::test(flavor = "multi_thread")]
async fn one_peer_does_not_take_all_connections() {
    many_connections().await.unwrap();
}

async fn many_connections() -> Result<()> {
    let world = World::start(BINARY, &[], |options| options).await?;
    let at: SocketAddr = world.client.base.trim_start_matches("http://").parse()?;
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..600 {
        let socket = TcpSocket::new_v4()?;
        socket.bind("127.0.0.9:0".parse()?)?;
        let mut stream = socket.connect(at).await?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\n").await?;
        held.push(stream);
    }
    let asked = Instant::now();
    let answer = world.client.read("/healthz").await?;
    ensure!(answer.status == 200 && asked.elapsed() < Duration::from_secs(2), "{} after {:?}", answer.status, asked.elapsed());
    for mut stream in held {
        // Whoever was let in is cut off without an answer.
        let answer = rest(&mut stream).await.unwrap_or_default();
        refused += usize::from(answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after: 1"));
    }
    ensure!((300..=344).contains(&refused), "{refused} of 600 were refused with 429");
    Ok(())
}
