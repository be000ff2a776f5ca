//! The vetting resolver: a name becomes addresses only if the guard allows every one of them.

use super::Failure;
use super::guard::Policy;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Most addresses of one name that are looked at; a name with more is refused.
const ADDRESSES_MAX: usize = 64;

/// How names are looked up; tests hand in their own.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of the name; an error or an empty list: there are none.
    fn addresses(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).take(ADDRESSES_MAX + 1).collect())
        })
    }
}

/// Why no connection was made; travels through the client's own errors. Names no host and no secret.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no connection: {0:?}")]
pub(super) struct NotConnected(pub(super) Failure);

/// Resolves, then asks the guard.
pub(super) struct VettingResolver {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) policy: Policy,
}

impl VettingResolver {
    /// The addresses to dial.
    pub(super) async fn vetted(lookup: Arc<dyn Lookup>, policy: Policy, name: String) -> Result<Vec<IpAddr>, Failure> {
        let addresses = lookup.addresses(name).await.map_err(|_| Failure::Dns)?;
        if addresses.is_empty() {
            return Err(Failure::Dns);
        }
        // One bad address among good ones is refused too: a name that points inside at all is not a merchant's public endpoint.
        if addresses.len() > ADDRESSES_MAX || !addresses.iter().all(|address| policy.allows(*address)) {
            return Err(Failure::RefusedAddress);
        }
        Ok(addresses)
    }
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, policy) = (self.lookup.clone(), self.policy);
        Box::pin(async move {
            let addresses = Self::vetted(lookup, policy, name.as_str().to_owned()).await.map_err(NotConnected)?;
            // Port 0: the client puts the URL's port in.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
