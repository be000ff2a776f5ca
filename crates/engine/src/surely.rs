//! Commits whose answer was lost: the store is asked what became of them, and only what it says is answered.

use domain::{CompanyId, Transaction, TransactionId};
use std::time::{Duration, Instant};
use store::repository::{audit, transactions};
use store::{Batch, CommitError, Driver, QueryError, Row, StoreError as _};

/// How often a commit is tried again while the store is away.
const TRIES: u32 = 8;
/// The first wait between them; doubled each time.
const WAIT: Duration = Duration::from_millis(50);
/// A caller who waits for the answer is not kept waiting for longer, not scaled.
const CALLER_WAITS: Duration = Duration::from_secs(15);

/// By what a stored batch is known.
#[derive(Debug)]
pub(crate) enum Receipt<'a> {
    /// By the transaction that it creates.
    Created(CompanyId, TransactionId),
    /// By the entry that it adds to a company's audit log.
    Act(CompanyId, &'a str),
    /// By the transaction as it leaves it. The whole of it: another process may have stored something else under the same
    /// version.
    LeavesAs(&'a Transaction),
}

impl Receipt<'_> {
    async fn is_stored(&self, db: &dyn Driver) -> Result<bool, QueryError> {
        match self {
            Self::Created(company, id) => Ok(transactions::find(db, *company, *id).await?.is_some()),
            Self::Act(company, id) => audit::exists(db, *company, id).await,
            Self::LeavesAs(transaction) => {
                let found = transactions::find(db, transaction.company_id, transaction.id).await?;
                Ok(found.is_some_and(|found| found == **transaction))
            }
        }
    }
}

/// What is done about a store that is away before anything is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Away {
    /// What is told has already happened: it is waited for.
    IsWaitedFor,
    /// Nothing has happened, and nothing does.
    EndsIt,
}

/// Commits a batch that cannot be stored twice: the same again is refused by a key or a guard, and the receipt then says whether
/// it was its own first try that refused it. A try that the server may still be about to carry out is met by the same key or
/// guard, so that it cannot come after the answer.
///
/// Answers what the commit handed back; `None`: it is stored, by a try whose answer was lost.
///
/// # Errors
/// [`CommitError`]. Only [`CommitError::Unknown`] leaves open whether the batch is stored; it comes once the store could not be
/// asked for some time.
pub(crate) async fn commit(
    db: &dyn Driver,
    batch: Batch,
    receipt: &Receipt<'_>,
    away: Away,
) -> Result<Option<Vec<Vec<Row>>>, CommitError> {
    let (mut wait, began) = (WAIT, Instant::now());
    let mut in_doubt: Option<CommitError> = None;
    for attempt in 1.. {
        let mut error = match db.commit(batch.clone()).await {
            Ok(rows) => return Ok(Some(rows)),
            Err(error) => error,
        };
        if error.may_be_stored() {
            in_doubt.get_or_insert_with(|| error.clone());
        }
        match &in_doubt {
            Some(doubt) if !error.store_is_away() => match receipt.is_stored(db).await {
                Ok(true) => return Ok(None),
                Ok(false) => return Err(error),
                Err(_) => error = doubt.clone(),
            },
            Some(doubt) => error = doubt.clone(),
            None if away == Away::EndsIt || !error.store_is_away() => return Err(error),
            None => {}
        }
        if attempt >= TRIES || (away == Away::EndsIt && began.elapsed() > CALLER_WAITS) {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    unreachable!("the loop returns")
}
