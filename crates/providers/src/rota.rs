//! Whose turn it is among the records of one reference, of which there may be more than one inquiry can ask about: those that
//! were never asked about, the newest first, then those that were asked about longest ago. So each is looked at over time.

use crate::api::{Context, Finding};
use domain::Json;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::cmp::Reverse;

/// Most records that one inquiry asks about; with the list, and what a callback named, it stays below
/// [`domain::limits::CALLS_PER_FLOW_MAX`].
const ASKED_MAX: usize = 20;
/// In the memo: the records that were asked about and what came of it, the longest ago first. Only while there are others.
const LOOKED_AT: &str = "lookedAt";
/// Most records that are remembered. One that is forgotten counts as never asked about.
const LOOKED_AT_MAX: usize = 500;

/// A record of a list.
pub(crate) struct Listed<T> {
    /// When it was made as the list says it (a text that sorts by time), or empty.
    pub(crate) made: String,
    /// The provider's id of it.
    pub(crate) id: String,
    /// What it takes to ask about it.
    pub(crate) item: T,
}

fn looked_at<V: DeserializeOwned>(cx: &Context<'_>) -> Vec<(String, V)> {
    cx.memo.str_at(LOOKED_AT).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// What to ask about now, in that order, and the ids of those that wait for another inquiry. `named`: the id that a callback
/// named, which comes first.
pub(crate) fn of<T>(cx: &Context<'_>, named: Option<&str>, mut list: Vec<Listed<T>>) -> (Vec<T>, Vec<String>) {
    if list.len() > ASKED_MAX {
        list.sort_by_cached_key(|one| Reverse(one.made.clone()));
    }
    let before: Vec<(String, IgnoredAny)> = looked_at(cx);
    // Stable: where nothing tells two apart they stay in the order of the list.
    list.sort_by_key(|one| {
        let last = before.iter().position(|(id, _)| *id == one.id);
        (named != Some(&one.id), last.map_or(0, |at| at + 1))
    });
    let later = list.split_off(list.len().min(ASKED_MAX));
    (list.into_iter().map(|one| one.item).collect(), later.into_iter().map(|one| one.id).collect())
}

/// What earlier inquiries found of these; `None`: they were not asked about.
pub(crate) fn before<V: DeserializeOwned + Clone>(cx: &Context<'_>, ids: &[String]) -> Vec<(String, Option<V>)> {
    let known: Vec<(String, V)> = looked_at(cx);
    let found = |id: &String| known.iter().find(|(known, _)| known == id).map(|(_, found)| found.clone());
    ids.iter().map(|id| (id.clone(), found(id))).collect()
}

/// Remembers what was asked about, while some of the list wait.
pub(crate) fn remember<V: Serialize + DeserializeOwned + Clone>(
    cx: &Context<'_>,
    finding: Finding,
    asked: &[(String, V)],
    waiting: &[String],
) -> Finding {
    if waiting.is_empty() && cx.memo.get(LOOKED_AT).is_none() {
        return finding;
    }
    let mut memo = finding.memo.clone().unwrap_or_else(|| cx.memo.clone());
    memo.remove(LOOKED_AT);
    if !waiting.is_empty() {
        let mut known: Vec<(String, V)> = looked_at(cx);
        known.retain(|(id, _)| waiting.contains(id));
        known.extend(asked.iter().filter(|(id, _)| !id.is_empty()).cloned());
        let forgotten = known.len().saturating_sub(LOOKED_AT_MAX);
        // Texts and lists only: this cannot fail; an empty text would be read as nothing.
        memo.set(LOOKED_AT, Json::text(serde_json::to_string(&known[forgotten..]).unwrap_or_default()));
    }
    finding.memo(memo)
}
