//! `mozarto serve`: the platform by its configuration; any number of processes may share one PostgreSQL.

use crate::cli::ConfigArgs;
use crate::config::{self, Settings};
use crate::files::DataDirectory;
use crate::logging::{self, Format};
use crate::platform::{self, Database, StopSignals};
use crate::presence;
use anyhow::{Context, Result, bail};
use domain::urls::Environment;
use engine::{Clock, Config, Engine};
use tokio_util::sync::CancellationToken;

/// What is logged unless the operator says otherwise. A connection that breaks is the store's affair: that is told once, by
/// whoever watches it.
const LOGGED: &str = "info,deadpool.postgres=error,tokio_postgres=warn";

/// Runs until SIGTERM.
pub(crate) async fn run(args: &ConfigArgs) -> Result<()> {
    let settings = config::load(args.config.as_deref(), &config::variables())?;
    logging::start(if settings.json_logs { Format::Json } else { Format::Text }, LOGGED);
    let mut signals = StopSignals::listen()?;
    let handle = platform::metrics()?;
    // The embedded store belongs to one process at a time.
    let database = Database::of_settings(&settings);
    let data = if database.is_shared() { None } else { Some(DataDirectory::open(&settings.data.to_string_lossy())?) };
    let engine = tokio::select! {
        started = working_engine(&settings, &database, data.as_ref()) => started?,
        () = signals.asked_to_stop() => return Ok(()),
    };
    platform::raise_file_limit();
    let listener = http_api::bind(settings.listen).with_context(|| format!("listening on {}", settings.listen))?;
    tracing::info!(address = %settings.listen, environment = settings.environment.as_str(), "ready");
    let limits = settings.limits.clone();
    let stop = CancellationToken::new();
    let is_production = settings.environment == Environment::Production;
    platform::serve_metrics(settings.metrics_listen, &handle, is_production, &stop)?;
    // In production never where everybody comes.
    let routes = if is_production { platform::pages() } else { platform::pages().merge(platform::metrics_route(&handle)) };
    let router = http_api::router(engine.clone(), &limits, routes);
    let server = tokio::spawn(http_api::serve(listener, router, limits, stop.clone()));
    signals.asked_to_stop().await;
    tracing::info!("stopping");
    let end = platform::end_of_stop();
    stop.cancel();
    // Side by side: each has its own bound below the ten seconds that a stop may take.
    let served = engine.stop_beside(server).await;
    platform::close_by(engine.store(), end).await;
    served.context("the server")??;
    Ok(())
}

/// The engine with its workers, if it may run at all.
async fn working_engine(settings: &Settings, database: &Database, data: Option<&DataDirectory>) -> Result<Engine> {
    let engine = start_engine(settings, database, data).await?;
    check_production(&engine).await?;
    engine.run_workers().await.context("starting the workers")?;
    if let Some(data) = data {
        presence::mark_now(engine.store(), &data.path).await?;
    }
    Ok(engine)
}

/// The engine of a configuration over its migrated store.
async fn start_engine(settings: &Settings, database: &Database, data: Option<&DataDirectory>) -> Result<Engine> {
    let directory = data.map(|data| data.path.as_path());
    let Some(source) = &settings.master_key else { bail!("there is no master key") };
    let key = source.read()?;
    let db = platform::open_store(database, directory, settings.environment, Some(&key)).await?;
    let config = Config {
        environment: settings.environment,
        public_url: settings.public_url.clone(),
        providers: settings.providers.clone(),
        simulator_url: None,
        shop_url: None,
        shared_store: database.is_shared(),
        retention: settings.retention,
        page_opener: None,
        progress: directory.map(presence::keep_mark),
    };
    platform::engine(db, key, Clock::system(1), config).await
}

/// Production does not start with an enabled account that it may not call.
async fn check_production(engine: &Engine) -> Result<()> {
    let problems = engine.unusable_methods().await.context("looking at the payment methods")?;
    if problems.is_empty() {
        return Ok(());
    }
    bail!("these payment methods may not be used in production:\n  - {}", problems.join("\n  - "))
}
