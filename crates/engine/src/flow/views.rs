//! Reading transactions and holds.

use super::EngineError;
use crate::core::Engine;
use domain::{CompanyId, SessionId, Timestamp, Transaction, TransactionId};
use futures::future::{try_join, try_join_all};
use std::time::{Duration, Instant};
use store::repository::holds::{self, Decision, Hold, HoldStatus};
use store::repository::jobs;
use store::repository::transactions::{self, Filter, TimelineEntry};

/// How many pay-outs of a page of holds are looked up at once.
const LOOK_UPS_AT_ONCE: usize = 32;

/// A transaction with what happened to it.
#[derive(Debug, Clone)]
pub struct TransactionView {
    /// The transaction.
    pub transaction: Transaction,
    /// Its timeline, oldest first.
    pub events: Vec<TimelineEntry>,
    /// What happens next, and when; none: final, or a person's turn.
    pub next_action: Option<(String, Timestamp)>,
}

/// A page of transactions, newest first.
#[derive(Debug, Clone)]
pub struct TransactionPage {
    /// The transactions.
    pub items: Vec<Transaction>,
    /// Where the next page begins; none: this was the last.
    pub next_cursor: Option<String>,
    /// The time was up before the page was full: everything created since then was looked at, nothing older. There is a next page
    /// then, even after an empty one.
    pub searched_back_to: Option<Timestamp>,
}

/// A pay-out that waits, or waited, for a person.
#[derive(Debug, Clone)]
pub struct HoldView {
    /// The hold.
    pub hold: Hold,
    /// The pay-out.
    pub transaction: Transaction,
    /// What people decided.
    pub decisions: Vec<Decision>,
}

impl Engine {
    /// The transaction of either id, with its timeline; `None` also for another company's.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn transaction(&self, company: CompanyId, id: &str) -> Result<Option<TransactionView>, EngineError> {
        let Some(transaction) = self.find_either(company, id).await? else { return Ok(None) };
        let events = transactions::timeline(self.store(), company, transaction.id).await?;
        let job = jobs::find(self.store(), company, transaction.id, transaction.live).await?;
        let next_action = job.map(|job| (job.next.word().to_owned(), job.due_at));
        Ok(Some(TransactionView { transaction, events, next_action }))
    }

    /// A page of a company's transactions, always whole. The cursor is the last id of the page before.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn transactions(
        &self,
        company: CompanyId,
        filter: Filter,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<TransactionPage, EngineError> {
        self.search_transactions(company, filter, limit, cursor, None).await
    }

    /// Like [`transactions`](Self::transactions); a combination of filters that no index answers at once may end early, when
    /// `budget` is used up.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn search_transactions(
        &self,
        company: CompanyId,
        mut filter: Filter,
        limit: u32,
        cursor: Option<&str>,
        budget: Option<Duration>,
    ) -> Result<TransactionPage, EngineError> {
        if let Some(cursor) = cursor {
            let Ok(before) = cursor.parse::<TransactionId>() else {
                return Ok(TransactionPage { items: Vec::new(), next_cursor: None, searched_back_to: None });
            };
            filter.before = Some(before);
        }
        let until = budget.map(|budget| Instant::now() + budget);
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = transactions::search(self.store(), company, &filter, limit + 1, until).await?;
        let more = found.items.len() > wanted;
        found.items.truncate(wanted);
        let last = found.items.last().filter(|_| more).map(|last| last.id);
        // With a full page it does not matter how far beyond its last one was looked.
        let stopped_at = found.stopped_at.filter(|_| !more);
        let next_cursor = last.or(stopped_at).map(|id| id.to_string());
        Ok(TransactionPage { items: found.items, next_cursor, searched_back_to: stopped_at.map(|id| id.created_at()) })
    }

    /// A page of a company's holds, oldest first, with a cursor for the next.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer.
    pub async fn holds(
        &self,
        company: CompanyId,
        status: Option<HoldStatus>,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<(Vec<HoldView>, Option<String>), EngineError> {
        let after = cursor.and_then(parse_hold_cursor);
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = holds::list(self.store(), company, status, after, limit + 1).await?;
        let more = found.len() > wanted;
        found.truncate(wanted);
        let next = found.last().filter(|_| more).map(|hold| format!("{}-{}", hold.requested_at.millis(), hold.transaction_id));
        let mut views = Vec::with_capacity(found.len());
        for some in found.chunks(LOOK_UPS_AT_ONCE) {
            let look_ups = some.iter().map(|hold| self.hold_view(company, hold));
            views.extend(try_join_all(look_ups).await?.into_iter().flatten());
        }
        Ok((views, next))
    }

    /// A hold with its pay-out and what people decided; `None`: there is no such pay-out.
    async fn hold_view(&self, company: CompanyId, hold: &Hold) -> Result<Option<HoldView>, EngineError> {
        let decisions = async {
            if hold.status == HoldStatus::Waiting {
                return Ok(Vec::new());
            }
            holds::decisions(self.store(), company, hold.transaction_id).await
        };
        let (transaction, decisions) =
            try_join(transactions::find(self.store(), company, hold.transaction_id), decisions).await?;
        Ok(transaction.map(|transaction| HoldView { hold: hold.clone(), transaction, decisions }))
    }

    /// The stored transaction of a transaction id or a session id.
    pub(super) async fn find_either(&self, company: CompanyId, id: &str) -> Result<Option<Transaction>, EngineError> {
        if let Ok(id) = id.parse::<TransactionId>() {
            return Ok(transactions::find(self.store(), company, id).await?);
        }
        if let Ok(session) = id.parse::<SessionId>() {
            return Ok(transactions::find_by_session(self.store(), company, session).await?);
        }
        Ok(None)
    }
}

fn parse_hold_cursor(text: &str) -> Option<(Timestamp, TransactionId)> {
    let (at, id) = text.split_once('-')?;
    Some((Timestamp::from_millis(at.parse().ok()?), id.parse().ok()?))
}
