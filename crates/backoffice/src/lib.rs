//! The back office. Its pages are still to come: what they will do can be done today by the Management API and the `mozarto`
//! commands, and the page here says so.

use askama::Template;
use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};

/// Where the back office is, below the platform's address.
pub const PATH: &str = "/back-office";

/// Nothing but our own style sheet is loaded, nothing frames us, no form leads anywhere.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const ICON: &str = include_str!("../assets/icon.svg");
const STYLE: &str = include_str!("../assets/style.css");

#[derive(Template)]
#[template(path = "to_come.html")]
struct ToCome;

/// The back office's routes.
pub fn router() -> Router {
    Router::new()
        .route("/", get(|| async { axum::response::Redirect::to(PATH) }))
        .route(PATH, get(page))
        .route("/back-office/style.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/back-office/icon.svg", get(|| async { asset("image/svg+xml", ICON) }))
}

async fn page() -> Response {
    match ToCome.render() {
        Ok(html) => {
            let mut response = Html(html).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
            headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn asset(kind: &'static str, content: &'static str) -> Response {
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "max-age=3600"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, content).into_response()
}
