//! Telling merchants: webhooks, at least once and in order, and their pull twin.
//!
//! * `announce` makes the event and its delivery part of the commit that they tell about;
//! * `handover` gives a transaction's first event to the worker in memory once it is committed, where there is room for it;
//! * `worker` claims what else is due and shares its places among the endpoints (`endpoints`, `claims`); `attempt` sends once and
//!   records; `sign` is what receivers check;
//! * `feed` is the pull twin; `manage` is what people do.
//!
//! **Architecture invariants:** every attempt of an event carries the same id and the same bytes; a delivery is acknowledged
//! after the work; one transaction's events go out in order; no endpoint holds up another.

mod announce;
mod attempt;
mod claims;
mod endpoints;
mod feed;
pub(crate) mod handover;
mod manage;
mod sequencer;
pub mod sign;
#[cfg(test)]
mod tests;
mod worker;

pub use announce::{Announcement, announce};
pub(crate) use announce::{announce_handed_over, told};
pub use feed::{EventPage, FeedItem};
pub use manage::{DeliveryError, DeliveryPage, DeliveryView};
pub use store::repository::deliveries::{Attempt, Delivery, DeliveryState, Filter as DeliveryFilter};

use crate::core::Engine;
use domain::{CompanyId, MethodId, PaymentMethod, Timestamp, TransactionId};
use std::sync::Arc;
use store::QueryError;
use worker::Worker;

/// What a test event says about its user and amount.
const SAMPLE_USER: &str = "user_123";
const SAMPLE_AMOUNT: &str = "1.00";

/// The transaction of a test event: 24 zeros.
fn sample_transaction() -> TransactionId {
    TransactionId::new(Timestamp::from_millis(0), [0; 6])
}

/// Whether the delivery is one of a test event, which is attempted once.
fn is_sample(delivery: &Delivery) -> bool {
    delivery.transaction_id == sample_transaction()
}

/// A payment method as it stands, from memory.
async fn configured(engine: &Engine, company: CompanyId, id: MethodId) -> Result<Option<Arc<PaymentMethod>>, QueryError> {
    let company = engine.directory().company(company).await?;
    Ok(company.and_then(|company| company.method(id).cloned()))
}

impl Engine {
    /// Delivers what is due, and purges what is past its retention, until the platform stops.
    ///
    /// The work goes on in tasks of its own when this future is dropped: at a stop the worker still gives back what it claimed
    /// and did not begin.
    pub async fn run_deliveries(&self) {
        let worker = self.inner.tasks.spawn(Worker::new(self.clone()).run());
        let sequencer = self.inner.tasks.spawn(sequencer::run(self.clone()));
        let purge = self.inner.tasks.spawn(worker::purge(self.clone()));
        for (what, task) in
            [("the deliveries' worker", worker), ("the purge of webhook events", purge), ("the feed's sequencer", sequencer)]
        {
            if let Err(error) = task.await {
                tracing::error!("{what} ended: {error}");
            }
        }
    }
}
