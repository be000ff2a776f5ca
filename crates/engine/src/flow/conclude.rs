//! One commit: what changes, the timeline, the next action, the webhook, the stored answer.

mod earlier;
mod storing;
mod telling;

use super::turns::{self, Counted};
use super::work::Work;
use super::{EngineError, idempotency};
use crate::answer::CashierAnswer;
use crate::core::Engine;
use crate::webhooks::handover::{Promise, Stored};
use crate::webhooks::{Announcement, announce, announce_handed_over, told};
use domain::schedule::LATE_CHECKS_MS;
use domain::state::next;
use domain::{Attention, Change, EventId, Json, Next, Secret, Timestamp, TransactionId, TransactionStatus};
use providers::{Finding, Standing};
use std::collections::BTreeSet;
use store::Batch;
use store::repository::audit::{self, AuditEntry};
use store::repository::jobs::Job;
use store::repository::{idempotency as keys, single_use};

/// Texts that are on a timeline.
pub(super) type Told = BTreeSet<String>;

/// What creates a transaction, but for its attempt's row.
#[derive(Default)]
pub(super) struct Creation {
    pub(super) batch: Batch,
    /// SHA-256 of the attempt's callback token.
    pub(super) token_hash: Option<[u8; 32]>,
}

/// A commit being put together. Nothing is visible to anybody until [`Commit::store`] has returned.
#[must_use = "nothing of it happens until it is stored"]
pub(super) struct Commit<'a> {
    engine: &'a Engine,
    pub(super) work: &'a mut Work,
    pub(super) batch: Batch,
    pub(super) now: Timestamp,
    /// What creates the transaction, where this commit does so as well; its attempt's row is made as it is concluded.
    creation: Option<Creation>,
    /// What is not told again.
    told: Option<Told>,
    /// Transaction and attempt before, in case the commit fails.
    before: domain::Transaction,
    attempt_before: domain::Attempt,
    /// What is sealed with the order, or with the attempt, is another.
    order_changed: bool,
    memo_changed: bool,
    /// The attempt's job, where it is set.
    job: Option<Option<Job>>,
    /// Another attempt is the live one from here on.
    live_changed: bool,
    /// Something that should not be was told.
    anomalous: bool,
    /// A job of another attempt was brought forward.
    wakes_jobs: bool,
    announced: bool,
    /// The first event's delivery, stored as this process's, and its place at the worker.
    handed: Option<(Promise, Stored)>,
    answered: bool,
    /// Turns of the payment's money, for when it is known to be paid.
    turns: Vec<Counted>,
    /// The entry on the audit log, where a person decided.
    act: Option<String>,
}

impl<'a> Commit<'a> {
    pub(super) fn open(engine: &'a Engine, work: &'a mut Work) -> Self {
        let now = engine.clock().now();
        let (before, attempt_before) = (work.transaction.clone(), work.attempt.clone());
        // Set at once, so that an answer built before the commit shows the time that will be stored.
        work.transaction.updated_at = now;
        Self {
            engine,
            work,
            batch: Batch::new(),
            now,
            creation: None,
            told: None,
            before,
            attempt_before,
            order_changed: false,
            memo_changed: false,
            job: None,
            live_changed: false,
            anomalous: false,
            wakes_jobs: false,
            announced: false,
            handed: None,
            answered: false,
            turns: Vec::new(),
            act: None,
        }
    }

    /// Adds what a person did to the company's audit log; by that entry the commit is known.
    pub(super) fn act(&mut self, entry: &AuditEntry) {
        audit::insert(&mut self.batch, self.work.company_id(), entry);
        self.act = Some(entry.id.clone());
    }

    /// The statements that create the transaction go into this commit, before everything else: it is made and concluded at once
    /// or not at all.
    pub(super) fn creates(&mut self, creation: Creation) {
        self.creation = Some(creation);
    }

    /// Makes a change of status by the state table, with its timeline entry and, at an ending, its webhook. The status word and
    /// the message must be set before.
    pub(super) fn change(&mut self, change: Change, detail: Json) -> Result<(), domain::Refused> {
        let from = self.work.transaction.status;
        let to = next(from, change, self.work.transaction.operation)?;
        self.work.transaction.status = to;
        self.note(change.as_str(), Some(from), Some(to), detail);
        if to.is_final() && !self.end_by_the_paid_one(to) {
            self.announce();
        }
        metrics::counter!("mozarto_transactions_total", "provider" => self.work.provider.descriptor().name,
            "type" => self.work.transaction.operation.as_str(), "status" => to.as_str())
        .increment(1);
        Ok(())
    }

    /// Makes a change that the state table always has where this is called. One that it refuses all the same is a fault of ours,
    /// and shown as one.
    pub(super) fn must(&mut self, change: Change, detail: Json) {
        if let Err(refused) = self.change(change, detail) {
            self.anomaly(&format!("a change that must be possible was refused: {refused}"), "highest");
        }
    }

    fn announce(&mut self) {
        let t = &mut self.work.transaction;
        // Account and provider of the live attempt, which is not always the one in hand.
        let provider = providers::by_psp_type(&t.psp_type).unwrap_or(self.work.provider);
        if !provider.descriptor().webhooks {
            return;
        }
        let method = self.work.company.method(t.method_id).unwrap_or(&self.work.method).clone();
        t.events_sent += 1;
        let random = &self.engine.inner.random;
        let announcement = Announcement {
            company_id: t.company_id,
            transaction: t,
            method: &method,
            event_id: EventId::new(self.now, random.bytes()),
            delivery_id: TransactionId::new(self.now, random.bytes()),
            now: self.now,
        };
        // Only the first: a later one may have to wait for those before it.
        let first = t.events_sent == 1 && told(&method);
        let promise = if first { Promise::of(self.engine, t.company_id, method.id) } else { None };
        let Some(promise) = promise else {
            announce(&mut self.batch, &announcement);
            self.announced = true;
            return;
        };
        let lease = promise.lease();
        let lease_until = lease.until;
        let (event, place) = announce_handed_over(&mut self.batch, &announcement, lease);
        let stored = Stored { id: announcement.delivery_id, event, lease_until, place };
        self.handed = Some((promise, stored));
    }

    /// Remembers what the provider wants remembered.
    pub(super) fn remember(&mut self, memo: Option<providers::Memo>) {
        if let Some(memo) = memo {
            self.work.memo = memo;
            self.memo_changed = true;
        }
    }

    /// Sets what the attempt does next.
    pub(super) fn job(&mut self, job: &Job) {
        self.job = Some(Some(job.clone()));
    }

    /// Takes the job away: nothing is due, or a person is to act.
    pub(super) fn no_job(&mut self) {
        self.job = Some(None);
    }

    /// A job of this attempt, with nothing tried yet.
    pub(super) fn new_job(&self, next: Next, wait_ms: i64) -> Job {
        self.work.new_job(next, self.now, self.engine.clock().after(wait_ms))
    }

    /// Hands the transaction to a person.
    pub(super) fn stuck(&mut self, why: &str) {
        self.work.transaction.attention = Some(Attention::Stuck);
        self.note("stuck", None, None, Json::object([("text", Json::text(why))]));
        self.no_job();
    }

    /// Hands the transaction to a person, also one that has ended but may still turn out paid: the late checks of such a one go
    /// on.
    pub(super) fn for_a_person(&mut self, why: &str) {
        let status = self.work.transaction.status;
        if !status.is_final() {
            self.stuck(why);
        } else if status.may_turn_late() && self.work.transaction.attention != Some(Attention::Stuck) {
            self.work.transaction.attention = Some(Attention::Stuck);
            self.note("stuck", None, None, Json::object([("text", Json::text(why))]));
        }
    }

    /// Takes over what the provider says of an open transaction without changing where it stands.
    fn take_words(&mut self, finding: &Finding) {
        let t = &mut self.work.transaction;
        if !finding.status.is_empty() {
            t.psp_status.clone_from(&finding.status);
        }
        if let Some(message) = &finding.message {
            t.message = Some(message.clone());
        }
    }

    /// Applies a finding. Where the state table does not allow it, nothing changes and an anomaly is shown.
    pub(super) fn settle(&mut self, finding: &Finding, detail: &Json) {
        self.remember(finding.memo.clone());
        if !self.work.is_live() && !self.take_late_success(finding) {
            return self.settle_earlier(finding);
        }
        self.show(finding);
        if let Some(id) = &finding.psp_transaction_id {
            let known = &mut self.work.transaction.psp_transaction_id;
            // A late success may be another payment at the provider than the one that ended.
            let late = self.before.status.may_turn_late() && matches!(finding.standing, Standing::Approved);
            if known.is_none() || late || !self.before.status.is_final() {
                *known = Some(id.clone());
            }
        }
        let plan = turns::plan(&self.work.transaction, &self.work.turns, finding);
        let counted = Finding { standing: plan.standing, ..finding.clone() };
        self.turns = plan.turns;
        self.take_standing(&counted, detail);
        self.count_turns();
        for text in plan.anomalies {
            self.anomaly(&text, "warning");
        }
    }

    /// Counts what is known of the payment's money, once it is known to be paid.
    fn count_turns(&mut self) {
        let paid = matches!(self.work.transaction.status, TransactionStatus::Approved | TransactionStatus::Reversed);
        for turn in std::mem::take(&mut self.turns).into_iter().filter(|_| paid) {
            self.entry(turn.kind.as_str(), None, None, turn.detail(self.work.transaction.amount));
            self.work.turns.push(turn);
            turns::count(&self.work.turns, &mut self.work.transaction.given_back);
            self.order_changed = true;
        }
    }

    fn take_standing(&mut self, finding: &Finding, detail: &Json) {
        let changes: &[Change] = match finding.standing {
            Standing::Pending => &[Change::Accept],
            Standing::OnHold => &[Change::Hold],
            Standing::Approved => &[Change::Approve],
            Standing::Declined => &[Change::Decline],
            Standing::Cancelled => &[Change::Cancel],
            Standing::Expired => &[Change::Expire],
            Standing::Failed => &[Change::Fail],
            Standing::Reversed => &[Change::Approve, Change::Reverse],
            Standing::Unchanged | Standing::NotFound | Standing::NotReleased | Standing::Stuck => &[],
        };
        let open = !self.work.transaction.status.is_final();
        if changes.is_empty() {
            if open {
                self.take_words(finding);
            }
            return;
        }
        self.apply(finding, changes, detail);
    }

    fn apply(&mut self, finding: &Finding, changes: &[Change], detail: &Json) {
        use TransactionStatus as S;
        let from = self.work.transaction.status;
        // Found again as it stands, or open at the provider while it has ended here: nothing new.
        let repeats = matches!(
            (from, finding.standing),
            (S::Approved, Standing::Approved)
                | (S::Reversed, Standing::Reversed | Standing::Approved)
                | (S::Pending, Standing::Pending)
                | (S::OnHold, Standing::OnHold | Standing::Pending)
        );
        let negative = |standing| {
            matches!(
                standing,
                Standing::Declined | Standing::Cancelled | Standing::Expired | Standing::Failed | Standing::Pending
            )
        };
        if repeats {
            if !from.is_final() {
                self.take_words(finding);
            } else if finding.word_follows && from == S::Approved && !finding.status.is_empty() {
                self.work.transaction.psp_status.clone_from(&finding.status);
            }
            return;
        }
        let pays_out = self.work.transaction.operation == domain::Operation::PayOut;
        if from.may_turn_late() && pays_out && finding.standing == Standing::Pending {
            // The merchant was told that it is not paid, and may have paid in another way.
            let word = &finding.status;
            let text = format!("the provider says {word} of a pay-out that is {}: it may still be paid", from.as_str());
            self.anomaly(&text, "warning");
            return;
        }
        // One that a person refused was never let go: that it lapses at the provider is as it should be.
        if (from.may_turn_late() || from == S::Rejected) && negative(finding.standing) {
            return;
        }
        if from.may_turn_late() && finding.standing == Standing::Reversed {
            self.anomaly(
                &format!("the provider says Reversed ({}) of a transaction that is {}", finding.status, from.as_str()),
                "warning",
            );
            return;
        }
        let changes = if from == S::Approved && finding.standing == Standing::Reversed { &changes[1..] } else { changes };
        let passes = from == S::Created && !matches!(changes, [Change::Accept | Change::Hold | Change::Fail]);
        let mut probe = if passes { S::Pending } else { from };
        for change in changes {
            match next(probe, *change, self.work.transaction.operation) {
                Ok(to) => probe = to,
                Err(refused) => {
                    let paid_out = finding.standing == Standing::Approved && pays_out;
                    let severity = if paid_out { "highest" } else { "warning" };
                    self.anomaly(&format!("the provider says {:?} ({}): {refused}", finding.standing, finding.status), severity);
                    return;
                }
            }
        }
        self.take_words(finding);
        if probe.is_final() && finding.message.is_none() {
            self.work.transaction.message = Some(self.work.transaction.psp_status.clone());
        }
        let first = passes.then_some(Change::Accept);
        for change in first.iter().chain(changes) {
            if *change == Change::Reverse {
                self.count_turns();
            }
            // Probed above.
            self.must(*change, detail.clone());
        }
    }

    /// Stores the answer of the transaction's idempotency key in this commit.
    pub(super) fn answer(&mut self, answer: &CashierAnswer) -> Result<(), EngineError> {
        if self.work.has_key {
            let sealed = idempotency::seal_answer(&self.work.company.data_key, self.work.id(), answer)?;
            keys::answer(&mut self.batch, self.work.company_id(), self.work.id(), answer.status, sealed);
        }
        self.answered = true;
        Ok(())
    }

    /// What every arrival at an ending brings: the next action, the end of the key, the end of the secrets.
    fn on_ending(&mut self) {
        let status = self.work.transaction.status;
        if !status.is_final() || status == self.before.status {
            return;
        }
        let (company, id) = (self.work.company_id(), self.work.id());
        // The attempt that ends with it, or, where another one was paid, that ends beside it.
        let ended = match self.attempt_before.outcome {
            _ if self.work.is_live() => Some(status),
            None => self.work.attempt.outcome,
            Some(_) => None,
        };
        if let Some(ended) = ended.filter(|_| self.job.is_none()) {
            if ended.may_turn_late() {
                let job = self.new_job(Next::Late, LATE_CHECKS_MS[0]);
                self.job(&job);
            } else {
                self.no_job();
            }
        }
        if self.work.transaction.attention == Some(Attention::Stuck) {
            // What is open no more needs nobody to settle it; what should not be is still to be looked at.
            let anomalous = self.anomalous || self.work.paid_otherwise().is_some();
            self.work.transaction.attention = anomalous.then_some(Attention::Anomaly);
        }
        if self.work.has_key {
            keys::expire(&mut self.batch, company, id, self.now.plus_ms(self.engine.config().retention.idempotency_ms));
        }
        if self.work.provider.descriptor().single_use_field.is_some() {
            single_use::give_back(&mut self.batch, company, id, self.work.attempt.n);
        }
        for secret in self.work.order.fields.secret.values_mut() {
            let text = secret.expose();
            let keep = text.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
            *secret = Secret::new(&text[keep..]);
            self.order_changed = true;
        }
    }
}
