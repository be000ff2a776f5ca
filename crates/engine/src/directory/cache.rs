//! Bounded maps of what was loaded.

use super::CompanySnapshot;
use domain::{CompanyId, CredentialId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Most companies at hand; the one not used for longest makes room.
pub(super) const SNAPSHOTS_MAX: usize = 4_096;
/// Most credentials whose company is remembered.
const OWNERS_MAX: usize = 100_000;
/// Most ids that are remembered to be nobody's.
const ABSENT_MAX: usize = 10_000;
/// How long an id is remembered to be nobody's.
const ABSENT_FOR: Duration = Duration::from_secs(2);

/// Where one company's snapshot is, or is being loaded to.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) cell: OnceCell<Option<Arc<CompanySnapshot>>>,
    used: AtomicU64,
}

/// The snapshots. A change takes the slot out of the map: loads that began before it end in a slot that nobody asks any more.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    slots: RwLock<HashMap<CompanyId, Arc<Slot>>>,
    uses: AtomicU64,
}

impl Snapshots {
    /// The slot of a company, made where there is none.
    pub(super) fn slot(&self, id: CompanyId) -> Arc<Slot> {
        let now = self.uses.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = self.slots.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            slot.used.store(now, Ordering::Relaxed);
            return slot.clone();
        }
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SNAPSHOTS_MAX && !slots.contains_key(&id) {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed)).map(|(id, _)| *id);
            oldest.and_then(|oldest| slots.remove(&oldest));
        }
        let slot = slots.entry(id).or_default();
        slot.used.store(now, Ordering::Relaxed);
        slot.clone()
    }

    /// Takes this very slot out; a newer one stays.
    pub(super) fn forget(&self, id: CompanyId, slot: &Arc<Slot>) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if slots.get(&id).is_some_and(|current| Arc::ptr_eq(current, slot)) {
            slots.remove(&id);
        }
    }

    /// Takes a company out.
    pub(super) fn drop_company(&self, id: CompanyId) {
        self.slots.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// The companies that are loaded, with their versions.
    pub(super) fn loaded(&self) -> Vec<(CompanyId, i64)> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.iter().filter_map(|(id, slot)| Some((*id, slot.cell.get()?.as_ref()?.version))).collect()
    }

    /// How many slots there are.
    pub(super) fn len(&self) -> usize {
        self.slots.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Whose a credential is. Ids that are nobody's are remembered for a moment, so that a broken client costs no query per call.
#[derive(Debug, Default)]
pub(super) struct Owners {
    known: RwLock<HashMap<CredentialId, CompanyId>>,
    absent: Mutex<HashMap<CredentialId, Instant>>,
}

impl Owners {
    /// `Some(None)`: nobody's; `None`: to be looked up.
    pub(super) fn get(&self, id: CredentialId) -> Option<Option<CompanyId>> {
        if let Some(company) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Some(Some(*company));
        }
        let absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        absent.get(&id).filter(|since| since.elapsed() < ABSENT_FOR).map(|_| None)
    }

    pub(super) fn put(&self, id: CredentialId, owner: Option<CompanyId>) {
        match owner {
            Some(company) => {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= OWNERS_MAX {
                    known.clear();
                }
                known.insert(id, company);
            }
            None => {
                let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
                if absent.len() >= ABSENT_MAX {
                    absent.clear();
                }
                absent.insert(id, Instant::now());
            }
        }
    }

    /// Somebody may have made a credential.
    pub(super) fn forget_absent(&self) {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
