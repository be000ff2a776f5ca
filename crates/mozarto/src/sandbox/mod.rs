//! `mozarto sandbox`: the whole thing on a laptop, from nothing.

mod banner;
mod demo;
mod payer;
mod seed;

pub(crate) use seed::hash;

use crate::cli::{Loopback, SandboxArgs};
use crate::files::DataDirectory;
use crate::logging::{self, Format};
use crate::platform::{self, Database, StopSignals};
use crate::{config, presence, sandbox::banner::Ready};
use anyhow::{Context, Result, bail};
use domain::urls::Environment;
use engine::{Clock, Config, Engine};
use payer::Payer;
use std::future::Future;
use std::time::Duration;
use store::driver::postgres::has_password;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Pages that wait for the payer of a sandbox that settles by itself; more are left to the next start.
const PAGES_WAITING_MAX: usize = 100_000;

/// Of the time that a stop has, what is kept for closing the store.
const CLOSING: Duration = Duration::from_millis(200);

/// Instead of `--database`.
const SANDBOX_DATABASE: &str = "MOZARTO_SANDBOX_DATABASE";

/// The three listeners, bound before anything starts, so that every part knows the others' addresses.
struct Listeners {
    platform: TcpListener,
    simulators: TcpListener,
    shop: TcpListener,
}

/// Their addresses as URLs.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) platform: String,
    pub(crate) simulators: String,
    pub(crate) shop: String,
}

impl Listeners {
    fn bind(args: &SandboxArgs, data: &DataDirectory) -> Result<Self> {
        let before = Before::read(data);
        Ok(Self {
            platform: bind(args.port, before.port("baseUrl"), "--port")?,
            simulators: bind(args.simulator_port, before.port("simulatorUrl"), "--simulator-port")?,
            shop: bind(args.shop_port, before.port("shopUrl"), "--shop-port")?,
        })
    }

    fn addresses(&self) -> Result<Addresses> {
        let url = |listener: &TcpListener| -> Result<String> { Ok(format!("http://{}", listener.local_addr()?)) };
        Ok(Addresses { platform: url(&self.platform)?, simulators: url(&self.simulators)?, shop: url(&self.shop)? })
    }
}

/// Where an earlier start of this data directory listened.
struct Before(serde_json::Value);

impl Before {
    fn read(data: &DataDirectory) -> Self {
        let text = std::fs::read_to_string(data.path.join("sandbox.json")).unwrap_or_default();
        Self(serde_json::from_str(&text).unwrap_or_default())
    }

    fn port(&self, name: &str) -> Option<u16> {
        url::Url::parse(self.0[name].as_str()?).ok()?.port()
    }
}

/// Listens on the port; for 0 on the one from before if it is free, so that callback addresses and pages that are under way stay
/// good over a restart, else on any.
fn bind(port: u16, before: Option<u16>, flag: &str) -> Result<TcpListener> {
    if port == 0
        && let Some(before) = before
        && let Ok(listener) = http_api::bind((Loopback::ADDRESS, before).into())
    {
        return Ok(listener);
    }
    http_api::bind((Loopback::ADDRESS, port).into())
        .with_context(|| format!("port {port} is taken: choose another with {flag} (0 picks a free one)"))
}

/// Runs until SIGTERM or an interrupt.
pub(crate) async fn run(args: SandboxArgs) -> Result<()> {
    let mut signals = StopSignals::listen()?;
    let running = tokio::select! {
        started = start(args) => started?,
        () = signals.asked_to_stop() => return Ok(()),
    };
    running.wait_and_stop(signals).await
}

/// A sandbox that listens and has said so.
struct Running {
    engine: Engine,
    stop: CancellationToken,
    /// Simulators, demo shop, platform.
    parts: [JoinHandle<Result<()>>; 3],
    /// Locked until everything else has ended.
    _data: DataDirectory,
}

async fn start(args: SandboxArgs) -> Result<Running> {
    logging::start(
        Format::Text,
        if args.json { "warn,deadpool.postgres=error" } else { "warn,mozarto=info,deadpool.postgres=error" },
    );
    let handle = platform::metrics()?;
    not_on_the_command_line(args.database.as_deref())?;
    let set = config::of_sandbox(&config::variables())?;
    let data = DataDirectory::open_for(&args.data, args.database.is_none())?;
    platform::raise_file_limit();
    let listeners = Listeners::bind(&args, &data)?;
    let addresses = listeners.addresses()?;
    let database = Database::of(&data.path, args.database.as_deref());
    let db = platform::open_store(&database, Some(&data.path), Environment::Sandbox, data.kept_key()?.as_ref()).await?;
    let key = data.master_key(db.as_ref()).await?;
    let (page_opener, pages) = args.auto_settle.map(|_| mpsc::channel(PAGES_WAITING_MAX)).unzip();
    let settings = Config {
        environment: Environment::Sandbox,
        public_url: addresses.platform.clone(),
        providers: set.providers,
        simulator_url: Some(addresses.simulators.clone()),
        shop_url: Some(addresses.shop.clone()),
        shared_store: database.is_shared(),
        retention: config::retention_from(&config::variables())?,
        page_opener,
        progress: (!database.is_shared()).then(|| presence::keep_mark(&data.path)),
    };
    let engine = platform::engine(db, key, Clock::system(args.time_scale), settings).await?;

    let stop = CancellationToken::new();
    let simulator_settings =
        simulators::Settings { data: data.path.clone(), auto_settle_ms: args.auto_settle, time_scale: args.time_scale };
    let simulators = part("simulators", simulators::serve(listeners.simulators, simulator_settings, stop.clone()));
    let payer = pages.map(|pages| {
        let payer = Payer {
            platform: addresses.platform.clone(),
            simulators: addresses.simulators.clone(),
            pause_ms: args.auto_settle.unwrap_or_default() / u64::from(args.time_scale.max(1)),
            time_scale: args.time_scale,
        };
        tokio::spawn(payer.work(pages, stop.clone()))
    });
    let demo = seed::demo_company(&engine, &data).await.context("making the demo company")?;
    demo::register_at_simulators(&engine, &demo, &addresses).await.context("introducing the demo company to the simulators")?;
    engine.run_workers().await.context("starting the workers")?;
    if !database.is_shared() {
        presence::mark_now(engine.store(), &data.path).await?;
    }
    if payer.is_some() {
        let (engine, company) = (engine.clone(), demo.company_id);
        tokio::spawn(async move {
            if let Err(error) = engine.open_pages_again(company).await {
                tracing::warn!("pages that were waiting are not opened: {error}");
            }
        });
    }
    // Open before the line says that it can be used; and a directory that is removed at the end is made by nobody again.
    let shop = open_shop(&demo, &addresses, &data, &stop).await?;
    let shop = part("demo shop", async move {
        shop.serve(listeners.shop).await;
        Ok::<_, shop::Error>(())
    });
    let limits = set.limits;
    // Whoever lets the ports be picked may run several of these: then none has a fixed one.
    let metrics_listen = set.metrics_listen.unwrap_or((args.port != 0).then_some(config::METRICS_LISTEN));
    platform::serve_metrics(metrics_listen, &handle, false, &stop)?;
    let routes = platform::pages().merge(platform::metrics_route(&handle));
    let router = http_api::router(engine.clone(), &limits, routes);
    let server = part("platform", http_api::serve(listeners.platform, router, limits, stop.clone()));

    Ready { demo: &demo, addresses: &addresses, data: &data.path }.tell(args.json)?;
    presence::demo_is_made(engine.store(), &demo.company_id.to_string()).await?;
    Ok(Running { engine, stop, parts: [simulators, shop, server], _data: data })
}

/// The merchant of the demo company.
async fn open_shop(demo: &seed::Demo, at: &Addresses, data: &DataDirectory, stop: &CancellationToken) -> Result<shop::Shop> {
    let settings = shop::Settings {
        cashier_base_url: at.platform.clone(),
        company_token: demo.company_token.expose().into(),
        signing_secret: demo.webhook_secret.expose().into(),
        bearer: demo.webhook_bearer.expose().into(),
        own_base_url: at.shop.clone(),
        data: data.path.join("shop.db"),
        back_office_url: Some(format!("{}{}", at.platform, backoffice::PATH)),
    };
    shop::Shop::open(settings, stop.clone()).await.context("opening the demo shop")
}

/// Everybody on the machine can read the arguments of a process.
fn not_on_the_command_line(database: Option<&str>) -> Result<()> {
    let from_environment = std::env::var(SANDBOX_DATABASE).ok();
    if database.is_some_and(|url| url.trim().is_empty()) {
        bail!("{SANDBOX_DATABASE} or --database is empty: give it a value, or leave it out for the embedded store");
    }
    if database.filter(|url| has_password(url)).is_some_and(|url| from_environment.as_deref() != Some(url)) {
        bail!("--database holds a password, which every process of this machine can read: set {SANDBOX_DATABASE} instead");
    }
    Ok(())
}

/// Runs one of the three servers as a task; the sandbox ends when one fails.
fn part<E>(name: &'static str, server: impl Future<Output = Result<(), E>> + Send + 'static) -> JoinHandle<Result<()>>
where
    E: std::error::Error + Send + Sync + 'static,
{
    tokio::spawn(async move { server.await.with_context(|| format!("the {name}")) })
}

impl Running {
    async fn wait_and_stop(self, mut signals: StopSignals) -> Result<()> {
        let Self { engine, stop, mut parts, _data } = self;
        let [simulators, shop, server] = &mut parts;
        let ended = tokio::select! {
            () = signals.asked_to_stop() => Ok(()),
            ended = simulators => ended?,
            ended = shop => ended?,
            ended = server => ended?,
        };
        tracing::info!("stopping");
        let end = platform::end_of_stop();
        stop.cancel();
        engine.stop().await;
        // The servers drain beside the engine's own stop; whoever is still at it then has had its time.
        for part in parts {
            if !part.is_finished() {
                let _ = tokio::time::timeout_at(end - CLOSING, part).await;
            }
        }
        platform::close_by(engine.store(), end).await;
        ended
    }
}
