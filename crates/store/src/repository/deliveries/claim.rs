//! Taking up what is due, endpoint by endpoint: only as many as somebody has room for.

use super::row::{COLUMNS, columns, delivery};
use super::work::{Claimed, Lease};
use crate::repository::read::parse;
use crate::{Batch, CommitError, Dialect, Driver, QueryError, Row, Value};
use domain::{CompanyId, MethodId, Timestamp};

/// Every endpoint with something waiting, and when its first is due: from one to the next by the queue's index, however many wait
/// at each.
const DUE: &str = "WITH RECURSIVE \
    c (company_id) AS (\
      SELECT (SELECT q.company_id FROM deliveries q WHERE q.owner IS NULL AND q.next_at IS NOT NULL \
        ORDER BY q.company_id /*pg COLLATE \"C\" */, q.method_id, q.next_at LIMIT 1) \
      UNION ALL SELECT (SELECT q.company_id FROM deliveries q WHERE q.owner IS NULL AND q.next_at IS NOT NULL AND q.company_id /*pg COLLATE \"C\" */> c.company_id \
        ORDER BY q.company_id /*pg COLLATE \"C\" */, q.method_id, q.next_at LIMIT 1) FROM c WHERE c.company_id IS NOT NULL), \
    e (company_id, method_id) AS (\
      SELECT c.company_id, (SELECT q.method_id FROM deliveries q WHERE q.owner IS NULL AND q.next_at IS NOT NULL AND q.company_id /*pg COLLATE \"C\" */= c.company_id \
        ORDER BY q.method_id, q.next_at LIMIT 1) FROM c WHERE c.company_id IS NOT NULL \
      UNION ALL SELECT e.company_id, (SELECT q.method_id FROM deliveries q WHERE q.owner IS NULL AND q.next_at IS NOT NULL \
        AND q.company_id /*pg COLLATE \"C\" */= e.company_id AND q.method_id > e.method_id ORDER BY q.method_id, q.next_at LIMIT 1) FROM e WHERE e.method_id IS NOT NULL) \
    SELECT e.company_id, e.method_id, (SELECT q.next_at FROM deliveries q WHERE q.owner IS NULL AND q.next_at IS NOT NULL \
      AND q.company_id /*pg COLLATE \"C\" */= e.company_id AND q.method_id = e.method_id ORDER BY q.next_at LIMIT 1) FROM e WHERE e.method_id IS NOT NULL";
/// When the first lease ends.
const HELD_UNTIL: &str =
    "SELECT next_at FROM deliveries WHERE owner IS NOT NULL AND next_at IS NOT NULL ORDER BY next_at LIMIT 1";
const FREE_EXPIRED: &str = "UPDATE deliveries SET owner = NULL, lease_until = NULL WHERE owner IS NOT NULL AND next_at <= ?1 \
                            AND (owner = ?2 OR (SELECT n.id FROM nodes n WHERE n.id = deliveries.owner) IS NULL)";
macro_rules! claim {
    ($among:literal, $place:literal, $end:literal) => {
        concat!(
            "UPDATE deliveries SET owner = ?1, lease_until = ?2, next_at = ?2 WHERE ",
            $among,
            "(SELECT d.",
            $place,
            " FROM deliveries d WHERE d.company_id /*pg COLLATE \"C\" */= ?4 AND d.method_id = ?5 AND d.owner IS NULL AND d.next_at <= ?3 \
             AND (d.attempts < d.attempts_total OR NOT EXISTS (\
             SELECT 1 FROM deliveries e WHERE e.company_id /*pg || '' */= d.company_id AND e.transaction_id = d.transaction_id AND e.sequence < d.sequence \
             AND e.state || '' IN ('waiting', 'failing') AND e.attempts = e.attempts_total)) \
             ORDER BY d.next_at LIMIT ?6",
            $end,
            " RETURNING ",
            columns!(),
            ", (SELECT v.body FROM webhook_events v WHERE v.company_id = deliveries.company_id AND v.id = deliveries.event_id), \
             (SELECT h.failing_since FROM endpoint_health h WHERE h.company_id = deliveries.company_id AND h.method_id = deliveries.method_id), \
             (SELECT h.disabled_at FROM endpoint_health h WHERE h.company_id = deliveries.company_id AND h.method_id = deliveries.method_id)"
        )
    };
}
const CLAIM_SQLITE: &str = claim!("company_id = ?4 AND id IN ", "id", ")");
/// By the places of the rows, which are locked by then: there is nothing to join and no index to choose. On an empty table that
/// would be done by walking the company's deliveries, and the plan be kept while they grow.
const CLAIM_POSTGRES: &str = claim!("ctid = ANY(ARRAY", "ctid", " FOR UPDATE OF d SKIP LOCKED))");
const RELEASE_DEAD: &str = "UPDATE deliveries SET next_at = ?1, owner = NULL, lease_until = NULL WHERE next_at > ?1 AND next_at <= ?4 \
                            AND owner IS NOT NULL AND owner <> ?2 AND owner NOT IN (SELECT id FROM nodes WHERE heartbeat_at >= ?3)";

/// What waits.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// The endpoints with something waiting, and when its first is due. That one may still be behind an earlier one of its
    /// transaction.
    pub endpoints: Vec<(CompanyId, MethodId, Timestamp)>,
    /// When the first lease of somebody ends.
    pub held_until: Option<Timestamp>,
}

/// What waits, by endpoint. Costs a few index probes per endpoint with something waiting.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn due(db: &dyn Driver) -> Result<Due, QueryError> {
    let held = db.query(HELD_UNTIL, Vec::new()).await?;
    let held_until = held.first().map(|row| row.int(0)).transpose()?.map(Timestamp::from_millis);
    let rows = db.query(DUE, Vec::new()).await?;
    let mut endpoints = Vec::with_capacity(rows.len());
    for row in &rows {
        // Between two looks of the same statement nothing changes; a row without a time cannot be.
        if let Some(at) = row.opt_int(2)? {
            endpoints.push((parse(row, 0)?, parse(row, 1)?, Timestamp::from_millis(at)));
        }
    }
    Ok(Due { endpoints, held_until })
}

/// When the next delivery is due, or the next lease ends.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn next_due(db: &dyn Driver) -> Result<Option<Timestamp>, QueryError> {
    let due = due(db).await?;
    Ok(due.endpoints.iter().map(|(_, _, at)| *at).chain(due.held_until).min())
}

/// Frees what this process, or one that is dead, held for longer than they may: due at once. Of one that lives the work is its
/// own, whatever the clock of whoever looks says.
pub fn free_expired(batch: &mut Batch, this_node: &str, now: Timestamp) {
    batch.run(FREE_EXPIRED, vec![now.millis().into(), this_node.into()]);
}

/// Takes due deliveries of these endpoints until the end of the lease, of each those due first first and no more than is named.
///
/// # Errors
/// [`CommitError`] when the store does not answer.
pub async fn claim_at(
    db: &dyn Driver,
    lease: Lease<'_>,
    now: Timestamp,
    asks: &[(CompanyId, MethodId, u32)],
) -> Result<Vec<Claimed>, CommitError> {
    let mut batch = Batch::new();
    let claim = if db.dialect() == Dialect::Postgres { CLAIM_POSTGRES } else { CLAIM_SQLITE };
    for (company, method, limit) in asks {
        let values: Vec<Value> = vec![
            lease.owner.into(),
            lease.until.millis().into(),
            now.millis().into(),
            company.to_string().into(),
            method.to_string().into(),
            i64::from(*limit).into(),
        ];
        batch.returning(claim, values);
    }
    let rows = db.commit(batch).await?;
    let read = |row: &Row| {
        Ok(Claimed {
            delivery: delivery(row)?,
            lease_until: lease.until,
            body: row.opt_text(COLUMNS)?,
            failing_since: row.opt_int(COLUMNS + 1)?.map(Timestamp::from_millis),
            endpoint_off: row.opt_int(COLUMNS + 2)?.is_some(),
        })
    };
    let claimed: Result<Vec<Claimed>, QueryError> = rows.iter().flatten().map(read).collect();
    claimed.map_err(|error| CommitError::Corrupt(error.to_string()))
}

/// Takes due deliveries until the end of the lease, whatever their endpoint, `limit` at most; what others held for too long is
/// free first.
///
/// # Errors
/// [`CommitError`] when the store does not answer.
pub async fn claim(db: &dyn Driver, lease: Lease<'_>, now: Timestamp, limit: u32) -> Result<Vec<Claimed>, CommitError> {
    let mut batch = Batch::new();
    free_expired(&mut batch, lease.owner, now);
    db.commit(batch).await?;
    let due = due(db).await.map_err(|error| CommitError::Unavailable(error.to_string()))?;
    let mut claimed = Vec::new();
    for (company, method, _) in due.endpoints.iter().filter(|(_, _, at)| *at <= now) {
        let room = limit.saturating_sub(u32::try_from(claimed.len()).unwrap_or(u32::MAX));
        if room > 0 {
            claimed.extend(claim_at(db, lease, now, &[(*company, *method, room)]).await?);
        }
    }
    Ok(claimed)
}

/// Makes what dead processes worked on due now. `lease_max`: no lease ends later.
pub fn release_dead(batch: &mut Batch, this_node: &str, now: Timestamp, alive_since: Timestamp, lease_max: Timestamp) {
    let values = vec![now.millis().into(), this_node.into(), alive_since.millis().into(), lease_max.millis().into()];
    batch.run(RELEASE_DEAD, values);
}
