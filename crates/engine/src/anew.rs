//! What met another change of the same thing is begun anew: read again, judged again, and committed on what is there by then.
//!
//! Between processes the version of a row decides who was first. Whoever was second has stored nothing and learns by which guard
//! it was refused; it waits a moment, which differs from another's that was refused beside it, and tries again.

use crate::clock::Clock;
use crate::core::Engine;
use crate::random::Random;
use store::CommitError;
use store::repository::{brands, companies, holds, methods, rules, transactions, users};

/// How often something is tried in all.
pub(crate) const TRIES: u32 = 5;
/// The longest first wait, milliseconds, not scaled; the longest of each further one is twice as long.
const FIRST_WAIT_MAX_MS: u64 = 20;

/// An error that may say that another change came first.
pub(crate) trait Meeting {
    /// Another process or task has changed what this was planned on: nothing is stored, and the same, begun anew, may well be.
    fn met_another(&self) -> bool;
}

impl Meeting for CommitError {
    fn met_another(&self) -> bool {
        match *self {
            Self::Guard(label) => matches!(
                label,
                transactions::VERSION_GUARD
                    | holds::UNDECIDED_GUARD
                    | companies::CONFIG_VERSION_GUARD
                    | methods::VERSION_GUARD
                    | rules::VERSION_GUARD
            ),
            // Somebody has just taken the name: whoever begins anew finds that, and has a sentence for it.
            Self::Duplicate(label) => matches!(label, users::EMAIL_IN_USE | brands::DUPLICATE),
            // Whether something is stored is not known: that is for the store to say, never for another try.
            Self::Unknown(_) => false,
            Self::Check(_) | Self::Unavailable(_) | Self::Corrupt(_) => false,
        }
    }
}

/// Tries until nobody else was first, at most [`TRIES`] times, with growing random waits between them. The last try's answer is
/// the answer, also when it met another change too. `attempt` reads anew whatever it decides on, and holds no lock when it ends.
pub(crate) async fn anew<T, E: Meeting, F: Future<Output = Result<T, E>>>(
    clock: &Clock,
    random: &Random,
    attempt: impl Fn() -> F,
) -> Result<T, E> {
    for met in 1..TRIES {
        match attempt().await {
            Err(error) if error.met_another() => clock.pause(wait_ms(met, random.number())).await,
            ended => return ended,
        }
    }
    attempt().await
}

impl Engine {
    /// [`anew`] by the platform's clock and randomness.
    pub(crate) async fn anew<T, E: Meeting, F: Future<Output = Result<T, E>>>(&self, attempt: impl Fn() -> F) -> Result<T, E> {
        anew(self.clock(), &self.inner.random, attempt).await
    }
}

/// The wait after so many meetings, milliseconds: anything from 1 to the longest, so that those that met do not meet again.
fn wait_ms(met: u32, random: u32) -> u64 {
    let most = FIRST_WAIT_MAX_MS << (met - 1);
    1 + ((u64::from(random) * most) >> u32::BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;
    use std::cell::Cell;

    const MET: CommitError = CommitError::Guard(transactions::VERSION_GUARD);

    /// How often it is tried when the first so many tries end like this, and how it ends.
    async fn tried(times: u32, error: &CommitError) -> (u32, Result<(), CommitError>) {
        let tries = Cell::new(0);
        let (clock, random) = (Clock::manual(Timestamp::from_millis(0)), Random::default());
        let ended = anew(&clock, &random, || {
            tries.set(tries.get() + 1);
            let result = if tries.get() <= times { Err(error.clone()) } else { Ok(()) };
            async { result }
        });
        let ended = ended.await;
        (tries.get(), ended)
    }

    #[tokio::test]
    async fn five_tries_and_no_more() {
        assert_eq!(tried(0, &MET).await, (1, Ok(())));
        assert_eq!(tried(1, &MET).await, (2, Ok(())));
        assert_eq!(tried(4, &MET).await, (5, Ok(())));
        assert_eq!(tried(5, &MET).await, (5, Err(MET)));
        assert_eq!(tried(u32::MAX, &MET).await, (5, Err(MET)));
    }

    #[tokio::test]
    async fn only_what_met_another_change_is_begun_anew() {
        for met in [
            CommitError::Guard(holds::UNDECIDED_GUARD),
            CommitError::Guard(companies::CONFIG_VERSION_GUARD),
            CommitError::Guard(methods::VERSION_GUARD),
            CommitError::Guard(rules::VERSION_GUARD),
            CommitError::Duplicate(users::EMAIL_IN_USE),
            CommitError::Duplicate(brands::DUPLICATE),
        ] {
            assert_eq!(tried(1, &met).await, (2, Ok(())), "{met:?}");
        }
        for other in [
            CommitError::Unknown("lost".to_owned()),
            CommitError::Unavailable("away".to_owned()),
            CommitError::Corrupt("damaged".to_owned()),
            CommitError::Check(holds::MAKER_GUARD),
            CommitError::Duplicate(store::repository::idempotency::KEY_TAKEN),
            CommitError::Duplicate(store::repository::single_use::IN_FLIGHT),
            // The work is another's by now.
            CommitError::Guard(store::repository::deliveries::LEASE_GUARD),
            CommitError::Guard(store::repository::jobs::CLAIM_GUARD),
            CommitError::Guard(store::repository::endpoints::SWITCH_OFF_GUARD),
        ] {
            assert_eq!(tried(1, &other).await, (1, Err(other.clone())), "{other:?}");
        }
    }

    #[test]
    fn waits_grow_and_differ() {
        for (met, most) in [(1, 20), (2, 40), (3, 80), (4, 160)] {
            assert_eq!((wait_ms(met, 0), wait_ms(met, u32::MAX)), (1, most));
            assert!((most / 2..=most / 2 + 1).contains(&wait_ms(met, u32::MAX / 2)));
        }
    }
}
