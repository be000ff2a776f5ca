//! The one next action of each attempt, in its row. A job's due time is also its lease: whoever claims it moves it into the
//! future, and past that anybody may take it.

use super::read::{self, parse};
use crate::{Batch, CommitError, Dialect, Driver, QueryError, Row, Value};
use domain::next::Counters;
use domain::{CompanyId, Next, Timestamp, TransactionId};

/// A job: what an attempt does next, when, and who has it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The company.
    pub company_id: CompanyId,
    /// The transaction.
    pub transaction_id: TransactionId,
    /// Which of its attempts; each has at most one job.
    pub n: i64,
    /// The attempt's provider, whose share of the due work it takes.
    pub psp_type: String,
    /// What is to be done.
    pub next: Next,
    /// When it is due, or until when its owner has it.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// When this kind of next action began: schedules end.
    pub first_at: Timestamp,
    /// Who works on it.
    pub owner: Option<String>,
}

const FIND: &str = "SELECT company_id, transaction_id, n, psp_type, next_kind, next_at, next_tries, next_first_at, next_detail, next_owner \
                    FROM attempts WHERE company_id = ?1 AND transaction_id = ?2 AND n = ?3";
/// What is due of a provider. What another process works on is taken from it by the death watch alone: by whose clock its time
/// would be over is nobody's to say.
macro_rules! due_of_provider {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM attempts q WHERE q.psp_type = ?5 AND q.next_at <= ?3 \
             AND (q.next_owner = ?1 OR (SELECT n.id FROM nodes n WHERE n.id = q.next_owner) IS NULL) ORDER BY q.next_at LIMIT ?4"
        )
    };
}
const CLAIM_SQLITE: &str = concat!(
    "UPDATE attempts SET next_owner = ?1, next_at = ?2 WHERE (company_id, transaction_id, n) IN (",
    due_of_provider!("q.company_id, q.transaction_id, q.n"),
    ") RETURNING company_id, transaction_id, n, psp_type, next_kind, next_at, next_tries, next_first_at, next_detail, next_owner"
);
// By the rows' places, whatever the planner thinks of the table.
const CLAIM_POSTGRES: &str = concat!(
    "UPDATE attempts SET next_owner = ?1, next_at = ?2 WHERE ctid = ANY(ARRAY(",
    due_of_provider!("q.ctid"),
    " FOR UPDATE OF q SKIP LOCKED)) \
     RETURNING company_id, transaction_id, n, psp_type, next_kind, next_at, next_tries, next_first_at, next_detail, next_owner"
);
// By who has them; the time must not choose the index.
const RELEASE_UNKNOWN: &str = "UPDATE attempts SET next_owner = NULL, next_at = ?1 WHERE next_owner IS NOT NULL AND next_owner > '' \
                               AND COALESCE(next_at, -1) > ?1 AND (SELECT n.id FROM nodes n WHERE n.id = attempts.next_owner) IS NULL";
const RELEASE_OTHERS: &str =
    "UPDATE attempts SET next_owner = NULL, next_at = ?1 WHERE next_owner IS NOT NULL AND next_owner <> ?2";
const PULL_FORWARD: &str = "UPDATE attempts INDEXED BY attempts_by_due SET next_at = ?1 \
                            WHERE next_at IS NOT NULL AND next_kind = 'inquire' AND COALESCE(next_owner, '') = '' AND next_at + 0 > ?1";
// By the primary key: neither owner nor time may choose an index.
const PULL_ONE_FORWARD: &str = "UPDATE attempts SET next_at = ?4 WHERE company_id = ?1 AND transaction_id = ?2 AND n = ?3 \
                                AND next_kind = 'inquire' AND COALESCE(next_owner, '') = '' AND COALESCE(next_at, -1) > ?4";
// Likewise.
const PUT_BACK: &str = "UPDATE attempts SET next_owner = NULL, next_at = ?6, next_tries = ?7 \
                        WHERE company_id = ?1 AND transaction_id = ?2 AND n = ?3 AND COALESCE(next_owner, '') = ?4 AND COALESCE(next_at, -1) = ?5";
const GIVE_UP: &str = "UPDATE attempts SET next_kind = NULL, next_at = NULL, next_tries = NULL, next_first_at = NULL, next_detail = NULL, \
                       next_owner = NULL \
                       WHERE company_id = ?1 AND transaction_id = ?2 AND n = ?3 AND COALESCE(next_owner, '') = ?4 AND COALESCE(next_at, -1) = ?5";
const SET_COUNTERS: &str = "UPDATE attempts SET next_detail = ?4 \
                            WHERE company_id = ?1 AND transaction_id = ?2 AND n = ?3 AND next_kind = 'inquire'";
// What waits to be run, and what nobody has begun.
const STOP_A_RUN: &str = "UPDATE attempts SET next_kind = NULL, next_at = NULL, next_tries = NULL, next_first_at = NULL, next_detail = NULL, \
                          next_owner = NULL WHERE company_id = ?1 AND transaction_id = ?2 AND n = ?3 AND next_kind = 'run'";
/// Every provider with jobs, and when its first is due: from one to the next by the queue's index, however many wait at each.
const DUE: &str = "WITH RECURSIVE p (psp_type) AS (\
                     SELECT (SELECT q.psp_type FROM attempts q WHERE q.next_at IS NOT NULL ORDER BY q.psp_type, q.next_at LIMIT 1) \
                     UNION ALL SELECT (SELECT q.psp_type FROM attempts q WHERE q.next_at IS NOT NULL AND q.psp_type > p.psp_type \
                       ORDER BY q.psp_type, q.next_at LIMIT 1) FROM p WHERE p.psp_type IS NOT NULL) \
                   SELECT p.psp_type, (SELECT q.next_at FROM attempts q WHERE q.next_at IS NOT NULL AND q.psp_type = p.psp_type \
                     ORDER BY q.next_at LIMIT 1) FROM p WHERE p.psp_type IS NOT NULL";

/// The columns of an attempt's next action, in their order: word, due time, tries, beginning, detail, owner. `None`: nothing is
/// due.
pub(super) fn values(job: Option<&Job>) -> [Value; 6] {
    let null = || Value::from(None::<String>);
    let Some(job) = job else { return std::array::from_fn(|_| null()) };
    [
        job.next.word().into(),
        job.due_at.millis().into(),
        i64::from(job.tries).into(),
        job.first_at.millis().into(),
        job.next.detail().into(),
        job.owner.clone().into(),
    ]
}

/// By which an attempt is named.
fn key(company: CompanyId, transaction: TransactionId, n: i64) -> Vec<Value> {
    vec![company.to_string().into(), transaction.to_string().into(), n.into()]
}

/// Replaces what an inquiry job counts, whoever works on it; only beside a change of its transaction in one batch.
pub fn set_counters(batch: &mut Batch, company: CompanyId, transaction: TransactionId, n: i64, counters: &Counters) {
    let mut values = key(company, transaction, n);
    values.push(counters.to_json().to_text().into());
    batch.run(SET_COUNTERS, values);
}

/// Takes away what waits to be run; only beside a change of its transaction in one batch, which whoever runs it already meets.
pub fn stop_a_run(batch: &mut Batch, company: CompanyId, transaction: TransactionId, n: i64) {
    batch.run(STOP_A_RUN, key(company, transaction, n));
}

/// A claim, by which it is told from every later one of the same process: whose it is, and until when.
fn claim_values(claimed: &Job) -> Vec<Value> {
    let mut values = key(claimed.company_id, claimed.transaction_id, claimed.n);
    values.extend([claimed.owner.clone().into(), claimed.due_at.millis().into()]);
    values
}

/// Gives a claimed job back, due at another time; one that has been replaced or claimed anew stays as it is.
pub fn put_back(batch: &mut Batch, claimed: &Job, due_at: Timestamp, tries: u32) {
    let mut values = claim_values(claimed);
    values.extend([due_at.millis().into(), i64::from(tries).into()]);
    batch.run(PUT_BACK, values);
}

/// The label of the guard that fails when a claimed job has been replaced or claimed anew.
pub const CLAIM_GUARD: &str = "job is still claimed";

/// Takes a claimed job away for good: a person's turn. Fails the batch with [`CLAIM_GUARD`] when it is no longer the one that was
/// claimed.
pub fn give_up(batch: &mut Batch, claimed: &Job) {
    batch.guard(CLAIM_GUARD, GIVE_UP, claim_values(claimed));
}

/// The next action of an attempt.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find(db: &dyn Driver, company: CompanyId, transaction: TransactionId, n: i64) -> Result<Option<Job>, QueryError> {
    let rows = db.query(FIND, key(company, transaction, n)).await?;
    Ok(rows.first().map(|row| job(row, 0)).transpose()?.flatten())
}

/// The providers with jobs, and when the first of each is due. Costs a few index probes per provider.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn due(db: &dyn Driver) -> Result<Vec<(String, Timestamp)>, QueryError> {
    read::due(&db.query(DUE, vec![]).await?)
}

/// Takes due jobs of these providers until `lease_until`, of each those due first first and no more than is named.
///
/// # Errors
/// [`CommitError`] when the store does not answer.
pub async fn claim(
    db: &dyn Driver,
    node: &str,
    now: Timestamp,
    lease_until: Timestamp,
    asks: &[(String, u32)],
) -> Result<Vec<Job>, CommitError> {
    let claim = if db.dialect() == Dialect::Sqlite { CLAIM_SQLITE } else { CLAIM_POSTGRES };
    let mut batch = Batch::new();
    for (psp_type, limit) in asks {
        let values: Vec<Value> =
            vec![node.into(), lease_until.millis().into(), now.millis().into(), i64::from(*limit).into(), (&**psp_type).into()];
        batch.returning(claim, values);
    }
    let rows = db.commit(batch).await?;
    // One that cannot be read keeps none of the others from being done.
    let readable =
        |row: &Row| job(row, 0).inspect_err(|error| tracing::error!("a job that cannot be read: {error}")).ok().flatten();
    Ok(rows.iter().flatten().filter_map(readable).collect())
}

/// Makes the jobs of owners due now that are not among the living (see `nodes`).
pub fn release_unknown(batch: &mut Batch, now: Timestamp) {
    batch.run(RELEASE_UNKNOWN, vec![now.millis().into()]);
}

/// Makes the jobs of every other owner due now: for a store that belongs to one process at a time, whatever the clock said
/// before.
pub fn release_others(batch: &mut Batch, this_node: &str, now: Timestamp) {
    batch.run(RELEASE_OTHERS, vec![now.millis().into(), this_node.into()]);
}

/// Makes every open inquiry due now (after a start).
pub fn pull_inquiries_forward(batch: &mut Batch, now: Timestamp) {
    batch.run(PULL_FORWARD, vec![now.millis().into()]);
}

/// Makes the open inquiry of an attempt due at that time, where it is due later and nobody works on it.
pub fn pull_forward(batch: &mut Batch, company: CompanyId, transaction: TransactionId, n: i64, due_at: Timestamp) {
    let mut values = key(company, transaction, n);
    values.push(due_at.millis().into());
    batch.run(PULL_ONE_FORWARD, values);
}

/// How many columns those are.
pub(super) const COLUMNS: usize = 10;

/// The job of an attempt's row whose key, provider and next action begin at that column; `None`: nothing is due.
pub(super) fn job(row: &Row, at: usize) -> Result<Option<Job>, QueryError> {
    let (Some(word), Some(due_at)) = (row.opt_str(at + 4)?, row.opt_int(at + 5)?) else { return Ok(None) };
    let first_at = Timestamp::from_millis(row.opt_int(at + 7)?.unwrap_or(due_at));
    Ok(Some(Job {
        company_id: parse(row, at)?,
        transaction_id: parse(row, at + 1)?,
        n: row.int(at + 2)?,
        psp_type: row.text(at + 3)?,
        next: Next::read(word, row.opt_str(at + 8)?.unwrap_or_default(), first_at),
        due_at: Timestamp::from_millis(due_at),
        tries: row.opt_int(at + 6)?.and_then(|tries| tries.try_into().ok()).unwrap_or_default(),
        first_at,
        owner: row.opt_text(at + 9)?,
    }))
}
