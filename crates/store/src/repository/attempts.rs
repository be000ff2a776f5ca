//! The attempts of transactions: what belongs to one account's try to carry one out, with its next action.

use super::jobs::{self, Job};
use super::read::{self, parse};
use super::transactions::{COLUMNS, columns, transaction};
use crate::{Batch, Driver, QueryError, Row, Value};
use domain::{Attempt, CompanyId, MethodId, Timestamp, Transaction, TransactionId};

/// A transaction with one of its attempts, and what only the company's data key opens.
#[derive(Clone, Debug)]
pub struct StoredAttempt {
    /// The transaction's row.
    pub transaction: Transaction,
    /// Sealed JSON: the order's fields; where the attempt has none of its own, its memo too.
    pub sealed: Vec<u8>,
    /// The attempt's row.
    pub attempt: Attempt,
    /// Sealed JSON: the provider's memo, the number of inquiries, the pages. `None`: from before attempts had rows, in the
    /// transaction's.
    pub memo: Option<Vec<u8>>,
    /// Its next action; `None`: nothing is due.
    pub next: Option<Job>,
}

/// What of an attempt's row is changed beside its facts; `None`: nothing.
#[derive(Debug, Default)]
pub struct Change<'a> {
    /// Sealed JSON: the provider's memo, the number of inquiries, the pages.
    pub memo: Option<Vec<u8>>,
    /// SHA-256 of its callback token.
    pub token_hash: Option<[u8; 32]>,
    /// The provider's id is another; else it is not written.
    pub psp_id: bool,
    /// Its next action; `Some(None)`: nothing is due any more.
    pub next: Option<Option<&'a Job>>,
}

const INSERT: &str = "INSERT INTO attempts (company_id, transaction_id, n, kind, method_id, psp_type, reference, psp_transaction_id, \
                      callback_token_hash, sealed, outcome, code, started_at, ended_at, next_kind, next_at, next_tries, next_first_at, next_detail, next_owner) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";
// An index is rewritten for each column that a statement names, whether its value is another or not: so the provider's id and the
// token are named only where they change.
const UPDATE: &str = "UPDATE attempts SET outcome = ?4, code = ?5, ended_at = ?6, sealed = COALESCE(?7, sealed) \
                      WHERE company_id = ?1 AND transaction_id = ?2 AND n = ?3";
const UPDATE_WITH_ID: &str = "UPDATE attempts SET outcome = ?4, code = ?5, ended_at = ?6, sealed = COALESCE(?7, sealed), psp_transaction_id = ?8 \
     WHERE company_id = ?1 AND transaction_id = ?2 AND n = ?3";
const UPDATE_WITH_NEXT: &str = "UPDATE attempts SET outcome = ?4, code = ?5, ended_at = ?6, sealed = COALESCE(?7, sealed), \
                                next_kind = ?8, next_at = ?9, next_tries = ?10, next_first_at = ?11, next_detail = ?12, next_owner = ?13 \
                                WHERE company_id = ?1 AND transaction_id = ?2 AND n = ?3";
const UPDATE_WITH_BOTH: &str = "UPDATE attempts SET outcome = ?4, code = ?5, ended_at = ?6, sealed = COALESCE(?7, sealed), psp_transaction_id = ?8, \
     next_kind = ?9, next_at = ?10, next_tries = ?11, next_first_at = ?12, next_detail = ?13, next_owner = ?14 \
     WHERE company_id = ?1 AND transaction_id = ?2 AND n = ?3";
const UPDATE_TOKEN: &str =
    "UPDATE attempts SET callback_token_hash = ?4 WHERE company_id = ?1 AND transaction_id = ?2 AND n = ?3";
const FIND: &str = concat!(
    "SELECT ",
    columns!("t."),
    ", t.sealed, ",
    columns!(attempt),
    ", a.sealed FROM transactions t, attempts a WHERE t.company_id = ?1 AND t.id = ?2 \
     AND a.company_id = t.company_id AND a.transaction_id = t.id AND a.n = ?3"
);
const FIND_LIVE: &str = concat!(
    "SELECT ",
    columns!("t."),
    ", t.sealed, ",
    columns!(attempt),
    ", a.sealed FROM transactions t, attempts a WHERE t.company_id = ?1 AND t.id = ?2 \
     AND a.company_id = t.company_id AND a.transaction_id = t.id AND a.n = t.live"
);
const OTHERS: &str = concat!(
    "SELECT ",
    columns!(attempt),
    " FROM attempts a WHERE a.company_id = ?1 AND a.transaction_id = ?2 AND a.n <> ?3 ORDER BY a.n"
);
const BY_TOKEN: &str = "SELECT company_id, transaction_id, n FROM attempts WHERE callback_token_hash = ?1";
// On PostgreSQL the primary key may not begin a look-up by another index, here and below: see ARCHITECTURE.md, "Plans and lists".
const BY_REFERENCE: &str = "SELECT transaction_id, n FROM attempts INDEXED BY attempts_by_reference \
                            WHERE company_id /*pg || '' */= ?1 AND reference = ?2 AND method_id = ?3";
const BY_PSP_ID: &str = "SELECT transaction_id, n FROM attempts INDEXED BY attempts_by_psp_id \
                         WHERE company_id /*pg || '' */= ?1 AND psp_transaction_id = ?2 AND method_id = ?3 LIMIT 2";

/// How many columns of an attempt the queries list: its key, provider and next action as [`jobs`] reads them, then the rest.
const OF_ATTEMPT: usize = jobs::COLUMNS + 8;

/// Which attempt of a transaction is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The live one.
    Live,
    /// That of this number.
    Number(i64),
}

/// Adds an attempt with its next action. `memo`: see [`Change::memo`]; `token_hash`: see [`Change::token_hash`].
pub fn insert(
    batch: &mut Batch,
    of: &Transaction,
    attempt: &Attempt,
    memo: Vec<u8>,
    token_hash: Option<[u8; 32]>,
    next: Option<&Job>,
) {
    let later_reference = (attempt.reference != of.id).then(|| attempt.reference.to_string());
    let mut values = vec![
        of.company_id.to_string().into(),
        of.id.to_string().into(),
        attempt.n.into(),
        attempt.kind.as_str().into(),
        attempt.method_id.to_string().into(),
        (&*attempt.psp_type).into(),
        later_reference.into(),
        attempt.psp_transaction_id.clone().into(),
        token_hash.map(|hash| hash.to_vec()).into(),
        memo.into(),
        attempt.outcome.map(|outcome| outcome.as_str().to_owned()).into(),
        attempt.code.clone().into(),
        attempt.started_at.millis().into(),
        attempt.ended_at.map(Timestamp::millis).into(),
    ];
    values.extend(jobs::values(next));
    batch.run(INSERT, values);
}

/// Changes an attempt; only beside a change of its transaction in one batch, whose guard is this one's too.
pub fn update(batch: &mut Batch, of: &Transaction, attempt: &Attempt, change: Change<'_>) {
    let key = || -> Vec<Value> { vec![of.company_id.to_string().into(), of.id.to_string().into(), attempt.n.into()] };
    let mut values = key();
    values.extend([
        attempt.outcome.map(|outcome| outcome.as_str().to_owned()).into(),
        attempt.code.clone().into(),
        attempt.ended_at.map(Timestamp::millis).into(),
        change.memo.into(),
    ]);
    if change.psp_id {
        values.push(attempt.psp_transaction_id.clone().into());
    }
    if let Some(next) = change.next {
        values.extend(jobs::values(next));
    }
    let statement = match (change.psp_id, change.next.is_some()) {
        (false, false) => UPDATE,
        (true, false) => UPDATE_WITH_ID,
        (false, true) => UPDATE_WITH_NEXT,
        (true, true) => UPDATE_WITH_BOTH,
    };
    batch.run(statement, values);
    if let Some(hash) = change.token_hash {
        let mut values = key();
        values.push(hash.to_vec().into());
        batch.run(UPDATE_TOKEN, values);
    }
}

/// A transaction with one of its attempts.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find(
    db: &dyn Driver,
    company: CompanyId,
    id: TransactionId,
    which: Which,
) -> Result<Option<StoredAttempt>, QueryError> {
    let mut values: Vec<Value> = vec![company.to_string().into(), id.to_string().into()];
    let rows = match which {
        Which::Live => db.query(FIND_LIVE, values).await?,
        Which::Number(n) => {
            values.push(n.into());
            db.query(FIND, values).await?
        }
    };
    rows.first().map(stored).transpose()
}

/// The other attempts of a transaction than this one, with their next actions, oldest first.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn others(
    db: &dyn Driver,
    company: CompanyId,
    id: TransactionId,
    than: i64,
) -> Result<Vec<(Attempt, Option<Job>)>, QueryError> {
    let rows = db.query(OTHERS, vec![company.to_string().into(), id.to_string().into(), than.into()]).await?;
    rows.iter().map(|row| Ok((attempt(row, 0, id)?, jobs::job(row, 0)?))).collect()
}

/// Whose callback token has that SHA-256: the transaction, and the number of its attempt.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find_by_token(db: &dyn Driver, token_hash: [u8; 32]) -> Result<Option<(CompanyId, TransactionId, i64)>, QueryError> {
    let rows = db.query(BY_TOKEN, vec![token_hash.to_vec().into()]).await?;
    rows.first().map(|row| Ok((parse(row, 0)?, parse(row, 1)?, row.int(2)?))).transpose()
}

/// The later attempt of an account with that reference of ours; a first one's is its transaction's id.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find_by_reference(
    db: &dyn Driver,
    company: CompanyId,
    method: MethodId,
    reference: TransactionId,
) -> Result<Option<(TransactionId, i64)>, QueryError> {
    let values = vec![company.to_string().into(), reference.to_string().into(), method.to_string().into()];
    db.query(BY_REFERENCE, values).await?.first().map(named).transpose()
}

/// The attempt of an account with that provider id; `None` also when several have it.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find_by_psp_id(
    db: &dyn Driver,
    company: CompanyId,
    method: MethodId,
    psp_id: &str,
) -> Result<Option<(TransactionId, i64)>, QueryError> {
    let rows = db.query(BY_PSP_ID, vec![company.to_string().into(), psp_id.into(), method.to_string().into()]).await?;
    if rows.len() == 1 { rows.first().map(named).transpose() } else { Ok(None) }
}

fn named(row: &Row) -> Result<(TransactionId, i64), QueryError> {
    Ok((parse(row, 0)?, row.int(1)?))
}

fn stored(row: &Row) -> Result<StoredAttempt, QueryError> {
    let transaction = transaction(row)?;
    // As the queries list them: the transaction's columns, its sealed part, the attempt's columns, its sealed part.
    let (sealed, of_attempt) = (COLUMNS, COLUMNS + 1);
    Ok(StoredAttempt {
        sealed: row.bytes(sealed)?,
        attempt: attempt(row, of_attempt, transaction.id)?,
        next: jobs::job(row, of_attempt)?,
        memo: row.opt_bytes(of_attempt + OF_ATTEMPT)?,
        transaction,
    })
}

/// The attempt whose columns begin there.
fn attempt(row: &Row, at: usize, transaction: TransactionId) -> Result<Attempt, QueryError> {
    let rest = at + jobs::COLUMNS;
    Ok(Attempt {
        n: row.int(at + 2)?,
        psp_type: row.text(at + 3)?,
        kind: parse(row, rest)?,
        method_id: parse(row, rest + 1)?,
        reference: read::opt_parse(row, rest + 2)?.unwrap_or(transaction),
        psp_transaction_id: row.opt_text(rest + 3)?,
        outcome: read::opt_parse(row, rest + 4)?,
        code: row.opt_text(rest + 5)?,
        started_at: Timestamp::from_millis(row.int(rest + 6)?),
        ended_at: row.opt_int(rest + 7)?.map(Timestamp::from_millis),
    })
}
