//! Who calls: the company token, with one of the scopes that pay.

use super::{Ambiguous, NotAdmitted, Said};
use crate::auth::{AuthError, Caller, Wanted};
use crate::core::Engine;
use domain::Scope;

/// Whose token it is.
///
/// # Errors
/// 401, 403 of a suspended company, 503.
pub(super) async fn find(engine: &Engine, authorization: Said<'_>) -> Result<Caller, NotAdmitted> {
    let header = authorization.map_err(|Ambiguous| AuthError::Unauthorized)?;
    let caller = engine.company_caller(header).await;
    caller.map_err(|error| NotAdmitted::of_token(error, Wanted::Company, header, engine.config().environment))
}

/// Which of the two scopes it needs is known only with `type`; a token with neither gets no further, whatever its idempotency
/// key.
///
/// # Errors
/// 403.
pub(super) fn may_pay(caller: &Caller) -> Result<(), AuthError> {
    caller.require(Scope::Payin).or_else(|_| caller.require(Scope::Payout))
}
