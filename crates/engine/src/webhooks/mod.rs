//! Telling merchants: webhooks, at least once and in order, and their pull twin.
//!
//! * `announce` makes the event and its delivery part of the commit that they tell about;
//! * `worker` claims what is due and shares its places among the endpoints (`endpoints`); `attempt` sends once and records; `sign` is what receivers check;
//! * `feed` is the pull twin; `manage` is what people do.
//!
//! **Architecture invariants:** every attempt of an event carries the same id and the same bytes; a delivery is acknowledged after the work; one
//! transaction's events go out in order; no endpoint holds up another.

mod announce;
mod attempt;
mod endpoints;
mod feed;
mod manage;
pub mod sign;
mod worker;

pub use announce::{Announcement, announce};
pub use feed::{EventPage, FeedItem};
pub use manage::{DeliveryError, DeliveryPage, DeliveryView};
pub use store::repository::deliveries::{Attempt, Delivery, DeliveryState, Filter as DeliveryFilter};

use crate::clock::Clock;
use crate::core::Engine;
use crate::random::Random;
use crate::transport::Transport;
use domain::{CompanyId, MethodId, PaymentMethod, Timestamp, TransactionId};
use futures::future::BoxFuture;
use std::sync::Arc;
use store::{Driver, QueryError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
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

/// What the worker stands on; the engine, or a world of a test.
pub(crate) trait Ground: Clone + Send + Sync + 'static {
    fn db(&self) -> &dyn Driver;
    fn clock(&self) -> &Clock;
    fn random(&self) -> &Random;
    fn transport(&self) -> &Transport;
    /// This process, as the owner of leases.
    fn node(&self) -> &str;
    /// Notified when deliveries were stored.
    fn wake(&self) -> &Notify;
    fn tasks(&self) -> &TaskTracker;
    fn stop(&self) -> &CancellationToken;
    /// A payment method as it stands, from memory.
    fn method(&self, company: CompanyId, id: MethodId) -> BoxFuture<'_, Result<Option<Arc<PaymentMethod>>, QueryError>>;
}

impl Ground for Engine {
    fn db(&self) -> &dyn Driver {
        self.store()
    }

    fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    fn random(&self) -> &Random {
        &self.inner.random
    }

    fn transport(&self) -> &Transport {
        &self.inner.transport
    }

    fn node(&self) -> &str {
        &self.inner.node_id
    }

    fn wake(&self) -> &Notify {
        &self.inner.wake.deliveries
    }

    fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    fn stop(&self) -> &CancellationToken {
        &self.inner.stop
    }

    fn method(&self, company: CompanyId, id: MethodId) -> BoxFuture<'_, Result<Option<Arc<PaymentMethod>>, QueryError>> {
        Box::pin(async move {
            let company = self.directory().company(company).await?;
            Ok(company.and_then(|company| company.method(id).cloned()))
        })
    }
}

impl Engine {
    /// Delivers what is due, and purges what is past its retention, until the platform stops.
    ///
    /// The work goes on in tasks of its own when this future is dropped: at a stop the worker still gives back what it claimed and did not begin.
    pub async fn run_deliveries(&self) {
        let worker = self.inner.tasks.spawn(Worker::new(self.clone()).run());
        let purge = self.inner.tasks.spawn(worker::purge(self.clone()));
        for (what, task) in [("the deliveries' worker", worker), ("the purge of webhook events", purge)] {
            if let Err(error) = task.await {
                tracing::error!("{what} ended: {error}");
            }
        }
    }
}
