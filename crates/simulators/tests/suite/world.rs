//! A running set of simulators with a receiver of their callbacks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode, Uri};
use mozarto_simulators::{Error, Settings};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Nothing in these tests takes longer than this.
const PATIENCE: Duration = Duration::from_secs(8);

/// A callback as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The local receiver of callbacks.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Received>>>,
    status: Arc<AtomicU16>,
    body: Arc<Mutex<BodyOf>>,
}

/// The content type and body that a received callback is answered with.
pub(crate) type BodyOf = fn(&Received) -> (&'static str, String);

type Kept = (Arc<Mutex<Vec<Received>>>, Arc<AtomicU16>, Arc<Mutex<BodyOf>>);
type Answer = (StatusCode, [(&'static str, &'static str); 1], String);

async fn receive(State((got, status, body_of)): State<Kept>, uri: Uri, headers: HeaderMap, body: Bytes) -> Answer {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let received = Received { path: uri.to_string(), headers, body };
    let (content_type, body) = body_of.lock().unwrap()(&received);
    got.lock().unwrap().push(received);
    (StatusCode::from_u16(status.load(Ordering::SeqCst)).unwrap(), [("content-type", content_type)], body)
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got: Arc<Mutex<Vec<Received>>> = Arc::default();
        let status = Arc::new(AtomicU16::new(200));
        let plain: BodyOf = |_| ("text/plain", String::new());
        let body = Arc::new(Mutex::new(plain));
        let kept = (Arc::clone(&got), Arc::clone(&status), Arc::clone(&body));
        let router = Router::new().fallback(receive).with_state(kept);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, got, status, body }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What the receiver answers beside the status.
    pub(crate) fn answer_body(&self, body_of: BodyOf) {
        *self.body.lock().unwrap() = body_of;
    }

    /// What arrived at a path so far.
    pub(crate) fn at(&self, path: &str) -> Vec<Received> {
        let wanted = format!("/{path}");
        self.got.lock().unwrap().iter().filter(|received| received.path == wanted).cloned().collect()
    }

    /// What arrived so far at paths that begin so.
    pub(crate) fn begun_with(&self, beginning: &str) -> Vec<Received> {
        let wanted = format!("/{beginning}");
        self.got.lock().unwrap().iter().filter(|received| received.path.starts_with(&wanted)).cloned().collect()
    }

    /// Waits for `count` callbacks at a path, and sees that no more come.
    pub(crate) async fn exactly(&self, path: &str, count: usize) -> Vec<Received> {
        eventually(|| async { (self.at(path).len() >= count).then_some(()) }).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        let got = self.at(path);
        assert_eq!(got.len(), count, "{got:?}");
        got
    }
}

/// The simulators with their data directory.
pub(crate) struct World {
    pub(crate) receiver: Receiver,
    pub(crate) client: reqwest::Client,
    pub(crate) address: SocketAddr,
    data: tempfile::TempDir,
    auto_settle_ms: Option<u64>,
    time_scale: u32,
    stop: CancellationToken,
    running: JoinHandle<Result<(), Error>>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(60, None).await
    }

    pub(crate) async fn with(time_scale: u32, auto_settle_ms: Option<u64>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (address, running) = launch(data.path(), time_scale, auto_settle_ms, &stop).await;
        let client =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE).build().unwrap();
        let receiver = Receiver::start().await;
        Self { receiver, client, address, data, auto_settle_ms, time_scale, stop, running }
    }

    /// Drops everything in mid-flight and starts again on the same data.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.running.abort();
        assert!((&mut self.running).await.unwrap_err().is_cancelled());
        self.stop = CancellationToken::new();
        (self.address, self.running) = launch(self.data.path(), self.time_scale, self.auto_settle_ms, &self.stop).await;
    }

    /// Stops in good order; the error of the server, if any.
    pub(crate) async fn stop(self) -> Result<(), Error> {
        self.stop.cancel();
        self.running.await.unwrap()
    }

    /// Every file of the data directory, read whole.
    pub(crate) fn kept_bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.data.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.client.put(self.url(path)).body(body.to_string())).await
    }

    pub(crate) async fn post(&self, path: &str) -> (u16, Value) {
        answer(self.client.post(self.url(path))).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(self.url(path))).await
    }

    /// Presses a control outcome and expects it to be possible.
    pub(crate) async fn press(&self, provider: &str, reference: &str, outcome: &str) -> Value {
        let (status, body) = self.post(&format!("/control/{provider}/{reference}/{outcome}")).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    pub(crate) async fn settings(&self, provider: &str, body: Value) {
        let (status, answer) = self.put(&format!("/control/{provider}/settings"), body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// The ledger's entries of one reference.
    pub(crate) async fn ledger(&self, provider: &str, reference: &str) -> Vec<Value> {
        let (status, body) = self.get(&format!("/control/{provider}/ledger?reference={reference}")).await;
        assert_eq!(status, 200);
        body["transfers"].as_array().unwrap().clone()
    }

    /// Waits until the one ledger entry of a reference has a state.
    pub(crate) async fn ledger_is(&self, provider: &str, reference: &str, state: &str) -> Value {
        eventually(|| async {
            let entries = self.ledger(provider, reference).await;
            assert!(entries.len() <= 1, "{entries:?}");
            entries.into_iter().find(|entry| entry["state"] == state)
        })
        .await
    }

    /// Waits until a reference is in a state.
    pub(crate) async fn state_is(&self, provider: &str, reference: &str, state: &str) {
        let path = format!("/control/{provider}/{reference}");
        eventually(|| async { (self.get(&path).await.1["state"] == state).then_some(()) }).await;
    }

    /// Submits a page's form; the status and where it leads.
    pub(crate) async fn submit(&self, page: &str, fields: &str) -> (u16, String) {
        let answer = self
            .client
            .post(page)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(fields.to_owned())
            .send()
            .await
            .unwrap();
        let location = answer.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location.unwrap_or_default())
    }
}

async fn launch(
    data: &std::path::Path,
    time_scale: u32,
    auto_settle_ms: Option<u64>,
    stop: &CancellationToken,
) -> (SocketAddr, JoinHandle<Result<(), Error>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings { data: data.to_owned(), auto_settle_ms, time_scale };
    (address, tokio::spawn(mozarto_simulators::serve(listener, settings, stop.clone())))
}

/// Sends a request; status and JSON (`null` for an empty or other body).
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(json!(null)))
}

/// Sends a request whose answer is expected to break; whether a head came before it broke.
pub(crate) async fn broken(request: reqwest::RequestBuilder) -> bool {
    match request.send().await {
        Err(error) => {
            assert!(!error.is_timeout(), "{error:?}");
            false
        }
        Ok(mut answer) => {
            assert_eq!(answer.status().as_u16(), 200);
            let mut first = Vec::new();
            let error = loop {
                match answer.chunk().await {
                    Ok(Some(chunk)) => first.extend_from_slice(&chunk),
                    Ok(None) => panic!("the answer was not cut: {first:?}"),
                    Err(error) => break error,
                }
            };
            assert!(!error.is_timeout(), "{error:?}");
            assert!(!first.is_empty() && serde_json::from_slice::<Value>(&first).is_err(), "{first:?}");
            true
        }
    }
}

/// Asks again until there is an answer.
pub(crate) async fn eventually<T, F, Fut>(mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "it did not come to pass");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
