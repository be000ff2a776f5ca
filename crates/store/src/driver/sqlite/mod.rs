//! SQLite, embedded: one writer thread that commits many batches at once, a few read-only connections.
//!
//! Durability: WAL with `synchronous=FULL`, so that a commit is answered after the log is synced. The settings are
//! read back at every opening; a store that would not sync is refused.

mod convert;
mod readers;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::future::BoxFuture;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{mpsc, oneshot};

pub(super) use self::convert::has_nul;
use self::readers::{Read, Sql};
use self::writer::{BeatPlace, Work};
use super::{
    AppliedMigration, BackupError, Batch, CommitError, CommitResult, Dialect, Driver, Migration, MigrationError, MigrationStatus,
    OpenError, QueryError, Row, Value,
};
use crate::migrate;

/// How many batches may wait for the writer; further callers wait for a place.
const WRITE_QUEUE_BATCHES: usize = 1_024;
/// How many queries may wait for a reader; further callers wait for a place.
const READ_QUEUE_QUERIES: usize = 1_024;
/// Read-only connections, one thread each.
const READERS: usize = 4;
/// How long a connection waits for a lock that another process holds (a backup, a command of the operator).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection.
const STATEMENT_CACHE: usize = 512;
/// Page cache of the writer in KiB.
const WRITER_CACHE_KIB: u32 = 64 * 1_024;
/// Page cache of each reader in KiB.
const READER_CACHE_KIB: u32 = 16 * 1_024;
/// The log is copied back into the database file when it has this many pages of 4 KiB.
const CHECKPOINT_PAGES: u32 = 4_000;
/// The log file is cut to this size after a checkpoint.
const JOURNAL_SIZE_LIMIT_BYTES: u32 = 64 * 1_024 * 1_024;

/// The embedded database.
#[derive(Debug)]
pub struct SqliteDriver {
    path: PathBuf,
    writer: Mutex<Option<mpsc::Sender<Work>>>,
    beat: BeatPlace,
    readers: Mutex<Option<mpsc::Sender<Read>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl SqliteDriver {
    /// Opens the database file, or makes it. The directory must be there, and held by this process alone.
    ///
    /// # Errors
    /// [`OpenError::Unsafe`] if the file system or the build would not keep what is answered.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = open_writer(path)?;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            readers.push(open_reader(path)?);
        }
        let mut threads = Vec::with_capacity(READERS + 1);
        let (write_queue, work) = mpsc::channel(WRITE_QUEUE_BATCHES);
        let beat = BeatPlace::default();
        threads.push(writer::spawn(path.to_owned(), connection, Arc::clone(&beat), work)?);
        let (read_queue, reads) = mpsc::channel(READ_QUEUE_QUERIES);
        threads.extend(readers::spawn(readers, reads)?);
        Ok(SqliteDriver {
            path: path.to_owned(),
            writer: Mutex::new(Some(write_queue)),
            beat,
            readers: Mutex::new(Some(read_queue)),
            threads: Mutex::new(threads),
        })
    }

    async fn send<T>(&self, work: impl FnOnce(oneshot::Sender<T>) -> Work) -> Result<T, CommitError> {
        let closed = |why: &str| CommitError::Unavailable(why.to_owned());
        let queue = self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let queue = queue.ok_or_else(|| closed("the database is closed"))?;
        let (reply, answer) = oneshot::channel();
        queue.send(work(reply)).await.map_err(|_| closed("the writer has stopped"))?;
        // The writer answers everything it takes; if it died with our work in hand, nobody knows.
        answer.await.map_err(|_| CommitError::Unknown("the writer has stopped".to_owned()))
    }

    /// Puts the heartbeat into its place and wakes the writer; one that is at work anyway finds it there when it forms its next
    /// group.
    async fn send_beat(&self, batch: Batch) -> CommitResult {
        let closed = |why: &str| CommitError::Unavailable(why.to_owned());
        let queue = self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let queue = queue.ok_or_else(|| closed("the database is closed"))?;
        let (reply, answer) = oneshot::channel();
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner) = Some((batch, reply));
        if let Err(mpsc::error::TrySendError::Closed(_)) = queue.try_send(Work::Beat) {
            return Err(closed("the writer has stopped"));
        }
        drop(queue);
        answer
            .await
            .map_err(|_| CommitError::Unknown("the writer has stopped, or the next heartbeat took its place".to_owned()))?
    }

    async fn read(&self, sql: Sql, params: Vec<Value>) -> Result<Vec<Row>, QueryError> {
        let unavailable = |why: &str| QueryError::Unavailable(why.to_owned());
        let queue = self.readers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let queue = queue.ok_or_else(|| unavailable("the database is closed"))?;
        let (reply, answer) = oneshot::channel();
        let read = Read { sql, params, reply };
        queue.send(read).await.map_err(|_| unavailable("the readers have stopped"))?;
        answer.await.map_err(|_| unavailable("the reader has stopped"))?
    }
}

impl Driver for SqliteDriver {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, CommitResult> {
        Box::pin(async move { self.send(|reply| Work::Batch(batch, reply)).await? })
    }

    fn beat(&self, batch: Batch) -> BoxFuture<'_, CommitResult> {
        Box::pin(self.send_beat(batch))
    }

    fn query(&self, sql: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>> {
        Box::pin(self.read(Sql::Static(sql), params))
    }

    fn query_dynamic(&self, sql: String, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>> {
        Box::pin(self.read(Sql::Dynamic(sql), params))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), QueryError>> {
        Box::pin(async move {
            self.read(Sql::Static("SELECT 1"), Vec::new()).await?;
            let write = self.commit(Batch::new()).await;
            write.map(|_| ()).map_err(|error| QueryError::Unavailable(error.to_string()))
        })
    }

    fn migrate(&self, list: &'static [Migration]) -> BoxFuture<'_, Result<Vec<AppliedMigration>, MigrationError>> {
        Box::pin(async move {
            match self.send(|reply| Work::Migrate(list, reply)).await {
                Ok(result) => result,
                Err(CommitError::Unavailable(why) | CommitError::Unknown(why)) => Err(MigrationError::Unavailable(why)),
                Err(error) => Err(MigrationError::Unavailable(error.to_string())),
            }
        })
    }

    fn migration_status(&self, list: &'static [Migration]) -> BoxFuture<'_, Result<Vec<MigrationStatus>, MigrationError>> {
        Box::pin(async move {
            let there = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'";
            let rows = self.query(there, Vec::new()).await?;
            if rows.first().map_or(Ok(0), |row| row.int(0)).map_err(QueryError::from)? == 0 {
                return Ok(migrate::status(list, &[]));
            }
            let rows = self.query(migrate::SELECT_APPLIED, Vec::new()).await?;
            let applied: Result<Vec<_>, _> = rows.iter().map(AppliedMigration::from_row).collect();
            Ok(migrate::status(list, &applied?))
        })
    }

    fn backup(&self, target: PathBuf) -> BoxFuture<'_, Result<(), BackupError>> {
        let source = self.path.clone();
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let copy = move || {
                // Nobody waiting any more is no reason to stop half-way.
                let _ = reply.send(backup(&source, &target));
            };
            let spawned = std::thread::Builder::new().name("sqlite-backup".to_owned()).spawn(copy);
            spawned.map_err(|error| BackupError::Failed(error.to_string()))?;
            answer.await.map_err(|_| BackupError::Failed("the copying thread died".to_owned()))?
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            drop(self.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
            drop(self.readers.lock().unwrap_or_else(PoisonError::into_inner).take());
            let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
            let (reply, closed) = oneshot::channel();
            let join = move || {
                for thread in threads {
                    if thread.join().is_err() {
                        tracing::error!("a database thread had panicked");
                    }
                }
                let _ = reply.send(());
            };
            if std::thread::Builder::new().name("sqlite-close".to_owned()).spawn(join).is_ok() {
                let _ = closed.await;
            }
        })
    }
}

fn unavailable(error: &rusqlite::Error) -> OpenError {
    OpenError::Unavailable(error.to_string())
}

fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| unavailable(&e))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|e| unavailable(&e))?;
    statements(&connection).map_err(|e| unavailable(&e))?;
    // fullfsync matters on macOS only, where fsync alone leaves data in the drive's cache. mmap stays off: an I/O
    // error in a mapped page kills the process instead of failing one statement.
    let settings = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; \
         PRAGMA checkpoint_fullfsync = ON; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; \
         PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; \
         PRAGMA cache_size = -{WRITER_CACHE_KIB}; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}; \
         PRAGMA journal_size_limit = {JOURNAL_SIZE_LIMIT_BYTES};"
    );
    connection.execute_batch(&settings).map_err(|e| unavailable(&e))?;
    assert_settings(&connection)?;
    Ok(connection)
}

fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| unavailable(&e))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|e| unavailable(&e))?;
    statements(&connection).map_err(|e| unavailable(&e))?;
    let settings = format!(
        "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; \
         PRAGMA mmap_size = 0; PRAGMA cache_size = -{READER_CACHE_KIB};"
    );
    connection.execute_batch(&settings).map_err(|e| unavailable(&e))?;
    Ok(connection)
}

/// How a connection prepares statements: once, whatever values are bound to them. Without the guarantee SQLite looks at the
/// values, and prepares a statement anew whenever one of them is bound: a plan would hang on them, and the time goes into
/// parsing.
pub(crate) fn statements(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Reads back what durability rests upon: SQLite ignores a `PRAGMA` that it cannot honour.
fn assert_settings(connection: &Connection) -> Result<(), OpenError> {
    let read = |pragma: &'static str| -> Result<String, OpenError> {
        let value = connection.pragma_query_value(None, pragma, |row| row.get_ref(0).map(text_of));
        value.map_err(|e| unavailable(&e))
    };
    let required: [(&'static str, &'static str, &[&str]); 3] =
        [("journal_mode", "wal", &["wal"]), ("synchronous", "2 (FULL) or 3 (EXTRA)", &["2", "3"]), ("foreign_keys", "1", &["1"])];
    for (setting, required, allowed) in required {
        let found = read(setting)?;
        if !allowed.contains(&found.as_str()) {
            return Err(OpenError::Unsafe { setting, required, found });
        }
    }
    Ok(())
}

fn text_of(value: rusqlite::types::ValueRef<'_>) -> String {
    match value {
        rusqlite::types::ValueRef::Integer(int) => int.to_string(),
        rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => "neither a number nor text".to_owned(),
    }
}

/// Copies into a file beside the target, syncs it and only then gives it its name, so that a file of that name is
/// always a whole backup.
fn backup(source: &Path, target: &Path) -> Result<(), BackupError> {
    let failed = |error: &dyn std::fmt::Display| BackupError::Failed(error.to_string());
    if target.exists() {
        return Err(BackupError::TargetExists);
    }
    let name = target.file_name().ok_or_else(|| failed(&"the target has no file name"))?;
    let mut partial_name = name.to_owned();
    partial_name.push(".partial");
    let partial = target.with_file_name(partial_name);
    let path = partial.to_str().ok_or_else(|| failed(&"the target's name is not UTF-8"))?;
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&error)),
        _ => {}
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(source, flags).map_err(|e| failed(&e))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|e| failed(&e))?;
    connection.execute("VACUUM INTO ?1", [path]).map_err(|e| failed(&e))?;
    let sync = |path: &Path| std::fs::File::open(path).and_then(|file| file.sync_all());
    sync(&partial).map_err(|e| failed(&e))?;
    // A hard link fails where a rename would silently replace a target that appeared meanwhile.
    match std::fs::hard_link(&partial, target) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(BackupError::TargetExists);
        }
        linked => linked.map_err(|e| failed(&e))?,
    }
    std::fs::remove_file(&partial).map_err(|e| failed(&e))?;
    let directory = target.parent().filter(|p| !p.as_os_str().is_empty());
    sync(directory.unwrap_or(Path::new("."))).map_err(|e| failed(&e))
}

#[cfg(test)]
mod tests;
