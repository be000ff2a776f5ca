//! What grows is removed when its time is over: steadily, in small pieces, and faster than it is made.

use super::workers::FORGET_AFTER_MS;
use crate::core::Engine;
use crate::pulse::trouble;
use domain::{CompanyId, Timestamp, TransactionId};
use std::time::{Duration, Instant};
use store::repository::{callbacks, companies, idempotency, nodes};
use store::{Batch, CommitError};

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(10);
/// How often each company's callbacks are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// The first look after a start: what has piled up while nothing ran begins to go at once.
const FIRST: Duration = Duration::from_secs(1);
/// Rows removed in one commit: few enough that payments beside it do not wait for it.
const ROWS: u32 = 500;
/// Between two such commits: at most 10,000 rows a second, and the writer is free most of the time.
const PAUSE: Duration = Duration::from_millis(50);
/// Companies read at once.
const COMPANIES: u32 = 200;

impl Engine {
    /// Removes what is past its time, until the platform stops.
    pub(super) async fn keep_tidy(self) {
        tokio::time::sleep(FIRST).await;
        let mut swept: Option<Instant> = None;
        loop {
            self.directory().flush_last_used().await;
            let mut tidied = self.tidy().await;
            if tidied.is_ok() && swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
                swept = Some(Instant::now());
                tidied = self.tidy_callbacks().await;
            }
            if let Err(error) = tidied {
                trouble!(warn, error, "removing what is past its time: {error}");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn tidy(&self) -> Result<(), CommitError> {
        let mut batch = Batch::new();
        nodes::forget(&mut batch, "", self.clock().now().plus_ms(-FORGET_AFTER_MS));
        self.store().commit(batch).await?;
        loop {
            let removed = idempotency::purge(self.store(), self.clock().now(), ROWS).await?;
            count("idempotency", removed);
            if removed < ROWS as usize {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Company by company: a company's rows lie in the order of its transactions' age.
    async fn tidy_callbacks(&self) -> Result<(), CommitError> {
        let before = self.clock().now().plus_ms(-self.config().retention.callbacks_ms);
        let mut after = None;
        loop {
            let page = companies::list(self.store(), after, COMPANIES)
                .await
                .map_err(|error| CommitError::Unavailable(error.to_string()))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            for company in &page {
                self.tidy_callbacks_of(company.id, before).await?;
            }
        }
    }

    async fn tidy_callbacks_of(&self, company: CompanyId, before: Timestamp) -> Result<(), CommitError> {
        let mut from = TransactionId::new(Timestamp::from_millis(0), [0; 6]);
        loop {
            let (rows, newest) = callbacks::purge(self.store(), company, from, before, ROWS).await?;
            count("callbacks", rows);
            let Some(newest) = newest.filter(|_| rows == ROWS as usize) else { return Ok(()) };
            from = newest;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn count(kind: &'static str, rows: usize) {
    metrics::counter!("mozarto_purged_total", "kind" => kind).increment(rows as u64);
}
