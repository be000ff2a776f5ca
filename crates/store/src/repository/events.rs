//! Webhook events: what merchants are told, in commit order. Deliveries carry them to endpoints; the pull twin reads them.

use super::read::parse;
use crate::{Batch, Dialect, Driver, QueryError, Row};
use domain::{CompanyId, EventId, MethodId, Timestamp, TransactionId};

/// An event.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// The company.
    pub company_id: CompanyId,
    /// Its id: the receiver's de-duplication key.
    pub id: EventId,
    /// The transaction that it tells about; 24 zeros in a sample.
    pub transaction_id: TransactionId,
    /// 1, 2, ... per transaction.
    pub sequence: i64,
    /// The payment method whose endpoint it goes to.
    pub method_id: MethodId,
    /// Made by "send test event": not in the feed.
    pub sample: bool,
    /// When it was stored.
    pub created_at: Timestamp,
    /// The JSON text, as it is signed and sent.
    pub body: String,
}

// The round is read by the statement that stores the event: whoever reads it holds the table's lock by then, by which the
// sequencer knows of him.
const INSERT: &str = "INSERT INTO webhook_events (company_id, id, transaction_id, sequence, method_id, sample, created_at, body /*pg , round */) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 /*pg , (SELECT f.round FROM feed_state f WHERE f.one = 1) */)";

/// Events of a company after a place, with what orders them where that is not the position alone.
macro_rules! feed {
    ($more:literal, $place:literal, $settled:literal, $end:literal) => {
        concat!(
            "SELECT company_id, id, transaction_id, sequence, method_id, sample, created_at, body",
            $more,
            " FROM webhook_events WHERE company_id /*pg COLLATE \"C\" */= ?1 AND sample = 0",
            $place,
            $settled,
            $end
        )
    };
}
macro_rules! places {
    ($place:literal, $settled:literal) => {
        feed!(", round, position", $place, $settled, " ORDER BY round, position FETCH FIRST ")
    };
}

// SQLite has one writer: positions are given out in commit order.
const FIRST_SQLITE: &str = feed!("", "", "", " ORDER BY position LIMIT ?2");
const AFTER_SQLITE: &str = feed!(
    "",
    " AND position > (SELECT c.position FROM webhook_events c WHERE c.company_id = ?1 AND c.id = ?2)",
    "",
    " ORDER BY position LIMIT ?3"
);
/// A page along the index by place, and whatever shares its last place; only these are put in the order of their ids. (Asked for
/// in that order, PostgreSQL without statistics sorts everything that is left.)
macro_rules! page_of_places {
    ($places:expr, $limit:literal) => {
        concat!(
            "SELECT company_id, id, transaction_id, sequence, method_id, sample, created_at, body FROM (",
            $places,
            $limit,
            " ROWS WITH TIES) page ORDER BY round, position, id LIMIT ",
            $limit
        )
    };
}
// PostgreSQL has many writers: an event is shown once its round is closed, in the order of the rounds: nothing can then appear
// before a place that somebody has read past.
const FIRST_POSTGRES: &str =
    page_of_places!(places!("", " AND round <= (SELECT f.closed FROM feed_state f WHERE f.one = 1)"), "?2");
const AFTER_POSTGRES: &str = page_of_places!(
    places!(
        " AND (round, position, id) > (SELECT c.round, c.position, c.id FROM webhook_events c WHERE c.company_id = ?1 AND c.id = ?2)",
        " AND round <= (SELECT f.closed FROM feed_state f WHERE f.one = 1)"
    ),
    "?3"
);
const KNOWN: &str = "SELECT 1 FROM webhook_events WHERE company_id = ?1 AND id = ?2 AND sample = 0";

/// Those of the oldest events that are older than `?1`; only the oldest `?2` are looked at, since positions grow with time.
macro_rules! expired {
    () => {
        "(SELECT * FROM (SELECT company_id, id, transaction_id, sequence, position, created_at FROM webhook_events \
         ORDER BY position LIMIT ?2) oldest WHERE oldest.created_at < ?1) old"
    };
}
const PURGE_ATTEMPTS: &str = concat!(
    "DELETE FROM delivery_attempts WHERE (company_id, delivery_id) IN (SELECT d.company_id, d.id FROM deliveries d JOIN ",
    expired!(),
    " ON d.company_id = old.company_id AND d.transaction_id = old.transaction_id AND d.sequence = old.sequence AND d.event_id = old.id)"
);
const PURGE_DELIVERIES: &str = concat!(
    "DELETE FROM deliveries WHERE (company_id, id) IN (SELECT d.company_id, d.id FROM deliveries d JOIN ",
    expired!(),
    " ON d.company_id = old.company_id AND d.transaction_id = old.transaction_id AND d.sequence = old.sequence AND d.event_id = old.id) \
     RETURNING id"
);
const PURGE_EVENTS: &str = concat!(
    "DELETE FROM webhook_events WHERE (company_id, id) IN (SELECT old.company_id, old.id FROM ",
    expired!(),
    ") RETURNING position"
);

/// Adds an event.
pub fn insert(batch: &mut Batch, event: &StoredEvent) {
    let values = vec![
        event.company_id.to_string().into(),
        event.id.as_str().into(),
        event.transaction_id.to_string().into(),
        event.sequence.into(),
        event.method_id.to_string().into(),
        event.sample.into(),
        event.created_at.millis().into(),
        (&*event.body).into(),
    ];
    batch.insert("webhook event", INSERT, values);
}

/// The company's events after that one (from the first: `None`), in an order to which later ones are only ever added at the end;
/// samples are left out. `None` when the company has no such event.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn after(
    db: &dyn Driver,
    company: CompanyId,
    after: Option<&EventId>,
    limit: u32,
) -> Result<Option<Vec<StoredEvent>>, QueryError> {
    let company = company.to_string();
    let (first_sql, after_sql) = match db.dialect() {
        Dialect::Sqlite => (FIRST_SQLITE, AFTER_SQLITE),
        Dialect::Postgres => (FIRST_POSTGRES, AFTER_POSTGRES),
    };
    let rows = match after {
        None => db.query(first_sql, vec![company.into(), i64::from(limit).into()]).await?,
        Some(id) => {
            if db.query(KNOWN, vec![(&*company).into(), id.as_str().into()]).await?.is_empty() {
                return Ok(None);
            }
            db.query(after_sql, vec![company.into(), id.as_str().into(), i64::from(limit).into()]).await?
        }
    };
    rows.iter().map(event).collect::<Result<_, _>>().map(Some)
}

/// What [`purge`] removed, rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// Events.
    pub events: usize,
    /// Deliveries of those events.
    pub deliveries: usize,
}

/// Removes events from before `before`, with their deliveries and attempts, at most `limit` events at once.
///
/// # Errors
/// [`CommitError`](crate::CommitError) when the store does not answer.
pub async fn purge(db: &dyn Driver, before: Timestamp, limit: u32) -> Result<Purged, crate::CommitError> {
    let mut batch = Batch::new();
    let params = || vec![before.millis().into(), i64::from(limit).into()];
    batch.run(PURGE_ATTEMPTS, params());
    batch.returning(PURGE_DELIVERIES, params());
    batch.returning(PURGE_EVENTS, params());
    let removed: Vec<usize> = db.commit(batch).await?.iter().map(Vec::len).collect();
    let rows = |of: usize| removed.get(of).copied().unwrap_or_default();
    Ok(Purged { deliveries: rows(0), events: rows(1) })
}

fn event(row: &Row) -> Result<StoredEvent, QueryError> {
    Ok(StoredEvent {
        company_id: parse(row, 0)?,
        id: parse(row, 1)?,
        transaction_id: parse(row, 2)?,
        sequence: row.int(3)?,
        method_id: parse(row, 4)?,
        sample: row.bool(5)?,
        created_at: Timestamp::from_millis(row.int(6)?),
        body: row.text(7)?,
    })
}
