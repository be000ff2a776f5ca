//! From the commit to the worker without a detour through the store: where an endpoint has room, a transaction's first event is
//! stored as this process's already and handed over in memory once it is durable. Where there is none, or older deliveries wait
//! in the store, it is stored free and claimed in its turn. What was stored as ours and never arrives comes free as it would
//! after a claim: with the process, or with the lease.

use super::worker::LEASE_MS;
use crate::core::Engine;
use crate::pulse::trouble;
use domain::{CompanyId, MethodId, TransactionId};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::repository::deliveries::{self, Claimed, Lease};
use store::repository::events::StoredEvent;
use store::{Batch, Row};
use tokio::sync::mpsc;

type Key = (CompanyId, MethodId);

/// The counter between the flows of transactions and the deliveries' worker.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the worker listens; `None`: none runs.
    to: Option<mpsc::UnboundedSender<Claimed>>,
    /// Places that are promised and not yet taken, by endpoint.
    promised: HashMap<Key, usize>,
    promised_all: usize,
    /// What the worker has room for, by endpoint; one that is not named is unknown to it.
    room: HashMap<Key, usize>,
    room_all: usize,
    room_unknown: usize,
}

impl Handover {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker begins to listen. It has room for so many of an endpoint that it does not know.
    pub(super) fn open(&self, room_unknown: usize) -> mpsc::UnboundedReceiver<Claimed> {
        // Bounded by the promises.
        let (to, from) = mpsc::unbounded_channel();
        let mut state = self.state();
        state.to = Some(to);
        state.room_unknown = room_unknown;
        from
    }

    /// The worker does not listen any more.
    pub(super) fn close(&self) {
        self.state().to = None;
    }

    /// How many the worker can take altogether.
    pub(super) fn set_room_all(&self, room: usize) {
        self.state().room_all = room;
    }

    /// How many the worker can take of that endpoint; `None`: it has forgotten it.
    pub(super) fn set_room(&self, key: Key, room: Option<usize>) {
        let mut state = self.state();
        match room {
            Some(room) => state.room.insert(key, room),
            None => state.room.remove(&key),
        };
    }

    /// Promises a place, if there is one.
    fn promise(&self, key: Key) -> bool {
        let mut state = self.state();
        let room = state.room.get(&key).copied().unwrap_or(state.room_unknown);
        let promised = state.promised.get(&key).copied().unwrap_or_default();
        if state.to.is_none() || promised >= room || state.promised_all >= state.room_all {
            return false;
        }
        *state.promised.entry(key).or_default() += 1;
        state.promised_all += 1;
        true
    }

    /// Ends a promise; hands the delivery over, if there is one. What cannot be handed over comes back.
    fn keep(&self, key: Key, claimed: Option<Claimed>) -> Option<Claimed> {
        let mut state = self.state();
        state.promised_all = state.promised_all.saturating_sub(1);
        if let Some(promised) = state.promised.get_mut(&key) {
            *promised = promised.saturating_sub(1);
            if *promised == 0 {
                state.promised.remove(&key);
            }
        }
        let claimed = claimed?;
        match &state.to {
            Some(to) => to.send(claimed).err().map(|unsent| unsent.0),
            None => Some(claimed),
        }
    }
}

/// A place at the worker for one delivery of one endpoint, until it is handed over or dropped.
pub(crate) struct Promise {
    engine: Engine,
    key: Key,
    kept: bool,
}

impl Promise {
    /// A place for a delivery of that endpoint, if there is one.
    pub(crate) fn of(engine: &Engine, company: CompanyId, method: MethodId) -> Option<Self> {
        let key = (company, method);
        engine.inner.handover.promise(key).then(|| Self { engine: engine.clone(), key, kept: false })
    }

    /// As whose the delivery is stored.
    pub(crate) fn lease(&self) -> Lease<'_> {
        Lease { owner: &self.engine.inner.node_id, until: self.engine.clock().now().plus_ms(LEASE_MS) }
    }

    /// Hands the delivery over, by what its commit handed back; without that (nobody knows whether it was stored) it is freed in
    /// the store.
    pub(crate) async fn keep(mut self, stored: Stored, rows: Option<&[Row]>) {
        self.kept = true;
        let event = &stored.event;
        let read = rows.map(|rows| deliveries::handed_over(rows, stored.id, event, stored.lease_until));
        let handover = &self.engine.inner.handover;
        let left = match read {
            Some(Ok(claimed)) => handover.keep(self.key, claimed).is_some(),
            _ => {
                handover.keep(self.key, None);
                true
            }
        };
        if left {
            let now = self.engine.clock().now();
            let mut batch = Batch::new();
            deliveries::free(&mut batch, event.company_id, stored.id, &self.engine.inner.node_id, now);
            if let Err(error) = self.engine.store().commit(batch).await {
                // It comes free with its lease.
                trouble!(warn, error, delivery = %stored.id, "freeing a delivery: {error}");
            }
            self.engine.inner.wake.deliveries.notify_one();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.kept {
            self.engine.inner.handover.keep(self.key, None);
        }
    }
}

/// A delivery that was stored as this process's.
pub(crate) struct Stored {
    pub(crate) id: TransactionId,
    pub(crate) event: StoredEvent,
    pub(crate) lease_until: domain::Timestamp,
    /// Where its row stands among what the commit hands back.
    pub(crate) place: usize,
}
