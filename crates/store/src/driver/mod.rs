//! The generic layer below the repository: one dialect of SQL text, two drivers.
//!
//! * Writes: a [`Batch`] of [`Statement`]s with guards, committed by [`Driver::commit`] all or nothing and answered
//!   only when durable.
//! * Reads: [`Driver::query`] for SQL known at compile time, [`Driver::query_dynamic`] for lists built from filters.

mod batch;
mod error;
pub mod postgres;
pub(crate) mod sql;
pub mod sqlite;
mod value;

use std::path::PathBuf;

use futures::future::BoxFuture;

pub use self::batch::{Batch, Expect, MAX_BATCH_STATEMENTS, Statement};
pub use self::error::{BackupError, CommitError, OpenError, QueryError, StoreError};
pub use self::postgres::PostgresDriver;
pub use self::sqlite::SqliteDriver;
pub use self::value::{Row, RowError, Value};
pub use crate::migrate::{AppliedMigration, Migration, MigrationError, MigrationStatus};

/// The most rows that one query may answer with; lists are paged long before.
pub const MAX_QUERY_ROWS: usize = 200_000;

/// Which engine is behind a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite, embedded.
    Sqlite,
    /// PostgreSQL, over the network.
    Postgres,
}

/// What a committed batch hands back: for each [`Expect::Returning`] statement, in the order of the batch, its rows.
pub type CommitResult = Result<Vec<Vec<Row>>, CommitError>;

/// A database that keeps what it answered.
///
/// The futures are lazy: nothing is sent before the first poll. Once a batch is queued, dropping the future does
/// not take it back; the batch then commits or fails unseen.
pub trait Driver: Send + Sync {
    /// Which engine this is.
    fn dialect(&self) -> Dialect;

    /// Stores the batch, all or nothing, and answers when it is durable.
    ///
    /// # Errors
    /// [`CommitError`] tells what refused it; see there for when the outcome is unknown.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, CommitResult>;

    /// Stores the heartbeat: like [`commit`](Self::commit), but in a place of its own, before whatever waits. It tells whether
    /// the database takes writes; one that nobody has taken yet gives way to the next.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    fn beat(&self, batch: Batch) -> BoxFuture<'_, CommitResult> {
        self.commit(batch)
    }

    /// Runs one reading statement. Sees every batch that was answered before the call.
    ///
    /// # Errors
    /// [`QueryError`], also for more than [`MAX_QUERY_ROWS`] rows.
    fn query(&self, sql: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>>;

    /// Like [`Driver::query`], for SQL that is put together at run time (from fixed parts, never from input).
    ///
    /// # Errors
    /// As [`Driver::query`].
    fn query_dynamic(&self, sql: String, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>>;

    /// Whether the database answers, for reading and for writing.
    ///
    /// # Errors
    /// [`QueryError::Unavailable`] if it does not.
    fn ping(&self) -> BoxFuture<'_, Result<(), QueryError>>;

    /// Applies the migrations of the list that are missing, each in one transaction, and returns those that it
    /// applied. Several processes may call it at once.
    ///
    /// # Errors
    /// [`MigrationError::Newer`] if the database has one that the list does not know (a newer version of the program wrote it);
    /// [`MigrationError::Changed`] if an applied migration's text is no longer the same, and others.
    fn migrate(&self, list: &'static [Migration]) -> BoxFuture<'_, Result<Vec<AppliedMigration>, MigrationError>>;

    /// What of the list is applied, what is missing, what is unknown.
    ///
    /// # Errors
    /// [`MigrationError`] if the database cannot be read.
    fn migration_status(&self, list: &'static [Migration]) -> BoxFuture<'_, Result<Vec<MigrationStatus>, MigrationError>>;

    /// Writes a consistent copy of the whole database to a new file while the database goes on working (SQLite).
    ///
    /// # Errors
    /// [`BackupError::TargetExists`]; [`BackupError::Unsupported`] on PostgreSQL.
    fn backup(&self, target: PathBuf) -> BoxFuture<'_, Result<(), BackupError>>;

    /// Takes no further work, finishes what is queued and lets go of the database. Later calls find it unavailable.
    fn close(&self) -> BoxFuture<'_, ()>;
}
