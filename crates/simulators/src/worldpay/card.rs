//! Cards: what a number is, what its holder's name asks for, what of it may be kept, and blanking of bodies.
//! Number and security code live in one request only: no type here that is kept holds them.

use serde::{Deserialize, Serialize};

use crate::kit::{Error, Tx, date_of, is_in_id};

const NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 12..=19;
/// Worldpay's published number that asks for a challenge.
const CHALLENGE_NUMBER: &str = "4000000000001091";
const BLANK: &str = "***";
/// Elements whose text never reaches the calls log.
const BLANKED: [&str; 2] = ["cardNumber", "cvc"];
/// The number that control calls and `--auto-settle` pay with (published, Visa).
pub(super) const DEMO_NUMBER: &str = "4444333322221111";

/// A card as it was sent; never kept.
pub(super) struct Card<'a> {
    pub(super) number: &'a str,
    pub(super) month: &'a str,
    pub(super) year: &'a str,
    pub(super) holder: &'a str,
    pub(super) cvc: Option<&'a str>,
}

/// What is kept of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Method code of the brand, `VISA-SSL` for one.
    pub(super) method: String,
    /// `4444********1111`.
    pub(super) masked: String,
    /// Two digits.
    pub(super) month: String,
    /// Four digits.
    pub(super) year: String,
}

/// What a published name or number asks for, where that is not plain approval (Worldpay sheet, Simulator).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    Refused { code: String },
    Error,
    Challenge,
}

impl Kept {
    /// The demo card, for control calls.
    pub(super) fn demo() -> Self {
        Self { method: "VISA-SSL".to_owned(), masked: masked(DEMO_NUMBER), month: "11".to_owned(), year: "2035".to_owned() }
    }
}

impl Card<'_> {
    /// Checks the card; the sentence of error 7 never quotes it.
    pub(super) fn check(&self, tx: &Tx<'_>) -> Result<Kept, &'static str> {
        if !NUMBER_DIGITS.contains(&self.number.len()) || !is_digits(self.number) || !luhn(self.number) {
            return Err("Invalid payment details : Card number : it is not a valid card number");
        }
        let month = self.month.parse::<u8>().ok().filter(|month| is_digits(self.month) && (1..=12).contains(month));
        let Some(month) = month.filter(|_| self.year.len() == 4 && is_digits(self.year)) else {
            return Err("Invalid payment details : Expiry date : it is not a month and a year");
        };
        let month = format!("{month:02}");
        if format!("{}{month}", self.year) < date_of(tx.now_ms, "%Y%m") {
            return Err("Invalid payment details : Card number : the card has expired");
        }
        if self.cvc.is_some_and(|cvc| !(3..=4).contains(&cvc.len()) || !is_digits(cvc)) {
            return Err("Invalid payment details : Security code : it must have 3 or 4 digits");
        }
        Ok(Kept { method: method_of(self.number).to_owned(), masked: masked(self.number), month, year: self.year.to_owned() })
    }

    /// What a published value asks for, if it is not plain approval.
    pub(super) fn wish(&self) -> Option<Wish> {
        match self.holder {
            "ERROR" => return Some(Wish::Error),
            "3DS_V2_CHALLENGE_IDENTIFIED" => return Some(Wish::Challenge),
            "REFUSED" => return Some(Wish::Refused { code: "5".to_owned() }),
            _ => {}
        }
        if let Some(code) = self.holder.strip_prefix("REFUSED").filter(|code| (1..=3).contains(&code.len()) && is_digits(code)) {
            let plain = code.trim_start_matches('0');
            return Some(Wish::Refused { code: if plain.is_empty() { "0" } else { plain }.to_owned() });
        }
        (self.number == CHALLENGE_NUMBER).then_some(Wish::Challenge)
    }
}

/// `ISO8583ReturnCode/@description` (the samples of the sheet).
pub(super) fn return_text(code: &str) -> &'static str {
    match code {
        "33" => "CARD EXPIRED",
        "34" => "FRAUD SUSPICION",
        "41" => "LOST CARD",
        "43" => "STOLEN CARD, PICK UP",
        "51" => "LIMIT EXCEEDED",
        "55" => "INVALID SECURITY CODE",
        "76" => "CARD BLOCKED",
        "85" => "REJECTED BY CARD ISSUER",
        "91" => "CREDITCARD ISSUER TEMPORARILY NOT REACHABLE",
        _ => "REFUSED",
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn luhn(number: &str) -> bool {
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match place % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn masked(number: &str) -> String {
    let end = number.len().saturating_sub(4);
    format!("{}{}{}", &number[..4.min(end)], "*".repeat(end.saturating_sub(4)), &number[end..])
}

/// The method code of a number's brand.
fn method_of(number: &str) -> &'static str {
    let prefix = |digits: usize| number.get(..digits).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    match prefix(2) {
        40..=49 => "VISA-SSL",
        51..=55 => "ECMC-SSL",
        34 | 37 => "AMEX-SSL",
        30 | 36 | 38 | 39 => "DINERS-SSL",
        35 => "JCB-SSL",
        _ if (2221..=2720).contains(&prefix(4)) => "ECMC-SSL",
        _ if prefix(4) == 6011 || prefix(2) == 65 => "DISCOVER-SSL",
        50 | 56..=69 => "MAESTRO-SSL",
        _ => "CARD-SSL",
    }
}

/// The methods of a mask in the order of the page: method code, name, whether it is a card brand.
pub(super) const METHODS: [(&str, &str, bool); 9] = [
    ("VISA-SSL", "Visa", true),
    ("ECMC-SSL", "Mastercard", true),
    ("MAESTRO-SSL", "Maestro", true),
    ("AMEX-SSL", "American Express", true),
    ("DINERS-SSL", "Diners", true),
    ("JCB-SSL", "JCB", true),
    ("DISCOVER-SSL", "Discover", true),
    ("APPLEPAY-SSL", "Apple Pay", false),
    ("PAYWITHGOOGLE-SSL", "Google Pay", false),
];

/// Whether a code of a mask is known.
pub(super) fn is_mask_code(code: &str) -> bool {
    matches!(code, "ALL" | "ONLINE" | "CARD-SSL") || METHODS.iter().any(|(known, _, _)| *known == code)
}

/// Whether a mask offers a method: a code of the method itself, every one, or any card.
pub(super) fn offers(included: &[String], excluded: &[String], method: &str) -> bool {
    let is_card = METHODS.iter().find(|(known, _, _)| *known == method).is_none_or(|(_, _, is_card)| *is_card);
    let names = |codes: &[String]| {
        codes.iter().any(|code| code == method || matches!(code.as_str(), "ALL" | "ONLINE") || (code == "CARD-SSL" && is_card))
    };
    names(included) && !names(excluded)
}

// --- tokens ---------------------------------------------------------------------------------------

/// A shopper's token (Worldpay sheet, Tokens).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) id: String,
    pub(super) expires_ms: i64,
    month: String,
    year: String,
}

/// A token lives four years.
const TOKEN_LIFE_MS: i64 = 4 * 365 * 86_400_000;

/// The token of a shopper's card: made when it is new, else found again (`CONFLICT`: the same card with another
/// expiry, which does not change the token). The number is told apart by what may be kept of it.
pub(super) fn token_for(tx: &Tx<'_>, account: &str, shopper: &str, card: &Kept) -> Result<(Token, &'static str), Error> {
    let key = format!("token.{}", tx.digest(&format!("{account} {shopper} {} {}", card.method, card.masked)));
    if let Some(token) = tx.load::<Token>(&key)? {
        let same = token.month == card.month && token.year == card.year;
        return Ok((token, if same { "MATCH" } else { "CONFLICT" }));
    }
    let id = uuid::Uuid::new_v4().to_string();
    let expires_ms = tx.now_ms + TOKEN_LIFE_MS;
    let token = Token { id, expires_ms, month: card.month.clone(), year: card.year.clone() };
    tx.insert(&key, &[], &token)?;
    Ok((token, "NEW"))
}

// --- blanking -------------------------------------------------------------------------------------

/// A body as the calls log may keep it: card elements blanked (a masked number stays), and whatever else looks
/// like a card number. Works on cut and on ill-formed text too.
pub(super) fn blanked(text: &str) -> String {
    let mut text = text.to_owned();
    for name in BLANKED {
        text = blank_element(&text, name);
    }
    mask_runs(&text)
}

fn blank_element(text: &str, name: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let opening = format!("<{name}");
    while let Some(at) = rest.find(&opening) {
        let (before, from) = rest.split_at(at + opening.len());
        out.push_str(before);
        // `<cvcX` is another element; `<cvc/>` has nothing in it.
        let tag_end = if from.starts_with(|sign: char| sign == '>' || sign.is_whitespace()) { from.find('>') } else { None };
        let Some(tag_end) = tag_end else {
            rest = from;
            continue;
        };
        let (tag, inside) = from.split_at(tag_end + 1);
        out.push_str(tag);
        let closing = format!("</{name}");
        let length = inside.find(&closing).unwrap_or(inside.len());
        let held = &inside[..length];
        out.push_str(if held.contains('*') && !held.contains("]]") { held } else { BLANK });
        rest = &inside[length..];
    }
    out.push_str(rest);
    out
}

/// Blanks every run of 12 to 19 digits (of 12 and more where single spaces or dashes are between them) that is not
/// part of an id, as our references are.
pub(super) fn mask_runs(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut kept_to, mut at) = (0, 0);
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let (mut end, mut digits) = (at + 1, 1);
        while end < bytes.len() {
            let separated = matches!(bytes[end], b' ' | b'-') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
            match bytes[end] {
                byte if byte.is_ascii_digit() => digits += 1,
                _ if separated => {}
                _ => break,
            }
            end += 1;
        }
        let could_be = digits >= *NUMBER_DIGITS.start() && (digits <= *NUMBER_DIGITS.end() || end - at > digits);
        if could_be && !is_in_id(bytes, at, end) {
            out.push_str(&text[kept_to..at]);
            out.push_str(BLANK);
            kept_to = end;
        }
        at = end;
    }
    out.push_str(&text[kept_to..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card<'a>(number: &'a str, holder: &'a str) -> Card<'a> {
        Card { number, month: "11", year: "2035", holder, cvc: None }
    }

    #[test]
    fn brands_and_masks() {
        for (number, method, shown) in [
            ("4444333322221111", "VISA-SSL", "4444********1111"),
            ("4911830000000", "VISA-SSL", "4911*****0000"),
            ("5454545454545454", "ECMC-SSL", "5454********5454"),
            ("2221000000000009", "ECMC-SSL", "2221********0009"),
            ("5163613613613613", "ECMC-SSL", "5163********3613"),
            ("6759649826438453", "MAESTRO-SSL", "6759********8453"),
            ("343434343434343", "AMEX-SSL", "3434*******4343"),
        ] {
            assert!(luhn(number), "{number}");
            assert_eq!((method_of(number), masked(number).as_str()), (method, shown));
        }
        assert!(!luhn("4444333322221112"));
    }

    #[test]
    fn published_values_ask_for_their_outcome() {
        let refused = |code: &str| Some(Wish::Refused { code: code.to_owned() });
        assert_eq!(card(DEMO_NUMBER, "REFUSED").wish(), refused("5"));
        assert_eq!(card(DEMO_NUMBER, "REFUSED51").wish(), refused("51"));
        assert_eq!(card(DEMO_NUMBER, "REFUSED05").wish(), refused("5"));
        assert_eq!(card(DEMO_NUMBER, "REFUSEDLY").wish(), None);
        assert_eq!(card(DEMO_NUMBER, "ERROR").wish(), Some(Wish::Error));
        assert_eq!(card(DEMO_NUMBER, "3DS_V2_CHALLENGE_IDENTIFIED").wish(), Some(Wish::Challenge));
        assert_eq!(card("4000000000001091", "John Doe").wish(), Some(Wish::Challenge));
        for plain in ["AUTHORISED", "3DS_V2_FRICTIONLESS_IDENTIFIED", "John Doe"] {
            assert_eq!(card(DEMO_NUMBER, plain).wish(), None);
        }
    }

    #[test]
    fn masks_offer_what_they_name() {
        let codes = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(offers(&codes("ALL"), &[], "APPLEPAY-SSL"));
        assert!(!offers(&codes("ALL"), &codes("APPLEPAY-SSL"), "APPLEPAY-SSL"));
        assert!(offers(&codes("CARD-SSL"), &[], "VISA-SSL"));
        assert!(!offers(&codes("CARD-SSL"), &[], "PAYWITHGOOGLE-SSL"));
        assert!(!offers(&codes("VISA-SSL ECMC-SSL"), &[], "AMEX-SSL"));
    }

    #[test]
    fn card_elements_are_blanked_wherever_they_are_cut() {
        let body = "<a orderCode=\"64a1f2b3c4d5e6f7a8b9c0d1\"><cardNumber>4444333322221111</cardNumber><cvc>123</cvc><cvcX>9</cvcX>\
                    <n>4444 3333-22221111</n><r>7457457457</r></a>";
        assert_eq!(
            blanked(body),
            "<a orderCode=\"64a1f2b3c4d5e6f7a8b9c0d1\"><cardNumber>***</cardNumber><cvc>***</cvc><cvcX>9</cvcX><n>***</n><r>7457457457</r></a>"
        );
        assert_eq!(blanked("<cvc a=\"1\"> <![CDATA[12*3]]></cvc>"), "<cvc a=\"1\">***</cvc>");
        assert_eq!(blanked("<x><cardNumber>44443333"), "<x><cardNumber>***");
        assert_eq!(blanked("<cardNumber>4444********1111</cardNumber>"), "<cardNumber>4444********1111</cardNumber>");
        assert_eq!(blanked("4444333322221111 1234567890"), "***");
        assert_eq!(blanked("<firstName>A4444333322221111B</firstName>"), "<firstName>A***B</firstName>");
        assert_eq!(blanked("id 64a11234567890123456789f end"), "id 64a11234567890123456789f end");
        assert_eq!(blanked("11111111-1111-4111-8111-111111111111"), "11111111-1111-4111-8111-111111111111");
        assert_eq!(blanked("id 123456789012345678901234 end"), "id 123456789012345678901234 end");
    }
}
