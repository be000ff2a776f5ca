//! Credentials: who may call the APIs. What is secret of one is in the answer that makes it, and nowhere after.

use super::error::AdminError;
use super::fields::Fields;
use super::params::Params;
use super::{Act, page};
use crate::Engine;
use crate::directory::change::{IssuedCredential, NAME_MAX_CHARS, NewCredential};
use crate::directory::view;
use domain::company::CredentialKind;
use domain::{Credential, CredentialId, Json, Scope};
use store::repository::credentials;

/// The name of the list in its cursors.
const LIST: &str = "credentials";

/// A page of the company's credentials, oldest first, revoked ones too.
///
/// # Errors
/// [`AdminError`].
pub async fn list(engine: &Engine, act: &Act<'_>, query: Option<&str>) -> Result<Json, AdminError> {
    let mut params = Params::list(query, &[]);
    let (limit, after) = page::params(&mut params, LIST);
    params.finish()?;
    // From the store: the last use is not part of the configuration that is kept in memory.
    engine.directory().flush_last_used().await;
    let all = credentials::list(engine.store(), &act.caller.company.data_key, act.company_id()).await?;
    let key = |credential: &Credential| credential.id.to_string();
    Ok(page::of_whole(LIST, &all, key, view::credential, after.as_deref(), limit))
}

/// Adds a credential. A company credential may do all that its kind can and its maker may give, unless the body names less; a
/// management credential what the body names.
///
/// # Errors
/// [`AdminError`].
pub async fn create(engine: &Engine, act: &Act<'_>, body: &Json) -> Result<Json, AdminError> {
    let mut fields = Fields::of(body, "a credential", &["kind", "name", "scopes"]);
    let kind: Option<CredentialKind> = match fields.raw("kind") {
        None => fields.absent("kind"),
        Some(_) => fields.word("kind", &[CredentialKind::Company.as_str(), CredentialKind::Management.as_str()]),
    };
    let name = fields.required_text("name", NAME_MAX_CHARS);
    let scopes = scopes(&mut fields, kind, &act.caller.scopes);
    fields.finish()?;
    let (Some(kind), Some(name), Some(scopes)) = (kind, name, scopes) else { return Err(AdminError::Internal) };
    let new = NewCredential { kind, name, scopes };
    let issued = engine.changes(act.actor()).create_credential(act.company_id(), &new).await?;
    Ok(once(&issued))
}

fn scopes(fields: &mut Fields<'_>, kind: Option<CredentialKind>, makers: &[Scope]) -> Option<Vec<Scope>> {
    let allowed: &[Scope] = match kind {
        Some(CredentialKind::Company) => &Scope::COMPANY,
        Some(CredentialKind::Management) => &Scope::MANAGEMENT,
        None => return None,
    };
    if fields.raw("scopes").is_none() {
        let given = |scope: &Scope| *scope != Scope::Read || makers.contains(scope);
        let all = || allowed.iter().copied().filter(given).collect();
        return if kind == Some(CredentialKind::Company) { Some(all()) } else { fields.absent("scopes") };
    }
    let words: Vec<&str> = allowed.iter().map(|scope| scope.as_str()).collect();
    let read = |item: &Json| item.as_str()?.parse().ok().filter(|scope| allowed.contains(scope));
    let sentence = format!("must be a list of {}", words.join(", "));
    let given = fields.list("scopes", &sentence, read)?;
    if given.is_empty() {
        fields.complain("scopes", &sentence);
        return None;
    }
    Some(given)
}

/// Makes everything secret of a credential anew.
///
/// # Errors
/// [`AdminError`].
pub async fn rotate(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    let id: CredentialId = id.parse().map_err(|_| AdminError::NotFound)?;
    Fields::of(body, "a rotation", &[]).finish()?;
    let issued = engine.changes(act.actor()).rotate_credential(act.company_id(), id).await?;
    Ok(once(&issued))
}

/// Withdraws a credential for good.
///
/// # Errors
/// [`AdminError`].
pub async fn revoke(engine: &Engine, act: &Act<'_>, id: &str) -> Result<Json, AdminError> {
    let id: CredentialId = id.parse().map_err(|_| AdminError::NotFound)?;
    let revoked = engine.changes(act.actor()).revoke_credential(act.company_id(), id).await?;
    Ok(view::credential(&revoked))
}

/// A credential with what is shown once.
fn once(issued: &IssuedCredential) -> Json {
    let mut shown = view::credential(&issued.credential);
    if let Some(secret) = &issued.api_secret {
        shown.set("apiSecret", Json::text(secret.expose()));
    }
    shown.set("token", Json::text(issued.token.expose()));
    shown
}
