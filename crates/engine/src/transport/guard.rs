//! The address guard: which hosts we dial at all.
//!
//! A merchant's URL is an instruction to our own network stack, so that it must never reach what only we can reach: this machine,
//! the private network, a cloud's metadata service, or anything that smuggles such an address inside another (mapped, NAT64,
//! 6to4, Teredo). IPv6 is refused unless it is global unicast and none of the special registries claims it; IPv4 is refused by
//! the IANA special-purpose registry.
//!
//! Two places ask: [`Policy::check_url`] looks at literals and at names that are never public (they would not always reach a
//! resolver), and the vetting resolver asks [`Policy::allows`] for every address that a name resolves to, at every connection, so
//! that a name that changes its mind (rebinding) gains nothing: what is dialled is exactly what was looked at.

use domain::urls::{Environment, URL_MAX_CHARS, is_loopback};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// IPv4 ranges that are not the public internet: network, prefix length. IANA special-purpose registry, plus the addresses of
/// metadata services.
const REFUSED_V4: [(Ipv4Addr, u32); 20] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),          // this network, unspecified
    (Ipv4Addr::new(10, 0, 0, 0), 8),         // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),      // carrier-grade NAT, and a cloud's metadata service
    (Ipv4Addr::new(127, 0, 0, 0), 8),        // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32),   // a cloud's host services, on a public address
    (Ipv4Addr::new(169, 254, 0, 0), 16),     // link-local, metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),      // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),       // IETF protocol assignments, metadata
    (Ipv4Addr::new(192, 0, 2, 0), 24),       // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24),    // AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24),    // automatic multicast tunneling
    (Ipv4Addr::new(192, 88, 99, 0), 24),     // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),     // private
    (Ipv4Addr::new(192, 175, 48, 0), 24),    // AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15),      // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24),    // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),     // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),        // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),        // reserved
    (Ipv4Addr::new(255, 255, 255, 255), 32), // broadcast
];

/// The one IPv6 range that is global unicast; all else (mapped, compatible, NAT64, unique local, link-local, multicast, ...) lies
/// outside of it.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Ranges within it that are not the public internet.
const REFUSED_V6: [(Ipv6Addr, u32); 6] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // IETF protocol assignments: Teredo, benchmarking, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: carries an IPv4 address
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16), // the former 6bone
];

/// Endings of names that never mean a host of the public internet.
const LOCAL_NAMES: [&str; 9] = ["localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "home.arpa"];

fn in_v4(address: Ipv4Addr, (network, bits): (Ipv4Addr, u32)) -> bool {
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    address.to_bits() & mask == network.to_bits() & mask
}

fn in_v6(address: Ipv6Addr, (network, bits): (Ipv6Addr, u32)) -> bool {
    let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
    address.to_bits() & mask == network.to_bits() & mask
}

/// Whether the interface part is an ISATAP one (`::0:5efe:a.b.c.d` or `::200:5efe:a.b.c.d`), which tunnels to an IPv4 address.
fn is_isatap(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    matches!(segments[4], 0 | 0x200) && segments[5] == 0x5efe
}

/// Whether the address is of the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !REFUSED_V4.into_iter().any(|range| in_v4(v4, range)),
        IpAddr::V6(v6) => in_v6(v6, GLOBAL_V6) && !REFUSED_V6.into_iter().any(|range| in_v6(v6, range)) && !is_isatap(v6),
    }
}

/// What may be dialled in this environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    environment: Environment,
}

impl Policy {
    /// The policy of the environment: production dials the public internet only, the sandbox this machine too.
    pub const fn of(environment: Environment) -> Self {
        Self { environment }
    }

    /// Whether that address may be dialled. Loopback in the sandbox means 127.0.0.0/8 and `::1` themselves, no other spelling of
    /// them.
    pub fn allows(self, address: IpAddr) -> bool {
        (self.environment == Environment::Sandbox && address.is_loopback()) || is_public(address)
    }

    /// Reads a URL that is to be called, and looks at all that can be seen without resolving: the scheme (https; in the sandbox
    /// also http), no user name, literals in every spelling, names that are never public. `None`: refused.
    pub fn check_url(self, text: &str) -> Option<Url> {
        if text.chars().count() > URL_MAX_CHARS || text.chars().any(|c| c.is_control()) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let sandbox = self.environment == Environment::Sandbox;
        let scheme_ok = url.scheme() == "https" || (sandbox && url.scheme() == "http");
        let plain = url.username().is_empty() && url.password().is_none();
        let host_ok = match url.host()? {
            Host::Ipv4(address) => self.allows(IpAddr::V4(address)),
            Host::Ipv6(address) => self.allows(IpAddr::V6(address)),
            Host::Domain(name) => (sandbox && is_loopback(&url)) || is_public_name(name),
        };
        (scheme_ok && plain && host_ok && url.port() != Some(0)).then_some(url)
    }
}

/// Whether the name could be one of the public internet: several labels, none of the endings that are kept for private use.
fn is_public_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let ends_locally =
        LOCAL_NAMES.into_iter().any(|local| name.strip_suffix(local).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    name.contains('.') && !name.starts_with('.') && !name.contains("..") && !ends_locally
}
