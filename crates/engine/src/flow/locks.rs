//! One flow per transaction at a time within this process. Between processes the version guard of the row decides.

use domain::TransactionId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// A lock per transaction that anybody is working on.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<HashMap<TransactionId, Arc<tokio::sync::Mutex<()>>>>);

/// Once this many locks are known, the unused ones are dropped.
const SWEEP_AT: usize = 4_096;

impl Locks {
    /// Waits for the transaction.
    pub(crate) async fn lock(&self, id: TransactionId) -> OwnedMutexGuard<()> {
        let lock = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= SWEEP_AT {
                known.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            known.entry(id).or_default().clone()
        };
        lock.lock_owned().await
    }
}
