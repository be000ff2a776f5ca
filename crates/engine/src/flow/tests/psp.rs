//! A PayOne that does what a test says: takes what it is sent, holds its answers back, keeps silent, knows a status or nothing.

use domain::Json;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The account's key.
pub(super) const KEY: &str = "payone-key-of-a-test";

#[derive(Clone)]
pub(super) struct Psp {
    pub(super) url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// `POST /api/deposit` and so on, in order.
    calls: Mutex<Vec<String>>,
    /// By our reference: what it was sent.
    orders: Mutex<HashMap<String, Json>>,
    /// What an inquiry finds; `None`: nothing.
    word: Mutex<Option<&'static str>>,
    /// Inquiries are not answered: the connection is closed.
    silent: AtomicBool,
    /// Inquiries find another amount.
    contradicting: AtomicBool,
    /// Creating calls wait for their answers.
    holding: AtomicBool,
    /// Creating calls are refused, readably.
    refusing: AtomicBool,
    /// Creating calls are not answered: the connection is closed.
    breaking: AtomicBool,
}

impl Psp {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State { word: Mutex::new(Some("Pending")), ..State::default() });
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { url, state }
    }

    /// What inquiries find from now on.
    pub(super) fn knows(&self, word: Option<&'static str>) {
        *self.state.word.lock().unwrap() = word;
    }

    pub(super) fn keeps_silent(&self, silent: bool) {
        self.state.silent.store(silent, Ordering::SeqCst);
    }

    pub(super) fn contradicts(&self, contradicting: bool) {
        self.state.contradicting.store(contradicting, Ordering::SeqCst);
    }

    pub(super) fn holds_back(&self, holding: bool) {
        self.state.holding.store(holding, Ordering::SeqCst);
    }

    pub(super) fn refuses(&self, refusing: bool) {
        self.state.refusing.store(refusing, Ordering::SeqCst);
    }

    pub(super) fn breaks(&self, breaking: bool) {
        self.state.breaking.store(breaking, Ordering::SeqCst);
    }

    /// Our references that it was sent.
    pub(super) fn references(&self) -> Vec<String> {
        self.state.orders.lock().unwrap().keys().cloned().collect()
    }

    /// How many calls began with this.
    pub(super) fn count(&self, begin: &str) -> usize {
        self.state.calls.lock().unwrap().iter().filter(|call| call.starts_with(begin)).count()
    }

    /// The token of the callback address that it was given last.
    pub(super) fn callback_token(&self) -> String {
        let orders = self.state.orders.lock().unwrap();
        let order = orders.values().next().expect("an order");
        order.str_at("callbackUrl").unwrap().rsplit('/').next().unwrap().to_owned()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut read = Vec::new();
    loop {
        let Some((line, body)) = request(&mut stream, &mut read).await else { return };
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        state.calls.lock().unwrap().push(line.trim_end_matches(" HTTP/1.1").to_owned());
        let (status, answer) = if line.starts_with("POST") { created(&state, &path, &body).await } else { found(&state, &path) };
        if status == 0 {
            return;
        }
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        if stream.write_all(format!("{head}{answer}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn created(state: &State, path: &str, body: &[u8]) -> (u16, String) {
    let order = Json::parse(body).unwrap();
    let mut kept = order.clone();
    kept.set("type", Json::text(if path == "/api/withdraw" { "withdraw" } else { "deposit" }));
    state.orders.lock().unwrap().insert(order.str_at("referenceId").unwrap().to_owned(), kept);
    while state.holding.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    if state.breaking.load(Ordering::SeqCst) {
        return (0, String::new());
    }
    if state.refusing.load(Ordering::SeqCst) {
        return (400, r#"{"success":false,"error":"Merchant is blocked"}"#.to_owned());
    }
    let answer = if path == "/api/withdraw" {
        format!(r#"{{"success":true,"message":"ok","withdraw":{}}}"#, order.to_text())
    } else {
        r#"{"success":true,"message":"ok","redirect_url":"https://demo.payonepayment.com/webflow-payment/HS1/tok"}"#.to_owned()
    };
    (200, answer)
}

fn found(state: &State, path: &str) -> (u16, String) {
    if state.silent.load(Ordering::SeqCst) {
        return (0, String::new());
    }
    let orders = state.orders.lock().unwrap();
    let reference = path.split("referenceId=").nth(1).unwrap_or_default();
    // A callback's own id: there is one order in a test.
    let order = orders.get(reference).or_else(|| orders.values().next().filter(|_| reference.is_empty()));
    let (Some(order), Some(word)) = (order, *state.word.lock().unwrap()) else {
        return (404, r#"{"success":false,"error":"Transaction not found"}"#.to_owned());
    };
    let text = |name: &str| order.str_at(name).unwrap_or_default().to_owned();
    let record = [
        ("transactionId", "HS1".to_owned()),
        ("referenceId", text("referenceId")),
        ("userId", text("userId")),
        ("amount", if state.contradicting.load(Ordering::SeqCst) { "1.00".to_owned() } else { text("amount") }),
        ("currency", text("currency")),
        ("type", text("type")),
        ("status", word.to_owned()),
        ("message", word.to_owned()),
    ];
    (200, Json::object(record.map(|(name, text)| (name, Json::text(text)))).to_text())
}

/// The next request's first line and body; `None` at the end of the connection.
pub(super) async fn request(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap()));
            let whole = end + 4 + length.unwrap_or(0_usize);
            if read.len() >= whole {
                let body = read[end + 4..whole].to_vec();
                read.drain(..whole);
                return Some((head.lines().next()?.to_owned(), body));
            }
        }
        let mut buffer = [0; 4096];
        let got = stream.read(&mut buffer).await.ok().filter(|got| *got > 0)?;
        read.extend_from_slice(&buffer[..got]);
    }
}
