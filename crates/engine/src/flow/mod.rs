//! The life of a transaction: created, sent, asked about, told about by callbacks, approved by people, recovered after crashes.
//!
//! * [`pay`](Engine::pay) creates; `calls` runs a provider's task; `cascade` goes on at another account; `created` ends it, with
//!   the answers of `answers`; `conclude` turns what was found into one commit;
//! * `jobs` does what is due (`due`: how much of it at once): `inquire` asks the provider, `approved` sends what a person let go,
//!   `recover` takes over what a dead process left; `callbacks` is the inbox (`inbox`: what of it is kept); `pages` is what a
//!   payer's browser sees of us; `decisions` is what people do.

pub(crate) mod account_cache;
mod answers;
mod approved;
mod beat;
mod callbacks;
mod calls;
mod cascade;
mod conclude;
mod created;
mod decisions;
mod due;
mod idempotency;
pub(crate) mod inbox;
mod inquire;
mod jobs;
pub(crate) mod line;
mod lives;
pub(crate) mod locks;
pub(crate) mod mask;
mod pages;
mod pay;
mod production;
pub(crate) mod rates;
mod recover;
mod retention;
mod route;
#[cfg(test)]
mod tests;
mod turns;
pub(crate) mod unmatched;
mod views;
mod work;
mod workers;

pub(crate) use beat::begin_with_the_stores_clock;
pub use beat::{NotReady, Readiness};
pub use decisions::{DecisionError, TestResult};
pub use idempotency::{IdempotencyTicket, KnownKey};
pub use pages::{DeviceCheck, Shown};
pub use pay::PayRequest;
pub use production::may_be_production_base;
pub use store::StoreError;
pub use store::repository::holds::{Decision, Hold, HoldStatus};
pub use store::repository::transactions::{Filter as TransactionFilter, TimelineEntry};
pub use views::{HoldView, TransactionPage, TransactionView};

use crate::anew::Meeting;
use store::{CommitError, QueryError};

/// Something of ours failed: 500, and a line in the log.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store could not be read.
    #[error("reading: {0}")]
    Query(QueryError),
    /// The store could not be written.
    #[error("writing: {0}")]
    Commit(CommitError),
    /// Stored data cannot be understood.
    #[error("{0}")]
    Corrupt(String),
}

// The cause is in the text: as a source too, it would be told twice.
impl From<QueryError> for EngineError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<CommitError> for EngineError {
    fn from(error: CommitError) -> Self {
        Self::Commit(error)
    }
}

impl Meeting for EngineError {
    fn met_another(&self) -> bool {
        matches!(self, Self::Commit(error) if error.met_another())
    }
}

impl StoreError for EngineError {
    fn store_is_away(&self) -> bool {
        match self {
            Self::Query(error) => error.store_is_away(),
            Self::Commit(error) => error.store_is_away(),
            Self::Corrupt(_) => false,
        }
    }

    fn may_be_stored(&self) -> bool {
        matches!(self, Self::Commit(error) if error.may_be_stored())
    }
}
