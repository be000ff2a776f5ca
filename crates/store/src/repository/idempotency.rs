//! Idempotency keys and their stored answers.

use crate::{Batch, CommitError, Dialect, Driver, QueryError};
use domain::{CompanyId, Timestamp, TransactionId};

/// A key as it is stored.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// Keyed digest of the first request's body.
    pub fingerprint: Vec<u8>,
    /// The transaction that the first request made.
    pub transaction_id: TransactionId,
    /// Status and sealed bytes of the answer; `None` while the first request is running.
    pub answer: Option<(u16, Vec<u8>)>,
    /// `None` until the transaction is final.
    pub expires_at: Option<Timestamp>,
}

/// The label of the insertion that fails when the key is taken.
pub const KEY_TAKEN: &str = "idempotency key";

const DELETE_EXPIRED: &str =
    "DELETE FROM idempotency WHERE company_id = ?1 AND path = ?2 AND idempotency_key = ?3 AND COALESCE(expires_at, ?4 + 1) <= ?4";
const INSERT: &str = "INSERT INTO idempotency (company_id, path, idempotency_key, fingerprint, transaction_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const FIND: &str = "SELECT fingerprint, transaction_id, answer_status, answer, expires_at FROM idempotency \
                    WHERE company_id = ?1 AND path = ?2 AND idempotency_key = ?3";
const ANSWER: &str = "UPDATE idempotency INDEXED BY idempotency_by_transaction SET answer_status = ?3, answer = ?4 WHERE company_id /*pg || '' */= ?1 AND transaction_id = ?2 AND answer_status IS NULL";
const FINAL: &str = "UPDATE idempotency INDEXED BY idempotency_by_transaction SET expires_at = ?3 WHERE company_id /*pg || '' */= ?1 AND transaction_id = ?2";
const PURGE_SQLITE: &str = "DELETE FROM idempotency WHERE (company_id, path, idempotency_key) IN (SELECT company_id, path, idempotency_key FROM idempotency \
                            WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2) RETURNING 1";
// By the rows' places, whatever the planner thinks of the table; what another process removes at this moment is left to it.
const PURGE_POSTGRES: &str = "DELETE FROM idempotency WHERE ctid = ANY(ARRAY(SELECT ctid FROM idempotency \
                              WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2 FOR UPDATE SKIP LOCKED)) RETURNING 1";
const ANY_EXPIRED: &str = "SELECT 1 FROM idempotency WHERE expires_at <= ?1 LIMIT 1";

/// Adds a key; an expired one of the same name gives way, a living one fails the batch with [`KEY_TAKEN`].
pub fn insert(
    batch: &mut Batch,
    company: CompanyId,
    path: &str,
    key: &str,
    fingerprint: [u8; 32],
    transaction: TransactionId,
    now: Timestamp,
) {
    let company = company.to_string();
    batch.run(DELETE_EXPIRED, vec![(&*company).into(), path.into(), key.into(), now.millis().into()]);
    let values = vec![
        company.into(),
        path.into(),
        key.into(),
        fingerprint.to_vec().into(),
        transaction.to_string().into(),
        now.millis().into(),
    ];
    batch.insert(KEY_TAKEN, INSERT, values);
}

/// Stores the answer of a transaction's key, unless it has one.
pub fn answer(batch: &mut Batch, company: CompanyId, transaction: TransactionId, status: u16, sealed: Vec<u8>) {
    let values = vec![company.to_string().into(), transaction.to_string().into(), i64::from(status).into(), sealed.into()];
    batch.run(ANSWER, values);
}

/// Sets the end of a transaction's key, once the transaction is final.
pub fn expire(batch: &mut Batch, company: CompanyId, transaction: TransactionId, at: Timestamp) {
    batch.run(FINAL, vec![company.to_string().into(), transaction.to_string().into(), at.millis().into()]);
}

/// Deletes up to `limit` expired keys; answers how many.
///
/// # Errors
/// [`CommitError`] when the store does not answer.
pub async fn purge(db: &dyn Driver, now: Timestamp, limit: u32) -> Result<usize, CommitError> {
    let any =
        db.query(ANY_EXPIRED, vec![now.millis().into()]).await.map_err(|error| CommitError::Unavailable(error.to_string()))?;
    if any.is_empty() {
        return Ok(0);
    }
    let sql = if db.dialect() == Dialect::Sqlite { PURGE_SQLITE } else { PURGE_POSTGRES };
    let mut batch = Batch::new();
    batch.returning(sql, vec![now.millis().into(), i64::from(limit).into()]);
    Ok(db.commit(batch).await?.iter().map(Vec::len).sum())
}

/// The key of that name.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find(db: &dyn Driver, company: CompanyId, path: &str, key: &str) -> Result<Option<StoredKey>, QueryError> {
    let rows = db.query(FIND, vec![company.to_string().into(), path.into(), key.into()]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let answer = match (row.opt_int(2)?, row.opt_bytes(3)?) {
        (Some(status), Some(bytes)) => {
            let status = u16::try_from(status).map_err(|_| QueryError::Corrupt("answer_status is no HTTP status".into()))?;
            Some((status, bytes))
        }
        _ => None,
    };
    Ok(Some(StoredKey {
        fingerprint: row.bytes(0)?,
        transaction_id: super::read::parse(row, 1)?,
        answer,
        expires_at: row.opt_int(4)?.map(Timestamp::from_millis),
    }))
}
