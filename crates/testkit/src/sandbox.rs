//! `mozarto sandbox --json` as a child process.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A start that takes longer than this has failed.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How to start it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The binary.
    pub binary: PathBuf,
    /// The data directory; it must outlive the process for a restart to mean anything.
    pub data: PathBuf,
    /// `postgres://...` instead of the embedded store.
    pub database: Option<String>,
    /// `--auto-settle`.
    pub auto_settle_ms: Option<u64>,
    /// `--time-scale`.
    pub time_scale: u32,
    /// Further variables of the environment.
    pub variables: Vec<(String, String)>,
    /// Where its standard error goes; `None`: to the test's.
    pub log: Option<PathBuf>,
}

impl Options {
    /// The embedded store in `data`, nothing settled by itself, time as it is.
    pub fn new(binary: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            data: data.into(),
            database: None,
            auto_settle_ms: None,
            time_scale: 1,
            variables: Vec::new(),
            log: None,
        }
    }

    /// With `--auto-settle`.
    #[must_use]
    pub fn auto_settle(mut self, ms: u64) -> Self {
        self.auto_settle_ms = Some(ms);
        self
    }

    /// With `--time-scale`.
    #[must_use]
    pub fn time_scale(mut self, scale: u32) -> Self {
        self.time_scale = scale;
        self
    }

    /// Over PostgreSQL.
    #[must_use]
    pub fn database(mut self, url: impl Into<String>) -> Self {
        self.database = Some(url.into());
        self
    }

    /// Everything that it logs, at every level, into a file.
    #[must_use]
    pub fn trace_into(mut self, file: impl Into<PathBuf>) -> Self {
        self.log = Some(file.into());
        self.variable("MOZARTO_LOG", "trace")
    }

    /// With a variable in its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running sandbox. Dropping it kills it.
#[derive(Debug)]
pub struct Sandbox {
    child: Child,
    /// The line that it printed.
    pub line: Value,
    /// What it was started with.
    pub options: Options,
    /// From the start of the process to the line.
    pub start_took: Duration,
}

impl Sandbox {
    /// Starts it and waits for its line.
    ///
    /// # Errors
    /// When it does not say that it is ready within a minute.
    pub async fn start(options: Options) -> Result<Self> {
        let began = Instant::now();
        let mut command = Command::new(&options.binary);
        command.args(["sandbox", "--json", "--port", "0", "--simulator-port", "0", "--shop-port", "0"]);
        command.arg("--data").arg(&options.data);
        command.args(["--time-scale", &options.time_scale.to_string()]);
        if let Some(ms) = options.auto_settle_ms {
            command.args(["--auto-settle", &ms.to_string()]);
        }
        if let Some(url) = &options.database {
            command.args(["--database", url]);
        }
        for (name, value) in &options.variables {
            command.env(name, value);
        }
        if let Some(file) = &options.log {
            let file = std::fs::File::options().create(true).append(true).open(file).context("the log file")?;
            command.stderr(file);
        }
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().context("starting the sandbox")?;
        let stdout = child.stdout.take().context("the sandbox's output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line =
            tokio::time::timeout(START_LIMIT, lines.next_line()).await.context("the sandbox takes too long to start")??;
        let Some(line) = line else {
            let status = child.wait().await?;
            bail!("the sandbox ended before it was ready: {status}");
        };
        let line: Value = serde_json::from_str(&line).with_context(|| format!("the sandbox's line is no JSON: {line}"))?;
        if line["ready"] != Value::Bool(true) {
            bail!("the sandbox does not say that it is ready: {line}");
        }
        Ok(Self { child, line, options, start_took: began.elapsed() })
    }

    /// A text of the line.
    ///
    /// # Panics
    /// When the line has no such text: the line is a contract.
    pub fn text(&self, name: &str) -> &str {
        self.line[name].as_str().unwrap_or_else(|| panic!("the sandbox's line has no text {name}: {}", self.line))
    }

    /// kill -9.
    ///
    /// # Errors
    /// When the process is gone already.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("killing the sandbox")
    }

    /// kill -9, then a start with the same data.
    ///
    /// # Errors
    /// As [`Sandbox::start`].
    pub async fn kill_and_restart(mut self) -> Result<Self> {
        self.kill().await?;
        Self::start(self.options.clone()).await
    }

    /// SIGTERM; answers the exit status and how long it took.
    ///
    /// # Errors
    /// When the process cannot be signalled or waited for.
    pub async fn terminate(&mut self) -> Result<(std::process::ExitStatus, Duration)> {
        let id = self.child.id().context("the sandbox has ended already")?;
        let began = Instant::now();
        let signalled = Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        if !signalled.success() {
            bail!("the sandbox could not be signalled");
        }
        let status =
            tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await.context("the sandbox does not stop")??;
        Ok((status, began.elapsed()))
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its process id.
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The directory of its data.
    pub fn data(&self) -> &Path {
        &self.options.data
    }
}
