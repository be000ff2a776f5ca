//! Who may have how much of the work in flight.
//!
//! Every authenticated request takes a [`Place`] and keeps it until its *work* is over, not its connection: a place moves into
//! the task that calls the provider, so that clients that hang up do not make room for more.
//!
//! * A company and a provider have a share each. It binds only while others are there (they have work in flight, or asked within
//!   [`PRESENT_FOR`]); alone, a company or provider may use everything.
//! * Of one provider's share a company has at most half while another company is at that provider.
//! * What was lent is not missed by those that it belongs to: who is below the own share comes in although everything is taken,
//!   as long as others have more than theirs. So there may be more in flight than `whole` for a while; never more than twice as
//!   much.
//! * Of a share that others have overdrawn, only what is theirs counts against whoever has less than half of it: a silent
//!   provider that has eaten a company's share does not stop the company's other providers, and a company that has eaten a
//!   provider's share does not stop the other companies there.
//!
//! It costs a lock of a few hash look-ups when a place is taken and when it is given back; nothing is allocated once the tables
//! have grown to what is in flight at once.

use domain::CompanyId;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Who asked is there for so long, whether let in or not: as long as who was refused is told to wait, and a little for the way.
pub const PRESENT_FOR: Duration = Duration::from_millis(1_500);
/// The partner of work that waits for no provider: reading, and the checks before a payment. It is nobody's competitor, so it has
/// no share.
const OUR_STORE: &str = "";

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareLimits {
    /// Places in all.
    pub whole: usize,
    /// A company's share.
    pub per_company: usize,
    /// A provider's share.
    pub per_provider: usize,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The company's share, the provider's, or the company's part of the provider's is used up, and others are there.
    Share,
    /// Everything is taken.
    Whole,
}

/// The places.
#[derive(Debug)]
pub struct Shares {
    limits: ShareLimits,
    state: Mutex<State>,
}

/// A place among the work in flight; given back when dropped.
#[derive(Debug)]
pub struct Place {
    shares: Arc<Shares>,
    at: At,
}

/// Whose work, waiting for whom.
type At = (CompanyId, &'static str);

#[derive(Debug, Default)]
struct State {
    total: usize,
    companies: Side<CompanyId>,
    providers: Side<&'static str>,
    pairs: HashMap<At, usize>,
    /// The companies at each provider.
    present_at: HashMap<&'static str, Presence<CompanyId>>,
}

/// The companies, or the providers.
#[derive(Debug)]
struct Side<K> {
    used: HashMap<K, Used>,
    present: Presence<K>,
    /// Beyond the shares, all together.
    lent: usize,
}

/// What one of them has.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    now: usize,
    /// Of it, what its partners have beyond half a share each.
    overdrawn: usize,
}

/// Who is there.
#[derive(Debug)]
struct Presence<K> {
    /// How many have work in flight.
    active: usize,
    /// The two that asked last.
    asked: [Option<(K, Instant)>; 2],
}

impl<K> Default for Side<K> {
    fn default() -> Self {
        Self { used: HashMap::new(), present: Presence::default(), lent: 0 }
    }
}

impl<K> Default for Presence<K> {
    fn default() -> Self {
        Self { active: 0, asked: [None, None] }
    }
}

impl<K: Copy + Eq> Presence<K> {
    fn asks(&mut self, who: K, now: Instant) {
        if self.asked[0].is_none_or(|(last, _)| last != who) {
            self.asked[1] = self.asked[0];
        }
        self.asked[0] = Some((who, now));
    }

    fn others_than(&self, who: K, is_active: bool, now: Instant) -> bool {
        let asked = |(other, at): (K, Instant)| other != who && now.saturating_duration_since(at) <= PRESENT_FOR;
        self.active > usize::from(is_active) || self.asked.iter().flatten().copied().any(asked)
    }
}

impl<K: Copy + Eq + Hash> Side<K> {
    fn of(&self, who: K) -> Used {
        self.used.get(&who).copied().unwrap_or_default()
    }

    fn has_others_than(&self, who: K, now: Instant) -> bool {
        self.present.others_than(who, self.used.contains_key(&who), now)
    }

    fn take(&mut self, who: K, share: usize, overdraws: bool) {
        let used = self.used.entry(who).or_default();
        self.present.active += usize::from(used.now == 0);
        self.lent += usize::from(used.now >= share);
        used.overdrawn += usize::from(overdraws);
        used.now += 1;
    }

    fn give_back(&mut self, who: K, share: usize, overdrew: bool) {
        let Some(used) = self.used.get_mut(&who) else { return };
        used.now -= 1;
        used.overdrawn -= usize::from(overdrew);
        self.lent -= usize::from(used.now >= share);
        if used.now == 0 {
            self.used.remove(&who);
            self.present.active -= 1;
        }
    }
}

impl ShareLimits {
    fn half_company(&self) -> usize {
        (self.per_company / 2).max(1)
    }

    fn half_provider(&self) -> usize {
        (self.per_provider / 2).max(1)
    }
}

impl State {
    fn look(&mut self, limits: ShareLimits, (company, provider): At, now: Instant) -> Result<(), Full> {
        self.companies.present.asks(company, now);
        let n = self.pairs.get(&(company, provider)).copied().unwrap_or_default();
        let (of_company, of_provider) = (self.companies.of(company), self.providers.of(provider));
        let counts = if n < limits.half_company() { of_company.now - of_company.overdrawn } else { of_company.now };
        if counts >= limits.per_company && self.companies.has_others_than(company, now) {
            return Err(Full::Share);
        }
        if provider != OUR_STORE {
            self.providers.present.asks(provider, now);
            let present = self.present_at.entry(provider).or_default();
            present.asks(company, now);
            if n >= limits.half_provider() && present.others_than(company, n > 0, now) {
                return Err(Full::Share);
            }
            let counts = if n < limits.half_provider() { of_provider.now - of_provider.overdrawn } else { of_provider.now };
            if counts >= limits.per_provider && self.providers.has_others_than(provider, now) {
                return Err(Full::Share);
            }
        }
        let owed_to_company = of_company.now < limits.per_company && self.total - self.companies.lent < limits.whole;
        let owed_to_provider = of_provider.now < limits.per_provider && self.total - self.providers.lent < limits.whole;
        let owed = (owed_to_company || owed_to_provider) && self.total < limits.whole.saturating_mul(2);
        if self.total < limits.whole || owed { Ok(()) } else { Err(Full::Whole) }
    }

    fn take(&mut self, limits: ShareLimits, (company, provider): At) {
        let n = self.pairs.entry((company, provider)).or_default();
        let before = *n;
        *n += 1;
        self.total += 1;
        self.companies.take(company, limits.per_company, before >= limits.half_company());
        self.providers.take(provider, limits.per_provider, before >= limits.half_provider());
        if provider == OUR_STORE {
            self.providers.present.active -= usize::from(self.providers.of(provider).now == 1);
        } else if before == 0 {
            self.present_at.entry(provider).or_default().active += 1;
        }
    }

    fn give_back(&mut self, limits: ShareLimits, (company, provider): At) {
        let Some(n) = self.pairs.get_mut(&(company, provider)) else { return };
        *n -= 1;
        let left = *n;
        self.total -= 1;
        if provider == OUR_STORE {
            self.providers.present.active += usize::from(self.providers.of(provider).now == 1);
        } else if left == 0 {
            self.present_at.entry(provider).or_default().active -= 1;
        }
        if left == 0 {
            self.pairs.remove(&(company, provider));
        }
        self.companies.give_back(company, limits.per_company, left >= limits.half_company());
        self.providers.give_back(provider, limits.per_provider, left >= limits.half_provider());
    }
}

impl Shares {
    /// So many places, all free.
    pub fn new(limits: ShareLimits) -> Arc<Self> {
        Arc::new(Self { limits, state: Mutex::default() })
    }

    /// A place for work that waits for no provider.
    ///
    /// # Errors
    /// [`Full`].
    pub fn enter(self: &Arc<Self>, company: CompanyId) -> Result<Place, Full> {
        self.enter_at((company, OUR_STORE))
    }

    fn enter_at(self: &Arc<Self>, at: At) -> Result<Place, Full> {
        let mut state = self.lock();
        state.look(self.limits, at, Instant::now())?;
        state.take(self.limits, at);
        drop(state);
        Ok(Place { shares: Arc::clone(self), at })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Exchanges it for one at a provider.
    ///
    /// # Errors
    /// [`Full`]; the place is given back then.
    pub fn at_provider(mut self, provider: &'static str) -> Result<Self, Full> {
        let (shares, at) = (Arc::clone(&self.shares), (self.at.0, provider));
        let mut state = shares.lock();
        state.give_back(shares.limits, self.at);
        let looked = state.look(shares.limits, at, Instant::now());
        // One is taken in any case, because dropping `self` gives one back.
        if looked.is_ok() {
            self.at = at;
        }
        state.take(shares.limits, self.at);
        drop(state);
        looked.map(|()| self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shares.lock().give_back(self.shares.limits, self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    const LIMITS: ShareLimits = ShareLimits { whole: 96, per_company: 24, per_provider: 24 };

    fn company(n: u8) -> CompanyId {
        CompanyId::new(Timestamp::from_millis(1), [n; 6])
    }

    /// As many places as there are, at most 1,000, and why there are no more.
    fn fill(shares: &Arc<Shares>, who: u8, provider: &'static str) -> (Vec<Place>, Option<Full>) {
        let mut places = Vec::new();
        for _ in 0..1_000 {
            match shares.enter_at((company(who), provider)) {
                Ok(place) => places.push(place),
                Err(full) => return (places, Some(full)),
            }
        }
        (places, None)
    }

    #[test]
    fn alone_everything_may_be_used_and_whoever_comes_then_gets_the_own_share() {
        let shares = Shares::new(LIMITS);
        let (first, full) = fill(&shares, 1, "silent");
        assert_eq!((first.len(), full), (96, Some(Full::Whole)));
        // Reading goes on, though the company is over its share.
        assert!(shares.enter(company(1)).is_ok());
        let (other_provider, full) = fill(&shares, 1, "quick");
        assert_eq!((other_provider.len(), full), (24, Some(Full::Share)), "the company's other provider has a share of its own");
        let (other_company, full) = fill(&shares, 2, "quick");
        assert_eq!((other_company.len(), full), (12, Some(Full::Share)), "half of the provider's share");
        let (at_the_silent, full) = fill(&shares, 2, "silent");
        assert_eq!((at_the_silent.len(), full), (12, Some(Full::Share)));
        assert_eq!(fill(&shares, 1, "silent").1, Some(Full::Share), "no longer alone");
        drop((first, other_provider, other_company, at_the_silent));
        let state = shares.lock();
        assert_eq!((state.total, state.companies.lent, state.providers.lent), (0, 0, 0));
        assert!(state.pairs.is_empty() && state.companies.used.is_empty() && state.providers.used.is_empty());
        assert_eq!((state.companies.present.active, state.providers.present.active), (0, 0));
    }

    #[test]
    fn who_only_reads_is_no_competitor_among_the_providers() {
        let shares = Shares::new(LIMITS);
        let reading = shares.enter(company(1)).unwrap();
        let (places, full) = fill(&shares, 1, "silent");
        assert_eq!((places.len(), full), (95, Some(Full::Whole)));
        drop(reading);
    }

    #[test]
    fn a_share_binds_as_long_as_others_are_there() {
        let shares = Shares::new(LIMITS);
        let other = shares.enter_at((company(2), "quick")).unwrap();
        let (places, full) = fill(&shares, 1, "silent");
        assert_eq!((places.len(), full), (24, Some(Full::Share)));
        drop(other);
        assert_eq!(fill(&shares, 1, "silent").1, Some(Full::Share), "it has only just been there");
        std::thread::sleep(PRESENT_FOR + Duration::from_millis(50));
        assert_eq!(fill(&shares, 1, "silent").0.len(), 72, "alone again");
    }

    #[test]
    fn never_more_than_twice_the_whole_whatever_comes() {
        let shares = Shares::new(LIMITS);
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let mut all = Vec::new();
        for who in 0..40 {
            for name in names {
                all.extend(fill(&shares, who, name).0);
            }
        }
        assert!(all.len() <= 2 * LIMITS.whole, "{}", all.len());
        assert!(all.len() >= LIMITS.whole);
    }

    #[test]
    fn a_place_is_exchanged_not_doubled() {
        let shares = Shares::new(ShareLimits { whole: 1, per_company: 1, per_provider: 1 });
        let place = shares.enter(company(1)).unwrap().at_provider("one").unwrap();
        assert_eq!(shares.enter(company(1)).err(), Some(Full::Whole));
        drop(place);
        let place = shares.enter(company(1)).unwrap();
        let held = shares.enter_at((company(2), "one"));
        assert_eq!(held.err(), Some(Full::Whole));
        assert!(place.at_provider("one").is_ok());
        assert!(shares.enter(company(1)).is_ok(), "all were given back");
    }
}
