//! Stands between the platform and a simulator and writes down, byte for byte, what each sends the other: whole answers, cut
//! ones, and none at all.

use anyhow::{Context, Result};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Headers that belong to the connection, not to what is said.
const OF_THE_CONNECTION: [&str; 5] = ["host", "content-length", "connection", "date", "transfer-encoding"];
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
const END_OF_CHUNKS: &[u8] = b"0\r\n\r\n";

/// A request with what came back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exchange {
    pub(crate) request: Vec<u8>,
    /// As far as it came before the connection was closed.
    pub(crate) reply: Vec<u8>,
}

/// The recorder of one simulator process.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    /// Where it listens, `http://127.0.0.1:...`.
    pub(crate) base: String,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Recorder {
    /// Listens, and passes on to `upstream` (`http://host:port`); `own_address`: whose pages and further addresses are then here,
    /// for platforms that follow only those of the address that they called.
    pub(crate) async fn start(upstream: &str, own_address: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let upstream = upstream.strip_prefix("http://").context("an address of this machine")?.to_owned();
        let host = if own_address { listener.local_addr()?.to_string() } else { upstream.clone() };
        let recorder = Self { base, exchanges: Arc::default() };
        let exchanges = recorder.exchanges.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(stream, upstream.clone(), host.clone(), exchanges.clone()));
            }
        });
        Ok(recorder)
    }

    /// How many there were so far.
    pub(crate) fn count(&self) -> usize {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Those after the first `from`.
    pub(crate) fn since(&self, from: usize) -> Vec<Exchange> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)[from..].to_vec()
    }
}

/// One connection: request after request, each over a connection of its own to the simulator.
async fn pass_on(mut stream: TcpStream, upstream: String, host: String, exchanges: Arc<Mutex<Vec<Exchange>>>) {
    let mut read = Vec::new();
    while let Some(request) = message(&mut stream, &mut read, |_| {}).await {
        let at = {
            let mut all = exchanges.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(Exchange { request: request.clone(), reply: Vec::new() });
            all.len() - 1
        };
        let Ok(mut upstream) = TcpStream::connect(&upstream).await else { return };
        if upstream.write_all(&addressed(&request, &host)).await.is_err() {
            return;
        }
        let note = |part: &[u8]| exchanges.lock().unwrap_or_else(PoisonError::into_inner)[at].reply.extend_from_slice(part);
        let mut rest = Vec::new();
        let mut gone = [0; 1];
        let reply = tokio::select! {
            reply = message(&mut upstream, &mut rest, note) => reply,
            // The platform has waited long enough.
            _ = stream.read(&mut gone) => return,
        };
        // What was cut is cut here too.
        let whole = reply.is_some();
        let sent = exchanges.lock().unwrap_or_else(PoisonError::into_inner)[at].reply.clone();
        if stream.write_all(&sent).await.is_err() || !whole {
            return;
        }
    }
}

/// The request with that address as its host: where pages will be.
fn addressed(request: &[u8], host: &str) -> Vec<u8> {
    let (head, body) = split(request);
    let mut lines: Vec<String> =
        head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("host:")).map(str::to_owned).collect();
    lines.insert(1, format!("host: {host}"));
    let mut all = lines.join("\r\n").into_bytes();
    all.extend_from_slice(END_OF_HEAD);
    all.extend_from_slice(body);
    all
}

/// The next whole message of a connection, every piece of which is told as it comes; `None`: it ended before.
async fn message(stream: &mut TcpStream, read: &mut Vec<u8>, tell: impl Fn(&[u8])) -> Option<Vec<u8>> {
    tell(read);
    loop {
        if let Some(end) = length(read) {
            return Some(read.drain(..end).collect());
        }
        let mut buffer = vec![0; 16_384];
        let got = stream.read(&mut buffer).await.ok().filter(|got| *got > 0)?;
        tell(&buffer[..got]);
        read.extend_from_slice(&buffer[..got]);
    }
}

/// How long the message is, once it is whole.
fn length(read: &[u8]) -> Option<usize> {
    let head = position(read, END_OF_HEAD)? + END_OF_HEAD.len();
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    if text.contains("transfer-encoding: chunked") {
        return position(&read[head..], END_OF_CHUNKS).map(|end| head + end + END_OF_CHUNKS.len());
    }
    let body = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    Some(head + body.unwrap_or_default()).filter(|end| *end <= read.len())
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// First line and headers, and the body.
pub(crate) fn split(message: &[u8]) -> (String, &[u8]) {
    let end = position(message, END_OF_HEAD).unwrap_or(message.len());
    let body = message.get(end + END_OF_HEAD.len()..).unwrap_or_default();
    (String::from_utf8_lossy(&message[..end]).into_owned(), body)
}

/// The message as a transcript shows it: first line, what the headers say, an empty line, the body.
pub(crate) fn shown(message: &[u8]) -> String {
    let (head, body) = split(message);
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default().replace(" HTTP/1.1", "").replace("HTTP/1.1 ", "");
    let name = |line: &&str| line.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let headers = lines.filter(|line| !OF_THE_CONNECTION.contains(&name(line).as_str())).map(|line| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        format!("{}:{value}", name.to_ascii_lowercase())
    });
    let mut all: Vec<String> = headers.collect();
    all.sort();
    all.insert(0, first);
    if !body.is_empty() {
        all.push(String::new());
        all.push(body_shown(body));
    }
    all.join("\n")
}

/// Text as it is, anything else by its bytes.
fn body_shown(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).unwrap_or_else(|_| body.escape_ascii().to_string())
}
