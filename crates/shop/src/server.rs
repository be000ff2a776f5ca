//! The accept loop: connections are counted, a head must come in time, and a stop lets what is open finish.

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
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

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
    router.oneshot(request.map(Body::new)).await
}
