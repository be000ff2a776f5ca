//! Identifiers that callers choose (`merchantReference`, `userId`, an idempotency key, a brand's id) and what people write in
//! their own words (names, reasons) are kept, listed and sent on in the clear: a card number must not be among them.
//!
//! What looks like one: a run of 13 to 19 digits, single blanks, dashes, dots or underscores between them included, that begins
//! as numbers of a card scheme do, has a length that the scheme gives out, and ends in the right check digit. Dates and clocks
//! (`2026...`, `17...`), our ids, UUIDs and digests are none of that, so that of ordinary order numbers hardly any is refused: of
//! random ones of 16 digits about one in twenty-five. Of 13 digits there is only Visa's old form, which does not count in a
//! `userId`: that is often a phone number.

use crate::card::{self, PAN_MAX_DIGITS};

/// The shortest number that counts in a `userId`: international phone numbers have fewer digits, nearly all.
const USER_ID_MIN_DIGITS: usize = 14;
/// The shortest number elsewhere.
const MIN_DIGITS: usize = 13;

/// `<name> must not contain a card number`, where the text does.
///
/// # Errors
/// The sentence; it does not quote the text.
pub fn check(name: &str, text: &str) -> Result<(), String> {
    let least = if name == "userId" { USER_ID_MIN_DIGITS } else { MIN_DIGITS };
    if holds_card_number(text, least) { Err(format!("{name} must not contain a card number")) } else { Ok(()) }
}

/// Digits in a word from which on it may hold a card number.
const MAY_HOLD_DIGITS: usize = 12;

/// A caller's word as an answer may repeat it: short, nothing in it acts on whoever reads it, and of what may be a card number no
/// digit.
pub fn repeated(word: &str, chars: usize) -> String {
    let digits = word.chars().filter(|c| c.is_numeric()).count();
    let hidden = |c: char| if digits >= MAY_HOLD_DIGITS && c.is_numeric() { '*' } else { c };
    let short: String = word.chars().filter(|c| !c.is_control()).take(chars).map(hidden).collect();
    domain::visible::visible(&short, &[]).into_owned()
}

fn holds_card_number(text: &str, least: usize) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|found| at + found) {
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let mut end = start;
        while digit(end) || (matches!(bytes.get(end), Some(b' ' | b'-' | b'.' | b'_')) && digit(end + 1)) {
            end += 1;
        }
        let digits: String = text[start..end].chars().filter(char::is_ascii_digit).collect();
        let plausible = (least..=PAN_MAX_DIGITS).contains(&digits.len()) && card::luhn(&digits) && is_of_a_scheme(&digits);
        // A run within one of our ids or a digest is spared by what masks numbers.
        if plausible && (card::mask_numbers(text)[start..end] != text[start..end] || spelt_with(bytes, start, end)) {
            return true;
        }
        at = end;
    }
    false
}

/// Whether something stands between the digits that masking does not pass over.
fn spelt_with(bytes: &[u8], start: usize, end: usize) -> bool {
    bytes[start..end].iter().any(|byte| matches!(byte, b'.' | b'_'))
}

/// Whether numbers of this length and beginning are given out by a card scheme.
fn is_of_a_scheme(digits: &str) -> bool {
    let lead = |count: usize| digits.get(..count).and_then(|lead| lead.parse::<u32>().ok()).unwrap_or_default();
    let length = digits.len();
    match (lead(1), lead(2), lead(3), lead(4)) {
        (4, ..) => matches!(length, 13 | 16 | 19),
        (_, 51..=55, ..) | (.., 2200..=2204 | 2221..=2720) => length == 16,
        (_, 34 | 37, ..) => length == 15,
        (_, 36 | 38 | 39, ..) | (_, _, 300..=305 | 309, _) => matches!(length, 14 | 16 | 19),
        (.., 3528..=3589) => (16..=19).contains(&length),
        (_, 60 | 62 | 64 | 65 | 81 | 82, ..) => (16..=19).contains(&length),
        (_, 50 | 56..=59 | 61 | 63 | 66..=69, ..) => (16..=19).contains(&length),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_seen() {
        for number in [
            "4111111111111111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "30569309025904",
            "3530111333300000",
            "6011111111111117",
            "6250941006528599",
            "6759649826438453",
        ] {
            assert!(check("merchantReference", number).is_err(), "{number}");
            let split: Vec<String> = number.as_bytes().chunks(4).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
            for with in [" ", "-", ".", "_"] {
                let text = format!("order {} of May", split.join(with));
                assert!(check("merchantReference", &text).is_err(), "{text}");
            }
            assert!(check("merchantReference", &format!("REF{number}X")).is_err(), "{number}");
        }
        assert_eq!(check("userId", "u-4111111111111111").unwrap_err(), "userId must not contain a card number");
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "",
            "ORDER-REF-001",
            "user_123",
            "20261129192423000",
            "1764444263000000",
            "4111111111111112",
            "411111111111111",
            "41111111111111111111",
            "64a1f2b3c4d5e6f7a8b9c0d1",
            "411111111111111100000000",
            "60a74038-5b94-427e-8cff-411111111111",
            "4111 1111  1111 1111",
            "4111:1111:1111:1111",
            "0000000000000000",
        ] {
            assert_eq!(check("merchantReference", text), Ok(()), "{text}");
        }
        // A phone number.
        assert_eq!(check("userId", "4222222222222"), Ok(()));
    }

    #[test]
    fn of_ordinary_numbers_few_are_refused() {
        let mut state: u64 = 7;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 11
        };
        let refused =
            (0..20_000).filter(|_| check("merchantReference", &format!("{:016}", next() % 10_u64.pow(16))).is_err()).count();
        assert!(refused < 20_000 * 5 / 100, "{refused} of 20000 random numbers of 16 digits");
        let of_clocks = (0..20_000)
            .filter(|_| check("merchantReference", &format!("20261129{:08}", next() % 10_u64.pow(8))).is_err())
            .count();
        assert_eq!(of_clocks, 0);
    }
}
