//! How a payment method's webhook endpoint is: since when it has only failed, and whether it was switched off for that.

use crate::{Batch, Driver, QueryError};
use domain::{CompanyId, MethodId, Timestamp};

/// The label of the guard that fails when the endpoint is switched off already, or works again.
pub const SWITCH_OFF_GUARD: &str = "webhook endpoint failing";

const FAILED: &str = "INSERT INTO endpoint_health (company_id, method_id, failing_since) VALUES (?1, ?2, ?3) \
                      ON CONFLICT (company_id, method_id) DO UPDATE SET failing_since = COALESCE(endpoint_health.failing_since, excluded.failing_since)";
const WORKS: &str =
    "UPDATE endpoint_health SET failing_since = NULL WHERE company_id = ?1 AND method_id = ?2 AND failing_since IS NOT NULL";
const SWITCH_OFF: &str = "UPDATE endpoint_health SET disabled_at = ?3 WHERE company_id = ?1 AND method_id = ?2 AND disabled_at IS NULL \
                          AND failing_since <= ?4";
const SWITCH_ON: &str = "UPDATE endpoint_health SET disabled_at = NULL, failing_since = NULL \
                         WHERE company_id = ?1 AND method_id = ?2 AND disabled_at IS NOT NULL";
const SWITCHED_OFF: &str =
    "SELECT disabled_at FROM endpoint_health WHERE company_id = ?1 AND method_id = ?2 AND disabled_at IS NOT NULL";
const ALL_OFF: &str = "SELECT method_id FROM endpoint_health WHERE company_id = ?1 AND disabled_at IS NOT NULL";

/// An attempt failed: from now on, unless it was failing before.
pub fn failed(batch: &mut Batch, company: CompanyId, method: MethodId, now: Timestamp) {
    batch.run(FAILED, vec![company.to_string().into(), method.to_string().into(), now.millis().into()]);
}

/// An attempt was taken: whatever was before, it does not "only fail".
pub fn works(batch: &mut Batch, company: CompanyId, method: MethodId) {
    batch.run(WORKS, vec![company.to_string().into(), method.to_string().into()]);
}

/// Switches it off if it has only failed since `since` or before and is not off already; otherwise the batch fails with
/// [`SWITCH_OFF_GUARD`].
pub fn switch_off(batch: &mut Batch, company: CompanyId, method: MethodId, now: Timestamp, since: Timestamp) {
    let values = vec![company.to_string().into(), method.to_string().into(), now.millis().into(), since.millis().into()];
    batch.guard(SWITCH_OFF_GUARD, SWITCH_OFF, values);
}

/// Switches it on again, if it is off; its failures are counted anew.
pub fn switch_on(batch: &mut Batch, company: CompanyId, method: MethodId) {
    batch.run(SWITCH_ON, vec![company.to_string().into(), method.to_string().into()]);
}

/// Since when it is switched off.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn off_since(db: &dyn Driver, company: CompanyId, method: MethodId) -> Result<Option<Timestamp>, QueryError> {
    let rows = db.query(SWITCHED_OFF, vec![company.to_string().into(), method.to_string().into()]).await?;
    rows.first().map(|row| Ok(Timestamp::from_millis(row.int(0)?))).transpose()
}

/// The company's methods whose endpoints are switched off.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn all_off(db: &dyn Driver, company: CompanyId) -> Result<Vec<MethodId>, QueryError> {
    let rows = db.query(ALL_OFF, vec![company.to_string().into()]).await?;
    rows.iter().map(|row| super::read::parse(row, 0)).collect()
}
