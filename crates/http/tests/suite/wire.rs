//! A client that can do what no well-behaved one does, and a small server to do it to.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::CashierAnswer;
use mozarto_http::{Error, Limits, body, edge, reply};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) ended: JoinHandle<Result<(), Error>>,
}

impl Server {
    /// Serves a router inside the edge.
    pub(crate) fn start(router: Router, limits: Limits) -> Self {
        Self::start_whole(edge::around(router, &limits), limits)
    }

    /// Serves a router that has its edge.
    pub(crate) fn start_whole(router: Router, limits: Limits) -> Self {
        let listener = mozarto_http::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let ended = tokio::spawn(mozarto_http::serve(listener, router, limits, stop.clone()));
        Self { address, stop, ended }
    }

    pub(crate) async fn connect(&self) -> Peer {
        Peer(TcpStream::connect(self.address).await.unwrap())
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        let mut peer = self.connect().await;
        peer.send(request.as_bytes()).await;
        peer.answer().await.expect("an answer")
    }
}

/// A router that answers at once, slowly, never, by panicking, or with the length of the body.
pub(crate) fn small_router() -> Router {
    Router::new()
        .route("/now", get(async || "now"))
        .route(
            "/slow",
            get(async || {
                tokio::time::sleep(Duration::from_millis(700)).await;
                "slow"
            }),
        )
        .route("/never", get(std::future::pending::<Response>))
        .route("/panic", get(async || -> Response { panic!("a planted panic with a secret: hunter2") }))
        .route("/read", post(read))
        .fallback(async || reply::response(CashierAnswer::not_found()))
        .method_not_allowed_fallback(async || reply::response(reply::method_not_allowed()))
}

async fn read(request: Request<Body>) -> Response {
    match body::read(request.into_body()).await {
        Ok(bytes) => bytes.len().to_string().into_response(),
        Err(refused) => refused.into_response(),
    }
}

/// The client's end of a connection.
pub(crate) struct Peer(pub(crate) TcpStream);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Peer {
    /// Sends; a server that has hung up is no failure of the test.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// The next answer; `None` when the connection ends before one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.read_answer()).await.expect("the server answers or hangs up in time")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1)?.parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.ok()?;
        answer.body = String::from_utf8(body).unwrap();
        Some(answer)
    }

    /// Waits until the server hangs up; what it still sends is thrown away.
    pub(crate) async fn hung_up(&mut self) {
        let mut rest = Vec::new();
        // A reset is as good as an end.
        let _ = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("the server hangs up in time");
    }
}
