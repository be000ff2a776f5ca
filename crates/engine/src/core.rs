//! What every use case shares: the store, the clock, the network, the directory of companies, and the life of the process.

use crate::clock::Clock;
use crate::directory::Directory;
use crate::pulse::{Pulse, Watched};
use crate::random::Random;
use crate::transport::Transport;
use domain::limits;
use domain::schedule::{CALLBACKS_KEPT_MS, EVENTS_KEPT_MS, IDEMPOTENCY_KEPT_MS};
use domain::urls::Environment;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::vault::MasterKey;
use store::{Driver, QueryError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The settings of the platform that use cases look at.
#[derive(Clone, Debug)]
pub struct Config {
    /// Sandbox or production.
    pub environment: Environment,
    /// `public_url` without a trailing slash: where providers and browsers reach us.
    pub public_url: String,
    /// What the operator sets per provider, by its folder name.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// The sandbox's simulators: where accounts of the role `simulator` point (`{base}/{name}{simulator_path}`), resolved at each
    /// start.
    pub simulator_url: Option<String>,
    /// The sandbox's demo shop: where the roles `shop` of `siteUrl` and `webhookUrl` point, resolved at each start.
    pub shop_url: Option<String>,
    /// Whether stored company data may be served by several processes at once (PostgreSQL): the directory then looks for changes
    /// of others.
    pub shared_store: bool,
    /// How long what grows is kept.
    pub retention: Retention,
    /// Who opens our own pages (`/pay`, `/3ds`) as a payer's browser would: in a sandbox that settles by itself.
    pub page_opener: Option<tokio::sync::mpsc::Sender<String>>,
    /// Who is told how many heartbeats the embedded store has taken, so that one that has lost some is known at the next start.
    pub progress: Option<tokio::sync::watch::Sender<i64>>,
}

/// How long what grows is kept, milliseconds, not scaled. Transactions and their timelines are kept for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Raw callbacks, from when they came last.
    pub callbacks_ms: i64,
    /// Webhook events with their deliveries and attempts.
    pub deliveries_ms: i64,
    /// Idempotency keys with their answers, from the end of their transactions.
    pub idempotency_ms: i64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { callbacks_ms: CALLBACKS_KEPT_MS, deliveries_ms: EVENTS_KEPT_MS, idempotency_ms: IDEMPOTENCY_KEPT_MS }
    }
}

/// What the operator sets for one provider.
#[derive(Clone, Debug, Default)]
pub struct ProviderConfig {
    /// Replaces the descriptor's `not_found_after_s`.
    pub not_found_after_s: Option<u32>,
    /// Accepts the assumed protocol in production.
    pub accept_assumed_protocol: bool,
    /// Replaces every account's base address.
    pub base_url: Option<String>,
}

/// The platform could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not answer.
    #[error("the store does not answer: {0}")]
    Store(QueryError),
    /// The master key is not the one that this database was made with.
    #[error("the master key does not belong to this database")]
    WrongMasterKey,
    /// The outgoing HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

impl From<QueryError> for StartError {
    fn from(error: QueryError) -> Self {
        Self::Store(error)
    }
}

/// The platform. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) db: Arc<dyn Driver>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) config: Config,
    pub(crate) directory: Directory,
    pub(crate) transport: Transport,
    /// This process, as the owner of intents and leases.
    pub(crate) node_id: String,
    pub(crate) wake: Wake,
    pub(crate) handover: crate::webhooks::handover::Handover,
    pub(crate) line: crate::flow::line::Line,
    pub(crate) locks: crate::flow::locks::Locks,
    pub(crate) account_cache: crate::flow::account_cache::AccountCache,
    pub(crate) callback_rates: crate::flow::rates::Rates,
    pub(crate) unread: crate::flow::unmatched::Unread,
    /// Use cases that call a provider run here, not in the request's future.
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) workers_running: std::sync::atomic::AtomicBool,
    pub(crate) pulse: Arc<Pulse>,
}

/// Wakes workers of this process early; polling finds what other processes wrote.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    pub(crate) jobs: Notify,
    pub(crate) callbacks: Notify,
    pub(crate) deliveries: Notify,
    pub(crate) feed: Notify,
}

impl Engine {
    /// Puts the platform together over a migrated store. Nothing runs until [`Engine::run_workers`](crate::flow) is called.
    ///
    /// # Errors
    /// [`StartError`] when the store does not answer, the master key is another database's, or the HTTP client cannot be made.
    pub async fn start(db: Arc<dyn Driver>, master_key: MasterKey, clock: Clock, config: Config) -> Result<Self, StartError> {
        let pulse = Arc::new(Pulse::default());
        let db: Arc<dyn Driver> = Arc::new(Watched { inner: db, pulse: pulse.clone() });
        let random = Random::default();
        crate::flow::begin_with_the_stores_clock(db.as_ref(), &clock, &pulse).await?;
        crate::directory::check_master_key(db.as_ref(), &master_key).await?;
        let transport = Transport::new(config.environment, clock.scale()).map_err(StartError::Client)?;
        let node_id = hex::encode(random.bytes::<8>());
        let line = crate::flow::line::Line::of(db.dialect());
        let inner = Inner {
            directory: Directory::new(db.clone(), &master_key, &config),
            db,
            clock,
            random,
            config,
            transport,
            node_id,
            wake: Wake::default(),
            handover: crate::webhooks::handover::Handover::default(),
            line,
            locks: crate::flow::locks::Locks::default(),
            account_cache: crate::flow::account_cache::AccountCache::default(),
            callback_rates: crate::flow::rates::Rates::default(),
            unread: crate::flow::unmatched::Unread::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            workers_running: std::sync::atomic::AtomicBool::new(false),
            pulse,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The companies, their credentials, methods and rules.
    pub fn directory(&self) -> &Directory {
        &self.inner.directory
    }

    /// The store.
    pub fn store(&self) -> &dyn Driver {
        self.inner.db.as_ref()
    }

    /// The outgoing network.
    pub fn transport(&self) -> &Transport {
        &self.inner.transport
    }

    /// The number of entries of a list answer, within its bounds.
    pub fn list_limit(asked: Option<u32>) -> u32 {
        asked.unwrap_or(limits::LIST_LIMIT_DEFAULT).clamp(1, limits::LIST_LIMIT_MAX)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("node", &self.inner.node_id).finish_non_exhaustive()
    }
}
