//! What runs beside the requests: due jobs, callbacks, deliveries, heartbeat and recovery, retention; and the graceful stop.

use super::EngineError;
use super::due::{DuePlace, DuePlaces};
use crate::core::Engine;
use crate::pulse::trouble;
use crate::waits::Waits;
use domain::schedule::inquiry_wait_ms;
use domain::{CompanyId, Timestamp, TransactionId};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use store::Dialect;
use store::repository::jobs::Job;
use store::repository::{callbacks, jobs, nodes, transactions};
use store::{Batch, CommitError, QueryError, StoreError as _};
use tokio::time::Instant;

/// How long a claimed job or callback belongs to its process, milliseconds, not scaled.
const LEASE_MS: i64 = 120_000;
/// How often due work of other processes is looked for, milliseconds as written.
const POLL_MS: i64 = 250;
/// The shortest real pause between two looks, milliseconds.
const POLL_MIN_MS: i64 = 50;
/// Rows of processes dead for this long are removed, milliseconds.
pub(super) const FORGET_AFTER_MS: i64 = 24 * 3_600_000;
/// How often changes of other processes are looked for, milliseconds.
const DIRECTORY_MS: u64 = 500;
/// How long a graceful stop waits for what is running.
const STOP_WAIT: Duration = Duration::from_secs(8);
/// How long the last commits may take after that: a store that says nothing holds no stop up.
const LAST_COMMITS: Duration = Duration::from_millis(500);
/// A job that failed because the store was away, or because another process was faster, is tried again after this, milliseconds
/// as written.
const AGAIN_MS: i64 = 5_000;

impl Engine {
    /// Takes over what dead processes left, and starts everything that runs beside the requests.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not take the first heartbeat.
    pub async fn run_workers(&self) -> Result<(), EngineError> {
        self.first_beat().await?;
        self.spawn_worker(|engine| async move { engine.work_on_jobs().await });
        self.spawn_worker(|engine| async move { engine.work_on_callbacks().await });
        self.spawn_worker(|engine| async move { engine.run_deliveries().await });
        self.spawn_worker(|engine| async move { engine.keep_beating().await });
        if self.store().dialect() == Dialect::Postgres {
            self.spawn_worker(|engine| async move { engine.watch_the_others().await });
        }
        self.spawn_worker(|engine| async move { engine.keep_tidy().await });
        if self.config().shared_store {
            self.spawn_worker(|engine| async move { engine.keep_directory_fresh().await });
        }
        self.inner.workers_running.store(true, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    }

    /// Stops: takes no new work, waits up to 8 s for what is running, and half a second more for a store that does not take the
    /// last commits. Provider calls still open stay as intents and are asked
    /// about by whoever starts next.
    pub async fn stop(&self) {
        self.stop_beside(std::future::ready(())).await;
    }

    /// [`stop`](Self::stop) beside servers that are ending: what their last requests begin is waited for as well, and only then
    /// does this process say that it is gone; others would take over what it still does.
    pub async fn stop_beside<T>(&self, servers: impl Future<Output = T>) -> T {
        let until = Instant::now() + STOP_WAIT;
        self.inner.workers_running.store(false, std::sync::atomic::Ordering::SeqCst);
        self.inner.stop.cancel();
        let ended = servers.await;
        self.inner.tasks.close();
        if tokio::time::timeout_at(until, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!("stopping with work still running: it is taken over at the next start");
        }
        if tokio::time::timeout_at(until.max(Instant::now()) + LAST_COMMITS, self.say_good_bye()).await.is_err() {
            tracing::debug!("saying good-bye to the store: no answer in time; the others see that this process is gone");
        }
        ended
    }

    /// The last commits; without them as after a kill.
    async fn say_good_bye(&self) {
        self.directory().flush_last_used().await;
        let mut batch = Batch::new();
        nodes::forget(&mut batch, &self.inner.node_id, self.clock().now().plus_ms(-FORGET_AFTER_MS));
        if let Err(error) = self.store().commit(batch).await {
            trouble!(warn, error, "saying good-bye to the store: {error}");
        }
    }

    fn spawn_worker<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(Engine) -> F) {
        let stop = self.inner.stop.clone();
        let work = work(self.clone());
        self.inner.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    async fn keep_directory_fresh(self) {
        loop {
            tokio::time::sleep(Duration::from_millis(DIRECTORY_MS)).await;
            if let Err(error) = self.directory().refresh().await {
                trouble!(warn, error, "looking for changed configuration: {error}");
            }
        }
    }

    fn poll_ms(&self) -> i64 {
        (POLL_MS / i64::from(self.clock().scale())).max(POLL_MIN_MS)
    }

    async fn work_on_jobs(self) {
        let places = DuePlaces::new();
        loop {
            for (job, place) in self.claim_jobs(&places).await {
                let engine = self.clone();
                self.inner.tasks.spawn(async move {
                    if let Err(error) = engine.do_job(&job).await {
                        if matches!(error, EngineError::Commit(CommitError::Guard(_))) {
                            // A callback at another process settled it meanwhile: everyday life among several.
                            tracing::debug!(transaction = %job.transaction_id, kind = job.next.word(), "job: {error}");
                        } else {
                            trouble!(error, error, transaction = %job.transaction_id, kind = job.next.word(), "job: {error}");
                        }
                        engine.put_back(&job, &error).await;
                    }
                    drop(place);
                });
            }
            let at = self.clock().now().plus_ms(self.poll_ms());
            tokio::select! {
                () = self.inner.wake.jobs.notified() => {}
                () = places.room() => {}
                () = self.clock().sleep_until(at) => {}
            }
        }
    }

    /// A job that failed for a reason of ours: soon again where that passes by itself, else on the common schedule, and at its
    /// end a person.
    ///
    /// While the store is away this is tried again for as long as the job is ours.
    pub(super) async fn put_back(&self, job: &Job, error: &EngineError) {
        let mut waits = Waits::for_ms(LEASE_MS);
        loop {
            match self.store().commit(self.back(job, error)).await {
                Ok(_) | Err(CommitError::Guard(_)) => return,
                Err(CommitError::Unavailable(why) | CommitError::Unknown(why)) => {
                    tracing::debug!(transaction = %job.transaction_id, "putting a job back: {why}");
                    if !waits.pause(&self.inner.stop).await {
                        return;
                    }
                }
                Err(error) => return trouble!(warn, error, "putting a job back: {error}"),
            }
        }
    }

    fn back(&self, job: &Job, error: &EngineError) -> Batch {
        let mut batch = Batch::new();
        if passes(error) {
            jobs::put_back(&mut batch, job, self.clock().after(AGAIN_MS), job.tries);
        } else if let Some(wait_ms) = inquiry_wait_ms(job.tries) {
            jobs::put_back(&mut batch, job, self.clock().after(wait_ms), job.tries.saturating_add(1));
        } else {
            jobs::give_up(&mut batch, job);
            transactions::mark_stuck(&mut batch, job.company_id, job.transaction_id, job.n);
        }
        batch
    }

    /// Takes the jobs that are due, of each provider as many as there are places for.
    pub(super) async fn claim_jobs(&self, places: &Arc<DuePlaces>) -> Vec<(Job, DuePlace)> {
        let now = self.clock().now();
        let rooms = rooms(places, jobs::due(self.store()).await, now, "looking for due jobs");
        if rooms.is_empty() {
            return Vec::new();
        }
        match jobs::claim(self.store(), &self.inner.node_id, now, now.plus_ms(LEASE_MS), &rooms).await {
            Ok(claimed) => places.take(claimed, |job| &job.psp_type, &rooms),
            Err(error) => {
                trouble!(warn, error, "claiming jobs: {error}");
                Vec::new()
            }
        }
    }

    /// The same of callbacks: the transactions that they belong to.
    pub(super) async fn claim_callbacks(&self, places: &Arc<DuePlaces>) -> Vec<(Called, DuePlace)> {
        let now = self.clock().now();
        let rooms = rooms(places, callbacks::due(self.store()).await, now, "looking for due callbacks");
        if rooms.is_empty() {
            return Vec::new();
        }
        match callbacks::claim(self.store(), &self.inner.node_id, now, now.plus_ms(LEASE_MS), &rooms).await {
            Ok(claimed) => {
                // Of one transaction there may be many: whoever had any due may have more.
                let any: Vec<(String, u32)> = rooms.into_iter().map(|(psp_type, _)| (psp_type, 1)).collect();
                places.take(claimed, |(_, _, psp_type)| psp_type, &any)
            }
            Err(error) => {
                trouble!(warn, error, "claiming callbacks: {error}");
                Vec::new()
            }
        }
    }

    async fn work_on_callbacks(self) {
        let places = DuePlaces::new();
        loop {
            for ((company, id, _), place) in self.claim_callbacks(&places).await {
                let engine = self.clone();
                self.inner.tasks.spawn(async move {
                    engine.work_on_callbacks_of(company, id).await;
                    drop(place);
                });
            }
            let at = self.clock().now().plus_ms(self.poll_ms() * 2);
            tokio::select! {
                () = self.inner.wake.callbacks.notified() => {}
                () = places.room() => {}
                () = self.clock().sleep_until(at) => {}
            }
        }
    }
}

/// A transaction with callbacks, and its provider.
type Called = (CompanyId, TransactionId, String);

/// How much each provider with something due may have, as far as the store says.
fn rooms(
    places: &DuePlaces,
    due: Result<Vec<(String, Timestamp)>, QueryError>,
    now: Timestamp,
    what: &str,
) -> Vec<(String, u32)> {
    match due {
        Ok(due) => places.rooms(&due.into_iter().filter(|(_, at)| *at <= now).map(|(name, _)| name).collect::<Vec<_>>()),
        Err(error) => {
            trouble!(warn, error, "{what}: {error}");
            Vec::new()
        }
    }
}

/// Whether what failed may well succeed in a moment: the store was away, or another process was faster.
fn passes(error: &EngineError) -> bool {
    error.store_is_away() || matches!(error, EngineError::Commit(CommitError::Guard(_)))
}
