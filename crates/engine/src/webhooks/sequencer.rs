//! Closes the rounds of the feed on a shared store, many events at once: a few statements a second whatever the rate, none while
//! nothing happens.

use crate::core::Engine;
use crate::flow::EngineError;
use crate::pulse::trouble;
use std::time::{Duration, Instant};
use store::Dialect;
use store::repository::feed::{self, Writers};

/// Rounds follow each other no faster than this.
const ROUND_EVERY: Duration = Duration::from_millis(100);
/// How often it is looked whether those who write have ended: at first, and at the longest.
const LOOK_FIRST: Duration = Duration::from_millis(5);
const LOOK_LAST: Duration = Duration::from_millis(500);
/// How often it is looked for what others have begun and not ended.
const IDLE: Duration = Duration::from_secs(1);
/// How often it is looked for what was stored and nobody has told of: by a process that is dead since, or by a commit whose
/// answer was lost.
const LEFT_EVERY: Duration = Duration::from_secs(3);
/// A feed that is held back for longer is told about.
const LAG_TOLD: Duration = Duration::from_secs(10);

/// A round that is to be closed.
struct Pending {
    round: i64,
    since: Instant,
    writers: Writers,
    told: bool,
}

/// Works until the platform stops.
pub(super) async fn run(engine: Engine) {
    if engine.store().dialect() == Dialect::Sqlite {
        return;
    }
    let mut begun = false;
    let mut stored = true;
    let mut pending: Option<Pending> = None;
    let mut look = LOOK_FIRST;
    let mut looked = Instant::now();
    loop {
        let was_pending = pending.is_some();
        let step = async {
            if !begun {
                feed::begin(engine.store()).await?;
                begun = true;
            }
            if pending.is_none() && !stored && looked.elapsed() >= LEFT_EVERY {
                looked = Instant::now();
                stored = feed::any_unshown(engine.store()).await?;
            }
            step(&engine, &mut pending, stored).await
        };
        let wait = match step.await {
            Ok(()) if pending.is_some() => {
                look = (look * 2).min(LOOK_LAST);
                look
            }
            Ok(()) => {
                look = LOOK_FIRST;
                if stored { ROUND_EVERY } else { IDLE }
            }
            Err(error) => {
                trouble!(warn, error, "closing a round of the feed: {error}");
                IDLE
            }
        };
        tell(&engine, pending.as_mut());
        // What was stored while a round waited to be closed belongs to the next one.
        let was_stored = std::mem::take(&mut stored) && (was_pending || pending.is_some());
        tokio::select! {
            () = engine.inner.stop.cancelled() => return,
            () = engine.inner.wake.feed.notified() => stored = true,
            () = tokio::time::sleep(wait) => {}
        }
        if stored {
            // Whatever else is stored in this time goes into the same round.
            tokio::time::sleep(wait.min(ROUND_EVERY)).await;
        }
        stored |= was_stored;
    }
}

/// One look. `stored`: something may be in the open round.
async fn step(engine: &Engine, pending: &mut Option<Pending>, stored: bool) -> Result<(), EngineError> {
    let db = engine.store();
    if pending.is_none() {
        let mut state = feed::state(db).await?;
        if state.closed + 1 == state.round {
            if !stored {
                return Ok(());
            }
            feed::raise(db, state.round).await?;
            state = feed::state(db).await?;
        }
        // Looked for after the round was raised: whoever comes later belongs to the next one.
        *pending =
            Some(Pending { round: state.round - 1, since: Instant::now(), writers: feed::writers(db).await?, told: false });
    }
    let Some(open) = pending else { return Ok(()) };
    if !open.writers.is_empty() {
        let now = feed::writers(db).await?;
        open.writers.retain(|writer| now.contains(writer));
    }
    if open.writers.is_empty() {
        feed::close(db, open.round).await?;
        *pending = None;
    }
    Ok(())
}

/// How far the feed is behind: since when a round waits to be closed.
fn tell(engine: &Engine, pending: Option<&mut Pending>) {
    let lag = pending.as_ref().map_or(Duration::ZERO, |pending| pending.since.elapsed());
    engine.inner.pulse.feed_lag(i64::try_from(lag.as_millis()).unwrap_or(i64::MAX));
    if let Some(pending) = pending
        && lag > LAG_TOLD
        && !pending.told
    {
        pending.told = true;
        tracing::warn!(
            seconds = lag.as_secs(),
            "the feed is held back by a transaction of the database that has written events and does not end"
        );
    }
}
