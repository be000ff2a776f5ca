//! The attacker: a process of its own on one core, which says again and again what it has done.

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use testkit::client::bodies;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, Interval};

/// Who is refused comes again when he was told to.
const RETRY: Duration = Duration::from_secs(1);
/// A client that hangs up does so after this.
const PATIENCE: Duration = Duration::from_millis(5);
/// Of so many clients that hang up one waits for its answer.
const ONE_WAITS: usize = 50;
/// How often the attacker says what it has done.
const TOLD_EVERY: Duration = Duration::from_millis(200);
/// Connections of one address: what a peer may have. More come from more addresses.
const OF_ONE_ADDRESS: usize = 256;
/// An answer's head is not longer.
const HEAD_MAX: usize = 8 * 1024;

/// What is done.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(super) enum Attack {
    /// Another company calls a silent provider.
    SilentCompany,
    /// The same company calls a silent provider.
    SilentProvider,
    /// Clients hang up.
    HangUp,
    /// Half-open connections of one address.
    HalfOpen,
    /// Callbacks of one token.
    Callbacks,
    /// Callbacks to an account's address, all about one payment.
    AccountCallbacks,
    /// Callbacks to addresses that nobody was given.
    StrangeCallbacks,
}

impl Attack {
    pub(super) const ALL: [Self; 7] = [
        Self::SilentCompany,
        Self::SilentProvider,
        Self::HangUp,
        Self::HalfOpen,
        Self::Callbacks,
        Self::AccountCallbacks,
        Self::StrangeCallbacks,
    ];

    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// As the table says it.
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::SilentCompany => "1,100 calls of another company to a silent provider",
            Self::SilentProvider => "1,100 calls of the same company to a silent provider",
            Self::HangUp => "20,000 clients that hang up",
            Self::HalfOpen => "4,200 half-open connections of one peer",
            Self::Callbacks => "100,000 callbacks of one token",
            Self::AccountCallbacks => "100,000 callbacks of one account's address",
            Self::StrangeCallbacks => "100,000 callbacks of tokens that there are not",
        }
    }

    /// So many calls at least.
    pub(super) const fn calls(self) -> u64 {
        match self {
            Self::SilentCompany | Self::SilentProvider => 1_100,
            Self::HangUp => 20_000,
            Self::HalfOpen => 4_200,
            Self::Callbacks | Self::AccountCallbacks | Self::StrangeCallbacks => 100_000,
        }
    }

    /// So many at once.
    const fn lanes(self) -> usize {
        match self {
            Self::SilentCompany | Self::SilentProvider => 1_100,
            Self::HangUp => 256,
            Self::HalfOpen => 4_200,
            Self::Callbacks | Self::AccountCallbacks | Self::StrangeCallbacks => 64,
        }
    }

    /// The answers that there may be.
    pub(super) const fn answers(self) -> &'static [&'static str] {
        match self {
            // A call that a silent provider swallowed ends as a failed payment: 200 or the provider's error.
            Self::SilentCompany | Self::SilentProvider | Self::HangUp => &["200", "422", "429", "502", "503", "504", "closed"],
            Self::HalfOpen => &["408", "429", "503", "closed"],
            Self::Callbacks | Self::AccountCallbacks => &["200", "429"],
            Self::StrangeCallbacks => &["404", "429"],
        }
    }
}

/// Whom.
pub(super) struct Target {
    pub(super) base: String,
    pub(super) company_token: String,
    pub(super) user_token: String,
    /// Where callbacks go.
    pub(super) callbacks: Option<Callbacks>,
    /// Over how long calls that are not all made at once are spread; zero: as fast as the core can.
    pub(super) spread: Duration,
}

/// Where callbacks go.
pub(super) struct Callbacks {
    pub(super) path: String,
    /// The payment that they name.
    pub(super) about: String,
}

/// What it has done so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    /// Of 429 and 503.
    pub(super) without_retry_after: u64,
    /// By status; `closed`: none came.
    answers: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn refused(&self) -> u64 {
        ["429", "503"].iter().filter_map(|status| self.answers.get(*status)).sum()
    }

    /// Answers that are none of these.
    pub(super) fn others_than(&self, known: &[&str]) -> Vec<String> {
        self.answers.keys().filter(|status| !known.contains(&status.as_str())).cloned().collect()
    }

    fn write(&self) -> Value {
        json!({"sent": self.sent, "withoutRetryAfter": self.without_retry_after, "answers": self.answers})
    }

    fn read(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let answers = value["answers"].as_object()?.iter().filter_map(|(name, n)| Some((name.clone(), n.as_u64()?))).collect();
        Some(Self { sent: value["sent"].as_u64()?, without_retry_after: value["withoutRetryAfter"].as_u64()?, answers })
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} sent", self.sent)?;
        self.answers.iter().try_for_each(|(status, count)| write!(f, ", {count} x {status}"))
    }
}

/// The process; killed with the value.
pub(super) struct Attacker {
    process: Child,
    said: Arc<Mutex<Tally>>,
}

impl Attacker {
    /// Starts it on this core.
    pub(super) fn start(core: &str, attack: Attack, target: &Target) -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", core]).arg(std::env::current_exe()?).args(["shares-attack", "--kind", &attack.name()]);
        command.args(["--at", target.base.trim_start_matches("http://")]);
        command.args(["--spread-ms", &target.spread.as_millis().to_string()]);
        if let Some(Callbacks { path, about }) = &target.callbacks {
            command.args(["--callbacks", path, "--about", about]);
        }
        command.env("ATTACK_TOKEN", &target.company_token).env("ATTACK_USER", &target.user_token);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("taskset (Debian's util-linux)")?;
        let lines = BufReader::new(process.stdout.take().context("its output")?).lines();
        let said = Arc::new(Mutex::new(Tally::default()));
        let heard = said.clone();
        std::thread::spawn(move || {
            for tally in lines.map_while(Result::ok).filter_map(|line| Tally::read(&line)) {
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = tally;
            }
        });
        Ok(Self { process, said })
    }

    /// What it said last.
    pub(super) fn tally(&self) -> Tally {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it; what it said last.
    pub(super) fn stop(mut self) -> Result<Tally> {
        ensure!(self.process.try_wait()?.is_none(), "the attacker ended before it was told to");
        Ok(self.tally())
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The settings of the process that attacks.
#[derive(Debug, Args)]
pub(crate) struct AttackArgs {
    #[arg(long)]
    kind: Attack,
    /// The platform.
    #[arg(long)]
    at: SocketAddr,
    /// The path that callbacks go to.
    #[arg(long)]
    callbacks: Option<String>,
    /// The payment that callbacks name.
    #[arg(long)]
    about: Option<String>,
    /// Over how long calls that are not all made at once are spread, milliseconds; 0: not at all.
    #[arg(long)]
    spread_ms: u64,
}

/// What a lane needs.
struct Lane {
    kind: Attack,
    at: SocketAddr,
    /// The Cashier call.
    call: Vec<u8>,
    path: String,
    about: String,
    /// Over how long calls that are not all made at once are spread, milliseconds; 0: not at all.
    spread_ms: u64,
    tally: Mutex<Tally>,
}

/// The process that attacks, until it is killed.
pub(crate) fn attack(args: &AttackArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let token = |name: &str| std::env::var(name).with_context(|| format!("no {name}"));
    let lane = Arc::new(Lane {
        kind: args.kind,
        at: args.at,
        call: cashier_call(&token("ATTACK_TOKEN")?, &token("ATTACK_USER")?),
        path: args.callbacks.clone().unwrap_or_default(),
        about: args.about.clone().unwrap_or_default(),
        spread_ms: args.spread_ms,
        tally: Mutex::default(),
    });
    runtime.block_on(async move {
        for n in 0..args.kind.lanes() {
            tokio::spawn(lane.clone().run(n));
        }
        loop {
            tokio::time::sleep(TOLD_EVERY).await;
            let told = lane.tally.lock().unwrap_or_else(PoisonError::into_inner).write();
            println!("{told}");
        }
    })
}

impl Lane {
    async fn run(self: Arc<Self>, n: usize) {
        // The callbacks of a lane share a connection, and pace themselves.
        let mut due = self.due(n);
        for round in 0.. {
            if self.kind == Attack::HangUp {
                due.tick().await;
            }
            // A connection that fails is a refusal, too; the next one comes as after any.
            let refused = match self.kind {
                Attack::SilentCompany | Attack::SilentProvider => self.ask(n).await,
                Attack::HangUp => self.hang_up(n, round).await,
                Attack::HalfOpen => self.half_open(n).await,
                Attack::Callbacks | Attack::AccountCallbacks | Attack::StrangeCallbacks => self.callbacks(n, &mut due).await,
            };
            if refused.unwrap_or(true) && self.kind != Attack::HangUp {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// When a lane's calls are due, so that all lanes together make the attack's calls within its time.
    fn due(&self, n: usize) -> Interval {
        let lanes = u64::try_from(self.kind.lanes()).unwrap_or(u64::MAX);
        let micros = self.spread_ms * 1_000 / self.kind.calls().max(1);
        let period = Duration::from_micros((micros * lanes).max(1));
        let first = Instant::now() + Duration::from_micros(micros * u64::try_from(n).unwrap_or_default());
        tokio::time::interval_at(first, period)
    }

    async fn connect(&self, n: usize) -> Result<TcpStream> {
        // Half-open ones are all of one peer.
        let address = if self.kind == Attack::HalfOpen { 0 } else { n / OF_ONE_ADDRESS };
        let from = Ipv4Addr::new(127, 0, 1, u8::try_from(address)? + 1);
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
        let stream = socket.connect(self.at).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn sent(&self) {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).sent += 1;
    }

    /// Notes an answer's head. Answers whether it is a refusal.
    fn note(&self, head: &[u8]) -> bool {
        let text = String::from_utf8_lossy(head).to_ascii_lowercase();
        let status = text.strip_prefix("http/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or("closed").to_owned();
        let refused = status == "429" || status == "503";
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.without_retry_after += u64::from(refused && !text.contains("\r\nretry-after: "));
        *tally.answers.entry(status.clone()).or_default() += 1;
        refused || status == "closed"
    }

    async fn read_to_end(&self, mut stream: TcpStream) -> bool {
        let mut answer = Vec::new();
        // A reset after an answer leaves the answer.
        let _ = stream.read_to_end(&mut answer).await;
        answer.truncate(HEAD_MAX);
        self.note(&answer)
    }

    async fn ask(&self, n: usize) -> Result<bool> {
        let mut stream = self.connect(n).await?;
        self.sent();
        stream.write_all(&self.call).await?;
        Ok(self.read_to_end(stream).await)
    }

    async fn hang_up(&self, n: usize, round: usize) -> Result<bool> {
        let mut stream = self.connect(n).await?;
        self.sent();
        stream.write_all(&self.call).await?;
        if (n + round).is_multiple_of(ONE_WAITS) {
            return Ok(self.read_to_end(stream).await);
        }
        tokio::time::sleep(PATIENCE).await;
        stream.set_zero_linger()?;
        Ok(false)
    }

    async fn half_open(&self, n: usize) -> Result<bool> {
        let mut stream = self.connect(n).await?;
        self.sent();
        let _ = stream.write_all(&self.call[..n % 80]).await;
        Ok(self.read_to_end(stream).await)
    }

    /// Callbacks that all say something else, one after the other on one connection.
    async fn callbacks(&self, n: usize, due: &mut Interval) -> Result<bool> {
        let mut stream = self.connect(n).await?;
        let mut buffer = vec![0; HEAD_MAX];
        for round in 0_u64.. {
            due.tick().await;
            let body = match self.kind {
                Attack::AccountCallbacks => format!(r#"{{"transactionId":"{}","type":"ETO","n":"{n}-{round}"}}"#, self.about),
                _ => format!(r#"{{"merchant_id":"m","transaction_id":"{n}-{round}","transaction_state":1}}"#),
            };
            let path = match self.kind {
                Attack::StrangeCallbacks => format!("{}{n}-{round}", self.path),
                _ => self.path.clone(),
            };
            let call = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(call.as_bytes()).await?;
            self.sent();
            let length = stream.read(&mut buffer).await?;
            self.note(&buffer[..length]);
            if length == 0 {
                break;
            }
        }
        Ok(true)
    }
}

fn cashier_call(company: &str, user: &str) -> Vec<u8> {
    // The provider's simulator says nothing to this amount.
    let body = bodies::payone("PAYIN", "100.05");
    format!(
        "POST /v1/api/mozarto/cashier HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {company}\r\nx-user-token: Bearer {user}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
