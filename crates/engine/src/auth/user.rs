//! The user of a Cashier call: from a user token, or from the company's User Auth URL.

use super::jwt::{Bad, Parts};
use super::{AuthError, bearer, keys};
use crate::clock::Dates;
use crate::core::Engine;
use crate::directory::CompanySnapshot;
use domain::{Company, Json};
use providers::fields::Claims;

/// The User Auth URL must have answered within this time, milliseconds, connecting included.
const ANSWER_MS: i64 = 5_000;

/// Why there is no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// 401, 502 or 500, as any caller.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// 400 `userId must match the authenticated user`.
    #[error("userId must match the authenticated user")]
    WrongUser,
    /// 400 `Missing required field: userId`: with `x-user-authorization` the body must say whom to ask about.
    #[error("Missing required field: userId")]
    MissingUserId,
}

impl From<Bad> for UserError {
    fn from(_: Bad) -> Self {
        Self::Auth(AuthError::Unauthorized)
    }
}

const UNAUTHORIZED: UserError = UserError::Auth(AuthError::Unauthorized);
const UNAVAILABLE: UserError = UserError::Auth(AuthError::UserVerificationUnavailable);

impl Engine {
    /// The user. A token must decode (with a key that the company stores: be signed); the User Auth URL's answer replaces it. An
    /// empty header counts as none.
    ///
    /// # Errors
    /// [`UserError`]. A body's `userId` that is not the token's is told before any URL is called.
    pub async fn user(
        &self,
        company: &CompanySnapshot,
        x_user_token: Option<&str>,
        x_user_authorization: Option<&str>,
        body_user_id: Option<&str>,
    ) -> Result<Claims, UserError> {
        let token = x_user_token.filter(|text| !text.is_empty());
        let session = x_user_authorization.filter(|text| !text.is_empty());
        let body_user_id = body_user_id.filter(|text| !text.is_empty());
        let of_token = match token {
            Some(header) => {
                let claims = token_user(&company.company, header, self.clock().dates())?;
                same_user(&claims, body_user_id)?;
                Some(claims)
            }
            None => None,
        };
        let Some(session) = session else { return of_token.ok_or(UNAUTHORIZED) };
        let url = company.company.user_auth_url.as_deref().ok_or(UNAUTHORIZED)?;
        let user_id = body_user_id.ok_or(UserError::MissingUserId)?;
        let claims = self.ask(url, session, user_id).await?;
        same_user(&claims, Some(user_id))?;
        Ok(claims)
    }

    /// Asks the User Auth URL.
    async fn ask(&self, url: &str, session: &str, user_id: &str) -> Result<Claims, UserError> {
        let body = Json::object([("userId", Json::text(user_id))]);
        let headers = [("authorization", session)];
        let incoming = self.transport().post_json(url, &headers, &body, ANSWER_MS).await.map_err(|failure| {
            tracing::warn!(?failure, "a User Auth URL did not answer");
            UNAVAILABLE
        })?;
        read_answer(incoming.status, incoming.truncated, &incoming.body)
    }
}

fn same_user(claims: &Claims, body_user_id: Option<&str>) -> Result<(), UserError> {
    match body_user_id {
        Some(id) if id != claims.user_id => Err(UserError::WrongUser),
        _ => Ok(()),
    }
}

/// What a User Auth URL's answer says.
pub(super) fn read_answer(status: u16, truncated: bool, body: &[u8]) -> Result<Claims, UserError> {
    match status {
        200 if !truncated => {
            let document = Json::parse(body).ok().filter(Json::is_object);
            document.and_then(|document| claims(&document)).ok_or(UNAVAILABLE)
        }
        401 | 403 | 404 => Err(UNAUTHORIZED),
        _ => Err(UNAVAILABLE),
    }
}

/// The user of a user token. Without a stored key any `alg` will do and the signature is not looked at: the company token vouches
/// for the call.
pub(super) fn token_user(company: &Company, header: &str, now: Dates) -> Result<Claims, UserError> {
    let token = bearer(header).ok_or(UNAUTHORIZED)?;
    let parts = Parts::of(token)?;
    if let Some(key) = &company.user_token_key {
        let (algorithm, decoding) = keys::decoding(key).ok_or(UserError::Auth(AuthError::Internal))?;
        parts.verify(algorithm, &decoding)?;
        // A signed token without an end would be good for ever.
        parts.seconds("exp")?.ok_or(Bad)?;
    }
    parts.check_times(now)?;
    claims(&parts.claims).ok_or(UNAUTHORIZED)
}

/// The claims; `None` without a `userId`. A claim of another type than text is as good as absent: the body's value is used then.
fn claims(document: &Json) -> Option<Claims> {
    let text = |name: &str| document.str_at(name).filter(|text| !text.is_empty()).map(str::to_owned);
    Some(Claims {
        user_id: text("userId")?,
        email: text("email"),
        first_name: text("firstName"),
        last_name: text("lastName"),
        phone: text("phone"),
        country_code: text("countryCode"),
        email_verified: text("emailVerified"),
    })
}
