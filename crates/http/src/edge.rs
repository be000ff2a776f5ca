//! What surrounds every request: its id, its client, the access log, the headers that every answer carries, and the answer to a
//! panic.

use crate::body::Deadline;
use crate::connection::Connection;
use crate::limits::Limits;
use crate::observe::{self, Answered, LoggedCompany};
use crate::peer::{self, Client};
use crate::reply;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use engine::CashierAnswer;
use engine::random::Random;
use futures::FutureExt;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use ipnet::IpNet;
use metrics::SharedString;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument;

/// Names a request in our logs; on every answer.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

struct Edge {
    random: Random,
    trusted_proxies: Vec<IpNet>,
    body_read: Duration,
}

/// Puts the edge around a router that is complete. [`crate::router`] does.
pub fn around(router: Router, limits: &Limits) -> Router {
    let edge = Edge { random: Random::default(), trusted_proxies: limits.trusted_proxies.clone(), body_read: limits.body_read };
    router.layer(middleware::from_fn_with_state(Arc::new(edge), pass))
}

/// Browsers that have met production over TLS do not come without it for a year.
pub(crate) async fn only_over_tls(mut response: Response) -> Response {
    response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    response
}

/// Whether it is clear which host is meant: exactly one `Host` that is a name, with a port or without; before HTTP/1.1 also none.
/// Of two, a proxy may have looked at the other one.
fn host_is_clear(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let name = host.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
            name.is_some_and(|name| !name.host().is_empty() && !name.as_str().contains('@'))
        }
        (None, None) => request.version() < Version::HTTP_11,
        _ => false,
    }
}

/// Lets no request in of which it is not clear which host it means: for routers that have nothing else of the edge.
pub fn only_clear_hosts(router: Router) -> Router {
    router.layer(middleware::from_fn(
        async |request: Request, next: Next| {
            if host_is_clear(&request) { next.run(request).await } else { host_is_unclear() }
        },
    ))
}

fn host_is_unclear() -> Response {
    reply::response(reply::plain(400, "A request names its host once"))
}

/// 404 for whatever has no route.
pub(crate) async fn not_found() -> Response {
    reply::response(CashierAnswer::not_found())
}

/// 405; the router adds `Allow`.
pub(crate) async fn method_not_allowed() -> Response {
    reply::response(reply::method_not_allowed())
}

async fn pass(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id: Arc<str> = hex::encode(edge.random.bytes::<16>()).into();
    let method = observe::method_label(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or(SharedString::const_str(observe::UNMATCHED), |path| SharedString::from(path.as_str().to_owned()));
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let has_body = !request.body().is_end_stream();
    let ip = peer::client_ip(&request, &edge.trusted_proxies);
    let mut request = if has_body { request.map(|body| Body::new(Deadline::new(body, edge.body_read))) } else { request };
    request.extensions_mut().insert(Client { ip, request_id: Arc::clone(&request_id) });

    let mut response = if host_is_clear(&request) {
        let span = tracing::info_span!("request", id = &*request_id);
        let run = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span);
        run.await.unwrap_or_else(|_| {
            tracing::error!(request_id = &*request_id, "a handler panicked");
            reply::response(CashierAnswer::internal())
        })
    } else {
        host_is_unclear()
    };

    if has_body
        && response.status().is_client_error()
        && let Some(connection) = connection
    {
        connection.answered_early();
    }
    let status = response.status().as_u16();
    let company = response.extensions().get::<LoggedCompany>().map(|logged| logged.0);
    seal(response.headers_mut(), &request_id);
    observe::answered(Answered { method, route, status, latency: started.elapsed(), request_id: &request_id, company });
    response
}

/// The headers that every answer carries.
fn seal(headers: &mut HeaderMap, request_id: &str) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
}
