//! The outgoing network: one client for providers, webhooks and User Auth URLs, that says precisely what became of a call.
//!
//! * Redirects, proxies and retries are off: one [`Outgoing`] is one request to one address that was looked at.
//! * HTTP/1.1 only: a connection carries one request at a time, so that its end tells about that request alone.
//! * `guard` and `resolver` decide what may be dialled; `connector` keeps the time limits.
//! * Nobody is asked for compressed answers; who sends one all the same is understood, within the same limit (`packed`).
//!
//! **Never twice.** The client library underneath (hyper-util's pooled client) sends a request again on its own when a pooled
//! connection turns out to be closed; the client that we use has no switch for it. Reading it shows that this is safe: it happens
//! only when the connection hands the request back unread - hyper returns the message only if its connection task never took it
//! from the queue, so that not one byte of it was written. Once taken, an error carries no message, nothing is repeated, and we
//! answer [`Failure::Broken`]. The tests of this module hold it to that: servers that read a request on a reused connection and
//! close it see it once. The library's other retries (of HTTP/2 refusals) are switched off.
//!
//! **Architecture invariant:** the failures that mean "certainly nothing was sent" come from the connector alone.

mod connector;
pub mod guard;
pub mod packed;
mod resolver;
#[cfg(test)]
mod tests;

use self::connector::{ConnectLayer, EXCHANGE, Exchange, find};
use self::guard::Policy;
pub use self::resolver::{Lookup, SystemLookup};
use self::resolver::{NotConnected, VettingResolver};
use domain::Json;
use domain::urls::Environment;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Idle connections are closed after this long: below the shortest idle limit that is common among servers (5 s), so that a
/// request seldom meets a connection that its server is just closing, which would make its fate unknown.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Idle connections kept per host.
const POOL_IDLE_PER_HOST: usize = 64;
/// Largest answer of a User Auth URL that is read, bytes.
const JSON_ANSWER_MAX_BYTES: usize = 64 * 1024;

/// A call to be made.
#[derive(Clone)]
pub struct Outgoing<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Absolute URL.
    pub url: &'a str,
    /// Header names and values; the values may be secret.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; empty: none.
    pub body: Vec<u8>,
    /// Limit of name resolution, connecting and TLS together, milliseconds as written (the time scale is applied here).
    pub connect_ms: i64,
    /// Limit from the connection to the end of the answer, milliseconds as written.
    pub answer_ms: i64,
    /// How much of the answer's body is read, bytes.
    pub read_max_bytes: usize,
    /// Whose address it is.
    pub guard: Guard,
}

impl std::fmt::Debug for Outgoing<'_> {
    /// Method and sizes only: URLs, headers and bodies hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").field("method", &self.method).field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// Whose address is called. Both are held to the same ranges: the public internet, in the sandbox also this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// A merchant's (webhook, User Auth URL): plain http only to this machine.
    Merchant,
    /// A provider's base address, set by the operator or an owner.
    Provider,
}

/// An answer.
#[derive(Clone)]
pub struct Incoming {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case; values that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether there was more of it than was to be read.
    pub truncated: bool,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("status", &self.status).field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Incoming {
    /// The value of a header, named in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The name has no address. Certainly nothing was sent.
    Dns,
    /// The address guard refused. Certainly nothing was sent.
    RefusedAddress,
    /// No connection (refused, unreachable, reset before it stood). Certainly nothing was sent.
    Connect,
    /// No connection in its time. Certainly nothing was sent.
    ConnectTimeout,
    /// The peer's TLS was refused, or the handshake failed. Certainly nothing was sent.
    Tls,
    /// No complete answer in its time: the request may have arrived.
    Timeout,
    /// The head of the answer is too large to be read: the request has arrived.
    TooLarge,
    /// The connection broke, or the answer is not HTTP: the request may have arrived.
    Broken,
}

impl Failure {
    /// Whether certainly nothing was sent.
    pub const fn nothing_sent(self) -> bool {
        matches!(self, Self::Dns | Self::RefusedAddress | Self::Connect | Self::ConnectTimeout | Self::Tls)
    }

    /// The word of the closed list of delivery failures (webhooks "The target").
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::RefusedAddress => "refused_address",
            Self::Connect | Self::ConnectTimeout => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Broken => "broken",
        }
    }
}

/// The outgoing network.
#[derive(Clone)]
pub struct Transport {
    client: reqwest::Client,
    policy: Policy,
    scale: u32,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("policy", &self.policy).field("scale", &self.scale).finish_non_exhaustive()
    }
}

impl Transport {
    /// The network of this environment; limits are divided by `scale`.
    ///
    /// # Errors
    /// A sentence for the operator when the system has no certificates to check peers with, or no client can be made.
    pub fn new(environment: Environment, scale: u32) -> Result<Self, String> {
        Self::with_lookup(environment, scale, Arc::new(SystemLookup))
    }

    /// Like [`Transport::new`], with another resolver behind the guard.
    ///
    /// # Errors
    /// As [`Transport::new`].
    pub fn with_lookup(environment: Environment, scale: u32, lookup: Arc<dyn Lookup>) -> Result<Self, String> {
        let policy = Policy::of(environment);
        let client = match client(policy, lookup.clone(), Trust::System) {
            Ok(client) => client,
            // A sandbox in a bare container has no certificates, and calls nobody but this machine: it starts, and every https
            // peer is refused.
            Err(error) if environment == Environment::Sandbox => {
                tracing::warn!("no system certificates: https peers will be refused ({error})");
                client(policy, lookup, Trust::Nobody)?
            }
            Err(error) => return Err(error),
        };
        Ok(Self { client, policy, scale: scale.max(1) })
    }

    /// Makes the call, once.
    ///
    /// # Errors
    /// [`Failure`] when there is no complete answer. An answer longer than `read_max_bytes` is an answer, cut and marked as such.
    pub async fn send(&self, outgoing: Outgoing<'_>) -> Result<Incoming, Failure> {
        match self.exchange(outgoing, None).await? {
            (incoming, None) => Ok(incoming),
            (_, Some(failure)) => Err(failure),
        }
    }

    /// [`send`](Self::send), for providers: an answer that breaks off after its first bytes is what came of it. Its status
    /// counts, and the cut text is an unreadable body: every format that providers speak ends with a sign of its end.
    ///
    /// # Errors
    /// [`Failure`] when nothing of a body came, or not all of it in time.
    pub(crate) async fn send_to_provider(&self, outgoing: Outgoing<'_>) -> Result<Incoming, Failure> {
        match self.exchange(outgoing, None).await? {
            (incoming, None) => Ok(incoming),
            (incoming, Some(Failure::Broken)) if !incoming.body.is_empty() => Ok(incoming),
            (_, Some(failure)) => Err(failure),
        }
    }

    /// Makes the call, once, for the sake of its status: what of the body does not come in time, or breaks off, is left out.
    /// Everything, connecting included, ends `total_ms` after the start.
    ///
    /// # Errors
    /// [`Failure`] when there is no status.
    pub(crate) async fn send_for_status(&self, outgoing: Outgoing<'_>, total_ms: i64) -> Result<Incoming, Failure> {
        let total = self.scaled(total_ms);
        self.exchange(outgoing, Some(total)).await.map(|(incoming, _)| incoming)
    }

    /// Posts JSON to a merchant's URL; everything ends `limit_ms` (as written) after the start.
    ///
    /// # Errors
    /// [`Failure`] when there is no complete answer.
    pub async fn post_json(&self, url: &str, headers: &[(&str, &str)], body: &Json, limit_ms: i64) -> Result<Incoming, Failure> {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        let outgoing = Outgoing {
            method: "POST",
            url,
            headers: &all,
            body: body.to_text().into_bytes(),
            connect_ms: limit_ms,
            answer_ms: limit_ms,
            read_max_bytes: JSON_ANSWER_MAX_BYTES,
            guard: Guard::Merchant,
        };
        match self.exchange(outgoing, Some(self.scaled(limit_ms))).await? {
            (incoming, None) => Ok(incoming),
            (_, Some(failure)) => Err(failure),
        }
    }

    /// Looks at a URL when it is saved: all that can be seen without resolving its name.
    ///
    /// # Errors
    /// [`Failure::RefusedAddress`].
    pub fn check_address(&self, url: &str) -> Result<(), Failure> {
        self.policy.check_url(url).map(|_| ()).ok_or(Failure::RefusedAddress)
    }

    fn scaled(&self, written_ms: i64) -> Duration {
        let written = u64::try_from(written_ms).unwrap_or_default();
        Duration::from_millis((written / u64::from(self.scale)).max(1))
    }

    /// The answer, and what its body broke off with.
    async fn exchange(&self, outgoing: Outgoing<'_>, total: Option<Duration>) -> Result<(Incoming, Option<Failure>), Failure> {
        // Wiped when the connection is through with it, or where none comes about: it may hold a card.
        let body = Zeroizing::new(outgoing.body);
        let url = self.policy.check_url(outgoing.url).ok_or(Failure::RefusedAddress)?;
        if outgoing.guard == Guard::Merchant && url.scheme() == "http" && !domain::urls::is_loopback(&url) {
            return Err(Failure::RefusedAddress);
        }
        let method = reqwest::Method::from_bytes(outgoing.method.as_bytes()).map_err(|_| unsendable("method"))?;
        let headers = header_map(outgoing.headers).ok_or_else(|| unsendable("header"))?;
        let mut request = self.client.request(method, url).headers(headers);
        if !body.is_empty() {
            request = request.body(bytes::Bytes::from_owner(body));
        }
        let (exchange, mut deadline) = Exchange::begin(self.scaled(outgoing.connect_ms), self.scaled(outgoing.answer_ms), total);
        let head = EXCHANGE.scope(exchange, request.send());
        let response = match until(&mut deadline, head).await {
            Some(Ok(response)) => response,
            Some(Err(error)) => return Err(why_no_answer(&error)),
            None => return Err(Failure::Timeout),
        };
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let mut incoming = Incoming { status, headers, body: Vec::new(), truncated: false };
        let body = read_body(response, &mut incoming, outgoing.read_max_bytes);
        let broke_off = match until(&mut deadline, body).await {
            Some(Ok(())) => None,
            Some(Err(failure)) => Some(failure),
            None => Some(Failure::Timeout),
        };
        // One that is not whole cannot be inflated to its end: it is not what it says, and stays as it is.
        if broke_off.is_none() && !incoming.truncated {
            let encoding = packed::named(&incoming.headers);
            let packed = std::mem::take(&mut incoming.body);
            (incoming.body, incoming.truncated) = packed::unpack(&encoding, packed, outgoing.read_max_bytes);
        }
        Ok((incoming, broke_off))
    }
}

/// Whom TLS trusts.
enum Trust {
    System,
    Nobody,
}

fn client(policy: Policy, lookup: Arc<dyn Lookup>, trust: Trust) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .http1_only()
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .user_agent(concat!("mozarto/", env!("CARGO_PKG_VERSION")))
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_IDLE_PER_HOST)
        .dns_resolver(Arc::new(VettingResolver { lookup, policy }))
        .connector_layer(ConnectLayer);
    if let Trust::Nobody = trust {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error} {cause}")
    })
}

/// A call that cannot even be written down as HTTP. Nothing is sent, and nothing of it is logged: the value may be the secret.
fn unsendable(what: &str) -> Failure {
    tracing::error!("an outgoing call was not made: its {what} is not valid in HTTP");
    Failure::Connect
}

fn header_map(headers: &[(&str, &str)]) -> Option<HeaderMap> {
    let mut map = HeaderMap::with_capacity(headers.len() + 1);
    map.insert(reqwest::header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        map.append(name, value);
    }
    Some(map)
}

/// Waits for the future until the deadline, which may move meanwhile. `None`: the deadline came first.
async fn until<T>(deadline: &mut watch::Receiver<Instant>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    loop {
        let at = *deadline.borrow_and_update();
        tokio::select! {
            biased;
            output = &mut future => return Some(output),
            // An error means that nobody will move it any more.
            moved = deadline.changed() => if moved.is_err() {
                return tokio::time::timeout_at(at, future).await.ok();
            },
            () = tokio::time::sleep_until(at) => return None,
        }
    }
}

fn why_no_answer(error: &reqwest::Error) -> Failure {
    if let Some(NotConnected(failure)) = find::<NotConnected>(error) {
        return *failure;
    }
    if error.is_connect() {
        return Failure::Connect;
    }
    match find::<hyper::Error>(error) {
        Some(error) if error.is_parse_too_large() => Failure::TooLarge,
        _ => Failure::Broken,
    }
}

async fn read_body(mut response: reqwest::Response, incoming: &mut Incoming, max_bytes: usize) -> Result<(), Failure> {
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(()),
            Ok(Some(chunk)) => {
                let room = max_bytes - incoming.body.len();
                incoming.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    // The rest is not read: dropping the answer closes its connection.
                    incoming.truncated = true;
                    return Ok(());
                }
            }
            Err(_) => return Err(Failure::Broken),
        }
    }
}
