//! Who may have how much of the due work: one provider that is silent keeps nobody else's from being done.
//!
//! Each provider has a share of the places. It binds only while others have something due or at work; alone, a provider may use everything. Whoever is below its
//! share comes in although everything is taken, so that what was lent is missed by nobody; there are never more than twice as many at work as there are
//! places. Nothing is claimed that there is no place for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::repository::jobs::Job;
use tokio::sync::Notify;

/// Jobs that run at once in one process.
const PLACES: u32 = 64;
/// Of them a provider's share: a quarter, as of the requests in flight.
const SHARE: u32 = PLACES / 4;

/// The places of one process.
#[derive(Debug)]
pub(super) struct DuePlaces {
    taken: Mutex<BTreeMap<String, Taken>>,
    /// Told when there is room again for a provider that had more due than places.
    room: Notify,
}

/// What a provider has.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    now: u32,
    /// It had more due than places: at so few, there is reason to look again.
    look_again_at: Option<u32>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(super) struct DuePlace {
    places: Arc<DuePlaces>,
    provider: String,
}

impl DuePlaces {
    /// All free; `room` is told when some are free again that somebody waits for.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), room: Notify::new() })
    }

    /// Waits until some are free again that somebody waits for.
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }

    /// How many more each of these may have at work, of the providers that have something due; those that may have none are left out.
    pub(super) fn rooms(&self, due: &[String]) -> Vec<(String, u32)> {
        let mut taken = self.lock();
        let total: u32 = taken.values().map(|one| one.now).sum();
        let mut left = (2 * PLACES).saturating_sub(total);
        let mut rooms = Vec::new();
        // Who has least comes first.
        let mut due: Vec<(u32, &String)> = due.iter().map(|name| (taken.get(name).map_or(0, |one| one.now), name)).collect();
        due.sort();
        for (now, name) in &due {
            let alone = due.len() == 1 && taken.keys().all(|other| other == *name);
            let room = (if alone { PLACES } else { SHARE }).saturating_sub(*now).min(left);
            left -= room;
            if room > 0 {
                rooms.push(((*name).clone(), room));
            } else if let Some(full) = taken.get_mut(*name) {
                full.look_again_at.get_or_insert(*now / 2);
            }
        }
        rooms
    }

    /// A place for each job that was claimed. `rooms`: how many there were; where all of a provider's are used, it may have more due.
    pub(super) fn take(self: &Arc<Self>, claimed: Vec<Job>, rooms: &[(String, u32)]) -> Vec<(Job, DuePlace)> {
        let mut taken = self.lock();
        for (name, room) in rooms {
            let claimed = claimed.iter().filter(|job| job.psp_type == *name).count();
            if claimed > 0 {
                let one = taken.entry(name.clone()).or_default();
                one.now += u32::try_from(claimed).unwrap_or(u32::MAX);
                one.look_again_at = (claimed >= *room as usize).then_some(one.now / 2);
            }
        }
        drop(taken);
        let place = |job: &Job| DuePlace { places: self.clone(), provider: job.psp_type.clone() };
        claimed.into_iter().map(|job| (place(&job), job)).map(|(place, job)| (job, place)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for DuePlace {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        let Some(one) = taken.get_mut(&self.provider) else { return };
        one.now -= 1;
        if one.look_again_at.is_some_and(|at| one.now <= at) {
            one.look_again_at = None;
            self.places.room.notify_one();
        }
        if one.now == 0 {
            taken.remove(&self.provider);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{CompanyId, Json, Timestamp, TransactionId};
    use store::repository::jobs::JobKind;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn job(psp_type: &str) -> Job {
        let at = Timestamp::from_millis(1);
        Job {
            company_id: CompanyId::new(at, [1; 6]),
            transaction_id: TransactionId::new(at, [1; 6]),
            psp_type: psp_type.to_owned(),
            kind: JobKind::Inquire,
            due_at: at,
            attempt: 0,
            first_at: at,
            detail: Json::Object(Vec::new()),
            owner: None,
        }
    }

    /// So many are claimed of a provider that has this much room.
    fn take(places: &Arc<DuePlaces>, name: &str, claimed: usize, room: u32) -> Vec<DuePlace> {
        let taken = places.take(vec![job(name); claimed], &[(name.to_owned(), room)]);
        taken.into_iter().map(|(_, place)| place).collect()
    }

    fn take_all(places: &Arc<DuePlaces>, due: &[&str]) -> Vec<DuePlace> {
        let rooms = places.rooms(&names(due));
        rooms.into_iter().flat_map(|(name, room)| take(places, &name, room as usize, room)).collect()
    }

    #[test]
    fn alone_everything_may_be_used_and_whoever_comes_then_gets_the_own_share() {
        let places = DuePlaces::new();
        let silent = take_all(&places, &["silent"]);
        assert_eq!(silent.len(), PLACES as usize);
        assert!(places.rooms(&names(&["silent"])).is_empty());
        let quick = take_all(&places, &["silent", "quick"]);
        assert_eq!(quick.len(), SHARE as usize, "of the quick one alone");
        assert!(quick.iter().all(|place| place.provider == "quick"));
        drop(silent);
        assert_eq!(places.rooms(&names(&["silent"])), [("silent".to_owned(), SHARE)], "others are at work");
        drop(quick);
        assert_eq!(places.rooms(&names(&["silent"])), [("silent".to_owned(), PLACES)]);
        assert!(places.lock().is_empty());
    }

    #[test]
    fn seven_silent_ones_leave_the_eighth_its_share_and_there_is_an_end() {
        let places = DuePlaces::new();
        let first = take_all(&places, &["a"]);
        let mut more = take_all(&places, &["a", "b", "c", "d", "e"]);
        assert_eq!((first.len(), more.len()), (PLACES as usize, PLACES as usize), "twice as many as there are");
        assert!(places.rooms(&names(&["f"])).is_empty());
        more.truncate(60);
        assert_eq!(places.rooms(&names(&["f"])), [("f".to_owned(), 4)]);
        drop((first, more));
        let all = take_all(&places, &["a", "b", "c", "d", "e", "f", "g"]);
        assert_eq!(all.len(), 7 * SHARE as usize);
        assert_eq!(take_all(&places, &["a", "h"]).len(), SHARE as usize);
    }

    #[tokio::test]
    async fn room_is_told_once_half_is_free_again_and_only_where_somebody_waits() {
        let places = DuePlaces::new();
        let told = || tokio::time::timeout(std::time::Duration::from_millis(20), places.room());
        drop(take(&places, "few", 3, 16));
        assert!(told().await.is_err(), "nobody waits");
        let mut full = take(&places, "many", 16, 16);
        full.truncate(9);
        assert!(told().await.is_err());
        full.truncate(8);
        assert!(told().await.is_ok());
        full.clear();
        assert!(told().await.is_err(), "told once");
    }
}
