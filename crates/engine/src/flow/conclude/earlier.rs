//! Facts about an attempt that is not the live one: they are told, and change the transaction only where a payment turns out paid
//! (orchestration, "Attempts").

use super::Commit;
use domain::{Attempt, Attention, Change, Json, Operation, TransactionStatus};
use providers::{Finding, Standing};
use store::repository::jobs::{self, JobKind};

impl Commit<'_> {
    /// Whether what is found of the attempt in hand, which is not the live one, is the late success of a pay-in that has ended
    /// without money. The attempt is the live one from here on.
    pub(super) fn turns_live(&mut self, finding: &Finding) -> bool {
        let transaction = &self.work.transaction;
        let is_late = transaction.operation == Operation::PayIn && transaction.status.may_turn_late();
        if !is_late || finding.standing != Standing::Approved {
            return false;
        }
        if let Some(id) = &finding.psp_transaction_id {
            self.work.attempt.psp_transaction_id = Some(id.clone());
        }
        let attempt = self.work.attempt.clone();
        self.make_live(&attempt);
        true
    }

    /// Account, provider and the provider's id are this attempt's from here on.
    fn make_live(&mut self, attempt: &Attempt) {
        let transaction = &mut self.work.transaction;
        transaction.live = attempt.n;
        transaction.method_id = attempt.method_id;
        transaction.psp_type.clone_from(&attempt.psp_type);
        transaction.psp_transaction_id.clone_from(&attempt.psp_transaction_id);
        self.live_changed = true;
    }

    /// Tells what is found of an attempt that is not the live one.
    pub(super) fn settle_earlier(&mut self, finding: &Finding) {
        self.show(finding);
        let attempt = &mut self.work.attempt;
        if attempt.psp_transaction_id.is_none() {
            attempt.psp_transaction_id.clone_from(&finding.psp_transaction_id);
        }
        if matches!(finding.standing, Standing::Pending | Standing::OnHold) {
            let open = format!("attempt {} is open at the provider: {}", self.work.attempt.n, finding.status);
            self.show(&Finding { notes: vec![open], ..Finding::unchanged() });
        }
        let Some(outcome) = outcome_of(finding.standing) else { return };
        let attempt = &mut self.work.attempt;
        // Once paid, only money that went back makes it another.
        let repeats = attempt.outcome == Some(outcome) || (attempt.is_paid() && outcome != TransactionStatus::Reversed);
        if repeats {
            return;
        }
        attempt.end(outcome, &finding.status, self.now);
        let event = if outcome == TransactionStatus::Approved { "attempt_paid" } else { "attempt_ended" };
        let detail = Json::object([("status", Json::text(&*finding.status)), ("outcome", Json::text(outcome.as_str()))]);
        self.note(event, None, None, detail);
        if outcome == TransactionStatus::Approved {
            self.paid_earlier();
        }
    }

    /// The attempt in hand is paid, and another one is live.
    fn paid_earlier(&mut self) {
        let transaction = &self.work.transaction;
        let (company, id, live, status) = (transaction.company_id, transaction.id, transaction.live, transaction.status);
        let n = self.work.attempt.n;
        if transaction.operation == Operation::PayOut {
            self.anomaly(&format!("paid twice: attempt {n} of this pay-out was paid; attempt {live} must not be"), "highest");
            return self.keep_from_being_sent(live);
        }
        match status {
            TransactionStatus::Approved | TransactionStatus::Reversed => self.paid_twice(n, live),
            _ => {
                jobs::pull_forward(&mut self.batch, company, id, live, self.now);
                self.wakes_jobs = true;
            }
        }
    }

    /// What of a pay-out waits to be sent is not: a person sees why.
    fn keep_from_being_sent(&mut self, live: i64) {
        let mut others = self.work.others.iter();
        let next = others.find(|(attempt, _)| attempt.n == live).and_then(|(_, next)| next.as_ref()).map(|job| job.kind);
        match next {
            Some(JobKind::Hold) => self.work.transaction.attention = Some(Attention::Duplicate),
            Some(JobKind::Run) => {
                let (company, id) = (self.work.company_id(), self.work.id());
                jobs::stop_a_run(&mut self.batch, company, id, live);
                self.work.transaction.attention = Some(Attention::Stuck);
                let text =
                    format!("attempt {} of this pay-out was paid, so that attempt {live} was not sent", self.work.attempt.n);
                self.note("stuck", None, None, Json::object([("text", Json::text(text))]));
            }
            _ => {}
        }
    }

    fn paid_twice(&mut self, one: i64, other: i64) {
        let text =
            format!("paid twice: attempt {one} was paid, and so was attempt {other}; the payer's money of one of them goes back");
        self.anomaly(&text, "highest");
    }

    /// At an ending of the live attempt: whether another one was paid, so that the transaction does not end without money. What
    /// it ends as is announced then.
    pub(super) fn ends_paid_otherwise(&mut self, ends_as: TransactionStatus) -> bool {
        let transaction = &self.work.transaction;
        let Some(paid) = self.work.paid_otherwise().filter(|_| transaction.operation == Operation::PayIn).cloned() else {
            return false;
        };
        if ends_as == TransactionStatus::Approved {
            // Unless it is the one that makes it so.
            if transaction.live == self.work.attempt.n {
                self.paid_twice(paid.n, transaction.live);
            }
            return false;
        }
        if !ends_as.may_turn_late() {
            return false;
        }
        if transaction.live == self.work.attempt.n {
            let word = transaction.psp_status.clone();
            self.work.attempt.end(ends_as, &word, self.now);
            self.work.attempt.psp_transaction_id.clone_from(&self.work.transaction.psp_transaction_id);
        }
        self.make_live(&paid);
        if let Some(method) = self.work.company.method(paid.method_id) {
            self.work.method = method.clone();
        }
        if let Some(code) = &paid.code {
            self.work.transaction.psp_status.clone_from(code);
        }
        self.work.transaction.message = Some(self.work.transaction.psp_status.clone());
        self.must(Change::Approve, Json::object([("by", Json::text("an earlier attempt")), ("attempt", Json::from(paid.n))]));
        true
    }
}

/// What of a finding ends an attempt.
fn outcome_of(standing: Standing) -> Option<TransactionStatus> {
    match standing {
        Standing::Approved => Some(TransactionStatus::Approved),
        Standing::Declined => Some(TransactionStatus::Declined),
        Standing::Cancelled => Some(TransactionStatus::Cancelled),
        Standing::Expired => Some(TransactionStatus::Expired),
        Standing::Failed => Some(TransactionStatus::Failed),
        Standing::Reversed => Some(TransactionStatus::Reversed),
        Standing::Pending
        | Standing::OnHold
        | Standing::Unchanged
        | Standing::NotFound
        | Standing::NotReleased
        | Standing::Stuck => None,
    }
}
