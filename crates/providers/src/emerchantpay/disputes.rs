//! The rounds of a dispute. A record shows the last word alone, and the gateway has no reference of a chargeback: one that comes
//! after another word of the dispute is a new one, whatever it is called.

use super::record;
use super::wire;
use crate::api::{Context, Memo, TurnKind};
use domain::Json;

/// In the memo: the rounds that records have shown, oldest first, by their keys.
const ROUNDS: &str = "disputeRounds";
/// Most rounds that are remembered.
const ROUNDS_MAX: usize = 100;

fn rounds<'a>(cx: &Context<'a>) -> Vec<&'a str> {
    let rounds = cx.memo.get(ROUNDS).and_then(Json::as_array).unwrap_or_default();
    rounds.iter().filter_map(Json::as_str).collect()
}

/// What a round is called without its number.
fn name(key: &str) -> &str {
    key.split_once(" #").map_or(key, |(name, _)| name)
}

/// The key of the round that a record shows, and the memo with it (`None`: it is known). The second of a name is `#2`.
pub(super) fn round(cx: &Context<'_>, named: String) -> (String, Option<Memo>) {
    let rounds = rounds(cx);
    if let Some(last) = rounds.last().filter(|last| name(last) == named) {
        return ((*last).to_owned(), None);
    }
    let before = rounds.iter().filter(|key| name(key) == named).count();
    let key = if before == 0 { named } else { format!("{named} #{}", before + 1) };
    if rounds.len() >= ROUNDS_MAX {
        return (key, None);
    }
    let all = rounds.iter().copied().chain([&*key]).map(Json::text).collect();
    let memo = wire::remembering(cx, ROUNDS, Json::Array(all));
    (key, Some(memo))
}

/// Whether the last that records have shown of a dispute is that it was won.
pub(super) fn is_won(cx: &Context<'_>) -> bool {
    let last = rounds(cx).last().and_then(|key| key.split([' ', '#']).next()).and_then(record::turn_of);
    last == Some(TurnKind::ChargebackWon)
}
