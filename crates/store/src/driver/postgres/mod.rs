//! PostgreSQL: prepared statements, batches sent in one go, guards checked within the server.
//!
//! The way to the server is protected as its address says (`address`). Every connection is to a server that takes writes, for
//! reading too: a standby may be older than what this process has written. When the writers come to another server, the readers'
//! connections to the one before are given up.
//!
//! Nobody waits for ever: a read, a connection, what a commit prepares and a commit itself each end by a limit of ours
//! (`silence`), and what was being waited for is given up with its connection. A commit that was sent has then an unknown
//! outcome.
//!
//! Durability: `fsync`, `full_page_writes` and `synchronous_commit` are read back on every new connection; one that
//! would not keep what it answers is not used.

mod address;
mod convert;
mod pipeline;
mod session;
mod silence;
mod writer;

#[cfg(test)]
pub(crate) use self::session::PLANS;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Object as Connection, Pool};
use futures::future::BoxFuture;
use futures::{StreamExt as _, pin_mut};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use self::address::Address;
pub use self::address::{ConnectOptions, check_address, has_password};
use self::convert::Class;
use self::silence::{SILENT, Silence};
use self::writer::{BeatPlace, STATEMENT_CACHE, Work};
use super::sqlite::has_nul;
use super::{
    AppliedMigration, BackupError, Batch, CommitError, CommitResult, Dialect, Driver, MAX_QUERY_ROWS, Migration, MigrationError,
    MigrationStatus, OpenError, QueryError, Row, Value, sql,
};
use crate::migrate;

/// Connections for reading.
const READERS: usize = 8;
/// How often a query is tried when its connection turns out to be broken or its plan out of date.
const MAX_QUERY_ATTEMPTS: u32 = 3;
/// A query without an answer for so long never gets one: the server ends it itself a little before (`statement_timeout` of
/// readers).
const QUERY_TIME_LIMIT: Duration = Duration::from_secs(32);

/// A PostgreSQL database. Any number of processes may share it.
pub struct PostgresDriver {
    address: Address,
    queue: Mutex<Option<mpsc::Sender<Work>>>,
    beat: BeatPlace,
    beats: Mutex<Option<mpsc::Sender<()>>>,
    writers: Mutex<Vec<JoinHandle<()>>>,
    write_pool: Pool,
    /// With the generation of the server that it was made for.
    read_pool: Mutex<(u64, Pool)>,
    served: Arc<session::Served>,
    silence: Arc<Silence>,
}

impl std::fmt::Debug for PostgresDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresDriver(..)")
    }
}

impl PostgresDriver {
    /// Connects to `postgres://user:password@host:port/database`, makes sure that the server keeps what it answers,
    /// and starts the writers on the current tokio run time.
    ///
    /// # Errors
    /// [`OpenError::Unsafe`] if a setting that durability rests upon is off; [`OpenError::Refused`] for a server that takes no
    /// writes, an encoding other than UTF8, a pooler that mixes sessions.
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::connect_with(url, &ConnectOptions::default()).await
    }

    /// [`connect`](Self::connect), saying how.
    ///
    /// # Errors
    /// As there; also [`OpenError::Refused`] for a way that is not protected though it must be.
    pub async fn connect_with(url: &str, options: &ConnectOptions) -> Result<Self, OpenError> {
        let address = Address::read(url, options)?;
        let alone = session::connect_first(&address, options.wait).await?;
        let guarded = alone.while_it_answers(&address.tls, session::ensure_guard(&alone.client)).await;
        guarded.map_err(OpenError::Unavailable)??;
        drop(alone);
        let served = Arc::new(session::Served::default());
        let write_pool = session::pool(&address, session::Role::Writer, writer::CONNECTIONS, &served)?;
        let read_pool = session::pool(&address, session::Role::Reader, READERS, &served)?;
        let (queue, work) = mpsc::channel(writer::WRITE_QUEUE_BATCHES);
        let beat = BeatPlace::default();
        let (beats, beaten) = mpsc::channel(1);
        let silence = Arc::new(Silence::default());
        let writers = writer::spawn(&write_pool, &served, &silence, (Arc::clone(&beat), beaten), work);
        Ok(PostgresDriver {
            address,
            queue: Mutex::new(Some(queue)),
            beat,
            beats: Mutex::new(Some(beats)),
            writers: Mutex::new(writers),
            write_pool,
            read_pool: Mutex::new((served.generation(), read_pool)),
            served,
            silence,
        })
    }

    /// The readers' connections, to the server that the writers write to.
    fn readers(&self) -> Result<Pool, QueryError> {
        let mut held = self.read_pool.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.served.generation();
        if held.0 != generation && !held.1.is_closed() {
            let pool = session::pool(&self.address, session::Role::Reader, READERS, &self.served);
            let pool = pool.map_err(|error| QueryError::Unavailable(error.to_string()))?;
            // Those in use are dropped when they come back.
            std::mem::replace(&mut *held, (generation, pool)).1.close();
        }
        Ok(held.1.clone())
    }

    /// Puts the heartbeat into its place and wakes its writer; one that is at work on the one before finds it there next.
    async fn send_beat(&self, batch: Batch) -> CommitResult {
        let closed = |why: &str| CommitError::Unavailable(why.to_owned());
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let beats = beats.ok_or_else(|| closed("the database is closed"))?;
        let (reply, answer) = oneshot::channel();
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner) = Some(Work { batch, reply });
        if let Err(mpsc::error::TrySendError::Closed(())) = beats.try_send(()) {
            return Err(closed("the writers have stopped"));
        }
        drop(beats);
        answer.await.map_err(|_| CommitError::Unknown("a writer has stopped, or the next heartbeat took its place".to_owned()))?
    }

    async fn commit_batch(&self, batch: Batch) -> CommitResult {
        let unavailable = |why: &str| CommitError::Unavailable(why.to_owned());
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let queue = queue.ok_or_else(|| unavailable("the database is closed"))?;
        let (reply, answer) = oneshot::channel();
        let queued = queue.send(Work { batch, reply }).await;
        queued.map_err(|_| unavailable("the writers have stopped"))?;
        // A writer answers everything it takes; if it died with our batch in hand, nobody knows.
        answer.await.map_err(|_| CommitError::Unknown("the writer has stopped".to_owned()))?
    }

    /// A connection for reading. While the server is silent none is taken, and none made: a crowd of connections that nobody
    /// answers would be in the way when the server goes on.
    async fn reader(&self) -> Result<Connection, QueryError> {
        if self.silence.is_silent() {
            return Err(self.no_answer());
        }
        let readers = self.readers()?;
        let connection = self.silence.bounded(QUERY_TIME_LIMIT, readers.get()).await.ok_or_else(|| self.no_answer())?;
        let connection = connection.map_err(|error| QueryError::Unavailable(session::pool_error(&error)))?;
        if connection.statement_cache.size() > STATEMENT_CACHE {
            connection.statement_cache.clear();
        }
        Ok(connection)
    }

    fn no_answer(&self) -> QueryError {
        QueryError::Unavailable(if self.silence.is_silent() { SILENT } else { "no answer in time" }.to_owned())
    }

    async fn read(&self, sql: &str, params: Vec<Value>, keep: bool) -> Result<Vec<Row>, QueryError> {
        if has_nul(&params) {
            return Err(QueryError::Corrupt("a parameter has a NUL character".to_owned()));
        }
        let text = sql::to_postgres(sql);
        if text.params != params.len() {
            let error = format!("{} parameters for: {sql}", params.len());
            return Err(QueryError::Corrupt(error));
        }
        let mut attempts = 1;
        loop {
            let connection = self.reader().await?;
            let Some(found) = self.silence.bounded(QUERY_TIME_LIMIT, rows(&connection, &text.sql, &params, keep)).await else {
                drop(Connection::take(connection));
                return Err(self.no_answer());
            };
            let error = match found {
                Ok(found) => {
                    self.silence.heard();
                    return found;
                }
                Err(error) => error,
            };
            let again = match convert::class(&error) {
                None => connection.is_closed(),
                Some(class) => {
                    self.silence.heard();
                    class == Class::StalePlan
                }
            };
            if !again || attempts == MAX_QUERY_ATTEMPTS {
                return Err(convert::query_error(&error, sql));
            }
            connection.statement_cache.clear();
            attempts += 1;
        }
    }
}

/// The inner error is final; the outer one is the database's.
async fn rows(
    connection: &Connection,
    text: &str,
    params: &[Value],
    keep: bool,
) -> Result<Result<Vec<Row>, QueryError>, tokio_postgres::Error> {
    let types: Vec<_> = params.iter().map(convert::type_of).collect();
    // Statements made at run time are too many to keep: the server plans them anew, in the same round trip.
    let stream = if keep {
        let statement = connection.prepare_typed_cached(text, &types).await?;
        connection.query_raw(&statement, params).await?
    } else {
        connection.query_typed_raw(text, params.iter().zip(types)).await?
    };
    pin_mut!(stream);
    let mut out = Vec::new();
    while let Some(row) = stream.next().await {
        if out.len() == MAX_QUERY_ROWS {
            return Ok(Err(QueryError::TooManyRows(MAX_QUERY_ROWS)));
        }
        match convert::row(&row?) {
            Ok(row) => out.push(row),
            Err(column) => {
                let error = format!("column {column} cannot be read, in: {text}");
                return Ok(Err(QueryError::Corrupt(error)));
            }
        }
    }
    Ok(Ok(out))
}

impl Driver for PostgresDriver {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, CommitResult> {
        Box::pin(self.commit_batch(batch))
    }

    fn beat(&self, batch: Batch) -> BoxFuture<'_, CommitResult> {
        Box::pin(self.send_beat(batch))
    }

    fn query(&self, sql: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>> {
        Box::pin(self.read(sql, params, true))
    }

    fn query_dynamic(&self, sql: String, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>> {
        Box::pin(async move { self.read(&sql, params, false).await })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), QueryError>> {
        Box::pin(async move {
            self.query("SELECT 1", Vec::new()).await?;
            let mut batch = Batch::new();
            batch.returning("SELECT 1", Vec::new());
            let write = self.commit(batch).await;
            write.map(|_| ()).map_err(|error| QueryError::Unavailable(error.to_string()))
        })
    }

    fn migrate(&self, list: &'static [Migration]) -> BoxFuture<'_, Result<Vec<AppliedMigration>, MigrationError>> {
        Box::pin(async move {
            let alone = session::connect_alone(&self.address).await;
            let alone = alone.map_err(|e| MigrationError::Unavailable(e.to_string()))?;
            let done = alone.while_it_answers(&self.address.tls, run_migrations(&alone.client, list)).await;
            done.map_err(|why| MigrationError::Unavailable(format!("{why}: the next start tells what is applied")))?
        })
    }

    fn migration_status(&self, list: &'static [Migration]) -> BoxFuture<'_, Result<Vec<MigrationStatus>, MigrationError>> {
        Box::pin(async move {
            let there = "SELECT to_regclass('schema_migrations') IS NOT NULL";
            let rows = self.query(there, Vec::new()).await?;
            if rows.first().map_or(Ok(0), |row| row.int(0)).map_err(QueryError::from)? == 0 {
                return Ok(migrate::status(list, &[]));
            }
            let rows = self.query(migrate::SELECT_APPLIED, Vec::new()).await?;
            let applied: Result<Vec<_>, _> = rows.iter().map(AppliedMigration::from_row).collect();
            Ok(migrate::status(list, &applied?))
        })
    }

    fn backup(&self, _target: PathBuf) -> BoxFuture<'_, Result<(), BackupError>> {
        Box::pin(async { Err(BackupError::Unsupported("pg_dump or pg_basebackup")) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
            drop(self.beats.lock().unwrap_or_else(PoisonError::into_inner).take());
            let writers = std::mem::take(&mut *self.writers.lock().unwrap_or_else(PoisonError::into_inner));
            for writer in writers {
                if writer.await.is_err() {
                    tracing::error!("a database task had panicked");
                }
            }
            self.write_pool.close();
            self.read_pool.lock().unwrap_or_else(PoisonError::into_inner).1.close();
        })
    }
}

/// Applies what is missing, under a lock that ends with the session of the client.
async fn run_migrations(client: &Client, list: &'static [Migration]) -> Result<Vec<AppliedMigration>, MigrationError> {
    let unavailable = |e: tokio_postgres::Error| MigrationError::Unavailable(convert::describe(&e));
    session::lock_schema(client).await.map_err(unavailable)?;
    client.batch_execute(migrate::CREATE_TABLE_POSTGRES).await.map_err(unavailable)?;
    let found = client.query(migrate::SELECT_APPLIED, &[]).await.map_err(unavailable)?;
    let mut applied = Vec::with_capacity(found.len());
    for row in &found {
        let row = convert::row(row)
            .map_err(|column| MigrationError::Unavailable(format!("column {column} of schema_migrations is odd")))?;
        applied.push(AppliedMigration::from_row(&row)?);
    }
    let mut done = Vec::new();
    for migration in migrate::pending(list, &applied)? {
        let result = run_migration(client, migration).await;
        done.push(result.map_err(|reason| MigrationError::Failed {
            version: migration.version,
            name: migration.name,
            reason,
        })?);
    }
    Ok(done)
}

/// On failure the session ends with its transaction open, and the server rolls back.
async fn run_migration(client: &Client, migration: &'static Migration) -> Result<AppliedMigration, String> {
    let text = |error: tokio_postgres::Error| convert::describe(&error);
    client.batch_execute("BEGIN").await.map_err(text)?;
    let transaction = "SELECT txid_current()";
    let before: i64 = client.query_one(transaction, &[]).await.map_err(text)?.get(0);
    client.batch_execute(&migration.for_postgres()).await.map_err(text)?;
    let after: i64 = client.query_one(transaction, &[]).await.map_err(text)?.get(0);
    if before != after {
        return Err("its text ends the transaction; it must not".to_owned());
    }
    let applied = AppliedMigration::now(migration);
    let insert = sql::to_postgres(migrate::INSERT_APPLIED).sql;
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&applied.version, &applied.name, &applied.checksum, &applied.applied_at_ms];
    client.execute(&insert, &params).await.map_err(text)?;
    client.batch_execute("COMMIT").await.map_err(text)?;
    Ok(applied)
}
