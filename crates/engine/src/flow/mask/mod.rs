//! Taking secrets out of what a provider said, before it is kept, logged or shown: a provider that echoes gives nothing away.
//!
//! What is looked for is what was really sent: the account's secrets, the order's, the bearer headers of the calls, the callback
//! address, the card while its call runs. It is found in every form of providers/common, "Reading a provider's answers": both
//! sides are reduced to their letters and digits in lower case, after escapes were taken off (`letters`), so that case,
//! separators, folding and escaping do not matter; and the forms that encode bytes anew (base64, hexadecimal) are needles of
//! their own.
//!
//! **What stays readable.** A text of eight letters and digits or more is found anywhere, in parts of words and across blanks. A
//! shorter one (from four on; a CVV from three) only as whole words, however they are broken up, for it would blank out parts of
//! ordinary ones; a CVV also in a short word (`CVV123`), and anywhere together with the element or member that it is sent in. One
//! that is shorter still is not looked for by itself: nobody is kept out by three letters, and its base64 as part of a Basic pair
//! is found as what was sent.
//!
//! **What it costs.** A text is looked at closely only where it has what a needle begins with ([`Beginnings`]); nearly none has.
//! `tests::cost` measures it.

mod letters;

use self::letters::Letters;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use domain::Json;
use providers::card::Card;
use providers::descriptor::StatusRow;
use providers::{CashierAnswer, Finding, Refusal};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// What stands in the place of a secret.
const MASK: &str = "***";
/// From so many letters and digits on a secret is found anywhere.
const ANYWHERE_MIN: usize = 8;
/// Shorter ones are not looked for.
const WORDS_MIN: usize = 4;
/// A secret that is nearly all punctuation is looked for as it is written, from so many characters on.
const VERBATIM_MIN: usize = 6;
/// A text as long as this may have been cut: the beginning of a secret at its end counts too, from [`ANYWHERE_MIN`] letters and
/// digits on.
const PERHAPS_CUT_CHARS: usize = 60;
/// Most bytes that stand before others in the same group of base64.
const SHIFTS_MAX: usize = 2;
/// Characters of a callback token.
const TOKEN_CHARS: usize = 43;
/// After the words of a callback address, so many of its token's characters make it one.
const TOKEN_PART_MIN: usize = 16;

/// The elements in which card providers are sent a CVV: eMerchantPay's, Worldpay's.
const CVV_ELEMENTS: [&str; 2] = ["cvv", "cvc"];
/// Names that gateways have for it in JSON of their own.
const CVV_MEMBERS: [&str; 5] = ["cvv", "cvc", "cvv2", "cvc2", "securityCode"];

/// How a needle is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Its letters and digits, whatever stands between them.
    Anywhere,
    /// From the beginning of a word to the end of one.
    Words,
    /// Character for character, in either case.
    Verbatim,
    /// Part of something encoded: all of that goes.
    Encoded,
    /// The beginning of an address of ours: the token behind it goes too.
    Address,
}

struct Needle {
    text: Zeroizing<String>,
    way: Way,
    /// A card's CVV: not looked for in numbers and ids, which three digits would spoil.
    short: bool,
}

/// Everything that must not be seen of one transaction.
pub(crate) struct Masker {
    needles: Vec<Needle>,
    beginnings: Beginnings,
}

/// Bytes of a needle's beginning by which it is looked for first.
const BEGINNING: usize = 3;
/// Beginnings are told apart by so many bits.
const BEGINNING_BITS: u32 = 12;

/// With what the needles begin, as a set of bits: nearly every text has none of it, and is not looked at any closer.
struct Beginnings {
    bits: [u64; 1 << (BEGINNING_BITS - 6)],
    /// A needle has no beginning of letters: every text is looked at closely.
    every_text: bool,
}

impl Beginnings {
    const NONE: Self = Self { bits: [0; 1 << (BEGINNING_BITS - 6)], every_text: false };

    /// The word of the set and the bit in it.
    fn place(beginning: [u8; BEGINNING]) -> (usize, u64) {
        let [one, two, three] = beginning.map(u32::from);
        // Fibonacci hashing: the upper bits of the product are spread.
        let spread = (one << 16 | two << 8 | three).wrapping_mul(0x9E37_79B1) >> (u32::BITS - BEGINNING_BITS);
        ((spread >> 6) as usize, 1 << (spread & 63))
    }

    fn add(&mut self, needle: &Needle) {
        match needle.text.as_bytes().first_chunk() {
            Some(beginning) if needle.way != Way::Verbatim => {
                let (word, bit) = Self::place(*beginning);
                self.bits[word] |= bit;
            }
            _ => self.every_text = true,
        }
    }

    /// Whether a needle begins in these letters, as far as its first ones go, or is cut off by their end.
    fn any_in(&self, letters: &str, needles: &[Needle]) -> bool {
        let bytes = letters.as_bytes();
        let begins = |at: usize| {
            let rest = &bytes[at..];
            needles.iter().any(|needle| {
                let needle = needle.text.as_bytes();
                rest.starts_with(needle) || rest.len() >= ANYWHERE_MIN && needle.starts_with(rest)
            })
        };
        bytes.windows(BEGINNING).enumerate().any(|(at, window)| {
            let (word, bit) = window.first_chunk().map_or((0, 0), |beginning| Self::place(*beginning));
            self.bits[word] & bit != 0 && begins(at)
        })
    }
}

impl Masker {
    /// A masker of what it is told, and nothing else.
    pub(crate) fn of_nobodys_calls() -> Self {
        Self { needles: Vec::new(), beginnings: Beginnings::NONE }
    }

    /// A masker of the addresses to which this provider calls back.
    pub(super) fn new(provider: &str) -> Self {
        let mut masker = Self::of_nobodys_calls();
        let address = format!("/callbacks/{provider}/");
        masker.add(&letters::plain(&address), Way::Address);
        masker.encoded(address.as_bytes(), false);
        masker
    }

    fn add(&mut self, text: &str, way: Way) {
        if !text.is_empty() && !self.needles.iter().any(|needle| needle.way == way && *needle.text == text) {
            self.push(Needle { text: Zeroizing::new(text.to_owned()), way, short: false });
        }
    }

    fn push(&mut self, needle: Needle) {
        self.beginnings.add(&needle);
        self.needles.push(needle);
    }

    /// Looks for this too, in every form.
    pub(crate) fn secret(&mut self, secret: &str) {
        self.forms(secret, false);
    }

    /// `short`: a CVV, which is looked for although it is short, but not everywhere.
    fn forms(&mut self, secret: &str, short: bool) {
        let words_min = if short { secret.len().max(1) } else { WORDS_MIN };
        // As it is written; and as it would be without its own escapes, for a text in which those were taken off with others.
        let mut reading = Letters::of(secret);
        loop {
            let plain = Zeroizing::new(reading.text.clone());
            let count = plain.chars().count();
            if count >= ANYWHERE_MIN {
                self.add(&plain, Way::Anywhere);
            } else if count >= words_min {
                self.words(&reading, short);
            } else if secret.chars().count() >= VERBATIM_MIN {
                self.add(&secret.to_lowercase(), Way::Verbatim);
            }
            match reading.unescaped() {
                Some(less) => reading = less,
                None => break,
            }
        }
        if secret.len() >= words_min {
            self.encoded(secret.as_bytes(), short);
        }
    }

    fn words(&mut self, reading: &Letters, short: bool) {
        self.push(Needle { text: Zeroizing::new(reading.text.clone()), way: Way::Words, short });
    }

    /// The forms that encode the bytes anew, also where they are in the middle of something longer.
    fn encoded(&mut self, bytes: &[u8], short: bool) {
        let hex = Zeroizing::new(hex::encode(bytes));
        let whole = Zeroizing::new(STANDARD_NO_PAD.encode(bytes));
        for (text, plain) in [(&hex, hex.clone()), (&whole, Zeroizing::new(letters::plain(&whole)))] {
            if plain.len() >= ANYWHERE_MIN {
                self.add(&plain, Way::Encoded);
            } else if plain.len() >= WORDS_MIN {
                self.words(&Letters::of(text), short);
            }
        }
        let mut shifted = Zeroizing::new(Vec::with_capacity(bytes.len() + SHIFTS_MAX));
        let mut encoded = Zeroizing::new(String::with_capacity((bytes.len() + SHIFTS_MAX).div_ceil(3) * 4));
        for before in 0..=SHIFTS_MAX {
            // Of the bytes' own bits alone: what stands before and behind them is not known.
            shifted.clear();
            shifted.resize(before, 0);
            shifted.extend_from_slice(bytes);
            encoded.clear();
            STANDARD_NO_PAD.encode_string(&*shifted, &mut encoded);
            let start = (before * 8).div_ceil(6);
            let end = shifted.len() * 8 / 6;
            if let Some(own) = encoded.get(start..end) {
                let plain = Zeroizing::new(letters::plain(own));
                if plain.len() >= ANYWHERE_MIN {
                    self.add(&plain, Way::Encoded);
                }
            }
        }
    }

    /// The value of a bearer header as it was sent, also without its scheme.
    pub(super) fn header(&mut self, value: &str) {
        // `Basic abc`, `machine=abc`.
        let bare = value.split_once(' ').map_or(value, |(_, bare)| bare);
        self.secret(bare);
        if let Some((_, value)) = bare.split_once('=') {
            self.secret(value);
        }
    }

    /// An address of ours with its token.
    pub(super) fn address(&mut self, url: &str) {
        if let Some(token) = url.split('/').find(|part| part.len() == TOKEN_CHARS) {
            self.secret(token);
        }
    }

    /// Number, CVV and holder of a card. A holder by the name of one of the provider's own words is that word wherever it stands.
    pub(super) fn card(&mut self, card: &Card, known: &[StatusRow]) {
        self.secret(card.pan());
        if !known.iter().any(|row| row.word.eq_ignore_ascii_case(card.holder())) {
            self.secret(card.holder());
        }
        self.forms(card.cvv(), true);
        // With what it stands in where it is sent it is long enough to be found broken up and in the middle of something encoded.
        for name in CVV_ELEMENTS {
            self.secret(&Zeroizing::new(format!("<{name}>{}</{name}>", card.cvv())));
        }
        self.cvv_in_json(card.cvv());
    }

    /// A CVV as it stands in JSON that is encoded as a whole.
    fn cvv_in_json(&mut self, cvv: &str) {
        for (name, colon) in CVV_MEMBERS.into_iter().flat_map(|name| [(name, ":"), (name, ": ")]) {
            self.encoded(Zeroizing::new(format!("\"{name}\"{colon}\"{cvv}\"")).as_bytes(), false);
            self.encoded(Zeroizing::new(format!("\"{name}\"{colon}{cvv}")).as_bytes(), false);
        }
    }

    /// The text without secrets.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.masked(text, true)
    }

    /// The same for a word, an id or a number, which three digits of a CVV would spoil.
    fn word<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.masked(text, false)
    }

    /// Whether it is worth while to look closely. Never says no where a needle would be found.
    fn may_hold_one(&self, text: &str) -> bool {
        let holds = |letters: &str| self.beginnings.any_in(letters, &self.needles);
        if self.beginnings.every_text || holds(&letters::plain(text)) {
            return true;
        }
        if !letters::may_be_escaped(text) {
            return false;
        }
        let mut readings = std::iter::successors(Letters::of(text).unescaped(), Letters::unescaped);
        readings.any(|reading| holds(&reading.text))
    }

    fn masked<'a>(&self, text: &'a str, short_too: bool) -> Cow<'a, str> {
        if self.may_hold_one(text) { self.masked_closely(text, short_too) } else { Cow::Borrowed(text) }
    }

    fn masked_closely<'a>(&self, text: &'a str, short_too: bool) -> Cow<'a, str> {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        let mut reading = Some(Letters::of(text));
        while let Some(letters) = reading {
            for needle in self.needles.iter().filter(|needle| short_too || !needle.short) {
                needle.find(&letters, &mut spans);
            }
            reading = letters.unescaped();
        }
        if spans.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(replaced(text, spans)) }
    }

    /// The document without secrets, in every text, key and number.
    pub(super) fn json(&self, json: Json) -> Json {
        self.document(json, true, None)
    }

    /// `kept`: an address that stays as it is.
    fn document(&self, json: Json, short_too: bool, kept: Option<&str>) -> Json {
        match json {
            Json::String(text) if kept == Some(text.as_str()) => Json::String(text),
            Json::String(text) => match self.masked(&text, short_too) {
                Cow::Borrowed(_) => Json::String(text),
                Cow::Owned(masked) => Json::String(masked),
            },
            Json::Number(literal) if matches!(self.word(&literal), Cow::Owned(_)) => Json::text(MASK),
            Json::Array(items) => Json::Array(items.into_iter().map(|item| self.document(item, short_too, kept)).collect()),
            Json::Object(pairs) => {
                let pair = |(key, value): (String, Json)| {
                    (self.masked(&key, short_too).into_owned(), self.document(value, short_too, kept))
                };
                Json::object(pairs.into_iter().map(pair))
            }
            other => other,
        }
    }

    /// What was found, without secrets. The address of the payer's page stays as it is: see [`Masker::spoils`].
    pub(super) fn finding(&self, finding: &mut Finding) {
        let change = |text: &mut String, short_too: bool| {
            let masked = match self.masked(text, short_too) {
                Cow::Owned(masked) => Some(masked),
                Cow::Borrowed(_) => None,
            };
            if let Some(masked) = masked {
                *text = masked;
            }
        };
        for word in std::iter::once(&mut finding.status).chain(&mut finding.psp_transaction_id) {
            change(word, false);
        }
        for text in finding.anomalies.iter_mut().chain(&mut finding.notes).chain(&mut finding.message) {
            change(text, true);
        }
        match &mut finding.answer {
            Some(CashierAnswer::Success { message, data, redirect_url }) => {
                change(message, true);
                let whole = std::mem::replace(data, Json::Null);
                *data = self.document(whole, false, redirect_url.as_deref());
            }
            Some(CashierAnswer::Declined { message, data }) => {
                change(message, true);
                *data = data.take().map(|data| self.json(data));
            }
            None => {}
        }
    }

    /// What a refusal shows, without secrets.
    pub(super) fn refusal(&self, refusal: &mut Refusal) {
        refusal.data = refusal.data.take().map(|data| self.json(data));
        refusal.anomaly = refusal.anomaly.take().map(|text| self.text(&text).into_owned());
    }

    /// Whether the address of the payer's page holds a secret: it cannot be masked, and is not handed out.
    pub(super) fn spoils(&self, finding: &Finding) -> bool {
        match &finding.answer {
            Some(CashierAnswer::Success { redirect_url: Some(url), .. }) => matches!(self.word(url), Cow::Owned(_)),
            _ => false,
        }
    }
}

impl Needle {
    fn find(&self, letters: &Letters, spans: &mut Vec<(usize, usize)>) {
        if self.way == Way::Verbatim {
            letters.find_verbatim(&self.text, spans);
            return;
        }
        let mut from = 0;
        while let Some(at) = letters.text[from..].find(&**self.text).map(|at| from + at) {
            let (start, end) = (at, at + self.text.len());
            from = end;
            match self.way {
                Way::Anywhere | Way::Verbatim => spans.push(letters.span(start, end)),
                Way::Words if letters.are_words(start, end, self.short) => spans.push(letters.span(start, end)),
                // The next place may overlap this one.
                Way::Words => from = start + self.text.chars().next().map_or(1, char::len_utf8),
                Way::Encoded => spans.push(letters.encoded_span(start, end)),
                Way::Address => spans.extend(letters.address_span(start, end, TOKEN_PART_MIN, TOKEN_CHARS)),
            }
        }
        if matches!(self.way, Way::Anywhere | Way::Encoded) && letters.count() >= PERHAPS_CUT_CHARS {
            let beginnings = (ANYWHERE_MIN..self.text.len()).rev().filter_map(|length| self.text.get(..length));
            if let Some(cut) = beginnings.into_iter().find(|beginning| letters.text.ends_with(beginning)) {
                let end = letters.text.len();
                spans.push(letters.span(end - cut.len(), end));
            }
        }
    }
}

/// The text with the mask in place of the spans.
fn replaced(text: &str, mut spans: Vec<(usize, usize)>) -> String {
    spans.sort_unstable();
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end) in spans {
        if start >= at {
            masked.push_str(&text[at..start]);
            masked.push_str(MASK);
        }
        at = at.max(end);
    }
    masked.push_str(&text[at..]);
    masked
}

#[cfg(test)]
mod tests;
