//! What people ask for: lists, details, replays.

use super::row::{Attempt, Delivery, DeliveryState, attempt, columns, delivery};
use crate::{Batch, CommitError, Dialect, Driver, QueryError, Value};
use domain::{CompanyId, Timestamp, TransactionId};

/// How many deliveries one statement of a replay touches: other writers get their turn in between.
pub const REPLAY_CHUNK: u32 = 2_000;

const FIND: &str = concat!("SELECT ", columns!(), " FROM deliveries WHERE company_id = ?1 AND id = ?2");
// Whatever is sent again, a delivery remembers that it was delivered; `next_at` says that it is under way.
const REPLAY: &str = concat!(
    "UPDATE deliveries SET state = CASE WHEN delivered_at IS NULL THEN 'waiting' ELSE 'delivered' END, \
     attempts = 0, next_at = ?3, owner = NULL, lease_until = NULL \
     WHERE company_id = ?1 AND id = ?2 AND COALESCE(owner, '') = '' AND created_at >= ?4 RETURNING ",
    columns!()
);
macro_rules! replay_since {
    ($among:literal, $place:literal, $end:literal) => {
        concat!(
            "UPDATE deliveries SET state = CASE WHEN delivered_at IS NULL THEN 'waiting' ELSE 'delivered' END, \
             attempts = 0, next_at = ?5, owner = NULL, lease_until = NULL WHERE ",
            $among,
            "(SELECT d.",
            $place,
            " FROM deliveries d WHERE d.company_id = ?1 AND d.id > ?2 AND d.created_at >= ?3 \
             AND (CAST(?4 AS text) IS NULL OR d.state || '' = ?4) AND COALESCE(d.owner, '') = '' AND d.transaction_id <> ?6 \
             ORDER BY d.id LIMIT ?7",
            $end,
            " RETURNING id"
        )
    };
}
const REPLAY_SINCE_SQLITE: &str = replay_since!("company_id = ?1 AND id IN ", "id", ")");
/// By the places of the rows, as what is due is claimed.
const REPLAY_SINCE_POSTGRES: &str = replay_since!("ctid = ANY(ARRAY", "ctid", " FOR UPDATE OF d))");

/// What a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `transactionId`.
    pub transaction_id: Option<TransactionId>,
    /// `status`.
    pub state: Option<DeliveryState>,
    /// Created at or after.
    pub from: Option<Timestamp>,
    /// Created before.
    pub to: Option<Timestamp>,
    /// Only older than this one.
    pub before: Option<TransactionId>,
}

/// The delivery of that id.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find(db: &dyn Driver, company: CompanyId, id: TransactionId) -> Result<Option<Delivery>, QueryError> {
    let rows = db.query(FIND, vec![company.to_string().into(), id.to_string().into()]).await?;
    rows.first().map(delivery).transpose()
}

/// A page of a company's deliveries, newest first.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn list(db: &dyn Driver, company: CompanyId, filter: &Filter, limit: u32) -> Result<Vec<Delivery>, QueryError> {
    // The index is what is asked for first; whatever else is asked for takes none. On PostgreSQL the collation of the index by
    // state has the same end.
    let (by, company_id, id) = match (filter.transaction_id, filter.state) {
        (Some(_), _) => (" INDEXED BY deliveries_by_transaction", "company_id /*pg || '' */", "id /*pg || '' */"),
        (None, Some(_)) => (" INDEXED BY deliveries_by_state", "company_id /*pg COLLATE \"C\" */", "id /*pg COLLATE \"C\" */"),
        (None, None) => ("", "company_id", "id"),
    };
    let mut sql = format!("{}{by} WHERE {company_id} = ?1", concat!("SELECT ", columns!(), " FROM deliveries"));
    let mut params: Vec<Value> = vec![company.to_string().into()];
    let mut add = |condition: &str, value: Value| {
        params.push(value);
        sql.push_str(&format!(" AND {condition} ?{}", params.len()));
    };
    if let Some(value) = filter.transaction_id {
        add("transaction_id =", value.to_string().into());
    }
    if let Some(value) = filter.state {
        add(if filter.transaction_id.is_some() { "state || '' =" } else { "state =" }, value.as_str().into());
    }
    if let Some(value) = filter.from {
        add("created_at >=", value.millis().into());
        // Ids begin with the time: the same bound on the key keeps the scan short.
        add(&format!("{id} >="), TransactionId::new(value, [0; 6]).to_string().into());
    }
    if let Some(value) = filter.to {
        add("created_at <", value.millis().into());
        add(&format!("{id} <"), TransactionId::new(value, [0; 6]).to_string().into());
    }
    if let Some(value) = filter.before {
        add(&format!("{id} <"), value.to_string().into());
    }
    sql.push_str(&format!(" ORDER BY {id} DESC LIMIT {limit}"));
    let rows = db.query_dynamic(sql, params).await?;
    rows.iter().map(delivery).collect()
}

/// The attempts of those deliveries (a page of them at most), oldest first.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn attempts(
    db: &dyn Driver,
    company: CompanyId,
    ids: &[TransactionId],
) -> Result<Vec<(TransactionId, Attempt)>, QueryError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut params: Vec<Value> = vec![company.to_string().into()];
    params.extend(ids.iter().map(|id| Value::from(id.to_string())));
    const COLUMNS: &str = "delivery_id, n, at, http_status, failure, latency_ms, response_body";
    let places: Vec<String> = (2..=params.len()).map(|n| format!("?{n}")).collect();
    let sql = if db.dialect() == Dialect::Postgres {
        // Each by itself: of a list PostgreSQL does not always take the ids for a part of the key.
        format!(
            "SELECT {COLUMNS} FROM unnest(ARRAY[{}]) ids(id), LATERAL (SELECT {COLUMNS} FROM delivery_attempts a WHERE a.company_id = ?1 \
             AND a.delivery_id = ids.id OFFSET 0) found ORDER BY delivery_id, n",
            places.join(", ")
        )
    } else {
        format!(
            "SELECT {COLUMNS} FROM delivery_attempts WHERE company_id = ?1 AND delivery_id IN ({}) ORDER BY delivery_id, n",
            places.join(", ")
        )
    };
    let rows = db.query_dynamic(sql, params).await?;
    rows.iter().map(attempt).collect()
}

/// Starts the schedule of a delivery from before `oldest` at the earliest anew. One on which somebody is working right now is
/// left to them.
pub fn replay(batch: &mut Batch, company: CompanyId, id: TransactionId, now: Timestamp, oldest: Timestamp) {
    let values = vec![company.to_string().into(), id.to_string().into(), now.millis().into(), oldest.millis().into()];
    batch.returning(REPLAY, values);
}

/// Starts the schedules of up to [`REPLAY_CHUNK`] deliveries created at or after `since` anew, in the order of their ids after
/// `after`; samples are left out. Commits `batch` with it. Answers the ids.
///
/// # Errors
/// [`CommitError`] when the store does not answer.
pub async fn replay_since(
    db: &dyn Driver,
    mut batch: Batch,
    company: CompanyId,
    (since, state): (Timestamp, Option<DeliveryState>),
    after: TransactionId,
    now: Timestamp,
) -> Result<Vec<TransactionId>, CommitError> {
    let sample = TransactionId::new(Timestamp::from_millis(0), [0; 6]);
    let values = vec![
        company.to_string().into(),
        after.to_string().into(),
        since.millis().into(),
        state.map(DeliveryState::as_str).into(),
        now.millis().into(),
        sample.to_string().into(),
        REPLAY_CHUNK.into(),
    ];
    let is_postgres = db.dialect() == Dialect::Postgres;
    batch.returning(if is_postgres { REPLAY_SINCE_POSTGRES } else { REPLAY_SINCE_SQLITE }, values);
    let rows = db.commit(batch).await?;
    let ids: Result<Vec<TransactionId>, QueryError> =
        rows.iter().flatten().map(|row| super::super::read::parse(row, 0)).collect();
    ids.map_err(|error| CommitError::Corrupt(error.to_string()))
}
