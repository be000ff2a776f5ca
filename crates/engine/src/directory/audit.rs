//! Audit entries of acts that are no change of the configuration: decisions about transactions, replays.

use domain::{CompanyId, Json, Timestamp};
use store::Batch;
use store::repository::audit;

/// One privileged act.
#[derive(Debug)]
pub struct AuditEntry<'a> {
    /// The company that it is about.
    pub company_id: CompanyId,
    /// When.
    pub at: Timestamp,
    /// Who: `credential:<id>`, `user:<id>` or `operator`.
    pub actor: &'a str,
    /// What: `transaction.approve`.
    pub action: &'a str,
    /// Of what: `transaction:<id>`.
    pub object: &'a str,
    /// The object before, secrets left out.
    pub before: Option<Json>,
    /// The object after, secrets left out.
    pub after: Option<Json>,
    /// The address that it came from.
    pub origin: Option<&'a str>,
}

/// Adds the entry to the batch that carries out the act.
pub fn audit(batch: &mut Batch, entry: &AuditEntry<'_>, random: [u8; 6]) {
    let mut row = audit::AuditEntry::new(entry.at, random, entry.actor, entry.action, entry.object.to_owned());
    (row.before, row.after) = (entry.before.clone(), entry.after.clone());
    row.from = entry.origin.map(str::to_owned);
    audit::insert(batch, entry.company_id, &row);
}
