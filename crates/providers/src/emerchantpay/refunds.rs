//! What is told of refunds: a notification's amount proves nothing, and the record shows one part at a time. What that leaves
//! open is shown, never guessed, and so is whatever else was notified and no record shows. Sheet: the status table ("parts add
//! up"), "Callbacks".

use super::record::Record;
use super::{DESCRIPTOR, disputes, wire};
use crate::api::{Context, Memo, Standing, TurnKind};
use crate::kit;
use domain::{Json, Timestamp};

/// In the memo: the time of the approved payment's record, and the amounts of the parts that records have shown, minor units.
const APPROVED_AT: &str = "approvedAt";
const PARTS: &str = "refundedParts";
/// Most amounts that are remembered.
const PARTS_MAX: usize = 200;
/// A member of the hint that the inbox may add: how often the same was notified.
const COPIES: &str = "copies";
/// The event of an issuer that asks for the papers of a payment; it moves no money.
pub(super) const RETRIEVAL_REQUEST: &str = "retrieval_request";

/// The memo with the time of an approved payment's record; `None`: it is known.
pub(super) fn approved_at(cx: &Context<'_>, record: &Record) -> Option<Memo> {
    let at = record.said("timestamp").filter(|at| record.word() == "approved" && cx.memo.str_at(APPROVED_AT) != Some(at))?;
    Some(wire::remembering(cx, APPROVED_AT, Json::String(at)))
}

/// The memo with a part that the record shows; `None`: it is known.
pub(super) fn seen(cx: &Context<'_>, minor: i64) -> Option<Memo> {
    let mut parts = parts(cx.memo);
    if parts.contains(&minor) || parts.len() >= PARTS_MAX {
        return None;
    }
    parts.push(minor);
    Some(wire::remembering(cx, PARTS, Json::Array(parts.into_iter().map(Json::from).collect())))
}

fn parts(memo: &Memo) -> Vec<i64> {
    let parts = memo.get(PARTS).and_then(Json::as_array).unwrap_or_default();
    parts.iter().filter_map(|part| kit::whole_number(part.as_scalar()?)).collect()
}

/// Whether the record's time is another than when the payment was approved, so that it tells one part from another.
fn has_a_time_of_its_own(cx: &Context<'_>, record: &Record) -> bool {
    let (Some(approved), Some(told)) = (cx.memo.str_at(APPROVED_AT), record.said("timestamp")) else { return false };
    match (Timestamp::parse(approved), Timestamp::parse(&told)) {
        (Some(approved), Some(told)) => approved != told,
        _ => approved != told,
    }
}

/// What of a notification the record leaves open; `memo`: with what the record shows.
pub(super) fn left_open(cx: &Context<'_>, record: &Record, memo: &Memo) -> Option<String> {
    let hint = cx.hint.filter(|hint| hint.str_at("event") != Some(RETRIEVAL_REQUEST))?;
    let notified = hint.str_at("status")?.to_ascii_lowercase();
    match super::record::turn_of(&notified) {
        Some(TurnKind::Refunded) => refund_left_open(cx, hint, record, memo),
        turn => word_left_open(&notified, turn, record, memo),
    }
}

/// A notified word that the record has never shown. The gateway was told that we have it and does not notify again, so that
/// nothing may be lost with it.
fn word_left_open(notified: &str, turn: Option<TurnKind>, record: &Record, memo: &Memo) -> Option<String> {
    let says = record.word();
    if notified == says {
        return None;
    }
    let of = |word: &str| DESCRIPTOR.statuses.iter().find(|row| row.word == word).map(|row| row.standing);
    let is_open = match (turn, of(notified), of(&says)) {
        (Some(_), ..) if disputes::is_later_round(notified) => !disputes::has_shown(memo, |word| word == notified),
        (Some(kind), ..) => {
            record.turn() != Some(kind) && !disputes::has_shown(memo, |word| super::record::turn_of(word) == Some(kind))
        }
        (None, None, _) => true,
        // An earlier word, or one that is asked about until it has ended.
        (None, Some(Standing::Pending), _) | (None, _, Some(Standing::Pending) | None) => false,
        (None, Some(Standing::Approved), Some(shown)) => record.turn().is_none() && shown != Standing::Cancelled,
        (None, Some(told), Some(shown)) => !(told == shown || [told, shown].iter().all(|one| is_refusal(*one))),
    };
    let what = if of(notified).is_some() { notified } else { "an unknown status" };
    is_open.then(|| format!("eMerchantPay notified {what}, which its record does not show: look it up"))
}

fn is_refusal(standing: Standing) -> bool {
    matches!(standing, Standing::Declined | Standing::Expired | Standing::Cancelled)
}

fn refund_left_open(cx: &Context<'_>, hint: &Json, record: &Record, memo: &Memo) -> Option<String> {
    let (notified, whole) = (kit::whole_number(hint.str_at("amount")?)?, cx.order.amount.minor());
    let parts = parts(memo);
    let shows = record.turn() == Some(TurnKind::Refunded) && record.amount().unwrap_or(whole) == notified;
    if !shows && !parts.contains(&notified) {
        return Some(format!(
            "eMerchantPay notified a refund of {notified} in minor units that its record does not show: look it up"
        ));
    }
    let copies = kit::scalar(hint, COPIES).and_then(kit::whole_number).unwrap_or(1);
    let known = parts.iter().fold(0_i64, |sum, part| sum.saturating_add(*part));
    // Another one of that amount is possible, and would look the same.
    let possible = parts.contains(&notified) && notified <= whole.saturating_sub(known);
    (copies > 1 && possible && !has_a_time_of_its_own(cx, record)).then(|| {
        format!("a refund of {notified} in minor units was told {copies} times, perhaps of several equal ones: look it up")
    })
}
