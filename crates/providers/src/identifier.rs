//! Identifiers that callers choose (`merchantReference`, `userId`, an idempotency key, a brand's id) and what people write in
//! their own words (names, reasons) are kept, listed and sent on in the clear: a card number must not be among them.
//!
//! What looks like one: 13 to 19 digits, whole groups of which may have single blanks, dashes, dots, slashes, pluses or
//! underscores between them, with other groups of digits before and behind them or not, that begin as numbers of a card scheme
//! do, have a length that the scheme gives out, and end in the right check digit. Dates and clocks (`2026...`, `17...`), our ids,
//! UUIDs and digests are none of that, so that of ordinary order numbers hardly any is refused: of random ones of 16 digits about
//! one in twenty-five. Of 13 digits there is only Visa's old form, which does not count in a `userId`: that is often a phone
//! number.

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

/// Characters of our ids; digests have more.
const ID_CHARS: usize = 24;

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

/// Digits without anything between them; where they stand, bytes.
struct Group {
    digits: String,
    start: usize,
    end: usize,
}

/// What may stand between two groups of one number, once.
fn separates(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '-' | '.' | '_' | '+' | '/' | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}' | '\u{2010}'..='\u{2015}'
    )
}

/// A digit in any of the widths in which card numbers are typed.
fn digit(c: char) -> Option<char> {
    match c {
        '0'..='9' => Some(c),
        '\u{ff10}'..='\u{ff19}' => char::from_digit(u32::from(c) - 0xff10, 10),
        _ => None,
    }
}

/// The groups of digits of a text, those with one separator between them together.
fn runs(text: &str) -> Vec<Vec<Group>> {
    let mut runs: Vec<Vec<Group>> = Vec::new();
    // Other characters since the last digit, and whether all of them are one separator.
    let (mut between, mut joins) = (0, false);
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let Some(digit) = digit(c) else {
            joins = between == 0 && separates(c);
            between += 1;
            continue;
        };
        match runs.last_mut().and_then(|run| run.last_mut()) {
            Some(group) if between == 0 => {
                group.digits.push(digit);
                group.end = end;
            }
            Some(_) if joins => {
                if let Some(run) = runs.last_mut() {
                    run.push(Group { digits: digit.to_string(), start: at, end });
                }
            }
            _ => runs.push(vec![Group { digits: digit.to_string(), start: at, end }]),
        }
        (between, joins) = (0, false);
    }
    runs
}

fn holds_card_number(text: &str, least: usize) -> bool {
    runs(text).iter().any(|run| (0..run.len()).any(|first| begins_card_number(text, &run[first..], least)))
}

/// Whether the groups, or the first of them, are a card number.
fn begins_card_number(text: &str, groups: &[Group], least: usize) -> bool {
    let mut digits = String::new();
    for group in groups {
        digits.push_str(&group.digits);
        if digits.len() > PAN_MAX_DIGITS {
            return false;
        }
        let plausible = digits.len() >= least && card::luhn(&digits) && is_of_a_scheme(&digits);
        if plausible && !is_in_an_id(text, groups[0].start, group.end) {
            return true;
        }
    }
    false
}

/// Whether the stretch is part of one of our ids, a digest or a UUID.
fn is_in_an_id(text: &str, start: usize, end: usize) -> bool {
    let of_id = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
    let bytes = text.as_bytes();
    let before = bytes[..start].iter().rev().take_while(|byte| of_id(byte)).count();
    let behind = bytes[end..].iter().take_while(|byte| of_id(byte)).count();
    let around = &text[start - before..end + behind];
    around.split('-').any(|part| part.len() >= ID_CHARS && part.bytes().any(|byte| byte.is_ascii_alphabetic()))
        || uuid::Uuid::try_parse(around.trim_matches('-')).is_ok()
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
        for text in [
            "7-4111111111111111",
            "1 4111 1111 1111 1111",
            "2026-11-30 4111 1111 1111 1111",
            "4111 1111 1111 1111 12/30 737",
            "4111111111111111 1230",
            "0-5555555555554444",
            "2026-11-30-4111-1111-1111-1111",
            "invoice 7 4111111111111111",
            "4111+1111+1111+1111",
            "4111/1111/1111/1111",
            "4111\u{a0}1111\u{a0}1111\u{a0}1111",
            "4111\u{2013}1111\u{2013}1111\u{2013}1111",
            "\u{ff14}\u{ff11}\u{ff11}\u{ff11}111111111111",
        ] {
            assert!(check("merchantReference", text).is_err(), "{text}");
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
            "60a74038-5b94-4111-1111-111111111111",
            "a4111111111111111bc0d1e2f3a4b5c6",
            "2026-11-30 12:41:07",
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
