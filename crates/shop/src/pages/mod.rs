//! The shop's own pages, rendered here, with one style sheet and one script of our own and a policy that allows
//! nothing else.

mod assets;
mod cashier;
mod hook;
mod live;
mod orders;
mod view;

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower_http::csrf::CsrfLayer;

use crate::desk::Desk;
use crate::error::Error;

/// Bytes of a request's body: a webhook or a form.
const BODY_MAX: usize = 64 * 1024;
/// A body must be complete after this long.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Pages without a form that leads elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The cashier page: its form is answered with a 303 to the provider's page, browsers hold that redirect to
/// `form-action`, and which host it will be is the provider's matter.
const CASHIER_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'none'";

type Shop = Arc<Desk>;

/// Everything that the shop answers.
pub(crate) fn router(desk: Shop) -> Router {
    let forms = Router::new().route("/orders", get(orders::list).post(cashier::place)).layer(CsrfLayer::new());
    Router::new()
        .route("/", get(cashier::show))
        .route("/orders/{number}", get(orders::show))
        .route("/orders/{number}/continue", get(orders::lead_on))
        .route("/orders/{number}/events", get(live::events))
        .route("/return", get(orders::returned))
        .route("/webhook", post(hook::receive))
        .route("/healthz", get(health))
        .route("/assets/{file}", get(assets::serve))
        .merge(forms)
        .fallback(not_found)
        .layer(middleware::from_fn(take_body))
        .layer(middleware::from_fn(always))
        .with_state(desk)
}

async fn health() -> &'static str {
    "ok"
}

async fn not_found() -> Response {
    notice(StatusCode::NOT_FOUND, "Not found", "There is no such page in this shop.")
}

/// Reads a body to its end before anybody looks at it: bounded in size and time.
async fn take_body(request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let reading = Limited::new(body, BODY_MAX).collect();
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(body)) => next.run(Request::from_parts(head, Body::from(body.to_bytes()))).await,
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.").into_response()
        }
        Ok(Err(_)) => (StatusCode::BAD_REQUEST, "The body broke off.").into_response(),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "The body took too long.").into_response(),
    }
}

/// The headers of every answer; a page that says more of its own keeps it.
async fn always(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let defaults: [(HeaderName, &'static str); 4] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    for (name, value) in defaults {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    here: Here,
    title: &'a str,
    text: &'a str,
}

/// The part of the shop that a page belongs to, for the navigation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Here {
    Cashier,
    Orders,
    Elsewhere,
}

impl Here {
    fn is_cashier(self) -> bool {
        self == Here::Cashier
    }

    fn is_orders(self) -> bool {
        self == Here::Orders
    }
}

/// A page that only says something.
fn notice(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, &Notice { here: Here::Elsewhere, title, text })
}

/// A rendered page.
fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong.").into_response()
        }
    }
}

/// Sends the browser on with a GET; a target that no header can hold is our own fault.
fn see_other(target: &str) -> Response {
    match HeaderValue::from_str(target) {
        Ok(target) => (StatusCode::SEE_OTHER, [(http::header::LOCATION, target)]).into_response(),
        Err(_) => failed(&Error::Task),
    }
}

/// The page of a failure of ours; what it was is for the log.
fn failed(error: &Error) -> Response {
    tracing::error!(%error, "a request to the shop failed");
    let status = match error {
        Error::StoreBusy | Error::StoreStopped => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    notice(
        status,
        "Something went wrong",
        "The shop could not do this just now. Orders that were placed are safe: look at the list of orders.",
    )
}
