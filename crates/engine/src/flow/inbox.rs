//! What of a callback is kept.
//!
//! A callback is read once, in the bytes that came: that reading is stored beside them, so that what is masked of a card
//! provider's is masked after it was read.

use super::calls::guarded;
use domain::{Json, Money};
use providers::card::{CardData, mask_numbers};
use providers::{CallbackOutcome, Finding, Provider, Standing};
use std::borrow::Cow;
use store::repository::callbacks::Weight;

/// Fewer digits are no card number.
const PAN_MIN_DIGITS: usize = 12;

/// A callback as it came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) method: &'a str,
    pub(super) query: &'a str,
    /// Names in lower case, values as they came.
    pub(super) headers: &'a [(String, Vec<u8>)],
    pub(super) body: &'a [u8],
}

/// Headers as a provider reads them. A value that is no UTF-8 is read byte by byte, as HTTP once said: nothing of it is lost, and
/// it is read the same each time.
pub(super) fn as_text(headers: &[(String, Vec<u8>)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.clone(), text_of(value).into_owned())).collect()
}

fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

/// The bytes that [`text_of`] made this text of.
fn bytes_of(text: &str, was_utf8: bool) -> Vec<u8> {
    if was_utf8 { text.as_bytes().to_vec() } else { text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect() }
}

// --- what is kept -----------------------------------------------------------------------------

/// A stored callback, opened.
pub(super) struct Kept {
    method: String,
    query: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    reading: Option<Json>,
}

/// The bytes to be sealed: a line of JSON, then the body as it came.
pub(super) fn to_bytes(
    incoming: Incoming<'_>,
    outcome: &CallbackOutcome,
    provider: &'static dyn Provider,
    amount: Money,
) -> Vec<u8> {
    let of_card_provider = provider.descriptor().card_data != CardData::None;
    let masked = |bytes: &[u8]| {
        let text = text_of(bytes);
        bytes_of(&mask_numbers(&text), matches!(text, Cow::Borrowed(_)))
    };
    let (query, body) = if of_card_provider {
        let body = text_of(incoming.body);
        let masked = masked_body(&body, provider);
        (mask_numbers(incoming.query), Cow::Owned(bytes_of(&masked, matches!(body, Cow::Borrowed(_)))))
    } else {
        (incoming.query.to_owned(), Cow::Borrowed(incoming.body))
    };
    let headers = incoming.headers.iter().map(|(name, value)| {
        let value = if of_card_provider { hex::encode(masked(value)) } else { hex::encode(value) };
        Json::Array(vec![Json::text(&**name), Json::text(value)])
    });
    let mut document = Json::object([
        ("method", Json::text(incoming.method)),
        ("query", Json::text(&*query)),
        ("headers", Json::Array(headers.collect())),
    ]);
    let reading = reading_of(outcome).map(|reading| {
        let kept = Spared { haystack: format!("{query} {}", text_of(&body)), ours: amount.minor().to_string() };
        if of_card_provider { kept.mask(reading) } else { reading }
    });
    // A text with U+0000 is no JSON that is read again: such a callback is read anew from its bytes.
    if let Some(reading) = reading.filter(|reading| Json::parse(reading.to_text().as_bytes()).is_ok()) {
        document.set("reading", reading);
    }
    let mut bytes = document.to_text().into_bytes();
    bytes.push(b'\n');
    bytes.extend_from_slice(&body);
    bytes
}

impl Kept {
    /// From what was sealed; `None`: it is not to be understood.
    pub(super) fn of(plain: &[u8]) -> Option<Self> {
        let end = plain.iter().position(|byte| *byte == b'\n');
        let document = Json::parse(&plain[..end.unwrap_or(plain.len())]).ok()?;
        let text = |name: &str| document.str_at(name).unwrap_or_default().to_owned();
        let headers = match document.get("headers") {
            Some(Json::Array(pairs)) => pairs.iter().filter_map(header).collect(),
            // As it was kept before: an object of texts, and the body as hexadecimal digits in it.
            Some(Json::Object(pairs)) => {
                pairs.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.as_bytes().to_vec()))).collect()
            }
            _ => return None,
        };
        let body = match end {
            Some(end) => plain[end + 1..].to_vec(),
            None => hex::decode(document.str_at("body")?).ok()?,
        };
        Some(Self { method: text("method"), query: text("query"), headers, body, reading: document.get("reading").cloned() })
    }

    /// The bytes, to be read anew.
    pub(super) fn incoming(&self) -> Incoming<'_> {
        Incoming { method: &self.method, query: &self.query, headers: &self.headers, body: &self.body }
    }

    /// How it was read when it came, where that is stored.
    pub(super) fn outcome(&self) -> Option<CallbackOutcome> {
        let reading = self.reading.as_ref()?;
        if let Some(hint) = reading.get("hint") {
            return Some(CallbackOutcome::Hint(hint.clone()));
        }
        if let Some(text) = reading.str_at("anomaly") {
            return Some(CallbackOutcome::Anomaly(text.to_owned()));
        }
        let texts = |name: &str| {
            let texts = reading.get(name).and_then(Json::as_array).unwrap_or_default();
            texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let finding = Finding { notes: texts("notes"), anomalies: texts("anomalies"), ..Finding::unchanged() };
        Some(CallbackOutcome::Fact(Box::new(finding)))
    }
}

fn header(pair: &Json) -> Option<(String, Vec<u8>)> {
    let [name, value] = pair.as_array()? else { return None };
    Some((name.as_str()?.to_owned(), hex::decode(value.as_str()?).ok()?))
}

/// A reading as it is stored; `None`: it is read anew from the bytes.
fn reading_of(outcome: &CallbackOutcome) -> Option<Json> {
    let list = |texts: &[String]| Json::Array(texts.iter().map(|text| Json::text(&**text)).collect());
    match outcome {
        CallbackOutcome::Ignore => None,
        CallbackOutcome::Anomaly(text) => Some(Json::object([("anomaly", Json::text(&**text))])),
        CallbackOutcome::Hint(hint) => Some(Json::object([("hint", hint.clone())])),
        // One that only tells something.
        CallbackOutcome::Fact(finding)
            if finding.standing == Standing::Unchanged
                && finding.status.is_empty()
                && finding.psp_transaction_id.is_none()
                && finding.memo.is_none()
                && finding.turns.is_empty()
                && finding.given_back.is_none() =>
        {
            Some(Json::object([("notes", list(&finding.notes)), ("anomalies", list(&finding.anomalies))]))
        }
        CallbackOutcome::Fact(_) => None,
    }
}

/// What tells a callback from another one of the same transaction: the bytes, and how they were read (the same body may come
/// signed and unsigned).
pub(super) fn identity(incoming: Incoming<'_>, outcome: &CallbackOutcome) -> Vec<u8> {
    let read = match outcome {
        CallbackOutcome::Ignore => String::new(),
        CallbackOutcome::Anomaly(text) => format!("anomaly {text}"),
        CallbackOutcome::Hint(hint) => format!("hint {}", hint.to_text()),
        CallbackOutcome::Fact(finding) => format!("fact {finding:?}"),
    };
    let mut bytes = Vec::new();
    for part in [incoming.method.as_bytes(), incoming.query.as_bytes(), incoming.body, read.as_bytes()] {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// What a hint says beside what it wants to be seen: nothing else of it is to reach the provider's code.
pub(super) fn facts_of(hint: &Json) -> Json {
    let mut facts = hint.clone();
    facts.remove("note");
    facts.remove("anomaly");
    facts
}

pub(super) fn is_empty(facts: &Json) -> bool {
    facts.as_object().is_none_or(<[_]>::is_empty)
}

/// What it is worth while it waits.
pub(super) fn weight_of(outcome: &CallbackOutcome) -> Weight {
    match outcome {
        CallbackOutcome::Ignore | CallbackOutcome::Anomaly(_) => Weight::Seen,
        CallbackOutcome::Hint(hint) if is_empty(&facts_of(hint)) => Weight::Ask,
        CallbackOutcome::Hint(_) => Weight::Hint,
        CallbackOutcome::Fact(_) => Weight::Fact,
    }
}

// --- card numbers -----------------------------------------------------------------------------

/// A body without card numbers; references of the provider that look like one stay.
fn masked_body(text: &str, provider: &'static dyn Provider) -> String {
    // A pair of a form, or an element up to the next tag.
    let (separator, end_of_name) = if text.trim_start().starts_with('<') { ("<", '>') } else { ("&", '=') };
    let is_reference = |part: &&str| {
        let of_provider = |(name, value)| guarded(provider, || provider.is_reference(name, value), || false);
        part.split_once(end_of_name).is_some_and(of_provider)
    };
    if !text.split(separator).any(|part| is_reference(&part)) {
        return mask_numbers(text);
    }
    let parts = text.split(separator).map(|part| if is_reference(&part) { part.to_owned() } else { mask_numbers(part) });
    parts.collect::<Vec<_>>().join(separator)
}

/// The numbers that stay in a reading although they look like a card's: those that stay in the body, and our own amount.
struct Spared {
    haystack: String,
    ours: String,
}

impl Spared {
    fn mask(&self, json: Json) -> Json {
        match json {
            Json::String(text) => Json::String(self.text(&text)),
            Json::Number(literal) => {
                let masked = self.text(&literal);
                if masked == *literal { Json::Number(literal) } else { Json::String(masked) }
            }
            Json::Array(items) => Json::Array(items.into_iter().map(|item| self.mask(item)).collect()),
            Json::Object(pairs) => {
                Json::Object(pairs.into_iter().map(|(name, value)| (self.text(&name), self.mask(value))).collect())
            }
            other => other,
        }
    }

    /// Masking changes digits alone, each into one byte: both texts go side by side.
    fn text(&self, text: &str) -> String {
        let masked = mask_numbers(text);
        let mut result = masked.clone().into_bytes();
        let (before, after) = (text.as_bytes(), masked.as_bytes());
        let mut at = 0;
        while at < before.len() {
            let differs = |at: usize| before.get(at) != after.get(at);
            if !differs(at) {
                at += 1;
                continue;
            }
            let mut end = at;
            while end < before.len()
                && (differs(end) || (!before[end].is_ascii_digit() && differs(end + 1) && end + 1 < before.len()))
            {
                end += 1;
            }
            if self.stays(&text[at..end]) {
                result[at..end].copy_from_slice(&before[at..end]);
            }
            at = end;
        }
        String::from_utf8(result).unwrap_or(masked)
    }

    fn stays(&self, run: &str) -> bool {
        let known = |part: &str| part == self.ours || self.haystack.contains(part);
        let mut long = run.split([' ', '-', '+']).filter(|part| part.len() >= PAN_MIN_DIGITS).peekable();
        known(run) || (long.peek().is_some() && long.all(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Currency;

    #[test]
    fn references_stay_and_card_numbers_do_not() {
        let worldpay = providers::by_name("worldpay").unwrap();
        let body = "<a>4444333322221111</a><paymentTokenID>9902990299029902990</paymentTokenID><b c=\"4444333322221111\"/>";
        let masked = masked_body(body, worldpay);
        assert!(masked.contains("<paymentTokenID>9902990299029902990</paymentTokenID>"), "{masked}");
        assert!(!masked.contains("4444333322221111"), "{masked}");
        assert!(!masked_body("a=4444333322221111&b=1", worldpay).contains("4444333322221111"));
    }

    fn kept(provider: &str, body: &[u8], outcome: &CallbackOutcome) -> Kept {
        let provider = providers::by_name(provider).unwrap();
        let headers = [("x-odd".to_owned(), b"Caf\xe9 4444333322221111".to_vec()), ("x-odd".to_owned(), b"2".to_vec())];
        let incoming = Incoming { method: "POST", query: "a=4444333322221111", headers: &headers, body };
        let amount = Money::from_minor(123_456_789_012, Currency::from_code("JPY").unwrap());
        Kept::of(&to_bytes(incoming, outcome, provider, amount)).unwrap()
    }

    #[test]
    fn bytes_stay_bytes() {
        for body in [&b""[..], b"\n\n{\"a\":1}\n", b"\xff\x00\xfe", b"a=4444333322221111"] {
            let kept = kept("neosurf", body, &CallbackOutcome::Ignore);
            assert_eq!(
                (kept.incoming().body, kept.incoming().method, kept.incoming().query),
                (body, "POST", "a=4444333322221111")
            );
            assert_eq!(kept.incoming().headers[0].1, b"Caf\xe9 4444333322221111");
            assert_eq!(kept.incoming().headers.len(), 2);
            assert!(kept.outcome().is_none());
        }
    }

    #[test]
    fn a_card_number_is_masked_after_it_was_read() {
        let body = b"\xe9&pan=4444 3333 2222 1111&transactionreference=42-14-123456789012&baseamount=123456789012";
        let hint = r#"{"note":"4444333322221111","r":{"transactionreference":"42-14-123456789012","baseamount":"123456789012","n":4444333322221111}}"#;
        let kept = kept("trust", body, &CallbackOutcome::Hint(Json::parse(hint.as_bytes()).unwrap()));
        let stored = String::from_utf8_lossy(kept.incoming().body).into_owned();
        assert!(kept.incoming().body.starts_with(b"\xe9&pan=**** **** **** ****&"), "{stored}");
        assert!(!stored.contains("1111") && !kept.query.contains("1111") && !kept.headers[0].1.ends_with(b"1111"));
        let Some(CallbackOutcome::Hint(read)) = kept.outcome() else { panic!("another outcome") };
        assert_eq!(
            read.to_text(),
            r#"{"note":"****************","r":{"transactionreference":"42-14-123456789012","baseamount":"123456789012","n":"****************"}}"#
        );
    }

    #[test]
    fn what_was_kept_before_is_still_read() {
        let old = br#"{"method":"POST","query":"","headers":{"x-signature":"ab"},"body":"7b7d"}"#;
        let kept = Kept::of(old).unwrap();
        assert_eq!((kept.incoming().body, &*kept.headers[0].1), (&b"{}"[..], &b"ab"[..]));
    }
}
