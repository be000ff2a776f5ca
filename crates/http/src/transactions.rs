//! `GET /v1/api/mozarto/transactions` and `GET /v1/api/mozarto/transactions/{id}`.

use crate::app::{App, Seen, respond};
use crate::reply::{DONE, Refused};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use domain::transaction::TransactionData;
use domain::{Json, Operation, Timestamp, TransactionId, TransactionStatus};
use engine::CashierAnswer;
use engine::admin::params::Params;
use engine::flow::{TimelineEntry, TransactionFilter};
use http::request::Parts;
use std::str::FromStr;

/// The filters of the list, beside `limit` and `cursor`.
const FILTERS: [&str; 7] = ["pspType", "type", "transaction_status", "userId", "merchantReference", "from", "to"];
/// Longest `userId`, characters.
const USER_ID_MAX_CHARS: usize = 64;
/// Longest `merchantReference`, characters.
const MERCHANT_REFERENCE_MAX_CHARS: usize = 255;
pub(crate) async fn list(State(app): State<App>, request: Request) -> Response {
    let mut seen = Seen::default();
    let answer = page(&app, &request.into_parts().0, &mut seen).await;
    respond(answer, seen)
}

async fn page(app: &App, parts: &Parts, seen: &mut Seen) -> Result<CashierAnswer, Refused> {
    let admitted = app.admit_reader(&parts.headers, seen).await?;
    let mut params = Params::list(parts.uri.query(), &FILTERS);
    let filter = filter(&mut params);
    let limit = params.limit();
    let cursor = params.cursor(|text| text.parse::<TransactionId>().ok());
    params.finish()?;
    let cursor = cursor.map(|id| id.to_string());
    let page = app.engine.transactions(admitted.company_id(), filter, limit, cursor.as_deref()).await?;
    let items = page.items.iter().map(|transaction| TransactionData(transaction).to_json()).collect();
    let data = Json::object([("items", Json::Array(items)), ("nextCursor", page.next_cursor.into())]);
    Ok(CashierAnswer::success(Some(DONE), data, None))
}

/// What ends the sentence about a time that is none.
const TIME: &str = "must be an RFC 3339 time";

/// A bound of time.
struct Moment(Timestamp);

impl FromStr for Moment {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Timestamp::parse_bound(text).map(Self).ok_or(())
    }
}

fn filter(params: &mut Params<'_>) -> TransactionFilter {
    let providers: Vec<&str> = providers::all().iter().map(|provider| provider.descriptor().psp_type).collect();
    // What is shown outside: `Created` is a `Pending` there.
    let statuses: Vec<&str> =
        TransactionStatus::ALL.iter().map(|status| status.as_str()).filter(|word| *word != "Created").collect();
    TransactionFilter {
        psp_type: params.word("pspType", &providers),
        operation: params.word("type", &[Operation::PayIn.as_str(), Operation::PayOut.as_str()]),
        status: params.word("transaction_status", &statuses),
        user_id: params.text("userId", USER_ID_MAX_CHARS),
        merchant_reference: params.text("merchantReference", MERCHANT_REFERENCE_MAX_CHARS),
        from: params.parsed("from", TIME).map(|Moment(at)| at),
        to: params.parsed("to", TIME).map(|Moment(at)| at),
        ..TransactionFilter::default()
    }
}

pub(crate) async fn show(State(app): State<App>, id: Result<Path<String>, PathRejection>, request: Request) -> Response {
    let mut seen = Seen::default();
    let answer = one(&app, id.ok(), &request.into_parts().0, &mut seen).await;
    respond(answer, seen)
}

async fn one(app: &App, id: Option<Path<String>>, parts: &Parts, seen: &mut Seen) -> Result<CashierAnswer, Refused> {
    let admitted = app.admit_reader(&parts.headers, seen).await?;
    // An id that cannot be decoded is nobody's; so is another company's.
    let Some(Path(id)) = id else { return Err(CashierAnswer::not_found().into()) };
    let Some(view) = app.engine.transaction(admitted.company_id(), &id).await? else {
        return Err(CashierAnswer::not_found().into());
    };
    let transaction = TransactionData(&view.transaction).to_json();
    let mut data = transaction.clone();
    data.set("events", Json::Array(view.events.iter().map(event).collect()));
    Ok(CashierAnswer::success(Some(DONE), data, Some(transaction)))
}

/// A line of the timeline: `at`, `event`, `from`, `to` (`null` where the status did not change), `detail`.
fn event(entry: &TimelineEntry) -> Json {
    let word = |status: Option<TransactionStatus>| Json::from(status.map(TransactionStatus::shown));
    Json::object([
        ("at", Json::text(entry.at.to_string())),
        ("event", Json::text(&*entry.event)),
        ("from", word(entry.from)),
        ("to", word(entry.to)),
        ("detail", entry.detail.clone()),
    ])
}
