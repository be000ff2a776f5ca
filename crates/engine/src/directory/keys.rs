//! The keys of the platform itself: the proof that a master key belongs to this database, the key of issued tokens, a new master
//! key.

use crate::core::StartError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::CompanyId;
use domain::urls::Environment;
use store::repository::companies;
use store::vault::{DataKey, MasterKey, VaultError};
use store::{Batch, CommitError, Driver, QueryError};
use zeroize::Zeroizing;

/// The row of `instance` that holds the platform's own data key, wrapped under the master key. That it opens proves the master
/// key.
const PLATFORM_KEY: &str = "platform_key";
/// Whose the platform's key is, in place of a company.
const PLATFORM: &str = "platform";
/// Companies whose keys are wrapped anew in one batch.
const REWRAP_BATCH: u32 = 500;

/// The platform's key is still the one that was read.
const SAME_KEY_GUARD: &str = "platform key";
const FIND: &str = "SELECT value FROM instance WHERE name = ?1";
const INSERT: &str = "INSERT INTO instance (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
const REPLACE: &str = "UPDATE instance SET value = ?3 WHERE name = ?1 AND value = ?2";

/// Makes sure that the master key is the one that this database was made with. A new database is bound to it.
///
/// # Errors
/// [`StartError::WrongMasterKey`]; [`StartError::Store`] when the store does not answer.
pub async fn check_master_key(db: &dyn Driver, key: &MasterKey) -> Result<(), StartError> {
    if find(db).await?.is_none() {
        let wrapped = DataKey::generate(PLATFORM).and_then(|platform| key.wrap(&platform)).map_err(corrupt)?;
        let mut batch = Batch::new();
        batch.run(INSERT, vec![PLATFORM_KEY.into(), STANDARD.encode(wrapped).into()]);
        // Whether this process or another one was first: what counts is what is there now.
        db.commit(batch).await.map_err(unanswered)?;
    }
    opens(db, key).await
}

/// [`check_master_key`], binding nothing: a database that no key has been bound to may be opened with any.
///
/// # Errors
/// [`StartError::WrongMasterKey`]; [`StartError::Store`] when the store does not answer.
pub async fn may_open(db: &dyn Driver, key: &MasterKey) -> Result<(), StartError> {
    if find(db).await?.is_none() { Ok(()) } else { opens(db, key).await }
}

async fn opens(db: &dyn Driver, key: &MasterKey) -> Result<(), StartError> {
    match open(db, key).await? {
        Ok(_) => Ok(()),
        Err(VaultError::OtherMasterKey | VaultError::Refused) => Err(StartError::WrongMasterKey),
        Err(error) => Err(corrupt(error).into()),
    }
}

/// The key that issued tokens of an environment are signed with. It hangs on the platform's key, not on the master key, so that a
/// new master key leaves every token good.
pub(super) async fn token_key(
    db: &dyn Driver,
    key: &MasterKey,
    environment: Environment,
) -> Result<Zeroizing<[u8; 32]>, QueryError> {
    let platform = open(db, key).await?.map_err(corrupt)?;
    Ok(Zeroizing::new(platform.digest("issued company tokens", environment.as_str().as_bytes())))
}

/// Wraps every company's data key and the platform's under a new master key. Nothing else is encrypted anew. May be run again
/// after it was interrupted: what is wrapped already is left alone, and the platform's key, by which a start knows its master
/// key, comes last. No process may serve meanwhile. Returns the number of companies that were wrapped anew.
///
/// # Errors
/// [`StartError::WrongMasterKey`] when `old` is not the key of this database; [`StartError::Store`].
pub async fn rotate_master_key(db: &dyn Driver, old: &MasterKey, new: &MasterKey) -> Result<u64, StartError> {
    check_master_key(db, old).await?;
    let mut wrapped_anew = 0;
    let mut after: Option<CompanyId> = None;
    loop {
        let page = companies::list(db, after, REWRAP_BATCH).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let mut batch = Batch::new();
        for company in page.iter().filter(|company| !new.wrapped(&company.data_key)) {
            let key = company.open_data_key(old).map_err(corrupt)?;
            companies::rewrap(&mut batch, company.id, &company.data_key, new.wrap(&key).map_err(corrupt)?);
            wrapped_anew += 1;
        }
        if !batch.is_empty() {
            db.commit(batch).await.map_err(unanswered)?;
        }
    }
    let stored = find(db).await?.ok_or(StartError::WrongMasterKey)?;
    let platform = open(db, old).await?.map_err(corrupt)?;
    let rewrapped = STANDARD.encode(new.wrap(&platform).map_err(corrupt)?);
    let mut batch = Batch::new();
    batch.guard(SAME_KEY_GUARD, REPLACE, vec![PLATFORM_KEY.into(), stored.into(), rewrapped.into()]);
    db.commit(batch).await.map_err(unanswered)?;
    Ok(wrapped_anew)
}

/// A second holder of the same key.
pub(super) fn copy(key: &MasterKey) -> MasterKey {
    // The text is what the key itself wrote: 64 hexadecimal digits.
    MasterKey::from_text(&key.to_text()).expect("a key reads its own text")
}

async fn find(db: &dyn Driver) -> Result<Option<String>, QueryError> {
    let rows = db.query(FIND, vec![PLATFORM_KEY.into()]).await?;
    Ok(rows.first().map(|row| row.text(0)).transpose()?)
}

async fn open(db: &dyn Driver, key: &MasterKey) -> Result<Result<DataKey, VaultError>, QueryError> {
    let stored = find(db).await?.ok_or_else(|| QueryError::Corrupt("there is no platform key".to_owned()))?;
    let wrapped = STANDARD.decode(stored).map_err(|_| corrupt(VaultError::Format))?;
    Ok(key.unwrap(PLATFORM, &wrapped))
}

fn corrupt(error: VaultError) -> QueryError {
    QueryError::Corrupt(format!("platform key: {error}"))
}

fn unanswered(error: CommitError) -> QueryError {
    match error {
        CommitError::Corrupt(text) => QueryError::Corrupt(text),
        other => QueryError::Unavailable(other.to_string()),
    }
}
