//! The next attempt: where the one before was certainly refused, another account is asked, within the same request.
//!
//! The refusal of attempt n and the intent of n + 1 are one commit: no transaction is ever `Created` without an open intent or an
//! outcome (orchestration, "Cascade"). Silence is no refusal: it is asked about, and nobody else is asked instead.

use super::EngineError;
use super::answers::calls_detail;
use super::calls::{Ended, StoredAt, never_sent};
use super::pages;
use super::work::Work;
use crate::core::Engine;
use crate::surely::{self, Away, Receipt};
use domain::schedule::LATE_CHECKS_MS;
use domain::{Attempt, Attention, Json, MethodId, Next, PaymentMethod, Timestamp, TransactionId, TransactionStatus};
use providers::card::CardData;
use providers::{Order, Refusal, Step, Task};
use std::sync::Arc;
use store::repository::attempts::{self, Change};
use store::repository::jobs::Job;
use store::repository::transactions::{self, TimelineEntry};
use store::repository::{page_tokens, single_use};
use store::{Batch, CommitError, StoreError as _};

/// Why the creating call certainly came to nothing; `None`: it did not, or nobody knows. A time-out, a connection that broke
/// or an answer that cannot be read is none, whatever the call was.
fn refusal_of(ended: &Ended) -> Option<&Refusal> {
    match (&ended.step, ended.lost) {
        (Step::Refused(refusal), None) => Some(refusal),
        (Step::Refused(refusal) | Step::Silence(refusal), Some(lost)) if lost.nothing_sent() && !ended.arrived => Some(refusal),
        _ => None,
    }
}

impl Engine {
    /// Goes on with further accounts for as long as the one before certainly refused. Answers how the last one ended; `work` has
    /// that attempt in hand.
    pub(super) async fn go_on(
        &self,
        work: &mut Work,
        task: Task,
        mut ended: Ended,
        then: &[MethodId],
    ) -> Result<Ended, EngineError> {
        for method in then {
            let Some(refusal) = refusal_of(&ended).cloned() else { break };
            let Some((mut next, token_hash)) = self.next_work(work, *method) else { continue };
            let mut step = self.begin(&mut next, task, None);
            if let Step::Call(call) = &step
                && let Some(memo) = &call.memo
            {
                next.memo = memo.clone();
            }
            let job = match &step {
                Step::Call(call) => self.intent_job(&next, task, Some(call)),
                _ => self.intent_job(&next, task, None),
            };
            let stored = StoredAt::now(self);
            let Ok(batch) = self.takes_over(work, &mut next, (&ended, &refusal), token_hash, &job) else {
                never_sent(&mut step);
                return Ok(ended);
            };
            let receipt = Receipt::LeavesAs(&next.transaction);
            match surely::commit(self.store(), batch, &receipt, Away::EndsIt).await {
                Ok(_) => {}
                Err(error) => {
                    never_sent(&mut step);
                    // The secret is in another unsettled transaction at that account: the next one is asked.
                    if matches!(error, CommitError::Duplicate(single_use::IN_FLIGHT)) {
                        continue;
                    }
                    // Somebody else has changed it, or nobody knows: whoever reads it next finds out.
                    if error.may_be_stored() || matches!(error, CommitError::Guard(_)) {
                        return Err(error.into());
                    }
                    tracing::warn!(transaction = %work.id(), "the next attempt could not be stored: {error}");
                    return Ok(ended);
                }
            }
            next.job = Some(job);
            *work = next;
            ended = self.run_task(work, task, Some((step, stored)), None, None).await?;
        }
        Ok(ended)
    }

    /// The transaction at another account, with nothing tried yet; `None`: that account cannot take it now.
    fn next_work(&self, work: &Work, method: MethodId) -> Option<(Work, Option<[u8; 32]>)> {
        let method = work.company.method(method).filter(|method| method.enabled)?.clone();
        let provider = providers::by_psp_type(&method.psp_type)?;
        provider.descriptor().operation(work.transaction.operation)?;
        // A card is in the memory of one call alone.
        let with_cards = |one: &dyn providers::Provider| one.descriptor().card_data != CardData::None;
        if with_cards(work.provider) || with_cards(provider) || !self.configured(provider, &method) {
            return None;
        }
        let now = self.clock().now();
        let reference = TransactionId::new(now, self.inner.random.bytes());
        let attempt = next_attempt(work, &method, reference, now);
        let mut transaction = work.transaction.clone();
        transaction.live = attempt.n;
        transaction.attempts = attempt.n;
        transaction.method_id = method.id;
        transaction.psp_type.clone_from(&method.psp_type);
        transaction.psp_transaction_id = None;
        let mut left = work.attempt.clone();
        left.psp_transaction_id.clone_from(&work.transaction.psp_transaction_id);
        let mut others = work.others.clone();
        // Its late checks, where there will be some, are stored with what comes next.
        others.push((left, None));
        let (callback_url, token_hash) = self.new_callback_token(provider);
        let next = Work {
            company: work.company.clone(),
            base_url: self.base_url(provider, &method).unwrap_or_default(),
            order: Order { reference, created_at: now, ..work.order.clone() },
            pages: self.new_pages(provider),
            method,
            provider,
            transaction,
            attempt,
            others,
            job: None,
            memo: Json::Object(Vec::new()),
            memo_apart: true,
            has_key: work.has_key,
            inquiries: 0,
            callback_url,
            card: None,
            sent_card: None,
            account_cache: None,
            turns: Vec::new(),
            sent_headers: Vec::new(),
        };
        Some((next, token_hash))
    }

    /// One commit: the attempt before has ended, the next one's intent is open.
    fn takes_over(
        &self,
        left: &Work,
        next: &mut Work,
        (ended, refusal): (&Ended, &Refusal),
        token_hash: Option<[u8; 32]>,
        job: &Job,
    ) -> Result<Batch, EngineError> {
        let now = next.attempt.started_at;
        let (company, id, n) = (next.company_id(), next.id(), next.attempt.n);
        let mut detail = calls_detail(ended.calls.clone());
        for (name, value) in [
            ("attempt", Json::from(left.attempt.n)),
            ("errorCode", Json::text(refusal.code.as_str())),
            ("next", Json::from(n)),
            ("paymentMethodId", Json::text(next.method.id.to_string())),
        ] {
            detail.set(name, value);
        }
        let t = &mut next.transaction;
        t.version += 1;
        t.updated_at = now;
        let mut entries = vec![("attempt", detail)];
        if let Some(text) = &refusal.anomaly {
            let text = domain::visible::visible(&left.masker().text(text), &[]).into_owned();
            tracing::warn!(transaction = %id, severity = "warning", "anomaly: {text}");
            let detail =
                [("text", Json::text(text)), ("severity", Json::text("warning")), ("attempt", Json::from(left.attempt.n))];
            entries.push(("anomaly", Json::object(detail)));
            t.attention = Some(Attention::Anomaly);
        }
        let mut batch = Batch::new();
        for (event, detail) in entries {
            t.timeline_length += 1;
            let entry = TimelineEntry { n: t.timeline_length, at: now, event: event.to_owned(), from: None, to: None, detail };
            transactions::add_to_timeline(&mut batch, company, id, &entry);
        }
        transactions::update(&mut batch, &next.transaction);
        transactions::update_live(&mut batch, &next.transaction);
        let Some((before, _)) = next.others.last_mut() else { return Err(EngineError::Corrupt("no attempt before".into())) };
        before.end(TransactionStatus::Failed, &refusal.code.status_word(), now);
        // Whose call may have arrived may have been taken after all.
        let late = ended.arrived.then(|| left.new_job(Next::Late, now, self.clock().after(LATE_CHECKS_MS[0])));
        let change = Change { memo: Some(left.seal_memo()?), token_hash: None, psp_id: true, job: Some(late.as_ref()) };
        attempts::update(&mut batch, &next.transaction, before, change);
        attempts::insert(&mut batch, &next.transaction, &next.attempt, next.seal_memo()?, token_hash, Some(job));
        for (page, hash) in pages::hashes(&next.pages) {
            page_tokens::insert(&mut batch, hash, company, id, n, page);
        }
        if left.provider.descriptor().single_use_field.is_some() {
            single_use::give_back(&mut batch, company, id, left.attempt.n);
        }
        self.take_single_use(&mut batch, next);
        Ok(batch)
    }
}

/// The attempt after those that there are.
fn next_attempt(work: &Work, method: &Arc<PaymentMethod>, reference: TransactionId, now: Timestamp) -> Attempt {
    Attempt {
        n: work.transaction.attempts + 1,
        method_id: method.id,
        psp_type: method.psp_type.clone(),
        reference,
        started_at: now,
        ..Attempt::first(&work.transaction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ErrorCode;
    use providers::{Doubt, Lost};

    #[test]
    fn only_a_certain_refusal_goes_on() {
        let refusal = || Refusal::of(ErrorCode::PspUnavailable);
        let ended =
            |step, lost| Ended { step, doubt: Some(Doubt::Harmless), calls: Vec::new(), sent_at: None, arrived: false, lost };
        for (lost, refused, silent) in [
            (None, true, false),
            (Some(Lost::NotConnected), true, true),
            (Some(Lost::ConnectTimeout), true, true),
            (Some(Lost::TimedOut), false, false),
            (Some(Lost::Broken), false, false),
            (Some(Lost::TooLarge), false, false),
        ] {
            assert_eq!(refusal_of(&ended(Step::Refused(refusal()), lost)).is_some(), refused, "{lost:?}");
            assert_eq!(refusal_of(&ended(Step::Silence(refusal()), lost)).is_some(), silent, "{lost:?}");
        }
        assert!(refusal_of(&ended(Step::TryLater("soon"), None)).is_none());
    }
}
