//! How a deposit stands: its session, then the transaction in it; only the transaction says that money comes.

use super::{DESCRIPTOR, wire};
use crate::api::{Context, Doubt, Finding, Reply, Sent, Standing, Step};
use crate::kit;
use crate::signals::{of_inquiry, speaks_of_the_id};
use domain::{Json, Secret, TransactionStatus};

const SESSION: &str = "session.get";
const TRANSACTION: &str = "transaction.get";
const SESSION_BY_REFERENCE: &str = "session.get_by_merchant_reference";
/// Brite spells it so.
const TRANSACTION_BY_REFERENCE: &str = "transaction.get_by_merchantreference";

/// The `error_code` of a session that ran out.
const EXPIRED: &str = "expired_session";
/// The `error_code` of one that the payer cancelled contains this (assumed; the full list is not public).
const CANCELLED: &str = "cancel";
/// In the memo, and in a call's scratch: Brite's id of our session.
const OUR_SESSION: &str = "session";
/// In a call's scratch: the id that is asked about.
const ID: &str = "id";
/// In a call's scratch: a callback named the id.
const HINTED: &str = "hinted";
/// In a call's scratch: our session names the transaction that is asked about, so that it need not say whose it is.
const NAMED: &str = "named";
/// In a call's scratch: a transaction did not say whose it is, and our session is asked for that.
const LINKING: &str = "linking";
/// In the memo: the timeline has it that the money is settled.
const SETTLED: &str = "settled";

/// By what a callback named, else by our session, else by our reference.
pub(super) fn begin(cx: &Context<'_>) -> Step {
    let hinted = |name| cx.hint.and_then(|hint| kit::token(hint, name));
    match hinted("transaction_id") {
        Some(id) => {
            let mut step = ask(cx, TRANSACTION, Some(id), kit::token(cx.memo, OUR_SESSION));
            if let Step::Call(call) = &mut step {
                call.scratch.set(HINTED, Json::Bool(true));
            }
            step
        }
        None => ask_session(cx),
    }
}

fn ask_session(cx: &Context<'_>) -> Step {
    match kit::token(cx.memo, OUR_SESSION) {
        Some(id) => ask(cx, SESSION, Some(id), Some(id)),
        None => ask(cx, SESSION_BY_REFERENCE, None, None),
    }
}

fn ask(cx: &Context<'_>, step: &'static str, id: Option<&str>, session: Option<&str>) -> Step {
    let mut scratch = wire::scratch(step, false);
    for (name, value) in [(ID, id), (OUR_SESSION, session)] {
        if let Some(value) = value {
            scratch.set(name, Json::text(value));
        }
    }
    match cx.account_cache {
        Some(token) => ask_with(cx, token, step, scratch),
        None => wire::authorize(cx, scratch),
    }
}

/// The question that the scratch describes.
pub(super) fn ask_with(cx: &Context<'_>, token: &Secret, step: &str, scratch: Json) -> Step {
    let steps = [SESSION, TRANSACTION, SESSION_BY_REFERENCE, TRANSACTION_BY_REFERENCE];
    let step = steps.into_iter().find(|known| *known == step).unwrap_or(SESSION_BY_REFERENCE);
    let body = match step {
        SESSION | TRANSACTION => ("id", Json::text(kit::scalar(&scratch, ID).unwrap_or_default())),
        _ => ("merchant_reference", Json::text(cx.order.reference.to_string())),
    };
    wire::call(cx, step, Some(token), &Json::object([body]), Doubt::Harmless, scratch)
}

pub(super) fn resume(cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    let mut step = next(cx, sent, reply);
    if let Step::Call(call) = &mut step
        && sent.scratch.get(LINKING).is_some()
    {
        call.scratch.set(LINKING, Json::Bool(true));
    }
    step
}

fn next(cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    let session = kit::scalar(&sent.scratch, OUR_SESSION);
    // What a callback names need not exist, nor be a transaction: our own session still may.
    if sent.step == TRANSACTION && sent.scratch.get(HINTED).is_some() && (speaks_of_the_id(reply) || is_error(reply)) {
        return ask_session(cx);
    }
    if is_not_found(reply) {
        return match sent.step.as_str() {
            TRANSACTION => Finding::anomaly("Brite does not know the transaction that its session names").step(),
            SESSION => ask(cx, SESSION_BY_REFERENCE, None, session),
            SESSION_BY_REFERENCE => ask(cx, TRANSACTION_BY_REFERENCE, None, session),
            _ => Finding::new(Standing::NotFound, "").step(),
        };
    }
    let record = kit::object(reply)
        .filter(|(status, body)| kit::is_success(*status) && wire::error_name(body).is_none() && kit::is_set(body, "state"));
    let Some((_, record)) = record else { return Step::Silence(of_inquiry(wire::refusal(reply), reply)) };
    let of_session = matches!(sent.step.as_str(), SESSION | SESSION_BY_REFERENCE);
    if let Some(what) = foreign(cx, sent, &record, of_session) {
        return Finding::anomaly(format!("Brite's record has {what}")).step();
    }
    if of_session { session_found(cx, &record) } else { transaction_found(cx, sent, &record, session) }
}

/// An error that came with 2xx.
fn is_error(reply: &Reply) -> bool {
    kit::object(reply).is_some_and(|(status, body)| kit::is_success(status) && wire::error_name(&body).is_some())
}

/// `NotFound` as the error of an inquiry.
fn is_not_found(reply: &Reply) -> bool {
    kit::object(reply).is_some_and(|(status, body)| {
        (kit::is_success(status) || matches!(status, 400 | 404)) && wire::error_name(&body) == Some("NotFound")
    })
}

/// What in a record is not ours, or not what was asked about.
///
/// A session must name our reference; a transaction need not, but none other than ours.
fn foreign(cx: &Context<'_>, sent: &Sent, record: &Json, of_session: bool) -> Option<String> {
    let (amount, currency) = (cx.order.amount, cx.order.amount.currency());
    let asked = kit::scalar(&sent.scratch, ID);
    let money_fits = !kit::is_set(record, "amount") || kit::money(record, "amount", currency) == Some(amount);
    let currency_fits = !kit::is_set(record, "currency_id")
        || record.str_at("currency_id").is_some_and(|code| code.eq_ignore_ascii_case(currency.code()));
    let ours = record.str_at("merchant_reference") == Some(&cx.order.reference.to_string());
    let reference_fits = ours || (!of_session && !kit::is_set(record, "merchant_reference"));
    let checks = [
        ("reference", "merchant_reference", reference_fits),
        ("id", "id", kit::token(record, "id").is_some_and(|id| asked.is_none_or(|asked| asked == id))),
        ("currency", "currency_id", currency_fits),
        ("amount", "amount", money_fits),
    ];
    checks.into_iter().find(|(_, _, same)| !same).map(|(what, name, _)| kit::not_ours(record, name, what))
}

fn session_found(cx: &Context<'_>, record: &Json) -> Step {
    let id = kit::token(record, "id");
    let Some(transaction) = kit::token(record, "transaction_id") else {
        return with_session(cx, standing("session", record), id).step();
    };
    let mut step = ask(cx, TRANSACTION, Some(transaction), id);
    if let Step::Call(call) = &mut step {
        call.scratch.set(NAMED, Json::Bool(true));
    }
    step
}

fn transaction_found(cx: &Context<'_>, sent: &Sent, record: &Json, session: Option<&str>) -> Step {
    let theirs = kit::token(record, "session_id");
    if theirs.is_some() && session.is_some() && theirs != session {
        return Finding::anomaly("Brite's transaction belongs to another session").step();
    }
    let says_whose = kit::is_set(record, "merchant_reference") && theirs.is_some();
    if !says_whose && sent.scratch.get(NAMED).is_none() {
        return link(cx, sent, theirs);
    }
    let theirs = theirs.or(session);
    let mut finding = with_session(cx, standing("transaction", record), theirs);
    if finding.standing == Standing::Unchanged {
        return finding.step();
    }
    if finding.standing == Standing::Approved && cx.status == TransactionStatus::Reversed {
        // The record follows the money: it was taken back, and now is there again.
        let word = std::mem::take(&mut finding.status);
        finding.standing = Standing::Unchanged;
        return finding.with_anomalies([format!("Brite says {word} of a payment that was taken back")]).step();
    }
    finding.psp_transaction_id = kit::token(record, "id").map(str::to_owned);
    if finding.status == "SETTLED" && cx.status == TransactionStatus::Approved && cx.memo.get(SETTLED).is_none() {
        let mut memo = finding.memo.take().unwrap_or_else(|| cx.memo.clone());
        memo.set(SETTLED, Json::Bool(true));
        finding = finding.memo(memo).note("Brite has settled the money: SETTLED");
    }
    finding.step()
}

/// A transaction that does not say whose it is: ours when our session names it.
fn link(cx: &Context<'_>, sent: &Sent, theirs: Option<&str>) -> Step {
    if sent.scratch.get(LINKING).is_some() {
        return Finding::anomaly("Brite's transaction does not say whose it is, and no session of ours names it").step();
    }
    let mut step = match (kit::token(cx.memo, OUR_SESSION), theirs) {
        (None, Some(id)) => ask(cx, SESSION, Some(id), Some(id)),
        _ => ask_session(cx),
    };
    if let Step::Call(call) = &mut step {
        call.scratch.set(LINKING, Json::Bool(true));
    }
    step
}

/// What the state of a record of that kind means.
fn standing(kind: &str, record: &Json) -> Finding {
    let state = kit::scalar(record, "state").unwrap_or_default();
    let word = format!("{kind} {state}");
    let Some(row) = DESCRIPTOR.statuses.iter().find(|row| row.word == word) else {
        return Finding::anomaly(format!("Brite's {kind} state is unknown: {}", kit::provider_text(state)));
    };
    let status = row.status.unwrap_or(row.word);
    if row.standing != Standing::Declined {
        return Finding::new(row.standing, status);
    }
    let code = kit::scalar(record, "error_code").map(kit::provider_text);
    let standing = match code.as_deref() {
        Some(EXPIRED) if status == "ABORTED" => Standing::Expired,
        Some(code) if status == "ABORTED" && code.to_ascii_lowercase().contains(CANCELLED) => Standing::Cancelled,
        _ => Standing::Declined,
    };
    Finding::new(standing, status).message(code.unwrap_or_else(|| status.to_owned()))
}

/// Remembers Brite's session, and shows it, when it was not known.
pub(super) fn with_session(cx: &Context<'_>, finding: Finding, session: Option<&str>) -> Finding {
    match session {
        Some(id) if kit::scalar(cx.memo, OUR_SESSION).is_none() => {
            let mut memo = cx.memo.clone();
            memo.set(OUR_SESSION, Json::text(id));
            finding.memo(memo).note(format!("Brite's session: {}", kit::provider_text(id)))
        }
        _ => finding,
    }
}
