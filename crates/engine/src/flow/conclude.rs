//! One commit: what changes, the timeline, the next action, the webhook, the stored answer.

use super::answers::recovered_answer;
use super::work::Work;
use super::{EngineError, idempotency};
use crate::answer::CashierAnswer;
use crate::core::Engine;
use crate::webhooks::{Announcement, announce};
use domain::limits::EVENTS_PER_TRANSACTION_MAX;
use domain::schedule::{IDEMPOTENCY_KEPT_MS, LATE_CHECKS_MS};
use domain::state::next;
use domain::{Attention, Change, EventId, Json, Secret, Timestamp, TransactionId, TransactionStatus};
use providers::{Finding, Refusal, Standing};
use std::time::Duration;
use store::repository::jobs::{self, Job, JobKind};
use store::repository::transactions::{self, TimelineEntry, VERSION_GUARD};
use store::repository::{idempotency as keys, single_use};
use store::{Batch, CommitError};

/// How often a commit of something that has already happened is tried again while the store is away.
const STORE_TRIES: u32 = 8;
/// The first wait between them; doubled each time.
const STORE_WAIT: Duration = Duration::from_millis(50);

/// A commit being put together. Nothing is visible to anybody until [`Commit::store`] has returned.
pub(super) struct Commit<'a> {
    engine: &'a Engine,
    pub(super) work: &'a mut Work,
    pub(super) batch: Batch,
    pub(super) now: Timestamp,
    /// The transaction before, in case the commit fails.
    before: domain::Transaction,
    sealed_changed: bool,
    job_set: bool,
    announced: bool,
    answered: bool,
}

impl<'a> Commit<'a> {
    pub(super) fn open(engine: &'a Engine, work: &'a mut Work) -> Self {
        let now = engine.clock().now();
        let before = work.transaction.clone();
        // Set at once, so that an answer built before the commit shows the time that will be stored.
        work.transaction.updated_at = now;
        Self {
            engine,
            work,
            batch: Batch::new(),
            now,
            before,
            sealed_changed: false,
            job_set: false,
            announced: false,
            answered: false,
        }
    }

    /// Adds an entry to the timeline.
    pub(super) fn note(&mut self, event: &str, from: Option<TransactionStatus>, to: Option<TransactionStatus>, detail: Json) {
        let t = &mut self.work.transaction;
        // A storm of repeated callbacks must not grow the timeline without end; changes of status are few and always kept.
        if t.timeline_length >= i64::from(EVENTS_PER_TRANSACTION_MAX) && to.is_none() {
            return;
        }
        t.timeline_length += 1;
        // What is noted are words of a provider or a browser.
        let detail = if event == "noted" { self.work.masker().json(detail) } else { detail };
        let t = &self.work.transaction;
        let entry = TimelineEntry { n: t.timeline_length, at: self.now, event: event.to_owned(), from, to, detail };
        transactions::add_to_timeline(&mut self.batch, t.company_id, t.id, &entry);
    }

    /// A text with words of a provider or a browser in it, fit for a timeline and a log: without secrets, and nothing in it acts on a terminal.
    fn shown(&self, text: &str) -> String {
        domain::visible::visible(&self.work.masker().text(text), &[]).into_owned()
    }

    /// Shows something that should not be.
    pub(super) fn anomaly(&mut self, text: &str, severity: &str) {
        let text = &*self.shown(text);
        metrics::counter!("mozarto_anomalies_total", "provider" => self.work.provider.descriptor().name).increment(1);
        tracing::warn!(transaction = %self.work.id(), severity, "anomaly: {text}");
        self.note("anomaly", None, None, Json::object([("text", Json::text(text)), ("severity", Json::text(severity))]));
        if self.work.transaction.attention != Some(Attention::Stuck) {
            self.work.transaction.attention = Some(Attention::Anomaly);
        }
    }

    /// Makes a change of status by the state table, with its timeline entry and, at an ending, its webhook. The status word and the message must be set before.
    pub(super) fn change(&mut self, change: Change, detail: Json) -> Result<(), domain::Refused> {
        let from = self.work.transaction.status;
        let to = next(from, change, self.work.transaction.operation)?;
        self.work.transaction.status = to;
        self.note(change.as_str(), Some(from), Some(to), detail);
        if to.is_final() {
            self.announce();
        }
        metrics::counter!("mozarto_transactions_total", "provider" => self.work.provider.descriptor().name,
            "type" => self.work.transaction.operation.as_str(), "status" => to.as_str())
        .increment(1);
        Ok(())
    }

    fn announce(&mut self) {
        let t = &mut self.work.transaction;
        if !self.work.provider.descriptor().webhooks {
            return;
        }
        t.events_sent += 1;
        let random = &self.engine.inner.random;
        announce(
            &mut self.batch,
            &Announcement {
                company_id: t.company_id,
                transaction: t,
                method: &self.work.method,
                event_id: EventId::new(self.now, random.bytes()),
                delivery_id: TransactionId::new(self.now, random.bytes()),
                now: self.now,
            },
        );
        self.announced = true;
    }

    /// Remembers what the provider wants remembered.
    pub(super) fn remember(&mut self, memo: Option<providers::Memo>) {
        if let Some(memo) = memo {
            self.work.memo = memo;
            self.sealed_changed = true;
        }
    }

    /// Sets the next action.
    pub(super) fn job(&mut self, job: &Job) {
        jobs::put(&mut self.batch, job);
        self.job_set = true;
    }

    /// Takes the next action away: nothing is due, or a person is to act.
    pub(super) fn no_job(&mut self) {
        jobs::delete(&mut self.batch, self.work.company_id(), self.work.id());
        self.job_set = true;
    }

    /// A job of this transaction, with nothing tried yet.
    pub(super) fn new_job(&self, kind: JobKind, wait_ms: i64, detail: Json) -> Job {
        Job {
            company_id: self.work.company_id(),
            transaction_id: self.work.id(),
            kind,
            due_at: self.engine.clock().after(wait_ms),
            attempt: 0,
            first_at: self.now,
            detail,
            owner: None,
        }
    }

    /// Hands the transaction to a person.
    pub(super) fn stuck(&mut self, why: &str) {
        self.work.transaction.attention = Some(Attention::Stuck);
        self.note("stuck", None, None, Json::object([("text", Json::text(why))]));
        self.no_job();
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

    /// Shows what a finding wants to be seen.
    pub(super) fn show(&mut self, finding: &Finding) {
        for text in &finding.anomalies {
            self.anomaly(text, "warning");
        }
        for text in &finding.notes {
            self.note("noted", None, None, Json::object([("text", Json::text(&**text))]));
        }
    }

    /// Shows what was wrong with an answer that was not believed.
    pub(super) fn show_doubt(&mut self, refusal: &Refusal) {
        if let Some(text) = &refusal.anomaly {
            self.anomaly(text, "warning");
        }
    }

    /// Applies a finding. Where the state table does not allow it, nothing changes and an anomaly is shown.
    pub(super) fn settle(&mut self, finding: &Finding, detail: &Json) {
        self.sealed_changed |= finding.memo.is_some();
        if let Some(memo) = &finding.memo {
            self.work.memo = memo.clone();
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
                    let paid_out =
                        finding.standing == Standing::Approved && self.work.transaction.operation == domain::Operation::PayOut;
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
            // Probed above.
            let _ = self.change(*change, detail.clone());
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
        if !self.job_set {
            if status.may_turn_late() {
                let job = self.new_job(JobKind::Late, LATE_CHECKS_MS[0], Json::Object(Vec::new()));
                self.job(&job);
            } else {
                self.no_job();
            }
        }
        if self.work.transaction.attention == Some(Attention::Stuck) {
            self.work.transaction.attention = None;
        }
        if self.work.has_key {
            keys::expire(&mut self.batch, company, id, self.now.plus_ms(IDEMPOTENCY_KEPT_MS));
        }
        if self.work.provider.descriptor().single_use_field.is_some() {
            single_use::give_back(&mut self.batch, company, id);
        }
        for secret in self.work.order.fields.secret.values_mut() {
            let text = secret.expose();
            let keep = text.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
            *secret = Secret::new(&text[keep..]);
            self.sealed_changed = true;
        }
    }

    /// Commits. While the store is away it is tried again for a while: what is told here has already happened.
    pub(super) async fn store(mut self) -> Result<(), EngineError> {
        self.on_ending();
        // However a transaction leaves `Created`, whoever repeats its key must get an answer from then on.
        if self.before.status == TransactionStatus::Created
            && self.work.transaction.status != TransactionStatus::Created
            && !self.answered
        {
            self.answer(&recovered_answer(self.work))?;
        }
        self.work.transaction.version += 1;
        let mut batch = Batch::new();
        transactions::update(&mut batch, &self.work.transaction);
        if self.sealed_changed {
            transactions::update_sealed(&mut batch, self.work.company_id(), self.work.id(), self.work.seal()?);
        }
        batch.append(std::mem::take(&mut self.batch));
        let result = store_surely(self.engine, self.work, batch).await;
        match result {
            Ok(()) => {
                if self.announced {
                    self.engine.inner.wake.deliveries.notify_one();
                }
                Ok(())
            }
            Err(error) => {
                self.work.transaction = self.before;
                Err(error.into())
            }
        }
    }
}

async fn store_surely(engine: &Engine, work: &Work, batch: Batch) -> Result<(), CommitError> {
    let mut wait = STORE_WAIT;
    let mut perhaps_stored = false;
    for attempt in 1.. {
        let error = match engine.store().commit(batch.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if error == CommitError::Guard(VERSION_GUARD) && perhaps_stored {
            let stored = transactions::find(engine.store(), work.company_id(), work.id()).await;
            // The whole of it: another process may have stored something else under the same version.
            if stored.is_ok_and(|found| found.is_some_and(|found| found.transaction == work.transaction)) {
                return Ok(());
            }
        }
        perhaps_stored |= error.outcome_unknown();
        if !matches!(error, CommitError::Unavailable(_)) || attempt >= STORE_TRIES {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    unreachable!("the loop returns")
}
