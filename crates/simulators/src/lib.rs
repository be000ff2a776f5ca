//! The providers' own side: simulators that speak each provider's wire protocol, written from the
//! provider sheets alone. They share no wire type with the connectors, so that a misreading on one side
//! cannot hide behind the same misreading on the other.
//!
//! One process, one loopback port: `/{provider}/...` is the provider (below it every path is the real
//! one), `/control/{provider}/...` are the test controls, `/assets/...` the files of the hosted pages.
//! Everything that matters is committed to `simulators.db` before any answer leaves.

mod brite;
mod cleo;
mod emerchantpay;
mod flexepin;
mod forumpay;
mod gigadat;
mod kit;
mod neosurf;
mod payone;
mod trust;
mod worldpay;

use std::path::PathBuf;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use kit::Error;

/// How the simulators run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory that holds `simulators.db` and `simulators.key` (both are made when absent, the directory is not).
    pub data: PathBuf,
    /// Hosted pages press Pay by themselves after this many milliseconds (divided by `time_scale`);
    /// `None`: they wait for the payer or for a control call.
    pub auto_settle_ms: Option<u64>,
    /// Divides every wait (settlement, hang, callback retries, lifetimes); 0 counts as 1.
    pub time_scale: u32,
}

/// Serves all simulators on `listener` until `stop` is cancelled.
///
/// On the way up, what was to settle is armed again and callbacks that nobody acknowledged are sent again.
///
/// # Errors
/// [`Error::NotLoopback`] when the listener is not on a loopback address; [`Error::Io`] and
/// [`Error::Database`] when the data directory cannot be used.
pub async fn serve(listener: TcpListener, settings: Settings, stop: CancellationToken) -> Result<(), Error> {
    let providers: Vec<Box<dyn kit::Provider>> = vec![
        // One line per provider.
        Box::new(forumpay::ForumPay),
        Box::new(gigadat::Gigadat),
        Box::new(worldpay::Worldpay),
        Box::new(trust::Trust),
        Box::new(cleo::Cleo),
        Box::new(payone::PayOne),
        Box::new(neosurf::Neosurf),
        Box::new(flexepin::Flexepin),
        Box::new(brite::Brite),
        Box::new(emerchantpay::EmerchantPay),
    ];
    kit::serve(listener, settings, providers, stop).await
}
