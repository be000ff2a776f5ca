//! The processes of a run: the platform alone in one of its own (`mozarto serve`), simulators and sink beside it, or a floor
//! program in its place.

use super::load::Target;
use super::machine;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use testkit::client::Client;
use testkit::postgres::PrivateCluster;
use testkit::sandbox::{Options, Sandbox};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The simulators press Pay after this long, milliseconds.
const AUTO_SETTLE_MS: u64 = 50;
/// A process that is not ready, or not gone, after this has failed.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    /// PostgreSQL; `analyzed`: with statistics of the tables, else never any.
    Postgres {
        analyzed: bool,
    },
}

impl Store {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres { analyzed: false } => "postgres",
            Self::Postgres { analyzed: true } => "postgres after ANALYZE",
        }
    }

    pub(crate) fn is_postgres(self) -> bool {
        self != Self::Sqlite
    }
}

/// What runs beside the platform, for the whole benchmark.
pub(crate) struct Beside {
    cluster: Option<PrivateCluster>,
    databases: std::cell::Cell<u32>,
    count_statements: bool,
}

impl Beside {
    /// With a PostgreSQL of its own where one is needed. No table is analyzed unless a run says so; vacuum works as it is
    /// configured.
    pub(crate) fn start(postgres: bool, count_statements: bool) -> Self {
        let mut settings = vec![("autovacuum_analyze_threshold", "2000000000"), ("max_wal_size", "4GB")];
        if count_statements {
            settings.push(("shared_preload_libraries", "pg_stat_statements"));
        }
        Self { cluster: postgres.then(|| PrivateCluster::start(&settings)), databases: std::cell::Cell::new(0), count_statements }
    }

    async fn database(&self, store: Store) -> Result<Option<String>> {
        if !store.is_postgres() {
            return Ok(None);
        }
        let cluster = self.cluster.as_ref().context("a run over PostgreSQL without a server")?;
        let (number, url) = (self.databases.get() + 1, cluster.url());
        self.databases.set(number);
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        if number > 1 {
            client.batch_execute(&format!("DROP DATABASE IF EXISTS bench_{} WITH (FORCE)", number - 1)).await?;
        }
        client.batch_execute(&format!("CREATE DATABASE bench_{number} TEMPLATE template0")).await?;
        client.batch_execute("CHECKPOINT").await?;
        let (server, _) = url.rsplit_once('/').context("the server's address")?;
        let database = format!("{server}/bench_{number}");
        if self.count_statements {
            let (client, connection) = tokio_postgres::connect(&database, tokio_postgres::NoTls).await?;
            tokio::spawn(connection);
            client.batch_execute("CREATE EXTENSION pg_stat_statements").await?;
        }
        Ok(Some(database))
    }
}

/// A process that says in one line of JSON where it listens, and ends with this value.
pub(crate) struct Helper {
    child: Child,
    pub(crate) address: String,
}

impl Helper {
    async fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("starting a part of the benchmark")?;
        let stdout = child.stdout.take().context("its output")?;
        let line = BufReader::new(stdout).lines().next_line().await?.context("a part of the benchmark ended")?;
        let ready: Value = serde_json::from_str(&line)?;
        Ok(Self { child, address: ready["address"].as_str().context("its address")?.to_owned() })
    }
}

/// A run's processes.
pub(crate) struct Stage {
    simulators: Helper,
    sink: Helper,
    process: Child,
    pub(crate) data: tempfile::TempDir,
    pub(crate) database: Option<String>,
    pub(crate) pay: std::sync::Arc<Target>,
    /// The platform's: its tokens.
    pub(crate) client: Option<Client>,
    pub(crate) company: Option<String>,
    binary: Option<PathBuf>,
    /// From its next start on the platform keeps events for longer than the past that is seeded.
    pub(crate) keeps_events: bool,
}

/// Whose processes.
#[derive(Debug, Clone)]
pub(crate) enum Side {
    Floor,
    Platform(PathBuf),
}

impl Stage {
    /// Everything started and introduced to each other, with nothing stored but the demo company.
    pub(crate) async fn start(beside: &Beside, side: &Side, store: Store, settle: bool) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let database = beside.database(store).await?;
        let sink = Helper::start(&["sink"]).await?;
        let simulator_data = data.path().join("simulators");
        std::fs::create_dir(&simulator_data)?;
        let simulator_data = simulator_data.to_string_lossy().into_owned();
        let settle_ms = AUTO_SETTLE_MS.to_string();
        let mut arguments = vec!["simulators", "--data", &simulator_data];
        if settle {
            arguments.extend(["--auto-settle", &settle_ms]);
        }
        let simulators = Helper::start(&arguments).await?;
        register(&simulators.address).await?;
        match side {
            Side::Floor => Self::floor(simulators, sink, data, database, settle).await,
            Side::Platform(binary) => Self::platform(simulators, sink, data, database, binary).await,
        }
    }

    async fn floor(
        simulators: Helper,
        sink: Helper,
        data: tempfile::TempDir,
        database: Option<String>,
        settle: bool,
    ) -> Result<Self> {
        let directory = data.path().to_string_lossy().into_owned();
        let simulator = format!("http://{}", simulators.address);
        let to_sink = format!("http://{}/webhook", sink.address);
        let mut arguments = vec!["floor", "--simulator", &simulator, "--data", &directory];
        if settle {
            arguments.extend(["--sink", &to_sink]);
        }
        if let Some(url) = &database {
            arguments.extend(["--database", url]);
        }
        let floor = Helper::start(&arguments).await?;
        let pay = Target::floor(&floor.address);
        Ok(Self {
            simulators,
            sink,
            process: floor.child,
            data,
            database,
            pay,
            client: None,
            company: None,
            binary: None,
            keeps_events: false,
        })
    }

    async fn platform(
        simulators: Helper,
        sink: Helper,
        data: tempfile::TempDir,
        database: Option<String>,
        binary: &Path,
    ) -> Result<Self> {
        // The sandbox makes the demo company; from then on the platform is alone in its process.
        let mut options = Options::new(binary, data.path().join("platform")).variable("MOZARTO_LOG", "error");
        if let Some(url) = &database {
            options = options.database(url);
        }
        let mut sandbox = Sandbox::start(options).await?;
        let mut client = Client::of(&sandbox);
        introduce(&client, &simulators.address, &sink.address).await?;
        let company = sandbox.text("companyId").to_owned();
        sandbox.terminate().await?;
        let address = free_address()?;
        let process = serve(binary, data.path(), database.as_deref(), &address, false)?;
        client.base = format!("http://{address}");
        client.simulator = format!("http://{}", simulators.address);
        ready(&client).await?;
        let pay = Target::platform(&client)?;
        let binary = Some(binary.to_owned());
        Ok(Self {
            simulators,
            sink,
            process,
            data,
            database,
            pay,
            client: Some(client),
            company: Some(company),
            binary,
            keeps_events: false,
        })
    }

    /// Ends the platform, has something done to its store, and starts it again; answers how long the start took.
    pub(crate) async fn restart<F: AsyncFnOnce(&Self) -> Result<()>>(&mut self, between: F) -> Result<Duration> {
        self.stop().await?;
        between(self).await?;
        let client = self.client.as_ref().context("a platform")?;
        let address = client.base.trim_start_matches("http://").to_owned();
        let began = Instant::now();
        let binary = self.binary.clone().context("a platform")?;
        self.process = serve(&binary, self.data.path(), self.database.as_deref(), &address, self.keeps_events)?;
        ready(client).await?;
        Ok(began.elapsed())
    }

    /// Asks the process that is measured to stop, and waits for it.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        if let Some(id) = self.process.id() {
            ensure!(Command::new("kill").args(["-TERM", &id.to_string()]).status().await?.success(), "it could not be signalled");
            tokio::time::timeout(START_LIMIT, self.process.wait()).await.context("it does not stop")??;
        }
        Ok(())
    }

    /// The simulator's route alone.
    pub(crate) fn simulator(&self) -> std::sync::Arc<Target> {
        Target::simulator(&self.simulators.address)
    }

    /// The process that is measured.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id().unwrap_or_default()
    }

    /// CPU that the measured process alone has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        machine::cpu(self.process_id()).unwrap_or_default()
    }

    /// How many webhooks the sink has taken.
    pub(crate) async fn received(&self) -> Result<u64> {
        let text = reqwest::get(format!("http://{}/count", self.sink.address)).await?.text().await?;
        text.trim().parse().context("the sink's count")
    }

    /// The embedded store's file.
    pub(crate) fn file(&self) -> PathBuf {
        self.data.path().join("platform").join("mozarto.db")
    }

    /// A connection to the run's database.
    pub(crate) async fn connect(&self) -> Result<Option<tokio_postgres::Client>> {
        let Some(url) = &self.database else { return Ok(None) };
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(Some(client))
    }

    /// The one figure that a statement yields, from the platform's store.
    pub(crate) async fn ask_store(&self, sql: &str) -> Result<i64> {
        self.ask_store_for_row(sql).await?.first().copied().context("no figure")
    }

    /// The figures of the one row that a statement yields.
    pub(crate) async fn ask_store_for_row(&self, sql: &str) -> Result<Vec<i64>> {
        match self.connect().await? {
            Some(client) => {
                let row = client.query_one(sql, &[]).await?;
                Ok((0..row.len()).map(|column| row.get(column)).collect())
            }
            None => {
                let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
                let db = rusqlite::Connection::open_with_flags(self.file(), flags)?;
                let mut statement = db.prepare(sql)?;
                let columns = statement.column_count();
                let row = statement.query_row([], |row| (0..columns).map(|column| row.get(column)).collect())?;
                Ok(row)
            }
        }
    }
}

/// The demo account, as the simulator has to know it.
async fn register(simulators: &str) -> Result<()> {
    let url = format!("http://{simulators}/control/payone/accounts/payone-demo-key-0001");
    let body = json!({"client": "Demo company", "active": true}).to_string();
    let answer = reqwest::Client::new().put(url).header("content-type", "application/json").body(body).send().await?;
    ensure!(answer.status().is_success(), "the simulator refused the demo account: {}", answer.status());
    Ok(())
}

/// The demo company's account talks to the simulators of this run and tells its sink.
async fn introduce(client: &Client, simulators: &str, sink: &str) -> Result<()> {
    let methods = client.manage("GET", "/payment-methods?limit=200", None).await?;
    let items = methods.body["data"]["items"].as_array().context("the payment methods")?;
    let payone = items.iter().find(|method| method["pspType"] == "PAYONE").context("the demo company's PayOne account")?;
    let id = payone["id"].as_str().or_else(|| payone["methodId"].as_str()).context("its id")?;
    let config = json!({"config": {
        "baseUrl": format!("http://{simulators}/payone"), "webhookUrl": format!("http://{sink}/webhook"), "siteUrl": format!("http://{sink}/return"),
    }});
    let answer = client.manage("PATCH", &format!("/payment-methods/{id}"), Some(config)).await?;
    ensure!(answer.status == 200, "the account could not be changed: {}", answer.body);
    Ok(())
}

fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

fn serve(binary: &Path, data: &Path, database: Option<&str>, address: &str, keeps_events: bool) -> Result<Child> {
    let data = data.join("platform");
    let mut command = Command::new(binary);
    command.arg("serve").env("MOZARTO_ENVIRONMENT", "sandbox").env("MOZARTO_PUBLIC_URL", format!("http://{address}"));
    command.env("MOZARTO_LISTEN", address).env("MOZARTO_DATA", &data).env("MOZARTO_LOG", "error");
    command.env("MOZARTO_MASTER_KEY_FILE", data.join("master.key"));
    // The load comes as through a reverse proxy, whose connections are not counted by host.
    command.env("MOZARTO_LIMITS_TRUSTED_PROXIES", super::load::PROXY);
    if let Some(url) = database {
        command.env("MOZARTO_DATABASE", url);
    }
    if keeps_events {
        command.env("MOZARTO_RETENTION_DELIVERIES_DAYS", "365");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn().context("starting the platform")
}

async fn ready(client: &Client) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < START_LIMIT {
        if let Ok(answer) = client.send("GET", &format!("{}/readyz", client.base), &[], None).await
            && answer.status == 200
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("the platform does not get ready")
}
