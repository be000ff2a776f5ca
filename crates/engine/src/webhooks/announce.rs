//! Telling: the event and its delivery become rows in the commit that they tell about.

use domain::transaction::webhook_body;
use domain::{CompanyId, EventId, PaymentMethod, Timestamp, Transaction, TransactionId};
use store::Batch;
use store::repository::deliveries::{self, Lease};
use store::repository::events::{self, StoredEvent};

/// The setting with the address that webhooks are sent to.
pub(super) const WEBHOOK_URL: &str = "webhookUrl";

/// A change that the merchant is told.
#[derive(Clone, Debug)]
pub struct Announcement<'a> {
    /// The company.
    pub company_id: CompanyId,
    /// The transaction as it stands after the change; its `events_sent` counts this event already and is its sequence.
    pub transaction: &'a Transaction,
    /// The payment method whose endpoint is told.
    pub method: &'a PaymentMethod,
    /// The new event's id.
    pub event_id: EventId,
    /// The new delivery's id.
    pub delivery_id: TransactionId,
    /// When.
    pub now: Timestamp,
}

/// Adds the event and, where the method has an address, its delivery. Whoever commits the batch wakes the deliveries' worker
/// then.
pub fn announce(batch: &mut Batch, announcement: &Announcement<'_>) {
    let event = event(announcement);
    events::insert(batch, &event);
    if told(announcement.method) {
        deliveries::insert(batch, announcement.delivery_id, &event);
    }
}

/// Whether somebody is told at all: the method has an address.
pub(crate) fn told(method: &PaymentMethod) -> bool {
    method.settings.text(WEBHOOK_URL).is_some()
}

/// Like [`announce`], for a transaction's first event and a method with an address: the delivery is this process's from the
/// start. Answers the event, and the place of what the commit hands back for the delivery.
pub(crate) fn announce_handed_over(batch: &mut Batch, announcement: &Announcement<'_>, lease: Lease<'_>) -> (StoredEvent, usize) {
    let event = event(announcement);
    events::insert(batch, &event);
    let place = batch.returning_len();
    deliveries::insert_handed_over(batch, announcement.delivery_id, &event, lease);
    (event, place)
}

fn event(a: &Announcement<'_>) -> StoredEvent {
    StoredEvent {
        company_id: a.company_id,
        id: a.event_id.clone(),
        transaction_id: a.transaction.id,
        sequence: a.transaction.events_sent,
        method_id: a.method.id,
        sample: false,
        created_at: a.now,
        body: webhook_body(a.transaction).to_text(),
    }
}
