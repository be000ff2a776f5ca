//! The processes that share a store, by their heartbeats; and the store's own clock, by which those who share it tell the time.

use crate::{Batch, Dialect, Driver, QueryError, Row};
use domain::Timestamp;

/// The clock of the database server, milliseconds since 1970 UTC; 0 where it has none beside this machine's.
const STORE_CLOCK: &str = "SELECT 0 /*pg + CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint) */";
// Hands back the store's clock; the embedded store has none of its own.
const BEAT: &str = "INSERT INTO nodes (id, started_at, heartbeat_at) VALUES (?1, ?2, ?2) \
                    ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at \
                    RETURNING heartbeat_at /*pg * 0 + CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint) */";
const SEEN: &str =
    "INSERT INTO instance (name, value) VALUES ('seen_at', ?1) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const COUNT_BEAT: &str = "INSERT INTO instance (name, value) VALUES ('beats', '1') \
                          ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(instance.value AS INTEGER) + 1 AS TEXT) \
                          RETURNING CAST(value AS INTEGER)";
const FIND: &str = "SELECT value FROM instance WHERE name = ?1";
const SINCE: &str = "SELECT id FROM nodes WHERE heartbeat_at >= ?1 LIMIT 1";
const KNOWN: &str = "SELECT 1 FROM nodes WHERE id = ?1";
const BURY: &str = "DELETE FROM nodes WHERE id = ?1 AND heartbeat_at = ?2";
const LIST: &str = "SELECT id, heartbeat_at FROM nodes";
const FORGET: &str = "DELETE FROM nodes WHERE heartbeat_at < ?1 OR id = ?2";

/// What a stored heartbeat brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beaten {
    /// The store's clock; `None`: the store has none of its own.
    pub store_clock: Option<Timestamp>,
    /// How many heartbeats the embedded store has taken in its life.
    pub beats: Option<i64>,
}

/// The store's own clock; `None`: it has none beside this machine's.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn store_clock(db: &dyn Driver) -> Result<Option<Timestamp>, QueryError> {
    let rows = db.query(STORE_CLOCK, Vec::new()).await?;
    let clock = rows.first().map_or(Ok(0), |row| row.int(0))?;
    Ok((clock > 0).then_some(Timestamp::from_millis(clock)))
}

/// This process is alive. Where the store belongs to one process at a time, it also keeps count, and when that was.
pub fn beat(batch: &mut Batch, dialect: Dialect, node: &str, now: Timestamp) {
    batch.returning(BEAT, vec![node.into(), now.millis().into()]);
    if dialect == Dialect::Sqlite {
        batch.returning(COUNT_BEAT, Vec::new());
        batch.run(SEEN, vec![now.millis().to_string().into()]);
    }
}

/// What the commit of a [`beat`] handed back.
///
/// # Errors
/// [`QueryError`] when it is not what was asked for.
pub fn beaten(dialect: Dialect, rows: &[Vec<Row>]) -> Result<Beaten, QueryError> {
    let int = |index: usize| -> Result<Option<i64>, QueryError> {
        rows.get(index).and_then(|rows| rows.first()).map(|row| row.int(0).map_err(QueryError::from)).transpose()
    };
    Ok(match dialect {
        Dialect::Sqlite => Beaten { store_clock: None, beats: int(1)? },
        Dialect::Postgres => Beaten { store_clock: int(0)?.map(Timestamp::from_millis), beats: None },
    })
}

/// When the embedded store was last known to be in use.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn last_seen(db: &dyn Driver) -> Result<Option<Timestamp>, QueryError> {
    Ok(number(db, "seen_at").await?.map(Timestamp::from_millis))
}

/// How many heartbeats the embedded store has taken in its life.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn beats(db: &dyn Driver) -> Result<Option<i64>, QueryError> {
    number(db, "beats").await
}

async fn number(db: &dyn Driver, name: &'static str) -> Result<Option<i64>, QueryError> {
    let rows = db.query(FIND, vec![name.into()]).await?;
    rows.first().map(|row| super::read::parse(row, 0)).transpose()
}

/// Whether any process gave a sign of life since, by the store's clock.
///
/// # Errors
/// [`QueryError`].
pub async fn any_since(db: &dyn Driver, since: Timestamp) -> Result<bool, QueryError> {
    Ok(!db.query(SINCE, vec![since.millis().into()]).await?.is_empty())
}

/// Whether a process is held for living: it is named, and nobody has taken it out.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn is_known(db: &dyn Driver, node: &str) -> Result<bool, QueryError> {
    Ok(!db.query(KNOWN, vec![node.into()]).await?.is_empty())
}

/// Takes a process out that is held for dead, unless it has beaten since.
pub fn bury(batch: &mut Batch, node: &str, last_beat: Timestamp) {
    batch.run(BURY, vec![node.into(), last_beat.millis().into()]);
}

/// The processes with their last heartbeats, each by its own clock: good for telling whether one still beats, not for telling
/// when it did.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn list(db: &dyn Driver) -> Result<Vec<(String, Timestamp)>, QueryError> {
    let rows = db.query(LIST, Vec::new()).await?;
    rows.iter().map(|row| Ok((row.text(0)?, Timestamp::from_millis(row.int(1)?)))).collect()
}

/// Takes one process out (it stops), and those whose heartbeat is older than `before`.
pub fn forget(batch: &mut Batch, node: &str, before: Timestamp) {
    batch.run(FORGET, vec![before.millis().into(), node.into()]);
}
