//! Asking a provider how an attempt stands: by schedule, after an ending, because of a callback, of a browser, of a person.

use super::EngineError;
use super::answers::calls_detail;
use super::conclude::Commit;
use super::inbox::is_empty;
use super::work::Work;
use crate::core::Engine;
use domain::next::Counters;
use domain::schedule::{INQUIRY_END_MS, LATE_CHECKS_MS, inquiry_step_ms, inquiry_wait_ms};
use domain::{Json, Next, Timestamp, TransactionStatus};
use providers::{Finding, Standing, Step, Task};
use store::repository::callbacks::{self, StoredCallback};
use store::repository::jobs::{self, Job};

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

/// The first inquiry after a call; `sent_at`: when what may be asked about was sent.
pub(super) fn first_inquiry(commit: &Commit<'_>, sent_at: Option<Timestamp>) -> Job {
    let counters = Counters::since(sent_at.unwrap_or(commit.now));
    commit.new_job(Next::Inquire(counters), inquiry_step_ms(0))
}

/// What the inquiries have counted; where none are due, what is asked about was sent no earlier than it was ordered.
fn counters_of(work: &Work, job: Option<&Job>) -> Counters {
    match job.map(|job| &job.next) {
        Some(Next::Inquire(counters)) => *counters,
        Some(Next::Intent(intent)) => Counters::since(intent.sent_at.unwrap_or(work.transaction.created_at)),
        _ => Counters::since(work.transaction.created_at),
    }
}

impl Engine {
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
        let mut counters = counters_of(commit.work, job);
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
        self.next_action(&mut commit, job, asked, counters, (ask_at, readable));
        if let Asked::Callback { hint, open, waiting } = asked {
            // With a schedule of its own running, a silent provider will be asked again anyway; but not with what the callback
            // says.
            let open_job = job.is_some_and(|job| matches!(job.next, Next::Inquire(_) | Next::Late | Next::Run { .. }));
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
        if self.clock().written_between(counters.sent_at, commit.now) < not_found_after_ms {
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
        (ask_at, readable): (Option<Timestamp>, bool),
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
                        commit.job(&Job { next: Next::Inquire(counters), due_at, tries, owner: None, ..job.clone() });
                    }
                    None => commit.stuck("the provider was asked for three days and the outcome is still open"),
                }
            }
            Asked::Schedule if !status.is_final() && !stuck => commit.no_job(),
            // Silence is no answer: what went back of one that turned out paid is still to be found.
            Asked::Late if may_turn_paid(commit.work) || !readable => {
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
                jobs::set_counters(&mut commit.batch, company, id, n, &counters);
            }
            _ => {}
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
