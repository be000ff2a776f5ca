//! The accept loop: connections are counted, a head must come in time, and a stop lets what is open finish.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use url::{Host, Url};

/// Connections at once; one more is closed unanswered.
const CONNECTIONS_MAX: usize = 1_024;
/// A head must be complete after this long. Longer than the idle time of usual connection pools (90 s), so that
/// none is closed just when the platform sends its next webhook over it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Open requests may finish this long after the stop.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// After a failed accept (no file handles, say) the loop rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves `router` until `stop`.
pub(crate) async fn accept(listener: TcpListener, router: Router, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // Also when this future itself is dropped, no connection outlives it.
    let abort = CancellationToken::new();
    let _abort_at_the_end = abort.clone().drop_guard();
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection to the shop could not be accepted");
                    tokio::time::sleep(ACCEPT_REST).await;
                    continue;
                }
            },
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            tracing::warn!("the shop has too many connections");
            continue;
        };
        let (router, stop, abort) = (router.clone(), stop.clone(), abort.clone());
        connections.spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = abort.cancelled() => {}
                () = converse(stream, router, stop) => {}
            }
        });
    }
    connections.close();
    // What is still open after the grace ends with the guard.
    let _ = tokio::time::timeout(STOP_GRACE, connections.wait()).await;
}

async fn converse(stream: TcpStream, router: Router, stop: CancellationToken) {
    // Small answers must not wait for one another; a socket without the option still works.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| respond(router.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // An error here is a client that went away: nobody is left to be told.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn respond(router: Router, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if !is_meant_for_us(&request) {
        return Ok(misdirected());
    }
    router.oneshot(request.map(Body::new)).await
}

/// Whether the host is a name of this machine, which is where the shop listens. Whoever says another is a page elsewhere whose
/// name was pointed here in the meantime: it could read what the shop shows, and buy.
fn is_meant_for_us(request: &Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(is_of_this_machine),
        (None, None) => request.version() < Version::HTTP_11,
        _ => false,
    }
}

fn is_of_this_machine(authority: &str) -> bool {
    Url::parse(&format!("http://{authority}/")).is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

fn misdirected() -> Response<Body> {
    let mut response = Response::new(Body::from("The demo shop answers this machine only: open it as localhost.\n"));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_and_others() {
        for ours in ["localhost", "LocalHost:8080", "shop.localhost:1", "127.0.0.1:8081", "127.9.9.9", "[::1]:80"] {
            assert!(is_of_this_machine(ours), "{ours}");
        }
        for others in [
            "",
            "evil.example:80",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "10.0.0.1",
            "0.0.0.0",
            "::1",
            "x@evil",
            "notlocalhost",
        ] {
            assert!(!is_of_this_machine(others), "{others}");
        }
    }
}
