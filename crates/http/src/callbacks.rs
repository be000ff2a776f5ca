//! `POST` and `GET /callbacks/{provider}/{token}`: what providers tell us. The token in the address is all that says who calls.

use crate::app::App;
use crate::reply;
use crate::{body, headers};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use engine::CashierAnswer;
use http::{HeaderValue, Method, StatusCode, header};
use providers::CallbackAnswer;

/// Longest provider name and token that are looked up, characters; ours are shorter.
const NAME_MAX_CHARS: usize = 64;

/// After this the next callback about a transaction passes, seconds.
pub(crate) const RETRY_AFTER_S: u32 = 1;

/// What a callback's address takes.
pub(crate) fn receives() -> MethodRouter<App> {
    get(receive).post(receive).fallback(not_allowed)
}

/// 405, with what that provider's callbacks come by.
async fn not_allowed(path: Result<Path<(String, String)>, PathRejection>) -> Response {
    let provider = path.ok().and_then(|Path((name, _))| providers::by_name(&name));
    let by_get = provider.is_some_and(|provider| provider.descriptor().callbacks.by_get);
    let mut response = reply::response(reply::method_not_allowed());
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(if by_get { "GET,POST" } else { "POST" }));
    response
}

pub(crate) async fn receive(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    // The router lets HEAD through to GET; a callback is no such thing.
    if request.method() == Method::HEAD {
        return not_allowed(path).await;
    }
    let (parts, body) = request.into_parts();
    let body = match body::read(body).await {
        Ok(body) => body,
        Err(refused) => return refused.into_response(),
    };
    let Ok(Path((provider, token))) = path else { return reply::response(CashierAnswer::not_found()) };
    if provider.len() > NAME_MAX_CHARS || token.len() > NAME_MAX_CHARS {
        return reply::response(CashierAnswer::not_found());
    }
    let query = parts.uri.query().unwrap_or_default();
    let headers = headers::as_bytes(&parts.headers);
    // From here on it is what it says: what is stored is what was read.
    let unpacked = engine::transport::packed::unpacked_callback(&parts.headers, &body);
    let body = unpacked.as_deref().unwrap_or(&body);
    let answer = app.engine.callback(&provider, &token, parts.method.as_str(), query, &headers, body).await;
    response(answer)
}

/// The provider's answer as it wants it; where nothing but a status was said of an error, the usual envelope.
fn response(answer: CallbackAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if answer.body.is_empty() && !status.is_success() {
        let mut response = reply::response(envelope(status));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            // Whatever a provider does not take is not its POST.
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        return response;
    }
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn envelope(status: StatusCode) -> CashierAnswer {
    match status {
        StatusCode::UNAUTHORIZED => CashierAnswer::unauthorized(),
        StatusCode::FORBIDDEN => CashierAnswer::forbidden(),
        StatusCode::NOT_FOUND => CashierAnswer::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => reply::method_not_allowed(),
        StatusCode::PAYLOAD_TOO_LARGE => reply::too_large(),
        StatusCode::TOO_MANY_REQUESTS => reply::too_many(RETRY_AFTER_S),
        StatusCode::SERVICE_UNAVAILABLE => reply::unavailable(),
        other if other.is_server_error() => CashierAnswer::internal(),
        other => reply::plain(other.as_u16(), other.canonical_reason().unwrap_or("Refused")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_status_is_told_in_the_words_of_the_error_table() {
        for (status, message) in [
            (StatusCode::UNAUTHORIZED, "Unauthorized"),
            (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            (StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large"),
            (StatusCode::BAD_GATEWAY, "Internal server error"),
        ] {
            let text = String::from_utf8(envelope(status).body).unwrap();
            assert!(text.contains(&format!(r#""message":"{message}""#)), "{text}");
        }
    }
}
