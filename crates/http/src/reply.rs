//! Answers as HTTP responses, and the errors that are made at the edge (Cashier API, section 5).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use engine::CashierAnswer;
use engine::admin::AdminError;
use engine::auth::AuthError;
use engine::cashier::{Crowded, NotAdmitted};
use engine::flow::{EngineError, StoreError as _};
use http::{HeaderName, HeaderValue, StatusCode, header};

/// What every success of reading and of the Management API says.
pub(crate) const DONE: &str = "Successfully";
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The answer with its headers: JSON, never cached, `Retry-After` and `Idempotent-Replayed` where due.
pub fn response(answer: CashierAnswer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    // A stored status is one that we once answered; anything else would be a defect of ours.
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = answer.retry_after_s {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if answer.replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    match answer.status {
        401 => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // What is left of the request is not read: the connection cannot carry another one.
        408 | 413 => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// A refusal on its way out: what `?` carries in the handlers.
#[derive(Debug)]
pub struct Refused(pub Box<CashierAnswer>);

impl From<CashierAnswer> for Refused {
    fn from(answer: CashierAnswer) -> Self {
        Self(Box::new(answer))
    }
}

impl From<EngineError> for Refused {
    fn from(error: EngineError) -> Self {
        if error.nothing_was_begun() {
            return unavailable().into();
        }
        tracing::error!(%error, "a request failed");
        CashierAnswer::internal().into()
    }
}

impl From<AuthError> for Refused {
    fn from(error: AuthError) -> Self {
        error.answer().into()
    }
}

impl From<AdminError> for Refused {
    fn from(error: AdminError) -> Self {
        error.answer().into()
    }
}

impl From<Crowded> for Refused {
    fn from(crowded: Crowded) -> Self {
        crowded.answer().into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        response(*self.0)
    }
}

/// An error that has nothing but its message.
pub fn plain(status: u16, message: &str) -> CashierAnswer {
    CashierAnswer::error(status, message, Vec::new(), None)
}

/// 400 for a body that broke off.
pub fn incomplete() -> CashierAnswer {
    plain(400, "Request body is incomplete")
}

/// 405; the router adds `Allow`.
pub fn method_not_allowed() -> CashierAnswer {
    plain(405, "Method not allowed")
}

/// 408: the body came too slowly.
pub fn too_slow() -> CashierAnswer {
    plain(408, "Request body did not arrive in time")
}

/// 413.
pub fn too_large() -> CashierAnswer {
    plain(413, "Request body is too large")
}

/// 415.
pub fn not_json_type() -> CashierAnswer {
    NotAdmitted::MediaType.answer()
}

/// 429, with the seconds until the next request passes.
pub fn too_many(retry_after_s: u32) -> CashierAnswer {
    CashierAnswer::too_many(retry_after_s)
}

/// 503: at one of our limits; nothing was begun.
pub fn overloaded() -> CashierAnswer {
    CashierAnswer::overloaded()
}

/// 503: the store does not answer.
pub fn unavailable() -> CashierAnswer {
    CashierAnswer::unavailable()
}
