//! Callbacks to an account's address that are about none of its transactions.
//!
//! Each that says something is an anomaly of the account: its own counter, a line in the log. One that cannot be read at all
//! may have been about any of its transactions: every open pay-in of the account is asked about once. However many come,
//! that happens at most once in [`ASK_EVERY_MS`], and once more behind the last of them: whoever knows the address cannot
//! have the provider asked without end, and none of them goes unheard.

use super::EngineError;
use crate::core::Engine;
use domain::{CompanyId, MethodId, Operation, TransactionStatus};
use providers::{CallbackOutcome, CallbackReading, Provider};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::Batch;
use store::repository::jobs;
use store::repository::transactions::{self, Filter};

/// An account's open pay-ins are not asked about more often because of what cannot be read, milliseconds as written.
const ASK_EVERY_MS: i64 = 60_000;
/// Older ones are no more asked about: what is open so long is a person's turn. Milliseconds as written.
const OPEN_FOR_MS: i64 = 3 * 24 * 3_600_000;
/// So many are read, and have their inquiry brought forward, in one commit.
const PAGE: u32 = 500;

/// When each account's pay-ins are, or were last, asked about because of what could not be read. By this process, on the
/// monotonic clock.
#[derive(Default)]
pub(crate) struct Unread(Mutex<HashMap<MethodId, Instant>>);

impl Unread {
    /// How long to wait before asking because of one that comes now; `None`: an asking is still to come, and is about this one
    /// too.
    fn wait(&self, account: MethodId, now: Instant, every: Duration) -> Option<Duration> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = match asked.get(&account) {
            Some(last) if *last > now => return None,
            Some(last) => (*last + every).max(now),
            None => now,
        };
        asked.insert(account, at);
        Some(at - now)
    }
}

impl Engine {
    /// Counts one that is about no transaction of the account, and does what an unreadable one wants.
    pub(super) async fn unmatched(
        &self,
        provider: &'static dyn Provider,
        company: CompanyId,
        account: MethodId,
        reading: &CallbackReading,
    ) -> Result<(), EngineError> {
        let name = provider.descriptor().name;
        metrics::counter!("mozarto_callbacks_unmatched_total", "provider" => name).increment(1);
        let names_one =
            reading.locate.as_ref().is_some_and(|named| named.reference.is_some() || named.psp_transaction_id.is_some());
        if matches!(reading.outcome, CallbackOutcome::Ignore) {
            tracing::warn!(provider = name, %account, "a callback names no transaction of its account");
            return Ok(());
        }
        metrics::counter!("mozarto_account_anomalies_total", "provider" => name, "account" => account.to_string()).increment(1);
        let (CallbackOutcome::Anomaly(text), false) = (&reading.outcome, names_one) else {
            tracing::warn!(provider = name, %account, "an anomaly of the account: a callback names no transaction of it");
            return Ok(());
        };
        let every = self.clock().scaled(ASK_EVERY_MS);
        let Some(wait) = self.inner.unread.wait(account, Instant::now(), every) else { return Ok(()) };
        let text = domain::visible::visible(text, &[]);
        tracing::warn!(provider = name, %account, "an anomaly of the account: {text}; its open pay-ins are asked about");
        // In a task of its own: whoever called may hang up.
        let engine = self.clone();
        let asking = self.inner.tasks.spawn(async move {
            let asked = engine.ask_about_open(provider, company, account, wait).await;
            if asked.is_err() {
                // It is not taken, and comes again.
                engine.inner.unread.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
            }
            asked
        });
        asking.await.unwrap_or_else(|error| Err(EngineError::Corrupt(error.to_string())))
    }

    /// Brings the next inquiry of every open pay-in of the account forward.
    async fn ask_about_open(
        &self,
        provider: &'static dyn Provider,
        company: CompanyId,
        account: MethodId,
        wait: Duration,
    ) -> Result<(), EngineError> {
        let now = self.clock().now();
        let due_at = now.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(ASK_EVERY_MS));
        let mut filter = Filter {
            psp_type: Some(provider.descriptor().psp_type.to_owned()),
            operation: Some(Operation::PayIn),
            status: Some(TransactionStatus::Pending),
            from: Some(now.plus_ms(-self.clock().scaled_ms(OPEN_FOR_MS))),
            ..Filter::default()
        };
        loop {
            let page = transactions::search(self.store(), company, &filter, PAGE, None).await?.items;
            let mut batch = Batch::new();
            for transaction in page.iter().filter(|transaction| transaction.method_id == account) {
                jobs::pull_forward(&mut batch, company, transaction.id, transaction.live, due_at);
            }
            self.store().commit(batch).await?;
            self.inner.wake.jobs.notify_one();
            match page.last() {
                Some(oldest) if page.len() == PAGE as usize => filter.before = Some(oldest.id),
                _ => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    #[test]
    fn none_is_unheard_and_a_flood_asks_twice() {
        let (unread, every, begin) = (Unread::default(), Duration::from_secs(60), Instant::now());
        let account = |n: u8| MethodId::new(Timestamp::from_millis(1), [n; 6]);
        let wait = |n, seconds| unread.wait(account(n), begin + Duration::from_secs(seconds), every);
        assert_eq!(wait(1, 0), Some(Duration::ZERO));
        assert_eq!(wait(2, 0), Some(Duration::ZERO), "another account is not concerned");
        assert_eq!(wait(1, 10), Some(Duration::from_secs(50)));
        assert_eq!(wait(1, 20), None, "the one at 60 s is about this one too");
        assert_eq!(wait(1, 59), None);
        assert_eq!(wait(1, 61), Some(Duration::from_secs(59)));
        assert_eq!(wait(1, 500), Some(Duration::ZERO));
    }
}
