//! How long a server that says nothing is waited for. A server whose processes are stopped, or whose disk hangs, keeps its
//! connections open, and the kernel goes on acknowledging for it: no time limit of the server's or of TCP's ever ends a wait
//! then, so that every wait has one of ours.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// So many heartbeats in a row without a word, while nobody else was told anything either: the server is silent.
const MISSED_MAX: u32 = 2;
/// Whoever waits looks this often whether that has come out.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Said then.
pub(super) const SILENT: &str = "the server says nothing: neither to heartbeats nor to anybody else";

/// Whether the server says anything at all. The heartbeat finds out, which goes on all the time in a process that serves; without
/// heartbeats (a command) nothing is known, and waits end by their limits alone.
#[derive(Debug, Default)]
pub(super) struct Silence {
    missed: AtomicU32,
}

impl Silence {
    /// The server has said something, to whomever.
    pub(super) fn heard(&self) {
        // Everybody calls this all the time: what is shared is written only when that changes something.
        if self.missed.load(Ordering::Relaxed) != 0 {
            self.missed.store(0, Ordering::Relaxed);
        }
    }

    /// A heartbeat has waited for its time without a word.
    pub(super) fn missed(&self) {
        let more = |missed: u32| Some(missed.saturating_add(1));
        let _ = self.missed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Nobody is told anything: whoever asks now is not kept waiting. The heartbeat goes on asking.
    pub(super) fn is_silent(&self) -> bool {
        self.missed.load(Ordering::Relaxed) >= MISSED_MAX
    }

    /// The answer; `None`: none within the limit, or the server has turned out to be silent. What was asked is given up, and its
    /// connection is of no more use.
    pub(super) async fn bounded<T>(&self, limit: Duration, asked: impl Future<Output = T>) -> Option<T> {
        let mut asked = pin!(asked);
        let mut now = Instant::now();
        let until = now + limit;
        loop {
            if let Ok(answer) = timeout_at(until.min(now + LOOK_EVERY), asked.as_mut()).await {
                return Some(answer);
            }
            now = Instant::now();
            if now >= until || self.is_silent() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_with_its_limit_and_earlier_in_a_silence() {
        const LONG: Duration = Duration::from_secs(60);
        let silence = Silence::default();
        let (limit, began) = (Duration::from_millis(200), Instant::now());
        assert_eq!(silence.bounded(limit, std::future::pending::<()>()).await, None);
        assert!(began.elapsed() >= limit, "before its limit");
        silence.missed();
        // Slow is not silent: it takes longer than a look.
        let slow = tokio::time::sleep(LOOK_EVERY + limit);
        assert_eq!(silence.bounded(LONG, slow).await, Some(()));
        silence.missed();
        assert_eq!(silence.bounded(LONG, std::future::pending::<()>()).await, None);
        assert!(began.elapsed() < LONG, "it waited for its limit");
        assert_eq!(silence.bounded(LONG, async { 7 }).await, Some(7), "an answer that is there counts");
        silence.heard();
        assert!(!silence.is_silent());
    }
}
