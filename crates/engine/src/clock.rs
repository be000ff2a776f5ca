//! Time, handed in: the system's, sped up by a scale for tests, or one that a test moves by hand.
//!
//! The system's is a timeline of its own: it begins with the machine's wall clock (or the store's, where processes share one) and
//! goes on by the clock that nobody sets. A wall clock that is put back or forward moves nothing that is waited for. What the
//! timeline is off its reference by, it makes up for slowly, by at most a twentieth of the time that passes; only a new start
//! takes the reference over at once.

use domain::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// How much faster or slower than the steady clock the timeline may go to come back to its reference, per mille.
const SLEW_MAX_PERMILLE: i64 = 50;
/// For how long such a correction goes on without a new look at the reference, milliseconds.
const SLEW_LASTS_MS: i64 = 2_000;

/// The clock of the platform. Waits are given as written in the contract; the scale divides them.
#[derive(Debug)]
pub struct Clock {
    scale: u32,
    source: Source,
}

#[derive(Debug)]
enum Source {
    System(Mutex<Timeline>),
    Manual { now_ms: AtomicI64, moved: Mutex<watch::Sender<i64>> },
}

/// Where the timeline was at a moment of the steady clock, and how it goes on from there.
#[derive(Clone, Copy, Debug)]
struct Timeline {
    steady_ms: i64,
    at_ms: i64,
    permille: i64,
    /// How far the reference was ahead of it then.
    off_ms: i64,
}

/// What the time may be for whoever else looks at a clock: by the timeline and by its reference, which are apart for a while
/// after a clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    /// The earlier of them: what is not over by then is not over.
    pub earliest: Timestamp,
    /// The later of them: what has begun by then has begun.
    pub latest: Timestamp,
}

impl From<Timestamp> for Dates {
    fn from(at: Timestamp) -> Self {
        Self { earliest: at, latest: at }
    }
}

impl Timeline {
    fn at(self, steady_ms: i64) -> i64 {
        let passed = (steady_ms - self.steady_ms).max(0);
        self.at_ms + passed + passed.min(SLEW_LASTS_MS) * self.permille / 1_000
    }

    /// What the reference says, by the last look at it.
    fn date(self, steady_ms: i64) -> i64 {
        self.at_ms + self.off_ms + (steady_ms - self.steady_ms).max(0)
    }

    /// The same timeline, bent toward the reference.
    fn toward(self, reference_ms: i64, steady_ms: i64) -> Self {
        let at_ms = self.at(steady_ms);
        // What is missing is made up for within a second, where the bounds allow it.
        let off_ms = reference_ms - at_ms;
        let permille = off_ms.clamp(-SLEW_MAX_PERMILLE, SLEW_MAX_PERMILLE);
        Self { steady_ms, at_ms, permille, off_ms }
    }
}

/// Milliseconds of the clock that nobody sets; it goes on while the machine sleeps.
fn steady_ms() -> i64 {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000)
}

/// The machine's own wall clock: good for being compared, not for being waited by.
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Clock {
    /// The system's clock; every wait is divided by `scale` (1: as written).
    pub fn system(scale: u32) -> Self {
        let timeline = Timeline { steady_ms: steady_ms(), at_ms: wall().millis(), permille: 0, off_ms: 0 };
        Self { scale: scale.max(1), source: Source::System(Mutex::new(timeline)) }
    }

    /// A clock that stands still until a test moves it with [`advance`](Self::advance).
    pub fn manual(start: Timestamp) -> Self {
        let now = start.millis();
        Self { scale: 1, source: Source::Manual { now_ms: AtomicI64::new(now), moved: Mutex::new(watch::channel(now).0) } }
    }

    /// Now. Never less than before.
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::System(timeline) => {
                let timeline = timeline.lock().unwrap_or_else(PoisonError::into_inner);
                Timestamp::from_millis(timeline.at(steady_ms()))
            }
            Source::Manual { now_ms, .. } => Timestamp::from_millis(now_ms.load(Ordering::SeqCst)),
        }
    }

    /// The date as the reference has it, by the last look at it: for what others compare with clocks of their own, never for
    /// waiting.
    pub fn date(&self) -> Timestamp {
        match &self.source {
            Source::System(timeline) => {
                let timeline = timeline.lock().unwrap_or_else(PoisonError::into_inner);
                Timestamp::from_millis(timeline.date(steady_ms()))
            }
            Source::Manual { .. } => self.now(),
        }
    }

    /// [`now`](Self::now) and [`date`](Self::date): what either of them lets pass is neither over nor yet to come.
    pub fn dates(&self) -> Dates {
        let (now, date) = (self.now(), self.date());
        Dates { earliest: now.min(date), latest: now.max(date) }
    }

    /// Takes the reference over at once: at a start. A clock moved by hand does not listen.
    pub fn begin_at(&self, reference: Timestamp) {
        if let Source::System(timeline) = &self.source {
            *timeline.lock().unwrap_or_else(PoisonError::into_inner) =
                Timeline { steady_ms: steady_ms(), at_ms: reference.millis(), permille: 0, off_ms: 0 };
        }
    }

    /// Bends toward the reference, as it is now. A clock moved by hand does not listen.
    pub fn follow(&self, reference: Timestamp) {
        if let Source::System(timeline) = &self.source {
            let mut timeline = timeline.lock().unwrap_or_else(PoisonError::into_inner);
            *timeline = timeline.toward(reference.millis(), steady_ms());
        }
    }

    /// Whether it is moved by hand.
    pub fn is_manual(&self) -> bool {
        matches!(self.source, Source::Manual { .. })
    }

    /// The time scale.
    pub fn scale(&self) -> u32 {
        self.scale
    }

    /// A wait as it is really waited, milliseconds; at least 1 for a wait above zero.
    pub fn scaled_ms(&self, wait_ms: i64) -> i64 {
        if wait_ms <= 0 { 0 } else { (wait_ms / i64::from(self.scale)).max(1) }
    }

    /// A wait as it is really waited.
    pub fn scaled(&self, wait_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(self.scaled_ms(wait_ms)).unwrap_or_default())
    }

    /// The point in time a written wait from now.
    pub fn after(&self, wait_ms: i64) -> Timestamp {
        self.now().plus_ms(self.scaled_ms(wait_ms))
    }

    /// How much written time lies between two points: the scale multiplied back.
    pub fn written_between(&self, earlier: Timestamp, later: Timestamp) -> i64 {
        later.since(earlier).saturating_mul(i64::from(self.scale))
    }

    /// Waits until that point in time.
    pub async fn sleep_until(&self, at: Timestamp) {
        match &self.source {
            Source::System(_) => {
                let wait = at.since(self.now());
                if let Ok(wait) = u64::try_from(wait) {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
            }
            Source::Manual { moved, .. } => {
                let mut moves = moved.lock().unwrap_or_else(PoisonError::into_inner).subscribe();
                // The sender lives as long as the clock, so that waiting cannot fail.
                let _ = moves.wait_for(|now| *now >= at.millis()).await;
            }
        }
    }

    /// Waits for milliseconds as they pass, not scaled, also beside a clock that is moved by hand: how long others take for what
    /// they are in the middle of has nothing to do with the timeline.
    pub async fn pause(&self, wait_ms: u64) {
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }

    /// Moves a manual clock on. The system's clock does not listen.
    pub fn advance(&self, by_ms: i64) {
        if let Source::Manual { now_ms, moved } = &self.source {
            let now = now_ms.fetch_add(by_ms, Ordering::SeqCst) + by_ms;
            moved.lock().unwrap_or_else(PoisonError::into_inner).send_replace(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timeline = Timeline { steady_ms: 1_000, at_ms: 50_000, permille: 0, off_ms: 0 };

    #[test]
    fn a_reference_that_jumps_moves_the_timeline_by_a_twentieth_and_never_back() {
        for jump in [7_200_000, -7_200_000, 6 * 86_400_000] {
            let (mut timeline, mut before) = (START, START.at_ms);
            for second in 1..=60 {
                let steady = 1_000 + second * 1_000;
                timeline = timeline.toward(50_000 + second * 1_000 + jump, steady);
                let now = timeline.at(steady);
                assert!(now > before && now - before <= 1_050, "{jump}: {before} -> {now}");
                before = now;
            }
            let made_up = before - (50_000 + 60_000);
            assert!(made_up.abs() <= 3_000 && made_up.signum() == jump.signum(), "{jump}: {made_up}");
        }
    }

    #[test]
    fn the_date_is_the_references_at_once() {
        for jump in [3_600_000, -3_600_000] {
            let bent = START.toward(50_000 + jump, 1_000);
            assert_eq!(bent.date(1_500), 50_500 + jump);
            assert!((bent.at(1_500) - 50_500).abs() <= 25);
        }
    }

    #[test]
    fn a_small_difference_is_made_up_for_exactly() {
        let bent = START.toward(50_020, 1_000);
        assert_eq!(bent.at(1_000), 50_000);
        assert_eq!(bent.at(2_000), 51_020);
        let straight = bent.toward(51_020, 2_000);
        assert_eq!(straight.at(3_000), 52_020);
    }

    #[test]
    fn without_a_new_look_a_correction_ends() {
        let bent = START.toward(60_000, 1_000);
        assert_eq!(bent.at(1_000 + 3_600_000), 50_000 + 3_600_000 + SLEW_LASTS_MS * SLEW_MAX_PERMILLE / 1_000);
    }
}
