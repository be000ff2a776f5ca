//! The load generator: a small HTTP/1.1 client over plain sockets, so that it takes as little of the two cores as possible. Open
//! loop measures latency from the time a request was due, not from when there was room for it.

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testkit::client::{Client, bodies};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;

/// Connections of the open-loop run: enough that one is always free while the target keeps up.
const OPEN_CONNECTIONS: usize = 256;
/// How long a target is warmed up.
const WARM_UP: Duration = Duration::from_secs(2);
/// Where the load comes from: a host that is neither the provider's nor the sink's, because a platform counts connections by
/// host; and its network, as a reverse proxy's.
const FROM: ([u8; 4], u16) = ([127, 0, 0, 2], 0);
pub(crate) const PROXY: &str = "127.0.0.2/32";
/// Largest latency that is told apart, microseconds.
const LATENCY_MAX_US: u64 = 120_000_000;

/// What is asked.
pub(crate) struct Target {
    address: String,
    head: String,
    /// Each request has an idempotency key of its own.
    keyed: bool,
    body: Box<dyn Fn(u64) -> String + Send + Sync>,
    counter: AtomicU64,
    accepted: AtomicU64,
    /// 429 and 503 that say when to come back.
    refused: AtomicU64,
    /// Those that do not.
    bare_refused: AtomicU64,
}

impl Target {
    /// The platform's Cashier API: a PayOne pay-in.
    pub(crate) fn platform(client: &Client) -> Result<Arc<Self>> {
        let head = format!(
            "POST /v1/api/mozarto/cashier HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\nx-user-token: Bearer {}\r\n\
             content-type: application/json\r\n",
            client.company_token, client.user_token
        );
        let address = client.base.strip_prefix("http://").context("an http address")?;
        Ok(Self::new(address, head, Box::new(|_| bodies::payone("PAYIN", "100.00"))))
    }

    /// The same, each request with a key.
    pub(crate) fn platform_with_keys(client: &Client) -> Result<Arc<Self>> {
        let target = Arc::into_inner(Self::platform(client)?).context("a new target")?;
        Ok(Arc::new(Self { keyed: true, ..target }))
    }

    /// The simulator's route alone: what the provider itself takes.
    pub(crate) fn simulator(address: &str) -> Arc<Self> {
        let head = "POST /payone/api/deposit HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: payone-demo-key-0001\r\n\
                    content-type: application/json\r\n";
        let body = |number| super::floor::deposit(&format!("{number:024x}"), "http://127.0.0.1:9/callback");
        Self::new(address, head.to_owned(), Box::new(body))
    }

    /// The floor program.
    pub(crate) fn floor(address: &str) -> Arc<Self> {
        let head = format!(
            "POST /pay HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n",
            super::floor::token()
        );
        Self::new(address, head, Box::new(|_| bodies::payone("PAYIN", "100.00")))
    }

    fn new(address: &str, head: String, body: Box<dyn Fn(u64) -> String + Send + Sync>) -> Arc<Self> {
        let address = address.to_owned();
        Arc::new(Self {
            address,
            head,
            keyed: false,
            body,
            counter: AtomicU64::new(1),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            bare_refused: AtomicU64::new(0),
        })
    }

    /// How many requests were answered 200 so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// How many were refused by 429 or 503 so far: with `Retry-After`, and without.
    pub(crate) fn refused(&self) -> (u64, u64) {
        (self.refused.load(Ordering::Relaxed), self.bare_refused.load(Ordering::Relaxed))
    }

    async fn connect(&self) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(FROM.into())?;
        let to = self.address.parse().with_context(|| format!("{} is no address", self.address))?;
        let stream = socket.connect(to).await.with_context(|| format!("connecting to {}", self.address))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// One request; answers the HTTP status, and whether the connection may carry another.
    async fn ask(&self, stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(u16, bool)> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let body = (self.body)(number);
        let key = if self.keyed { format!("idempotency-key: bench-{number:032}\r\n") } else { String::new() };
        let request = format!("{}{key}content-length: {}\r\n\r\n{body}", self.head, body.len());
        stream.write_all(request.as_bytes()).await?;
        buffer.clear();
        loop {
            if stream.read_buf(buffer).await? == 0 {
                bail!("the connection was closed");
            }
            if let Some(Answer { status, says_when, stays_open }) = whole_answer(buffer) {
                let counter = match (status, says_when) {
                    (200, _) => Some(&self.accepted),
                    (429 | 503, true) => Some(&self.refused),
                    (429 | 503, false) => Some(&self.bare_refused),
                    _ => None,
                };
                counter.map(|counter| counter.fetch_add(1, Ordering::Relaxed));
                return Ok((status, stays_open));
            }
        }
    }
}

/// An answer's head, as far as it is looked at.
struct Answer {
    status: u16,
    /// There is a `Retry-After`.
    says_when: bool,
    /// There is no `Connection: close`.
    stays_open: bool,
}

/// Read once the whole answer is there.
fn whole_answer(buffer: &[u8]) -> Option<Answer> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&buffer[..end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length: usize = head
        .lines()
        .find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")))
        .and_then(|(_, value)| value.trim().parse().ok())?;
    let says_when = head.lines().any(|line| line.get(..12).is_some_and(|name| name.eq_ignore_ascii_case("retry-after:")));
    let stays_open = !head.lines().any(|line| line.eq_ignore_ascii_case("connection: close"));
    (buffer.len() >= end + 4 + length).then_some(Answer { status, says_when, stays_open })
}

/// What a run showed.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    /// Answers of any kind.
    pub(crate) answers: u64,
    /// Answers that were not 200.
    pub(crate) others: u64,
    /// Answers per second, hundredths.
    pub(crate) per_second: f64,
    /// Latencies, microseconds: p50, p90, p99, p99.9, largest.
    pub(crate) latency_us: [u64; 5],
}

impl Figures {
    fn of(histogram: &Histogram<u64>, others: u64, took: Duration) -> Self {
        let at = |quantile: f64| histogram.value_at_quantile(quantile);
        Self {
            answers: histogram.len(),
            others,
            per_second: count(histogram.len()) / took.as_secs_f64(),
            latency_us: [at(0.5), at(0.9), at(0.99), at(0.999), histogram.max()],
        }
    }
}

/// Whether the other side has closed a connection that nobody used for a while, as servers do. A client that keeps connections
/// looks before it uses one.
fn is_closed(stream: &TcpStream) -> bool {
    !matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// A count as a figure of the report.
#[expect(clippy::cast_precision_loss, reason = "a figure for people; no amount is touched")]
pub(crate) fn count(number: u64) -> f64 {
    number as f64
}

fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).context("a histogram")
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(LATENCY_MAX_US).clamp(1, LATENCY_MAX_US)
}

/// Lets caches, pools and prepared statements settle.
pub(crate) async fn warm_up(target: &Arc<Target>, connections: usize) -> Result<()> {
    closed_loop(target, connections, WARM_UP).await.map(|_| ())
}

/// As fast as it goes over so many connections.
pub(crate) async fn closed_loop(target: &Arc<Target>, connections: usize, length: Duration) -> Result<Figures> {
    let began = Instant::now();
    let until = began + length;
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let target = target.clone();
        tasks.push(tokio::spawn(async move {
            let mut stream = target.connect().await?;
            let mut buffer = Vec::with_capacity(4096);
            let mut latencies = histogram()?;
            let mut others = 0_u64;
            while Instant::now() < until {
                let sent = Instant::now();
                let answer = target.ask(&mut stream, &mut buffer).await;
                others += u64::from(!matches!(answer, Ok((200, _))));
                if !matches!(answer, Ok((_, true))) {
                    stream = target.connect().await?;
                }
                latencies.saturating_record(micros(sent.elapsed()));
            }
            anyhow::Ok((latencies, others))
        }));
    }
    let mut all = histogram()?;
    let mut others = 0_u64;
    for task in tasks {
        let (latencies, other) = task.await??;
        all.add(&latencies).context("adding histograms")?;
        others += other;
    }
    Ok(Figures::of(&all, others, began.elapsed()))
}

/// So many per second, whatever the target makes of it.
pub(crate) async fn open_loop(target: &Arc<Target>, rate: u64, length: Duration) -> Result<Figures> {
    let mut idle = Vec::new();
    for _ in 0..OPEN_CONNECTIONS {
        idle.push((target.connect().await?, Vec::with_capacity(4096)));
    }
    let idle = Arc::new(Mutex::new(idle));
    let shared = Arc::new(Mutex::new((histogram()?, 0_u64)));
    let began = Instant::now();
    let total = rate * length.as_secs();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..total {
        let due = began + Duration::from_nanos(number * 1_000_000_000 / rate);
        tokio::time::sleep_until(due.into()).await;
        while tasks.try_join_next().is_some() {}
        let (target, idle, shared) = (target.clone(), idle.clone(), shared.clone());
        tasks.spawn(async move {
            let taken = idle.lock().await.pop();
            let (mut stream, mut buffer) = match taken {
                Some(connection) if !is_closed(&connection.0) => connection,
                _ => match target.connect().await {
                    Ok(stream) => (stream, Vec::with_capacity(4096)),
                    Err(_) => return shared.lock().await.1 += 1,
                },
            };
            let answer = target.ask(&mut stream, &mut buffer).await;
            let took = micros(due.elapsed());
            let mut shared = shared.lock().await;
            shared.0.saturating_record(took);
            shared.1 += u64::from(!matches!(answer, Ok((200, _))));
            drop(shared);
            if matches!(answer, Ok((_, true))) {
                idle.lock().await.push((stream, buffer));
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    let shared = shared.lock().await;
    Ok(Figures::of(&shared.0, shared.1, began.elapsed()))
}
