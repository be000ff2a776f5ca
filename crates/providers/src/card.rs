//! Cards (providers/common, Card data). Number and CVV live in the memory of one request, for the one upstream call, and are
//! wiped with the [`Card`]; what is kept is the brand, the first six, the last four and the expiry.

use crate::fields::Problems;
use domain::{Json, Timestamp};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// What a provider does with card data in a Cashier request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardData {
    /// It has nothing to do with cards.
    None,
    /// Cards are entered on the provider's page: a request with card data is refused, and what it held is forgotten.
    Refused,
    /// Some or all of its accounts take `card`.
    Taken,
}

/// Fewest digits of a card number.
pub const PAN_MIN_DIGITS: usize = 12;
/// Most digits of a card number.
pub const PAN_MAX_DIGITS: usize = 19;
/// The members of `card`.
pub const FIELDS: [&str; 5] = ["pan", "expMonth", "expYear", "cvv", "cardHolderName"];
/// How many years ahead a card may expire.
const YEARS_AHEAD_MAX: i64 = 20;
/// Longest word of a gateway's for a brand, characters.
const BRAND_MAX_CHARS: usize = 32;
/// What stands in a masked number's place.
const MASK: char = '*';

/// A card that may be paid with: checked, and wiped when dropped.
#[derive(Clone)]
pub struct Card {
    pan: Zeroizing<String>,
    cvv: Zeroizing<String>,
    holder: Zeroizing<String>,
    /// Two digits.
    pub exp_month: String,
    /// Four digits.
    pub exp_year: String,
}

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Card(..)")
    }
}

impl Card {
    /// The number, 12 to 19 digits, for the one call that needs it.
    pub fn pan(&self) -> &str {
        &self.pan
    }

    /// The CVV, 3 or 4 digits, for the one call that needs it.
    pub fn cvv(&self) -> &str {
        &self.cvv
    }

    /// The name on the card.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// What is kept of it, under the names of request fields.
    pub fn kept(&self) -> [(&'static str, String); 5] {
        let last_four = self.pan.len().saturating_sub(4);
        [
            ("card.brand", brand(&self.pan).to_owned()),
            ("card.first6", self.pan.chars().take(6).collect()),
            ("card.last4", self.pan[last_four..].to_owned()),
            ("card.expMonth", self.exp_month.clone()),
            ("card.expYear", self.exp_year.clone()),
        ]
    }

    /// Reads `card` of a request. What is wrong goes to the problems, in table order; no sentence quotes a value.
    pub(crate) fn read(card: &Json, now: Timestamp, problems: &mut Problems) -> Option<Self> {
        if !card.is_object() {
            problems.invalid.push("card must be an object".to_owned());
            return None;
        }
        let before = (problems.missing.len(), problems.invalid.len());
        let mut field = |name: &str| match card.get(name) {
            None | Some(Json::Null) => {
                problems.missing.push(format!("card.{name}"));
                None
            }
            Some(Json::String(text)) if text.is_empty() => {
                problems.missing.push(format!("card.{name}"));
                None
            }
            Some(Json::String(text)) => Some(text.as_str()),
            Some(_) => {
                problems.invalid.push(format!("card.{name} must be a string"));
                None
            }
        };
        let (pan, month, year) = (field("pan"), field("expMonth"), field("expYear"));
        let (cvv, holder) = (field("cvv"), field("cardHolderName"));
        // By what was sent: a number with a wrong digit is still of its brand.
        let mut lead = pan.unwrap_or_default().chars().filter(|c| !matches!(c, ' ' | '-'));
        let american = matches!((lead.next(), lead.next()), (Some('3'), Some('4' | '7')));
        let pan = pan.and_then(|text| read_pan(text, &mut problems.invalid));
        check_expiry(month, year, now, &mut problems.invalid);
        let length = if american { 4 } else { 3 };
        if cvv.is_some_and(|cvv| cvv.len() != length || !is_digits(cvv)) {
            problems.invalid.push(format!("card.cvv must be {length} digits"));
        }
        if let Some(holder) = holder {
            if !(2..=100).contains(&holder.chars().count()) {
                problems.invalid.push("card.cardHolderName must be 2 to 100 characters".to_owned());
            } else if holder.bytes().filter(u8::is_ascii_digit).count() >= PAN_MIN_DIGITS {
                problems.invalid.push("card.cardHolderName must not contain a card number".to_owned());
            }
        }
        if (problems.missing.len(), problems.invalid.len()) != before {
            return None;
        }
        Some(Self {
            pan: pan?,
            cvv: Zeroizing::new(cvv?.to_owned()),
            holder: Zeroizing::new(holder?.to_owned()),
            exp_month: month?.to_owned(),
            exp_year: year?.to_owned(),
        })
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn read_pan(text: &str, invalid: &mut Vec<String>) -> Option<Zeroizing<String>> {
    // Of the text's length from the start: growing would leave copies behind.
    let mut pan = Zeroizing::new(String::with_capacity(text.len()));
    pan.extend(text.chars().filter(|c| !matches!(c, ' ' | '-')));
    if !(PAN_MIN_DIGITS..=PAN_MAX_DIGITS).contains(&pan.len()) || !is_digits(&pan) {
        invalid.push("card.pan must be 12 to 19 digits".to_owned());
        return None;
    }
    if !luhn(&pan) {
        invalid.push("card.pan is not a valid card number".to_owned());
        return None;
    }
    Some(pan)
}

fn check_expiry(month: Option<&str>, year: Option<&str>, now: Timestamp, invalid: &mut Vec<String>) {
    let month_number = month.filter(|text| text.len() == 2 && is_digits(text)).and_then(|text| text.parse::<i64>().ok());
    let month_number = month_number.filter(|number| (1..=12).contains(number));
    if month.is_some() && month_number.is_none() {
        invalid.push("card.expMonth must be two digits from 01 to 12".to_owned());
    }
    let year_number = year.filter(|text| text.len() == 4 && is_digits(text)).and_then(|text| text.parse::<i64>().ok());
    if year.is_some() && year_number.is_none() {
        invalid.push("card.expYear must be four digits".to_owned());
    }
    let today = now.date_utc();
    let (Some(year), Ok(this_year), Ok(this_month)) = (year_number, today[..4].parse::<i64>(), today[5..7].parse::<i64>()) else {
        return;
    };
    // Good to the last day of its month.
    if month_number.is_some_and(|month| (year, month) < (this_year, this_month)) {
        invalid.push("card has expired".to_owned());
    } else if year > this_year + YEARS_AHEAD_MAX {
        invalid.push("card.expYear is too far in the future".to_owned());
    }
}

/// The check digit of card numbers (ISO/IEC 7812-1).
pub(crate) fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Leading six digits of the schemes' numbers, from and to, as the schemes publish them. The first that fits: the narrow ranges
/// of national schemes lie within the wide ones behind them.
const BRANDS: [(u32, u32, &str); 61] = [
    (401_178, 401_179, "ELO"),
    (431_274, 431_274, "ELO"),
    (438_935, 438_935, "ELO"),
    (451_416, 451_416, "ELO"),
    (457_393, 457_393, "ELO"),
    (457_631, 457_632, "ELO"),
    (504_175, 504_175, "ELO"),
    (506_699, 506_778, "ELO"),
    (509_000, 509_999, "ELO"),
    (627_780, 627_780, "ELO"),
    (636_297, 636_297, "ELO"),
    (636_368, 636_368, "ELO"),
    (650_031, 650_033, "ELO"),
    (650_035, 650_051, "ELO"),
    (650_405, 650_439, "ELO"),
    (650_485, 650_538, "ELO"),
    (650_541, 650_598, "ELO"),
    (650_700, 650_718, "ELO"),
    (650_720, 650_727, "ELO"),
    (650_901, 650_978, "ELO"),
    (651_652, 651_679, "ELO"),
    (655_000, 655_019, "ELO"),
    (655_021, 655_058, "ELO"),
    (384_100, 384_100, "HIPERCARD"),
    (384_140, 384_140, "HIPERCARD"),
    (384_160, 384_160, "HIPERCARD"),
    (606_282, 606_282, "HIPERCARD"),
    (637_095, 637_095, "HIPERCARD"),
    (637_568, 637_568, "HIPERCARD"),
    (637_599, 637_599, "HIPERCARD"),
    (637_609, 637_609, "HIPERCARD"),
    (637_612, 637_612, "HIPERCARD"),
    (506_099, 506_198, "VERVE"),
    (507_865, 507_964, "VERVE"),
    (650_002, 650_027, "VERVE"),
    (508_500, 508_999, "RUPAY"),
    (606_985, 607_984, "RUPAY"),
    (608_001, 608_500, "RUPAY"),
    (652_150, 653_149, "RUPAY"),
    (820_000, 829_999, "RUPAY"),
    (501_900, 501_999, "DANKORT"),
    (220_000, 220_499, "MIR"),
    (222_100, 272_099, "MASTERCARD"),
    (510_000, 559_999, "MASTERCARD"),
    (340_000, 349_999, "AMEX"),
    (370_000, 379_999, "AMEX"),
    (300_000, 305_999, "DINERS"),
    (309_500, 309_599, "DINERS"),
    (360_000, 369_999, "DINERS"),
    (380_000, 399_999, "DINERS"),
    (352_800, 358_999, "JCB"),
    // Discover takes some of them too; they are UnionPay's.
    (620_000, 629_999, "UNIONPAY"),
    (810_000, 819_999, "UNIONPAY"),
    (601_100, 601_199, "DISCOVER"),
    (644_000, 649_999, "DISCOVER"),
    (650_000, 659_999, "DISCOVER"),
    (400_000, 499_999, "VISA"),
    (500_000, 509_999, "MAESTRO"),
    (560_000, 599_999, "MAESTRO"),
    (600_000, 643_999, "MAESTRO"),
    (660_000, 699_999, "MAESTRO"),
];

/// The brand where the leading digits say none.
pub(crate) const UNKNOWN_BRAND: &str = "UNKNOWN";

/// The brand by the leading digits; `UNKNOWN` where they say none.
pub fn brand(pan: &str) -> &'static str {
    let lead = pan.get(..6).and_then(|text| text.parse::<u32>().ok()).unwrap_or_default();
    BRANDS.iter().find(|(from, to, _)| (*from..=*to).contains(&lead)).map_or(UNKNOWN_BRAND, |(.., brand)| brand)
}

/// The brand that is kept, else the gateway's own word for it, in capitals.
pub(crate) fn brand_or<'a>(kept: &'a str, gateways: Option<&str>) -> Cow<'a, str> {
    let is_word = |word: &&str| {
        (2..=BRAND_MAX_CHARS).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" _-".contains(&byte))
    };
    match gateways.filter(is_word).filter(|_| kept == UNKNOWN_BRAND) {
        Some(word) => Cow::Owned(mask_numbers(word).to_ascii_uppercase()),
        None => Cow::Borrowed(kept),
    }
}

/// Masks every run of 12 digits or more, single spaces (`+` in a form) or dashes between them included; a longer run than a card
/// number may hold one, with its expiry or CVV behind it. Ids and digests are spared: a run inside a word of 24, 32, 40, 64 or
/// 128 hexadecimal digits, or of a UUID.
pub fn mask_numbers(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            let next = (at + 1..=bytes.len()).find(|next| text.is_char_boundary(*next)).unwrap_or(bytes.len());
            masked.push_str(&text[at..next]);
            at = next;
            continue;
        }
        let end = end_of_run(bytes, at);
        let digits = bytes[at..end].iter().filter(|byte| byte.is_ascii_digit()).count();
        if digits >= PAN_MIN_DIGITS && !is_id(bytes, at, end) {
            masked.extend(bytes[at..end].iter().map(|byte| if byte.is_ascii_digit() { MASK } else { char::from(*byte) }));
        } else {
            masked.push_str(&text[at..end]);
        }
        at = end;
    }
    masked
}

/// Where the run of digits with single separators ends that begins here.
fn end_of_run(bytes: &[u8], start: usize) -> usize {
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = start;
    while digit(end) || (matches!(bytes.get(end), Some(b' ' | b'-' | b'+')) && digit(end + 1)) {
        end += 1;
    }
    end
}

/// Whether the run is part of one of our ids or of a gateway's.
fn is_id(bytes: &[u8], start: usize, end: usize) -> bool {
    let hex_or_dash = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
    let from = bytes[..start].iter().rposition(|byte| !hex_or_dash(byte)).map_or(0, |at| at + 1);
    let to = bytes[end..].iter().position(|byte| !hex_or_dash(byte)).map_or(bytes.len(), |at| end + at);
    let word = &bytes[from..to];
    if !word.iter().all(hex_or_dash) {
        return false;
    }
    let dashes = word.iter().filter(|byte| **byte == b'-').count();
    match dashes {
        // Ours, a gateway's; digests in hexadecimal, by which a kept notification is still proven.
        0 => matches!(word.len(), 24 | 32 | 40 | 64 | 128),
        4 => word.len() == 36 && [8, 13, 18, 23].iter().all(|at| word[*at] == b'-'),
        _ => false,
    }
}

/// [`mask_numbers`] in every text, key and number of a document.
pub fn mask_json(json: Json) -> Json {
    match json {
        Json::String(text) => Json::String(mask_numbers(&text)),
        Json::Number(literal) if mask_numbers(&literal) != *literal => Json::text(mask_numbers(&literal)),
        Json::Array(items) => Json::Array(items.into_iter().map(mask_json).collect()),
        Json::Object(pairs) => {
            Json::Object(pairs.into_iter().map(|(key, value)| (mask_numbers(&key), mask_json(value))).collect())
        }
        other => other,
    }
}

/// Elements of XML answers that hold what belongs to a card (eMerchantPay sheet, "sale3d").
const CARD_ELEMENTS: [&str; 5] = ["card_number", "cvv", "card_holder", "expiration_month", "expiration_year"];

/// What a card provider answered, as it may be shown: card elements blanked, numbers masked.
pub(crate) fn without_card(raw: Json) -> Json {
    match raw {
        Json::String(text) => Json::String(mask_numbers(&blanked(&text))),
        other => mask_json(other),
    }
}

/// The text without what stands in card elements, also where the document is cut.
fn blanked(text: &str) -> String {
    CARD_ELEMENTS.iter().fold(text.to_owned(), |text, name| {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let mut pieces = text.split(&open);
        let mut kept = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            kept.push_str(&open);
            kept.push_str(piece.find(&close).map_or("", |at| &piece[at..]));
        }
        kept
    })
}

/// Names under which card data would come to a provider that refuses it.
const CARD_KEYS: [&str; 4] = ["card", "pan", "expiry", "cvv"];

/// The paths of all keys that would hold card data, whatever their case, depth and value.
pub fn card_keys(document: &Json) -> Vec<String> {
    let mut found = Vec::new();
    collect(document, "", &mut found);
    found
}

fn collect(json: &Json, path: &str, found: &mut Vec<String>) {
    match json {
        Json::Object(pairs) => {
            for (key, value) in pairs {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                if CARD_KEYS.iter().any(|name| key.eq_ignore_ascii_case(name)) {
                    found.push(mask_numbers(&path));
                }
                collect(value, &path, found);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
