//! Clocks that are wrong, that are put back and forward: whose work is whose, when what waits is due, and what ends, is never
//! theirs to say. Debian's `faketime` around the processes; the clock that nobody sets is left alone, and PostgreSQL is outside
//! of it.

use crate::node::{BINARY, Node};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::hmac;
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};
use testkit::sink::Sink;
use testkit::world::Hands;
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(45);
/// A process whose heartbeat is the same at six looks of another, one a second, is dead.
const LOOKS: usize = 7;

/// The library of `faketime` for programs with threads.
fn library() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().find_map(|entry| {
        let library = entry.path().join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    });
    found.expect("faketime is installed (Debian: apt-get install faketime)")
}

/// A wall clock that a test sets, for one process: `+0`, `-2h`, `+6d`.
pub(crate) struct Wall(PathBuf);

impl Wall {
    pub(crate) fn new(directory: &Path, name: &str, offset: &str) -> Result<Self> {
        let wall = Self(directory.join(name));
        wall.set(offset)?;
        Ok(wall)
    }

    pub(crate) fn set(&self, offset: &str) -> Result<()> {
        let beside = self.0.with_extension("new");
        std::fs::write(&beside, offset)?;
        Ok(std::fs::rename(&beside, &self.0)?)
    }

    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        [
            ("LD_PRELOAD", library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.0.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

/// A webhook endpoint that refuses while it is told to, and notes when it was asked.
#[derive(Clone, Default)]
struct Endpoint {
    refuses: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Instant>>>,
    /// `webhook-timestamp` of the last one, seconds.
    dated: Arc<Mutex<i64>>,
}

impl Endpoint {
    async fn start() -> Result<(Self, String)> {
        let endpoint = Self::default();
        endpoint.refuses.store(true, Ordering::SeqCst);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let shared = endpoint.clone();
        let answer = move |headers: HeaderMap| {
            let shared = shared.clone();
            async move {
                let date = headers.get("webhook-timestamp").and_then(|value| value.to_str().ok()?.parse().ok());
                *shared.dated.lock().unwrap_or_else(PoisonError::into_inner) = date.unwrap_or_default();
                shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                if shared.refuses.load(Ordering::SeqCst) { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
            }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(answer))).await });
        Ok((endpoint, url))
    }

    fn times(&self) -> Vec<Instant> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn asked(&self, times: usize, limit: Duration) -> Result<Vec<Instant>> {
        let until = Instant::now() + limit;
        while self.times().len() < times {
            ensure!(Instant::now() < until, "asked {} of {times} times", self.times().len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(self.times())
    }
}

/// Stands before a simulator; holds its answers back while it is told to.
async fn link(simulators: &str, hold: Arc<AtomicBool>, held: Arc<AtomicU32>) -> Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/payone", listener.local_addr()?);
    let simulators = simulators.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((from, _)) = listener.accept().await {
            let Ok(to) = TcpStream::connect(&simulators).await else { return };
            let (hold, held) = (hold.clone(), held.clone());
            tokio::spawn(async move {
                let ((mut from_read, mut from_write), (mut to_read, mut to_write)) = (from.into_split(), to.into_split());
                tokio::spawn(async move { tokio::io::copy(&mut from_read, &mut to_write).await });
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(read @ 1..) = to_read.read(&mut buffer).await {
                    held.fetch_add(1, Ordering::SeqCst);
                    while hold.load(Ordering::SeqCst) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    if from_write.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}

/// Three processes over one PostgreSQL: the sandbox with the true time, one half an hour ahead, one half an hour behind.
struct Three {
    sandbox: Sandbox,
    ahead: Node,
    behind: Node,
    walls: [Wall; 2],
    sink: Sink,
    hold: Arc<AtomicBool>,
    held: Arc<AtomicU32>,
    database: testkit::postgres::TestDatabase,
    _data: tempfile::TempDir,
}

impl Three {
    async fn start() -> Result<Self> {
        let data = tempfile::tempdir()?;
        let database = testkit::postgres::database().await;
        let options = Options::new(BINARY, data.path()).auto_settle(50).database(&database.url).variable("MOZARTO_LOG", "off");
        let sandbox = Sandbox::start(options).await?;
        let client = Client::of(&sandbox);
        let sink = Sink::start(sandbox.text("webhookSecret"), sandbox.text("webhookBearer")).await?;
        client.set_webhooks(&sink.url, &["PAYONE", "FORUMPAY"]).await?;
        for psp_type in ["PAYONE", "FORUMPAY"] {
            let path = format!("/payment-methods/{}", client.method_of(psp_type).await?);
            let answer = client.manage("PATCH", &path, Some(json!({"config": {"siteUrl": "https://shop.example/"}}))).await?;
            ensure!(answer.status == 200, "{}", answer.body);
        }
        let (hold, held) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let address = link(sandbox.text("simulatorUrl"), hold.clone(), held.clone()).await?;
        let walls = [Wall::new(data.path(), "ahead", "+30m")?, Wall::new(data.path(), "behind", "-30m")?];
        let node = async |wall: &Wall| {
            Node::beside(&sandbox, &database.url, |command| {
                command.envs(wall.variables()).env("MOZARTO_PROVIDERS_PAYONE_BASE_URL", &address).env("MOZARTO_LOG", "info");
            })
            .await
        };
        let (ahead, behind) = (node(&walls[0]).await?, node(&walls[1]).await?);
        Ok(Self { sandbox, ahead, behind, walls, sink, hold, held, database, _data: data })
    }

    fn at(&self, node: &Node) -> Hands {
        Hands { client: node.client(&self.sandbox), sink: self.sink.clone() }
    }

    /// Each process has renewed its heartbeat, and looked at the others', so many times more.
    async fn beat(&self, times: usize) -> Result<()> {
        let (store, connection) = tokio_postgres::connect(&self.database.url, tokio_postgres::NoTls).await?;
        let connection = tokio::spawn(connection);
        let mut seen: HashMap<String, BTreeSet<i64>> = HashMap::new();
        let until = Instant::now() + LIMIT;
        // The first heartbeat that is seen of a process is none that it has renewed.
        while seen.len() < 3 || seen.values().any(|beats| beats.len() <= times) {
            for row in store.query("SELECT id, heartbeat_at FROM nodes", &[]).await? {
                seen.entry(row.get(0)).or_default().insert(row.get(1));
            }
            ensure!(Instant::now() < until, "heartbeats: {seen:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        connection.abort();
        Ok(())
    }

    fn nodes(&self) -> [(&'static str, &Node); 2] {
        [("ahead", &self.ahead), ("behind", &self.behind)]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_half_an_hour_apart() {
    let rows = async {
        let three = Three::start().await?;
        told(&three).await.context("told")?;
        calls_stay_with_their_owner(&three).await.context("open calls")?;
        each_once_and_in_order(&three).await.context("once and in order")?;
        // One is put back by two hours and the other forward by six days, while both run.
        three.walls[0].set("-2h")?;
        three.walls[1].set("+6d")?;
        calls_stay_with_their_owner(&three).await.context("open calls after the steps")?;
        each_once_and_in_order(&three).await.context("once and in order after the steps")?;
        retries_keep_their_time(&three).await.context("retries")?;
        told(&three).await.context("told after the steps")
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

/// Ready all the same, with what the clock is off by, in the log, at `readyz` and in the gauge.
async fn told(three: &Three) -> Result<()> {
    for (name, node) in three.nodes() {
        let until = Instant::now() + LIMIT;
        loop {
            let ready = node.get("/readyz").await?;
            ensure!(ready.status == 200, "{name}: {} {}", ready.status, ready.body);
            let skew = ready.body["data"]["clockSkewMs"].as_i64().context("clockSkewMs")?;
            let gauge = crate::node::gauge(node.metrics, "mozarto_clock_skew_seconds").await?;
            // Each is as of the heartbeat before it was asked.
            if skew.abs() > 25 * 60_000 && (gauge * 1_000 - skew).abs() < 5_000 {
                break;
            }
            ensure!(Instant::now() < until, "{name}: {skew} ms, the gauge: {gauge} s");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ensure!(node.lines("this machine's clock is not the database server's") == 1, "{name}: {}", node.said());
    }
    Ok(())
}

/// A call that is open at one process for longer than others hold a silent one for dead: nobody takes it, and it is answered with
/// the provider's own words.
async fn calls_stay_with_their_owner(three: &Three) -> Result<()> {
    let mut calls = Vec::new();
    three.hold.store(true, Ordering::SeqCst);
    let before = three.held.load(Ordering::SeqCst);
    for (_, node) in three.nodes() {
        for amount in ["131.00", "132.00"] {
            let client = node.client(&three.sandbox);
            calls.push(tokio::spawn(async move { client.cashier(&bodies::payone("PAYOUT", amount)).await }));
        }
    }
    let until = Instant::now() + LIMIT;
    while three.held.load(Ordering::SeqCst) < before + 4 {
        ensure!(Instant::now() < until, "the provider was not called");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    three.beat(LOOKS).await?;
    three.hold.store(false, Ordering::SeqCst);
    let hands = three.at(&three.ahead);
    for call in calls {
        let answer = call.await??;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        ensure!(answer.text("/message") == "Withdraw request successfully processed", "{}", answer.body);
        let id = answer.text("/transaction/transactionId");
        hands.ends_as(id, "Approved", "success", LIMIT).await?;
        hands.webhooks(id, &["Approved"], LIMIT).await?;
        ensure!(hands.entries("payone", id).await?.len() == 1, "{id} left more than once");
        let shown = hands.managed(id).await?.to_string();
        ensure!(!shown.contains("recovered") && !shown.contains("anomaly"), "somebody took it: {shown}");
    }
    Ok(())
}

/// Payments at both, each webhook once and verified (their time is the true one), the feed and the list in the order in which
/// they were made.
async fn each_once_and_in_order(three: &Three) -> Result<()> {
    let client = three.at(&three.ahead).client;
    let feed = async |after: Option<String>| -> Result<Vec<serde_json::Value>> {
        let after = after.map_or(String::new(), |id| format!("&after={id}"));
        let answer = client.read(&format!("/v1/api/mozarto/events?limit=200{after}")).await?;
        Ok(answer.body["data"]["items"].as_array().context("items")?.clone())
    };
    let last = feed(None).await?.last().map(|event| event["id"].as_str().unwrap_or_default().to_owned());
    let mut made = Vec::new();
    for n in 0..6 {
        let node = if n % 2 == 0 { &three.ahead } else { &three.behind };
        let hands = three.at(node);
        let answer = hands.client.cashier(&bodies::payone("PAYIN", &format!("{}.00", 200 + n))).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        let id = answer.text("/transaction/transactionId").to_owned();
        hands.ends_as(&id, "Approved", "success", LIMIT).await?;
        hands.webhooks(&id, &["Approved"], LIMIT).await?;
        made.push(id);
    }
    let until = Instant::now() + LIMIT;
    let about = |event: &serde_json::Value| event["body"]["transaction_id"].as_str().unwrap_or_default().to_owned();
    // Events of payments before may come into the feed only now: a round is shown once it is closed.
    let of_feed = loop {
        let shown: Vec<String> = feed(last.clone()).await?.iter().map(about).filter(|id| made.contains(id)).collect();
        if shown.len() >= made.len() {
            break shown;
        }
        ensure!(Instant::now() < until, "{} events", shown.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    ensure!(of_feed == made, "the feed: {of_feed:?}, made: {made:?}");
    let list = client.read("/v1/api/mozarto/transactions?limit=6").await?;
    let items = list.body["data"]["items"].as_array().context("items")?;
    let listed: Vec<&str> = items.iter().rev().map(|item| item["transactionId"].as_str().unwrap_or_default()).collect();
    ensure!(listed == made, "the list: {listed:?}, made: {made:?}");
    Ok(())
}

/// An endpoint that refuses is asked again in its time, and not switched off for six days that never were.
async fn retries_keep_their_time(three: &Three) -> Result<()> {
    let hands = three.at(&three.ahead);
    let (endpoint, url) = Endpoint::start().await?;
    hands.client.set_webhooks(&url, &["PAYONE"]).await?;
    // The others see a change within a second.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let answer = hands.client.cashier(&bodies::payone("PAYIN", "77.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = answer.text("/transaction/transactionId");
    hands.ends_as(id, "Approved", "success", LIMIT).await?;
    let asked = match endpoint.asked(2, Duration::from_secs(30)).await {
        Ok(asked) => asked,
        Err(error) => anyhow::bail!("{error}: {}", hands.managed(id).await?),
    };
    let waited = asked[1] - asked[0];
    ensure!((Duration::from_millis(3_500)..Duration::from_secs(9)).contains(&waited), "asked again after {waited:?}");
    // And back, between two attempts.
    three.walls[0].set("+6d")?;
    three.walls[1].set("-2h")?;
    let asked = endpoint.asked(3, Duration::from_secs(50)).await?;
    let waited = asked[2] - asked[1];
    ensure!((Duration::from_secs(20)..Duration::from_secs(42)).contains(&waited), "asked again after {waited:?}");
    endpoint.refuses.store(false, Ordering::SeqCst);
    let deliveries = hands.client.manage("GET", &format!("/deliveries?transactionId={id}"), None).await?;
    ensure!(deliveries.status == 200 && !deliveries.body.to_string().contains("disabled"), "{}", deliveries.body);
    Ok(())
}

/// The only process of an embedded store: its clock is put back and forward while it runs, and is wrong when it starts again.
#[tokio::test(flavor = "multi_thread")]
async fn the_only_process() {
    let rows = async {
        for (while_running, at_restart) in [("-2h", "-2h"), ("+6d", "+6d"), ("+0", "-2h"), ("+0", "+6d")] {
            one(while_running, at_restart).await.with_context(|| format!("{while_running}, then {at_restart}"))?;
        }
        Ok(())
    };
    rows.await.map_err(|error: anyhow::Error| format!("{error:#}")).unwrap();
}

/// A company token as a merchant's server signs it at that moment, Unix seconds; good for five minutes.
fn self_signed(sandbox: &Sandbox, at: i64) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({"alg": "HS256", "typ": "JWT", "kid": sandbox.text("apiKey")}));
    let signed = format!("{head}.{}", part(json!({"iat": at, "exp": at + 300})));
    let key = hmac::Key::new(hmac::HMAC_SHA256, sandbox.text("apiSecret").as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}

async fn one(while_running: &str, at_restart: &str) -> Result<()> {
    let data = tempfile::tempdir()?;
    let wall = Wall::new(data.path(), "wall", "+0")?;
    let mut options = Options::new(BINARY, data.path()).auto_settle(50).variable("MOZARTO_LOG", "off");
    options.variables.extend(wall.variables());
    let mut sandbox = Sandbox::start(options.clone()).await?;
    let (endpoint, url) = Endpoint::start().await?;
    let client = Client::of(&sandbox);
    client.set_webhooks(&url, &["PAYONE"]).await?;
    let answer = client.cashier(&bodies::payone("PAYIN", "101.00")).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let id = answer.text("/transaction/transactionId").to_owned();
    endpoint.asked(1, LIMIT).await?;
    wall.set(while_running)?;
    let asked = endpoint.asked(2, Duration::from_secs(30)).await?;
    let waited = asked[1] - asked[0];
    ensure!((Duration::from_millis(3_500)..Duration::from_secs(9)).contains(&waited), "asked again after {waited:?}");
    // Dates are the clock's as it is now, for whoever looks at a clock that is right.
    let off_s = match while_running {
        "-2h" => -7_200,
        "+6d" => 6 * 86_400,
        _ => 0,
    };
    let date = jiff::Timestamp::now().as_second() + off_s;
    let dated = *endpoint.dated.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!((dated - date).abs() < 30, "a webhook is dated {dated}, and it is {date}");
    let mut right = client.clone();
    right.company_token = self_signed(&sandbox, date);
    let listed = right.status(&id).await?;
    ensure!(listed.status == 200, "a token of now: {} {}", listed.status, listed.body);
    sandbox.kill().await?;
    wall.set(at_restart)?;
    let sandbox = Sandbox::start(options).await?;
    let began = Instant::now();
    // Due in half a minute at the most, whatever the clock says now.
    endpoint.asked(3, Duration::from_secs(45)).await.with_context(|| format!("{:?} after the start", began.elapsed()))?;
    endpoint.refuses.store(false, Ordering::SeqCst);
    let client = Client::of(&sandbox);
    let deliveries = client.manage("GET", &format!("/deliveries?transactionId={id}"), None).await?;
    ensure!(deliveries.status == 200 && !deliveries.body.to_string().contains("disabled"), "{}", deliveries.body);
    let ready = client.read("/readyz").await?;
    ensure!(ready.status == 200, "{}", ready.body);
    // What is new goes on as ever.
    let answer = client.cashier(&bodies::payone("PAYIN", "102.00")).await?;
    let new = answer.text("/transaction/transactionId").to_owned();
    client.wait_for(&new, &["Approved"], LIMIT).await?;
    Ok(())
}
