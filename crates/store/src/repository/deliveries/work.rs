//! What becomes of a delivery: it is added, recorded, put off.

use super::row::{Attempt, Delivery, DeliveryState};
use crate::{Batch, QueryError, Row};
use domain::{CompanyId, MethodId, Timestamp, TransactionId};

/// A new delivery behind an earlier one of its transaction is first looked at after this long, milliseconds; the end of the
/// earlier one releases it at once. Long enough that waiting deliveries are seldom looked at in vain, short enough for the one
/// case that nobody releases: on PostgreSQL, a new one that is stored in the very moment in which the earlier one ends.
const BEHIND_ANOTHER_MS: i64 = 5_000;

/// Whether the row `e` holds back those behind it. Written so that no index by state can be taken for the one by transaction.
macro_rules! holds_others_back {
    () => {
        "e.state || '' IN ('waiting', 'failing') AND e.attempts = e.attempts_total"
    };
}

/// A delivery of that id is there already.
const ID_TAKEN: &str = "delivery";
/// An attempt of that number is there already.
const ATTEMPT_TAKEN: &str = "delivery attempt";
const INSERT: &str = concat!(
    "INSERT INTO deliveries (company_id, id, event_id, transaction_id, sequence, method_id, attempts, attempts_total, created_at, state, next_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, \
     CASE WHEN EXISTS (SELECT 1 FROM endpoint_health h WHERE h.company_id = ?1 AND h.method_id = ?6 AND h.disabled_at IS NOT NULL) \
     THEN 'disabled' ELSE 'waiting' END, \
     CASE WHEN EXISTS (SELECT 1 FROM endpoint_health h WHERE h.company_id = ?1 AND h.method_id = ?6 AND h.disabled_at IS NOT NULL) THEN NULL \
     WHEN EXISTS (SELECT 1 FROM deliveries e WHERE e.company_id /*pg || '' */= ?1 AND e.transaction_id = ?4 AND e.sequence < ?5 AND ",
    holds_others_back!(),
    ") THEN CAST(?8 AS bigint) ELSE CAST(?7 AS bigint) END)"
);
const INSERT_CLAIMED: &str = "INSERT INTO deliveries (company_id, id, event_id, transaction_id, sequence, method_id, attempts, attempts_total, created_at, state, \
    next_at, owner, lease_until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, 'waiting', ?8, ?9, ?8)";
/// Already claimed, unless the endpoint is switched off; hands back whether it is, and since when the endpoint has only failed.
const INSERT_HANDED_OVER: &str = "INSERT INTO deliveries (company_id, id, event_id, transaction_id, sequence, method_id, attempts, attempts_total, created_at, \
    state, next_at, owner, lease_until) SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, CASE WHEN h.disabled_at IS NULL THEN 'waiting' ELSE 'disabled' END, \
    CASE WHEN h.disabled_at IS NULL THEN CAST(?8 AS bigint) END, CASE WHEN h.disabled_at IS NULL THEN CAST(?9 AS text) END, \
    CASE WHEN h.disabled_at IS NULL THEN CAST(?8 AS bigint) END \
    FROM (SELECT 1 AS one) one LEFT JOIN endpoint_health h ON h.company_id = ?1 AND h.method_id = ?6 \
    RETURNING CASE WHEN owner IS NULL THEN 0 ELSE 1 END, \
    (SELECT f.failing_since FROM endpoint_health f WHERE f.company_id = deliveries.company_id AND f.method_id = deliveries.method_id)";
/// Frees what was claimed by that process and not handed over.
const FREE: &str = "UPDATE deliveries SET next_at = ?4, owner = NULL, lease_until = NULL \
                    WHERE company_id = ?1 AND id = ?2 AND COALESCE(owner, '') = ?3 AND attempts_total = 0";
const ADD_ATTEMPT: &str = "INSERT INTO delivery_attempts (company_id, delivery_id, n, at, http_status, failure, latency_ms, response_body) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
/// A delivery remembers its first success: a replay that fails makes it no failing one, and one that succeeds does not move the
/// time.
const RECORD: &str = "UPDATE deliveries SET state = CASE WHEN delivered_at IS NULL THEN ?5 ELSE 'delivered' END, attempts = ?6, attempts_total = ?7, next_at = ?8, last_failure = ?9, last_http_status = ?10, \
                      delivered_at = COALESCE(delivered_at, ?11), owner = NULL, lease_until = NULL WHERE company_id = ?1 AND id = ?2 AND COALESCE(owner, '') = ?3 AND lease_until = ?4";
const SWITCHED_OFF: &str = "UPDATE deliveries SET state = CASE WHEN delivered_at IS NULL THEN 'disabled' ELSE 'delivered' END, next_at = NULL, owner = NULL, lease_until = NULL \
                            WHERE company_id = ?1 AND id = ?2 AND COALESCE(owner, '') = ?3 AND lease_until = ?4";
const RELEASE_LATER: &str = "UPDATE deliveries SET next_at = ?4 WHERE company_id /*pg || '' */= ?1 AND transaction_id = ?2 AND sequence > ?3 \
                             AND state || '' = 'waiting' AND attempts_total = 0 AND COALESCE(owner, '') = '' AND next_at + 0 > ?4 RETURNING id";
const POSTPONE_LATER: &str = "UPDATE deliveries SET next_at = ?4 WHERE company_id /*pg || '' */= ?1 AND transaction_id = ?2 AND sequence > ?3 \
                              AND state || '' = 'waiting' AND attempts_total = 0 AND COALESCE(owner, '') = '' AND next_at + 0 < ?4";
const DEFER: &str = "UPDATE deliveries SET next_at = ?5, owner = NULL, lease_until = NULL \
                     WHERE company_id = ?1 AND id = ?2 AND COALESCE(owner, '') = ?3 AND lease_until = ?4";
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

/// Adds the delivery of a new event, due now; behind an earlier one, once that has ended; `disabled` where the endpoint is
/// switched off.
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
    batch.insert(ID_TAKEN, INSERT, values);
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
    batch.insert(ID_TAKEN, INSERT_CLAIMED, values);
}

/// Adds the first delivery of a transaction, on which this process works at once: see [`handed_over`] for what the commit hands
/// back. Nobody may have told anything of the transaction before. Where the endpoint is switched off, it is `disabled` and
/// nobody's.
pub fn insert_handed_over(
    batch: &mut Batch,
    id: TransactionId,
    event: &crate::repository::events::StoredEvent,
    lease: Lease<'_>,
) {
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
    batch.returning(INSERT_HANDED_OVER, values);
}

/// What [`insert_handed_over`] led to, out of what its commit handed back for it; `None`: the endpoint is switched off, nothing
/// is to be sent.
///
/// # Errors
/// [`QueryError`] when the answer is not one of that statement.
pub fn handed_over(
    rows: &[Row],
    id: TransactionId,
    event: &crate::repository::events::StoredEvent,
    lease_until: Timestamp,
) -> Result<Option<Claimed>, QueryError> {
    let row = rows.first().ok_or_else(|| QueryError::Corrupt("a new delivery has no row".to_owned()))?;
    if row.int(0)? == 0 {
        return Ok(None);
    }
    let delivery = Delivery {
        company_id: event.company_id,
        id,
        event_id: event.id.clone(),
        transaction_id: event.transaction_id,
        sequence: event.sequence,
        method_id: event.method_id,
        state: DeliveryState::Waiting,
        attempts: 0,
        attempts_total: 0,
        next_at: Some(lease_until),
        last_failure: None,
        last_http_status: None,
        created_at: event.created_at,
        delivered_at: None,
    };
    let failing_since = row.opt_int(1)?.map(Timestamp::from_millis);
    Ok(Some(Claimed { delivery, lease_until, body: Some(event.body.clone()), failing_since, endpoint_off: false }))
}

/// Frees a delivery that was stored as this process's and that nobody took up: due at once.
pub fn free(batch: &mut Batch, company: CompanyId, id: TransactionId, owner: &str, now: Timestamp) {
    batch.run(FREE, vec![company.to_string().into(), id.to_string().into(), owner.into(), now.millis().into()]);
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

/// Records an attempt and acknowledges the work, if the lease still stands; otherwise the batch fails with [`LEASE_GUARD`]. Later
/// deliveries of the transaction are put off with it; or, at its end, released: the batch then hands back a row for each of
/// those.
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
        ATTEMPT_TAKEN,
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
