//! The processes that share a store, by their heartbeats.

use crate::{Batch, Driver, QueryError};
use domain::Timestamp;

const BEAT: &str = "INSERT INTO nodes (id, started_at, heartbeat_at) VALUES (?1, ?2, ?2) \
                    ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at";
const SINCE: &str = "SELECT id FROM nodes WHERE heartbeat_at >= ?1 LIMIT 1";
const BURY: &str = "DELETE FROM nodes WHERE id = ?1 AND heartbeat_at = ?2";
const LIST: &str = "SELECT id, heartbeat_at FROM nodes";
const FORGET: &str = "DELETE FROM nodes WHERE heartbeat_at < ?1 OR id = ?2";

/// Whether any process gave a sign of life since.
///
/// # Errors
/// [`QueryError`].
pub async fn any_since(db: &dyn Driver, since: Timestamp) -> Result<bool, QueryError> {
    Ok(!db.query(SINCE, vec![since.millis().into()]).await?.is_empty())
}

/// This process is alive.
pub fn beat(batch: &mut Batch, node: &str, now: Timestamp) {
    batch.run(BEAT, vec![node.into(), now.millis().into()]);
}

/// Takes a process out that is held for dead, unless it has beaten since.
pub fn bury(batch: &mut Batch, node: &str, last_beat: Timestamp) {
    batch.run(BURY, vec![node.into(), last_beat.millis().into()]);
}

/// The processes with their last heartbeats, each by its own clock: good for telling whether one still beats, not for telling when it did.
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
