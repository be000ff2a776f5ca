//! Taking what is secret (a voucher's PIN, a session token) out of what a provider says, before anything is kept, logged or
//! answered.

use crate::api::{Answer, Reply};
use domain::Json;

/// What stands in the number's place.
pub(crate) const MASK: &str = "****************";
/// Shorter numbers are not searched for: they would blank out amounts and dates.
const DIGITS_MIN: usize = 8;

/// The answer without these members (one that is cut off ends before the first of them), the number masked wherever it stands: in
/// texts, numbers and keys, and in a body that is no JSON.
pub(crate) fn answer(reply: &Reply, number: Option<&str>, taken_out: &[&str]) -> Reply {
    let Reply::Answer(answer) = reply else { return reply.clone() };
    // As it was written, numbers too.
    let body = match Json::parse(&answer.body) {
        Ok(document) => json(document, number, taken_out).to_text(),
        Err(_) => text(before(&answer.text(), taken_out), number),
    };
    Reply::Answer(Answer { body: body.into_bytes(), ..answer.clone() })
}

/// A document cut off in the middle, up to the first of these names.
fn before<'a>(words: &'a str, names: &[&str]) -> &'a str {
    let ends = names.iter().filter_map(|name| words.find(&format!("\"{name}\"")));
    &words[..ends.min().unwrap_or(words.len())]
}

fn json(value: Json, number: Option<&str>, taken_out: &[&str]) -> Json {
    match value {
        Json::String(words) => Json::String(text(&words, number)),
        Json::Number(literal) if holds(&literal, number) => Json::text(MASK),
        Json::Array(items) => Json::Array(items.into_iter().map(|item| json(item, number, taken_out)).collect()),
        Json::Object(pairs) => {
            let kept = pairs.into_iter().filter(|(key, _)| !taken_out.iter().any(|name| key.eq_ignore_ascii_case(name)));
            Json::object(kept.map(|(key, value)| (text(&key, number), json(value, number, taken_out))))
        }
        other => other,
    }
}

/// Whether the literal of a number has the number in it, as it is written or by its value.
fn holds(literal: &str, number: Option<&str>) -> bool {
    let has = |digits: &str| text(digits, number) != digits;
    has(literal) || money::plain_number(literal).is_some_and(|plain| has(&plain))
}

/// Masks the number, single spaces or dashes between its digits included.
fn text(words: &str, number: Option<&str>) -> String {
    let Some(number) = number.filter(|number| number.len() >= DIGITS_MIN) else { return words.to_owned() };
    let mut masked = String::with_capacity(words.len());
    let mut rest = words;
    while let Some(c) = rest.chars().next() {
        let end = end_of(number, rest);
        masked.push_str(if end.is_some() { MASK } else { &rest[..c.len_utf8()] });
        rest = &rest[end.unwrap_or(c.len_utf8())..];
    }
    masked
}

/// Where the number that this text begins with ends.
fn end_of(number: &str, text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    for (index, digit) in number.bytes().enumerate() {
        if index > 0 && matches!(bytes.get(at), Some(b' ' | b'-')) {
            at += 1;
        }
        if bytes.get(at) != Some(&digit) {
            return None;
        }
        at += 1;
    }
    Some(at)
}
