//! The end of a creating task: one commit, and the answer to the Cashier call. What certainly happened is told; what nobody knows
//! is asked about, never guessed.

use super::answers::{IN_PROCESS, OUTCOME_OPEN, calls_detail, doubt_answer, failure_answer, found_answer, recovered_answer};
use super::calls::Ended;
use super::conclude::{Commit, Creation};
use super::work::Work;
use super::{EngineError, jobs as due};
use crate::answer::CashierAnswer;
use crate::core::Engine;
use domain::schedule::HOLD_ATTENTION_MS;
use domain::{Change, ErrorCode, Json, TransactionStatus};
use providers::descriptor::UnknownFate;
use providers::{CashierAnswer as ProviderAnswer, Doubt, Finding, Refusal, Standing, Step, Task};
use store::repository::holds::{self, Hold, HoldStatus};
use store::repository::jobs::JobKind;

impl Engine {
    /// Turns the end of a creating task into its commit and its answer. `crashed`: the process that began it died.
    pub(super) async fn finish_creation(
        &self,
        work: &mut Work,
        task: Task,
        ended: Ended,
        crashed: bool,
    ) -> Result<CashierAnswer, EngineError> {
        let Ended { step, doubt, calls, sent_at, .. } = ended;
        match step {
            Step::Found(finding) => self.conclude_found(work, &finding, calls, sent_at).await,
            Step::Refused(refusal) => self.conclude_failed(work, &refusal, calls, None).await,
            Step::Silence(refusal) => match doubt {
                Some(Doubt::Money) => self.conclude_unknown(work, refusal.anomaly.as_deref(), calls, sent_at).await,
                Some(Doubt::Page) => self.conclude_page_silence(work, &refusal, calls, crashed).await,
                Some(Doubt::Harmless) | None => self.conclude_failed(work, &refusal, calls, None).await,
            },
            Step::TryLater(_) | Step::Call(_) => {
                tracing::error!(task = task.as_str(), "a creating task ended without an outcome");
                match doubt {
                    Some(Doubt::Money) => self.conclude_unknown(work, None, calls, sent_at).await,
                    _ => self.conclude_failed(work, &Refusal::of(ErrorCode::PspUnavailable), calls, None).await,
                }
            }
        }
    }

    /// Creates a transaction and concludes it by what was found without a call, in one commit.
    pub(super) async fn conclude_created(
        &self,
        work: &mut Work,
        creation: Creation,
        finding: &Finding,
    ) -> Result<CashierAnswer, EngineError> {
        let mut commit = Commit::open(self, work);
        commit.creates(creation);
        self.store_found(commit, finding, Vec::new(), None).await
    }

    async fn conclude_found(
        &self,
        work: &mut Work,
        finding: &Finding,
        calls: Vec<Json>,
        sent_at: Option<domain::Timestamp>,
    ) -> Result<CashierAnswer, EngineError> {
        let commit = Commit::open(self, work);
        self.store_found(commit, finding, calls, sent_at).await
    }

    async fn store_found(
        &self,
        mut commit: Commit<'_>,
        finding: &Finding,
        calls: Vec<Json>,
        sent_at: Option<domain::Timestamp>,
    ) -> Result<CashierAnswer, EngineError> {
        if let Some(ProviderAnswer::Success { redirect_url, .. }) = &finding.answer {
            commit.work.transaction.redirect_url.clone_from(redirect_url);
        }
        commit.settle(finding, &calls_detail(calls));
        if finding.standing == Standing::Stuck {
            commit.must(Change::Accept, Json::Object(Vec::new()));
            commit.stuck(finding.anomalies.first().map_or("the provider's answer contradicts the request", String::as_str));
        }
        if commit.work.transaction.status == TransactionStatus::Created {
            // Something came of the call, but nothing that ends it or brings it further: it is open, and asked about.
            commit.must(Change::Accept, Json::Object(Vec::new()));
        }
        match commit.work.transaction.status {
            TransactionStatus::Pending if finding.standing != Standing::Stuck => {
                let job = due::first_inquiry(&commit, sent_at);
                commit.job(&job);
            }
            TransactionStatus::OnHold => {
                let (company, id, now) = (commit.work.company_id(), commit.work.id(), commit.now);
                let hold = Hold {
                    transaction_id: id,
                    status: HoldStatus::Waiting,
                    requested_at: now,
                    expires_at: self.clock().after(HOLD_ATTENTION_MS),
                    required: 1,
                    decided_at: None,
                };
                holds::insert(&mut commit.batch, company, &hold);
                let job = commit.new_job(JobKind::Hold, HOLD_ATTENTION_MS, Json::Object(Vec::new()));
                commit.job(&job);
            }
            _ => {}
        }
        // Where another attempt was paid, what was found is not what became of the payment.
        let answer = if commit.work.is_live() { found_answer(commit.work, finding) } else { recovered_answer(commit.work) };
        commit.answer(&answer)?;
        let stored = commit.work.transaction.clone();
        commit.store().await?;
        self.have_opened(&stored);
        Ok(answer)
    }

    /// Certainly not taken: `Failed`, and the error row answers.
    async fn conclude_failed(
        &self,
        work: &mut Work,
        refusal: &Refusal,
        calls: Vec<Json>,
        word: Option<&str>,
    ) -> Result<CashierAnswer, EngineError> {
        let mut commit = Commit::open(self, work);
        if let Some(text) = &refusal.anomaly {
            commit.anomaly(text, "warning");
        }
        let t = &mut commit.work.transaction;
        t.psp_status = word.map_or_else(|| refusal.code.status_word(), str::to_owned);
        t.message = Some(refusal.code.message().to_owned());
        // From `Created` the table always has this way.
        commit.must(Change::Fail, calls_detail(calls));
        let failed = commit.work.transaction.status == TransactionStatus::Failed;
        let answer = if failed { failure_answer(refusal, Some(commit.work)) } else { recovered_answer(commit.work) };
        commit.answer(&answer)?;
        commit.store().await?;
        Ok(answer)
    }

    /// A page call without a readable answer: asked about once, at once.
    async fn conclude_page_silence(
        &self,
        work: &mut Work,
        refusal: &Refusal,
        mut calls: Vec<Json>,
        crashed: bool,
    ) -> Result<CashierAnswer, EngineError> {
        let asked = self.run_task(work, Task::Inquire, None, None, None).await?;
        calls.extend(asked.calls);
        let finding = match asked.step {
            Step::Found(finding) => Some(finding),
            _ => None,
        };
        let says_nothing = |finding: &Finding| match finding.standing {
            Standing::NotFound | Standing::NotReleased | Standing::Failed => true,
            // What contradicts us is there.
            Standing::Unchanged => finding.status.is_empty() && finding.anomalies.is_empty(),
            _ => false,
        };
        let finding = match finding {
            Some(finding) if !says_nothing(&finding) => finding,
            nothing => {
                let mut refusal = refusal.clone();
                let contradiction = nothing.and_then(|finding| finding.anomalies.into_iter().next());
                refusal.anomaly = refusal.anomaly.or(contradiction);
                return self.conclude_failed(work, &refusal, calls, crashed.then_some("not_found")).await;
            }
        };
        let mut commit = Commit::open(self, work);
        commit.show_doubt(refusal);
        commit.must(Change::Accept, calls_detail(calls));
        if finding.status.is_empty() {
            // Something is there, but no word of it that counts.
            commit.work.transaction.psp_status = "unknown".to_owned();
        }
        commit.settle(&finding, &Json::object([("by", Json::text("inquiry"))]));
        // The page's address is lost, but not the payment: what is open is said to be open.
        if !commit.work.transaction.status.is_final() {
            commit.work.transaction.message = Some(OUTCOME_OPEN.to_owned());
            if finding.standing == Standing::Stuck {
                commit.stuck("the provider's record contradicts the transaction");
            } else {
                let job = due::first_inquiry(&commit, None);
                commit.job(&job);
            }
        }
        let is_live = commit.work.is_live();
        let answer = if is_live { failure_answer(refusal, Some(commit.work)) } else { recovered_answer(commit.work) };
        commit.answer(&answer)?;
        commit.store().await?;
        Ok(answer)
    }

    /// The fate of a money-moving call is unknown: 200 `Pending`, and inquiry decides; or, where the descriptor says so,
    /// inquiries before the answer and then 504.
    async fn conclude_unknown(
        &self,
        work: &mut Work,
        anomaly: Option<&str>,
        mut calls: Vec<Json>,
        sent_at: Option<domain::Timestamp>,
    ) -> Result<CashierAnswer, EngineError> {
        let fate = work.provider.descriptor().unknown_fate;
        if let UnknownFate::AskedFirst { wait_ms } = fate {
            let at = self.clock().after(i64::from(wait_ms));
            self.clock().sleep_until(at).await;
            let asked = self.run_task(work, Task::Inquire, None, None, None).await?;
            calls.extend(asked.calls);
            if let Step::Found(mut finding) = asked.step
                && says_the_end(finding.standing)
            {
                finding.anomalies.extend(anomaly.map(str::to_owned));
                return self.conclude_found(work, &finding, calls, sent_at).await;
            }
        }
        if let UnknownFate::GatewayTimeout { inquiries, within_ms, .. } = fate
            && let Some(finding) = self.inquire_inline(work, inquiries, within_ms, &mut calls).await?
        {
            return self.conclude_found(work, &finding, calls, sent_at).await;
        }
        let mut commit = Commit::open(self, work);
        if let Some(text) = anomaly {
            commit.anomaly(text, "warning");
        }
        commit.work.transaction.psp_status = "unknown".to_owned();
        commit.work.transaction.message = Some(IN_PROCESS.to_owned());
        commit.must(Change::Accept, calls_detail(calls));
        let job = due::first_inquiry(&commit, sent_at);
        commit.job(&job);
        let answer = doubt_answer(commit.work);
        commit.answer(&answer)?;
        commit.store().await?;
        Ok(answer)
    }

    /// Asks up to `times` within the time; answers the first finding that ends it.
    async fn inquire_inline(
        &self,
        work: &mut Work,
        times: u8,
        within_ms: u32,
        calls: &mut Vec<Json>,
    ) -> Result<Option<Finding>, EngineError> {
        let until = self.clock().after(i64::from(within_ms));
        for round in 0..times {
            if round > 0 {
                let pause = self.clock().after(i64::from(within_ms) / (i64::from(times) * 4));
                self.clock().sleep_until(pause).await;
            }
            let left = until.since(self.clock().now());
            let Ok(left) = u64::try_from(left) else { break };
            // A commit is not broken off by a time limit. Without a number nothing is asked; what is known so far is stored.
            if self.number_inquiry(work).await.is_err() {
                break;
            }
            let asked = tokio::time::timeout(
                std::time::Duration::from_millis(left),
                self.run_numbered(work, Task::Inquire, None, None, None),
            )
            .await;
            let Ok(asked) = asked else { break };
            let asked = asked?;
            calls.extend(asked.calls);
            if let Step::Found(finding) = asked.step
                && says_the_end(finding.standing)
            {
                return Ok(Some(*finding));
            }
        }
        Ok(None)
    }
}

/// Whether an inquiry inside the request brought an outcome.
const fn says_the_end(standing: Standing) -> bool {
    !matches!(standing, Standing::Unchanged | Standing::NotFound | Standing::NotReleased | Standing::Pending)
}
