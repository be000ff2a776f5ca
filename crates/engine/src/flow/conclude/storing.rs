//! The end of a commit: its rows, and what follows once they are stored.

use super::{Commit, Creation};
use crate::flow::EngineError;
use crate::flow::answers::recovered_answer;
use crate::surely::{self, Away, Receipt};
use domain::TransactionStatus;
use store::Batch;
use store::repository::attempts::{self, Change};
use store::repository::transactions;

impl Commit<'_> {
    /// What the commit makes of the rows of transaction and attempt.
    fn rows(&mut self, creation: Option<Creation>) -> Result<Batch, EngineError> {
        let work = &mut *self.work;
        if work.is_live() {
            work.attempt.psp_transaction_id.clone_from(&work.transaction.psp_transaction_id);
            let status = work.transaction.status;
            if status.is_final() && work.attempt.outcome != Some(status) {
                work.attempt.end(status, &work.transaction.psp_status, self.now);
            }
        }
        let (creates, creation) = (creation.is_some(), creation.unwrap_or_default());
        let mut batch = creation.batch;
        transactions::update(&mut batch, &work.transaction);
        if self.live_changed {
            transactions::update_live(&mut batch, &work.transaction);
        }
        if self.order_changed {
            transactions::update_sealed(&mut batch, work.company_id(), work.id(), work.seal()?);
            // What was sealed with it before attempts had rows leaves it.
            self.memo_changed |= !work.memo_apart;
        }
        let next = self.next.as_ref();
        if creates {
            let next = next.and_then(Option::as_ref);
            attempts::insert(&mut batch, &work.transaction, &work.attempt, work.seal_memo()?, creation.token_hash, next);
        } else if self.memo_changed || next.is_some() || work.attempt != self.attempt_before {
            let memo = self.memo_changed.then(|| work.seal_memo()).transpose()?;
            let psp_id = work.attempt.psp_transaction_id != self.attempt_before.psp_transaction_id;
            let change = Change { memo, token_hash: None, psp_id, next: next.map(Option::as_ref) };
            attempts::update(&mut batch, &work.transaction, &work.attempt, change);
        }
        Ok(batch)
    }

    /// Takes over what is stored now.
    fn stored(&mut self) {
        self.work.memo_apart |= self.memo_changed;
        if let Some(next) = self.next.take() {
            self.work.next = next;
        }
        if self.wakes_jobs {
            self.engine.inner.wake.jobs.notify_one();
        }
    }

    /// Commits. While the store is away it is tried again for a while: what is told here has already happened.
    pub(in crate::flow) async fn store(mut self) -> Result<(), EngineError> {
        self.on_ending();
        // However a transaction leaves `Created`, whoever repeats its key must get an answer from then on.
        if self.before.status == TransactionStatus::Created
            && self.work.transaction.status != TransactionStatus::Created
            && !self.answered
        {
            self.answer(&recovered_answer(self.work))?;
        }
        self.work.transaction.version += 1;
        let creation = self.creation.take();
        let creates = creation.is_some();
        let mut batch = self.rows(creation)?;
        let before = batch.returning_len();
        batch.append(std::mem::take(&mut self.batch));
        let (company, id) = (self.work.company_id(), self.work.id());
        let receipt = match &self.act {
            Some(act) => Receipt::Act(company, act),
            None if creates => Receipt::Created(company, id),
            None => Receipt::LeavesAs(&self.work.transaction),
        };
        // What only a creation or a person tells has not happened yet: where the store is away, nothing has.
        let away = if creates || self.act.is_some() { Away::EndsIt } else { Away::IsWaitedFor };
        let result = surely::commit(self.engine.store(), batch, &receipt, away).await;
        match result {
            Ok(rows) => {
                self.stored();
                if self.announced {
                    self.engine.inner.wake.deliveries.notify_one();
                }
                // However its delivery goes, the event is in the open round.
                if self.announced || self.handed.is_some() {
                    self.engine.inner.wake.feed.notify_one();
                }
                if let Some((promise, stored)) = self.handed.take() {
                    let place = before + stored.place;
                    promise.keep(stored, rows.as_ref().and_then(|rows| rows.get(place)).map(Vec::as_slice)).await;
                }
                Ok(())
            }
            Err(error) => {
                self.work.transaction = self.before;
                self.work.attempt = self.attempt_before;
                Err(error.into())
            }
        }
    }
}
