//! `cargo xtask shares`: one company, provider or peer at its worst, the attacker pinned to one core; what the others notice, against a baseline with an equal
//! idle burner on that core.

use crate::install;
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};
use testkit::sandbox::{Options, Sandbox};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

/// Pay-ins per second of those that must not notice.
const OTHERS_RATE: u64 = 25;
/// Their p99 may be so many times the baseline's.
const RATIO_MAX: u128 = 2;
/// Below this, a p99 is the machine's jitter and nobody's harm, milliseconds.
const JITTER_MS: u128 = 10;
/// Memory of the whole sandbox, KiB.
const MEMORY_MAX_KIB: u64 = 512 * 1024;
/// The core of the attacker.
const CORE: &str = "0";
/// Calls of the attacks.
const SILENT_CALLS: usize = 1_100;
const HANG_UPS: usize = 20_000;
const HALF_OPEN: usize = 4_200;

/// The command's settings.
#[derive(Debug, Args)]
pub(crate) struct SharesArgs {
    /// How long each run lasts, seconds.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// The program to attack; without it one is built for release.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// The settings of the process that attacks.
#[derive(Debug, Args)]
pub(crate) struct AttackArgs {
    #[arg(long)]
    kind: Attack,
    /// The platform.
    #[arg(long)]
    at: SocketAddr,
}

/// What is done.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum Attack {
    /// Calls to a silent provider by another company.
    SilentCompany,
    /// Calls to a silent provider by the same company.
    SilentProvider,
    /// Clients that hang up.
    HangUp,
    /// Half-open connections of one address.
    HalfOpen,
}

const ATTACKS: [Attack; 4] = [Attack::SilentCompany, Attack::SilentProvider, Attack::HangUp, Attack::HalfOpen];

/// Runs every attack, each on a fresh sandbox.
pub(crate) fn run(args: &SharesArgs) -> Result<()> {
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => {
            install::run("cargo", &["build", "--release", "--bin", "mozarto"])?;
            let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
            Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(target).join("release").join("mozarto")
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut broken = Vec::new();
    for attack in ATTACKS {
        let result = runtime.block_on(one(attack, &binary, Duration::from_secs(args.seconds)));
        if let Err(error) = result {
            println!("{attack:?}: BROKEN: {error:#}");
            broken.push(attack);
        }
    }
    ensure!(broken.is_empty(), "broken: {broken:?}");
    Ok(())
}

/// A process on the attacker's core; killed with the value.
struct Pinned(Child);

impl Pinned {
    fn start(program: &Path, arguments: &[String], tokens: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", CORE]).arg(program).args(arguments).envs(tokens.iter().copied()).stdin(Stdio::null());
        Ok(Self(command.spawn().context("taskset (Debian's util-linux)")?))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn one(attack: Attack, binary: &Path, length: Duration) -> Result<()> {
    let data = tempfile::tempdir()?;
    let made = Command::new(binary)
        .args(["company", "create", "--name", "Other Ltd", "--country", "DE", "--json", "--data"])
        .arg(data.path())
        .output()?;
    let other: Value =
        serde_json::from_slice(&made.stdout).with_context(|| String::from_utf8_lossy(&made.stderr).into_owned())?;
    let sandbox = Sandbox::start(Options::new(binary, data.path()).auto_settle(200)).await?;
    let client = Client::of(&sandbox);
    let attacker =
        if attack == Attack::SilentProvider { client.company_token.clone() } else { with_account(&client, &other).await? };

    measure(&client, Duration::from_secs(3)).await.context("warming up")?;
    let burner = Pinned::start(Path::new("sh"), &["-c".to_owned(), "while :; do :; done".to_owned()], &[])?;
    let before = measure(&client, length).await.context("the baseline")?;
    drop(burner);

    let this = std::env::current_exe()?;
    let arguments =
        ["shares-attack", "--kind", &kind_name(attack), "--at", client.base.trim_start_matches("http://")].map(str::to_owned);
    let tokens = [("ATTACK_TOKEN", attacker.as_str()), ("ATTACK_USER", client.user_token.as_str())];
    let running = Pinned::start(&this, &arguments, &tokens)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let during = measure(&client, length).await.context("during the attack")?;
    drop(running);
    let memory_kib = high_water_kib(sandbox.process_id().context("it ended")?)?;
    println!(
        "{attack:?}: p50 {} -> {} ms, p99 {} -> {} ms over {} pay-ins; Management p99 {} -> {} ms; {} MiB at most",
        before.p50_ms,
        during.p50_ms,
        before.p99_ms,
        during.p99_ms,
        during.count,
        before.managing_p99_ms,
        during.managing_p99_ms,
        memory_kib / 1024
    );
    let bearable = (before.p99_ms * RATIO_MAX).max(JITTER_MS);
    ensure!(during.p99_ms <= bearable, "the others' p99 is {} ms instead of at most {bearable}", during.p99_ms);
    ensure!(memory_kib <= MEMORY_MAX_KIB, "{} MiB", memory_kib / 1024);
    Ok(())
}

fn kind_name(attack: Attack) -> String {
    attack.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// An account at the provider that will be silent; answers the company's token.
async fn with_account(of_demo: &Client, company: &Value) -> Result<String> {
    let text = |name: &str| company[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
    let mut client = of_demo.clone();
    client.management_token = text("managementToken")?;
    let config = json!({
        "accountName": "Demo company", "apiKey": "payone-demo-key-0001", "webhookUrl": "https://other.example/",
        "siteUrl": "https://other.example/", "baseUrl": format!("{}/payone", client.simulator),
    });
    let made = client.manage("POST", "/payment-methods", Some(json!({"pspType": "PAYONE", "config": config}))).await?;
    ensure!(made.status == 200, "{}", made.body);
    let action = json!({"route": [], "hold": false});
    let every = json!({"pspTypes": [], "brandIds": [], "types": []});
    let rule = json!({"name": "All", "priority": 1, "active": true, "match": every, "action": action});
    let made = client.manage("POST", "/rules", Some(rule)).await?;
    ensure!(made.status == 200, "{}", made.body);
    text("companyToken")
}

/// What the others saw.
struct Seen {
    count: usize,
    p50_ms: u128,
    p99_ms: u128,
    managing_p99_ms: u128,
}

/// Pay-ins of the others at their rate (each at its time, whatever became of the one before), with a list and an approval by Management twice a second. Every
/// one must be answered.
async fn measure(client: &Client, length: Duration) -> Result<Seen> {
    let began = Instant::now();
    let mut calls = Vec::new();
    let mut managing = Vec::new();
    for n in 0..length.as_secs() * OTHERS_RATE {
        let at = began + Duration::from_millis(n * 1_000 / OTHERS_RATE);
        tokio::time::sleep_until(at.into()).await;
        let one = client.clone();
        calls.push(tokio::spawn(async move {
            let answer = one.cashier(&bodies::forumpay_in("100.00")).await?;
            ensure!(answer.status == 200, "a pay-in of the others: {} {}", answer.status, answer.body);
            anyhow::Ok(at.elapsed())
        }));
        if n % (OTHERS_RATE / 2) == 0 {
            let one = client.clone();
            managing.push(tokio::spawn(async move { manage(&one).await }));
        }
    }
    let (mut took, mut managed) = (Vec::new(), Vec::new());
    for call in calls {
        took.push(call.await??);
    }
    for call in managing {
        managed.push(call.await??);
    }
    took.sort_unstable();
    managed.sort_unstable();
    let at = |times: &[Duration], percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].as_millis();
    Ok(Seen { count: took.len(), p50_ms: at(&took, 50), p99_ms: at(&took, 99), managing_p99_ms: at(&managed, 99) })
}

async fn manage(client: &Client) -> Result<Duration> {
    let held = client.cashier(&bodies::forumpay_out("100.00")).await?;
    ensure!(held.status == 200, "a pay-out of the others: {} {}", held.status, held.body);
    let began = Instant::now();
    let list = client.manage("GET", "/approvals", None).await?;
    ensure!(list.status == 200, "the approvals: {} {}", list.status, list.body);
    let id = held.text("/transaction/transactionId");
    let approved = client.manage("POST", &format!("/approvals/{id}/approve"), Some(json!({}))).await?;
    ensure!(approved.status == 200, "an approval: {} {}", approved.status, approved.body);
    Ok(began.elapsed())
}

fn high_water_kib(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// The process that attacks, until it is killed.
pub(crate) fn attack(args: &AttackArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let token = |name: &str| std::env::var(name).with_context(|| format!("no {name}"));
    let request: Arc<[u8]> = cashier_call(&token("ATTACK_TOKEN")?, &token("ATTACK_USER")?).into();
    let (kind, at) = (args.kind, args.at);
    runtime.block_on(async move {
        let (calls, at_once) = match kind {
            Attack::SilentCompany | Attack::SilentProvider => (SILENT_CALLS, SILENT_CALLS),
            Attack::HangUp => (HANG_UPS, 400),
            Attack::HalfOpen => (HALF_OPEN, HALF_OPEN),
        };
        let slots = Arc::new(Semaphore::new(at_once));
        let mut n = 0;
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else { return Ok(()) };
            let request = Arc::clone(&request);
            tokio::spawn(async move {
                // Whatever comes of it; who is refused comes again when he was told to.
                let _ = strike(kind, at, n, &request).await;
                if kind != Attack::HangUp {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                drop(slot);
            });
            n += 1;
            if kind == Attack::HangUp && n >= calls {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
            }
        }
    })
}

fn cashier_call(company: &str, user: &str) -> Vec<u8> {
    let body = bodies::payone("PAYIN", "100.05");
    format!(
        "POST /v1/api/mozarto/cashier HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {company}\r\nx-user-token: Bearer {user}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A connection from one of some addresses: as many as the attack needs to reach what it is after.
async fn connect(kind: Attack, at: SocketAddr, n: usize) -> Result<TcpStream> {
    let addresses = if kind == Attack::HalfOpen { 1 } else { 8 };
    let from = Ipv4Addr::new(127, 0, 1, u8::try_from(n % addresses)? + 1);
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    Ok(socket.connect(at).await?)
}

async fn strike(kind: Attack, at: SocketAddr, n: usize, request: &[u8]) -> Result<()> {
    let mut stream = connect(kind, at, n).await?;
    match kind {
        Attack::HalfOpen => stream.write_all(&request[..n % 80]).await?,
        _ => stream.write_all(request).await?,
    }
    if kind == Attack::HangUp {
        tokio::time::sleep(Duration::from_millis(5)).await;
        return Ok(stream.set_zero_linger()?);
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(())
}
