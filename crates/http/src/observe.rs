//! What is counted and logged about requests: never a body, a query's values or anything personal.

use domain::CompanyId;
use http::Method;
use metrics::SharedString;
use std::time::Duration;

/// Histogram, seconds by `route` (the template) and `method`.
pub const REQUEST_SECONDS: &str = "mozarto_http_request_duration_seconds";
/// Counter by `route`, `method` and `status`.
pub const REQUESTS: &str = "mozarto_http_requests_total";
/// Gauge: open connections.
pub const CONNECTIONS: &str = "mozarto_http_connections";
/// Counter: connections over the cap.
pub const CONNECTIONS_REFUSED: &str = "mozarto_http_connections_refused_total";
/// The buckets that the exporter is to use for [`REQUEST_SECONDS`]: from answers of our own to providers that take their 65 s.
pub const REQUEST_SECONDS_BUCKETS: [f64; 16] =
    [0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0, 70.0];

/// The route of requests that match none.
pub const UNMATCHED: &str = "unmatched";

/// The company that a response is for, as an extension of the response: shown in the access log.
#[derive(Clone, Copy, Debug)]
pub struct LoggedCompany(pub CompanyId);

/// One answered request.
#[derive(Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) method: &'static str,
    pub(crate) route: SharedString,
    pub(crate) status: u16,
    pub(crate) latency: Duration,
    pub(crate) request_id: &'a str,
    pub(crate) company: Option<CompanyId>,
}

/// The method as a label: a closed list, because a stranger may send any word.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// Counts the request and writes its line.
pub(crate) fn answered(request: Answered<'_>) {
    let Answered { method, route, status, latency, request_id, company } = request;
    let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let company = company.map(tracing::field::display);
    tracing::info!(target: "access", method, route = &*route, status, latency_us, request_id, company);
    metrics::histogram!(REQUEST_SECONDS, "route" => route.clone(), "method" => method).record(latency);
    metrics::counter!(REQUESTS, "route" => route, "method" => method, "status" => status_label(status)).increment(1);
}

/// The status as a label, without making a text each time for the usual ones.
fn status_label(status: u16) -> SharedString {
    match status {
        200 => "200".into(),
        400 => "400".into(),
        401 => "401".into(),
        404 => "404".into(),
        429 => "429".into(),
        other => other.to_string().into(),
    }
}

pub(crate) fn connection_opened() {
    metrics::gauge!(CONNECTIONS).increment(1);
}

pub(crate) fn connection_closed() {
    metrics::gauge!(CONNECTIONS).decrement(1);
}

pub(crate) fn connection_refused() {
    metrics::counter!(CONNECTIONS_REFUSED).increment(1);
}
