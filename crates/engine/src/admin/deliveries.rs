//! Deliveries: webhooks on their way to the merchant, their replays, and test events.

use super::error::AdminError;
use super::fields::Fields;
use super::params::Params;
use super::payment_methods::method;
use super::{Act, page};
use crate::Engine;
use crate::webhooks::{Attempt, DeliveryError, DeliveryFilter, DeliveryState, DeliveryView};
use domain::{CompanyId, Json, Timestamp, TransactionId, limits};

/// The name of the list in its cursors.
const LIST: &str = "deliveries";

/// A page of the company's deliveries, newest first, with their attempts.
///
/// # Errors
/// [`AdminError`].
pub async fn list(engine: &Engine, act: &Act<'_>, query: Option<&str>) -> Result<Json, AdminError> {
    let mut params = Params::list(query, &["transactionId", "status", "from", "to"]);
    let filter = DeliveryFilter {
        transaction_id: params.parsed("transactionId", "must be 24 lower-case hexadecimal digits"),
        state: params.word("status", &words()),
        from: params.time("from"),
        to: params.time("to"),
        before: params.cursor(|text| page::place::<1>(LIST, text)?[0].parse().ok()),
    };
    let limit = params.limit();
    params.finish()?;
    let found = engine.deliveries(act.company_id(), &filter, limit).await?;
    let items = found.items.iter().map(DeliveryView::to_json).collect();
    Ok(page::shown(items, found.next.map(|last| page::cursor(LIST, &[&last.to_string()]))))
}

fn words() -> Vec<&'static str> {
    DeliveryState::ALL.into_iter().map(DeliveryState::as_str).collect()
}

/// One delivery with its attempts.
///
/// # Errors
/// [`AdminError`].
pub async fn find(engine: &Engine, act: &Act<'_>, id: &str) -> Result<Json, AdminError> {
    Ok(engine.delivery(act.company_id(), id).await?.to_json())
}

/// Sends a delivery again, with its original id.
///
/// # Errors
/// [`AdminError`].
pub async fn replay(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    Fields::of(body, "a replay", &[]).finish()?;
    Ok(engine.replay(act.company_id(), id, &act.actor()).await?.to_json())
}

/// Sends every delivery since a point in time again.
///
/// # Errors
/// [`AdminError`].
pub async fn replay_since(engine: &Engine, act: &Act<'_>, body: &Json) -> Result<Json, AdminError> {
    let mut fields = Fields::of(body, "a replay", &["since", "status"]);
    let since = match fields.raw("since") {
        None => fields.absent("since"),
        Some(_) => fields.time("since"),
    };
    let state: Option<DeliveryState> = fields.word("status", &words());
    fields.finish()?;
    let Some(since) = since else { return Err(AdminError::Internal) };
    let queued = engine.replay_since(act.company_id(), since, state, &act.actor()).await?;
    Ok(Json::object([("queued", Json::from(i64::try_from(queued).unwrap_or(i64::MAX)))]))
}

/// Sends a sample event to a payment method's endpoint; answers with the delivery.
///
/// # Errors
/// [`AdminError`].
pub async fn send_test(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    let method = method(engine, act, id).await?;
    Fields::of(body, "a test", &[]).finish()?;
    Ok(engine.send_test(act.company_id(), method.id, &act.actor()).await?.to_json())
}

/// What the timeline of a transaction says about its deliveries: when each was queued, and how each attempt went.
pub(super) async fn lines(
    engine: &Engine,
    company: CompanyId,
    transaction: TransactionId,
) -> Result<Vec<(Timestamp, Json)>, AdminError> {
    let filter = DeliveryFilter { transaction_id: Some(transaction), ..DeliveryFilter::default() };
    let mut found = engine.deliveries(company, &filter, limits::LIST_LIMIT_MAX).await?.items;
    found.reverse();
    let mut lines = Vec::new();
    for view in &found {
        let queued = Json::object([("status", Json::text(view.delivery.state.as_str()))]);
        lines.push(line(view, view.delivery.created_at, "webhook_queued", queued));
        for attempt in &view.attempts {
            let event = if attempt.failure.is_none() { "webhook_delivered" } else { "webhook_failed" };
            lines.push(line(view, attempt.at, event, outcome(attempt)));
        }
    }
    Ok(lines)
}

/// The answer's body stays with the delivery: it is the merchant's text.
fn outcome(attempt: &Attempt) -> Json {
    Json::object([
        ("httpStatus", attempt.http_status.map(i64::from).into()),
        ("failure", attempt.failure.clone().into()),
        ("latencyMs", Json::from(attempt.latency_ms)),
    ])
}

fn line(view: &DeliveryView, at: Timestamp, event: &str, mut detail: Json) -> (Timestamp, Json) {
    detail.set("deliveryId", Json::text(view.delivery.id.to_string()));
    detail.set("eventId", Json::text(view.delivery.event_id.as_str()));
    detail.set("sequence", Json::from(view.delivery.sequence));
    let line = Json::object([
        ("at", Json::text(at.to_string())),
        ("event", Json::text(event)),
        ("from", Json::Null),
        ("to", Json::Null),
        ("detail", detail),
    ]);
    (at, line)
}

impl From<DeliveryError> for AdminError {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::NotFound => Self::NotFound,
            DeliveryError::TooOld => Self::Conflict(error.to_string()),
            DeliveryError::NoAddress => Self::Refused(error.to_string()),
            DeliveryError::Engine(error) => Self::of_store(&error),
        }
    }
}
