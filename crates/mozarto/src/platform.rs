//! Putting the platform together: store, engine, HTTP. The same for sandbox and serve.

use crate::config::Settings;
use crate::files::DATABASE;
use crate::presence;
use anyhow::{Context, Result, bail};
use axum::Router;
use axum::routing::get;
use domain::urls::Environment;
use engine::directory::may_open;
use engine::{Clock, Config, Engine, environment};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::Driver;
use store::driver::MigrationStatus;
use store::driver::postgres::{ConnectOptions, PostgresDriver};
use store::driver::sqlite::SqliteDriver;
use store::migrate::migrations;
use store::vault::MasterKey;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Buckets of every histogram of seconds: from a tenth of a millisecond to a minute.
const SECONDS_BUCKETS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0, 60.0];

/// Connections to the listener of the metrics.
const METRICS_CONNECTIONS: usize = 64;

/// A stop has so long until it lets go of the store; of it the servers and the engine take up to 8.5 s.
const STOP_LIMIT: Duration = Duration::from_millis(8_900);

/// Which store.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// The embedded one, in this file.
    Embedded(std::path::PathBuf),
    /// PostgreSQL at this address, which may hold a password: never shown. And how it is come to.
    Postgres(domain::Secret, ConnectOptions),
}

impl Database {
    /// The embedded store of a data directory, or the one named by a URL.
    pub(crate) fn of(data: &Path, url: Option<&str>) -> Self {
        match url {
            Some(url) => Self::Postgres(domain::Secret::new(url), ConnectOptions::default()),
            None => Self::Embedded(data.join(DATABASE)),
        }
    }

    /// The store of a configuration.
    pub(crate) fn of_settings(settings: &Settings) -> Self {
        match &settings.database {
            Some(url) => Self::Postgres(url.clone(), settings.connect.clone()),
            None => Self::Embedded(settings.data.join(DATABASE)),
        }
    }

    /// Whether several processes may share it.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(..))
    }

    /// Opens it. The drivers refuse a store that does not sync what it answers.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Driver>> {
        crate::fault::ordered(match self {
            Self::Embedded(path) => Arc::new(SqliteDriver::open(path).with_context(|| format!("opening {}", path.display()))?),
            Self::Postgres(url, options) => {
                Arc::new(PostgresDriver::connect_with(url.expose(), options).await.context("the database server")?)
            }
        })
    }
}

/// Brings the schema up to date; answers how many migrations were applied.
pub(crate) async fn migrate(db: &dyn Driver) -> Result<usize> {
    let applied = db.migrate(migrations(db.dialect())).await.context("migrating the database")?;
    Ok(applied.len())
}

/// Opens the store, sees that it is the one that was there, of this environment and of this key, and brings its schema up to
/// date. `directory`: the data directory of an embedded store, or of a sandbox. `key`: `None` where the directory has none yet.
pub(crate) async fn open_store(
    database: &Database,
    directory: Option<&Path>,
    environment: Environment,
    key: Option<&MasterKey>,
) -> Result<Arc<dyn Driver>> {
    let db = open_whole(database, directory).await?;
    let beside = directory.is_some_and(presence::is_a_sandboxs);
    if has_schema(db.as_ref()).await? {
        // Before anything is changed, on what every revision had: whoever is refused leaves the store as it was.
        environment::may_be(db.as_ref(), environment, beside).await?;
        match (key, directory) {
            (Some(key), _) => may_open(db.as_ref(), key).await.context("starting the platform")?,
            (None, Some(directory)) => presence::may_make_key(db.as_ref(), directory).await?,
            (None, None) => {}
        }
    }
    migrate(db.as_ref()).await?;
    environment::must_be(db.as_ref(), environment, beside).await?;
    Ok(db)
}

/// Whether there is anything to look at: a schema, of this program or of one before. A newer one's is not looked into.
pub(crate) async fn has_schema(db: &dyn Driver) -> Result<bool> {
    let status = db.migration_status(migrations(db.dialect())).await.context("looking at the database")?;
    let newer = status.iter().any(|one| matches!(one, MigrationStatus::Unknown(_)));
    Ok(!newer && status.iter().any(|one| matches!(one, MigrationStatus::Applied(_))))
}

/// Opens the store and sees that it is the one that was there.
pub(crate) async fn open_whole(database: &Database, directory: Option<&Path>) -> Result<Arc<dyn Driver>> {
    let db = database.open().await?;
    if let Some(directory) = directory {
        match database.is_shared() {
            false => presence::after_opening(db.as_ref(), directory).await?,
            true => presence::after_opening_shared(db.as_ref(), directory).await?,
        }
    }
    Ok(db)
}

/// Refuses a store that a newer program wrote: what is in it may mean something else.
pub(crate) async fn refuse_newer(db: &dyn Driver) -> Result<()> {
    let status = db.migration_status(migrations(db.dialect())).await.context("looking at the database")?;
    for one in &status {
        if let MigrationStatus::Unknown(newer) = one {
            bail!("the database is newer than this program: it has migration {} ({})", newer.version, newer.name)
        }
    }
    Ok(())
}

/// Refuses a store whose schema is not this program's: for commands that change something and do not migrate.
pub(crate) async fn require_schema(db: &dyn Driver) -> Result<()> {
    refuse_newer(db).await?;
    let status = db.migration_status(migrations(db.dialect())).await.context("looking at the database")?;
    for one in &status {
        match one {
            MigrationStatus::Pending { .. } => {
                bail!("the database has no schema, or an older program's: run `mozarto migrate` first")
            }
            MigrationStatus::Applied(_) | MigrationStatus::Changed(_) | MigrationStatus::Unknown(_) => {}
        }
    }
    Ok(())
}

/// The engine over an up-to-date store.
pub(crate) async fn engine(db: Arc<dyn Driver>, key: MasterKey, clock: Clock, config: Config) -> Result<Engine> {
    Engine::start(db, key, clock, config).await.context("starting the platform")
}

/// Starts measuring; the handle renders what `/metrics` shows.
pub(crate) fn metrics() -> Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
        .context("histogram buckets")?
        .set_buckets_for_metric(
            Matcher::Full(http_api::observe::REQUEST_SECONDS.to_owned()),
            &http_api::observe::REQUEST_SECONDS_BUCKETS,
        )
        .context("histogram buckets")?
        .install_recorder()
        .context("starting the metrics")
}

/// The routes beside the API: the back office.
pub(crate) fn pages() -> Router {
    backoffice::router()
}

/// `GET /metrics`.
pub(crate) fn metrics_route(handle: &PrometheusHandle) -> Router {
    let handle = handle.clone();
    let render = move || {
        crate::logging::publish_dropped();
        let text = handle.render();
        async move { ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], text) }
    };
    Router::new().route("/metrics", get(render))
}

/// Serves `/metrics` on a listener of its own until `stop`, and keeps the measurements small meanwhile. An address that is taken
/// is an error where it `must_be` had; else it is told, and there is no listener.
pub(crate) fn serve_metrics(
    address: Option<SocketAddr>,
    handle: &PrometheusHandle,
    must_be: bool,
    stop: &CancellationToken,
) -> Result<()> {
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    let Some(address) = address else { return Ok(()) };
    let listener = match http_api::bind(address) {
        Ok(listener) => listener,
        Err(error) if must_be => {
            let what = format!("the metrics cannot listen on {address}: choose another metrics_listen, or \"off\"");
            return Err(anyhow::Error::new(error).context(what));
        }
        Err(error) => {
            tracing::warn!(%address, "the metrics have no listener of their own: {error}");
            return Ok(());
        }
    };
    let limits = http_api::Limits { connections: METRICS_CONNECTIONS, ..http_api::Limits::default() };
    let router = http_api::edge::only_clear_hosts(metrics_route(handle));
    let served = http_api::serve(listener, router, limits, stop.clone());
    tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::error!("the metrics are no longer served: {error}");
        }
    });
    Ok(())
}

/// Raises the soft limit of open files to the hard one: each connection in and each call out needs one, and the usual soft limit
/// is 1024.
pub(crate) fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!("the limit of open files could not be raised: {error}");
    }
}

/// When a stop that begins now lets go of the store, whatever it has not finished: the run time and the log have their own short
/// bounds after that, and all of it is over within the ten seconds that a stop may take.
pub(crate) fn end_of_stop() -> tokio::time::Instant {
    tokio::time::Instant::now() + STOP_LIMIT
}

/// Closes the store at the end of a stop. One that does not come to its end by then is left as a kill would leave it: what was
/// answered is stored, and of what was not the next start finds out.
pub(crate) async fn close_by(db: &dyn Driver, end: tokio::time::Instant) {
    if tokio::time::timeout_at(end, db.close()).await.is_err() {
        tracing::warn!("the store does not answer: left without waiting for it any longer");
    }
}

/// SIGTERM and interrupts, heard from the moment that this is made: a stop that is asked for during the start is a stop too, not
/// a kill.
#[derive(Debug)]
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Begins to listen.
    pub(crate) fn listen() -> Result<Self> {
        let of = |kind| signal(kind).context("listening for signals");
        Ok(Self { terminate: of(SignalKind::terminate())?, interrupt: of(SignalKind::interrupt())? })
    }

    /// Waits for the first of them.
    pub(crate) async fn asked_to_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
