//! How often one caller may ask, and how much may be worked on at a time.

use crate::limits::{Limits, RATE_SWEEP_EVERY};
use crate::reply::Refused;
use domain::{CompanyId, CredentialId};
use engine::cashier::{Crowded, Entrance};
use engine::shares::{Place, Shares};
use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The rate limiter per credential and the places of work in flight. Only authenticated credentials get in, so that strangers
/// cannot fill the memory of it; credentials unseen for a while are forgotten.
#[derive(Debug)]
pub struct Gate {
    rates: RateLimiter<CredentialId, HashMapStateStore<CredentialId>, DefaultClock>,
    clock: DefaultClock,
    checks: AtomicU32,
    everybody: Arc<Shares>,
    /// For the Management API alone, when nothing else is left for it.
    reserve: Arc<Shares>,
    /// [`Limits::search`].
    pub(crate) search: Duration,
}

impl Gate {
    /// A gate with these limits.
    pub fn new(limits: &Limits) -> Self {
        let quota = Quota::per_second(limits.requests_per_second).allow_burst(limits.burst);
        let (everybody, reserve) = limits.shares();
        Self {
            rates: RateLimiter::hashmap(quota),
            clock: DefaultClock::default(),
            checks: AtomicU32::new(0),
            everybody: Shares::new(everybody),
            reserve: Shares::new(reserve),
            search: limits.search,
        }
    }

    /// Lets an authenticated request in.
    ///
    /// # Errors
    /// 429 over the credential's rate or the company's share, 503 when there is no place at all; both with `Retry-After`.
    pub fn admit(&self, credential: CredentialId, company: CompanyId) -> Result<Place, Refused> {
        Ok(self.enter(credential, company)?)
    }

    /// [`Gate::admit`] for the Management API, which has a reserve.
    ///
    /// # Errors
    /// As there.
    pub fn admit_manager(&self, credential: CredentialId, company: CompanyId) -> Result<Place, Refused> {
        self.check_rate(credential)?;
        self.everybody.enter(company).or_else(|_| self.reserve.enter(company)).map_err(|full| Crowded::from(full).into())
    }

    fn enter(&self, credential: CredentialId, company: CompanyId) -> Result<Place, Crowded> {
        self.check_rate(credential)?;
        Ok(self.everybody.enter(company)?)
    }

    fn check_rate(&self, credential: CredentialId) -> Result<(), Crowded> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % RATE_SWEEP_EVERY == RATE_SWEEP_EVERY - 1 {
            self.rates.retain_recent();
            self.rates.shrink_to_fit();
        }
        self.rates.check_key(&credential).map_err(|not_until| {
            let wait_ms = not_until.wait_time_from(self.clock.now()).as_millis();
            let seconds = u32::try_from(wait_ms.div_ceil(1000)).unwrap_or(u32::MAX).max(1);
            Crowded::Rate { again_s: seconds }
        })
    }
}

impl Entrance for Gate {
    fn let_in(&self, credential: CredentialId, company: CompanyId) -> Result<Option<Place>, Crowded> {
        self.enter(credential, company).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;
    use std::num::NonZeroU32;
    use std::time::{Duration, Instant};

    fn credential(n: u8) -> CredentialId {
        CredentialId::new(Timestamp::from_millis(1), [n; 6])
    }

    fn company(n: u8) -> CompanyId {
        CompanyId::new(Timestamp::from_millis(1), [n; 6])
    }

    fn gate(rate: u32, burst: u32, in_flight: usize) -> Gate {
        Gate::new(&Limits {
            requests_per_second: NonZeroU32::new(rate).unwrap(),
            burst: NonZeroU32::new(burst).unwrap(),
            in_flight_max: in_flight,
            ..Limits::default()
        })
    }

    #[test]
    fn the_burst_passes_then_the_rate_counts_per_credential() {
        let gate = gate(1, 3, 100);
        let passed = (0..10).filter(|_| gate.admit(credential(1), company(1)).is_ok()).count();
        assert_eq!(passed, 3);
        let refused = gate.admit(credential(1), company(1)).unwrap_err().0;
        assert_eq!((refused.status, refused.retry_after_s), (429, Some(1)));
        assert!(gate.admit(credential(2), company(1)).is_ok(), "another credential is not concerned");
    }

    #[test]
    fn the_long_run_rate_is_within_five_per_cent() {
        // The burst covers the pauses that a busy machine puts into this loop.
        let gate = gate(2_000, 1_000, 10_000);
        let start = Instant::now();
        let mut passed = 0_u32;
        while start.elapsed() < Duration::from_millis(800) {
            passed += u32::from(gate.admit(credential(1), company(1)).is_ok());
        }
        let expected = 1_000 + u32::try_from(start.elapsed().as_millis() * 2).unwrap();
        assert!((expected * 95 / 100..=expected * 105 / 100).contains(&passed), "{passed} of {expected}");
    }

    #[test]
    fn a_slot_is_given_back() {
        let gate = gate(1_000, 1_000, 1);
        let slot = gate.admit(credential(1), company(1)).unwrap();
        let refused = gate.admit(credential(1), company(1)).unwrap_err().0;
        assert_eq!((refused.status, refused.retry_after_s), (503, Some(1)));
        drop(slot);
        assert!(gate.admit(credential(1), company(1)).is_ok());
    }

    #[test]
    fn management_has_a_reserve() {
        let gate = gate(1_000, 1_000, 100);
        let taken: Vec<_> = std::iter::from_fn(|| gate.admit(credential(1), company(1)).ok()).collect();
        assert_eq!(taken.len(), 36);
        let managing: Vec<_> = std::iter::from_fn(|| gate.admit_manager(credential(1), company(1)).ok()).collect();
        assert_eq!(managing.len(), 64);
        let refused = gate.admit_manager(credential(1), company(1)).unwrap_err().0;
        assert_eq!((refused.status, refused.retry_after_s), (503, Some(1)));
        // Another company has not had its share yet.
        assert!(gate.admit_manager(credential(2), company(2)).is_ok());
        let refused = gate.admit(credential(1), company(1)).unwrap_err().0;
        assert_eq!((refused.status, refused.retry_after_s), (429, Some(1)));
    }

    #[test]
    fn credentials_unseen_are_forgotten() {
        let gate = gate(1_000, 1, 10);
        for n in 0..200 {
            let _ = gate.admit(credential(n), company(1));
        }
        std::thread::sleep(Duration::from_millis(20));
        gate.checks.store(RATE_SWEEP_EVERY - 1, Ordering::Relaxed);
        let _ = gate.admit(credential(7), company(1));
        assert_eq!(gate.rates.len(), 1);
    }
}
