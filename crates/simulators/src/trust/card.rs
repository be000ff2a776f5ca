//! What the payer pays with. A card number is looked at here, to choose the outcome, and goes no further: what is
//! kept of it is the brand and the masked form.

use crate::kit::is_in_id;

const PAN_DIGITS: std::ops::RangeInclusive<usize> = 12..=19;
/// Approve, by the provider's own documents.
const SIMULATED_VISA: &str = "4111110000000211";
const SIMULATED_MASTERCARD: &str = "5100000000000511";
/// Decline, by the provider's own documents.
const DECLINING: [&str; 2] = ["4242424242424242", "4000000000000002"];
/// Form fields of a card, should anyone send them where they do not belong.
const CARD_FIELDS: [&str; 6] = ["pan", "expirydate", "expirymonth", "expiryyear", "securitycode", "cvv"];
const BLANK: &str = "***";

/// A means of payment, without anything that must not be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paid {
    /// `paymenttypedescription`.
    pub(super) brand: &'static str,
    /// `411111######0211`.
    pub(super) masked: String,
    /// `walletsource`, for the two wallets.
    pub(super) wallet: Option<&'static str>,
    /// Whether the card is one that declines.
    pub(super) declines: bool,
}

impl Paid {
    /// The simulated Visa card: where nobody chooses.
    pub(super) fn by_default() -> Self {
        Self { brand: "VISA", masked: masked(SIMULATED_VISA), wallet: None, declines: false }
    }

    /// A choice of the page that needs no card number.
    pub(super) fn by_method(method: &str) -> Option<Self> {
        let visa = Self::by_default();
        Some(match method {
            "VISA" => visa,
            "MASTERCARD" => Self { brand: "MASTERCARD", masked: masked(SIMULATED_MASTERCARD), ..visa },
            "APPLEPAY" => Self { wallet: Some("APPLEPAY"), ..visa },
            "GOOGLEPAY" => Self { wallet: Some("GOOGLEPAY"), ..visa },
            _ => return None,
        })
    }

    /// A typed card number; `None` when it is none, or no Visa or Mastercard.
    pub(super) fn by_number(typed: &str) -> Option<Self> {
        let pan: String = typed.chars().filter(|character| !matches!(character, ' ' | '-')).collect();
        let whole = PAN_DIGITS.contains(&pan.len()) && pan.bytes().all(|byte| byte.is_ascii_digit()) && luhn(&pan);
        let brand = match pan.as_bytes().first() {
            Some(b'4') if whole => "VISA",
            Some(b'2' | b'5') if whole => "MASTERCARD",
            _ => return None,
        };
        Some(Self { brand, masked: masked(&pan), wallet: None, declines: DECLINING.contains(&pan.as_str()) })
    }
}

/// First six and last four digits, the rest as `#`.
fn masked(pan: &str) -> String {
    let hidden = pan.len().saturating_sub(10);
    format!("{}{}{}", &pan[..6], "#".repeat(hidden), &pan[pan.len() - 4..])
}

fn luhn(pan: &str) -> bool {
    let sum: u32 = pan
        .bytes()
        .rev()
        .map(|byte| u32::from(byte.wrapping_sub(b'0')))
        .enumerate()
        .map(|(index, digit)| match (index % 2 == 1, digit * 2) {
            (false, _) => digit,
            (true, double) if double > 9 => double - 9,
            (true, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A text as the calls log keeps it: card fields of a form blanked, and every run of digits that could be a card
/// number (spaces and dashes between them, plain or percent-encoded, included), unless it is part of an id.
pub(super) fn blanked(text: &str) -> String {
    without_numbers(&without_card_fields(text))
}

fn without_card_fields(text: &str) -> String {
    if !text.contains('=') {
        return text.to_owned();
    }
    let pieces = text.split('&').map(|piece| match piece.split_once('=') {
        Some((name, _)) if CARD_FIELDS.contains(&name.to_ascii_lowercase().as_str()) => format!("{name}={BLANK}"),
        _ => piece.to_owned(),
    });
    pieces.collect::<Vec<_>>().join("&")
}

/// A text without runs of digits that could be a card number.
pub(super) fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(start) = text[at..].find(|character: char| character.is_ascii_digit()).map(|offset| at + offset) {
        let (length, digits) = run_of(&text[start..]);
        let end = start + length;
        // A longer run with gaps may have a whole number behind one of them.
        let could_be = digits >= *PAN_DIGITS.start() && (digits <= *PAN_DIGITS.end() || length > digits);
        let hidden = could_be && !is_in_id(text.as_bytes(), start, end);
        out.push_str(&text[at..start]);
        out.push_str(if hidden { BLANK } else { &text[start..end] });
        at = end;
    }
    out.push_str(&text[at..]);
    out
}

/// The run of digits that a text begins with: its length in bytes, and how many digits it has.
fn run_of(text: &str) -> (usize, usize) {
    let (mut end, mut digits) = (0, 0);
    loop {
        let more = text[end..].bytes().take_while(u8::is_ascii_digit).count();
        end += more;
        digits += more;
        let gap = ["%20", "%2D", "%2d", " ", "-", "+"].into_iter().find(|gap| text[end..].starts_with(gap)).map_or(0, str::len);
        if gap == 0 || !text[end + gap..].starts_with(|character: char| character.is_ascii_digit()) {
            return (end, digits);
        }
        end += gap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_cards() {
        for (number, brand, masked, declines) in [
            ("4111110000000211", "VISA", "411111######0211", false),
            ("4111 1111 1111 1111", "VISA", "411111######1111", false),
            ("5100-0000-0000-0511", "MASTERCARD", "510000######0511", false),
            ("4242424242424242", "VISA", "424242######4242", true),
            ("4000000000000002", "VISA", "400000######0002", true),
        ] {
            let paid = Paid::by_number(number).unwrap();
            assert_eq!((paid.brand, paid.masked.as_str(), paid.declines), (brand, masked, declines), "{number}");
        }
        for bad in ["", "4111", "4111111111111112", "6011000990139424", "41111111111111x1"] {
            assert!(Paid::by_number(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn numbers_of_cards_are_blanked_and_nothing_else() {
        for (text, shown) in [
            ("pan=4111111111111111&expirydate=12/30&x=1", "pan=***&expirydate=***&x=1"),
            ("note=4111+1111+1111+1111", "note=***"),
            ("note=4111%201111%201111%201111&y", "note=***&y"),
            ("a%3D4111111111111111", "a%3D***"),
            ("{\"n\":\"4111-1111-1111-1111\"}", "{\"n\":\"***\"}"),
            ("orderreference=64a11234567890123456789f&z", "orderreference=64a11234567890123456789f&z"),
            ("name=A4111111111111111B&z", "name=A***B&z"),
            ("10000+4111111111111111", "***"),
            ("2026-01-02 03:05:11", "2026-01-02 03:05:11"),
            (
                "baseamount=10000&maskedpan=411111%23%23%23%23%23%230211",
                "baseamount=10000&maskedpan=411111%23%23%23%23%23%230211",
            ),
        ] {
            assert_eq!(blanked(text), shown);
        }
    }
}
