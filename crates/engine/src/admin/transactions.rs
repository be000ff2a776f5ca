//! Transactions as people see them: what the Cashier API shows, why someone should look, what happens next, and the whole
//! timeline.

use super::error::AdminError;
use super::fields::Fields;
use super::params::Params;
use super::{Act, page};
use crate::Engine;
use crate::flow::{DecisionError, EngineError, TimelineEntry, TransactionFilter, TransactionView};
use domain::{Attention, CompanyId, Json, Operation, Timestamp, Transaction, TransactionData, TransactionId, TransactionStatus};
use futures::future::try_join_all;
use std::time::Duration;
use store::repository::jobs;

/// Longest reason of a decision, characters.
pub const REASON_MAX_CHARS: usize = 500;
/// Longest `userId` in a filter, characters.
const USER_ID_MAX_CHARS: usize = 64;
/// Longest `merchantReference` in a filter, characters.
const MERCHANT_REFERENCE_MAX_CHARS: usize = 255;
/// How many next actions are looked up at once.
const LOOK_UPS_AT_ONCE: usize = 32;
/// The name of the list in its cursors.
const LIST: &str = "transactions";
/// What is said of one that takes longer, to whoever has not said that a part will do.
const TOO_LONG: &str = "this combination of filters takes too long to search: add from, or say budget=soft and follow nextCursor (see searchedBackTo)";

/// A page of the company's transactions, newest first. A combination of filters that no index answers at once is searched for
/// `budget`.
///
/// # Errors
/// [`AdminError`].
pub async fn list(engine: &Engine, act: &Act<'_>, query: Option<&str>, budget: Duration) -> Result<Json, AdminError> {
    let filters = ["pspType", "type", "transaction_status", "userId", "merchantReference", "attention", "from", "to", "budget"];
    let mut params = Params::list(query, &filters);
    let filter = filter(&mut params);
    let soft = params.word::<String>("budget", &["soft"]).is_some();
    let limit = params.limit();
    let cursor = params.cursor(|text| page::place::<1>(LIST, text)?[0].parse::<TransactionId>().ok());
    params.finish()?;
    let cursor = cursor.map(|id| id.to_string());
    let found = engine.search_transactions(act.company_id(), filter, limit, cursor.as_deref(), Some(budget)).await?;
    if found.searched_back_to.is_some() && !soft {
        return Err(AdminError::Invalid(vec![TOO_LONG.to_owned()]));
    }
    let next_actions = next_actions(engine, act.company_id(), &found.items).await?;
    let items = found.items.iter().zip(next_actions).map(|(t, next)| head(t, next.as_ref())).collect();
    let mut shown = page::shown(items, found.next_cursor.map(|last| page::cursor(LIST, &[&last])));
    if let Some(at) = found.searched_back_to {
        shown.set("searchedBackTo", Json::text(at.to_string()));
    }
    Ok(shown)
}

fn filter(params: &mut Params<'_>) -> TransactionFilter {
    // What is shown outside: `Created` is a `Pending` there.
    let statuses: Vec<&str> =
        TransactionStatus::ALL.iter().map(|status| status.as_str()).filter(|word| *word != "Created").collect();
    TransactionFilter {
        psp_type: params.word("pspType", &super::psp_types()),
        operation: params.word("type", &[Operation::PayIn.as_str(), Operation::PayOut.as_str()]),
        status: params.word("transaction_status", &statuses),
        user_id: params.text("userId", USER_ID_MAX_CHARS),
        merchant_reference: params.text("merchantReference", MERCHANT_REFERENCE_MAX_CHARS),
        attention: params.word("attention", &["stuck", "anomaly", "duplicate"]),
        from: params.time("from"),
        to: params.time("to"),
        ..TransactionFilter::default()
    }
}

/// What happens next with each of them; those that have ended for good are not asked about.
async fn next_actions(
    engine: &Engine,
    company: CompanyId,
    transactions: &[Transaction],
) -> Result<Vec<Option<(String, Timestamp)>>, AdminError> {
    let mut next = Vec::with_capacity(transactions.len());
    for some in transactions.chunks(LOOK_UPS_AT_ONCE) {
        let look_ups = some.iter().map(async |t| {
            let open = !t.status.is_final() || t.status.may_turn_late();
            if open { jobs::find(engine.store(), company, t.id, t.live).await } else { Ok(None) }
        });
        let found = try_join_all(look_ups).await?;
        next.extend(found.into_iter().map(|job| job.map(|job| (job.next.word().to_owned(), job.due_at))));
    }
    Ok(next)
}

/// The transaction of either id, with its timeline.
///
/// # Errors
/// [`AdminError`].
pub async fn find(engine: &Engine, act: &Act<'_>, id: &str) -> Result<Json, AdminError> {
    let view = engine.transaction(act.company_id(), id).await?.ok_or(AdminError::NotFound)?;
    whole(engine, act, &view).await
}

/// Asks the provider now.
///
/// # Errors
/// [`AdminError`].
pub async fn inquire(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    Fields::of(body, "an inquiry", &[]).finish()?;
    let transaction = engine.inquire_now(act.caller, id).await?;
    after(engine, act, &transaction).await
}

/// Releases a pay-out again, where the provider has it.
///
/// # Errors
/// [`AdminError`].
pub async fn release(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    let reason = reason(body, "a release")?;
    let transaction = engine.release(act.caller, id, reason).await?;
    after(engine, act, &transaction).await
}

/// Settles a transaction that no schedule could settle.
///
/// # Errors
/// [`AdminError`].
pub async fn resolve(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    let mut fields = Fields::of(body, "a resolution", &["to", "reason"]);
    let to: Option<TransactionStatus> = match fields.raw("to") {
        None => fields.absent("to"),
        Some(_) => fields.word("to", &[TransactionStatus::Approved.as_str(), TransactionStatus::Failed.as_str()]),
    };
    let reason = fields.required_text("reason", REASON_MAX_CHARS);
    let reason = fields.spoken("reason", reason);
    fields.finish()?;
    let (Some(to), Some(reason)) = (to, reason) else { return Err(AdminError::Internal) };
    let transaction = engine.resolve(act.caller, id, to, reason).await?;
    after(engine, act, &transaction).await
}

/// A body that has nothing but an optional reason.
pub(super) fn reason(body: &Json, what: &str) -> Result<Option<String>, AdminError> {
    let mut fields = Fields::of(body, what, &["reason"]);
    let reason = fields.text("reason", 1, REASON_MAX_CHARS);
    let reason = fields.spoken("reason", reason);
    fields.finish()?;
    Ok(reason)
}

/// The whole transaction as it stands after a change.
pub(super) async fn after(engine: &Engine, act: &Act<'_>, transaction: &Transaction) -> Result<Json, AdminError> {
    find(engine, act, &transaction.id.to_string()).await
}

/// What lists show of a transaction: TransactionData, and what people need beside it.
fn head(t: &Transaction, next: Option<&(String, Timestamp)>) -> Json {
    let mut shown = TransactionData(t).to_json();
    shown.set("paymentMethodId", Json::text(t.method_id.to_string()));
    shown.set("destination", t.destination_masked.clone().into());
    shown.set("attention", t.attention.map(Attention::as_str).map(str::to_owned).into());
    shown.set("nextAction", next.map(|(action, _)| action.clone()).into());
    shown.set("nextActionAt", next.map(|(_, at)| at.to_string()).into());
    shown
}

async fn whole(engine: &Engine, act: &Act<'_>, view: &TransactionView) -> Result<Json, AdminError> {
    let t = &view.transaction;
    let mut shown = head(t, view.next_action.as_ref());
    let rule = t.rule.map(|(id, version)| Json::object([("id", Json::text(id.to_string())), ("version", Json::from(version))]));
    shown.set("rule", rule.unwrap_or(Json::Null));
    shown.set("maker", Json::text(format!("credential:{}", t.maker)));
    let mut lines: Vec<(Timestamp, Json)> = view.events.iter().map(|entry| (entry.at, line(entry))).collect();
    lines.extend(super::deliveries::lines(engine, act.company_id(), t.id).await?);
    // Stable: entries of one instant stay in the order in which they were stored.
    lines.sort_by_key(|(at, _)| *at);
    shown.set("events", Json::Array(lines.into_iter().map(|(_, line)| line).collect()));
    Ok(shown)
}

/// A line of the timeline, in the form of the Cashier API.
fn line(entry: &TimelineEntry) -> Json {
    let word = |status: Option<TransactionStatus>| Json::from(status.map(|status| status.shown().to_owned()));
    Json::object([
        ("at", Json::text(entry.at.to_string())),
        ("event", Json::text(&*entry.event)),
        ("from", word(entry.from)),
        ("to", word(entry.to)),
        ("detail", entry.detail.clone()),
    ])
}

impl From<EngineError> for AdminError {
    fn from(error: EngineError) -> Self {
        Self::of_store(&error)
    }
}

impl From<DecisionError> for AdminError {
    fn from(error: DecisionError) -> Self {
        match error {
            DecisionError::NotFound => Self::NotFound,
            DecisionError::Decided { .. } | DecisionError::NotPossible(_) | DecisionError::Overtaken => {
                Self::Conflict(error.to_string())
            }
            DecisionError::MakerIsChecker => Self::NotYou(error.to_string()),
            DecisionError::Engine(error) => Self::of_store(&error),
        }
    }
}
