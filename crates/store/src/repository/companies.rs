//! Companies: the tenants, with their wrapped data keys and the version that every change of their configuration raises.

use super::read::{self, opt_parse, parse};
use crate::vault::{DataKey, MasterKey, VaultError};
use crate::{Batch, Driver, QueryError, Row, Value};
use domain::company::{Company, UserTokenAlgorithm, UserTokenKey};
use domain::{CompanyId, Currency, Secret, Timestamp};

/// A company as it is kept: its keys closed.
#[derive(Clone, Debug)]
pub struct StoredCompany {
    /// Its id.
    pub id: CompanyId,
    /// Legal name.
    pub name: String,
    /// The currency that it is billed in.
    pub billing_currency: Currency,
    /// Country of registration, ISO 3166-1 alpha-2.
    pub country: String,
    /// Suspended: every call is 403.
    pub suspended: bool,
    /// Where `x-user-authorization` is checked.
    pub user_auth_url: Option<String>,
    /// How user tokens are signed, when the company stores a key.
    pub user_token_algorithm: Option<UserTokenAlgorithm>,
    /// The key for user tokens, sealed.
    pub user_token_key: Option<Vec<u8>>,
    /// When that key was last set.
    pub user_token_key_at: Option<Timestamp>,
    /// The company's data key, wrapped under the master key.
    pub data_key: Vec<u8>,
    /// One more with every change of anything that a request reads.
    pub config_version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The label of the guard that fails when the company's configuration changed in between.
pub const CONFIG_VERSION_GUARD: &str = "company configuration version";
/// The label of the guard that fails when a data key was wrapped anew in between.
pub const REWRAP_GUARD: &str = "company data key";
/// The most ids that one call of [`versions`] may ask for; longer lists are asked for in pieces of this length.
pub const VERSIONS_PER_QUERY: usize = 64;

const TABLE: &str = "companies";
const USER_TOKEN_KEY: &str = "user_token_key";

macro_rules! columns {
    () => {
        "id, name, billing_currency, country, suspended, user_auth_url, user_token_algorithm, user_token_key, \
         user_token_key_at, data_key, config_version, created_at, updated_at"
    };
}

/// A company of that id is there already.
const ID_TAKEN: &str = "company";
/// The company is there.
const THERE_GUARD: &str = "company is there";
const INSERT: &str =
    concat!("INSERT INTO companies (", columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");
const UPDATE: &str = "UPDATE companies SET name = ?2, billing_currency = ?3, country = ?4, suspended = ?5, \
                      user_auth_url = ?6, user_token_algorithm = ?7, user_token_key = ?8, user_token_key_at = ?9, \
                      updated_at = ?10 WHERE id = ?1";
const RAISE: &str = "UPDATE companies SET config_version = config_version + 1 WHERE id = ?1 AND config_version = ?2";
const REWRAP: &str = "UPDATE companies SET data_key = ?3 WHERE id = ?1 AND data_key = ?2";
const FIND: &str = concat!("SELECT ", columns!(), " FROM companies WHERE id = ?1");
const LIST: &str = concat!("SELECT ", columns!(), " FROM companies WHERE id > ?1 ORDER BY id LIMIT ?2");

impl StoredCompany {
    /// The company's data key.
    ///
    /// # Errors
    /// [`VaultError`] when this is not the master key that wrapped it.
    pub fn open_data_key(&self, master_key: &MasterKey) -> Result<DataKey, VaultError> {
        master_key.unwrap(&self.id.to_string(), &self.data_key)
    }

    /// The company with its user-token key opened.
    ///
    /// # Errors
    /// [`QueryError::Corrupt`] when the key does not open here.
    pub fn open(&self, data_key: &DataKey) -> Result<Company, QueryError> {
        let user_token_key = match (self.user_token_algorithm, &self.user_token_key) {
            (Some(algorithm), Some(sealed)) => {
                let place = [TABLE, &self.id.to_string(), USER_TOKEN_KEY];
                Some(UserTokenKey { algorithm, key: open_text(data_key, &place, sealed)? })
            }
            _ => None,
        };
        Ok(Company {
            id: self.id,
            name: self.name.clone(),
            suspended: self.suspended,
            user_auth_url: self.user_auth_url.clone(),
            user_token_key,
            user_token_key_updated_at: self.user_token_key_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }

    /// Sets or clears the user-token key.
    ///
    /// # Errors
    /// [`VaultError`] when it cannot be sealed; nothing is changed then.
    pub fn set_user_token_key(
        &mut self,
        data_key: &DataKey,
        key: Option<&UserTokenKey>,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        let place = [TABLE, &self.id.to_string(), USER_TOKEN_KEY];
        self.user_token_key = key.map(|key| data_key.seal(&place, key.key.expose().as_bytes())).transpose()?;
        self.user_token_algorithm = key.map(|key| key.algorithm);
        self.user_token_key_at = key.map(|_| now);
        Ok(())
    }
}

/// Adds a company.
pub fn insert(batch: &mut Batch, company: &StoredCompany) {
    let values = vec![
        company.id.to_string().into(),
        (&*company.name).into(),
        company.billing_currency.code().into(),
        (&*company.country).into(),
        company.suspended.into(),
        company.user_auth_url.clone().into(),
        company.user_token_algorithm.map(UserTokenAlgorithm::as_str).into(),
        company.user_token_key.clone().into(),
        company.user_token_key_at.map(Timestamp::millis).into(),
        (&company.data_key).into(),
        company.config_version.into(),
        company.created_at.millis().into(),
        company.updated_at.millis().into(),
    ];
    batch.insert(ID_TAKEN, INSERT, values);
}

/// Changes what may be changed of a company; its version is raised by [`raise_version`].
pub fn update(batch: &mut Batch, company: &StoredCompany) {
    let values = vec![
        company.id.to_string().into(),
        (&*company.name).into(),
        company.billing_currency.code().into(),
        (&*company.country).into(),
        company.suspended.into(),
        company.user_auth_url.clone().into(),
        company.user_token_algorithm.map(UserTokenAlgorithm::as_str).into(),
        company.user_token_key.clone().into(),
        company.user_token_key_at.map(Timestamp::millis).into(),
        company.updated_at.millis().into(),
    ];
    batch.guard(THERE_GUARD, UPDATE, values);
}

/// Raises the configuration's version, which must still be `from`; otherwise the batch fails with [`CONFIG_VERSION_GUARD`].
pub fn raise_version(batch: &mut Batch, company: CompanyId, from: i64) {
    batch.guard(CONFIG_VERSION_GUARD, RAISE, vec![company.to_string().into(), from.into()]);
}

/// Puts a data key in place that is the same key, wrapped under another master key; fails with [`REWRAP_GUARD`] when it is no
/// longer `old`.
pub fn rewrap(batch: &mut Batch, company: CompanyId, old: &[u8], new: Vec<u8>) {
    batch.guard(REWRAP_GUARD, REWRAP, vec![company.to_string().into(), old.into(), new.into()]);
}

/// A company.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find(db: &dyn Driver, company: CompanyId) -> Result<Option<StoredCompany>, QueryError> {
    let rows = db.query(FIND, vec![company.to_string().into()]).await?;
    rows.first().map(stored).transpose()
}

/// A page of all companies, oldest first, for the operator; `after` is the last one of the page before.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn list(db: &dyn Driver, after: Option<CompanyId>, limit: u32) -> Result<Vec<StoredCompany>, QueryError> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let rows = db.query(LIST, vec![after.into(), limit.into()]).await?;
    rows.iter().map(stored).collect()
}

/// The configuration versions of up to [`VERSIONS_PER_QUERY`] companies; those that do not exist are left out.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn versions(db: &dyn Driver, ids: &[CompanyId]) -> Result<Vec<(CompanyId, i64)>, QueryError> {
    let Some(last) = ids.first() else { return Ok(Vec::new()) };
    // Always the same number of placeholders: the statement is prepared once.
    let padded = ids.iter().chain(std::iter::repeat(last)).take(VERSIONS_PER_QUERY);
    let params: Vec<Value> = padded.map(|id| id.to_string().into()).collect();
    let places: Vec<String> = (1..=params.len()).map(|n| format!("?{n}")).collect();
    let sql = format!("SELECT id, config_version FROM companies WHERE id IN ({})", places.join(", "));
    let rows = db.query_dynamic(sql, params).await?;
    rows.iter().map(|row| Ok((parse(row, 0)?, row.int(1)?))).collect()
}

fn stored(row: &Row) -> Result<StoredCompany, QueryError> {
    Ok(StoredCompany {
        id: parse(row, 0)?,
        name: row.text(1)?,
        billing_currency: read::currency(row, 2)?,
        country: row.text(3)?,
        suspended: row.bool(4)?,
        user_auth_url: row.opt_text(5)?,
        user_token_algorithm: opt_parse(row, 6)?,
        user_token_key: row.opt_bytes(7)?,
        user_token_key_at: row.opt_int(8)?.map(Timestamp::from_millis),
        data_key: row.bytes(9)?,
        config_version: row.int(10)?,
        created_at: Timestamp::from_millis(row.int(11)?),
        updated_at: Timestamp::from_millis(row.int(12)?),
    })
}

/// Opens a sealed text. The error names the place, never the content.
pub(super) fn open_text(data_key: &DataKey, place: &[&str; 3], sealed: &[u8]) -> Result<Secret, QueryError> {
    let opened = data_key.open(place, sealed).map_err(|error| closed(place, error))?;
    std::str::from_utf8(&opened).map(Secret::new).map_err(|_| QueryError::Corrupt(format!("{place:?} is no text")))
}

/// Sealed data that does not open here.
pub(super) fn closed(place: &[&str; 3], error: VaultError) -> QueryError {
    QueryError::Corrupt(format!("{}.{} of {}: {error}", place[0], place[2], place[1]))
}
