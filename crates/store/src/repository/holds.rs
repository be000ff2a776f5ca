//! Pay-outs that wait for a person, and what people decided.

use super::read::parse;
use crate::{Batch, Driver, QueryError, Row, Value};
use domain::{CompanyId, CredentialId, Timestamp, TransactionId};

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldStatus {
    /// Nobody has decided.
    Waiting,
    /// Let go.
    Approved,
    /// Refused.
    Rejected,
}

impl HoldStatus {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Approved, Self::Rejected];

    /// The word of the Management API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

impl std::str::FromStr for HoldStatus {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or(())
    }
}

/// A hold.
#[derive(Clone, Debug)]
pub struct Hold {
    /// The pay-out.
    pub transaction_id: TransactionId,
    /// Where it stands.
    pub status: HoldStatus,
    /// Since when it waits.
    pub requested_at: Timestamp,
    /// When it is shown as stuck.
    pub expires_at: Timestamp,
    /// Approvals needed.
    pub required: i64,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
}

/// What a person decided.
#[derive(Clone, Debug)]
pub struct Decision {
    /// 1, 2, ... per transaction.
    pub n: i64,
    /// `approve`, `reject`, `release` or `resolve`.
    pub decision: String,
    /// Who.
    pub decided_by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// The label of the guard that fails when the hold was decided already.
pub const UNDECIDED_GUARD: &str = "hold is waiting";
/// The label of the constraint that keeps the maker from deciding.
pub const MAKER_GUARD: &str = "approval";

/// The transaction has a hold already.
const ID_TAKEN: &str = "hold";
const INSERT: &str = "INSERT INTO holds (company_id, transaction_id, status, requested_at, expires_at, required) VALUES (?1, ?2, 'waiting', ?3, ?4, ?5)";
const DECIDE: &str =
    "UPDATE holds SET status = ?3, decided_at = ?4 WHERE company_id = ?1 AND transaction_id = ?2 AND status || '' = 'waiting'";
const DECISION: &str = "INSERT INTO approvals (company_id, transaction_id, n, decision, decided_by, maker, reason, at) \
                        SELECT ?1, ?2, COALESCE(MAX(n), 0) + 1, ?3, ?4, ?5, ?6, CAST(?7 AS BIGINT) FROM approvals WHERE company_id = ?1 AND transaction_id = ?2";
const FIND: &str = "SELECT transaction_id, status, requested_at, expires_at, required, decided_at FROM holds \
                    WHERE company_id = ?1 AND transaction_id = ?2";
const DECISIONS: &str =
    "SELECT n, decision, decided_by, reason, at FROM approvals WHERE company_id = ?1 AND transaction_id = ?2 ORDER BY n";

/// Adds a hold.
pub fn insert(batch: &mut Batch, company: CompanyId, hold: &Hold) {
    let values = vec![
        company.to_string().into(),
        hold.transaction_id.to_string().into(),
        hold.requested_at.millis().into(),
        hold.expires_at.millis().into(),
        hold.required.into(),
    ];
    batch.insert(ID_TAKEN, INSERT, values);
}

/// Decides a hold that is still waiting; otherwise the batch fails with [`UNDECIDED_GUARD`].
pub fn decide(batch: &mut Batch, company: CompanyId, transaction: TransactionId, status: HoldStatus, at: Timestamp) {
    let values = vec![company.to_string().into(), transaction.to_string().into(), status.as_str().into(), at.millis().into()];
    batch.guard(UNDECIDED_GUARD, DECIDE, values);
}

/// Records a decision. The schema refuses the maker as the one who decides ([`MAKER_GUARD`]).
#[expect(clippy::too_many_arguments, reason = "one row, each column named at the call")]
pub fn record(
    batch: &mut Batch,
    company: CompanyId,
    transaction: TransactionId,
    decision: &str,
    decided_by: &str,
    maker: CredentialId,
    reason: Option<&str>,
    at: Timestamp,
) {
    let values = vec![
        company.to_string().into(),
        transaction.to_string().into(),
        decision.into(),
        decided_by.into(),
        format!("credential:{maker}").into(),
        reason.map(str::to_owned).into(),
        at.millis().into(),
    ];
    batch.insert(MAKER_GUARD, DECISION, values);
}

/// The hold of a transaction.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find(db: &dyn Driver, company: CompanyId, transaction: TransactionId) -> Result<Option<Hold>, QueryError> {
    let rows = db.query(FIND, vec![company.to_string().into(), transaction.to_string().into()]).await?;
    rows.first().map(hold).transpose()
}

/// What people decided about a transaction, oldest first.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn decisions(db: &dyn Driver, company: CompanyId, transaction: TransactionId) -> Result<Vec<Decision>, QueryError> {
    let rows = db.query(DECISIONS, vec![company.to_string().into(), transaction.to_string().into()]).await?;
    rows.iter()
        .map(|row| {
            Ok(Decision {
                n: row.int(0)?,
                decision: row.text(1)?,
                decided_by: row.text(2)?,
                reason: row.opt_text(3)?,
                at: Timestamp::from_millis(row.int(4)?),
            })
        })
        .collect()
}

/// A page of a company's holds, oldest first; `after` is the last one of the page before.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn list(
    db: &dyn Driver,
    company: CompanyId,
    status: Option<HoldStatus>,
    after: Option<(Timestamp, TransactionId)>,
    limit: u32,
) -> Result<Vec<Hold>, QueryError> {
    let mut params: Vec<Value> = vec![company.to_string().into()];
    let mut bind = |value: Value| {
        params.push(value);
        format!("?{}", params.len())
    };
    // As the index has it: see ARCHITECTURE.md, Plans and lists.
    let id = "transaction_id /*pg COLLATE \"C\" */";
    let after = match after {
        Some((at, last)) => {
            format!(" AND (requested_at, {id}) > ({}, {})", bind(at.millis().into()), bind(last.to_string().into()))
        }
        None => String::new(),
    };
    // Whatever is not asked for is enumerated: each arm is a stretch of the index in the order of the list.
    let statuses = status.map_or(HoldStatus::ALL.to_vec(), |one| vec![one]);
    let arms: Vec<String> = statuses
        .into_iter()
        .map(|status| {
            let status = bind(status.as_str().into());
            format!(
                "SELECT * FROM (SELECT transaction_id, status, requested_at, expires_at, required, decided_at FROM holds INDEXED BY holds_by_status \
                 WHERE company_id /*pg COLLATE \"C\" */= ?1 AND status = {status}{after} ORDER BY requested_at, {id} LIMIT {limit}) arm"
            )
        })
        .collect();
    let sql = format!("{} ORDER BY requested_at, transaction_id LIMIT {limit}", arms.join(" UNION ALL "));
    let rows = db.query_dynamic(sql, params).await?;
    rows.iter().map(hold).collect()
}

fn hold(row: &Row) -> Result<Hold, QueryError> {
    Ok(Hold {
        transaction_id: parse(row, 0)?,
        status: parse(row, 1)?,
        requested_at: Timestamp::from_millis(row.int(2)?),
        expires_at: Timestamp::from_millis(row.int(3)?),
        required: row.int(4)?,
        decided_at: row.opt_int(5)?.map(Timestamp::from_millis),
    })
}
