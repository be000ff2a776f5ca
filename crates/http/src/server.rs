//! The accept loop. Our own, because axum's has no time limit for a request's head, no cap on connections and no limit to its
//! graceful stop.

use crate::connection::{Connection, Socket};
use crate::limits::{ACCEPT_PAUSE, BACKLOG, HEAD_MAX_BYTES, LINGER, LINGER_MAX_BYTES, Limits, REFUSED_LINGERING};
use crate::peer::{PeerSlot, Peers};
use crate::{observe, reply};
use axum::Router;
use axum::extract::ConnectInfo;
use engine::CashierAnswer;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

/// How often one trouble is told.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// The server cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listening socket is broken.
    #[error("the listening socket does not work: {0}")]
    Listener(#[from] io::Error),
}

/// Listens on an address, with `SO_REUSEADDR` (a restart must not wait for old connections to be forgotten) and a backlog of our
/// own.
///
/// # Errors
/// [`Error::Listener`] when the address is taken or not ours.
pub fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into())?)
}

/// Serves until `stop` is cancelled, then stops accepting, lets answers under way finish, and returns after [`Limits::drain`] at
/// the latest.
///
/// # Errors
/// [`Error::Listener`] when the listening socket breaks; being out of descriptors is waited for instead.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) -> Result<(), Error> {
    let connections = TaskTracker::new();
    // Ends every connection, whether we were told to stop or the listener broke.
    let closing = stop.child_token();
    let mut door = Door::new(&limits);
    // Cancelled when draining has taken too long: what is still open is cut off.
    let cut = CancellationToken::new();
    let mut refused = Refused::default();
    let accepted = loop {
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => break Ok(()),
            next = listener.accept() => next,
        };
        match next {
            Ok((stream, _)) if has_hung_up(&stream) => {}
            Ok((stream, peer)) => {
                if let Some((stream, open)) = door.let_in(stream, peer) {
                    let (router, header_read, closing) = (router.clone(), limits.header_read, closing.clone());
                    let cut = cut.clone();
                    connections.spawn(async move {
                        // It may have waited for its turn.
                        if !has_hung_up(&stream) {
                            cut.run_until_cancelled(converse(stream, peer, router, header_read, closing)).await;
                        }
                        drop(open);
                    });
                }
            }
            Err(error) if of_one_connection(&error) => {}
            Err(error) if out_of_resources(&error) => {
                refused.tell(&error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            Err(error) => break Err(Error::Listener(error)),
        }
    };
    drop(listener);
    closing.cancel();
    connections.close();
    if tokio::time::timeout(limits.drain, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections are cut off: their answers took too long");
        cut.cancel();
        connections.wait().await;
    }
    accepted
}

/// What cannot be accepted, told now and then: each of many would be a line.
#[derive(Default)]
struct Refused {
    times: u64,
    told: Option<Instant>,
}

impl Refused {
    fn tell(&mut self, error: &io::Error) {
        self.times += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            tracing::warn!(%error, times = self.times, "connections cannot be accepted for the moment");
            *self = Self { times: 0, told: Some(Instant::now()) };
        }
    }
}

/// Whether the peer has reset the connection already: what it asked for, it wants no longer, and nobody has begun it. Without
/// this, clients that ask and leave at once make a queue of the dead that the living wait behind. (One that only has nothing more
/// to say is answered.)
fn has_hung_up(stream: &TcpStream) -> bool {
    !matches!(stream.take_error(), Ok(None))
}

/// An open connection, as the cap and the gauge count it; also when its task ends by a panic.
struct Open {
    _slot: OwnedSemaphorePermit,
    _of_peer: Option<PeerSlot>,
}

impl Drop for Open {
    fn drop(&mut self) {
        observe::connection_closed();
    }
}

/// Everything that happens on one connection, from its first request to its end.
fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    header_read: Duration,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    // Answers are small and whole: waiting to fill a packet only adds latency. A socket that refuses is about to fail anyway.
    let _ = stream.set_nodelay(true);
    let connection = Arc::new(Connection::new(peer));
    let io = TokioIo::new(Socket::new(stream, Arc::clone(&connection)));
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(Arc::clone(&connection));
        // A Router is always ready.
        router.clone().call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(header_read).max_buf_size(HEAD_MAX_BYTES);
    // A client that has said all it will say, and says so, still waits for the answer.
    http.half_close(true);
    let served = http.serve_connection(io, service);
    async move {
        tokio::pin!(served);
        let ended = tokio::select! {
            ended = served.as_mut() => ended,
            () = stop.cancelled() => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if let Err(error) = ended {
            // Peers that leave, stall or speak something else than HTTP are everyday life.
            tracing::debug!(%error, "a connection ended");
        }
    }
}

/// Who may connect.
struct Door {
    slots: Arc<Semaphore>,
    peers: Arc<Peers>,
    trusted_proxies: Vec<IpNet>,
    full: Arc<[u8]>,
    too_many: Arc<[u8]>,
    lingering: Arc<Semaphore>,
}

impl Door {
    fn new(limits: &Limits) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(limits.connections)),
            peers: Peers::new(limits.connections_per_peer),
            trusted_proxies: limits.trusted_proxies.clone(),
            full: raw(&reply::overloaded()).into(),
            too_many: raw(&reply::too_many(1)).into(),
            lingering: Arc::new(Semaphore::new(REFUSED_LINGERING)),
        }
    }

    /// Lets the connection in, or says why not and closes it.
    fn let_in(&mut self, stream: TcpStream, peer: SocketAddr) -> Option<(TcpStream, Open)> {
        let ip = peer.ip().to_canonical();
        let of_peer = if self.trusted_proxies.iter().any(|net| net.contains(&ip)) {
            None
        } else {
            let Some(slot) = self.peers.enter(ip) else {
                let answer = Arc::clone(&self.too_many);
                self.refuse(stream, answer);
                return None;
            };
            Some(slot)
        };
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            let answer = Arc::clone(&self.full);
            self.refuse(stream, answer);
            return None;
        };
        observe::connection_opened();
        Some((stream, Open { _slot: slot, _of_peer: of_peer }))
    }

    /// One connection too many: told so, listened to for a moment, and closed. What comes is thrown away: closing over unread
    /// bytes resets the connection and takes the answer away. Of too many at once, only some are treated so well; to the others
    /// it is written if the socket takes it, and no more.
    fn refuse(&self, mut stream: TcpStream, answer: Arc<[u8]>) {
        observe::connection_refused();
        let Ok(place) = Arc::clone(&self.lingering).try_acquire_owned() else {
            // Past the run time, which may not have heard yet that a socket so new can be written to. It does not block: nothing
            // is waited for.
            let Ok(mut stream) = stream.into_std() else { return };
            let _ = stream.write(&answer);
            let _ = stream.read(&mut [0; 4096]);
            return;
        };
        tokio::spawn(async move {
            let farewell = async {
                stream.write_all(&answer).await?;
                stream.shutdown().await?;
                let mut scratch = [0; 4096];
                let mut left = LINGER_MAX_BYTES;
                while left > 0 {
                    match stream.read(&mut scratch).await? {
                        0 => break,
                        read => left = left.saturating_sub(read),
                    }
                }
                io::Result::Ok(())
            };
            // A peer that is gone or slow has had its chance.
            let _ = tokio::time::timeout(LINGER, farewell).await;
            drop(place);
        });
    }
}

/// An answer as it stands on the wire, for connections that hyper never sees.
fn raw(answer: &CashierAnswer) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\nretry-after: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        answer.status,
        answer.retry_after_s.unwrap_or(1),
        answer.body.len()
    );
    [head.as_bytes(), &answer.body].concat()
}

fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// `ENOMEM`, `ENFILE`, `EMFILE`, `ENOBUFS`: passes as connections end.
fn out_of_resources(error: &io::Error) -> bool {
    const NUMBERS: [i32; 4] = [12, 23, 24, 105];
    error.kind() == io::ErrorKind::OutOfMemory || error.raw_os_error().is_some_and(|number| NUMBERS.contains(&number))
}
