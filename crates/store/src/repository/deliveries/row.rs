//! The rows.

use super::super::read::{opt_parse, parse};
use crate::{QueryError, Row};
use domain::{CompanyId, EventId, MethodId, Timestamp, TransactionId};

/// Where a delivery stands (webhooks, "Delivery").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Not tried yet in its running schedule.
    Waiting,
    /// The endpoint took it.
    Delivered,
    /// Tried, and to be tried again.
    Failing,
    /// Every attempt was used up.
    Exhausted,
    /// The endpoint said that it is gone (410).
    Stopped,
    /// Not sent: the endpoint is switched off, or none is configured any more.
    Disabled,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 6] = [Self::Waiting, Self::Delivered, Self::Failing, Self::Exhausted, Self::Stopped, Self::Disabled];

    /// The word in the store, in filters and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failing => "failing",
            Self::Exhausted => "exhausted",
            Self::Stopped => "stopped",
            Self::Disabled => "disabled",
        }
    }
}

impl std::str::FromStr for DeliveryState {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

/// A delivery.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The company.
    pub company_id: CompanyId,
    /// Its id.
    pub id: TransactionId,
    /// The event.
    pub event_id: EventId,
    /// The event's transaction.
    pub transaction_id: TransactionId,
    /// The event's number within its transaction.
    pub sequence: i64,
    /// Whose endpoint.
    pub method_id: MethodId,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts of the running schedule.
    pub attempts: u32,
    /// All attempts, replays included.
    pub attempts_total: u32,
    /// When the next attempt is due.
    pub next_at: Option<Timestamp>,
    /// Why the last attempt failed, from the closed list.
    pub last_failure: Option<String>,
    /// What the last attempt was answered.
    pub last_http_status: Option<u16>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When the endpoint took it.
    pub delivered_at: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "company_id, id, event_id, transaction_id, sequence, method_id, state, attempts, attempts_total, next_at, last_failure, \
         last_http_status, created_at, delivered_at"
    };
}
pub(super) use columns;

/// How many columns [`columns`] names.
pub(super) const COLUMNS: usize = 14;

pub(super) fn delivery(row: &Row) -> Result<Delivery, QueryError> {
    let state = row.str(6)?.parse().map_err(|()| QueryError::Corrupt("a delivery's state is unknown".to_owned()))?;
    Ok(Delivery {
        company_id: parse(row, 0)?,
        id: parse(row, 1)?,
        event_id: parse(row, 2)?,
        transaction_id: parse(row, 3)?,
        sequence: row.int(4)?,
        method_id: parse(row, 5)?,
        state,
        attempts: row.uint32(7)?,
        attempts_total: row.uint32(8)?,
        next_at: row.opt_int(9)?.map(Timestamp::from_millis),
        last_failure: row.opt_text(10)?,
        last_http_status: row.opt_int(11)?.and_then(|status| u16::try_from(status).ok()),
        created_at: Timestamp::from_millis(row.int(12)?),
        delivered_at: row.opt_int(13)?.map(Timestamp::from_millis),
    })
}

/// One attempt of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// 1, 2, ... per delivery, replays included.
    pub n: u32,
    /// When it was sent.
    pub at: Timestamp,
    /// What was answered, if anything.
    pub http_status: Option<u16>,
    /// Why it failed, from the closed list; `None`: it did not.
    pub failure: Option<String>,
    /// How long it took, milliseconds.
    pub latency_ms: i64,
    /// The beginning of the answer's body.
    pub response_body: Option<String>,
}

/// An attempt with the delivery that it belongs to, in the first column.
pub(super) fn attempt(row: &Row) -> Result<(TransactionId, Attempt), QueryError> {
    let attempt = Attempt {
        n: row.uint32(1)?,
        at: Timestamp::from_millis(row.int(2)?),
        http_status: row.opt_int(3)?.and_then(|status| u16::try_from(status).ok()),
        failure: opt_parse(row, 4)?,
        latency_ms: row.int(5)?,
        response_body: row.opt_text(6)?,
    };
    Ok((parse(row, 0)?, attempt))
}
