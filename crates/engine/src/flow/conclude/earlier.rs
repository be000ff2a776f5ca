//! Facts about an attempt that is not the live one: they are told, and change the transaction only where a payment turns out paid
//! (orchestration, "Attempts").

use super::Commit;
use crate::flow::turns;
use domain::{Attempt, Attention, Change, Json, Next, Operation, Transaction, TransactionStatus};
use providers::{Finding, Standing};
use store::repository::attempts;
use store::repository::jobs::{self, Job};

impl Commit<'_> {
    /// Where what is found of the attempt in hand, which is not the live one, is the late success of a pay-in that has ended
    /// without money, the attempt becomes the live one. Answers whether it did: then what was found is the transaction's.
    pub(super) fn take_late_success(&mut self, finding: &Finding) -> bool {
        let transaction = &self.work.transaction;
        let is_late = transaction.operation == Operation::PayIn && transaction.status.may_turn_late();
        if !is_late || self.standing_of_attempt(finding) != Standing::Approved {
            return false;
        }
        if let Some(id) = &finding.psp_transaction_id {
            self.work.attempt.psp_transaction_id = Some(id.clone());
        }
        let attempt = self.work.attempt.clone();
        self.make_live(&attempt);
        true
    }

    /// Where the finding leaves the attempt in hand, with what went back of its money counted.
    fn standing_of_attempt(&self, finding: &Finding) -> Standing {
        let of_attempt = Transaction { status: self.work.stands(), ..self.work.transaction.clone() };
        turns::plan(&of_attempt, &[], finding).standing
    }

    /// Account, provider and the provider's id are this attempt's from here on.
    fn make_live(&mut self, attempt: &Attempt) {
        let transaction = &mut self.work.transaction;
        transaction.live = attempt.n;
        transaction.method_id = attempt.method_id;
        transaction.psp_type.clone_from(&attempt.psp_type);
        transaction.psp_transaction_id.clone_from(&attempt.psp_transaction_id);
        transaction.redirect_url = None;
        self.live_changed = true;
    }

    /// Tells what is found of an attempt that is not the live one.
    pub(super) fn settle_earlier(&mut self, finding: &Finding) {
        let n = self.work.attempt.n;
        // What is told is told of this attempt: another one may tell the same.
        let of_attempt = |text: &String| format!("attempt {n}: {text}");
        self.show(&Finding {
            anomalies: finding.anomalies.iter().map(of_attempt).collect(),
            notes: finding.notes.iter().map(of_attempt).collect(),
            ..Finding::unchanged()
        });
        let standing = self.standing_of_attempt(finding);
        let attempt = &mut self.work.attempt;
        if attempt.psp_transaction_id.is_none() || standing == Standing::Approved {
            attempt.psp_transaction_id = finding.psp_transaction_id.clone().or(attempt.psp_transaction_id.take());
        }
        let before = attempt.outcome;
        let outcome = match (before, outcome_of(standing)) {
            // What went back stays back, whatever is told again.
            (Some(TransactionStatus::Reversed), _) => return,
            (_, None) => return self.tell_open(finding, standing),
            (before, outcome) if before == outcome => return,
            (_, Some(outcome)) => outcome,
        };
        if before == Some(TransactionStatus::Approved) && outcome != TransactionStatus::Reversed {
            let text = format!("attempt {n} was paid, and the provider says {:?} ({})", finding.standing, finding.status);
            self.anomaly(&text, "warning");
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

    /// An attempt that was left is open at its provider: told once for each word of it.
    fn tell_open(&mut self, finding: &Finding, standing: Standing) {
        let attempt = &mut self.work.attempt;
        let is_open = matches!(standing, Standing::Pending | Standing::OnHold) && !attempt.is_paid();
        if !is_open || attempt.code.as_deref() == Some(&*finding.status) {
            return;
        }
        attempt.code = Some(finding.status.clone());
        let text = format!("attempt {} is open at the provider: {}", attempt.n, finding.status);
        self.note("noted", None, None, Json::object([("text", Json::text(text))]));
    }

    /// The attempt in hand is paid, and another one is live.
    fn paid_earlier(&mut self) {
        let transaction = &self.work.transaction;
        let (company, id, live, status) = (transaction.company_id, transaction.id, transaction.live, transaction.status);
        let n = self.work.attempt.n;
        let paid_too = matches!(status, TransactionStatus::Approved | TransactionStatus::Reversed);
        if transaction.operation == Operation::PayOut {
            let other = if paid_too { "was paid too" } else { "must not be" };
            self.anomaly(&format!("paid twice: attempt {n} of this pay-out was paid; attempt {live} {other}"), "highest");
            return self.keep_from_being_sent(live);
        }
        if paid_too {
            return self.paid_twice(n, live);
        }
        // What became of the later one is to be known now.
        jobs::pull_forward(&mut self.batch, company, id, live, self.now);
        self.wakes_jobs = true;
    }

    /// What of a pay-out waits to be run is not: a person sees why. One that waits for a person is not approved any more.
    fn keep_from_being_sent(&mut self, live: i64) {
        let mut others = self.work.others.iter();
        let job = others.find(|(attempt, _)| attempt.n == live).and_then(|(_, job)| job.as_ref());
        // Also where it cannot be made out what.
        if job.is_some_and(|job| job.next.is_run()) {
            let (company, id) = (self.work.company_id(), self.work.id());
            jobs::stop_a_run(&mut self.batch, company, id, live);
            self.work.transaction.attention = Some(Attention::Stuck);
            let text = format!("attempt {} of this pay-out was paid, so that attempt {live} was not sent", self.work.attempt.n);
            self.note("stuck", None, None, Json::object([("text", Json::text(text))]));
        }
    }

    fn paid_twice(&mut self, one: i64, other: i64) {
        let whose = match self.work.transaction.operation {
            Operation::PayIn => "the payer's money of one of them goes back",
            Operation::PayOut => "the money of one of them is to be got back",
        };
        let text = format!("paid twice: attempt {one} was paid, and so was attempt {other}; {whose}");
        self.anomaly(&text, "highest");
    }

    /// At an ending of the live attempt. Where another one was paid a pay-in does not end without money: that one becomes the
    /// live one, and the payment is approved by it. Answers whether it is: what it ends as is announced then.
    pub(super) fn end_by_the_paid_one(&mut self, ends_as: TransactionStatus) -> bool {
        let transaction = &self.work.transaction;
        let Some(paid) = self.work.paid_otherwise().cloned() else { return false };
        let in_hand = transaction.live == self.work.attempt.n;
        if ends_as == TransactionStatus::Approved {
            // Unless it is the one that makes it so.
            if in_hand {
                self.paid_twice(paid.n, transaction.live);
            }
            return false;
        }
        if !ends_as.may_turn_late() || transaction.operation == Operation::PayOut {
            return false;
        }
        if in_hand {
            let word = transaction.psp_status.clone();
            self.work.attempt.end(ends_as, &word, self.now);
            self.work.attempt.psp_transaction_id.clone_from(&self.work.transaction.psp_transaction_id);
        }
        self.make_live(&paid);
        if let Some(code) = &paid.code {
            self.work.transaction.psp_status.clone_from(code);
        }
        self.work.transaction.message = Some(self.work.transaction.psp_status.clone());
        self.must(Change::Approve, Json::object([("by", Json::text("an earlier attempt")), ("attempt", Json::from(paid.n))]));
        self.have_it_asked_about(&paid);
        true
    }

    /// What went back of its money meanwhile was not counted while it was not the live one: its provider is asked at once.
    fn have_it_asked_about(&mut self, paid: &Attempt) {
        let job = Job { n: paid.n, psp_type: paid.psp_type.clone(), ..self.new_job(Next::Late, 0) };
        let change = attempts::Change { job: Some(Some(&job)), ..attempts::Change::default() };
        attempts::update(&mut self.batch, &self.work.transaction, paid, change);
        self.wakes_jobs = true;
    }
}

/// What of a standing ends an attempt.
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
