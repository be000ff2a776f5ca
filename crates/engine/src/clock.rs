//! Time, handed in: the system's, sped up by a scale for tests, or one that a test moves by hand.

use domain::Timestamp;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// The clock of the platform. Waits are given as written in the contract; the scale divides them.
#[derive(Debug)]
pub struct Clock {
    scale: u32,
    source: Source,
}

#[derive(Debug)]
enum Source {
    System,
    Manual { now_ms: AtomicI64, moved: Mutex<watch::Sender<i64>> },
}

impl Clock {
    /// The system's clock; every wait is divided by `scale` (1: as written).
    pub fn system(scale: u32) -> Self {
        Self { scale: scale.max(1), source: Source::System }
    }

    /// A clock that stands still until a test moves it with [`advance`](Self::advance).
    pub fn manual(start: Timestamp) -> Self {
        let now = start.millis();
        Self { scale: 1, source: Source::Manual { now_ms: AtomicI64::new(now), moved: Mutex::new(watch::channel(now).0) } }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Source::Manual { now_ms, .. } => Timestamp::from_millis(now_ms.load(Ordering::SeqCst)),
        }
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
            Source::System => {
                let wait = at.since(self.now());
                if let Ok(wait) = u64::try_from(wait) {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
            }
            Source::Manual { moved, .. } => {
                let mut moves = moved.lock().unwrap_or_else(std::sync::PoisonError::into_inner).subscribe();
                // The sender lives as long as the clock, so that waiting cannot fail.
                let _ = moves.wait_for(|now| *now >= at.millis()).await;
            }
        }
    }

    /// Moves a manual clock on. The system's clock does not listen.
    pub fn advance(&self, by_ms: i64) {
        if let Source::Manual { now_ms, moved } = &self.source {
            let now = now_ms.fetch_add(by_ms, Ordering::SeqCst) + by_ms;
            moved.lock().unwrap_or_else(std::sync::PoisonError::into_inner).send_replace(now);
        }
    }
}
