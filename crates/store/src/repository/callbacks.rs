//! The inbox of provider callbacks: stored before the provider is answered.

use super::read::parse;
use crate::{Batch, CommitError, Driver, QueryError, Row};
use domain::{CompanyId, Timestamp, TransactionId};

/// A callback that came in.
#[derive(Clone, Debug)]
pub struct StoredCallback {
    /// The company.
    pub company_id: CompanyId,
    /// The transaction.
    pub transaction_id: TransactionId,
    /// Its id: they are processed in this order.
    pub id: TransactionId,
    /// When it came.
    pub received_at: Timestamp,
    /// The sealed raw request.
    pub raw: Vec<u8>,
    /// How often it was tried.
    pub attempt: u32,
}

const INSERT: &str = "INSERT INTO callbacks (company_id, transaction_id, id, received_at, raw, due_at, attempt, owner) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)";
const OPEN: &str = "SELECT company_id, transaction_id, id, received_at, raw, attempt FROM callbacks \
                    WHERE company_id = ?1 AND transaction_id = ?2 AND due_at IS NOT NULL ORDER BY id LIMIT 256";
const DONE: &str = "UPDATE callbacks SET due_at = NULL, owner = NULL WHERE company_id = ?1 AND transaction_id = ?2 AND id = ?3";
const LATER: &str = "UPDATE callbacks SET due_at = ?4, owner = NULL, attempt = attempt + ?5 \
                     WHERE company_id = ?1 AND transaction_id = ?2 AND id = ?3 AND due_at IS NOT NULL";
const CLAIM: &str = "UPDATE callbacks SET owner = ?1, due_at = ?2 WHERE (company_id, transaction_id, id) IN \
                     (SELECT company_id, transaction_id, id FROM callbacks WHERE due_at <= ?3 \
                     AND (owner IS NULL OR owner = ?1 OR owner NOT IN (SELECT id FROM nodes)) ORDER BY due_at LIMIT ?4 /*pg FOR UPDATE SKIP LOCKED */) \
                     RETURNING company_id, transaction_id";
const ANY_DUE: &str = "SELECT due_at FROM callbacks WHERE due_at <= ?1 LIMIT 1";
const RELEASE_UNKNOWN: &str = "UPDATE callbacks SET owner = NULL, due_at = ?1 WHERE due_at > ?1 AND owner IS NOT NULL AND owner NOT IN (SELECT id FROM nodes)";
const RELEASE_OTHERS: &str =
    "UPDATE callbacks SET owner = NULL, due_at = ?1 WHERE due_at IS NOT NULL AND owner IS NOT NULL AND owner <> ?2";

/// Adds a callback that this process works on at once: `due_at` is when another may take it.
pub fn insert(batch: &mut Batch, callback: &StoredCallback, due_at: Timestamp, owner: &str) {
    let values = vec![
        callback.company_id.to_string().into(),
        callback.transaction_id.to_string().into(),
        callback.id.to_string().into(),
        callback.received_at.millis().into(),
        callback.raw.clone().into(),
        due_at.millis().into(),
        owner.into(),
    ];
    batch.run(INSERT, values);
}

/// Marks these callbacks as processed. Each by its id: an earlier one may be stored later, by another process or another group of commits, and
/// nobody has read that one.
pub fn done(batch: &mut Batch, processed: &[StoredCallback]) {
    for one in processed {
        batch
            .run(DONE, vec![one.company_id.to_string().into(), one.transaction_id.to_string().into(), one.id.to_string().into()]);
    }
}

/// Puts these callbacks off. `tried`: this counts as an attempt.
pub fn later(batch: &mut Batch, put_off: &[StoredCallback], due_at: Timestamp, tried: bool) {
    for one in put_off {
        let values = vec![
            one.company_id.to_string().into(),
            one.transaction_id.to_string().into(),
            one.id.to_string().into(),
            due_at.millis().into(),
            i64::from(tried).into(),
        ];
        batch.run(LATER, values);
    }
}

/// The open callbacks of a transaction, in order.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn open(db: &dyn Driver, company: CompanyId, transaction: TransactionId) -> Result<Vec<StoredCallback>, QueryError> {
    let rows = db.query(OPEN, vec![company.to_string().into(), transaction.to_string().into()]).await?;
    rows.iter().map(callback).collect()
}

/// Takes due callbacks until `lease_until`; answers the transactions that they belong to.
///
/// # Errors
/// [`CommitError`] when the store does not answer.
pub async fn claim(
    db: &dyn Driver,
    node: &str,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<(CompanyId, TransactionId)>, CommitError> {
    let mut batch = Batch::new();
    batch.returning(CLAIM, vec![node.into(), lease_until.millis().into(), now.millis().into(), i64::from(limit).into()]);
    let rows = db.commit(batch).await?;
    let corrupt = |error: QueryError| CommitError::Corrupt(error.to_string());
    rows.iter().flatten().map(|row| Ok((parse(row, 0).map_err(corrupt)?, parse(row, 1).map_err(corrupt)?))).collect()
}

/// Like [`claim`], but writes nothing when nothing is due.
///
/// # Errors
/// As [`claim`].
pub async fn claim_due(
    db: &dyn Driver,
    node: &str,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<(CompanyId, TransactionId)>, CommitError> {
    let due = db.query(ANY_DUE, vec![now.millis().into()]).await.map_err(|error| CommitError::Unavailable(error.to_string()))?;
    if due.is_empty() { Ok(Vec::new()) } else { claim(db, node, now, lease_until, limit).await }
}

/// Makes the callbacks of owners due now that are not among the living (see `nodes`).
pub fn release_unknown(batch: &mut Batch, now: Timestamp) {
    batch.run(RELEASE_UNKNOWN, vec![now.millis().into()]);
}

/// Makes the callbacks of every other owner due now: for a store that belongs to one process at a time, whatever the clock said before.
pub fn release_others(batch: &mut Batch, this_node: &str, now: Timestamp) {
    batch.run(RELEASE_OTHERS, vec![now.millis().into(), this_node.into()]);
}

fn callback(row: &Row) -> Result<StoredCallback, QueryError> {
    Ok(StoredCallback {
        company_id: parse(row, 0)?,
        transaction_id: parse(row, 1)?,
        id: parse(row, 2)?,
        received_at: Timestamp::from_millis(row.int(3)?),
        raw: row.bytes(4)?,
        attempt: row.uint32(5)?,
    })
}
