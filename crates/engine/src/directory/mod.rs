//! The companies with everything that a request reads of them, in memory.
//!
//! A snapshot holds one state of a company's configuration. Whoever changes it in this process says so with
//! [`Directory::changed`]; what other processes change is seen by [`Directory::refresh`], which compares versions. A request on a
//! warm directory does no query.
//!
//! **Architecture invariant:** a snapshot is never older than the last change of this process, and never older than the last
//! refresh.

mod audit;
mod cache;
pub mod change;
mod keys;
mod load;
mod roles;
#[cfg(test)]
pub(crate) mod tests;
mod touch;
pub mod view;

pub use audit::{AuditEntry, audit};
pub use keys::{check_master_key, may_open, rotate_master_key};
pub use roles::{is_role, resolve};

use crate::core::Config;
use cache::{Owners, Snapshots};
use domain::urls::Environment;
use domain::{Brand, BrandId, Company, CompanyId, Credential, CredentialId, Currency, MethodId, PaymentMethod, Rule, Timestamp};
use std::sync::Arc;
use store::repository::{companies, credentials, methods};
use store::vault::{DataKey, MasterKey};
use store::{Driver, QueryError};
use tokio::sync::OnceCell;
use touch::Touches;
use zeroize::Zeroizing;

/// A company with everything that a request reads of it, as it stood at one version.
#[derive(Debug)]
pub struct CompanySnapshot {
    /// The company.
    pub company: Company,
    /// The currency that it is billed in.
    pub billing_currency: Currency,
    /// Country of registration, ISO 3166-1 alpha-2.
    pub country: String,
    /// Opens and seals what is the company's.
    pub data_key: DataKey,
    /// Every brand, oldest first.
    pub brands: Vec<Brand>,
    /// Every payment method, oldest first, addresses by role resolved.
    pub methods: Vec<Arc<PaymentMethod>>,
    /// Every rule, oldest first.
    pub rules: Vec<Rule>,
    /// Credentials that are not revoked, oldest first.
    pub credentials: Vec<Arc<Credential>>,
    /// Raised by every change of any of these.
    pub version: i64,
}

impl CompanySnapshot {
    /// The payment method of that id.
    pub fn method(&self, id: MethodId) -> Option<&Arc<PaymentMethod>> {
        self.methods.iter().find(|method| method.id == id)
    }

    /// The brand of that id, active or not.
    pub fn brand(&self, id: &BrandId) -> Option<&Brand> {
        self.brands.iter().find(|brand| brand.id == *id)
    }

    /// The credential of that id, unless it is revoked.
    pub fn credential(&self, id: CredentialId) -> Option<&Arc<Credential>> {
        self.credentials.iter().find(|credential| credential.id == id)
    }
}

/// The companies, cached.
pub struct Directory {
    db: Arc<dyn Driver>,
    master_key: MasterKey,
    config: Config,
    snapshots: Snapshots,
    owners: Owners,
    touches: Touches,
    token_key: OnceCell<Zeroizing<[u8; 32]>>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("snapshots", &self.snapshots.len()).finish_non_exhaustive()
    }
}

impl Directory {
    /// An empty directory over a store.
    pub fn new(db: Arc<dyn Driver>, master_key: &MasterKey, config: &Config) -> Self {
        Self {
            db,
            master_key: keys::copy(master_key),
            config: config.clone(),
            snapshots: Snapshots::default(),
            owners: Owners::default(),
            touches: Touches::default(),
            token_key: OnceCell::new(),
        }
    }

    /// The company of that id. Loaded once, whoever asks meanwhile waits for the same answer.
    ///
    /// # Errors
    /// [`QueryError`] when it is not at hand and the store does not answer, or something of it does not open.
    pub async fn company(&self, id: CompanyId) -> Result<Option<Arc<CompanySnapshot>>, QueryError> {
        let slot = self.snapshots.slot(id);
        let load = || async { Ok::<_, QueryError>(self.load(id).await?.map(Arc::new)) };
        let snapshot = slot.cell.get_or_try_init(load).await?.clone();
        if snapshot.is_none() {
            // Only what exists takes up room.
            self.snapshots.forget(id, &slot);
        }
        Ok(snapshot)
    }

    /// The credential of that id; none where it does not exist or is revoked.
    ///
    /// # Errors
    /// As [`company`](Self::company).
    pub async fn credential(&self, id: CredentialId) -> Result<Option<Arc<Credential>>, QueryError> {
        let Some(company) = self.owner(id).await? else { return Ok(None) };
        let snapshot = self.company(company).await?;
        Ok(snapshot.and_then(|snapshot| snapshot.credential(id).cloned()))
    }

    /// The company and the credential of that id, of one state of the configuration; none where it does not exist or is revoked.
    ///
    /// # Errors
    /// As [`company`](Self::company).
    pub async fn company_of(&self, id: CredentialId) -> Result<Option<(Arc<CompanySnapshot>, Arc<Credential>)>, QueryError> {
        let Some(company) = self.owner(id).await? else { return Ok(None) };
        let Some(snapshot) = self.company(company).await? else { return Ok(None) };
        let credential = snapshot.credential(id).cloned();
        Ok(credential.map(|credential| (snapshot, credential)))
    }

    /// A credential never changes hands, so that only the absence of one needs to be asked again.
    async fn owner(&self, id: CredentialId) -> Result<Option<CompanyId>, QueryError> {
        if let Some(known) = self.owners.get(id) {
            return Ok(known);
        }
        let owner = credentials::owner(self.db.as_ref(), id).await?;
        self.owners.put(id, owner);
        Ok(owner)
    }

    /// This process changed something of the company: the next read is fresh. To be called after the commit.
    pub fn changed(&self, company: CompanyId) {
        self.snapshots.drop_company(company);
        self.owners.forget_absent();
    }

    /// Drops every snapshot whose company has changed in the store. To be called at most 500 ms after the last time where others
    /// write too.
    ///
    /// # Errors
    /// [`QueryError`] when the store does not answer; the snapshots stay then.
    pub async fn refresh(&self) -> Result<(), QueryError> {
        if !self.config.shared_store {
            return Ok(());
        }
        self.owners.forget_absent();
        let loaded = self.snapshots.loaded();
        for piece in loaded.chunks(companies::VERSIONS_PER_QUERY) {
            let ids: Vec<CompanyId> = piece.iter().map(|(id, _)| *id).collect();
            let stored = companies::versions(self.db.as_ref(), &ids).await?;
            for (id, version) in piece {
                if !stored.contains(&(*id, *version)) {
                    self.snapshots.drop_company(*id);
                }
            }
        }
        Ok(())
    }

    /// The payment method whose callback address has the token of this SHA-256.
    ///
    /// # Errors
    /// [`QueryError`] when the store does not answer.
    pub async fn method_by_callback_token(&self, sha256: [u8; 32]) -> Result<Option<(CompanyId, MethodId)>, QueryError> {
        methods::by_callback_token(self.db.as_ref(), sha256).await
    }

    /// Notes that a credential was used; written in the background by [`flush_last_used`](Self::flush_last_used).
    pub fn touch(&self, credential: CredentialId, now: Timestamp) {
        if let Some(Some(company)) = self.owners.get(credential) {
            self.touches.note(company, credential, now);
        }
    }

    /// Writes the last uses that are due: each credential's at most once a minute. What cannot be written stays noted.
    pub async fn flush_last_used(&self) {
        self.touches.flush(self.db.as_ref()).await;
    }

    /// The key that issued company tokens are signed with, one per environment.
    ///
    /// # Errors
    /// [`QueryError`] when the store does not answer or the key does not open.
    pub(crate) async fn token_key(&self) -> Result<&[u8; 32], QueryError> {
        let load = || keys::token_key(self.db.as_ref(), &self.master_key, self.config.environment);
        Ok(self.token_key.get_or_try_init(load).await?)
    }

    /// Where we run.
    pub(crate) fn environment(&self) -> Environment {
        self.config.environment
    }
}
