//! Our own accept loop: it refuses peers that are not on loopback, and it can close a connection without an
//! answer, which a web framework's loop cannot.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::reply::CloseWithoutAnswer;

/// Connections at once.
const CONNECTIONS_MAX: usize = 4_096;
/// A head must be complete after this long. Longer than the idle time of usual connection pools, so that no
/// pooled connection is closed just when a client uses it again.
const HEAD_TIMEOUT: Duration = Duration::from_secs(150);
/// Connections may finish what they answer this long after the stop.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// After a failed accept (no file handles, say) the loop rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// The service's way of saying "close this connection, write nothing".
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer on purpose")]
struct Closed;

/// Serves `router` until `life` ends.
pub(crate) async fn accept(listener: TcpListener, router: Router, life: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let abort = CancellationToken::new();
    let _abort_when_dropped = abort.clone().drop_guard();
    let connections = tokio_util::task::TaskTracker::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = life.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a simulator connection could not be accepted");
                    tokio::time::sleep(ACCEPT_REST).await;
                    continue;
                }
            },
        };
        if !peer.ip().to_canonical().is_loopback() {
            tracing::warn!(%peer, "the simulators refuse a peer that is not on loopback");
            continue;
        }
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            tracing::warn!("the simulators have too many connections");
            continue;
        };
        let (router, life, abort) = (router.clone(), life.clone(), abort.clone());
        connections.spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = abort.cancelled() => {}
                () = converse(stream, router, life) => {}
            }
        });
    }
    connections.close();
    // What is still open after the grace is dropped with the abort guard.
    let _ = tokio::time::timeout(STOP_GRACE, connections.wait()).await;
}

/// Serves one connection to its end.
async fn converse(stream: TcpStream, router: Router, life: CancellationToken) {
    // Small answers must not wait for one another; a socket without the option still works.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| respond(router.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // An error here is a client that went away or a fault that was asked for.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = life.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn respond(router: Router, request: Request<Incoming>) -> Result<Response<Body>, Closed> {
    let answered: Result<Response<Body>, Infallible> = router.oneshot(request.map(Body::new)).await;
    let Ok(response) = answered;
    if response.extensions().get::<CloseWithoutAnswer>().is_some() { Err(Closed) } else { Ok(response) }
}
