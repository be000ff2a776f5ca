//! The one next action of each open transaction. A job's due time is also its lease: whoever claims it moves it into the future,
//! and past that anybody may take it.

use super::read::{self, parse};
use crate::{Batch, CommitError, Dialect, Driver, QueryError, Row};
use domain::{CompanyId, Json, Timestamp, TransactionId};

/// What a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// A provider flow is running; past its due time, or when its owner is dead, it is recovered.
    Intent,
    /// A task is to be run (an approved pay-out).
    Run,
    /// The provider is to be asked.
    Inquire,
    /// The provider is to be asked for a late success.
    Late,
    /// A person is to be reminded of a hold.
    Hold,
}

impl JobKind {
    /// The word in the store and in `nextAction`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Run => "run",
            Self::Inquire => "inquire",
            Self::Late => "late",
            Self::Hold => "hold",
        }
    }
}

impl std::str::FromStr for JobKind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Intent, Self::Run, Self::Inquire, Self::Late, Self::Hold].into_iter().find(|k| k.as_str() == text).ok_or(())
    }
}

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    /// The company.
    pub company_id: CompanyId,
    /// The transaction; it has at most one job.
    pub transaction_id: TransactionId,
    /// The transaction's provider, whose share of the due work it takes.
    pub psp_type: String,
    /// What it is.
    pub kind: JobKind,
    /// When it is due, or until when its owner has it.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub attempt: u32,
    /// When this kind of job began: schedules end.
    pub first_at: Timestamp,
    /// The intent or counters; nothing secret.
    pub detail: Json,
    /// Who works on it.
    pub owner: Option<String>,
}

// A transaction stays with its provider.
const PUT: &str = "INSERT INTO jobs (company_id, transaction_id, kind, due_at, attempt, first_at, detail, owner, psp_type) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                   ON CONFLICT (company_id, transaction_id) DO UPDATE SET kind = excluded.kind, due_at = excluded.due_at, \
                   attempt = excluded.attempt, first_at = excluded.first_at, detail = excluded.detail, owner = excluded.owner, psp_type = excluded.psp_type";
const DELETE: &str = "DELETE FROM jobs WHERE company_id = ?1 AND transaction_id = ?2";
const FIND: &str = "SELECT company_id, transaction_id, kind, due_at, attempt, first_at, detail, owner, psp_type FROM jobs \
                    WHERE company_id = ?1 AND transaction_id = ?2";
/// What is due of a provider. What another process works on is taken from it by the death watch alone: by whose clock its time
/// would be over is nobody's to say.
macro_rules! due_of_provider {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM jobs q WHERE q.psp_type = ?5 AND q.due_at <= ?3 \
             AND (q.owner = ?1 OR (SELECT n.id FROM nodes n WHERE n.id = q.owner) IS NULL) ORDER BY q.due_at LIMIT ?4"
        )
    };
}
const CLAIM_SQLITE: &str = concat!(
    "UPDATE jobs SET owner = ?1, due_at = ?2 WHERE (company_id, transaction_id) IN (",
    due_of_provider!("q.company_id, q.transaction_id"),
    ") RETURNING company_id, transaction_id, kind, due_at, attempt, first_at, detail, owner, psp_type"
);
// By the rows' places, whatever the planner thinks of the table.
const CLAIM_POSTGRES: &str = concat!(
    "UPDATE jobs SET owner = ?1, due_at = ?2 WHERE ctid = ANY(ARRAY(",
    due_of_provider!("q.ctid"),
    " FOR UPDATE OF q SKIP LOCKED)) RETURNING company_id, transaction_id, kind, due_at, attempt, first_at, detail, owner, psp_type"
);
// By who has them; the time must not choose the index.
const RELEASE_UNKNOWN: &str = "UPDATE jobs SET owner = NULL, due_at = ?1 WHERE owner IS NOT NULL AND owner > '' AND due_at + 0 > ?1 \
                               AND (SELECT n.id FROM nodes n WHERE n.id = jobs.owner) IS NULL";
const RELEASE_OTHERS: &str = "UPDATE jobs SET owner = NULL, due_at = ?1 WHERE owner IS NOT NULL AND owner <> ?2";
const PULL_FORWARD: &str = "UPDATE jobs SET due_at = ?1 WHERE kind = 'inquire' AND owner IS NULL AND due_at > ?1";
// By the primary key: neither owner nor time may choose an index.
const PULL_ONE_FORWARD: &str = "UPDATE jobs SET due_at = ?3 WHERE company_id = ?1 AND transaction_id = ?2 AND kind = 'inquire' \
                                AND COALESCE(owner, '') = '' AND due_at + 0 > ?3";
// Likewise.
const PUT_BACK: &str = "UPDATE jobs SET owner = NULL, due_at = ?5, attempt = ?6 \
                        WHERE company_id = ?1 AND transaction_id = ?2 AND COALESCE(owner, '') = ?3 AND due_at + 0 = ?4";
const GIVE_UP: &str =
    "DELETE FROM jobs WHERE company_id = ?1 AND transaction_id = ?2 AND COALESCE(owner, '') = ?3 AND due_at + 0 = ?4";
const SET_COUNTERS: &str = "UPDATE jobs SET detail = ?3 WHERE company_id = ?1 AND transaction_id = ?2 AND kind = 'inquire'";
/// Every provider with jobs, and when its first is due: from one to the next by the queue's index, however many wait at each.
const DUE: &str = "WITH RECURSIVE p (psp_type) AS (\
                     SELECT (SELECT q.psp_type FROM jobs q ORDER BY q.psp_type, q.due_at LIMIT 1) \
                     UNION ALL SELECT (SELECT q.psp_type FROM jobs q WHERE q.psp_type > p.psp_type ORDER BY q.psp_type, q.due_at LIMIT 1) \
                       FROM p WHERE p.psp_type IS NOT NULL) \
                   SELECT p.psp_type, (SELECT q.due_at FROM jobs q WHERE q.psp_type = p.psp_type ORDER BY q.due_at LIMIT 1) \
                     FROM p WHERE p.psp_type IS NOT NULL";

/// Sets the next action of a transaction, in place of the one before.
pub fn put(batch: &mut Batch, job: &Job) {
    let values = vec![
        job.company_id.to_string().into(),
        job.transaction_id.to_string().into(),
        job.kind.as_str().into(),
        job.due_at.millis().into(),
        i64::from(job.attempt).into(),
        job.first_at.millis().into(),
        job.detail.to_text().into(),
        job.owner.clone().into(),
        (&*job.psp_type).into(),
    ];
    batch.run(PUT, values);
}

/// Takes the next action away.
pub fn delete(batch: &mut Batch, company: CompanyId, transaction: TransactionId) {
    batch.run(DELETE, vec![company.to_string().into(), transaction.to_string().into()]);
}

/// Replaces what an inquiry job counts, whoever works on it; only beside a change of its transaction in one batch.
pub fn set_counters(batch: &mut Batch, company: CompanyId, transaction: TransactionId, detail: &Json) {
    batch.run(SET_COUNTERS, vec![company.to_string().into(), transaction.to_string().into(), detail.to_text().into()]);
}

/// A claim, by which it is told from every later one of the same process: whose it is, and until when.
fn claim_values(claimed: &Job) -> Vec<crate::Value> {
    vec![
        claimed.company_id.to_string().into(),
        claimed.transaction_id.to_string().into(),
        claimed.owner.clone().into(),
        claimed.due_at.millis().into(),
    ]
}

/// Gives a claimed job back, due at another time; one that has been replaced or claimed anew stays as it is.
pub fn put_back(batch: &mut Batch, claimed: &Job, due_at: Timestamp, attempt: u32) {
    let mut values = claim_values(claimed);
    values.extend([due_at.millis().into(), i64::from(attempt).into()]);
    batch.run(PUT_BACK, values);
}

/// The label of the guard that fails when a claimed job has been replaced or claimed anew.
pub const CLAIM_GUARD: &str = "job is still claimed";

/// Takes a claimed job away for good: a person's turn. Fails the batch with [`CLAIM_GUARD`] when it is no longer the one that was
/// claimed.
pub fn give_up(batch: &mut Batch, claimed: &Job) {
    batch.guard(CLAIM_GUARD, GIVE_UP, claim_values(claimed));
}

/// The next action of a transaction.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find(db: &dyn Driver, company: CompanyId, transaction: TransactionId) -> Result<Option<Job>, QueryError> {
    let rows = db.query(FIND, vec![company.to_string().into(), transaction.to_string().into()]).await?;
    rows.first().map(job).transpose()
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
        let values =
            vec![node.into(), lease_until.millis().into(), now.millis().into(), i64::from(*limit).into(), (&**psp_type).into()];
        batch.returning(claim, values);
    }
    let rows = db.commit(batch).await?;
    rows.iter().flatten().map(|row| job(row).map_err(|error| CommitError::Corrupt(error.to_string()))).collect()
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

/// Makes the open inquiry of a transaction due at that time, where it is due later and nobody works on it.
pub fn pull_forward(batch: &mut Batch, company: CompanyId, transaction: TransactionId, due_at: Timestamp) {
    batch.run(PULL_ONE_FORWARD, vec![company.to_string().into(), transaction.to_string().into(), due_at.millis().into()]);
}

fn job(row: &Row) -> Result<Job, QueryError> {
    Ok(Job {
        company_id: parse(row, 0)?,
        transaction_id: parse(row, 1)?,
        kind: parse(row, 2)?,
        due_at: Timestamp::from_millis(row.int(3)?),
        attempt: row.uint32(4)?,
        first_at: Timestamp::from_millis(row.int(5)?),
        detail: read::json(row, 6)?,
        owner: row.opt_text(7)?,
        psp_type: row.text(8)?,
    })
}
