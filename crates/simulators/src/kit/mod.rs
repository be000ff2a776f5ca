//! What every simulator stands on. A simulator is a set of plain functions over a transaction (`Provider`);
//! the kit does all I/O: sockets and their faults, the durable state, the due times, the callbacks.

mod call;
mod calls;
mod control;
mod dress;
mod echo;
mod edit;
mod fields;
mod jobs;
mod page;
mod provider;
mod reply;
mod seal;
mod server;
mod sim;
mod store;
mod text;
mod tx;

pub(crate) use call::Call;
pub(crate) use fields::{Fields, number};
pub(crate) use jobs::{ACCOUNT_NAME, Ack, Callback};
pub(crate) use page::{html_page, notice_page, see_other};
pub(crate) use provider::{Pressed, Provider};
pub(crate) use reply::Reply;
pub(crate) use sim::serve;
pub(crate) use text::{
    date_of, hmac_sha256_hex, is_http_url, is_in_id, origin_of, random_capitals_or_digits, random_digits, random_hex,
    random_letters, random_token, same_text, scenario, timestamp_of,
};
pub(crate) use tx::{Direction, Transfer, TransferState, Tx};

/// Why a simulator could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener is bound to an address that other machines could reach.
    #[error("the simulators listen on loopback only, not on {0}")]
    NotLoopback(std::net::SocketAddr),
    /// A socket or a file could not be used.
    #[error("input or output failed: {0}")]
    Io(#[from] std::io::Error),
    /// `simulators.db` refused a statement.
    #[error("simulators.db: {0}")]
    Database(#[from] rusqlite::Error),
    /// A kept document could not be read or written.
    #[error("a kept document is not readable: {0}")]
    Document(#[from] serde_json::Error),
    /// A hosted page could not be rendered.
    #[error("a page could not be rendered: {0}")]
    Page(#[from] askama::Error),
    /// The client for callbacks could not be built.
    #[error("the callback client could not be built: {0}")]
    Client(#[from] reqwest::Error),
    /// Random bytes or a seal were refused.
    #[error("cryptography failed: {0}")]
    Crypto(&'static str),
    /// The writer of `simulators.db` is gone or could not commit.
    #[error("nothing was kept: {0}")]
    NotKept(String),
}
