//! The user: from the user token, or from the company's User Auth URL.

use super::{Ambiguous, CashierRequest, NotAdmitted};
use crate::auth::{AuthError, UserError, Wanted};
use crate::core::Engine;
use crate::directory::CompanySnapshot;
use domain::Json;
use providers::fields::Claims;

/// The claims; `None` where the body does not say whom to ask about: nobody can be asked about nobody, and the missing field is
/// told with whatever else is wrong.
///
/// # Errors
/// 401, 502; 400 for another user than the body's.
pub(super) async fn find(
    engine: &Engine,
    company: &CompanySnapshot,
    request: &CashierRequest<'_>,
    document: &Json,
) -> Result<Option<Claims>, NotAdmitted> {
    let token = request.user_token.map_err(|Ambiguous| AuthError::Unauthorized)?;
    let session = request.user_authorization.map_err(|Ambiguous| AuthError::Unauthorized)?;
    match engine.user(company, token, session, document.str_at("userId")).await {
        Ok(claims) => Ok(Some(claims)),
        Err(UserError::MissingUserId) => Ok(None),
        Err(UserError::WrongUser) => Err(NotAdmitted::WrongUser),
        Err(UserError::Auth(error)) => {
            let wanted = Wanted::User { session: session.is_some_and(|text| !text.is_empty()) };
            Err(NotAdmitted::of_token(error, wanted, token, engine.config().environment))
        }
    }
}
