//! The limits of the HTTP edge, each with its default.

use engine::shares::ShareLimits;
use ipnet::IpNet;
use std::num::NonZeroU32;
use std::time::Duration;

/// Longest request head (request line and headers) that is read, bytes; more is hyper's own 431.
pub const HEAD_MAX_BYTES: usize = 32 * 1024;
/// Connections that the kernel keeps waiting for us.
pub const BACKLOG: i32 = 1024;
/// How long a peer may leave our answer unread before its connection is cut.
pub const WRITE_STALL: Duration = Duration::from_secs(15);
/// How long, after an answer given before the whole request had come, the rest is thrown away so that the peer gets to read the
/// answer.
pub const LINGER: Duration = Duration::from_secs(1);
/// How much is thrown away then, bytes.
pub const LINGER_MAX_BYTES: usize = 1024 * 1024;
/// How long accepting pauses when the system is out of descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections over a limit that are listened to for [`LINGER`] after they were told so, lest the reset of a connection that is
/// closed over unread bytes takes the answer away; any further one is closed at once.
pub const REFUSED_LINGERING: usize = 256;
/// A share is the whole divided by this.
const SHARES: usize = 4;
/// Checks of the rate limiter between two sweeps that forget credentials unseen for a while.
pub const RATE_SWEEP_EVERY: u32 = 65_536;

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A request head must be whole this long after the connection was made or the answer before it was sent; so a kept-alive
    /// connection may idle this long. Then the connection is closed.
    pub header_read: Duration,
    /// A body must be whole this long after its head; then 408. Together with [`Limits::header_read`] and [`LINGER`] below 15 s:
    /// no request is half open for longer.
    pub body_read: Duration,
    /// Open connections; the next one gets 503 with `Retry-After` and is closed.
    pub connections: usize,
    /// Open connections of one peer (an IPv4 address, or the first 64 bits of an IPv6 address); its next one gets 429 with
    /// `Retry-After` and is closed. Trusted proxies, who bring everybody, are not counted.
    pub connections_per_peer: usize,
    /// Authenticated requests being worked on at once; the next one gets 503 with `Retry-After`. What keeps answers quick and
    /// memory bounded when more is asked than can be done; a provider that takes long needs room here (payments per second times
    /// seconds per payment).
    pub in_flight_max: usize,
    /// One company's share of them, which binds while other companies are there (`engine::shares`); beyond it 429 with
    /// `Retry-After`. `None`: a quarter.
    pub in_flight_per_company: Option<usize>,
    /// One provider's share of them, which binds while other providers are called. `None`: a quarter.
    pub in_flight_per_provider: Option<usize>,
    /// Of [`Limits::in_flight_max`], what only the Management API may have.
    pub management_reserve: usize,
    /// Requests per second of one credential, in the long run; beyond it 429 with `Retry-After`.
    pub requests_per_second: NonZeroU32,
    /// Requests that one credential may make at once before the rate counts.
    pub burst: NonZeroU32,
    /// How long the Management API searches a combination of filters that no index answers at once, before the list says how far
    /// back it came. The answer is to be there within 100 ms.
    pub search: Duration,
    /// A graceful stop waits this long for answers under way, then cuts them off. Leaves two of the ten seconds to the engine and
    /// the store.
    pub drain: Duration,
    /// The proxies whose `X-Forwarded-For` is believed: the caller's address is then the last one in it that is not itself a
    /// trusted proxy. None: the address of the peer counts, whatever the header says.
    pub trusted_proxies: Vec<IpNet>,
}

impl Limits {
    /// [`Limits::requests_per_second`] unless set.
    pub const REQUESTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(20_000).unwrap();
    /// [`Limits::burst`] unless set.
    pub const BURST: NonZeroU32 = NonZeroU32::new(20_000).unwrap();
    /// [`Limits::search`] unless set.
    pub const SEARCH: Duration = Duration::from_millis(60);

    /// The places of work in flight: those for everybody, and those for the Management API alone.
    pub(crate) fn shares(&self) -> (ShareLimits, ShareLimits) {
        let quarter = |of: usize| (of / SHARES).max(1);
        let everybody = ShareLimits {
            whole: self.in_flight_max.saturating_sub(self.management_reserve).max(1),
            per_company: self.in_flight_per_company.unwrap_or(quarter(self.in_flight_max)),
            per_provider: self.in_flight_per_provider.unwrap_or(quarter(self.in_flight_max)),
        };
        let reserve = ShareLimits {
            whole: self.management_reserve,
            per_company: quarter(self.management_reserve),
            per_provider: self.management_reserve,
        };
        (everybody, reserve)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(7),
            body_read: Duration::from_secs(6),
            connections: 4_096,
            connections_per_peer: 256,
            in_flight_max: 1_024,
            in_flight_per_company: None,
            in_flight_per_provider: None,
            management_reserve: 64,
            requests_per_second: Self::REQUESTS_PER_SECOND,
            burst: Self::BURST,
            search: Self::SEARCH,
            drain: Duration::from_secs(8),
            trusted_proxies: Vec::new(),
        }
    }
}
