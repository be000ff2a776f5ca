//! Whose turn it is among the payments of one reference, of which there may be more than one inquiry can ask about: those that
//! were never asked about, the newest first, then those that were asked about longest ago. So each is looked at over time.

use super::inquiry::Verdict;
use super::wire::Payment;
use crate::api::{Context, Finding};
use crate::kit;
use domain::Json;
use std::cmp::Reverse;

/// Most payments of the list that one inquiry asks about; with the list, and what a callback named, it stays below
/// [`domain::limits::CALLS_PER_FLOW_MAX`].
const PAYMENTS_MAX: usize = 20;
/// In the memo: the payments that were asked about and what came of it, the longest ago first. Only while there are others.
const LOOKED_AT: &str = "lookedAt";
/// Most payments that are remembered. One that is forgotten counts as never asked about.
const LOOKED_AT_MAX: usize = 500;

/// When a payment was made as the list says it (a text that sorts by time, or empty), and the payment.
pub(super) type Listed = (String, Payment);

fn looked_at(cx: &Context<'_>) -> Vec<(String, Verdict)> {
    cx.memo.str_at(LOOKED_AT).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The payments to ask about now, in that order, and the ids of those that wait for another inquiry.
pub(super) fn of(cx: &Context<'_>, mut payments: Vec<Listed>) -> (Vec<Payment>, Vec<String>) {
    if payments.len() > PAYMENTS_MAX {
        payments.sort_by_cached_key(|(inserted, _)| Reverse(inserted.clone()));
    }
    let before = looked_at(cx);
    let named = cx.hint.and_then(|hint| kit::token(hint, "payment_id"));
    // Stable: where nothing tells two apart they stay in the order of the list.
    payments.sort_by_key(|(_, payment)| {
        let last = before.iter().position(|(id, _)| *id == payment.payment_id);
        (named != Some(&payment.payment_id), last.map_or(0, |at| at + 1))
    });
    let mut now: Vec<Payment> = payments.into_iter().map(|(_, payment)| payment).collect();
    let later = now.split_off(now.len().min(PAYMENTS_MAX));
    (now, later.into_iter().map(|payment| payment.payment_id).collect())
}

/// What earlier inquiries found of these payments; `None`: they were not asked about.
pub(super) fn before(cx: &Context<'_>, ids: &[String]) -> Vec<(String, Option<Verdict>)> {
    let known = looked_at(cx);
    let found = |id: &String| known.iter().find(|(known, _)| known == id).map(|(_, verdict)| verdict.clone());
    ids.iter().map(|id| (id.clone(), found(id))).collect()
}

/// Remembers what was asked about, while some of the list's payments wait.
pub(super) fn remember(cx: &Context<'_>, finding: Finding, asked: &[(String, Verdict)], waiting: &[String]) -> Finding {
    if waiting.is_empty() && cx.memo.get(LOOKED_AT).is_none() {
        return finding;
    }
    let mut memo = finding.memo.clone().unwrap_or_else(|| cx.memo.clone());
    memo.remove(LOOKED_AT);
    if !waiting.is_empty() {
        let mut known = looked_at(cx);
        known.retain(|(id, _)| waiting.contains(id));
        known.extend(asked.iter().filter(|(id, _)| !id.is_empty()).cloned());
        let forgotten = known.len().saturating_sub(LOOKED_AT_MAX);
        // Texts and lists only: this cannot fail; an empty text would be read as nothing.
        memo.set(LOOKED_AT, Json::text(serde_json::to_string(&known[forgotten..]).unwrap_or_default()));
    }
    finding.memo(memo)
}
