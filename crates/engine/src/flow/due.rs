//! Who may have how much of the due work: one provider that is silent keeps nobody else's from being done.
//!
//! Each provider has a share of the places. It binds only while others have something due or at work; alone, a provider may use
//! everything. Whoever is below its share comes in although everything is taken, so that what was lent is missed by nobody; there
//! are never more than twice as many at work as there are places. Nothing is claimed that there is no place for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Jobs, and transactions whose callbacks waited, that are worked on at once in one process: so many of either.
const PLACES: u32 = 64;
/// Of them a provider's share: a quarter, as of the requests in flight.
const SHARE: u32 = PLACES / 4;

/// The places of one process for jobs, or for callbacks.
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

    /// How many more each of these may have at work, of the providers that have something due; those that may have none are left
    /// out.
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

    /// A place for each that was claimed, by its provider. `rooms`: how many there were; where all of a provider's are used, it
    /// may have more due.
    pub(super) fn take<T>(
        self: &Arc<Self>,
        claimed: impl IntoIterator<Item = T>,
        provider: impl Fn(&T) -> &str,
        rooms: &[(String, u32)],
    ) -> Vec<(T, DuePlace)> {
        let mut taken = self.lock();
        let mut placed = Vec::new();
        for one in claimed {
            let provider = provider(&one).to_owned();
            taken.entry(provider.clone()).or_default().now += 1;
            placed.push((one, DuePlace { places: self.clone(), provider }));
        }
        for (name, room) in rooms {
            let claimed = placed.iter().filter(|(_, place)| place.provider == *name).count();
            if let Some(one) = taken.get_mut(name).filter(|_| claimed >= *room as usize) {
                one.look_again_at = Some(one.now / 2);
            }
        }
        drop(taken);
        placed
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

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// So many are claimed of a provider that has this much room.
    fn take(places: &Arc<DuePlaces>, name: &str, claimed: usize, room: u32) -> Vec<DuePlace> {
        let taken = places.take(vec![name; claimed], |name| name, &[(name.to_owned(), room)]);
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
