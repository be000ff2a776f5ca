//! Approvals: pay-outs on hold, and what people decided about them.

use super::error::AdminError;
use super::fields::Fields;
use super::params::Params;
use super::transactions::{REASON_MAX_CHARS, after, reason};
use super::{Act, page};
use crate::Engine;
use crate::flow::{Decision, HoldStatus, HoldView};
use domain::Json;

/// The name of the list in its cursors.
const LIST: &str = "approvals";

/// A page of the company's holds, oldest first.
///
/// # Errors
/// [`AdminError`].
pub async fn list(engine: &Engine, act: &Act<'_>, query: Option<&str>) -> Result<Json, AdminError> {
    let mut params = Params::list(query, &["status"]);
    let status: Option<HoldStatus> = params.word("status", &["waiting", "approved", "rejected"]);
    let limit = params.limit();
    let cursor = params.cursor(|text| page::place::<1>(LIST, text)).map(|[place]| place);
    params.finish()?;
    let (holds, next) = engine.holds(act.company_id(), status, limit, cursor.as_deref()).await?;
    Ok(page::shown(holds.iter().map(shown).collect(), next.map(|next| page::cursor(LIST, &[&next]))))
}

/// Lets a pay-out go.
///
/// # Errors
/// [`AdminError`].
pub async fn approve(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    let reason = reason(body, "an approval")?;
    let transaction = engine.approve(act.caller, id, reason).await?;
    after(engine, act, &transaction).await
}

/// Refuses a pay-out.
///
/// # Errors
/// [`AdminError`].
pub async fn reject(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    let mut fields = Fields::of(body, "a rejection", &["reason"]);
    let reason = fields.required_text("reason", REASON_MAX_CHARS);
    let reason = fields.spoken("reason", reason);
    fields.finish()?;
    let Some(reason) = reason else { return Err(AdminError::Internal) };
    let transaction = engine.reject(act.caller, id, reason).await?;
    after(engine, act, &transaction).await
}

fn shown(view: &HoldView) -> Json {
    let (hold, transaction) = (&view.hold, &view.transaction);
    // A later release or resolution is a decision about the transaction, not about the hold.
    let decisions = view.decisions.iter().filter(|d| d.decision == "approve" || d.decision == "reject");
    Json::object([
        ("transactionId", Json::text(transaction.id.to_string())),
        ("pspType", Json::text(&*transaction.psp_type)),
        ("amount", Json::text(transaction.amount.to_fixed())),
        ("currency", Json::text(transaction.amount.currency().code())),
        ("userId", Json::text(&*transaction.user_id)),
        ("destination", transaction.destination_masked.clone().into()),
        ("status", Json::text(hold.status.as_str())),
        ("requestedAt", Json::text(hold.requested_at.to_string())),
        ("expiresAt", Json::text(hold.expires_at.to_string())),
        ("approvals", Json::Array(decisions.map(decision).collect())),
        ("required", Json::from(hold.required)),
    ])
}

fn decision(decision: &Decision) -> Json {
    Json::object([
        ("by", Json::text(&*decision.decided_by)),
        ("at", Json::text(decision.at.to_string())),
        ("decision", Json::text(&*decision.decision)),
        ("reason", decision.reason.clone().into()),
    ])
}
