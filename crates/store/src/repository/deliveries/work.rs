//! What the worker does: claim, record, put off.

use super::row::{Attempt, COLUMNS, Delivery, DeliveryState, columns, delivery};
use crate::{Batch, CommitError, Driver, QueryError, Row};
use domain::{CompanyId, MethodId, Timestamp, TransactionId};

/// A new delivery behind an earlier one of its transaction is first looked at after this long, milliseconds; the end of the earlier one releases it at
/// once. Long enough that waiting deliveries are seldom looked at in vain, short enough for the one case that nobody releases: on PostgreSQL, a new one
/// that is stored in the very moment in which the earlier one ends.
const BEHIND_ANOTHER_MS: i64 = 5_000;

const INSERT: &str = "INSERT INTO deliveries (company_id, id, event_id, transaction_id, sequence, method_id, attempts, attempts_total, created_at, state, next_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, \
    CASE WHEN EXISTS (SELECT 1 FROM endpoint_health h WHERE h.company_id = ?1 AND h.method_id = ?6 AND h.disabled_at IS NOT NULL) \
    THEN 'disabled' ELSE 'waiting' END, \
    CASE WHEN EXISTS (SELECT 1 FROM endpoint_health h WHERE h.company_id = ?1 AND h.method_id = ?6 AND h.disabled_at IS NOT NULL) THEN NULL \
    WHEN EXISTS (SELECT 1 FROM deliveries e WHERE e.company_id = ?1 AND e.transaction_id = ?4 AND e.sequence < ?5 \
    AND e.state IN ('waiting', 'failing') AND e.attempts = e.attempts_total) THEN CAST(?8 AS bigint) ELSE CAST(?7 AS bigint) END)";
const INSERT_CLAIMED: &str = "INSERT INTO deliveries (company_id, id, event_id, transaction_id, sequence, method_id, attempts, attempts_total, created_at, state, \
    next_at, owner, lease_until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, 'waiting', ?8, ?9, ?8)";
const NEXT_DUE: &str = "SELECT next_at FROM deliveries WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1";
const CLAIM: &str = concat!(
    "UPDATE deliveries SET owner = ?1, lease_until = ?2, next_at = ?2 WHERE (company_id, id) IN (\
     SELECT d.company_id, d.id FROM deliveries d WHERE d.next_at <= ?3 \
     AND (d.owner IS NULL OR d.owner = ?1 OR d.owner NOT IN (SELECT id FROM nodes)) AND (d.attempts < d.attempts_total OR NOT EXISTS (\
     SELECT 1 FROM deliveries e WHERE e.company_id = d.company_id AND e.transaction_id = d.transaction_id AND e.sequence < d.sequence \
     AND e.state IN ('waiting', 'failing') AND e.attempts = e.attempts_total)) \
     ORDER BY d.next_at LIMIT ?4 /*pg FOR UPDATE OF d SKIP LOCKED */) RETURNING ",
    columns!(),
    ", (SELECT v.body FROM webhook_events v WHERE v.company_id = deliveries.company_id AND v.id = deliveries.event_id), \
     (SELECT h.failing_since FROM endpoint_health h WHERE h.company_id = deliveries.company_id AND h.method_id = deliveries.method_id), \
     (SELECT h.disabled_at FROM endpoint_health h WHERE h.company_id = deliveries.company_id AND h.method_id = deliveries.method_id)"
);
const ADD_ATTEMPT: &str = "INSERT INTO delivery_attempts (company_id, delivery_id, n, at, http_status, failure, latency_ms, response_body) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const RECORD: &str = "UPDATE deliveries SET state = ?5, attempts = ?6, attempts_total = ?7, next_at = ?8, last_failure = ?9, last_http_status = ?10, \
                      delivered_at = ?11, owner = NULL, lease_until = NULL WHERE company_id = ?1 AND id = ?2 AND owner = ?3 AND lease_until = ?4";
const SWITCHED_OFF: &str = "UPDATE deliveries SET state = 'disabled', next_at = NULL, owner = NULL, lease_until = NULL \
                            WHERE company_id = ?1 AND id = ?2 AND owner = ?3 AND lease_until = ?4";
const RELEASE_LATER: &str = "UPDATE deliveries SET next_at = ?4 WHERE company_id = ?1 AND transaction_id = ?2 AND sequence > ?3 \
                             AND state = 'waiting' AND attempts_total = 0 AND owner IS NULL AND next_at > ?4 RETURNING id";
const POSTPONE_LATER: &str = "UPDATE deliveries SET next_at = ?4 WHERE company_id = ?1 AND transaction_id = ?2 AND sequence > ?3 \
                              AND state = 'waiting' AND attempts_total = 0 AND owner IS NULL AND next_at < ?4";
const DEFER: &str = "UPDATE deliveries SET next_at = ?5, owner = NULL, lease_until = NULL \
                     WHERE company_id = ?1 AND id = ?2 AND owner = ?3 AND lease_until = ?4";
const RELEASE_DEAD: &str = "UPDATE deliveries SET next_at = ?1, owner = NULL, lease_until = NULL WHERE next_at > ?1 AND next_at <= ?4 \
                            AND owner IS NOT NULL AND owner <> ?2 AND owner NOT IN (SELECT id FROM nodes WHERE heartbeat_at >= ?3)";

/// The label of the guard that fails when the lease has passed to somebody else, or a person asked for a replay meanwhile.
pub const LEASE_GUARD: &str = "delivery lease";

/// Who works on something, and until when nobody else may.
#[derive(Clone, Copy, Debug)]
pub struct Lease<'a> {
    /// The process that works on it.
    pub owner: &'a str,
    /// Until when.
    pub until: Timestamp,
}

/// Adds the delivery of a new event, due now; behind an earlier one, once that has ended; `disabled` where the endpoint is switched off.
pub fn insert(batch: &mut Batch, id: TransactionId, event: &crate::repository::events::StoredEvent) {
    let values = vec![
        event.company_id.to_string().into(),
        id.to_string().into(),
        event.id.as_str().into(),
        event.transaction_id.to_string().into(),
        event.sequence.into(),
        event.method_id.to_string().into(),
        event.created_at.millis().into(),
        event.created_at.plus_ms(BEHIND_ANOTHER_MS).millis().into(),
    ];
    batch.insert("delivery", INSERT, values);
}

/// Adds the delivery of a sample event, on which its maker works at once.
pub fn insert_claimed(batch: &mut Batch, id: TransactionId, event: &crate::repository::events::StoredEvent, lease: Lease<'_>) {
    let values = vec![
        event.company_id.to_string().into(),
        id.to_string().into(),
        event.id.as_str().into(),
        event.transaction_id.to_string().into(),
        event.sequence.into(),
        event.method_id.to_string().into(),
        event.created_at.millis().into(),
        lease.until.millis().into(),
        lease.owner.into(),
    ];
    batch.insert("delivery", INSERT_CLAIMED, values);
}

/// When the next delivery is due, or the next lease ends.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn next_due(db: &dyn Driver) -> Result<Option<Timestamp>, QueryError> {
    let rows = db.query(NEXT_DUE, Vec::new()).await?;
    rows.first().map(|row| Ok(Timestamp::from_millis(row.int(0)?))).transpose()
}

/// A delivery that this process works on.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The delivery.
    pub delivery: Delivery,
    /// The end of the lease, and its name.
    pub lease_until: Timestamp,
    /// The event's JSON text; `None`: it is past its retention.
    pub body: Option<String>,
    /// Since when its endpoint has only failed.
    pub failing_since: Option<Timestamp>,
    /// Whether its endpoint is switched off.
    pub endpoint_off: bool,
}

impl Claimed {
    /// Whose endpoint it goes to: the company and the payment method.
    pub fn endpoint(&self) -> (CompanyId, MethodId) {
        (self.delivery.company_id, self.delivery.method_id)
    }
}

/// Takes due deliveries until the end of the lease, those due first first.
///
/// # Errors
/// [`CommitError`] when the store does not answer.
pub async fn claim(db: &dyn Driver, lease: Lease<'_>, now: Timestamp, limit: u32) -> Result<Vec<Claimed>, CommitError> {
    let mut batch = Batch::new();
    let values = vec![lease.owner.into(), lease.until.millis().into(), now.millis().into(), i64::from(limit).into()];
    batch.returning(CLAIM, values);
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

/// What an attempt led to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The attempt; its number is one more than all before.
    pub attempt: Attempt,
    /// Where the delivery stands now.
    pub state: DeliveryState,
    /// When the next attempt is due.
    pub next_at: Option<Timestamp>,
}

fn named(claimed: &Claimed, owner: &str) -> Vec<crate::Value> {
    vec![
        claimed.delivery.company_id.to_string().into(),
        claimed.delivery.id.to_string().into(),
        owner.into(),
        claimed.lease_until.millis().into(),
    ]
}

/// Records an attempt and acknowledges the work, if the lease still stands; otherwise the batch fails with [`LEASE_GUARD`]. Later deliveries of the
/// transaction are put off with it; or, at its end, released: the batch then hands back a row for each of those.
pub fn record(batch: &mut Batch, claimed: &Claimed, owner: &str, outcome: &Outcome) {
    let (delivery, attempt) = (&claimed.delivery, &outcome.attempt);
    let delivered_at = (outcome.state == DeliveryState::Delivered).then_some(attempt.at.plus_ms(attempt.latency_ms));
    let mut values = named(claimed, owner);
    values.extend([
        outcome.state.as_str().into(),
        (delivery.attempts + 1).into(),
        (delivery.attempts_total + 1).into(),
        outcome.next_at.map(Timestamp::millis).into(),
        attempt.failure.clone().into(),
        attempt.http_status.into(),
        delivered_at.map(Timestamp::millis).into(),
    ]);
    batch.guard(LEASE_GUARD, RECORD, values);
    batch.insert(
        "delivery attempt",
        ADD_ATTEMPT,
        vec![
            delivery.company_id.to_string().into(),
            delivery.id.to_string().into(),
            attempt.n.into(),
            attempt.at.millis().into(),
            attempt.http_status.into(),
            attempt.failure.clone().into(),
            attempt.latency_ms.into(),
            attempt.response_body.clone().into(),
        ],
    );
    if delivery.attempts < delivery.attempts_total {
        // A replay: nobody waits for it.
        return;
    }
    let place = |at: Timestamp| {
        let (company, transaction) = (delivery.company_id.to_string(), delivery.transaction_id.to_string());
        vec![company.into(), transaction.into(), delivery.sequence.into(), at.millis().into()]
    };
    match outcome.next_at {
        Some(next_at) => batch.run(POSTPONE_LATER, place(next_at)),
        None => batch.returning(RELEASE_LATER, place(attempt.at)),
    };
}

/// Ends the work on a delivery whose endpoint is switched off or gone, without an attempt; guarded like [`record`].
pub fn switched_off(batch: &mut Batch, claimed: &Claimed, owner: &str) {
    batch.guard(LEASE_GUARD, SWITCHED_OFF, named(claimed, owner));
}

/// Gives a delivery back, due at `at`, without an attempt; nothing happens when the lease does not stand any more.
pub fn defer(batch: &mut Batch, claimed: &Claimed, owner: &str, at: Timestamp) {
    let mut values = named(claimed, owner);
    values.push(at.millis().into());
    batch.run(DEFER, values);
}

/// Makes what dead processes worked on due now. `lease_max`: no lease ends later.
pub fn release_dead(batch: &mut Batch, this_node: &str, now: Timestamp, alive_since: Timestamp, lease_max: Timestamp) {
    let values = vec![now.millis().into(), this_node.into(), alive_since.millis().into(), lease_max.millis().into()];
    batch.run(RELEASE_DEAD, values);
}
