//! The inbox of provider callbacks: stored before the provider is answered.

use super::read::{self, parse};
use crate::{Batch, CommitError, Dialect, Driver, QueryError, Row, Value};
use domain::{CompanyId, Timestamp, TransactionId};
use std::collections::BTreeSet;

/// A callback that came in.
#[derive(Clone, Debug)]
pub struct StoredCallback {
    /// The company.
    pub company_id: CompanyId,
    /// The transaction.
    pub transaction_id: TransactionId,
    /// Which of its attempts it came for.
    pub of_attempt: i64,
    /// The attempt's provider, whose share of the due work it takes.
    pub psp_type: String,
    /// Its id: they are processed in this order.
    pub id: TransactionId,
    /// When it came; of one that came again after it was processed, when it did.
    pub received_at: Timestamp,
    /// The sealed raw request.
    pub raw: Vec<u8>,
    /// How often it was tried.
    pub tries: u32,
    /// Keyed digest of what came and of how it was read: those of one digest are one row. `None`: from before there were any.
    pub digest: Option<Vec<u8>>,
    /// How often it came.
    pub copies: i64,
    /// What it gives to be seen is on the timeline already.
    pub told: bool,
    /// Of those that wait, what is kept first when there are too many.
    pub weight: Weight,
}

/// What a callback is worth while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// For the timeline alone.
    Seen = 0,
    /// Has the provider asked, and says nothing.
    Ask = 1,
    /// Has the provider asked, with something that it says.
    Hint = 2,
    /// Proves something.
    Fact = 3,
    /// Has the provider asked in the place of what proved something and went over the cap.
    InsteadOfFacts = 4,
}

// Every value has its type in PostgreSQL's text: in a `SELECT` it would be taken for text.
const INSERT: &str = "INSERT INTO callbacks (company_id, transaction_id, id, received_at, raw, due_at, attempt, owner, digest, weight, psp_type, of_attempt) \
                      SELECT ?1 /*pg ::text */, ?2 /*pg ::text */, ?3 /*pg ::text */, ?4 /*pg ::bigint */, ?5 /*pg ::bytea */, ?6 /*pg ::bigint */, \
                      0, ?7 /*pg ::text */, ?8 /*pg ::bytea */, ?9 /*pg ::bigint */, ?10 /*pg ::text */, ?11 /*pg ::bigint */ WHERE NOT EXISTS \
                      (SELECT 1 FROM callbacks WHERE company_id = ?1 AND transaction_id = ?2 AND digest = ?8)";
/// One that came again: counted, and due as if it had come now. One that is worked on at this moment stays open: see [`done`].
const AGAIN: &str = "UPDATE callbacks SET copies = copies + 1, \
                     received_at = CASE WHEN due_at IS NULL THEN ?5 ELSE received_at END, attempt = CASE WHEN due_at IS NULL THEN 0 ELSE attempt END, \
                     owner = CASE WHEN due_at IS NULL OR due_at > ?6 THEN ?7 ELSE owner END, \
                     due_at = CASE WHEN due_at IS NULL OR due_at > ?6 THEN ?6 ELSE due_at END, psp_type = ?8 \
                     WHERE company_id = ?1 AND transaction_id = ?2 AND digest = ?4 AND id <> ?3";
/// Beyond the first 20 those stay that wait, by what they are worth, then the newest: 20 of them.
const OVER_THE_CAP: &str = "DELETE FROM callbacks WHERE company_id = ?1 AND transaction_id = ?2 AND id IN (\
                            SELECT id FROM callbacks WHERE company_id = ?1 AND transaction_id = ?2 AND id NOT IN (\
                            SELECT id FROM callbacks WHERE company_id = ?1 AND transaction_id = ?2 ORDER BY id LIMIT 20) \
                            ORDER BY CASE WHEN due_at IS NULL THEN 0 ELSE weight END DESC, id DESC LIMIT 1000 OFFSET 20)";
/// Whether one that proves something and waits is about to go over the cap: those of the highest weights come first there.
macro_rules! with_a_fact_over_the_cap {
    ($statement:literal) => {
        concat!(
            $statement,
            " AND (SELECT COUNT(*) FROM callbacks WHERE company_id = ?1 AND transaction_id = ?2 AND COALESCE(due_at, -1) >= 0 AND weight >= 3 \
             AND id NOT IN (SELECT id FROM callbacks WHERE company_id = ?1 AND transaction_id = ?2 ORDER BY id LIMIT 20)) > 20"
        )
    };
}
/// What has the provider asked in the place of such: it knows what they proved. One of a transaction, kept before all else.
const ASK_INSTEAD: &str = with_a_fact_over_the_cap!(
    "INSERT INTO callbacks (company_id, transaction_id, id, received_at, raw, due_at, attempt, owner, digest, weight, psp_type, of_attempt) \
     SELECT ?1 /*pg ::text */, ?2 /*pg ::text */, ?3 /*pg ::text */, ?4 /*pg ::bigint */, ?5 /*pg ::bytea */, ?6 /*pg ::bigint */, \
     0, NULL, ?7 /*pg ::bytea */, ?8 /*pg ::bigint */, ?9 /*pg ::text */, ?10 /*pg ::bigint */ WHERE NOT EXISTS \
     (SELECT 1 FROM callbacks WHERE company_id = ?1 AND transaction_id = ?2 AND digest = ?7)"
);
const ASK_AGAIN_INSTEAD: &str = with_a_fact_over_the_cap!(
    "UPDATE callbacks SET copies = copies + 1, attempt = CASE WHEN due_at IS NULL THEN 0 ELSE attempt END, \
     due_at = CASE WHEN due_at IS NULL OR due_at > ?5 THEN ?5 ELSE due_at END \
     WHERE company_id = ?1 AND transaction_id = ?2 AND digest = ?4 AND id <> ?3"
);
const OPEN: &str = "SELECT company_id, transaction_id, id, received_at, raw, attempt, digest, copies, told, weight, psp_type, of_attempt FROM callbacks \
                    WHERE company_id = ?1 AND transaction_id = ?2 AND due_at IS NOT NULL ORDER BY id LIMIT 256";
const TOLD: &str = "UPDATE callbacks SET told = 1 WHERE company_id = ?1 AND transaction_id = ?2 AND id = ?3";
const DONE: &str = "UPDATE callbacks SET told = 1, due_at = CASE WHEN copies = ?4 THEN NULL ELSE due_at END, \
                    owner = CASE WHEN copies = ?4 THEN NULL ELSE owner END WHERE company_id = ?1 AND transaction_id = ?2 AND id = ?3";
const LATER: &str = "UPDATE callbacks SET due_at = ?4, owner = NULL, attempt = attempt + ?5 \
                     WHERE company_id = ?1 AND transaction_id = ?2 AND id = ?3 AND due_at IS NOT NULL";
/// Of transactions from before `?3`, so that it reads the beginning of the company's rows and no index is needed; those of older
/// ones that came late are few.
macro_rules! past {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM callbacks WHERE company_id = ?1 AND transaction_id >= ?2 AND transaction_id < ?3 AND received_at < ?4 AND due_at IS NULL \
             ORDER BY transaction_id, id LIMIT ?5"
        )
    };
}
const PURGE_SQLITE: &str = concat!(
    "DELETE FROM callbacks WHERE (company_id, transaction_id, id) IN (",
    past!("company_id, transaction_id, id"),
    ") RETURNING transaction_id"
);
// By the rows' places, whatever the planner thinks of the table; what another process removes at this moment is left to it.
const PURGE_POSTGRES: &str =
    concat!("DELETE FROM callbacks WHERE ctid = ANY(ARRAY(", past!("ctid"), " FOR UPDATE SKIP LOCKED)) RETURNING transaction_id");
const ANY_PAST: &str = past!("1");
/// What is due of a provider; what another process works on is taken from it by the death watch alone.
macro_rules! due_of_provider {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM callbacks q WHERE q.psp_type = ?5 AND q.due_at <= ?3 \
             AND (q.owner = ?1 OR (SELECT n.id FROM nodes n WHERE n.id = q.owner) IS NULL) ORDER BY q.due_at LIMIT ?4"
        )
    };
}
const CLAIM_SQLITE: &str = concat!(
    "UPDATE callbacks SET owner = ?1, due_at = ?2 WHERE (company_id, transaction_id, id) IN (",
    due_of_provider!("q.company_id, q.transaction_id, q.id"),
    ") RETURNING company_id, transaction_id, psp_type"
);
// By the rows' places, whatever the planner thinks of the table.
const CLAIM_POSTGRES: &str = concat!(
    "UPDATE callbacks SET owner = ?1, due_at = ?2 WHERE ctid = ANY(ARRAY(",
    due_of_provider!("q.ctid"),
    " FOR UPDATE OF q SKIP LOCKED)) RETURNING company_id, transaction_id, psp_type"
);
/// Every provider with callbacks that wait, and when its first is due: from one to the next by the queue's index, however many
/// wait at each.
const DUE: &str = "WITH RECURSIVE p (psp_type) AS (\
                     SELECT (SELECT q.psp_type FROM callbacks q WHERE q.due_at IS NOT NULL ORDER BY q.psp_type, q.due_at LIMIT 1) \
                     UNION ALL SELECT (SELECT q.psp_type FROM callbacks q WHERE q.due_at IS NOT NULL AND q.psp_type > p.psp_type \
                       ORDER BY q.psp_type, q.due_at LIMIT 1) FROM p WHERE p.psp_type IS NOT NULL) \
                   SELECT p.psp_type, (SELECT q.due_at FROM callbacks q WHERE q.due_at IS NOT NULL AND q.psp_type = p.psp_type \
                     ORDER BY q.due_at LIMIT 1) FROM p WHERE p.psp_type IS NOT NULL";
const RELEASE_UNKNOWN: &str = "UPDATE callbacks SET owner = NULL, due_at = ?1 WHERE psp_type = ?2 AND due_at > ?1 AND owner IS NOT NULL \
                               AND (SELECT n.id FROM nodes n WHERE n.id = callbacks.owner) IS NULL";
const RELEASE_OTHERS: &str =
    "UPDATE callbacks SET owner = NULL, due_at = ?1 WHERE due_at IS NOT NULL AND owner IS NOT NULL AND owner <> ?2";

/// Adds a callback, or counts it where one of its digest is there; `due_at` is when (another) may take it, `owner` who works on
/// it until then. `instead`: there may be more of the transaction's than are kept; where one that proves something is among those
/// that go, this one has the provider asked.
pub fn insert(
    batch: &mut Batch,
    callback: &StoredCallback,
    due_at: Timestamp,
    owner: Option<&str>,
    instead: Option<&StoredCallback>,
) {
    let (company, transaction, id) =
        (callback.company_id.to_string(), callback.transaction_id.to_string(), callback.id.to_string());
    let owner = || Value::from(owner.map(str::to_owned));
    let values = vec![
        (&*company).into(),
        (&*transaction).into(),
        (&*id).into(),
        callback.received_at.millis().into(),
        callback.raw.clone().into(),
        due_at.millis().into(),
        owner(),
        callback.digest.clone().into(),
        (callback.weight as i64).into(),
        (&*callback.psp_type).into(),
        callback.of_attempt.into(),
    ];
    batch.run(INSERT, values);
    let again = vec![
        (&*company).into(),
        (&*transaction).into(),
        id.into(),
        callback.digest.clone().into(),
        callback.received_at.millis().into(),
        due_at.millis().into(),
        owner(),
        (&*callback.psp_type).into(),
    ];
    batch.run(AGAIN, again);
    if let Some(ask) = instead {
        let id = ask.id.to_string();
        let values = vec![
            (&*company).into(),
            (&*transaction).into(),
            (&*id).into(),
            ask.received_at.millis().into(),
            ask.raw.clone().into(),
            due_at.millis().into(),
            ask.digest.clone().into(),
            (ask.weight as i64).into(),
            (&*ask.psp_type).into(),
            ask.of_attempt.into(),
        ];
        batch.run(ASK_INSTEAD, values);
        let again =
            vec![(&*company).into(), (&*transaction).into(), id.into(), ask.digest.clone().into(), due_at.millis().into()];
        batch.run(ASK_AGAIN_INSTEAD, again);
        batch.run(OVER_THE_CAP, vec![company.into(), transaction.into()]);
    }
}

/// Marks what this callback gives to be seen as told.
pub fn told(batch: &mut Batch, one: &StoredCallback) {
    batch.run(TOLD, vec![one.company_id.to_string().into(), one.transaction_id.to_string().into(), one.id.to_string().into()]);
}

/// Marks these callbacks as processed. Each by its id: an earlier one may be stored later, by another process or another group of
/// commits, and nobody has read that one. One that came again meanwhile stays open: what it announces may be newer than what was
/// found.
pub fn done(batch: &mut Batch, processed: &[StoredCallback]) {
    for one in processed {
        let values = vec![
            one.company_id.to_string().into(),
            one.transaction_id.to_string().into(),
            one.id.to_string().into(),
            one.copies.into(),
        ];
        batch.run(DONE, values);
    }
}

/// Removes what was processed of callbacks that came before `before`, of the company's transactions from `from` on, up to `limit`
/// at once. Answers how many, and the newest transaction among them.
///
/// # Errors
/// [`CommitError`] when the store does not answer.
pub async fn purge(
    db: &dyn Driver,
    company: CompanyId,
    from: TransactionId,
    before: Timestamp,
    limit: u32,
) -> Result<(usize, Option<TransactionId>), CommitError> {
    let values = |limit: u32| -> Vec<Value> {
        vec![
            company.to_string().into(),
            from.to_string().into(),
            // The first id of that time.
            TransactionId::new(before, [0; 6]).to_string().into(),
            before.millis().into(),
            i64::from(limit).into(),
        ]
    };
    // Nearly always there is nothing: that is no reason to write.
    let any = db.query(ANY_PAST, values(1)).await.map_err(|error| CommitError::Unavailable(error.to_string()))?;
    if any.is_empty() {
        return Ok((0, None));
    }
    let mut batch = Batch::new();
    batch.returning(if db.dialect() == Dialect::Sqlite { PURGE_SQLITE } else { PURGE_POSTGRES }, values(limit));
    let rows: Vec<Row> = db.commit(batch).await?.into_iter().flatten().collect();
    let ids = rows.iter().map(|row| parse(row, 0).map_err(|error| CommitError::Corrupt(error.to_string())));
    Ok((rows.len(), ids.collect::<Result<Vec<TransactionId>, _>>()?.into_iter().max()))
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

/// The providers with callbacks that wait, and when the first of each is due. Costs a few index probes per provider.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn due(db: &dyn Driver) -> Result<Vec<(String, Timestamp)>, QueryError> {
    read::due(&db.query(DUE, vec![]).await?)
}

/// Takes due callbacks of these providers until `lease_until`, of each those due first first and no more than is named; answers
/// the transactions that they belong to, each once, with their providers.
///
/// # Errors
/// [`CommitError`] when the store does not answer.
pub async fn claim(
    db: &dyn Driver,
    node: &str,
    now: Timestamp,
    lease_until: Timestamp,
    asks: &[(String, u32)],
) -> Result<BTreeSet<(CompanyId, TransactionId, String)>, CommitError> {
    let claim = if db.dialect() == Dialect::Sqlite { CLAIM_SQLITE } else { CLAIM_POSTGRES };
    let mut batch = Batch::new();
    for (psp_type, limit) in asks {
        let values: Vec<Value> =
            vec![node.into(), lease_until.millis().into(), now.millis().into(), i64::from(*limit).into(), (&**psp_type).into()];
        batch.returning(claim, values);
    }
    let rows = db.commit(batch).await?;
    let claimed = |row: &Row| Ok((parse(row, 0)?, parse(row, 1)?, row.text(2)?));
    let claimed: Result<BTreeSet<_>, QueryError> = rows.iter().flatten().map(claimed).collect();
    claimed.map_err(|error| CommitError::Corrupt(error.to_string()))
}

/// Makes the callbacks of owners due now that are not among the living (see `nodes`), provider by provider as the queue is
/// ordered.
pub fn release_unknown<'a>(batch: &mut Batch, psp_types: impl IntoIterator<Item = &'a str>, now: Timestamp) {
    for psp_type in psp_types {
        batch.run(RELEASE_UNKNOWN, vec![now.millis().into(), psp_type.into()]);
    }
}

/// Makes the callbacks of every other owner due now: for a store that belongs to one process at a time, whatever the clock said
/// before.
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
        tries: row.uint32(5)?,
        digest: row.opt_bytes(6)?,
        copies: row.int(7)?,
        told: row.bool(8)?,
        weight: match row.int(9)? {
            0 => Weight::Seen,
            1 => Weight::Ask,
            3 => Weight::Fact,
            4 => Weight::InsteadOfFacts,
            _ => Weight::Hint,
        },
        psp_type: row.text(10)?,
        of_attempt: row.int(11)?,
    })
}
