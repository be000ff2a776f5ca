//! Webhook events: what merchants are told, in commit order. Deliveries carry them to endpoints; the pull twin reads them.

use super::read::parse;
use crate::driver::RowError;
use crate::{Batch, CommitError, Dialect, Driver, QueryError, Row};
use domain::{CompanyId, EventId, MethodId, Timestamp, TransactionId};
use std::collections::{BTreeMap, BTreeSet};

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
/// An event of that id is there already.
const ID_TAKEN: &str = "webhook event";
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

/// Those of the oldest events that are older than `?1`, each with its delivery; only the oldest `?2` are looked at, since
/// positions grow with time. The deliveries are looked up one by one, whatever the planner thinks of the tables.
macro_rules! expired {
    ($deliveries:literal) => {
        concat!(
            "SELECT old.company_id, old.id, d.id FROM (SELECT company_id, id, transaction_id, sequence, created_at FROM webhook_events \
             ORDER BY position LIMIT ?2) old LEFT JOIN ",
            $deliveries,
            " WHERE old.created_at < ?1"
        )
    };
}
const EXPIRED_SQLITE: &str = expired!(
    "deliveries d INDEXED BY deliveries_by_transaction ON d.company_id = old.company_id AND d.transaction_id = old.transaction_id \
     AND d.sequence = old.sequence AND d.event_id = old.id"
);
const EXPIRED_POSTGRES: &str = expired!(
    "LATERAL (SELECT e.id FROM deliveries e WHERE e.company_id || '' = old.company_id AND e.transaction_id = old.transaction_id \
     AND e.sequence = old.sequence AND e.event_id = old.id OFFSET 0) d ON TRUE"
);
/// Rows of a company by their ids, which come as one value: a JSON array, or separated by commas. On PostgreSQL each is looked up
/// by itself: a list of ids is not always taken for a part of an index, and then the whole company is walked.
macro_rules! by_ids {
    ($table:literal, $id:literal, $returning:literal) => {
        (
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE company_id = ?1 AND ",
                $id,
                " IN (SELECT value FROM json_each(?2))",
                $returning
            ),
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE ctid = ANY(ARRAY(SELECT found.place FROM unnest(string_to_array(?2, ',')) ids(id), LATERAL (SELECT t.ctid AS place FROM ",
                $table,
                " t WHERE t.company_id = ?1 AND t.",
                $id,
                " = ids.id OFFSET 0) found))",
                $returning
            ),
        )
    };
}
const PURGE_ATTEMPTS: (&str, &str) = by_ids!("delivery_attempts", "delivery_id", "");
const PURGE_DELIVERIES: (&str, &str) = by_ids!("deliveries", "id", " RETURNING id");
const PURGE_EVENTS: (&str, &str) = by_ids!("webhook_events", "id", " RETURNING id");

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
    batch.insert(ID_TAKEN, INSERT, values);
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
/// [`CommitError`] when the store does not answer.
pub async fn purge(db: &dyn Driver, before: Timestamp, limit: u32) -> Result<Purged, CommitError> {
    let is_sqlite = db.dialect() == Dialect::Sqlite;
    let expired = if is_sqlite { EXPIRED_SQLITE } else { EXPIRED_POSTGRES };
    // Nearly always there is nothing: that is no reason to write.
    let rows = db.query(expired, vec![before.millis().into(), i64::from(limit).into()]).await;
    let rows = rows.map_err(|error| CommitError::Unavailable(error.to_string()))?;
    let mut companies: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for row in &rows {
        let (events, deliveries) = companies.entry(row.str(0).map_err(corrupt)?).or_default();
        events.insert(row.str(1).map_err(corrupt)?);
        deliveries.extend(row.opt_str(2).map_err(corrupt)?);
    }
    let mut batch = Batch::new();
    for (company, (events, deliveries)) in &companies {
        let values = |ids: &BTreeSet<&str>| {
            let ids: Vec<&str> = ids.iter().copied().collect();
            let list = if is_sqlite { format!("[\"{}\"]", ids.join("\",\"")) } else { ids.join(",") };
            vec![(*company).into(), list.into()]
        };
        let text = |of: (&'static str, &'static str)| if is_sqlite { of.0 } else { of.1 };
        batch.run(text(PURGE_ATTEMPTS), values(deliveries));
        batch.returning(text(PURGE_DELIVERIES), values(deliveries));
        batch.returning(text(PURGE_EVENTS), values(events));
    }
    let mut purged = Purged { events: 0, deliveries: 0 };
    if batch.is_empty() {
        return Ok(purged);
    }
    for (n, rows) in db.commit(batch).await?.iter().enumerate() {
        let of = if n % 2 == 0 { &mut purged.deliveries } else { &mut purged.events };
        *of += rows.len();
    }
    Ok(purged)
}

fn corrupt(error: RowError) -> CommitError {
    CommitError::Corrupt(error.to_string())
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
