//! Whether the store takes writes, as the heartbeat and everybody's calls find out: told once when it goes and once when it is
//! back, whatever happens in between; and what an operator should know of the clocks and the feed.

use domain::Json;
use futures::future::BoxFuture;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::driver::{AppliedMigration, BackupError, CommitResult, Dialect, Migration, MigrationError, MigrationStatus};
use store::{Batch, CommitError, Driver, QueryError, Row, Value};

/// Heartbeats missed in a row after which nobody should be sent here.
const MISSED_MAX: u32 = 2;
/// Without any word of the heartbeat for so long, it is missed too.
const SILENT_MAX: Duration = Duration::from_secs(10);
/// From this difference between clocks on a person is told, milliseconds.
pub(crate) const SKEW_TOLD_MS: i64 = 5_000;

/// The state.
#[derive(Debug, Default)]
pub(crate) struct Pulse(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    missed: u32,
    reason: &'static str,
    beaten_at: Option<Instant>,
    /// Since when the store is away; calls that failed meanwhile.
    away: Option<(Instant, u64)>,
    skew_ms: i64,
    skew_told: bool,
    feed_lag_ms: i64,
}

/// What of the store's own words may be shown to anybody: no host, no file.
fn shown(why: &str) -> &'static str {
    let lower = why.to_ascii_lowercase();
    if lower.contains("read-only")
        || lower.contains("25006")
        || lower.contains("readonly")
        || lower.contains("does not allow writes")
    {
        "the store is read-only"
    } else if lower.contains("disk is full") || lower.contains("53100") || lower.contains("no space") {
        "the disk of the store is full"
    } else {
        "the store takes no writes"
    }
}

impl Pulse {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call found the store away. One that only met others' work there, or whose own statement took too long (57014), did not.
    fn failed(&self, why: &str) {
        if ["40001", "40P01", "55P03", "57014"].iter().any(|code| why.contains(code)) {
            return;
        }
        let mut state = self.state();
        if let Some((_, calls)) = &mut state.away {
            *calls += 1;
            return;
        }
        state.away = Some((Instant::now(), 1));
        drop(state);
        metrics::gauge!("mozarto_store_available").set(0);
        tracing::error!("the store is away, and what needs it is refused: {why}");
    }

    /// The heartbeat is stored.
    pub(crate) fn beaten(&self) {
        let mut state = self.state();
        state.missed = 0;
        state.beaten_at = Some(Instant::now());
        let away = state.away.take();
        drop(state);
        metrics::gauge!("mozarto_store_available").set(1);
        if let Some((since, calls)) = away {
            let seconds = since.elapsed().as_secs();
            tracing::warn!(seconds, failed_calls = calls, "the store is back");
        }
    }

    /// The heartbeat is not stored.
    pub(crate) fn missed(&self, why: &str) {
        let mut state = self.state();
        state.missed = state.missed.saturating_add(1);
        state.reason = shown(why);
        state.beaten_at = state.beaten_at.or(Some(Instant::now()));
        let known = state.away.is_some();
        drop(state);
        if !known {
            self.failed(why);
        }
    }

    /// Why nobody should be sent here; `None`: the store takes writes.
    pub(crate) fn unwell(&self) -> Option<&'static str> {
        let state = self.state();
        if state.missed >= MISSED_MAX {
            return Some(state.reason);
        }
        let silent = state.beaten_at.is_some_and(|at| at.elapsed() > SILENT_MAX);
        silent.then_some("the heartbeat has stopped")
    }

    /// How far the clocks are apart.
    pub(crate) fn skew(&self, skew_ms: i64, what: &str) {
        let mut state = self.state();
        state.skew_ms = skew_ms;
        let tell = skew_ms.abs() > SKEW_TOLD_MS;
        let told = std::mem::replace(&mut state.skew_told, tell);
        drop(state);
        metrics::gauge!("mozarto_clock_skew_seconds").set(i32::try_from(skew_ms / 1_000).unwrap_or(i32::MAX));
        match (told, tell) {
            (false, true) => tracing::warn!(skew_ms, "{what}"),
            (true, false) => tracing::warn!(skew_ms, "the clocks agree again"),
            _ => {}
        }
    }

    /// How far the feed is behind what is stored.
    pub(crate) fn feed_lag(&self, lag_ms: i64) {
        self.state().feed_lag_ms = lag_ms;
        metrics::gauge!("mozarto_feed_lag_seconds").set(i32::try_from(lag_ms / 1_000).unwrap_or(i32::MAX));
    }

    /// What `readyz` says beside yes or no.
    pub(crate) fn detail(&self) -> Vec<(&'static str, Json)> {
        let state = self.state();
        vec![("clockSkewMs", Json::from(state.skew_ms)), ("feedLagMs", Json::from(state.feed_lag_ms))]
    }
}

/// The store, looked at by the pulse: each call that finds it away is counted, whoever made it.
pub(crate) struct Watched {
    pub(crate) inner: Arc<dyn Driver>,
    pub(crate) pulse: Arc<Pulse>,
}

impl Watched {
    fn committed(&self, result: CommitResult) -> CommitResult {
        match &result {
            Err(CommitError::Unavailable(why)) => self.pulse.failed(why),
            Err(CommitError::Unknown(why)) => self.pulse.failed(&format!("commit outcome unknown: {why}")),
            Err(CommitError::Guard(_) | CommitError::Duplicate(_) | CommitError::Check(_) | CommitError::Corrupt(_)) | Ok(_) => {}
        }
        result
    }

    fn asked(&self, result: Result<Vec<Row>, QueryError>) -> Result<Vec<Row>, QueryError> {
        if let Err(QueryError::Unavailable(why)) = &result {
            self.pulse.failed(why);
        }
        result
    }
}

impl Driver for Watched {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, CommitResult> {
        Box::pin(async move { self.committed(self.inner.commit(batch).await) })
    }

    fn beat(&self, batch: Batch) -> BoxFuture<'_, CommitResult> {
        self.inner.beat(batch)
    }

    fn query(&self, sql: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>> {
        Box::pin(async move { self.asked(self.inner.query(sql, params).await) })
    }

    fn query_dynamic(&self, sql: String, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Row>, QueryError>> {
        Box::pin(async move { self.asked(self.inner.query_dynamic(sql, params).await) })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), QueryError>> {
        self.inner.ping()
    }

    fn migrate(&self, list: &'static [Migration]) -> BoxFuture<'_, Result<Vec<AppliedMigration>, MigrationError>> {
        self.inner.migrate(list)
    }

    fn migration_status(&self, list: &'static [Migration]) -> BoxFuture<'_, Result<Vec<MigrationStatus>, MigrationError>> {
        self.inner.migration_status(list)
    }

    fn backup(&self, target: PathBuf) -> BoxFuture<'_, Result<(), BackupError>> {
        self.inner.backup(target)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

/// Logs a failure of something of ours, unless it is that the store is away: that is told once, by the pulse.
macro_rules! trouble {
    ($level:ident, $error:expr, $($text:tt)+) => {
        if store::StoreError::store_is_away(&$error) {
            tracing::debug!($($text)+);
        } else {
            tracing::$level!($($text)+);
        }
    };
}
pub(crate) use trouble;
