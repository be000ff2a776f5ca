//! Around the client's connector: the time limit of connecting, the start of the answer's limit, and the certain knowledge of why
//! no connection came about.

use super::Failure;
use super::resolver::NotConnected;
use futures::future::BoxFuture;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::{Layer, Service};

type BoxError = Box<dyn StdError + Send + Sync>;

tokio::task_local! {
    /// The exchange whose request makes the connector connect. The client calls the connector from within the request's own
    /// future, so that it is there at the call; the connecting itself may be moved to the background when an idle connection
    /// turns up meanwhile.
    pub(super) static EXCHANGE: Arc<Exchange>;
}

/// The time limits of one exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    connect: Duration,
    answer: Duration,
    /// No deadline is later than this.
    end: Instant,
    deadline: watch::Sender<Instant>,
}

impl Exchange {
    /// Begins now. On a pooled connection the answer's limit runs from here; a new connection moves the deadline.
    pub(super) fn begin(connect: Duration, answer: Duration, total: Option<Duration>) -> (Arc<Self>, watch::Receiver<Instant>) {
        let now = Instant::now();
        let end = now + total.unwrap_or(connect + answer);
        let (deadline, receiver) = watch::channel((now + answer).min(end));
        (Arc::new(Self { connect, answer, end, deadline }), receiver)
    }

    fn connecting(&self) {
        self.deadline.send_replace((Instant::now() + self.connect + self.answer).min(self.end));
    }

    fn connected(&self) {
        self.deadline.send_replace((Instant::now() + self.answer).min(self.end));
    }
}

/// The layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectLayer;

impl<S> Layer<S> for ConnectLayer {
    type Service = Connect<S>;
    fn layer(&self, inner: S) -> Connect<S> {
        Connect(inner)
    }
}

/// The connector with the layer.
#[derive(Clone, Debug)]
pub(super) struct Connect<S>(S);

impl<S, Target> Service<Target> for Connect<S>
where
    S: Service<Target, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let connecting = self.0.call(target);
        let exchange = EXCHANGE.try_with(Arc::clone).ok();
        Box::pin(async move {
            let Some(exchange) = exchange else {
                return connecting.await;
            };
            exchange.connecting();
            // A deadline of the whole exchange that ends first ends it as a connect time-out too: nothing was sent before there
            // is a connection.
            let until = (Instant::now() + exchange.connect).min(exchange.end);
            match tokio::time::timeout_at(until, connecting).await {
                Ok(Ok(connection)) => {
                    exchange.connected();
                    Ok(connection)
                }
                Ok(Err(error)) => Err(NotConnected(why_not_connected(&*error)).into()),
                Err(_) => Err(NotConnected(Failure::ConnectTimeout).into()),
            }
        })
    }
}

/// What kept us from connecting.
fn why_not_connected(error: &(dyn StdError + 'static)) -> Failure {
    if let Some(NotConnected(failure)) = find::<NotConnected>(error) {
        return *failure;
    }
    let tls = |kind| matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io_error) = error.downcast_ref::<io::Error>() {
            match io_error.kind() {
                // The TLS library reports what it refuses, and an end within its handshake, in these kinds; dialling never does.
                kind if tls(kind) => return Failure::Tls,
                io::ErrorKind::TimedOut => return Failure::ConnectTimeout,
                _ => {}
            }
        }
        next = below(error);
    }
    Failure::Connect
}

/// The error that this one wraps. An `io::Error` around another one does not name it as its source, but as its content.
fn below<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// The first error of that type in the chain.
pub(super) fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = below(error);
    }
    None
}
