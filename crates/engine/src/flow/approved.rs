//! Sending what a person let go: the provider's finishing step, or the sending itself. Nothing else is ever run a second time,
//! and this only where it certainly came to nothing.

use super::EngineError;
use super::answers::calls_detail;
use super::calls::Ended;
use super::conclude::Commit;
use super::inquire::first_inquiry;
use super::work::Work;
use crate::core::Engine;
use domain::schedule::inquiry_wait_ms;
use domain::{Change, Json, Next, Operation, TransactionStatus};
use providers::{Doubt, Refusal, Standing, Step, Task};
use store::repository::jobs::Job;

impl Engine {
    /// Runs what a person let go: the provider's finishing step, or the sending itself.
    pub(super) async fn run_approved(&self, work: &mut Work, job: &Job, task: Task) -> Result<(), EngineError> {
        let stands = work.stands();
        if stands != TransactionStatus::Pending || work.transaction.operation != Operation::PayOut || !work.is_live() {
            let mut commit = Commit::open(self, work);
            commit.no_job();
            return commit.store().await;
        }
        if let Some(paid) = work.paid_otherwise() {
            let why = format!("attempt {} of this pay-out was paid", paid.n);
            let mut commit = Commit::open(self, work);
            commit.stuck(&why);
            return commit.store().await;
        }
        // What was approved is sent, also through an account that was switched off since; but not through one that lacks what the
        // call needs.
        if !self.configured(work.provider, &work.method) {
            let mut commit = Commit::open(self, work);
            self.run_later(&mut commit, (job, task), "the account lacks a required setting", Json::Object(Vec::new()));
            return commit.store().await;
        }
        let mut token_hash = None;
        if task == Task::PayOut {
            // The first token was never told to anybody, and only its hash is kept: this call brings a new one.
            (work.callback_url, token_hash) = self.new_callback_token(work.provider);
        }
        let ended = self.run_task(work, task, None, None, token_hash).await?;
        self.finish_approved(work, job, task, ended).await
    }

    pub(super) async fn finish_approved(&self, work: &mut Work, job: &Job, task: Task, ended: Ended) -> Result<(), EngineError> {
        let Ended { step, doubt, calls, sent_at, .. } = ended;
        let memo = work.memo.clone();
        let mut commit = Commit::open(self, work);
        commit.remember(Some(memo));
        let detail = calls_detail(calls);
        match step {
            Step::Found(finding) => {
                commit.settle(&finding, &detail);
                if finding.standing == Standing::Stuck {
                    commit.stuck("the provider's record contradicts the transaction");
                } else if commit.work.transaction.status == TransactionStatus::Pending {
                    commit.note("sent", None, None, detail);
                    let next = first_inquiry(&commit, sent_at);
                    commit.job(&next);
                }
            }
            Step::Refused(refusal) => fail(&mut commit, &refusal, detail),
            Step::Silence(refusal) if doubt == Some(Doubt::Money) || task == Task::ReleaseAgain => {
                commit.show_doubt(&refusal);
                commit.work.transaction.psp_status = "unknown".to_owned();
                commit.note("unknown", None, None, detail);
                let next = first_inquiry(&commit, sent_at);
                commit.job(&next);
            }
            Step::Silence(refusal) if task == Task::PayOut => fail(&mut commit, &refusal, detail),
            Step::Silence(_) => self.run_later(&mut commit, (job, task), "the provider did not answer", detail),
            Step::TryLater(why) => self.run_later(&mut commit, (job, task), why, detail),
            Step::Call(_) => return Err(EngineError::Corrupt("a flow ended with a call".into())),
        }
        commit.store().await
    }

    fn run_later(&self, commit: &mut Commit<'_>, (job, task): (&Job, Task), why: &str, mut detail: Json) {
        detail.set("text", Json::text(why));
        commit.note("tried", None, None, detail);
        match inquiry_wait_ms(job.tries) {
            Some(wait_ms) => {
                let due_at = self.clock().after(wait_ms);
                commit.job(&Job { next: Next::Run { task }, due_at, tries: job.tries + 1, owner: None, ..job.clone() });
            }
            None => commit.stuck("the provider could not be reached for three days"),
        }
    }
}

fn fail(commit: &mut Commit<'_>, refusal: &Refusal, detail: Json) {
    if let Some(text) = &refusal.anomaly {
        commit.anomaly(text, "warning");
    }
    let t = &mut commit.work.transaction;
    t.psp_status = refusal.code.status_word();
    t.message = Some(refusal.code.message().to_owned());
    // From `Pending` the table always has this way.
    commit.must(Change::Fail, detail);
}
