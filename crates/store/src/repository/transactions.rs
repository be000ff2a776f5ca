//! Transactions and their timelines.

use super::read::{self, parse};
use crate::{Batch, Driver, QueryError, Row};
use domain::{
    Attention, BrandId, CompanyId, CredentialId, GivenBack, Json, Money, Operation, RuleId, SessionId, Timestamp, Transaction,
    TransactionId, TransactionStatus,
};

/// One entry of a timeline.
#[derive(Clone, Debug)]
pub struct TimelineEntry {
    /// 1, 2, ... per transaction.
    pub n: i64,
    /// When it was stored.
    pub at: Timestamp,
    /// What happened.
    pub event: String,
    /// The status before, where it changed.
    pub from: Option<TransactionStatus>,
    /// The status after, where it changed.
    pub to: Option<TransactionStatus>,
    /// Redacted details: an object.
    pub detail: Json,
}

/// What a list shows; with an alias, where another table stands beside it; and what of an attempt stands there.
macro_rules! columns {
    (attempt) => {
        "a.company_id, a.transaction_id, a.n, a.psp_type, a.next_kind, a.next_at, a.next_tries, a.next_first_at, a.next_detail, \
         a.next_owner, a.kind, a.method_id, a.reference, a.psp_transaction_id, a.outcome, a.code, a.started_at, a.ended_at"
    };
    () => {
        columns!("")
    };
    ($alias:literal) => {
        concat!(
            $alias,
            "company_id, ",
            $alias,
            "id, ",
            $alias,
            "session_id, ",
            $alias,
            "psp_type, ",
            $alias,
            "operation, ",
            $alias,
            "method_id, ",
            $alias,
            "brand_id, ",
            $alias,
            "merchant_reference, ",
            $alias,
            "user_id, ",
            $alias,
            "amount_minor, ",
            $alias,
            "currency, ",
            $alias,
            "status, ",
            $alias,
            "psp_status, ",
            $alias,
            "message, ",
            $alias,
            "psp_transaction_id, ",
            $alias,
            "redirect_url, ",
            $alias,
            "destination_masked, ",
            $alias,
            "attention, ",
            $alias,
            "rule_id, ",
            $alias,
            "rule_version, ",
            $alias,
            "maker, ",
            $alias,
            "events_sent, ",
            $alias,
            "timeline_length, ",
            $alias,
            "version, ",
            $alias,
            "created_at, ",
            $alias,
            "updated_at, ",
            $alias,
            "refunded_minor, ",
            $alias,
            "disputed, ",
            $alias,
            "live, ",
            $alias,
            "attempts"
        )
    };
}
/// How many of a transaction they are.
pub(super) const COLUMNS: usize = 30;
pub(super) use columns;
mod list;
pub use list::{Found, SELECTIVE_ROWS, search};
#[cfg(test)]
pub(crate) use list::{Pace, search_at};

/// A transaction of that id is there already.
const ID_TAKEN: &str = "transaction";
const INSERT: &str = concat!(
    "INSERT INTO transactions (",
    columns!(),
    ", sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, \
     ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31)"
);
const UPDATE: &str = "UPDATE transactions SET status = ?4, psp_status = ?5, message = ?6, psp_transaction_id = ?7, redirect_url = ?8, \
                      attention = ?9, events_sent = ?10, timeline_length = ?11, version = ?12, updated_at = ?13, refunded_minor = ?14, \
                      disputed = ?15 \
                      WHERE company_id = ?1 AND id = ?2 AND version = ?3";
const UPDATE_SEALED: &str = "UPDATE transactions SET sealed = ?3 WHERE company_id = ?1 AND id = ?2";
const MARK_STUCK: &str = "UPDATE transactions SET attention = CASE WHEN live = ?3 THEN 'stuck' ELSE COALESCE(attention, 'anomaly') END, \
                          version = version + 1 WHERE company_id = ?1 AND id = ?2";
// Another attempt is the live one from here on.
const UPDATE_LIVE: &str =
    "UPDATE transactions SET live = ?3, attempts = ?4, psp_type = ?5, method_id = ?6 WHERE company_id = ?1 AND id = ?2";
const BY_ID: &str = concat!("SELECT ", columns!(), " FROM transactions WHERE company_id = ?1 AND id = ?2");
// On PostgreSQL the primary key may not begin a look-up by another index, here and below: without statistics it would be taken
// for as good, and the whole company be walked.
const BY_SESSION: &str =
    concat!("SELECT ", columns!(), " FROM transactions WHERE company_id /*pg || '' */= ?1 AND session_id = ?2");
const TIMELINE_INSERT: &str = "INSERT INTO timeline (company_id, transaction_id, n, at, event, from_status, to_status, detail) \
                               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const TIMELINE: &str =
    "SELECT n, at, event, from_status, to_status, detail FROM timeline WHERE company_id = ?1 AND transaction_id = ?2 ORDER BY n";

/// The label of the guard that fails when the transaction changed in between.
pub const VERSION_GUARD: &str = "transaction version";

/// Adds a new transaction. `sealed`: sealed JSON of the order's fields.
pub fn insert(batch: &mut Batch, t: &Transaction, sealed: Vec<u8>) {
    let values = vec![
        t.company_id.to_string().into(),
        t.id.to_string().into(),
        t.session_id.to_string().into(),
        (&*t.psp_type).into(),
        t.operation.as_str().into(),
        t.method_id.to_string().into(),
        t.brand_id.as_ref().map(|id| id.as_str().to_owned()).into(),
        t.merchant_reference.clone().into(),
        (&*t.user_id).into(),
        t.amount.minor().into(),
        t.amount.currency().code().into(),
        t.status.as_str().into(),
        (&*t.psp_status).into(),
        t.message.clone().into(),
        t.psp_transaction_id.clone().into(),
        t.redirect_url.clone().into(),
        t.destination_masked.clone().into(),
        t.attention.map(|a| a.as_str().to_owned()).into(),
        t.rule.map(|(id, _)| id.to_string()).into(),
        t.rule.map(|(_, version)| version).into(),
        t.maker.to_string().into(),
        t.events_sent.into(),
        t.timeline_length.into(),
        t.version.into(),
        t.created_at.millis().into(),
        t.updated_at.millis().into(),
        t.given_back.refunded_minor.into(),
        t.given_back.disputed.into(),
        t.live.into(),
        t.attempts.into(),
        sealed.into(),
    ];
    batch.insert(ID_TAKEN, INSERT, values);
}

/// Changes a transaction that is still at the version before `t.version`; otherwise the batch fails with [`VERSION_GUARD`].
pub fn update(batch: &mut Batch, t: &Transaction) {
    let values = vec![
        t.company_id.to_string().into(),
        t.id.to_string().into(),
        (t.version - 1).into(),
        t.status.as_str().into(),
        (&*t.psp_status).into(),
        t.message.clone().into(),
        t.psp_transaction_id.clone().into(),
        t.redirect_url.clone().into(),
        t.attention.map(|a| a.as_str().to_owned()).into(),
        t.events_sent.into(),
        t.timeline_length.into(),
        t.version.into(),
        t.updated_at.millis().into(),
        t.given_back.refunded_minor.into(),
        t.given_back.disputed.into(),
    ];
    batch.guard(VERSION_GUARD, UPDATE, values);
}

/// Replaces the sealed part; only beside [`update`] in one batch.
pub fn update_sealed(batch: &mut Batch, company: CompanyId, id: TransactionId, sealed: Vec<u8>) {
    batch.run(UPDATE_SEALED, vec![company.to_string().into(), id.to_string().into(), sealed.into()]);
}

/// Hands a transaction whose attempt cannot even be read to a person; of one that is not live it is an anomaly, no more.
pub fn mark_stuck(batch: &mut Batch, company: CompanyId, id: TransactionId, n: i64) {
    batch.run(MARK_STUCK, vec![company.to_string().into(), id.to_string().into(), n.into()]);
}

/// Makes another attempt the live one; only beside [`update`] in one batch.
pub fn update_live(batch: &mut Batch, t: &Transaction) {
    let values = vec![
        t.company_id.to_string().into(),
        t.id.to_string().into(),
        t.live.into(),
        t.attempts.into(),
        (&*t.psp_type).into(),
        t.method_id.to_string().into(),
    ];
    batch.run(UPDATE_LIVE, values);
}

/// Adds a timeline entry; its number is the transaction's `timeline_length` after it.
pub fn add_to_timeline(batch: &mut Batch, company: CompanyId, id: TransactionId, entry: &TimelineEntry) {
    let values = vec![
        company.to_string().into(),
        id.to_string().into(),
        entry.n.into(),
        entry.at.millis().into(),
        (&*entry.event).into(),
        entry.from.map(|s| s.as_str().to_owned()).into(),
        entry.to.map(|s| s.as_str().to_owned()).into(),
        entry.detail.to_text().into(),
    ];
    batch.run(TIMELINE_INSERT, values);
}

/// The transaction of that id.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find(db: &dyn Driver, company: CompanyId, id: TransactionId) -> Result<Option<Transaction>, QueryError> {
    db.query(BY_ID, vec![company.to_string().into(), id.to_string().into()]).await?.first().map(transaction).transpose()
}

/// The transaction of that session id.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find_by_session(db: &dyn Driver, company: CompanyId, id: SessionId) -> Result<Option<Transaction>, QueryError> {
    db.query(BY_SESSION, vec![company.to_string().into(), id.to_string().into()]).await?.first().map(transaction).transpose()
}

/// A transaction's timeline, oldest first.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn timeline(db: &dyn Driver, company: CompanyId, id: TransactionId) -> Result<Vec<TimelineEntry>, QueryError> {
    let rows = db.query(TIMELINE, vec![company.to_string().into(), id.to_string().into()]).await?;
    rows.iter().map(timeline_entry).collect()
}

/// What a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `pspType`.
    pub psp_type: Option<String>,
    /// `type`.
    pub operation: Option<Operation>,
    /// `transaction_status`, as shown: `Pending` includes `Created`.
    pub status: Option<TransactionStatus>,
    /// `userId`.
    pub user_id: Option<String>,
    /// `merchantReference`.
    pub merchant_reference: Option<String>,
    /// `attention`.
    pub attention: Option<Attention>,
    /// Created at or after.
    pub from: Option<Timestamp>,
    /// Created before.
    pub to: Option<Timestamp>,
    /// Only older than this one.
    pub before: Option<TransactionId>,
}

/// Up to `limit` of a company's transactions, newest first; all that match, however long it takes: see [`search`].
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn list(db: &dyn Driver, company: CompanyId, filter: &Filter, limit: u32) -> Result<Vec<Transaction>, QueryError> {
    Ok(search(db, company, filter, limit, None).await?.items)
}

pub(super) fn transaction(row: &Row) -> Result<Transaction, QueryError> {
    let currency = read::currency(row, 10)?;
    let rule = match (row.opt_str(18)?, row.opt_int(19)?) {
        (Some(_), Some(version)) => Some((parse::<RuleId>(row, 18)?, version)),
        _ => None,
    };
    Ok(Transaction {
        company_id: parse(row, 0)?,
        id: parse(row, 1)?,
        session_id: parse(row, 2)?,
        live: row.int(28)?,
        attempts: row.int(29)?,
        psp_type: row.text(3)?,
        operation: parse(row, 4)?,
        method_id: parse(row, 5)?,
        brand_id: read::opt_parse::<BrandId>(row, 6)?,
        merchant_reference: row.opt_text(7)?,
        user_id: row.text(8)?,
        amount: Money::from_minor(row.int(9)?, currency),
        status: parse(row, 11)?,
        psp_status: row.text(12)?,
        message: row.opt_text(13)?,
        psp_transaction_id: row.opt_text(14)?,
        redirect_url: row.opt_text(15)?,
        destination_masked: row.opt_text(16)?,
        given_back: GivenBack { refunded_minor: row.int(26)?, disputed: row.bool(27)? },
        attention: read::opt_parse(row, 17)?,
        rule,
        maker: parse::<CredentialId>(row, 20)?,
        events_sent: row.int(21)?,
        timeline_length: row.int(22)?,
        version: row.int(23)?,
        created_at: Timestamp::from_millis(row.int(24)?),
        updated_at: Timestamp::from_millis(row.int(25)?),
    })
}

fn timeline_entry(row: &Row) -> Result<TimelineEntry, QueryError> {
    Ok(TimelineEntry {
        n: row.int(0)?,
        at: Timestamp::from_millis(row.int(1)?),
        event: row.text(2)?,
        from: read::opt_parse(row, 3)?,
        to: read::opt_parse(row, 4)?,
        detail: read::json(row, 5)?,
    })
}
