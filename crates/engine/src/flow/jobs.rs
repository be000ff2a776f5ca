//! What is due, and what is done about it: each attempt's job, by what the attempt does next.
//!
//! A *job* is an attempt's next action with its time and its owner; it is done with the transaction in hand ([`Work`]); the
//! *workers* (`workers`) claim jobs and give them back. [`Next`] says what each is, and what an unknown one is taken for.

use super::EngineError;
use super::callbacks::EARLY_WAIT_MS;
use super::conclude::Commit;
use super::inquire::Asked;
use super::work::Work;
use crate::core::Engine;
use domain::{Next, TransactionStatus};
use store::Batch;
use store::repository::attempts::Which;
use store::repository::jobs::{self, Job};

impl Engine {
    /// Does a claimed job. Whatever goes wrong, the job stays and is due again when its lease passes.
    pub(super) async fn do_job(&self, claimed: &Job) -> Result<(), EngineError> {
        let _lock = self.inner.locks.lock(claimed.transaction_id).await;
        let which = Which::Number(claimed.n);
        let Some(mut work) = self.load_attempt(claimed.company_id, claimed.transaction_id, which).await? else { return Ok(()) };
        // Between the claim and the lock somebody may have changed it. Whoever does after this is met by the version at the
        // commit.
        let is_ours = |job: &Job| job.next.word() == claimed.next.word() && job.owner.as_deref() == Some(&*self.inner.node_id);
        let Some(job) = work.job.clone().filter(is_ours) else { return Ok(()) };
        if !job.next.is_intent() && self.a_call_is_open(&work).await? {
            // Another process's, for another attempt: whatever is stored of this one now would cost it its outcome.
            let mut batch = Batch::new();
            jobs::put_back(&mut batch, &job, self.clock().after(EARLY_WAIT_MS), job.tries);
            self.store().commit(batch).await?;
            return Ok(());
        }
        match &job.next {
            Next::Intent(intent) => self.recover(&mut work, intent).await,
            Next::Run { task } => self.run_approved(&mut work, &job, *task).await,
            Next::Inquire(_) => self.inquire(&mut work, Some(&job), Asked::Schedule).await.map(drop),
            Next::Late => self.inquire(&mut work, Some(&job), Asked::Late).await.map(drop),
            Next::Hold => self.remind_of_hold(&mut work).await,
            Next::Unknown { word, .. } => Err(EngineError::Corrupt(format!("what is due is not understood: {word}"))),
        }
    }

    /// Nobody has decided about a hold.
    async fn remind_of_hold(&self, work: &mut Work) -> Result<(), EngineError> {
        let mut commit = Commit::open(self, work);
        if commit.work.transaction.status == TransactionStatus::OnHold {
            commit.stuck("nobody has decided about this pay-out");
        } else {
            commit.no_job();
        }
        commit.store().await
    }
}
