//! What people do with deliveries: look, replay, send a test, rotate a secret, switch an endpoint on again.

use super::announce::WEBHOOK_URL;
use super::attempt::attempt;
use super::worker::LEASE_MS;
use super::{SAMPLE_AMOUNT, SAMPLE_USER, sample_transaction};
use crate::core::Engine;
use crate::directory::change::Actor;
use crate::flow::EngineError;
use crate::surely::{self, Away, Receipt};
use domain::schedule::EVENTS_KEPT_MS;
use domain::{CompanyId, EventId, Json, MethodId, PaymentMethod, Timestamp, TransactionId};
use std::sync::Arc;
use store::repository::audit::{self, AuditEntry};
use store::repository::deliveries::{
    self, Attempt, Claimed, Delivery, DeliveryState, Filter as DeliveryFilter, Lease, REPLAY_CHUNK,
};
use store::repository::endpoints;
use store::repository::events::{self, StoredEvent};
use store::{Batch, CommitError, QueryError};

/// Why a delivery was not shown or sent.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// 404: there is none of that id in this company.
    #[error("not found")]
    NotFound,
    /// 409: replays go back 30 days.
    #[error("The event is older than 30 days and cannot be replayed")]
    TooOld,
    /// 400: the payment method has no `webhookUrl`.
    #[error("The payment method has no webhookUrl")]
    NoAddress,
    /// 500: ours.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<QueryError> for DeliveryError {
    fn from(error: QueryError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<CommitError> for DeliveryError {
    fn from(error: CommitError) -> Self {
        Self::Engine(error.into())
    }
}

/// A delivery with its attempts.
#[derive(Clone, Debug)]
pub struct DeliveryView {
    /// The delivery.
    pub delivery: Delivery,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
}

impl DeliveryView {
    /// The object of the Management API.
    pub fn to_json(&self) -> Json {
        let d = &self.delivery;
        let time = |at: Option<Timestamp>| at.map_or(Json::Null, |at| Json::text(at.to_string()));
        Json::object([
            ("id", Json::text(d.id.to_string())),
            ("eventId", Json::text(d.event_id.as_str())),
            ("transactionId", Json::text(d.transaction_id.to_string())),
            ("paymentMethodId", Json::text(d.method_id.to_string())),
            ("sequence", Json::from(d.sequence)),
            ("status", Json::text(d.state.as_str())),
            ("httpStatus", d.last_http_status.map_or(Json::Null, |status| Json::from(i64::from(status)))),
            ("failure", d.last_failure.as_deref().map_or(Json::Null, Json::text)),
            ("nextAttemptAt", time(d.next_at)),
            ("createdAt", time(Some(d.created_at))),
            ("deliveredAt", time(d.delivered_at)),
            ("attempts", Json::Array(self.attempts.iter().map(attempt_json).collect())),
        ])
    }
}

/// `{"at","httpStatus","failure","latencyMs","responseBody"}`.
fn attempt_json(attempt: &Attempt) -> Json {
    Json::object([
        ("at", Json::text(attempt.at.to_string())),
        ("httpStatus", attempt.http_status.map_or(Json::Null, |status| Json::from(i64::from(status)))),
        ("failure", attempt.failure.as_deref().map_or(Json::Null, Json::text)),
        ("latencyMs", Json::from(attempt.latency_ms)),
        ("responseBody", attempt.response_body.as_deref().map_or(Json::Null, Json::text)),
    ])
}

/// A page of deliveries, newest first.
#[derive(Clone, Debug)]
pub struct DeliveryPage {
    /// The deliveries.
    pub items: Vec<DeliveryView>,
    /// The filter's `before` of the next page, if there is one.
    pub next: Option<TransactionId>,
}

impl Engine {
    /// A page of a company's deliveries with their attempts.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn deliveries(&self, company: CompanyId, filter: &DeliveryFilter, limit: u32) -> Result<DeliveryPage, EngineError> {
        let limit = Self::list_limit(Some(limit));
        let mut found = deliveries::list(self.store(), company, filter, limit + 1).await?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let items = self.with_attempts(company, found).await?;
        let next = items.last().filter(|_| more).map(|view| view.delivery.id);
        Ok(DeliveryPage { items, next })
    }

    /// One delivery with its attempts.
    ///
    /// # Errors
    /// [`DeliveryError::NotFound`], also for what is no id.
    pub async fn delivery(&self, company: CompanyId, id: &str) -> Result<DeliveryView, DeliveryError> {
        let id = id.parse().map_err(|_| DeliveryError::NotFound)?;
        let found = deliveries::find(self.store(), company, id).await?.ok_or(DeliveryError::NotFound)?;
        self.with_attempts(company, vec![found]).await?.pop().ok_or(DeliveryError::NotFound)
    }

    async fn with_attempts(&self, company: CompanyId, found: Vec<Delivery>) -> Result<Vec<DeliveryView>, QueryError> {
        let ids: Vec<TransactionId> = found.iter().map(|delivery| delivery.id).collect();
        let mut attempts: Vec<(TransactionId, Attempt)> = deliveries::attempts(self.store(), company, &ids).await?;
        let mut view = |delivery: Delivery| {
            let mine = attempts.extract_if(.., |(id, _)| *id == delivery.id).map(|(_, attempt)| attempt).collect();
            DeliveryView { delivery, attempts: mine }
        };
        Ok(found.into_iter().map(&mut view).collect())
    }

    /// Sends a delivery again, with its original id, from the beginning of the schedule. An endpoint that was switched off is
    /// switched on by it: whoever replays says that it is to be tried. One that is being sent right now is left as it is.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn replay(&self, company: CompanyId, id: &str, actor: &Actor) -> Result<DeliveryView, DeliveryError> {
        let before = self.delivery(company, id).await?.delivery;
        let now = self.clock().now();
        let oldest = now.plus_ms(-EVENTS_KEPT_MS);
        if before.created_at < oldest {
            return Err(DeliveryError::TooOld);
        }
        let mut batch = Batch::new();
        deliveries::replay(&mut batch, company, before.id, now, oldest);
        endpoints::switch_on(&mut batch, company, before.method_id);
        let mut entry = self.act(now, actor, "delivery.replay", format!("delivery:{}", before.id));
        entry.before = Some(Json::object([("status", Json::text(before.state.as_str()))]));
        audit::insert(&mut batch, company, &entry);
        surely::commit(self.store(), batch, &Receipt::Act(company, &entry.id), Away::EndsIt).await?;
        self.inner.wake.deliveries.notify_one();
        self.delivery(company, id).await
    }

    /// Sends every delivery created at or after `since` again (30 days back at most), of one state if one is named; test events
    /// are left out. Answers how many. Endpoints that were switched off are switched on.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer; some may be queued by then.
    pub async fn replay_since(
        &self,
        company: CompanyId,
        since: Timestamp,
        state: Option<DeliveryState>,
        actor: &Actor,
    ) -> Result<u64, EngineError> {
        let now = self.clock().now();
        let since = since.max(now.plus_ms(-EVENTS_KEPT_MS));
        let mut batch = Batch::new();
        for method in endpoints::all_off(self.store(), company).await? {
            endpoints::switch_on(&mut batch, company, method);
        }
        let mut entry = self.act(now, actor, "delivery.replay_since", format!("company:{company}"));
        let status = state.map_or(Json::Null, |state| Json::text(state.as_str()));
        entry.after = Some(Json::object([("since", Json::text(since.to_string())), ("status", status)]));
        audit::insert(&mut batch, company, &entry);
        // Ids begin with the time of their creation.
        let mut after = TransactionId::new(since.plus_ms(-1), [0xff; 6]);
        let mut queued = 0_u64;
        loop {
            let ids =
                deliveries::replay_since(self.store(), std::mem::take(&mut batch), company, (since, state), after, now).await?;
            queued += ids.len() as u64;
            self.inner.wake.deliveries.notify_one();
            match ids.iter().max() {
                Some(last) if ids.len() >= REPLAY_CHUNK as usize => after = *last,
                _ => return Ok(queued),
            }
        }
    }

    /// Sends a sample event to a payment method's endpoint, once and at once, and answers with what became of it. Switches the
    /// endpoint on if it was off.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn send_test(&self, company: CompanyId, method: MethodId, actor: &Actor) -> Result<DeliveryView, DeliveryError> {
        let snapshot = self.directory().company(company).await?.ok_or(DeliveryError::NotFound)?;
        let method: Arc<PaymentMethod> = snapshot.method(method).cloned().ok_or(DeliveryError::NotFound)?;
        if method.settings.text(WEBHOOK_URL).is_none() {
            return Err(DeliveryError::NoAddress);
        }
        let engine = self.clone();
        let act = self.act(self.clock().now(), actor, "payment_method.webhook_test", format!("payment_method:{}", method.id));
        // In a task of its own: a caller who hangs up does not leave it half done.
        let task = self.inner.tasks.spawn(async move { engine.send_sample(company, &method, act).await });
        let id = task.await.map_err(|_| EngineError::Corrupt("sending a test event failed".to_owned()))??;
        self.delivery(company, &id.to_string()).await
    }

    async fn send_sample(
        &self,
        company: CompanyId,
        method: &PaymentMethod,
        act: AuditEntry,
    ) -> Result<TransactionId, DeliveryError> {
        let now = self.clock().now();
        let event = StoredEvent {
            company_id: company,
            id: EventId::new(now, self.inner.random.bytes()),
            transaction_id: sample_transaction(),
            sequence: 1,
            method_id: method.id,
            sample: true,
            created_at: now,
            body: sample_body(&method.psp_type).to_text(),
        };
        let id = TransactionId::new(now, self.inner.random.bytes());
        let lease = Lease { owner: &self.inner.node_id, until: now.plus_ms(LEASE_MS) };
        let mut batch = Batch::new();
        events::insert(&mut batch, &event);
        deliveries::insert_claimed(&mut batch, id, &event, lease);
        endpoints::switch_on(&mut batch, company, method.id);
        audit::insert(&mut batch, company, &act);
        surely::commit(self.store(), batch, &Receipt::Act(company, &act.id), Away::EndsIt).await?;
        let delivery = deliveries::find(self.store(), company, id).await?.ok_or(DeliveryError::NotFound)?;
        // A test that is taken ends the endpoint's failing; one that is not begins none.
        let failing_since = Some(now);
        let claimed = Claimed { delivery, lease_until: lease.until, body: Some(event.body), failing_since, endpoint_off: false };
        attempt(self, &claimed, |_| ()).await;
        Ok(id)
    }

    /// Since when a payment method's endpoint is switched off.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn endpoint_off_since(&self, company: CompanyId, method: MethodId) -> Result<Option<Timestamp>, EngineError> {
        Ok(endpoints::off_since(self.store(), company, method).await?)
    }

    /// Switches a payment method's endpoint on again; what was not sent meanwhile can be replayed. Whether it was off.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn switch_endpoint_on(&self, company: CompanyId, method: MethodId, actor: &Actor) -> Result<bool, EngineError> {
        if self.endpoint_off_since(company, method).await?.is_none() {
            return Ok(false);
        }
        let mut batch = Batch::new();
        endpoints::switch_on(&mut batch, company, method);
        let entry = self.act(self.clock().now(), actor, "webhook_endpoint.switch_on", format!("payment_method:{method}"));
        audit::insert(&mut batch, company, &entry);
        surely::commit(self.store(), batch, &Receipt::Act(company, &entry.id), Away::EndsIt).await?;
        Ok(true)
    }

    fn act(&self, now: Timestamp, actor: &Actor, action: &str, object: String) -> AuditEntry {
        let mut entry = AuditEntry::new(now, self.inner.random.bytes(), &actor.name, action, object);
        entry.from.clone_from(&actor.from);
        entry
    }
}

/// The body of a test event: the published form, about no transaction.
fn sample_body(psp_type: &str) -> Json {
    Json::object([
        ("transaction_id", Json::text(sample_transaction().to_string())),
        ("user_id", Json::text(SAMPLE_USER)),
        ("status", Json::text("test")),
        ("transaction_status", Json::text("Pending")),
        ("message", Json::text("Test event")),
        ("amount", Json::text(SAMPLE_AMOUNT)),
        ("currency", Json::text("EUR")),
        ("merchantReference", Json::text("")),
        ("method", Json::text(format!("{psp_type}_PAYIN"))),
    ])
}
