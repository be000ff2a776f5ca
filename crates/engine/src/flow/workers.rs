//! What runs beside the requests: due jobs, callbacks, deliveries, heartbeat and recovery, retention; and the graceful stop.

use super::EngineError;
use crate::core::Engine;
use crate::pulse::trouble;
use domain::schedule::inquiry_wait_ms;
use domain::{CompanyId, TransactionId};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use store::Dialect;
use store::repository::jobs::Job;
use store::repository::{callbacks, jobs, nodes, transactions};
use store::{Batch, CommitError, QueryError};
use tokio::sync::Semaphore;

/// Jobs that run at once in one process.
const JOBS_AT_ONCE: usize = 64;
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
/// A job that failed because the store was away, or because another process was faster, is tried again after this, milliseconds as written.
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

    /// Stops: takes no new work, waits up to 8 s for what is running. Provider calls still open stay as intents and are asked about by whoever starts next.
    pub async fn stop(&self) {
        self.stop_beside(std::future::ready(())).await;
    }

    /// [`stop`](Self::stop) beside servers that are ending: what their last requests begin is waited for as well, and only then does this process say that it
    /// is gone; others would take over what it still does.
    pub async fn stop_beside<T>(&self, servers: impl Future<Output = T>) -> T {
        let until = tokio::time::Instant::now() + STOP_WAIT;
        self.inner.workers_running.store(false, std::sync::atomic::Ordering::SeqCst);
        self.inner.stop.cancel();
        let ended = servers.await;
        self.inner.tasks.close();
        if tokio::time::timeout_at(until, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!("stopping with work still running: it is taken over at the next start");
        }
        self.directory().flush_last_used().await;
        let mut batch = Batch::new();
        nodes::forget(&mut batch, &self.inner.node_id, self.clock().now().plus_ms(-FORGET_AFTER_MS));
        if let Err(error) = self.store().commit(batch).await {
            trouble!(warn, error, "saying good-bye to the store: {error}");
        }
        ended
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
        let slots = Arc::new(Semaphore::new(JOBS_AT_ONCE));
        loop {
            let free = slots.available_permits();
            let claimed = if free == 0 { Vec::new() } else { self.claim_jobs(free).await };
            let more = claimed.len() == free && free > 0;
            for job in claimed {
                // There are as many slots as jobs were claimed, and only this loop takes them.
                let Ok(slot) = slots.clone().acquire_owned().await else { return };
                let engine = self.clone();
                self.inner.tasks.spawn(async move {
                    if let Err(error) = engine.do_job(&job).await {
                        trouble!(error, error, transaction = %job.transaction_id, kind = job.kind.as_str(), "job: {error}");
                        engine.put_back(&job, &error).await;
                    }
                    drop(slot);
                });
            }
            if !more {
                let at = self.clock().now().plus_ms(self.poll_ms());
                tokio::select! {
                    () = self.inner.wake.jobs.notified() => {}
                    () = self.clock().sleep_until(at) => {}
                }
            }
        }
    }

    /// A job that failed for a reason of ours: soon again where that passes by itself, else on the common schedule, and at its end a person.
    pub(super) async fn put_back(&self, job: &Job, error: &EngineError) {
        let mut batch = Batch::new();
        let since = self.clock().written_between(job.first_at, self.clock().now());
        if passes(error) {
            jobs::put_back(&mut batch, job, self.clock().after(AGAIN_MS), job.attempt);
        } else if let Some(wait_ms) = inquiry_wait_ms(job.attempt, since) {
            jobs::put_back(&mut batch, job, self.clock().after(wait_ms), job.attempt.saturating_add(1));
        } else {
            jobs::give_up(&mut batch, job);
            transactions::mark_stuck(&mut batch, job.company_id, job.transaction_id);
        }
        match self.store().commit(batch).await {
            Ok(_) | Err(CommitError::Guard(_)) => {}
            Err(error) => trouble!(warn, error, "putting a job back: {error}"),
        }
    }

    pub(super) async fn claim_jobs(&self, free: usize) -> Vec<jobs::Job> {
        let now = self.clock().now();
        match jobs::next_due(self.store()).await {
            Ok(Some(at)) if at <= now => {}
            Ok(_) => return Vec::new(),
            Err(error) => {
                trouble!(warn, error, "looking for due jobs: {error}");
                return Vec::new();
            }
        }
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        jobs::claim(self.store(), &self.inner.node_id, now, now.plus_ms(LEASE_MS), limit).await.unwrap_or_else(|error| {
            trouble!(warn, error, "claiming jobs: {error}");
            Vec::new()
        })
    }

    pub(super) async fn claim_callbacks(&self, free: usize) -> Vec<(CompanyId, TransactionId)> {
        let now = self.clock().now();
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        callbacks::claim_due(self.store(), &self.inner.node_id, now, now.plus_ms(LEASE_MS), limit).await.unwrap_or_else(|error| {
            trouble!(warn, error, "claiming callbacks: {error}");
            Vec::new()
        })
    }

    async fn work_on_callbacks(self) {
        let slots = Arc::new(Semaphore::new(JOBS_AT_ONCE));
        loop {
            let free = slots.available_permits();
            let claimed = if free == 0 { Vec::new() } else { self.claim_callbacks(free).await };
            let distinct: std::collections::BTreeSet<_> = claimed.into_iter().collect();
            for (company, id) in distinct {
                let Ok(slot) = slots.clone().acquire_owned().await else { return };
                let engine = self.clone();
                self.inner.tasks.spawn(async move {
                    engine.work_on_callbacks_of(company, id).await;
                    drop(slot);
                });
            }
            let at = self.clock().now().plus_ms(self.poll_ms() * 2);
            tokio::select! {
                () = self.inner.wake.callbacks.notified() => {}
                () = self.clock().sleep_until(at) => {}
            }
        }
    }
}

/// Whether what failed may well succeed in a moment: the store was away, or another process was faster.
fn passes(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Commit(CommitError::Unavailable(_) | CommitError::Guard(_)) | EngineError::Query(QueryError::Unavailable(_))
    )
}
