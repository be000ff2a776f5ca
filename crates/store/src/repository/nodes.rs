//! The processes that share a store, by their heartbeats.

use crate::{Batch, Driver, QueryError};
use domain::Timestamp;

const BEAT: &str = "INSERT INTO nodes (id, started_at, heartbeat_at) VALUES (?1, ?2, ?2) \
                    ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at";
const SINCE: &str = "SELECT id FROM nodes WHERE heartbeat_at >= ?1 LIMIT 1";
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

/// Takes one process out (it stops), and those whose heartbeat is older than `before`.
pub fn forget(batch: &mut Batch, node: &str, before: Timestamp) {
    batch.run(FORGET, vec![before.millis().into(), node.into()]);
}
