//! The sequencer of the feed on a store that has many writers: it closes rounds, so that a cursor never skips a late commit.
//!
//! Who stores an event reads the open round, and holds a lock on the table of events from before that until the end of the
//! transaction. After the round is raised, whoever read the one before is among those that hold the lock now: once all of these
//! have ended, the round before is closed for good. No number of a transaction, no clock and no sequence is stored; other
//! databases of the cluster do not matter; and a transaction that stays open holds back what comes after its round, and nothing
//! before.

use crate::{Batch, CommitError, Driver, QueryError};
use domain::CompanyId;
use std::collections::HashSet;

const STATE: &str = "SELECT round, closed FROM feed_state WHERE one = 1";
const RAISE: &str = "UPDATE feed_state SET round = round + 1 WHERE one = 1 AND round = ?1";
const CLOSE: &str = "UPDATE feed_state SET closed = ?1 WHERE one = 1 AND closed < ?1 AND round > ?1";
// Who may have written and has not ended, each by a name that no other transaction of this server has. Whatever adds a row takes
// this mode, whichever stronger ones it holds as well; what only looks after the table (VACUUM, ANALYZE, an index that is built)
// takes others, for hours where it is large.
const WRITERS: &str = "SELECT virtualtransaction || ' ' || COALESCE(pid, 0) FROM pg_locks WHERE locktype = 'relation' AND granted \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                       AND relation = CAST(to_regclass('webhook_events') AS oid) AND mode = 'RowExclusiveLock'";
// After a copy that left the state behind, or at any start: behind everything that is there.
const BEGIN: &str = "INSERT INTO feed_state (one, round, closed) VALUES (1, 1, 0) ON CONFLICT (one) DO NOTHING";
const BEHIND: &str = "UPDATE feed_state SET round = ?1 + 1 WHERE one = 1 AND round <= ?1";
// Company by company by the index: the table itself is large.
const NEWEST: &str = "WITH RECURSIVE company AS ((SELECT company_id FROM webhook_events ORDER BY company_id LIMIT 1) UNION ALL \
                      SELECT (SELECT e.company_id FROM webhook_events e WHERE e.company_id > company.company_id ORDER BY e.company_id LIMIT 1) \
                      FROM company WHERE company.company_id IS NOT NULL) \
                      SELECT COALESCE(MAX((SELECT e.round FROM webhook_events e WHERE e.company_id COLLATE \"C\" = company.company_id \
                      ORDER BY e.round DESC LIMIT 1)), 0) FROM company";
const ANY_UNSHOWN: &str = "WITH RECURSIVE company AS ((SELECT company_id FROM webhook_events ORDER BY company_id LIMIT 1) UNION ALL \
                           SELECT (SELECT e.company_id FROM webhook_events e WHERE e.company_id > company.company_id ORDER BY e.company_id LIMIT 1) \
                           FROM company WHERE company.company_id IS NOT NULL) \
                           SELECT 1 FROM company WHERE EXISTS (SELECT 1 FROM webhook_events e WHERE e.company_id COLLATE \"C\" = company.company_id \
                           AND e.round > (SELECT f.closed FROM feed_state f WHERE f.one = 1)) LIMIT 1";
const UNSHOWN: &str = "SELECT 1 FROM webhook_events WHERE company_id COLLATE \"C\" = ?1 AND round > (SELECT f.closed FROM feed_state f WHERE f.one = 1) LIMIT 1";

/// Where the sequencer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The open round.
    pub round: i64,
    /// The newest one that is closed, with all before it.
    pub closed: i64,
}

/// Those who may have written an event and have not ended.
pub type Writers = HashSet<String>;

/// Makes sure that the open round is behind every stored event, wherever this database was copied from.
///
/// # Errors
/// [`CommitError`] when the store does not answer.
pub async fn begin(db: &dyn Driver) -> Result<(), CommitError> {
    let rows = db.query(NEWEST, Vec::new()).await.map_err(|error| match error {
        QueryError::Unavailable(why) => CommitError::Unavailable(why),
        other => CommitError::Corrupt(other.to_string()),
    })?;
    let newest = rows.first().map_or(Ok(0), |row| row.int(0))?;
    let mut batch = Batch::new();
    batch.run(BEGIN, Vec::new());
    batch.run(BEHIND, vec![newest.into()]);
    db.commit(batch).await.map(|_| ())
}

/// Where the sequencer stands.
///
/// # Errors
/// [`QueryError`] when the store does not answer, or there is no state.
pub async fn state(db: &dyn Driver) -> Result<State, QueryError> {
    let rows = db.query(STATE, Vec::new()).await?;
    let row = rows.first().ok_or_else(|| QueryError::Corrupt("the feed has no state".to_owned()))?;
    Ok(State { round: row.int(0)?, closed: row.int(1)? })
}

/// Opens the next round, unless somebody else just has.
///
/// # Errors
/// [`CommitError`] when the store does not answer.
pub async fn raise(db: &dyn Driver, open: i64) -> Result<(), CommitError> {
    let mut batch = Batch::new();
    batch.run(RAISE, vec![open.into()]);
    db.commit(batch).await.map(|_| ())
}

/// Closes a round and all before it. Only for who has seen that nobody can add to it any more.
///
/// # Errors
/// [`CommitError`] when the store does not answer.
pub async fn close(db: &dyn Driver, round: i64) -> Result<(), CommitError> {
    let mut batch = Batch::new();
    batch.run(CLOSE, vec![round.into()]);
    db.commit(batch).await.map(|_| ())
}

/// Who may have written and has not ended.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn writers(db: &dyn Driver) -> Result<Writers, QueryError> {
    let rows = db.query(WRITERS, Vec::new()).await?;
    rows.iter().map(|row| Ok(row.text(0)?)).collect()
}

/// Whether the company has events that are stored and not shown yet.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn has_unshown(db: &dyn Driver, company: CompanyId) -> Result<bool, QueryError> {
    Ok(!db.query(UNSHOWN, vec![company.to_string().into()]).await?.is_empty())
}

/// Whether any company has events that are stored and not shown yet.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn any_unshown(db: &dyn Driver) -> Result<bool, QueryError> {
    Ok(!db.query(ANY_UNSHOWN, Vec::new()).await?.is_empty())
}
