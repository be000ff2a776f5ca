//! The heartbeat: that this process lives, that the store takes writes, what time it is there. And what a start must put right in
//! the store's times.

use super::EngineError;
use super::lives::Lives;
use crate::clock::{Clock, wall};
use crate::core::Engine;
use crate::pulse::{Pulse, trouble};
use domain::schedule::{
    DELIVERY_RETRY_AFTER_MAX_MS, DELIVERY_SPREAD_PERCENT, DELIVERY_WAITS_MS, HOLD_ATTENTION_MS, INQUIRY_WAITS_MS, LATE_CHECKS_MS,
};
use domain::{Json, Timestamp};
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::repository::bring_back::{self, Steps};
use store::repository::jobs::Job;
use store::repository::{callbacks, jobs, nodes};
use store::{Batch, CommitError, Dialect, Driver, QueryError};

/// A heartbeat is written this often, not scaled.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// One that is not stored within this is missed.
const BEAT_LIMIT: Duration = Duration::from_millis(1_500);
/// A time without heartbeats shorter than this is a restart like any other, milliseconds.
const PAUSE_MS: i64 = 60_000;
/// A heartbeat that took longer tells nothing about the store's clock, milliseconds.
const CLOCK_ANSWER_MS: i64 = 250;

/// Ready: what an operator should know beside that.
#[derive(Debug)]
pub struct Readiness(Vec<(&'static str, Json)>);

/// Not ready: why, in words that anybody may read.
#[derive(Debug)]
pub struct NotReady {
    /// The reason.
    pub reason: &'static str,
    detail: Vec<(&'static str, Json)>,
}

impl Readiness {
    /// `{"ready":true,"clockSkewMs","feedLagMs"}`.
    pub fn to_json(&self) -> Json {
        with(Json::object([("ready", Json::Bool(true))]), &self.0)
    }
}

impl NotReady {
    /// `{"ready":false,"reason","clockSkewMs","feedLagMs"}`.
    pub fn to_json(&self) -> Json {
        with(Json::object([("ready", Json::Bool(false)), ("reason", Json::text(self.reason))]), &self.detail)
    }
}

fn with(mut json: Json, detail: &[(&'static str, Json)]) -> Json {
    for (name, value) in detail {
        json.set(name, value.clone());
    }
    json
}

/// Before anything else: those who share a store tell the time by its clock.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub(crate) async fn begin_with_the_stores_clock(db: &dyn Driver, clock: &Clock, pulse: &Pulse) -> Result<(), QueryError> {
    if clock.is_manual() {
        return Ok(());
    }
    let Some(store) = nodes::store_clock(db).await? else { return Ok(()) };
    let skew_ms = wall().since(store);
    clock.begin_at(store);
    pulse.skew(skew_ms, "this machine's clock is not the database server's: the database server's counts");
    Ok(())
}

impl Engine {
    /// Whether requests can be served: the store takes writes and the workers run.
    ///
    /// # Errors
    /// What is missing.
    pub fn ready(&self) -> Result<Readiness, NotReady> {
        let detail = self.inner.pulse.detail();
        let reason = match self.inner.workers_running.load(Ordering::SeqCst) {
            true => self.inner.pulse.unwell(),
            false => Some("the workers are not running"),
        };
        match reason {
            None => Ok(Readiness(detail)),
            Some(reason) => Err(NotReady { reason, detail }),
        }
    }

    /// Whether the store is known to take no writes: nothing new is begun then.
    pub(super) fn store_is_unwell(&self) -> bool {
        self.inner.workers_running.load(Ordering::SeqCst) && self.inner.pulse.unwell().is_some()
    }

    /// Whether another process that lives works on the job.
    pub(super) async fn is_anothers(&self, job: &Job) -> Result<bool, EngineError> {
        match &job.owner {
            Some(owner) if **owner != *self.inner.node_id && self.store().dialect() == Dialect::Postgres => {
                Ok(nodes::is_known(self.store(), owner).await?)
            }
            _ => Ok(false),
        }
    }

    pub(super) async fn first_beat(&self) -> Result<(), EngineError> {
        let (now, this, dialect) = (self.clock().now(), &self.inner.node_id, self.store().dialect());
        let mut batch = Batch::new();
        if dialect == Dialect::Sqlite {
            // The embedded store belongs to one process (a file lock says so): every other owner is dead, whatever a clock says.
            nodes::forget(&mut batch, "", Timestamp::from_millis(i64::MAX));
            jobs::release_others(&mut batch, this, now);
            callbacks::release_others(&mut batch, this, now);
            if let Some(seen) = nodes::last_seen(self.store()).await? {
                let pause_ms = now.since(seen);
                if pause_ms.abs() > PAUSE_MS {
                    bring_back::leave_out(&mut batch, pause_ms);
                }
            }
        }
        nodes::beat(&mut batch, dialect, this, now);
        bring_back::bring_back(&mut batch, now, &self.steps());
        jobs::pull_inquiries_forward(&mut batch, now);
        self.store().commit(batch).await?;
        self.inner.pulse.beaten();
        Ok(())
    }

    /// One step of each schedule, as it is really waited.
    fn steps(&self) -> Steps {
        let scaled = |ms: i64| self.clock().scaled_ms(ms);
        let longest = |ms: i64| scaled(ms + ms * DELIVERY_SPREAD_PERCENT / 100);
        let [first, second, third] = LATE_CHECKS_MS;
        Steps {
            inquiry: INQUIRY_WAITS_MS.map(scaled),
            late: [first, second - first, third - second].map(scaled),
            hold: scaled(HOLD_ATTENTION_MS),
            delivery: DELIVERY_WAITS_MS.map(longest),
            retry_after: scaled(DELIVERY_RETRY_AFTER_MAX_MS),
        }
    }

    /// Beats, and waits for nothing else: neither for a lock nor for a connection that work holds.
    pub(super) async fn keep_beating(self) {
        let mut ticks = tokio::time::interval(BEAT_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.beat().await {
                Ok(()) => {}
                Err(EngineError::Commit(CommitError::Unavailable(why) | CommitError::Unknown(why))) => {
                    self.inner.pulse.missed(&why)
                }
                Err(error) => trouble!(warn, error, "heartbeat: {error}"),
            }
        }
    }

    /// One heartbeat.
    async fn beat(&self) -> Result<(), EngineError> {
        let (now, this, dialect) = (self.clock().now(), &self.inner.node_id, self.store().dialect());
        let mut batch = Batch::new();
        nodes::beat(&mut batch, dialect, this, now);
        let stored = tokio::time::timeout(BEAT_LIMIT, self.store().beat(batch)).await;
        let rows = stored.map_err(|_| CommitError::Unknown("the heartbeat was not stored in time".to_owned()))??;
        self.inner.pulse.beaten();
        let beaten = nodes::beaten(dialect, &rows)?;
        self.follow(beaten.store_clock, now);
        if let (Some(beats), Some(progress)) = (beaten.beats, &self.config().progress) {
            progress.send_replace(beats);
        }
        Ok(())
    }

    /// Looks at the heartbeats of those who share the store: what belongs to the dead is due now. Beside the own heartbeat, not
    /// in its way: what is taken over may be locked for a while.
    pub(super) async fn watch_the_others(self) {
        let mut lives = Lives::default();
        let mut ticks = tokio::time::interval(BEAT_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.look_at_the_others(&mut lives, self.clock().now()).await {
                trouble!(warn, error, "looking after the other processes: {error}");
            }
        }
    }

    /// Keeps to the store's clock, or to this machine's where the store has none, and tells when they are apart.
    fn follow(&self, store: Option<Timestamp>, asked_at: Timestamp) {
        if self.clock().is_manual() {
            return;
        }
        let (now, wall) = (self.clock().now(), wall());
        let Some(store) = store else {
            self.clock().follow(wall);
            return self
                .inner
                .pulse
                .skew(wall.since(now), "this machine's clock was set: what waits goes on as if it had not been");
        };
        let took_ms = now.since(asked_at);
        if took_ms > CLOCK_ANSWER_MS {
            return;
        }
        let store_now = store.plus_ms(took_ms / 2);
        self.clock().follow(store_now);
        let (of_wall, of_ours) = (wall.since(store_now), now.since(store_now));
        let skew_ms = if of_ours.abs() > of_wall.abs() { of_ours } else { of_wall };
        self.inner.pulse.skew(skew_ms, "this machine's clock is not the database server's: the database server's counts");
    }

    async fn look_at_the_others(&self, lives: &mut Lives, now: Timestamp) -> Result<(), EngineError> {
        let dead = lives.look(nodes::list(self.store()).await?, &self.inner.node_id);
        let mut batch = Batch::new();
        for (node, last_beat) in &dead {
            tracing::warn!(node, "another process is dead: its work is taken over");
            nodes::bury(&mut batch, node, *last_beat);
        }
        jobs::release_unknown(&mut batch, now);
        // A program that did not know a callback's provider left it empty.
        let psp_types = providers::all().iter().map(|provider| provider.descriptor().psp_type).chain([""]);
        callbacks::release_unknown(&mut batch, psp_types, now);
        self.store().commit(batch).await?;
        Ok(())
    }
}
