//! A store that does something at a given statement: fails, forgets to answer, or lets something else happen first.

use ::store::driver::{AppliedMigration, BackupError, CommitResult, Dialect, Migration, MigrationError, MigrationStatus};
use ::store::{Batch, CommitError, Driver, QueryError, Row, Value};
use futures::future::BoxFuture;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub(super) type Hook = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// What happens, once.
pub(super) enum Act {
    /// The commit fails for good; nothing is stored.
    Corrupt,
    /// Nothing is stored, and nobody can say so.
    Lost,
    /// It is stored, and nobody can say so.
    Stored,
    /// Something else happens first.
    Before(Hook),
    /// Something else happens before the answer comes back.
    After(Hook),
}

pub(super) struct Hooked {
    pub(super) inner: Arc<dyn Driver>,
    rules: Mutex<Vec<(&'static str, Act)>>,
    /// Every commit fails: the store is away.
    pub(super) away: AtomicBool,
    /// It says that several processes share it.
    pub(super) shared: AtomicBool,
}

impl Hooked {
    pub(super) fn new(inner: Arc<dyn Driver>) -> Self {
        Self { inner, rules: Mutex::default(), away: AtomicBool::default(), shared: AtomicBool::default() }
    }

    /// At the next statement that contains this text.
    pub(super) fn at(&self, text: &'static str, act: Act) {
        self.rules.lock().unwrap().push((text, act));
    }

    /// Whether everything that was to happen has happened.
    pub(super) fn done(&self) -> bool {
        self.rules.lock().unwrap().is_empty()
    }

    fn act(&self, text: &str) -> Option<Act> {
        let mut rules = self.rules.lock().unwrap();
        let found = rules.iter().position(|(part, _)| text.contains(part))?;
        Some(rules.remove(found).1)
    }

    fn unknown() -> CommitError {
        CommitError::Unknown("a test".to_owned())
    }
}

impl Driver for Hooked {
    fn dialect(&self) -> Dialect {
        if self.shared.load(Ordering::SeqCst) { Dialect::Postgres } else { Dialect::Sqlite }
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, CommitResult> {
        Box::pin(async move {
            if self.away.load(Ordering::SeqCst) {
                return Err(CommitError::Unavailable("a test".to_owned()));
            }
            match self.act(&format!("{batch:?}")) {
                None => self.inner.commit(batch).await,
                Some(Act::Corrupt) => Err(CommitError::Corrupt("a test".to_owned())),
                Some(Act::Lost) => Err(Self::unknown()),
                Some(Act::Stored) => self.inner.commit(batch).await.and(Err(Self::unknown())),
                Some(Act::Before(hook)) => {
                    hook().await;
                    self.inner.commit(batch).await
                }
                Some(Act::After(hook)) => {
                    let result = self.inner.commit(batch).await;
                    hook().await;
                    result
                }
            }
        })
    }

    fn query(&self, sql: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>> {
        Box::pin(async move {
            match self.act(sql) {
                None => self.inner.query(sql, params).await,
                Some(Act::Before(hook)) => {
                    hook().await;
                    self.inner.query(sql, params).await
                }
                Some(Act::After(hook)) => {
                    let result = self.inner.query(sql, params).await;
                    hook().await;
                    result
                }
                Some(_) => Err(QueryError::Unavailable("a test".to_owned())),
            }
        })
    }

    fn query_dynamic(&self, sql: String, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>> {
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
