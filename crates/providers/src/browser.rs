//! What a payer's browser says of itself, fitted to what 3-D Secure takes (eMerchantPay sheet, "Cashier contract"; Worldpay
//! alike). What a browser truly says never refuses a payment; a wrong type, or a value outside of the sheet's bounds, does.

use crate::kit::{self, Cut};
use domain::Json;

/// Longest language that is sent, characters (EMV 3-D Secure, `browserLanguage`).
const LANGUAGE_MAX_CHARS: usize = 8;
/// Longest language tag that is read, characters: more than any browser sends with all its extensions.
const TAG_MAX_CHARS: usize = 255;
/// The depths of colour that are sent, bits (EMV 3-D Secure, `browserColorDepth`).
const COLOR_DEPTHS: [i64; 8] = [1, 4, 8, 15, 16, 24, 32, 48];
/// The largest side of a screen that is read (EMV 3-D Secure, `browserScreenHeight`).
pub(crate) const SCREEN_SIZE_MAX: i64 = 99_999;
/// The depths that are read.
pub(crate) const COLOR_DEPTH_MIN: i64 = 1;
pub(crate) const COLOR_DEPTH_MAX: i64 = 64;

/// Whether the text has the form of a language tag (BCP 47): a language, or `x` or `i` with something behind it, then parts of
/// letters and digits.
fn is_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let language = (2..=8).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic());
    let whole = matches!(first, "x" | "X" | "i" | "I") && text.len() > 2;
    let rest = parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    (language || whole) && rest && text.len() <= TAG_MAX_CHARS
}

/// The language as it is sent: at most eight characters, cut at a subtag, no lone letter at its end (RFC 4647, 3.4). `None`: it
/// is no language tag; empty: nothing is left of it.
pub(crate) fn language(text: &str) -> Option<&str> {
    // A modifier of the machine's locale: browsers on servers say `en-US@posix`.
    let tag = text.split_once('@').map_or(text, |(tag, _)| tag);
    if !is_tag(tag) {
        return None;
    }
    let mut fitted = tag;
    while fitted.len() > LANGUAGE_MAX_CHARS {
        fitted = fitted.rsplit_once('-').map_or("", |(before, _)| before);
    }
    while fitted.len() < tag.len() && fitted.rsplit('-').next().is_some_and(|last| last.len() == 1) {
        fitted = fitted.rsplit_once('-').map_or("", |(before, _)| before);
    }
    Some(fitted)
}

/// The first language of `Accept-Language` that can be sent.
pub(crate) fn first_language(accepted: &str) -> Option<&str> {
    let tags = accepted.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    tags.filter_map(language).find(|tag| !tag.is_empty())
}

/// The nearest depth that is not larger; `None` for what no browser says.
pub(crate) fn color_depth(literal: &str) -> Option<i64> {
    let depth = whole_within(literal, COLOR_DEPTH_MIN, COLOR_DEPTH_MAX)?;
    COLOR_DEPTHS.into_iter().rfind(|allowed| *allowed <= depth)
}

/// The number of a JSON literal without its fraction, when the number is within the bounds.
pub(crate) fn whole_within(literal: &str, min: i64, max: i64) -> Option<i64> {
    let Cut { negative, whole, has_fraction } = kit::cut(literal)?;
    let (whole, min_met, max_met) = if negative {
        (-whole, if has_fraction { -whole > min } else { -whole >= min }, -whole <= max)
    } else {
        (whole, whole >= min, if has_fraction { whole < max } else { whole <= max })
    };
    (min_met && max_met).then_some(whole)
}

/// What is kept of a number that a browser says: cut to a whole one; `None` where nothing is: zero, where it counts as not sent.
pub(crate) fn number(name: &str, value: &Json, (min, max): (i64, i64), zero_is_unset: bool) -> Result<Option<Json>, String> {
    let literal = value.as_number().ok_or_else(|| format!("{name} must be a number"))?;
    let whole = whole_within(literal, min, max).ok_or_else(|| format!("{name} must be a number from {min} to {max}"))?;
    Ok((whole != 0 || !zero_is_unset).then(|| Json::from(whole)))
}

#[cfg(test)]
#[path = "browser/tests.rs"]
mod tests;
