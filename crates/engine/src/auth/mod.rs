//! Who is calling: company tokens, management tokens, and the user of a Cashier call (Cashier API, section 2).
//!
//! **Architecture invariant:** a token is believed only after its signature, with the one algorithm and the one key of the
//! credential that it names; whether that credential is revoked and its company suspended is looked at on every call, never
//! remembered with the token.

mod caller;
pub(crate) mod issue;
mod jwt;
pub(crate) mod keys;
#[cfg(test)]
mod tests;
mod told;
mod user;

#[cfg(test)]
pub(crate) use caller::company_caller as company_caller_at;
pub use told::{Wanted, challenge};
pub use user::UserError;

use crate::answer::CashierAnswer;
use crate::directory::CompanySnapshot;
use crate::directory::change::{Acting, Actor};
use domain::{Credential, CredentialId, Scope};
use std::sync::Arc;
use store::StoreError as _;

/// Longest token that is looked at, bytes.
pub const TOKEN_MAX_BYTES: usize = 8 * 1024;
/// Clocks may differ by that much, seconds.
const CLOCK_SKEW_S: i64 = 30;
/// Most seconds between `iat` and `exp` of a self-signed token.
const SELF_SIGNED_MAX_S: i64 = 24 * 3_600;
/// Before the credential's id in an API key, the `kid` of self-signed tokens.
const API_KEY_PREFIX: &str = "mk_";
/// Before the credential's id in the `kid` of issued tokens.
const ISSUED_PREFIX: &str = "mt_";
/// Before the credential's id in a management token.
const MANAGEMENT_PREFIX: &str = "mm_";

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// 401.
    #[error("unauthorized")]
    Unauthorized,
    /// 403: a good token that may not do this, or whose company is suspended.
    #[error("forbidden")]
    Forbidden,
    /// 502: the company's User Auth URL did not answer as it should.
    #[error("user verification is unavailable")]
    UserVerificationUnavailable,
    /// 503: the store does not answer.
    #[error("the store is away")]
    StoreAway,
    /// 500: ours. Logged where it happened.
    #[error("internal")]
    Internal,
}

impl AuthError {
    /// The answer.
    pub fn answer(self) -> CashierAnswer {
        match self {
            Self::Unauthorized => CashierAnswer::unauthorized(),
            Self::Forbidden => CashierAnswer::forbidden(),
            Self::UserVerificationUnavailable => CashierAnswer::error(502, "User verification is unavailable", Vec::new(), None),
            Self::StoreAway => CashierAnswer::unavailable(),
            Self::Internal => CashierAnswer::internal(),
        }
    }
}

impl From<store::QueryError> for AuthError {
    fn from(error: store::QueryError) -> Self {
        if error.store_is_away() {
            return Self::StoreAway;
        }
        tracing::error!(%error, "a token could not be checked");
        Self::Internal
    }
}

/// Somebody with a good token.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The company that the credential belongs to.
    pub company: Arc<CompanySnapshot>,
    /// The credential.
    pub credential: Arc<Credential>,
    /// What this token may do: never more than its credential.
    pub scopes: Vec<Scope>,
    /// The address that the call came from, for the audit log; told by whoever took the call in.
    pub origin: Option<String>,
}

impl Caller {
    /// The same caller, calling from that address.
    #[must_use]
    pub fn from_address(self, origin: Option<String>) -> Self {
        Self { origin, ..self }
    }

    /// Checks that the token may do something.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`].
    pub fn require(&self, scope: Scope) -> Result<(), AuthError> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(AuthError::Forbidden) }
    }

    /// The caller as the one who makes changes.
    pub fn actor(&self) -> Actor {
        let acting = Acting { credential: self.credential.clone(), scopes: self.scopes.clone() };
        let actor = Actor::credential(self.credential.id, self.scopes.contains(&Scope::Own), self.origin.clone());
        Actor { acting: Some(acting), ..actor }
    }
}

/// The API key of a company credential.
pub fn api_key(id: CredentialId) -> String {
    format!("{API_KEY_PREFIX}{id}")
}

/// The token behind `Bearer `. The scheme's name is not case-sensitive, and one or more blanks follow it (RFC 9110, 11.1 and
/// 11.4).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    let good = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= TOKEN_MAX_BYTES;
    good.then_some(token)
}
