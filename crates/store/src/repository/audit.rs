//! The audit log: who did what to which object, with what it was before and after. Entries are only ever added.

use super::read;
use crate::{Batch, Driver, QueryError, Row};
use domain::{CompanyId, Json, Timestamp, TransactionId};

/// One privileged act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// 24 hex digits that sort by age.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who: `credential:<id>`, `user:<id>` or `operator`.
    pub actor: String,
    /// What: `payment_method.update`.
    pub action: String,
    /// Of what: `payment_method:<id>`.
    pub object: String,
    /// The object before, secrets left out; none for what did not exist.
    pub before: Option<Json>,
    /// The object after, secrets left out; none for what does not exist any more.
    pub after: Option<Json>,
    /// The address that it came from.
    pub from: Option<String>,
}

impl AuditEntry {
    /// An entry of an act without a before and after.
    pub fn new(now: Timestamp, random: [u8; 6], actor: &str, action: &str, object: String) -> Self {
        Self {
            id: TransactionId::new(now, random).to_string(),
            at: now,
            actor: actor.to_owned(),
            action: action.to_owned(),
            object,
            before: None,
            after: None,
            from: None,
        }
    }
}

/// An entry of that id is there already.
const ID_TAKEN: &str = "audit";
const INSERT: &str = "INSERT INTO audit (company_id, id, at, actor, action, object, before, after, origin) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const LIST: &str = "SELECT id, at, actor, action, object, before, after, origin FROM audit \
                    WHERE company_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
const EXISTS: &str = "SELECT 1 FROM audit WHERE company_id = ?1 AND id = ?2";
/// Above every id.
const NEWEST: &str = "g";

/// Adds an entry.
pub fn insert(batch: &mut Batch, company: CompanyId, entry: &AuditEntry) {
    let values = vec![
        company.to_string().into(),
        (&*entry.id).into(),
        entry.at.millis().into(),
        (&*entry.actor).into(),
        (&*entry.action).into(),
        (&*entry.object).into(),
        entry.before.as_ref().map(Json::to_text).into(),
        entry.after.as_ref().map(Json::to_text).into(),
        entry.from.clone().into(),
    ];
    batch.insert(ID_TAKEN, INSERT, values);
}

/// Whether that entry is on a company's log.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn exists(db: &dyn Driver, company: CompanyId, id: &str) -> Result<bool, QueryError> {
    Ok(!db.query(EXISTS, vec![company.to_string().into(), id.into()]).await?.is_empty())
}

/// A page of a company's entries, newest first; `before` is the id of the last one of the page before.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn list(db: &dyn Driver, company: CompanyId, before: Option<&str>, limit: u32) -> Result<Vec<AuditEntry>, QueryError> {
    let before = before.unwrap_or(NEWEST);
    let rows = db.query(LIST, vec![company.to_string().into(), before.into(), limit.into()]).await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<AuditEntry, QueryError> {
    let document = |column| row.opt_str(column)?.map(|_| read::json(row, column)).transpose();
    Ok(AuditEntry {
        id: row.text(0)?,
        at: Timestamp::from_millis(row.int(1)?),
        actor: row.text(2)?,
        action: row.text(3)?,
        object: row.text(4)?,
        before: document(5)?,
        after: document(6)?,
        from: row.opt_text(7)?,
    })
}
