//! A merchant's endpoint on this machine, which answers as the test says.

use futures::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A webhook as it came in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(super) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(super) fn sequence(&self) -> i64 {
        self.header("webhook-sequence").parse().unwrap()
    }

    pub(super) fn transaction(&self) -> String {
        let body = domain::Json::parse(self.body.as_bytes()).unwrap();
        body.str_at("transaction_id").unwrap().to_owned()
    }
}

/// What it does.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Answers with that status and further header lines (each with its end) and body.
    With(u16, String, String),
    /// The same, after a while.
    Slowly(Duration, u16),
    /// Breaks the connection once the request was read.
    Reset,
    /// Never answers.
    Hang,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self::With(status, String::new(), "seen".to_owned())
    }
}

pub(super) struct Receiver {
    pub(super) url: String,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
}

type Answer = dyn Fn(&Seen) -> Reply + Send + Sync;

impl Receiver {
    pub(super) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept): (Arc<Answer>, _) = (Arc::new(answer), seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), kept.clone()));
            }
        });
        Self { url, seen }
    }

    pub(super) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(super) fn all(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answer: Arc<Answer>, seen: Arc<Mutex<Vec<Seen>>>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let mut buffer = Vec::new();
        while let Some(request) = read(&mut stream, &mut buffer).await {
            let reply = answer(&request);
            seen.lock().unwrap().push(request);
            let (status, headers, body) = match reply {
                Reply::With(status, headers, body) => (status, headers, body),
                Reply::Slowly(wait, status) => {
                    tokio::time::sleep(wait).await;
                    (status, String::new(), String::new())
                }
                Reply::Reset => {
                    stream.set_zero_linger().unwrap();
                    return;
                }
                Reply::Hang => std::future::pending().await,
            };
            let text = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    })
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let headers: HashMap<String, String> = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length: usize = headers.get("content-length").map_or(0, |n| n.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let body = String::from_utf8(buffer[end + 4..end + 4 + length].to_vec()).unwrap();
                buffer.drain(..end + 4 + length);
                return Some(Seen { headers, body });
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => buffer.extend_from_slice(&chunk[..n]),
        }
    }
}
