//! Company tokens of both kinds, and management tokens.

use super::issue::sha256;
use super::jwt::{Bad, Parts};
use super::told::audience_is;
use super::{API_KEY_PREFIX, AuthError, CLOCK_SKEW_S, Caller, ISSUED_PREFIX, MANAGEMENT_PREFIX, SELF_SIGNED_MAX_S, bearer};
use crate::clock::Dates;
use crate::core::Engine;
use crate::directory::{CompanySnapshot, Directory};
use domain::company::CredentialKind;
use domain::urls::Environment;
use domain::{Credential, CredentialId, Json, Scope};
use jsonwebtoken::{Algorithm, DecodingKey};
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// An issued token is good for at most a year (a leap day is granted), seconds.
const ISSUED_MAX_S: i64 = 366 * 24 * 3_600;

impl From<Bad> for AuthError {
    fn from(_: Bad) -> Self {
        Self::Unauthorized
    }
}

impl Engine {
    /// Whose company token this is, issued or self-signed. Scopes are for the caller to check: [`Caller::require`].
    ///
    /// # Errors
    /// [`AuthError::Unauthorized`] for anything that is not a good token of a credential that stands; [`AuthError::Forbidden`]
    /// where the company is suspended; [`AuthError::Internal`].
    pub async fn company_caller(&self, authorization: Option<&str>) -> Result<Caller, AuthError> {
        company_caller(self.directory(), authorization, self.clock().dates()).await
    }

    /// Whose management token this is.
    ///
    /// # Errors
    /// As [`company_caller`](Self::company_caller).
    pub async fn management_caller(&self, authorization: Option<&str>) -> Result<Caller, AuthError> {
        management_caller(self.directory(), authorization, self.clock().dates()).await
    }
}

/// How a company token proves itself.
#[derive(Clone, Copy)]
enum Proof {
    SelfSigned,
    Issued,
}

pub(crate) async fn company_caller(directory: &Directory, authorization: Option<&str>, now: Dates) -> Result<Caller, AuthError> {
    let token = authorization.and_then(bearer).ok_or(AuthError::Unauthorized)?;
    let parts = Parts::of(token)?;
    let (proof, id) = parts.header.str_at("kid").and_then(read_kid).ok_or(AuthError::Unauthorized)?;
    let (company, credential) = standing(directory, id, CredentialKind::Company).await?;
    let scopes = match proof {
        Proof::SelfSigned => check_self_signed(&parts, &credential, directory.environment(), now)?,
        Proof::Issued => {
            let key = directory.token_key().await?;
            check_issued(&parts, &credential, key, directory.environment(), now)?
        }
    };
    admitted(directory, company, credential, scopes, now)
}

pub(crate) async fn management_caller(
    directory: &Directory,
    authorization: Option<&str>,
    now: Dates,
) -> Result<Caller, AuthError> {
    let token = authorization.and_then(bearer).ok_or(AuthError::Unauthorized)?;
    // The rest is base64url, in which the separator may occur: the id is what stands before the first one.
    let rest = token.strip_prefix(MANAGEMENT_PREFIX).ok_or(AuthError::Unauthorized)?;
    let id = rest.split_once('_').and_then(|(id, _)| id.parse().ok()).ok_or(AuthError::Unauthorized)?;
    let (company, credential) = standing(directory, id, CredentialKind::Management).await?;
    let digest = credential.token_digest.ok_or(AuthError::Unauthorized)?;
    let matches: bool = digest.ct_eq(&sha256(token.as_bytes())).into();
    if !matches || credential.expires_at <= now.earliest {
        return Err(AuthError::Unauthorized);
    }
    let scopes = credential.scopes.clone();
    admitted(directory, company, credential, scopes, now)
}

fn read_kid(kid: &str) -> Option<(Proof, CredentialId)> {
    let prefixes = [(API_KEY_PREFIX, Proof::SelfSigned), (ISSUED_PREFIX, Proof::Issued)];
    let (proof, id) = prefixes.iter().find_map(|(prefix, proof)| Some((*proof, kid.strip_prefix(prefix)?)))?;
    Some((proof, id.parse().ok()?))
}

/// The credential, unless it is unknown, revoked or of the other kind.
async fn standing(
    directory: &Directory,
    id: CredentialId,
    kind: CredentialKind,
) -> Result<(Arc<CompanySnapshot>, Arc<Credential>), AuthError> {
    let found = directory.company_of(id).await?;
    let good = |credential: &Credential| credential.kind == kind && credential.revoked_at.is_none();
    found.filter(|(_, credential)| good(credential)).ok_or(AuthError::Unauthorized)
}

fn check_self_signed(
    parts: &Parts<'_>,
    credential: &Credential,
    environment: Environment,
    now: Dates,
) -> Result<Vec<Scope>, Bad> {
    let secret = credential.secret.as_ref().ok_or(Bad)?;
    parts.verify(Algorithm::HS256, &DecodingKey::from_secret(secret.expose().as_bytes()))?;
    let issued = check_lifetime(parts, SELF_SIGNED_MAX_S, now)?;
    if issued > now.latest.seconds().saturating_add(CLOCK_SKEW_S) {
        return Err(Bad);
    }
    // Nobody has to name the environment here, but who names the other one means it.
    match parts.claims.get("aud") {
        Some(_) if !audience_is(&parts.claims, environment) => Err(Bad),
        _ => Ok(credential.scopes.clone()),
    }
}

fn check_issued(
    parts: &Parts<'_>,
    credential: &Credential,
    key: &[u8; 32],
    environment: Environment,
    now: Dates,
) -> Result<Vec<Scope>, Bad> {
    parts.verify(Algorithm::HS256, &DecodingKey::from_secret(key))?;
    check_lifetime(parts, ISSUED_MAX_S, now)?;
    let claims = &parts.claims;
    let generation = claims.get("gen").and_then(Json::as_number).and_then(|literal| literal.parse::<i64>().ok());
    let good = audience_is(claims, environment)
        && claims.str_at("sub") == Some(&credential.company_id.to_string())
        && generation == Some(credential.generation);
    if !good {
        return Err(Bad);
    }
    let words = claims.get("scopes").and_then(Json::as_array).ok_or(Bad)?;
    let scopes = words.iter().filter_map(|word| word.as_str()?.parse().ok());
    Ok(scopes.filter(|scope| credential.scopes.contains(scope)).collect())
}

/// `iat` and `exp` are there, in order, not too far apart, and the token is good now. Answers the `iat`: one in the future is a
/// self-signed token's fault; in one that we issued ourselves it says that our clock was put back since, which is not its
/// holder's.
fn check_lifetime(parts: &Parts<'_>, most_s: i64, now: Dates) -> Result<i64, Bad> {
    let issued = parts.seconds("iat")?.ok_or(Bad)?;
    let ends = parts.seconds("exp")?.ok_or(Bad)?;
    let lifetime = ends.checked_sub(issued).ok_or(Bad)?;
    if !(0..=most_s).contains(&lifetime) {
        return Err(Bad);
    }
    parts.check_times(now).map(|()| issued)
}

/// A good token. Whether its company may do anything at all is looked at last: a stranger learns nothing about it.
fn admitted(
    directory: &Directory,
    company: Arc<CompanySnapshot>,
    credential: Arc<Credential>,
    scopes: Vec<Scope>,
    now: Dates,
) -> Result<Caller, AuthError> {
    directory.touch(credential.id, now.earliest);
    if company.company.suspended {
        return Err(AuthError::Forbidden);
    }
    Ok(Caller { company, credential, scopes, origin: None })
}
