//! `mozarto serve` beside a sandbox, over the sandbox's PostgreSQL, with whatever a test does to its environment.

use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use testkit::client::{Answer, Client};
use testkit::sandbox::Sandbox;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_mozarto");
const LIMIT: Duration = Duration::from_secs(45);
/// 32 bytes in hex; of no other use.
pub(crate) const MASTER_KEY: &str = "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f";

/// The binary with nothing of ours in its environment but this.
pub(crate) fn mozarto(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MOZARTO_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command.env("MOZARTO_ENVIRONMENT", "sandbox").env("MOZARTO_PUBLIC_URL", "https://pay.example");
    command.env("MOZARTO_LISTEN", "127.0.0.1:0").env("MOZARTO_MASTER_KEY", MASTER_KEY);
    command
}

/// What it says when it ends with 1.
pub(crate) async fn refusal(mut command: Command) -> Result<String> {
    let output = tokio::time::timeout(LIMIT, command.output()).await.context("it goes on running")??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1) && !said.contains("panicked"), "exit code {:?}: {said}", output.status.code());
    Ok(said)
}

/// An address of this machine that nobody listens on.
pub(crate) fn free() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// What `/metrics` of that listener says of a gauge without labels, a whole number.
pub(crate) async fn gauge(metrics: SocketAddr, name: &str) -> Result<i64> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?;
    let text = http.get(format!("http://{metrics}/metrics")).send().await?.error_for_status()?.text().await?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.with_context(|| format!("{name} is not in: {text}"))?.parse().with_context(|| format!("{name}: {value:?}"))
}

/// A process; killed when dropped.
pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) base: String,
    /// Where its `/metrics` is, unless it was told otherwise.
    pub(crate) metrics: SocketAddr,
    log: PathBuf,
    _directory: tempfile::TempDir,
}

impl Node {
    /// Over the database of a sandbox, with its key.
    pub(crate) async fn beside(sandbox: &Sandbox, database: &str, set: impl FnOnce(&mut Command)) -> Result<Self> {
        let key = sandbox.data().join("master.key");
        let base = sandbox.text("baseUrl").to_owned();
        let simulators = sandbox.text("simulatorUrl").to_owned();
        Self::start(move |command| {
            command.env_remove("MOZARTO_MASTER_KEY").env("MOZARTO_MASTER_KEY_FILE", key);
            command.env("MOZARTO_DATABASE", database).env("MOZARTO_PUBLIC_URL", base);
            for (provider, path) in [("PAYONE", "/payone"), ("FORUMPAY", "/forumpay/pay/v2"), ("FLEXEPIN", "/flexepin")] {
                command.env(format!("MOZARTO_PROVIDERS_{provider}_BASE_URL"), format!("{simulators}{path}"));
            }
            set(command);
        })
        .await
    }

    /// By itself.
    pub(crate) async fn start(set: impl FnOnce(&mut Command)) -> Result<Self> {
        Self::spawn(set)?.ready().await
    }

    /// A process that has just begun.
    pub(crate) fn spawn(set: impl FnOnce(&mut Command)) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let log = directory.path().join("log");
        let (address, metrics) = (free()?, free()?);
        let mut command = mozarto(&["serve"]);
        command.env("MOZARTO_LISTEN", address.to_string()).env("MOZARTO_DATA", directory.path().join("data"));
        command.env("MOZARTO_METRICS_LISTEN", metrics.to_string());
        set(&mut command);
        let child = command.stderr(std::fs::File::create(&log)?).spawn().context("starting a process")?;
        Ok(Self { child, base: format!("http://{address}"), metrics, log, _directory: directory })
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(mut self) -> Result<Self> {
        let until = Instant::now() + LIMIT;
        while !self.get("/readyz").await.is_ok_and(|answer| answer.status == 200) {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended: {status}: {}", self.said());
            }
            ensure!(Instant::now() < until, "it is not ready: {}", self.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(self)
    }

    /// What it has logged.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How many lines of its log say that.
    pub(crate) fn lines(&self, text: &str) -> usize {
        self.said().lines().filter(|line| line.contains(text)).count()
    }

    /// Asks it for something that needs no token.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?;
        let response = http.get(format!("{}{path}", self.base)).send().await?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await?.to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { status, headers: Vec::new(), bytes, body })
    }

    /// Asks `readyz` until it answers with that status.
    pub(crate) async fn becomes(&self, status: u16, limit: Duration) -> Result<Answer> {
        let until = Instant::now() + limit;
        loop {
            let answer = self.get("/readyz").await?;
            if answer.status == status {
                return Ok(answer);
            }
            ensure!(Instant::now() < until, "{} instead of {status}: {}: {}", answer.status, answer.body, self.said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The sandbox's caller, speaking to this process.
    pub(crate) fn client(&self, sandbox: &Sandbox) -> Client {
        let mut client = Client::of(sandbox);
        client.base.clone_from(&self.base);
        client
    }
}

/// An address that leads to one server and then to another.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    to: Arc<AtomicU16>,
    open: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Self { port: listener.local_addr()?.port(), to: Arc::new(AtomicU16::new(port)), open: Arc::default() };
        let (to, open) = (proxy.to.clone(), proxy.open.clone());
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let port = to.load(Ordering::SeqCst);
                let carried = tokio::spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await {
                        let _ = tokio::io::copy_bidirectional(&mut from, &mut server).await;
                    }
                });
                open.lock().unwrap_or_else(PoisonError::into_inner).push(carried);
            }
        });
        Ok(proxy)
    }

    /// From now on to that server; what is open is cut.
    pub(crate) fn lead_to(&self, port: u16) {
        self.to.store(port, Ordering::SeqCst);
        for carried in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            carried.abort();
        }
    }
}

/// The address of a database by another port.
pub(crate) fn by_port(url: &str, port: u16) -> String {
    let (head, tail) = url.rsplit_once(':').expect("an address with a port");
    let database = tail.split_once('/').map_or("", |(_, database)| database);
    format!("{head}:{port}/{database}")
}

/// A file of a test, for a server that runs as somebody else.
pub(crate) fn for_the_server(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    if let Some((user, group)) = testkit::postgres::server_user() {
        std::os::unix::fs::chown(path, Some(user), Some(group))?;
    }
    Ok(())
}
