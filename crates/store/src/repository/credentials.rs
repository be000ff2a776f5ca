//! API credentials. The secret of a company credential is sealed, because signatures are checked with it; of a management token
//! only the digest is kept.

use super::companies::open_text;
use super::read::parse;
use crate::vault::{DataKey, VaultError};
use crate::{Batch, Driver, QueryError, Row, Value};
use domain::{CompanyId, Credential, CredentialId, Scope, Timestamp};

const TABLE: &str = "credentials";
const SECRET: &str = "secret";

macro_rules! columns {
    () => {
        "company_id, id, kind, name, scopes, secret, token_digest, generation, expires_at, revoked_at, created_at, \
         last_used_at, made_by"
    };
}

/// A credential of that id is there already.
const ID_TAKEN: &str = "credential";
/// The credential is there.
const THERE_GUARD: &str = "credential is there";
const INSERT: &str =
    concat!("INSERT INTO credentials (", columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");
const UPDATE: &str = "UPDATE credentials SET name = ?3, scopes = ?4, secret = ?5, token_digest = ?6, generation = ?7, \
                      expires_at = ?8, revoked_at = ?9, made_by = ?10 WHERE company_id = ?1 AND id = ?2";
const TOUCH: &str = "UPDATE credentials SET last_used_at = ?3 \
                     WHERE company_id = ?1 AND id = ?2 AND (last_used_at IS NULL OR last_used_at < ?3)";
const OWNER: &str = "SELECT company_id FROM credentials WHERE id = ?1";
const FIND: &str = concat!("SELECT ", columns!(), " FROM credentials WHERE company_id = ?1 AND id = ?2");
const LIST: &str = concat!("SELECT ", columns!(), " FROM credentials WHERE company_id = ?1 ORDER BY created_at, id");
const ACTIVE: &str =
    concat!("SELECT ", columns!(), " FROM credentials WHERE company_id = ?1 AND revoked_at IS NULL ORDER BY created_at, id");

/// Adds a credential.
///
/// # Errors
/// [`VaultError`] when its secret cannot be sealed; nothing is added then.
pub fn insert(batch: &mut Batch, data_key: &DataKey, credential: &Credential) -> Result<(), VaultError> {
    let values = vec![
        credential.company_id.to_string().into(),
        credential.id.to_string().into(),
        credential.kind.as_str().into(),
        (&*credential.name).into(),
        words(&credential.scopes).into(),
        sealed_secret(data_key, credential)?,
        credential.token_digest.map(|digest| digest.to_vec()).into(),
        credential.generation.into(),
        credential.expires_at.millis().into(),
        credential.revoked_at.map(Timestamp::millis).into(),
        credential.created_at.millis().into(),
        credential.last_used_at.map(Timestamp::millis).into(),
        ids(&credential.made_by).into(),
    ];
    batch.insert(ID_TAKEN, INSERT, values);
    Ok(())
}

/// Changes a credential: all but its kind, its creation and its last use.
///
/// # Errors
/// [`VaultError`] when its secret cannot be sealed; nothing is changed then.
pub fn update(batch: &mut Batch, data_key: &DataKey, credential: &Credential) -> Result<(), VaultError> {
    let values = vec![
        credential.company_id.to_string().into(),
        credential.id.to_string().into(),
        (&*credential.name).into(),
        words(&credential.scopes).into(),
        sealed_secret(data_key, credential)?,
        credential.token_digest.map(|digest| digest.to_vec()).into(),
        credential.generation.into(),
        credential.expires_at.millis().into(),
        credential.revoked_at.map(Timestamp::millis).into(),
        ids(&credential.made_by).into(),
    ];
    batch.guard(THERE_GUARD, UPDATE, values);
    Ok(())
}

/// Notes a use, unless a later one is noted already. Not a change of the configuration.
pub fn touch(batch: &mut Batch, company: CompanyId, credential: CredentialId, at: Timestamp) {
    batch.run(TOUCH, vec![company.to_string().into(), credential.to_string().into(), at.millis().into()]);
}

/// Whose credential this is: tokens name the credential, not the company.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn owner(db: &dyn Driver, credential: CredentialId) -> Result<Option<CompanyId>, QueryError> {
    let rows = db.query(OWNER, vec![credential.to_string().into()]).await?;
    rows.first().map(|row| parse(row, 0)).transpose()
}

/// A credential, revoked ones too.
///
/// # Errors
/// [`QueryError`] when the store does not answer or the secret does not open.
pub async fn find(
    db: &dyn Driver,
    data_key: &DataKey,
    company: CompanyId,
    credential: CredentialId,
) -> Result<Option<Credential>, QueryError> {
    let rows = db.query(FIND, vec![company.to_string().into(), credential.to_string().into()]).await?;
    rows.first().map(|row| read(row, data_key)).transpose()
}

/// Every credential of a company, oldest first, revoked ones too.
///
/// # Errors
/// As [`find`].
pub async fn list(db: &dyn Driver, data_key: &DataKey, company: CompanyId) -> Result<Vec<Credential>, QueryError> {
    let rows = db.query(LIST, vec![company.to_string().into()]).await?;
    rows.iter().map(|row| read(row, data_key)).collect()
}

/// The credentials of a company that are not revoked, oldest first.
///
/// # Errors
/// As [`find`].
pub async fn active(db: &dyn Driver, data_key: &DataKey, company: CompanyId) -> Result<Vec<Credential>, QueryError> {
    let rows = db.query(ACTIVE, vec![company.to_string().into()]).await?;
    rows.iter().map(|row| read(row, data_key)).collect()
}

fn sealed_secret(data_key: &DataKey, credential: &Credential) -> Result<Value, VaultError> {
    let place = [TABLE, &credential.id.to_string(), SECRET];
    let sealed = credential.secret.as_ref().map(|secret| data_key.seal(&place, secret.expose().as_bytes())).transpose()?;
    Ok(sealed.into())
}

fn words(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

fn ids(credentials: &[CredentialId]) -> String {
    credentials.iter().map(CredentialId::to_string).collect::<Vec<_>>().join(" ")
}

fn read(row: &Row, data_key: &DataKey) -> Result<Credential, QueryError> {
    let id: CredentialId = parse(row, 1)?;
    let corrupt = |what: &str| QueryError::Corrupt(format!("credentials.{what} of {id}"));
    let scopes = row.str(4)?.split_whitespace().map(|word| word.parse().map_err(|()| corrupt("scopes")));
    let made_by = row.str(12)?.split_whitespace().map(|id| id.parse().map_err(|_| corrupt("made_by")));
    let secret = row.opt_bytes(5)?.map(|sealed| open_text(data_key, &[TABLE, &id.to_string(), SECRET], &sealed)).transpose()?;
    let token_digest = row.opt_bytes(6)?.map(|digest| digest.try_into().map_err(|_| corrupt("token_digest"))).transpose()?;
    Ok(Credential {
        id,
        company_id: parse(row, 0)?,
        kind: parse(row, 2)?,
        name: row.text(3)?,
        scopes: scopes.collect::<Result<_, _>>()?,
        secret,
        token_digest,
        made_by: made_by.collect::<Result<_, _>>()?,
        generation: row.int(7)?,
        expires_at: Timestamp::from_millis(row.int(8)?),
        revoked_at: row.opt_int(9)?.map(Timestamp::from_millis),
        created_at: Timestamp::from_millis(row.int(10)?),
        last_used_at: row.opt_int(11)?.map(Timestamp::from_millis),
    })
}
