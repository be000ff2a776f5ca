//! Our pages in a payer's way: `/pay/{token}`, `/3ds/{token}` with `/next` and `/return`, `/return/{provider}/{token}/{word}`,
//! and the device check's callback.
//!
//! **Architecture invariants:** a page never says which merchant, payer or amount it is about; nothing that a browser brings is
//! an outcome; every page carries a policy that lets it post to the provider's origin and nowhere else.

use crate::app::App;
use crate::callbacks::RETRY_AFTER_S;
use crate::reply;
use crate::{body, headers};
use askama::Template;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use domain::Secret;
use engine::flow::{DeviceCheck, Shown, StoreError as _};
use engine::random::Random;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use providers::pages::HostedForm;

const STYLE: &str = include_str!("../assets/pages.css");
const SUBMIT: &str = include_str!("../assets/submit.js");
const CHECK: &str = include_str!("../assets/check.js");
/// The query of a return that somebody pressed a button of ours for.
const BY_HAND: &str = "by=hand";

#[derive(Template)]
#[template(path = "form.html")]
struct FormPage<'a> {
    nonce: &'a str,
    style: &'a str,
    script: &'a str,
    action: &'a str,
    here: &'a str,
    fields: &'a [(&'static str, Secret)],
    hidden: bool,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    nonce: &'a str,
    style: &'a str,
    title: &'a str,
    text: &'a str,
    /// The way on, where there is one.
    onward: Option<&'a str>,
}

type Token = Result<Path<String>, PathRejection>;

/// `GET /pay/{token}`.
pub(crate) async fn pay(State(app): State<App>, token: Token, request: Request) -> Response {
    if only_looked_at(&request) {
        return private(StatusCode::OK.into_response());
    }
    let Ok(Path(token)) = token else { return gone(StatusCode::NOT_FOUND) };
    let here = request.uri().path().to_owned();
    page(app.engine.open_pay_page(&token).await, &here)
}

/// `GET /3ds/{token}`.
pub(crate) async fn challenge(State(app): State<App>, token: Token, request: Request) -> Response {
    if only_looked_at(&request) {
        return private(StatusCode::OK.into_response());
    }
    let Ok(Path(token)) = token else { return gone(StatusCode::NOT_FOUND) };
    let here = request.uri().path().to_owned();
    page(app.engine.open_challenge(&token).await, &here)
}

/// `GET /3ds/{token}/next`, asked by the page: `{"wait":true}`, `{"go":address}` or `{"over":true}`.
pub(crate) async fn next(State(app): State<App>, token: Token) -> Response {
    let Ok(Path(token)) = token else { return private(StatusCode::NOT_FOUND.into_response()) };
    let answer = match app.engine.next_of_challenge(&token).await {
        Ok(Shown::Go(url)) => Json(serde_json::json!({"go": url})).into_response(),
        Ok(Shown::Wait | Shown::Form(_)) => Json(serde_json::json!({"wait": true})).into_response(),
        Ok(Shown::Over | Shown::Gone) => Json(serde_json::json!({"over": true})).into_response(),
        Ok(Shown::Unknown) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            trouble(&error, "a challenge page asked");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    };
    private(answer)
}

/// `POST /3ds/{token}/return`: from the issuer's page, or from a browser without script. What it carries is not read.
pub(crate) async fn returned(State(app): State<App>, token: Token, request: Request) -> Response {
    let Ok(Path(token)) = token else { return gone(StatusCode::NOT_FOUND) };
    match app.engine.challenge_returned(&token).await {
        // The policy of our own page's form holds for redirects too: from there the browser goes on by a link.
        Ok(Shown::Go(url)) if request.uri().query() == Some(BY_HAND) => onward(&url),
        shown => page(shown, ""),
    }
}

/// `GET /return/{provider}/{token}/{word}`.
pub(crate) async fn back(
    State(app): State<App>,
    path: Result<Path<(String, String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Response {
    let Ok(Path((provider, token, word))) = path else { return gone(StatusCode::NOT_FOUND) };
    page(app.engine.browser_returned(&provider, &token, &word, query.as_deref().unwrap_or_default()).await, "")
}

/// `POST /callbacks/{provider}/{token}/threeds`: through the payer's browser, in a hidden frame.
pub(crate) async fn device_check(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = match body::read(body).await {
        Ok(body) => body,
        Err(refused) => return refused.into_response(),
    };
    let Ok(Path((provider, token))) = path else { return reply::response(engine::CashierAnswer::not_found()) };
    match app.engine.device_checked(&provider, &token, &headers::as_bytes(&parts.headers), &body).await {
        Ok(DeviceCheck::Taken) => private((StatusCode::OK, "OK").into_response()),
        Ok(DeviceCheck::Unknown) => reply::response(engine::CashierAnswer::not_found()),
        Ok(DeviceCheck::TooMany) => reply::response(reply::too_many(RETRY_AFTER_S)),
        Err(error) => {
            trouble(&error, "keeping the end of a device check");
            reply::response(reply::unavailable())
        }
    }
}

/// Looking ahead is not opening.
fn only_looked_at(request: &Request) -> bool {
    let prefetch = |name: &'static str| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).is_some_and(|text| text.contains("prefetch"))
    };
    request.method() == Method::HEAD || prefetch("sec-purpose") || prefetch("purpose")
}

/// Logged, unless it is that the store is away: that is told once, by whoever watches it.
fn trouble(error: &engine::flow::EngineError, what: &str) {
    if !error.store_is_away() {
        tracing::error!("{what}: {error}");
    }
}

fn page(shown: Result<Shown, engine::flow::EngineError>, here: &str) -> Response {
    match shown {
        Ok(Shown::Form(form)) => form_page(&form, here),
        Ok(Shown::Go(url)) => see_other(&url),
        Ok(Shown::Over | Shown::Wait) => {
            notice(StatusCode::OK, "You can close this window", "The merchant will tell you how the payment went.")
        }
        Ok(Shown::Gone) => gone(StatusCode::GONE),
        Ok(Shown::Unknown) => gone(StatusCode::NOT_FOUND),
        Err(error) => {
            trouble(&error, "serving a page");
            notice(StatusCode::SERVICE_UNAVAILABLE, "Please try again", "The payment page is not available for the moment.")
        }
    }
}

/// A page with the way on, for a browser that nothing may redirect.
fn onward(url: &str) -> Response {
    let nonce = nonce();
    let page = Notice {
        nonce: &nonce,
        style: STYLE,
        title: "Almost there",
        text: "The check of your device is done.",
        onward: Some(url),
    };
    html(StatusCode::OK, &page, &notice_policy(&nonce))
}

fn notice_policy(nonce: &str) -> String {
    format!("default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'")
}

fn see_other(url: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(url) else {
        return notice(StatusCode::OK, "You can close this window", "The merchant will tell you how the payment went.");
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    private(response)
}

/// What Trust's sheet says, and what the payer can do now: whether anything was paid only the shop can tell.
const USED_OR_LATE: &str =
    "This payment link has expired or has already been used. Please go back to the shop: it shows what became of your payment.";

fn gone(status: StatusCode) -> Response {
    notice(status, "Link expired", USED_OR_LATE)
}

fn notice(status: StatusCode, title: &str, text: &str) -> Response {
    let nonce = nonce();
    let page = Notice { nonce: &nonce, style: STYLE, title, text, onward: None };
    html(status, &page, &notice_policy(&nonce))
}

fn form_page(form: &HostedForm, here: &str) -> Response {
    // A whole address in a policy matches itself alone: the origin lets the provider's page redirect within its own.
    let Some(origin) = url::Url::parse(&form.action).ok().map(|url| url.origin().ascii_serialization()) else {
        return gone(StatusCode::GONE);
    };
    let nonce = nonce();
    let script = if form.hidden { CHECK } else { SUBMIT };
    let page =
        FormPage { nonce: &nonce, style: STYLE, script, action: &form.action, here, fields: &form.fields, hidden: form.hidden };
    let more = if form.hidden {
        format!("form-action {origin} 'self'; frame-src {origin} 'self'; connect-src 'self'; ")
    } else {
        format!("form-action {origin}; ")
    };
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; {more}frame-ancestors 'none'; base-uri 'none'"
    );
    html(StatusCode::OK, &page, &policy)
}

fn html(status: StatusCode, page: &impl Template, policy: &str) -> Response {
    let Ok(text) = page.render() else { return reply::response(engine::CashierAnswer::internal()) };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    private(response)
}

/// For one browser, once, and for no search engine.
fn private(mut response: Response) -> Response {
    const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(ROBOTS, HeaderValue::from_static("noindex"));
    response
}

fn nonce() -> String {
    hex::encode(Random::default().bytes::<16>())
}
