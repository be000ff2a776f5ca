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

fn rounds(memo: &Memo) -> Vec<&str> {
    let rounds = memo.get(ROUNDS).and_then(Json::as_array).unwrap_or_default();
    rounds.iter().filter_map(Json::as_str).collect()
}

/// What a round is called without its number.
fn name(key: &str) -> &str {
    key.split_once(" #").map_or(key, |(name, _)| name)
}

/// The key of the round that a record shows, and the memo with it (`None`: it is known). The second of a name is `#2`.
pub(super) fn round(cx: &Context<'_>, named: String) -> (String, Option<Memo>) {
    let rounds = rounds(cx.memo);
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

/// Whether the word is of a round that comes after others: that those were shown says nothing of it.
pub(super) fn is_later_round(word: &str) -> bool {
    ["second_chargebacked", "pre_arbitrated", "representment_reversed"].contains(&word)
}

/// Whether records have shown a round with such a word.
pub(super) fn has_shown(memo: &Memo, is: impl Fn(&str) -> bool) -> bool {
    rounds(memo).into_iter().filter_map(|key| key.split([' ', '#']).next()).any(is)
}

/// Whether the last that records have shown of a dispute is that it was won.
pub(super) fn is_won(cx: &Context<'_>) -> bool {
    let last = rounds(cx.memo).last().and_then(|key| key.split([' ', '#']).next()).and_then(record::turn_of);
    last == Some(TurnKind::ChargebackWon)
}
