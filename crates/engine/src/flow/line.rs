//! The line that new payments stand in. What is due to earlier ones (the second commit, callback, inquiry, webhook) goes past it.
//!
//! A payment that is let in has a place until its intent is stored; from then on it is work that is due. So of all the commits
//! that wait, at most so many as there are places belong to payments that have not begun, however many are asked for; and because
//! the store takes commits in the order in which they came, as many payments are settled as are begun: each that was begun adds
//! its later commits to those that wait, until both keep pace.
//!
//! Who waits in a line that moves is served late rather than refused: a burst passes. In a line that has stood for [`STANDING`],
//! waiting helps nobody: who does not come in at once is told to come again, before anything was begun.

use crate::answer::CashierAnswer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use store::Dialect;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a burst may wait.
const BURST_WAIT: Duration = Duration::from_secs(3);
/// After so long without a moment at which a place was free, the line stands.
const STANDING: Duration = Duration::from_secs(1);
/// How long anybody waits in a line that stands: as short as there are always some who wait, because each keeps a connection
/// meanwhile.
const STANDING_WAIT: Duration = Duration::from_millis(10);
/// As many of them take every place that comes free.
const STANDING_WAITS: usize = 16;

/// The line.
#[derive(Debug)]
pub(crate) struct Line {
    places: Arc<Semaphore>,
    opened: Instant,
    /// When somebody last came in without waiting, milliseconds since `opened`.
    free_at_ms: AtomicU64,
    waiting: AtomicUsize,
}

/// Somebody in the line, also when the connection ends meanwhile.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place among the payments that begin; given back when dropped.
pub(crate) type Turn = OwnedSemaphorePermit;

/// One more that was told to come again.
pub(super) fn count_turned_away() {
    metrics::counter!("mozarto_payments_turned_away_total").increment(1);
}

impl Line {
    /// Places enough to fill the groups of commits. A commit over the network takes longer, so that fewer do.
    pub(crate) fn of(store: Dialect) -> Self {
        Self::new(match store {
            Dialect::Sqlite => 64,
            Dialect::Postgres => 32,
        })
    }

    fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            opened: Instant::now(),
            free_at_ms: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    /// One that stands: whoever comes is turned away.
    #[cfg(test)]
    pub(crate) fn standing() -> Self {
        let mut line = Self::new(0);
        line.opened -= 2 * STANDING;
        line.waiting = AtomicUsize::new(STANDING_WAITS);
        line
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long may be waited by whoever comes then.
    fn wait_at(&self, now_ms: u64) -> Duration {
        let stood = Duration::from_millis(now_ms.saturating_sub(self.free_at_ms.load(Ordering::Relaxed)));
        if stood > STANDING { STANDING_WAIT } else { BURST_WAIT }
    }

    /// Whether whoever comes now will be turned away: the line stands, and enough are in it to take every place that comes free.
    /// So that nothing more is spent on a request than to say so.
    pub(crate) fn turns_away(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= STANDING_WAITS && self.wait_at(self.now_ms()) == STANDING_WAIT
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// 503 with `Retry-After`: there is more to do than can be done. Nothing was begun.
    pub(crate) async fn take(&self) -> Result<Turn, CashierAnswer> {
        let now_ms = self.now_ms();
        // Succeeds only when nobody waits.
        if let Ok(turn) = Arc::clone(&self.places).try_acquire_owned() {
            self.free_at_ms.store(now_ms, Ordering::Relaxed);
            return Ok(turn);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        match tokio::time::timeout(self.wait_at(now_ms), Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            // Never closed.
            Ok(Err(_)) | Err(_) => {
                count_turned_away();
                Err(CashierAnswer::overloaded())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_waits_and_passes() {
        let line = Arc::new(Line::new(2));
        let held = [line.take().await.unwrap(), line.take().await.unwrap()];
        let mut waiting = Vec::new();
        for _ in 0..200 {
            let line = Arc::clone(&line);
            waiting.push(tokio::spawn(async move { line.take().await.map(drop) }));
        }
        while line.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        drop(held);
        for one in waiting {
            assert!(one.await.unwrap().is_ok());
        }
    }

    #[test]
    fn a_line_stands_when_no_place_was_free_for_long() {
        let line = Line::new(1);
        assert_eq!(line.wait_at(1_000), BURST_WAIT);
        assert_eq!(line.wait_at(1_001), STANDING_WAIT);
        line.free_at_ms.store(600, Ordering::Relaxed);
        assert_eq!(line.wait_at(1_600), BURST_WAIT);
        assert_eq!(line.wait_at(1_601), STANDING_WAIT);
        assert_eq!(line.wait_at(599), BURST_WAIT, "another asked earlier and is slower");
    }

    #[tokio::test]
    async fn who_is_turned_away_is_told_when_to_come_and_room_is_seen_at_once() {
        let mut line = Line::new(1);
        line.opened -= STANDING + Duration::from_millis(1);
        let held = line.take().await.unwrap();
        line.free_at_ms.store(0, Ordering::Relaxed);
        let refused = line.take().await.unwrap_err();
        assert_eq!((refused.status, refused.retry_after_s), (503, Some(1)));
        assert!(!line.turns_away(), "nobody waits");
        line.waiting.store(STANDING_WAITS, Ordering::Relaxed);
        assert!(line.turns_away());
        drop(held);
        assert!(line.take().await.is_ok());
        assert_eq!(line.wait_at(line.now_ms()), BURST_WAIT, "a place was free a moment ago: this may be a burst");
        assert!(!line.turns_away(), "a burst waits, however many come");
    }
}
