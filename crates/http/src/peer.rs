//! Who is at the other end.

use axum::extract::{ConnectInfo, Request};
use http::HeaderName;
use http::request::Parts;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who sent a request; an extension of every request.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address that the request came from: the peer's, or what trusted proxies say.
    pub ip: IpAddr,
    /// The id of the request. Always ours: a caller's own could carry anything into the logs.
    pub request_id: Arc<str>,
}

/// The open connections of each peer.
#[derive(Debug)]
pub(crate) struct Peers {
    limit: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One of a peer's connections; given back when dropped.
#[derive(Debug)]
pub(crate) struct PeerSlot {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Peers {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, open: Mutex::default() })
    }

    /// One connection more of this peer, unless it has as many as it may have.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<PeerSlot> {
        let peer = one_peer(ip);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(PeerSlot { peers: Arc::clone(self), peer })
    }
}

impl Drop for PeerSlot {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// Whom an address stands for: of IPv6 everybody has 64 bits of them.
pub(crate) fn one_peer(ip: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
    }
}

/// The address that the request came from, as text.
pub(crate) fn address(parts: &Parts) -> Option<String> {
    parts.extensions.get::<Client>().map(|client| client.ip.to_string())
}

/// The peer's address; if it is a trusted proxy, the last address in `X-Forwarded-For` that is not one itself.
pub(crate) fn client_ip(request: &Request, trusted: &[IpNet]) -> IpAddr {
    let peer =
        request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
    let peer = peer.to_canonical();
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    if trusted.is_empty() || !is_trusted(&peer) {
        return peer;
    }
    let lines: Vec<&str> = request.headers().get_all(X_FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
    let mut nearest = peer;
    for part in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Some(ip) = hop(part.trim()) else { break };
        nearest = ip;
        if !is_trusted(&ip) {
            break;
        }
    }
    nearest
}

/// An address as proxies write it: bare, or with a port.
fn hop(text: &str) -> Option<IpAddr> {
    let ip = text.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()));
    ip.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use http::HeaderValue;

    fn ip(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4000)));
        for line in forwarded {
            request.headers_mut().append(X_FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        client_ip(&request, &trusted).to_string()
    }

    #[test]
    fn the_peer_counts_unless_it_is_a_trusted_proxy() {
        assert_eq!(ip("192.0.2.1", &["203.0.113.9"], &[]), "192.0.2.1");
        assert_eq!(ip("192.0.2.1", &["203.0.113.9"], &["10.0.0.0/8"]), "192.0.2.1");
        assert_eq!(ip("10.0.0.1", &["203.0.113.9"], &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(ip("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
    }

    #[test]
    fn connections_are_counted_per_peer() {
        let peers = Peers::new(2);
        let enter = |ip: &str| peers.enter(ip.parse().unwrap());
        let held = [enter("192.0.2.1").unwrap(), enter("192.0.2.1").unwrap()];
        assert!(enter("192.0.2.1").is_none() && enter("192.0.2.2").is_some());
        let neighbours = [enter("2001:db8::1").unwrap(), enter("2001:db8::ffff:2").unwrap()];
        assert!(enter("2001:db8::3").is_none() && enter("2001:db8:0:1::3").is_some());
        drop((held, neighbours));
        assert!(enter("192.0.2.1").is_some());
        assert!(peers.open.lock().unwrap().is_empty());
    }

    #[test]
    fn what_a_caller_wrote_before_our_proxies_does_not_count() {
        assert_eq!(ip("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"], &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(ip("10.0.0.1", &["1.1.1.1", "203.0.113.9:5123"], &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(ip("10.0.0.1", &["1.1.1.1, nonsense"], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(ip("::ffff:10.0.0.1", &["[2001:db8::7]:443"], &["10.0.0.0/8"]), "2001:db8::7");
    }
}
