//! `POST /webhook`: verify, store, acknowledge.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::Shop;
use crate::clock::now_ms;
use crate::store::Receipt;
use crate::webhook;

/// 200 once the webhook is on disk, for a known one too; 401 for one that does not verify, of which nothing is
/// kept; 503 when it could not be stored, so that it is sent again.
pub(super) async fn receive(State(desk): State<Shop>, headers: HeaderMap, body: Bytes) -> Response {
    let now = now_ms();
    let verified = match desk.verifier.verify(&headers, &body, now / 1_000) {
        Ok(verified) => verified,
        Err(refusal) => {
            desk.count_refused_webhook();
            tracing::warn!(%refusal, "a webhook was refused");
            return (StatusCode::UNAUTHORIZED, "Unauthorized").into_response();
        }
    };
    let Some(incoming) = webhook::read(verified, &headers, &body, now) else {
        tracing::warn!("a verified webhook is not of the published form");
        return (StatusCode::BAD_REQUEST, "This is no webhook of the published form.").into_response();
    };
    match desk.take_in(incoming).await {
        Ok(Receipt::Stored { .. }) => (StatusCode::OK, "ok").into_response(),
        Ok(Receipt::Duplicate { .. }) => (StatusCode::OK, "known").into_response(),
        Err(error) => {
            tracing::error!(%error, "a webhook could not be stored");
            (StatusCode::SERVICE_UNAVAILABLE, "Not stored: send it again.").into_response()
        }
    }
}
