//! A store, a directory over it, and a clock that stands still.

use crate::clock::Clock;
use crate::core::{Config, ProviderConfig};
use crate::directory::change::{Actor, Changes, IssuedCredential, NewCompany, NewCredential};
use crate::directory::{Directory, check_master_key};
use crate::random::Random;
use domain::company::CredentialKind;
use domain::urls::Environment;
use domain::{CompanyId, Scope, Timestamp};
use futures::future::BoxFuture;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::driver::{
    AppliedMigration, BackupError, CommitResult, Dialect, Migration, MigrationError, MigrationStatus, PostgresDriver,
    SqliteDriver,
};
use store::vault::MasterKey;
use store::{Batch, Driver, QueryError, Row, Value};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_250);

/// Counts what is asked of the store underneath.
pub(crate) struct Counting {
    inner: Box<dyn Driver>,
    queries: AtomicU64,
    commits: AtomicU64,
    /// Before so many of the next commits another process changes the configuration.
    pub(crate) overtaken: AtomicU64,
}

impl Driver for Counting {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }
    fn commit(&self, batch: Batch) -> BoxFuture<'_, CommitResult> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let left = self.overtaken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        Box::pin(async move {
            if left.is_ok() {
                let mut other = Batch::new();
                other.run("UPDATE companies SET config_version = config_version + 1", Vec::new());
                self.inner.commit(other).await?;
            }
            self.inner.commit(batch).await
        })
    }
    fn query(&self, sql: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.inner.query(sql, params)
    }
    fn query_dynamic(&self, sql: String, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.inner.query_dynamic(sql, params)
    }
    fn ping(&self) -> BoxFuture<'_, Result<(), QueryError>> {
        self.inner.ping()
    }
    fn migrate(&self, list: &'static [Migration]) -> BoxFuture<'_, Result<Vec<AppliedMigration>, MigrationError>> {
        self.inner.migrate(list)
    }
    fn migration_status(&self, list: &'static [Migration]) -> BoxFuture<'_, Result<Vec<MigrationStatus>, MigrationError>> {
        self.inner.migration_status(list)
    }
    fn backup(&self, target: PathBuf) -> BoxFuture<'_, Result<(), BackupError>> {
        self.inner.backup(target)
    }
    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

pub(crate) struct World {
    pub(crate) db: Arc<Counting>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) config: Config,
    pub(crate) master_key: MasterKey,
    pub(crate) files: Option<tempfile::TempDir>,
    _database: Option<testkit::postgres::TestDatabase>,
}

pub(crate) fn config(environment: Environment) -> Config {
    Config {
        environment,
        public_url: "http://127.0.0.1:8080".to_owned(),
        providers: [("payone".to_owned(), ProviderConfig::default())].into(),
        simulator_url: Some("http://127.0.0.1:8081".to_owned()),
        shop_url: Some("http://127.0.0.1:8082".to_owned()),
        shared_store: true,
        retention: crate::core::Retention::default(),
        page_opener: None,
        progress: None,
    }
}

fn same(key: &MasterKey) -> MasterKey {
    MasterKey::from_text(&key.to_text()).unwrap()
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        Self::sqlite_in(Environment::Sandbox).await
    }

    pub(crate) async fn sqlite_in(environment: Environment) -> Self {
        let files = tempfile::tempdir().unwrap();
        let driver = SqliteDriver::open(&files.path().join("t.db")).unwrap();
        Self::over(Box::new(driver), environment, Some(files), None).await
    }

    pub(crate) async fn postgres() -> Self {
        let database = testkit::postgres::database().await;
        let driver = PostgresDriver::connect(&database.url).await.unwrap();
        Self::over(Box::new(driver), Environment::Sandbox, None, Some(database)).await
    }

    async fn over(
        driver: Box<dyn Driver>,
        environment: Environment,
        files: Option<tempfile::TempDir>,
        database: Option<testkit::postgres::TestDatabase>,
    ) -> Self {
        driver.migrate(store::migrate::migrations(driver.dialect())).await.unwrap();
        let db = Arc::new(Counting {
            inner: driver,
            queries: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            overtaken: AtomicU64::new(0),
        });
        let master_key = MasterKey::generate().unwrap();
        check_master_key(db.as_ref(), &master_key).await.unwrap();
        let config = config(environment);
        Self {
            directory: Arc::new(Directory::new(db.clone(), &master_key, &config)),
            db,
            clock: Clock::manual(NOW),
            random: Random::default(),
            config,
            master_key,
            files,
            _database: database,
        }
    }

    /// The same store, seen by another process.
    pub(crate) fn another_process(&self) -> World {
        World {
            db: self.db.clone(),
            directory: Arc::new(Directory::new(self.db.clone(), &self.master_key, &self.config)),
            clock: Clock::manual(self.clock.now()),
            random: Random::default(),
            config: self.config.clone(),
            master_key: same(&self.master_key),
            files: None,
            _database: None,
        }
    }

    pub(crate) fn queries(&self) -> u64 {
        self.db.queries.load(Ordering::SeqCst)
    }

    pub(crate) fn commits(&self) -> u64 {
        self.db.commits.load(Ordering::SeqCst)
    }

    pub(crate) fn changes(&self) -> Changes<'_> {
        self.changes_by(Actor::operator())
    }

    pub(crate) fn changes_by(&self, actor: Actor) -> Changes<'_> {
        Changes {
            db: self.db.as_ref(),
            directory: &self.directory,
            clock: &self.clock,
            random: &self.random,
            config: &self.config,
            address_is_good: Box::new(good_address),
            actor,
        }
    }

    pub(crate) async fn company(&self, name: &str) -> CompanyId {
        let new = NewCompany { name: name.to_owned(), billing_currency: "EUR".to_owned(), country: "MT".to_owned() };
        self.changes().create_company(&new).await.unwrap().company.id
    }

    pub(crate) async fn credential(&self, company: CompanyId, kind: CredentialKind, scopes: &[Scope]) -> IssuedCredential {
        let new = NewCredential { kind, name: "test".to_owned(), scopes: scopes.to_vec() };
        self.changes().create_credential(company, &new).await.unwrap()
    }
}

/// The sandbox's guard, as far as these tests need it.
fn good_address(url: &str) -> bool {
    !url.contains("://10.")
}

/// Runs a check over both engines, each of them empty.
pub(crate) async fn on_both<F: AsyncFn(&World)>(check: F) {
    for world in [World::sqlite().await, World::postgres().await] {
        check(&world).await;
        world.db.close().await;
    }
}
