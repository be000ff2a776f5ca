//! What is due: inquiries, late checks, approved pay-outs, holds that nobody decided.

use super::EngineError;
use super::answers::calls_detail;
use super::callbacks::EARLY_WAIT_MS;
use super::calls::Ended;
use super::conclude::Commit;
use super::inbox::is_empty;
use super::work::Work;
use crate::core::Engine;
use domain::schedule::{INQUIRY_END_MS, LATE_CHECKS_MS, inquiry_step_ms, inquiry_wait_ms};
use domain::{Change, Json, Operation, Timestamp, TransactionStatus};
use providers::{Doubt, Finding, Refusal, Standing, Step, Task};
use store::Batch;
use store::repository::attempts::Which;
use store::repository::callbacks::{self, StoredCallback};
use store::repository::jobs::{self, Job, JobKind};

/// Why the provider is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    /// The schedule says so.
    Schedule,
    /// A late success is looked for.
    Late,
    /// A person wants to know.
    ByHand,
    /// The payer's browser came back.
    Return { hint: Option<&'a Json> },
    /// A callback hints at something; `open` are processed with it. Where the provider is silent, those that are `waiting` for an
    /// inquiry of their own wait on.
    Callback { hint: Option<&'a Json>, open: &'a [StoredCallback], waiting: &'a [StoredCallback] },
}

/// The numbers that an inquiry job carries in its detail.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    sent_at: Option<Timestamp>,
    not_found: i64,
    /// When the schedule asked last.
    asked_at: Option<Timestamp>,
    /// For how long it has waited so far, milliseconds as written.
    waited_ms: Option<i64>,
}

impl Counters {
    fn read(detail: &Json) -> Self {
        let number = |name: &str| detail.get(name).and_then(Json::as_number).and_then(|n| n.parse::<i64>().ok());
        let time = |name: &str| number(name).map(Timestamp::from_millis);
        Self {
            sent_at: time("sentAt"),
            not_found: number("notFound").unwrap_or_default(),
            asked_at: time("askedAt"),
            waited_ms: number("waitedMs"),
        }
    }

    fn write(self) -> Json {
        let mut detail =
            Json::object([("sentAt", Json::from(self.sent_at.map(Timestamp::millis))), ("notFound", Json::from(self.not_found))]);
        // Not there before the schedule's first inquiry.
        if let (Some(asked_at), Some(waited_ms)) = (self.asked_at, self.waited_ms) {
            detail.set("askedAt", Json::from(asked_at.millis()));
            detail.set("waitedMs", Json::from(waited_ms));
        }
        detail
    }

    /// After inquiry number `attempt` of the schedule; `since_ms`: how much written time lies between a point and now. One that
    /// came before its time (a start, a provider that says when) counts for what was waited; none for more than its step, because
    /// more is a clock's mistake, or a time in which nobody ran.
    fn asked(self, attempt: u32, now: Timestamp, since_ms: impl Fn(Timestamp) -> i64) -> Self {
        let step = inquiry_step_ms(attempt);
        let before = self.waited_ms.unwrap_or_else(|| (0..attempt).map(inquiry_step_ms).sum());
        let waited = self.asked_at.map_or(step, |at| since_ms(at).clamp(0, step));
        Self { asked_at: Some(now), waited_ms: Some(before.saturating_add(waited)), ..self }
    }
}

/// The first inquiry after a call; `sent_at`: when what may be asked about was sent.
pub(super) fn first_inquiry(commit: &Commit<'_>, sent_at: Option<Timestamp>) -> Job {
    let counters = Counters { sent_at: Some(sent_at.unwrap_or(commit.now)), ..Counters::default() };
    commit.new_job(JobKind::Inquire, inquiry_step_ms(0), counters.write())
}

impl Engine {
    /// Does a claimed job. Whatever goes wrong, the job stays and is due again when its lease passes.
    pub(super) async fn do_job(&self, claimed: &Job) -> Result<(), EngineError> {
        let _lock = self.inner.locks.lock(claimed.transaction_id).await;
        let which = Which::Number(claimed.n);
        let Some(mut work) = self.load_attempt(claimed.company_id, claimed.transaction_id, which).await? else { return Ok(()) };
        // Between the claim and the lock somebody may have changed it. Whoever does after this is met by the version at the
        // commit.
        let is_ours = |job: &Job| job.kind == claimed.kind && job.owner.as_deref() == Some(&*self.inner.node_id);
        let Some(job) = work.next.clone().filter(is_ours) else { return Ok(()) };
        if job.kind != JobKind::Intent && self.a_call_is_open(&work).await? {
            // Another process's, for another attempt: whatever is stored of this one now would cost it its outcome.
            let mut batch = Batch::new();
            jobs::put_back(&mut batch, &job, self.clock().after(EARLY_WAIT_MS), job.tries);
            self.store().commit(batch).await?;
            return Ok(());
        }
        match job.kind {
            JobKind::Intent => self.recover(&mut work, &job).await,
            JobKind::Run => self.run_approved(&mut work, &job).await,
            JobKind::Inquire => self.inquire(&mut work, Some(&job), Asked::Schedule).await.map(drop),
            JobKind::Late => self.inquire(&mut work, Some(&job), Asked::Late).await.map(drop),
            JobKind::Hold => self.remind_of_hold(&mut work).await,
        }
    }

    async fn remind_of_hold(&self, work: &mut Work) -> Result<(), EngineError> {
        let mut commit = Commit::open(self, work);
        if commit.work.transaction.status == TransactionStatus::OnHold {
            commit.stuck("nobody has decided about this pay-out");
        } else {
            commit.no_job();
        }
        commit.store().await
    }

    /// Asks the provider and commits what it says, with the next action. Answers whether it said anything.
    pub(super) async fn inquire(&self, work: &mut Work, job: Option<&Job>, asked: Asked<'_>) -> Result<bool, EngineError> {
        let hint = match asked {
            Asked::Callback { hint, .. } | Asked::Return { hint } => hint,
            _ => None,
        };
        let ended = self.run_task(work, Task::Inquire, None, hint, None).await?;
        let not_found_after_ms = self.not_found_after_ms(work.provider);
        let (memo, before) = (work.memo.clone(), work.stands());
        let told = if may_tell(&ended.step, before) { Some(self.told_before(work).await?) } else { None };
        let mut commit = Commit::open(self, work);
        // The provider is asked again and again, and says the same of itself each time.
        told.into_iter().for_each(|told| commit.only_new(told));
        // The number of inquiries is part of the sealed row.
        commit.remember(Some(memo));
        let mut counters = job.map(|job| Counters::read(&job.detail)).unwrap_or_default();
        let (mut ask_at, mut ask_again) = (None, false);
        let readable = match &ended.step {
            Step::Found(finding) => {
                (ask_at, ask_again) = (finding.ask_at, finding.ask_again);
                let detail = self.inquiry_detail(ended.calls.clone(), asked);
                self.take_finding(&mut commit, finding, &detail, &mut counters, not_found_after_ms);
                true
            }
            ended => {
                if let Step::Silence(refusal) | Step::Refused(refusal) = ended {
                    commit.show_doubt(refusal);
                }
                counters.not_found = 0;
                false
            }
        };
        let failed = match &ended.step {
            Step::Refused(refusal) | Step::Silence(refusal) => Some(refusal.code),
            _ => None,
        };
        if failed.is_some() || (matches!(asked, Asked::ByHand) && commit.work.stands() == before) {
            let mut detail = self.inquiry_detail(ended.calls.clone(), asked);
            if let Some(code) = failed {
                detail.set("errorCode", Json::text(code.as_str()));
            }
            commit.note("asked", None, None, detail);
        }
        self.next_action(&mut commit, job, asked, counters, ask_at);
        if let Asked::Callback { hint, open, waiting } = asked {
            // With a schedule of its own running, a silent provider will be asked again anyway; but not with what the callback
            // says.
            let open_job = job.is_some_and(|job| matches!(job.kind, JobKind::Inquire | JobKind::Late | JobKind::Run));
            let asked_anyway = open_job && hint.is_none_or(is_empty);
            if (readable || asked_anyway) && !ask_again {
                callbacks::done(&mut commit.batch, open);
            } else {
                self.ask_later(&mut commit, open);
            }
            if !readable && !waiting.is_empty() {
                self.ask_later(&mut commit, waiting);
            }
        }
        commit.store().await?;
        Ok(readable)
    }

    /// Nobody else will ask about these callbacks: they are asked about on the common schedule, to its end.
    fn ask_later(&self, commit: &mut Commit<'_>, open: &[StoredCallback]) {
        let tries = open.iter().map(|one| one.tries).max().unwrap_or_default();
        match inquiry_wait_ms(tries) {
            Some(wait_ms) => callbacks::later(&mut commit.batch, open, self.clock().after(wait_ms), true),
            None => {
                commit.anomaly("the provider called, and was asked for three days without an answer", "warning");
                callbacks::done(&mut commit.batch, open);
            }
        }
    }

    fn inquiry_detail(&self, calls: Vec<Json>, asked: Asked<'_>) -> Json {
        let by = match asked {
            Asked::Schedule => "inquiry",
            Asked::Late => "late inquiry",
            Asked::ByHand => "inquiry by hand",
            Asked::Return { .. } => "return of the browser",
            Asked::Callback { .. } => "callback",
        };
        let mut detail = calls_detail(calls);
        detail.set("by", Json::text(by));
        detail
    }

    pub(super) fn take_finding(
        &self,
        commit: &mut Commit<'_>,
        finding: &Finding,
        detail: &Json,
        counters: &mut Counters,
        not_found_after_ms: i64,
    ) {
        let absent = matches!(finding.standing, Standing::NotFound | Standing::NotReleased);
        if !absent {
            counters.not_found = 0;
        }
        if !commit.work.is_live() {
            return commit.settle(finding, detail);
        }
        match commit.work.transaction.status {
            // An order that lapses while it is on hold is only noted.
            TransactionStatus::OnHold => {
                commit.remember(finding.memo.clone());
                commit.show(finding);
                if !finding.status.is_empty() {
                    let mut detail = detail.clone();
                    detail.set("status", Json::text(&*finding.status));
                    commit.note("provider_status", None, None, detail);
                }
                return;
            }
            TransactionStatus::Pending if absent => {}
            _ => {
                commit.settle(finding, detail);
                if finding.standing == Standing::Stuck {
                    commit.for_a_person("the provider's record contradicts the transaction");
                }
                return;
            }
        }
        let since = counters.sent_at.unwrap_or(commit.work.transaction.created_at);
        if self.clock().written_between(since, commit.now) < not_found_after_ms {
            return;
        }
        counters.not_found += 1;
        if counters.not_found < 2 {
            return;
        }
        if finding.standing == Standing::NotReleased {
            commit.stuck("the provider never confirmed this pay-out; it may be released again");
            return;
        }
        let failed = Finding::new(Standing::Failed, "not_found").message("The provider does not know this transaction");
        commit.settle(&failed, detail);
    }

    fn next_action(
        &self,
        commit: &mut Commit<'_>,
        job: Option<&Job>,
        asked: Asked<'_>,
        counters: Counters,
        ask_at: Option<Timestamp>,
    ) {
        let Some(job) = job else { return };
        let status = commit.work.stands();
        let stuck = commit.work.transaction.attention == Some(domain::Attention::Stuck);
        match asked {
            Asked::Schedule if status == TransactionStatus::Pending && !stuck => {
                let waited_before = counters.waited_ms;
                let counters = counters.asked(job.tries, commit.now, |at| self.clock().written_between(at, commit.now));
                // One that was brought forward is no step of the schedule.
                let waited = waited_before.zip(counters.waited_ms).map(|(before, after)| after - before);
                let early = waited.is_some_and(|waited| waited < inquiry_step_ms(job.tries) / 4);
                let tries = if early { job.tries } else { job.tries + 1 };
                let goes_on = counters.waited_ms.is_some_and(|waited_ms| waited_ms < INQUIRY_END_MS);
                let due_at = goes_on.then(|| self.clock().after(inquiry_step_ms(tries)));
                let ask_at = ask_at.filter(|at| *at > commit.now);
                match due_at.into_iter().chain(ask_at).min() {
                    Some(due_at) => {
                        commit.job(&Job { due_at, tries, detail: counters.write(), owner: None, ..job.clone() });
                    }
                    None => commit.stuck("the provider was asked for three days and the outcome is still open"),
                }
            }
            Asked::Schedule if !status.is_final() && !stuck => commit.no_job(),
            Asked::Late if may_turn_paid(commit.work) => {
                let tries = job.tries + 1;
                let wait = usize::try_from(tries).ok().and_then(|index| LATE_CHECKS_MS.get(index));
                match wait {
                    Some(wait_ms) => {
                        let due_at = job.first_at.plus_ms(self.clock().scaled_ms(*wait_ms));
                        commit.job(&Job { due_at, tries, owner: None, ..job.clone() });
                    }
                    None => commit.no_job(),
                }
            }
            Asked::Late => commit.no_job(),
            // The schedule stays; what was found counts in it ("twice running").
            Asked::ByHand | Asked::Return { .. } | Asked::Callback { .. } if status == TransactionStatus::Pending && !stuck => {
                let (company, id, n) = (commit.work.company_id(), commit.work.id(), commit.work.attempt.n);
                jobs::set_counters(&mut commit.batch, company, id, n, &counters.write());
            }
            _ => {}
        }
    }

    /// Runs what a person let go: the provider's finishing step, or the sending itself.
    async fn run_approved(&self, work: &mut Work, job: &Job) -> Result<(), EngineError> {
        let task = job.detail.str_at("task").and_then(|task| task.parse().ok()).unwrap_or(Task::Finalise);
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
            self.run_later(&mut commit, job, "the account lacks a required setting", Json::Object(Vec::new()));
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
            Step::Silence(_) => self.run_later(&mut commit, job, "the provider did not answer", detail),
            Step::TryLater(why) => self.run_later(&mut commit, job, why, detail),
            Step::Call(_) => return Err(EngineError::Corrupt("a flow ended with a call".into())),
        }
        commit.store().await
    }

    fn run_later(&self, commit: &mut Commit<'_>, job: &Job, why: &str, mut detail: Json) {
        detail.set("text", Json::text(why));
        commit.note("tried", None, None, detail);
        match inquiry_wait_ms(job.tries) {
            Some(wait_ms) => {
                let due_at = self.clock().after(wait_ms);
                commit.job(&Job { kind: JobKind::Run, due_at, tries: job.tries + 1, owner: None, ..job.clone() });
            }
            None => commit.stuck("the provider could not be reached for three days"),
        }
    }
}

/// Whether an attempt that has ended may still turn out paid.
fn may_turn_paid(work: &Work) -> bool {
    if work.is_live() { work.transaction.status.may_turn_late() } else { !work.attempt.is_paid() }
}

/// Whether what was found may have something to tell.
fn may_tell(step: &Step, stands: TransactionStatus) -> bool {
    match step {
        // What contradicts an ending is an anomaly by the state table.
        Step::Found(finding) => stands.is_final() || !finding.anomalies.is_empty() || !finding.notes.is_empty(),
        Step::Silence(refusal) | Step::Refused(refusal) => refusal.anomaly.is_some(),
        Step::Call(_) | Step::TryLater(_) => false,
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
