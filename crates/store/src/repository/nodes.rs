//! The processes that share a store, by their heartbeats.

use crate::Batch;
use domain::Timestamp;

const BEAT: &str = "INSERT INTO nodes (id, started_at, heartbeat_at) VALUES (?1, ?2, ?2) \
                    ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at";
const FORGET: &str = "DELETE FROM nodes WHERE heartbeat_at < ?1 OR id = ?2";

/// This process is alive.
pub fn beat(batch: &mut Batch, node: &str, now: Timestamp) {
    batch.run(BEAT, vec![node.into(), now.millis().into()]);
}

/// Takes one process out (it stops), and those whose heartbeat is older than `before`.
pub fn forget(batch: &mut Batch, node: &str, before: Timestamp) {
    batch.run(FORGET, vec![before.millis().into(), node.into()]);
}
