//! What gives work back after its own commit failed, or records what has happened already, is tried again while the store is
//! away: else the work would wait for the end of its lease, although the store has been back for long.

use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The first pause between two tries; doubled each time, up to the longest, so that work goes on within a few seconds after the
/// store is back and a store that is coming back is not kept busy.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// The pauses between tries.
#[derive(Debug)]
pub(crate) struct Waits {
    next: Duration,
    until: Instant,
}

impl Waits {
    /// Pauses for as long as there is something to give back: until the end of a lease, milliseconds, not scaled.
    pub(crate) fn for_ms(lease_ms: i64) -> Self {
        Self { next: FIRST, until: Instant::now() + Duration::from_millis(u64::try_from(lease_ms).unwrap_or_default()) }
    }

    /// When the next try is, if there is one.
    fn next(&mut self, now: Instant) -> Option<Instant> {
        let at = now + self.next;
        self.next = (self.next * 2).min(LONGEST);
        (at <= self.until).then_some(at)
    }

    /// Waits for the next try; `false`: the time is over, or the platform stops, and whoever comes next takes the work over.
    pub(crate) async fn pause(&mut self, stop: &CancellationToken) -> bool {
        let Some(at) = self.next(Instant::now()) else { return false };
        tokio::select! {
            () = stop.cancelled() => false,
            () = tokio::time::sleep_until(at) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let (mut waits, mut now, mut pauses) = (Waits::for_ms(10_000), Instant::now(), Vec::new());
        while let Some(at) = waits.next(now) {
            pauses.push((at - now).as_millis());
            now = at;
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
        assert_eq!(Waits::for_ms(-1).next(Instant::now()), None, "over before it began");
    }

    #[tokio::test]
    async fn nobody_is_waited_for_at_a_stop() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(!Waits::for_ms(60_000).pause(&stop).await);
    }
}
