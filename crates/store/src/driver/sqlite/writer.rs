//! The one thread that writes. It takes everything that waits, runs it, commits once and only then answers: with a sync of the
//! disk per commit, that is what makes many small batches fast. When one of them spoils it for all, the group runs again with a
//! savepoint for each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::convert::{self, Class, Failure};
use super::open_writer;
use crate::driver::{
    AppliedMigration, Batch, CommitError, CommitResult, Expect, MAX_BATCH_STATEMENTS, Migration, MigrationError, OpenError, Row,
};
use crate::migrate;

/// The most batches that share one commit.
const MAX_GROUP_BATCHES: usize = 256;

/// What waits for the writer.
pub(super) enum Work {
    Batch(Batch, oneshot::Sender<CommitResult>),
    Migrate(&'static [Migration], oneshot::Sender<Result<Vec<AppliedMigration>, MigrationError>>),
    /// Only wakes: a heartbeat is in its place.
    Beat,
}

/// Where the heartbeat waits: it is the first of the next group, however many wait behind it.
pub(super) type BeatPlace = Arc<Mutex<Option<(Batch, oneshot::Sender<CommitResult>)>>>;

/// Why a whole transaction came to nothing.
enum GroupFailure {
    /// Rolled back for a reason that may lie with one batch alone: worth running each by itself.
    RolledBack(CommitError),
    /// The database cannot be written; nothing is stored.
    Unavailable(String),
    /// The log may or may not hold the commit.
    Unknown(String),
}

/// How the batches of a group are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Isolation {
    /// Not at all: the failure of one takes back the whole group.
    None,
    /// The failure of one takes back its own changes only.
    Savepoints,
}

struct Writer {
    path: PathBuf,
    /// None after a failure that leaves the connection in doubt, until it could be opened again.
    connection: Option<Connection>,
    beat: BeatPlace,
}

/// Starts the writer. It ends when the queue is closed and empty.
pub(super) fn spawn(
    path: PathBuf,
    connection: Connection,
    beat: BeatPlace,
    mut queue: mpsc::Receiver<Work>,
) -> Result<JoinHandle<()>, OpenError> {
    let mut writer = Writer { path, connection: Some(connection), beat };
    let serve = move || {
        while let Some(first) = queue.blocking_recv() {
            // Whatever panics, the thread stays: who waits for what it had in hand learns that the outcome is unknown, and the
            // connection, which was taken out, is made anew.
            if catch_unwind(AssertUnwindSafe(|| writer.take(first, &mut queue))).is_err() {
                writer.connection = None;
                tracing::error!("the writer of the database panicked");
            }
        }
        writer.finish();
    };
    let spawned = std::thread::Builder::new().name("sqlite-writer".to_owned()).spawn(serve);
    spawned.map_err(|error| OpenError::Unavailable(error.to_string()))
}

impl Writer {
    /// Takes what waits, up to a group, and answers it.
    fn take(&mut self, first: Work, queue: &mut mpsc::Receiver<Work>) {
        let mut batches = Vec::new();
        let mut replies = Vec::new();
        let beat = self.beat.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((batch, reply)) = beat {
            batches.push(batch);
            replies.push(reply);
        }
        let mut next = Some(first);
        while let Some(work) = next.take() {
            match work {
                Work::Batch(batch, reply) => {
                    batches.push(batch);
                    replies.push(reply);
                    if batches.len() < MAX_GROUP_BATCHES {
                        next = queue.try_recv().ok();
                    }
                }
                Work::Beat => next = queue.try_recv().ok(),
                Work::Migrate(list, reply) => {
                    answer(std::mem::take(&mut replies), self.commit(&std::mem::take(&mut batches)));
                    // A caller that has gone away does not stop its work.
                    let _ = reply.send(self.migrate(list));
                }
            }
        }
        answer(replies, self.commit(&batches));
    }

    /// Commits a group; one result per batch, in order.
    fn commit(&mut self, batches: &[Batch]) -> Vec<CommitResult> {
        if batches.is_empty() {
            return Vec::new();
        }
        let together = match self.transaction(batches, Isolation::None) {
            // Nothing is stored of any. Savepoints cost a tenth of everything, and failures are few.
            Err(GroupFailure::RolledBack(_)) if batches.len() > 1 => self.transaction(batches, Isolation::Savepoints),
            other => other,
        };
        match together {
            Ok(results) => results,
            Err(GroupFailure::RolledBack(error)) if batches.len() == 1 => vec![Err(error)],
            Err(GroupFailure::RolledBack(_)) => {
                batches.iter().flat_map(|batch| self.commit(std::slice::from_ref(batch))).collect()
            }
            Err(GroupFailure::Unavailable(why)) => {
                // Told by whoever watches the store: once, not once per group.
                tracing::debug!(batches = batches.len(), reason = %why, "nothing can be written");
                batches.iter().map(|_| Err(CommitError::Unavailable(why.clone()))).collect()
            }
            Err(GroupFailure::Unknown(why)) => {
                tracing::error!(batches = batches.len(), reason = %why, "a commit has no known outcome");
                batches.iter().map(|_| Err(CommitError::Unknown(why.clone()))).collect()
            }
        }
    }

    fn transaction(&mut self, batches: &[Batch], isolation: Isolation) -> Result<Vec<CommitResult>, GroupFailure> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open_writer(&self.path).map_err(|error| GroupFailure::Unavailable(error.to_string()))?,
        };
        let result = run_group(&connection, batches, isolation);
        // Kept only if it is certainly outside of a transaction and the disk was not at fault.
        let sound = matches!(result, Ok(_) | Err(GroupFailure::RolledBack(_)));
        if sound && connection.is_autocommit() {
            self.connection = Some(connection);
        }
        result
    }

    fn migrate(&mut self, list: &'static [Migration]) -> Result<Vec<AppliedMigration>, MigrationError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open_writer(&self.path).map_err(|error| MigrationError::Unavailable(error.to_string()))?,
        };
        let result = run_migrations(&connection, list);
        if connection.is_autocommit() {
            self.connection = Some(connection);
        }
        result
    }

    fn finish(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let tidy = "PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);";
        if let Err(error) = connection.execute_batch(tidy) {
            tracing::warn!(%error, "the log could not be copied back; the next start will do it");
        }
    }
}

fn answer(replies: Vec<oneshot::Sender<CommitResult>>, results: Vec<CommitResult>) {
    debug_assert_eq!(replies.len(), results.len());
    for (reply, result) in replies.into_iter().zip(results) {
        // A caller that has gone away learns nothing; its batch stands as committed.
        let _ = reply.send(result);
    }
}

fn run_group(connection: &Connection, batches: &[Batch], isolation: Isolation) -> Result<Vec<CommitResult>, GroupFailure> {
    debug_assert!(connection.is_autocommit());
    let unavailable = |error: rusqlite::Error| GroupFailure::Unavailable(error.to_string());
    convert::control(connection, "BEGIN IMMEDIATE").map_err(unavailable)?;
    let isolate = isolation == Isolation::Savepoints;
    let mut results = Vec::with_capacity(batches.len());
    for batch in batches {
        let result = match isolate {
            true => run_isolated(connection, batch),
            false => run_batch(connection, batch).map_err(|(error, class)| match class {
                Class::Broken => GroupFailure::Unavailable(error.to_string()),
                _ => GroupFailure::RolledBack(error),
            }),
        };
        match result {
            Ok(rows) => results.push(Ok(rows)),
            Err(GroupFailure::RolledBack(error)) if isolate && !connection.is_autocommit() => {
                results.push(Err(error));
            }
            Err(failure) => {
                // SQLite has already rolled back by itself after a full disk and the like.
                if !connection.is_autocommit() {
                    convert::control(connection, "ROLLBACK").map_err(unavailable)?;
                }
                return Err(failure);
            }
        }
    }
    if let Err(error) = convert::control(connection, "COMMIT") {
        return Err(commit_failed(connection, error));
    }
    debug_assert!(connection.is_autocommit());
    Ok(results)
}

/// A batch among others: its failure takes back its own changes only.
fn run_isolated(connection: &Connection, batch: &Batch) -> Result<Vec<Vec<Row>>, GroupFailure> {
    let unavailable = |error: rusqlite::Error| GroupFailure::Unavailable(error.to_string());
    convert::control(connection, "SAVEPOINT batch").map_err(unavailable)?;
    let result = run_batch(connection, batch);
    if result.is_err() && !connection.is_autocommit() {
        convert::control(connection, "ROLLBACK TO batch").map_err(unavailable)?;
    }
    if !connection.is_autocommit() {
        convert::control(connection, "RELEASE batch").map_err(unavailable)?;
    }
    result.map_err(|(error, class)| match class {
        Class::Broken => GroupFailure::Unavailable(error.to_string()),
        _ => GroupFailure::RolledBack(error),
    })
}

fn run_batch(connection: &Connection, batch: &Batch) -> Result<Vec<Vec<Row>>, (CommitError, Class)> {
    if batch.len() > MAX_BATCH_STATEMENTS {
        let text = format!("a batch of more than {MAX_BATCH_STATEMENTS} statements");
        return Err((CommitError::Corrupt(text), Class::Corrupt));
    }
    // Before any of it runs, as PostgreSQL does: both name the same statement.
    if let Some(statement) = batch.0.iter().find(|statement| convert::has_nul(&statement.params)) {
        return Err((CommitError::Check(statement.label), Class::Check));
    }
    let mut returned = Vec::new();
    for statement in &batch.0 {
        let failed = |failure: Failure| (failure.commit_error(statement.label), failure.class());
        let prepared = connection.prepare_cached(statement.sql);
        let mut prepared = prepared.map_err(|error| failed(error.into()))?;
        match statement.expect {
            Expect::Returning => {
                let rows = convert::collect(&mut prepared, &statement.params);
                returned.push(rows.map_err(failed)?);
            }
            Expect::Any => {
                convert::count(&mut prepared, &statement.params).map_err(failed)?;
            }
            Expect::Rows(expected) => {
                let changed = convert::count(&mut prepared, &statement.params).map_err(failed)?;
                if changed != expected {
                    return Err((CommitError::Guard(statement.label), Class::Check));
                }
            }
        }
    }
    Ok(returned)
}

/// Nothing of the group is answered as stored. Of a write or sync that failed, part may have reached the log; only a
/// full disk or a deferred constraint certainly left no commit record there.
fn commit_failed(connection: &Connection, error: rusqlite::Error) -> GroupFailure {
    let class = convert::class(&error);
    let rolled_back = connection.is_autocommit() || convert::control(connection, "ROLLBACK").is_ok();
    match class {
        Class::Check | Class::Duplicate if rolled_back => GroupFailure::RolledBack(CommitError::Check("a deferred constraint")),
        Class::Unavailable if rolled_back => GroupFailure::Unavailable(error.to_string()),
        _ => GroupFailure::Unknown(error.to_string()),
    }
}

fn run_migrations(connection: &Connection, list: &'static [Migration]) -> Result<Vec<AppliedMigration>, MigrationError> {
    let unavailable = |error: rusqlite::Error| MigrationError::Unavailable(error.to_string());
    connection.execute_batch(migrate::CREATE_TABLE_SQLITE).map_err(unavailable)?;
    let applied = {
        let prepared = connection.prepare_cached(migrate::SELECT_APPLIED);
        let rows = convert::collect(&mut prepared.map_err(unavailable)?, &[]);
        let rows = rows.map_err(|failure| MigrationError::Unavailable(failure.to_string()))?;
        rows.iter().map(AppliedMigration::from_row).collect::<Result<Vec<_>, _>>()?
    };
    let mut done = Vec::new();
    for migration in migrate::pending(list, &applied)? {
        let result = run_migration(connection, migration);
        if result.is_err() && !connection.is_autocommit() {
            convert::control(connection, "ROLLBACK").map_err(unavailable)?;
        }
        done.push(result.map_err(|reason| MigrationError::Failed {
            version: migration.version,
            name: migration.name,
            reason,
        })?);
    }
    connection.flush_prepared_statement_cache();
    Ok(done)
}

fn run_migration(connection: &Connection, migration: &'static Migration) -> Result<AppliedMigration, String> {
    let text = |error: rusqlite::Error| error.to_string();
    convert::control(connection, "BEGIN IMMEDIATE").map_err(text)?;
    connection.execute_batch(migration.sql).map_err(text)?;
    if connection.is_autocommit() {
        return Err("its text ends the transaction; it must not".to_owned());
    }
    let applied = AppliedMigration::now(migration);
    let params = (&applied.version, &applied.name, &applied.checksum, &applied.applied_at_ms);
    connection.execute(migrate::INSERT_APPLIED, params).map_err(text)?;
    convert::control(connection, "COMMIT").map_err(text)?;
    Ok(applied)
}
