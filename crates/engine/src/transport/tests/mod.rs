//! Real sockets of this machine for what becomes of a call; a resolver of our own for what may be dialled at all.

mod failures;
mod hostile;
mod limits;
mod tls;

use super::*;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A resolver that answers from a table, one answer after the other, and remembers what it was asked.
#[derive(Default)]
struct Table {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Table {
    fn with(name: &str, answers: &[&[&str]]) -> Arc<Self> {
        let table = Self::default();
        table.put(name, answers);
        Arc::new(table)
    }

    fn put(&self, name: &str, answers: &[&[&str]]) {
        let read = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        self.answers.lock().unwrap().insert(name.to_owned(), answers.iter().map(read).collect());
    }
}

impl Lookup for Table {
    fn addresses(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.get_mut(&name) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => Vec::new(),
        };
        self.asked.lock().unwrap().push(name);
        Box::pin(async move { Ok(answer) })
    }
}

fn sandbox() -> Transport {
    Transport::new(Environment::Sandbox, 1).unwrap()
}

fn post(url: &str) -> Outgoing<'_> {
    Outgoing {
        method: "POST",
        url,
        headers: &[("authorization", "Bearer canary-secret")],
        body: b"{\"canary\":1}".to_vec(),
        connect_ms: 2_000,
        answer_ms: 2_000,
        read_max_bytes: 1_024,
        guard: Guard::Merchant,
    }
}

/// A server that does with each connection what the test says; counts connections and the requests that were read.
struct Server {
    address: SocketAddr,
    url: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn start<F>(handle: F) -> Self
    where
        F: Fn(Peer) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, read) = (connections.clone(), requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(handle(Peer { stream, number, requests: read.clone() }));
            }
        });
        Self { address, url: format!("http://{address}/hook"), connections, requests }
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// One connection of a server.
struct Peer {
    stream: TcpStream,
    number: usize,
    requests: Arc<AtomicUsize>,
}

impl Peer {
    /// Reads one whole request; `None` when the client closed.
    async fn request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let n = self.stream.read(&mut buffer).await.ok()?;
            if n == 0 {
                return None;
            }
            bytes.extend_from_slice(&buffer[..n]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
                .map_or(0, |n| n.parse().unwrap());
            if body.len() >= length {
                self.requests.fetch_add(1, Ordering::SeqCst);
                return Some(text);
            }
        }
    }

    async fn answer(&mut self, text: &str) {
        // The client may be gone already; then nobody reads it.
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    async fn ok(&mut self) {
        self.answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    }

    /// Closes with a reset instead of an orderly end.
    fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}
