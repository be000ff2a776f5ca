//! A merchant's webhook endpoint that keeps everything and verifies with code of its own.

use anyhow::{Context, Result};
use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A webhook as it came in.
#[derive(Debug, Clone)]
pub struct Received {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-sequence`.
    pub sequence: u64,
    /// The bearer and the signature are right.
    pub verified: bool,
    /// The document.
    pub body: Value,
    /// Header names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub bytes: Vec<u8>,
    /// When.
    pub at: SystemTime,
}

impl Received {
    /// The value of a header; `""` where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether it verifies with this signing secret.
    pub fn verifies_with(&self, secret: &str) -> bool {
        verifies(secret, &self.id, self.header("webhook-timestamp"), self.header("webhook-signature"), &self.bytes)
    }
}

/// The endpoint. It answers 200 as long as the process lives, unless it is told to answer otherwise.
#[derive(Debug, Clone)]
pub struct Sink {
    /// Where it listens.
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    status: Arc<AtomicU16>,
    held: Arc<AtomicBool>,
}

struct Shared {
    status: Arc<AtomicU16>,
    held: Arc<AtomicBool>,
    signing_secret: String,
    bearer: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Sink {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(signing_secret: &str, bearer: &str) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("listening")?;
        let url = format!("http://{}/webhook", listener.local_addr()?);
        let received = Arc::new(Mutex::new(Vec::new()));
        let status = Arc::new(AtomicU16::new(200));
        let held = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            status: status.clone(),
            held: held.clone(),
            signing_secret: signing_secret.to_owned(),
            bearer: bearer.to_owned(),
            received: received.clone(),
        });
        let router = Router::new().route("/webhook", post(take)).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, received, status, held })
    }

    /// Answers nobody until it is let go again; what comes is kept all the same.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
    }

    /// Answers with this status from now on; what comes is kept all the same.
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// All that came so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What came about one transaction.
    pub fn about(&self, transaction_id: &str) -> Vec<Received> {
        self.received().into_iter().filter(|one| one.body["transaction_id"] == transaction_id).collect()
    }

    /// Waits until `count` webhooks about the transaction are here.
    ///
    /// # Errors
    /// When they are not within the limit.
    pub async fn wait_for(&self, transaction_id: &str, count: usize, limit: Duration) -> Result<Vec<Received>> {
        let until = tokio::time::Instant::now() + limit;
        loop {
            let about = self.about(transaction_id);
            if about.len() >= count {
                return Ok(about);
            }
            if tokio::time::Instant::now() > until {
                anyhow::bail!("{} of {count} webhooks about {transaction_id} after {limit:?}", about.len());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let verified = text("authorization") == format!("Bearer {}", shared.bearer)
        && verifies(&shared.signing_secret, &text("webhook-id"), &text("webhook-timestamp"), &text("webhook-signature"), &body);
    let received = Received {
        id: text("webhook-id"),
        sequence: text("webhook-sequence").parse().unwrap_or_default(),
        verified,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        headers: headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        bytes: body.to_vec(),
        at: SystemTime::now(),
    };
    shared.received.lock().unwrap_or_else(PoisonError::into_inner).push(received);
    while shared.held.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (StatusCode::from_u16(shared.status.load(Ordering::SeqCst)).unwrap_or(StatusCode::OK), "ok")
}

/// Whether one of the signatures in the header is that of `id.timestamp.body`, and the timestamp is of these five minutes.
pub fn verifies(secret: &str, id: &str, timestamp: &str, signatures: &str, body: &[u8]) -> bool {
    let Some(key) = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok()) else { return false };
    let Ok(sent_s) = timestamp.parse::<u64>() else { return false };
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default();
    if now_s.abs_diff(sent_s) > 300 {
        return false;
    }
    let mut message = format!("{id}.{timestamp}.").into_bytes();
    message.extend_from_slice(body);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    signatures
        .split(' ')
        .filter_map(|one| one.strip_prefix("v1,"))
        .any(|one| STANDARD.decode(one).is_ok_and(|signature| hmac::verify(&key, &message, &signature).is_ok()))
}
