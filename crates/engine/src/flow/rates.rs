//! How many callbacks of one transaction are taken; a flood of them is refused before the store is asked whose it is.

use aws_lc_rs::digest::{SHA256, digest};
use domain::{CompanyId, MethodId, TransactionId};
use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use providers::Locate;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Callbacks of one transaction that are taken at once before the rate counts, and per second in the long run.
const BURST: NonZeroU32 = NonZeroU32::new(200).unwrap();
const PER_SECOND: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// The same for those of an account that name nothing of it.
const OF_NOBODY_BURST: NonZeroU32 = NonZeroU32::new(2_000).unwrap();
const OF_NOBODY_PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();
/// Of so many of one transaction's each is worked on at once; later ones wait for each other for a moment, so that a flood does
/// not reach the provider.
const PROMPT_MAX: u32 = 40;
/// They are counted anew after this.
const COUNTED_FOR: Duration = Duration::from_secs(600);
/// Once so many transactions are counted, those are forgotten whose time has passed.
const COUNTED_MAX: usize = 10_000;
/// Tokens, and names, of what had too many; once there are so many they are looked up anew.
const FLOODED_MAX: usize = 1_000;

/// What callbacks are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum About {
    /// The transaction that they are about.
    Transaction(TransactionId),
    /// The account whose address they came to, although they name another account's transaction: that one's own are not held up
    /// by them.
    Strays(MethodId),
    /// The account whose address they came to, although they name nothing of it: another system may work with the account, and
    /// all of its payments are told of here, so that many are taken.
    Nobody(MethodId),
}

/// How many callbacks of one transaction are taken. By this process, on the monotonic clock.
pub(crate) struct Rates {
    limiter: RateLimiter<About, HashMapStateStore<About>, DefaultClock>,
    of_nobody: RateLimiter<About, HashMapStateStore<About>, DefaultClock>,
    counted: Mutex<HashMap<About, (Instant, u32)>>,
    /// By the hash of its token, whose had too many: it needs not be looked up for each further one.
    flooded: Mutex<HashMap<[u8; 32], Behind>>,
    /// By what callbacks to an account's address name it by, what had too many: it needs not be looked up either.
    named: Mutex<HashMap<[u8; 32], About>>,
}

/// Whose a callback token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// A transaction's own.
    Transaction(TransactionId),
    /// That of an account's address.
    Account(CompanyId, MethodId),
}

/// What a callback to an account's address names, as it is remembered: only its digest, for the name is as long as it likes.
pub(super) fn name_hash(account: MethodId, named: &Locate) -> [u8; 32] {
    let id = named.reference.map(|id| id.to_string()).unwrap_or_default();
    let text = format!("{account} {id} {}", named.psp_transaction_id.as_deref().unwrap_or_default());
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// Remembers an entry, in bounded room: what is forgotten is looked up again.
fn remember<T>(map: &Mutex<HashMap<[u8; 32], T>>, hash: [u8; 32], value: T) {
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    if map.len() >= FLOODED_MAX {
        map.clear();
    }
    map.insert(hash, value);
}

/// A callback that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// Not the first one of the transaction that this process sees.
    pub(super) crowded: bool,
    /// It is worked on at once.
    pub(super) prompt: bool,
}

impl Default for Rates {
    fn default() -> Self {
        let quota = Quota::per_second(PER_SECOND).allow_burst(BURST);
        let of_nobody = Quota::per_second(OF_NOBODY_PER_SECOND).allow_burst(OF_NOBODY_BURST);
        Self {
            limiter: RateLimiter::hashmap(quota),
            of_nobody: RateLimiter::hashmap(of_nobody),
            counted: Mutex::default(),
            flooded: Mutex::default(),
            named: Mutex::default(),
        }
    }
}

impl Rates {
    /// Takes one; `None`: there were too many.
    pub(super) fn take(&self, id: About) -> Option<Taken> {
        let limiter = if matches!(id, About::Nobody(_)) { &self.of_nobody } else { &self.limiter };
        limiter.check_key(&id).ok()?;
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= COUNTED_MAX && !counted.contains_key(&id) {
            counted.retain(|_, (since, _)| since.elapsed() < COUNTED_FOR);
            if counted.len() >= COUNTED_MAX {
                counted.clear();
            }
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
            self.of_nobody.retain_recent();
        }
        let (since, count) = counted.entry(id).or_insert_with(|| (Instant::now(), 0));
        let crowded = *count > 0;
        if since.elapsed() >= COUNTED_FOR {
            (*since, *count) = (Instant::now(), 0);
        }
        *count = count.saturating_add(1);
        Some(Taken { crowded, prompt: *count <= PROMPT_MAX })
    }

    /// Whose a token that had too many is; `None`: it is to be looked up.
    pub(super) fn flooded(&self, token_hash: &[u8; 32]) -> Option<Behind> {
        self.flooded.lock().unwrap_or_else(PoisonError::into_inner).get(token_hash).copied()
    }

    /// What an account's callbacks of this [`name`](name_hash) are about, if there were too many; `None`: it is to be looked up.
    pub(super) fn flooded_name(&self, name: &[u8; 32]) -> Option<About> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    /// Takes one of a token's, as [`take`](Self::take), and remembers the token once there were too many.
    pub(super) fn take_behind(&self, token_hash: [u8; 32], id: TransactionId) -> Option<Taken> {
        let taken = self.take(About::Transaction(id));
        if taken.is_none() {
            remember(&self.flooded, token_hash, Behind::Transaction(id));
        }
        taken
    }

    /// Takes one of an account's address, as [`take`](Self::take), and remembers the address and the name once there were too
    /// many.
    pub(super) fn take_named(
        &self,
        (token_hash, company, account): ([u8; 32], CompanyId, MethodId),
        name: [u8; 32],
        about: About,
    ) -> Option<Taken> {
        let taken = self.take(about);
        if taken.is_none() {
            remember(&self.flooded, token_hash, Behind::Account(company, account));
            // Names of nothing are without number.
            if !matches!(about, About::Nobody(_)) {
                remember(&self.named, name, about);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    #[test]
    fn a_flood_is_counted() {
        let rates = Rates::default();
        let about = |n| About::Transaction(TransactionId::new(Timestamp::from_millis(1), [n; 6]));
        let (one, other) = (about(1), about(2));
        assert_eq!(rates.take(one), Some(Taken { crowded: false, prompt: true }));
        let taken: Vec<Taken> = (0..1_000).filter_map(|_| rates.take(one)).collect();
        assert!((199..=240).contains(&taken.len()), "{}", taken.len());
        assert_eq!(taken.iter().filter(|taken| taken.prompt).count(), 39);
        assert!(taken.iter().all(|taken| taken.crowded));
        assert_eq!(rates.take(other), Some(Taken { crowded: false, prompt: true }));
    }

    #[test]
    fn a_flooded_token_needs_no_look_up_and_is_taken_again_later() {
        let (rates, id) = (Rates::default(), TransactionId::new(Timestamp::from_millis(0), [7; 6]));
        for _ in 0..BURST.get() {
            assert!(rates.take_behind([1; 32], id).is_some());
            assert_eq!(rates.flooded(&[1; 32]), None);
        }
        assert!((0..100).any(|_| rates.take_behind([1; 32], id).is_none()));
        assert_eq!((rates.flooded(&[1; 32]), rates.flooded(&[2; 32])), (Some(Behind::Transaction(id)), None));
        for other in 0..=u16::try_from(FLOODED_MAX).unwrap() {
            let [high, low] = other.to_be_bytes();
            let mut hash = [3; 32];
            (hash[0], hash[1]) = (high, low);
            while rates.take_behind(hash, id).is_some() {}
        }
        assert!(rates.flooded.lock().unwrap().len() <= FLOODED_MAX);
    }

    #[test]
    fn a_flood_at_an_accounts_address_is_known_by_what_it_names() {
        let (at, bytes) = (Timestamp::from_millis(0), [7; 6]);
        let (company, account, id) = (CompanyId::new(at, bytes), MethodId::new(at, bytes), TransactionId::new(at, bytes));
        let named = |id: &str| name_hash(account, &Locate { reference: None, psp_transaction_id: Some(id.to_owned()) });
        let (rates, address) = (Rates::default(), ([1; 32], company, account));
        while rates.take_named(address, named("a"), About::Transaction(id)).is_some() {
            assert_eq!((rates.flooded(&[1; 32]), rates.flooded_name(&named("a"))), (None, None));
        }
        assert_eq!(rates.flooded(&[1; 32]), Some(Behind::Account(company, account)));
        assert_eq!(rates.flooded_name(&named("a")), Some(About::Transaction(id)));
        // What else the account's provider has to tell is looked up as ever.
        assert_eq!(rates.flooded_name(&named("b")), None);
    }
}
