//! Loading a company.

use super::{CompanySnapshot, Directory, roles};
use domain::{CompanyId, PaymentMethod};
use std::sync::Arc;
use store::QueryError;
use store::repository::{brands, companies, credentials, methods, rules};

impl Directory {
    /// The company as it is stored. Its version is read first: whatever changes while the rest is read shows as a newer version
    /// later.
    pub(super) async fn load(&self, id: CompanyId) -> Result<Option<CompanySnapshot>, QueryError> {
        let db = self.db.as_ref();
        let Some(stored) = companies::find(db, id).await? else { return Ok(None) };
        let data_key = stored
            .open_data_key(&self.master_key)
            .map_err(|error| QueryError::Corrupt(format!("the data key of company {id}: {error}")))?;
        let (brands, methods, rules, credentials) = tokio::try_join!(
            brands::list(db, id),
            methods::list(db, &data_key, id),
            rules::list(db, id),
            credentials::active(db, &data_key, id),
        )?;
        let resolved = |stored: methods::StoredMethod| Arc::new(self.resolved(stored.method));
        Ok(Some(CompanySnapshot {
            company: stored.open(&data_key)?,
            billing_currency: stored.billing_currency,
            country: stored.country,
            brands,
            methods: methods.into_iter().map(resolved).collect(),
            rules,
            credentials: credentials.into_iter().map(Arc::new).collect(),
            version: stored.config_version,
            data_key,
        }))
    }

    /// The method with its addresses by role resolved, as requests use and callers see it.
    pub(super) fn resolved(&self, mut method: PaymentMethod) -> PaymentMethod {
        roles::resolve_settings(&mut method.settings, &method.psp_type, &self.config);
        method
    }
}
