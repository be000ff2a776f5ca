//! Taking over what a dead process left behind: an open intent is asked about, never sent again.

use super::EngineError;
use super::calls::Ended;
use super::conclude::Commit;
use super::jobs::first_inquiry;
use super::work::Work;
use crate::core::Engine;
use domain::{ErrorCode, Json, Timestamp, TransactionStatus};
use providers::{Doubt, Refusal, Step, Task};
use store::repository::jobs::{Job, JobKind};

impl Engine {
    /// Ends an intent whose owner is dead or past all its time limits.
    pub(super) async fn recover(&self, work: &mut Work, job: &Job) -> Result<(), EngineError> {
        let task = job.detail.str_at("task").and_then(|task| task.parse().ok()).unwrap_or(Task::Inquire);
        let doubt = match job.detail.str_at("doubt") {
            Some("harmless") => Doubt::Harmless,
            Some("page") => Doubt::Page,
            // Also for a word that this version does not know: money is never guessed away.
            _ => Doubt::Money,
        };
        let sent_at = job.detail.get("sentAt").and_then(Json::as_number).and_then(|n| n.parse().ok()).map(Timestamp::from_millis);
        metrics::counter!("mozarto_recovered_intents_total", "doubt" => doubt.as_str()).increment(1);
        tracing::info!(transaction = %work.id(), task = task.as_str(), step = job.detail.str_at("step"), "recovering an intent");
        match work.transaction.status {
            TransactionStatus::Created => {
                let step = Step::Silence(Refusal::of(ErrorCode::PspUnavailable));
                let ended = Ended { step, doubt: Some(doubt), calls: Vec::new(), sent_at, arrived: true, lost: None };
                self.finish_creation(work, task, ended, true).await.map(|_| ())
            }
            // Of a pending transaction only a step after an approval may be run again.
            TransactionStatus::Pending if doubt == Doubt::Money || !matches!(task, Task::Finalise | Task::PayOut) => {
                let mut commit = Commit::open(self, work);
                commit.work.transaction.psp_status = "unknown".to_owned();
                commit.note("recovered", None, None, job.detail.clone());
                let mut next = first_inquiry(&commit, sent_at);
                next.due_at = commit.now;
                commit.job(&next);
                commit.store().await?;
                self.inner.wake.jobs.notify_one();
                Ok(())
            }
            TransactionStatus::Pending => {
                let mut commit = Commit::open(self, work);
                commit.note("recovered", None, None, job.detail.clone());
                let next = commit.new_job(JobKind::Run, 0, Json::object([("task", Json::text(task.as_str()))]));
                commit.job(&next);
                commit.store().await?;
                self.inner.wake.jobs.notify_one();
                Ok(())
            }
            _ => {
                let mut commit = Commit::open(self, work);
                commit.no_job();
                commit.store().await
            }
        }
    }
}
