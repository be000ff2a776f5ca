//! Payment methods: configured provider accounts.
//!
//! What may be read stands as JSON in `config`. Everything secret is one sealed JSON document in `secrets`:
//! `{"fields":{"apiKey":{"value","updatedAt"}},"signing":{...},"bearer":{...},"callbackToken"?}` with
//! `{"value","previous"?:{"value","until"}}` for the two, times in milliseconds.
//!
//! A value that begins with `role:` names an address of the sandbox; the directory resolves it when it loads the method.

use super::companies::closed;
use super::read::{self, opt_parse, parse};
use crate::vault::{DataKey, VaultError};
use crate::{Batch, Driver, QueryError, Row};
use aws_lc_rs::digest;
use domain::company::{SettingValue, Settings, WebhookSecrets};
use domain::{CompanyId, Json, MethodId, PaymentMethod, Secret, Timestamp};
use zeroize::Zeroizing;

/// A payment method with its version.
#[derive(Clone, Debug)]
pub struct StoredMethod {
    /// The method.
    pub method: PaymentMethod,
    /// One more with every change.
    pub version: i64,
}

/// The label of the guard that fails when the method changed in between.
pub const VERSION_GUARD: &str = "payment method version";

const TABLE: &str = "payment_methods";
const SECRETS: &str = "secrets";

macro_rules! columns {
    () => {
        "company_id, id, psp_type, brand_id, enabled, config, secrets, version, created_at, updated_at"
    };
}

/// A payment method of that id is there already.
const ID_TAKEN: &str = "payment method";
const INSERT: &str = concat!(
    "INSERT INTO payment_methods (",
    columns!(),
    ", callback_token_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
);
const UPDATE: &str = "UPDATE payment_methods SET brand_id = ?4, enabled = ?5, config = ?6, secrets = ?7, \
                      callback_token_hash = ?8, version = version + 1, updated_at = ?9 \
                      WHERE company_id = ?1 AND id = ?2 AND version = ?3";
const FIND: &str = concat!("SELECT ", columns!(), " FROM payment_methods WHERE company_id = ?1 AND id = ?2");
const LIST: &str = concat!("SELECT ", columns!(), " FROM payment_methods WHERE company_id = ?1 ORDER BY created_at, id");
const BY_TOKEN: &str = "SELECT company_id, id FROM payment_methods WHERE callback_token_hash = ?1";

/// Adds a method, at version 1.
///
/// # Errors
/// [`VaultError`] when its secrets cannot be sealed; nothing is added then.
pub fn insert(batch: &mut Batch, data_key: &DataKey, method: &PaymentMethod) -> Result<(), VaultError> {
    let values = vec![
        method.company_id.to_string().into(),
        method.id.to_string().into(),
        (&*method.psp_type).into(),
        method.brand_id.as_ref().map(|id| id.as_str().to_owned()).into(),
        method.enabled.into(),
        config(method).into(),
        sealed_secrets(data_key, method)?.into(),
        1_i64.into(),
        method.created_at.millis().into(),
        method.updated_at.millis().into(),
        token_hash(method).into(),
    ];
    batch.insert(ID_TAKEN, INSERT, values);
    Ok(())
}

/// Changes a method that is still at version `from`; otherwise the batch fails with [`VERSION_GUARD`]. The method must be as it
/// is stored: addresses by role, not resolved ones.
///
/// # Errors
/// [`VaultError`] when its secrets cannot be sealed; nothing is changed then.
pub fn update(batch: &mut Batch, data_key: &DataKey, method: &PaymentMethod, from: i64) -> Result<(), VaultError> {
    let values = vec![
        method.company_id.to_string().into(),
        method.id.to_string().into(),
        from.into(),
        method.brand_id.as_ref().map(|id| id.as_str().to_owned()).into(),
        method.enabled.into(),
        config(method).into(),
        sealed_secrets(data_key, method)?.into(),
        token_hash(method).into(),
        method.updated_at.millis().into(),
    ];
    batch.guard(VERSION_GUARD, UPDATE, values);
    Ok(())
}

/// A method as it is stored.
///
/// # Errors
/// [`QueryError`] when the store does not answer or the secrets do not open.
pub async fn find(
    db: &dyn Driver,
    data_key: &DataKey,
    company: CompanyId,
    method: MethodId,
) -> Result<Option<StoredMethod>, QueryError> {
    let rows = db.query(FIND, vec![company.to_string().into(), method.to_string().into()]).await?;
    rows.first().map(|row| stored(row, data_key)).transpose()
}

/// Every method of a company as it is stored, oldest first.
///
/// # Errors
/// As [`find`].
pub async fn list(db: &dyn Driver, data_key: &DataKey, company: CompanyId) -> Result<Vec<StoredMethod>, QueryError> {
    let rows = db.query(LIST, vec![company.to_string().into()]).await?;
    rows.iter().map(|row| stored(row, data_key)).collect()
}

/// The method whose callback address has the token of this SHA-256.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn by_callback_token(db: &dyn Driver, token_sha256: [u8; 32]) -> Result<Option<(CompanyId, MethodId)>, QueryError> {
    let rows = db.query(BY_TOKEN, vec![token_sha256.into()]).await?;
    rows.first().map(|row| Ok((parse(row, 0)?, parse(row, 1)?))).transpose()
}

fn token_hash(method: &PaymentMethod) -> Option<Vec<u8>> {
    let token = method.callback_token.as_ref()?;
    Some(digest::digest(&digest::SHA256, token.expose().as_bytes()).as_ref().to_vec())
}

fn config(method: &PaymentMethod) -> String {
    let plain = method.settings.0.iter().filter_map(|(name, value)| match value {
        SettingValue::Plain(value) => Some((name.clone(), value.clone())),
        SettingValue::Secret { .. } => None,
    });
    Json::object(plain).to_text()
}

fn sealed_secrets(data_key: &DataKey, method: &PaymentMethod) -> Result<Vec<u8>, VaultError> {
    let fields = method.settings.0.iter().filter_map(|(name, value)| match value {
        SettingValue::Secret { value, updated_at } => {
            let pairs = [("value", Json::text(value.expose())), ("updatedAt", updated_at.millis().into())];
            Some((name.clone(), Json::object(pairs)))
        }
        SettingValue::Plain(_) => None,
    });
    let webhook = &method.webhook_secrets;
    let mut document = Json::object([
        ("fields", Json::object(fields)),
        ("signing", rotating(&webhook.signing, &webhook.earlier_signing)),
        ("bearer", rotating(&webhook.bearer, webhook.previous_bearer.as_slice())),
    ]);
    if let Some(token) = &method.callback_token {
        document.set("callbackToken", Json::text(token.expose()));
    }
    let text = Zeroizing::new(document.to_text());
    data_key.seal(&[TABLE, &method.id.to_string(), SECRETS], text.as_bytes())
}

/// A secret with those before it that still count, the newest first.
fn rotating(current: &Secret, earlier: &[(Secret, Timestamp)]) -> Json {
    let mut secret = Json::object([("value", Json::text(current.expose()))]);
    let shown = |(value, until): &(Secret, Timestamp)| {
        Json::object([("value", Json::text(value.expose())), ("until", until.millis().into())])
    };
    if !earlier.is_empty() {
        secret.set("earlier", Json::Array(earlier.iter().map(shown).collect()));
    }
    secret
}

fn stored(row: &Row, data_key: &DataKey) -> Result<StoredMethod, QueryError> {
    let id: MethodId = parse(row, 1)?;
    let corrupt = || QueryError::Corrupt(format!("payment_methods: secrets of {id}"));
    let place = [TABLE, &id.to_string(), SECRETS];
    let opened = data_key.open(&place, &row.bytes(6)?).map_err(|error| closed(&place, error))?;
    let secrets = Json::parse(&opened).map_err(|_| corrupt())?;
    let (signing, earlier_signing) = read_rotating(&secrets, "signing").ok_or_else(corrupt)?;
    let (bearer, earlier_bearers) = read_rotating(&secrets, "bearer").ok_or_else(corrupt)?;
    let method = PaymentMethod {
        id,
        company_id: parse(row, 0)?,
        psp_type: row.text(2)?,
        brand_id: opt_parse(row, 3)?,
        enabled: row.bool(4)?,
        settings: read_settings(&read::json(row, 5)?, &secrets).ok_or_else(corrupt)?,
        webhook_secrets: WebhookSecrets { signing, earlier_signing, bearer, previous_bearer: earlier_bearers.into_iter().next() },
        callback_token: secrets.str_at("callbackToken").map(Secret::new),
        created_at: Timestamp::from_millis(row.int(8)?),
        updated_at: Timestamp::from_millis(row.int(9)?),
    };
    Ok(StoredMethod { method, version: row.int(7)? })
}

fn read_settings(config: &Json, secrets: &Json) -> Option<Settings> {
    let mut settings = Settings::default();
    for (name, value) in config.as_object()? {
        settings.0.insert(name.clone(), SettingValue::Plain(value.clone()));
    }
    for (name, secret) in secrets.get("fields")?.as_object()? {
        let value = Secret::new(secret.str_at("value")?);
        settings.0.insert(name.clone(), SettingValue::Secret { value, updated_at: time(secret, "updatedAt")? });
    }
    Some(settings)
}

fn read_rotating(secrets: &Json, name: &str) -> Option<(Secret, Vec<(Secret, Timestamp)>)> {
    let secret = secrets.get(name)?;
    let earlier = |one: &Json| Some((Secret::new(one.str_at("value")?), time(one, "until")?));
    let all = match (secret.get("earlier"), secret.get("previous")) {
        (Some(list), _) => list.as_array()?.iter().map(earlier).collect::<Option<Vec<_>>>()?,
        // As it was written when there could be one only.
        (None, Some(previous)) => vec![earlier(previous)?],
        (None, None) => Vec::new(),
    };
    Some((Secret::new(secret.str_at("value")?), all))
}

fn time(object: &Json, name: &str) -> Option<Timestamp> {
    object.get(name)?.as_number()?.parse().ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests;
