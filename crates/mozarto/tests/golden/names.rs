//! What differs from run to run gets a name: the same one wherever it stands, so that a transcript still says what belongs
//! together.

use regex::{Captures, Regex};
use std::collections::HashMap;

/// In this order: the longer form before what it contains.
const KINDS: [(&str, &str); 10] = [
    ("elapsed", r#""(?:ms|latencyMs)":\d+"#),
    // Made up for one call, and said beside its name: all are shown alike.
    ("nonce", r#"(?:requestreference|secrand)"?[:=] ?"?[A-Za-z0-9]+"#),
    ("time", r"\d{4}-\d\d-\d\d(?:T|%20| |\+)\d\d(?::|%3A)\d\d(?::|%3A)\d\d(?:\.\d+)?(?:Z|(?:\+|%2B)00(?::|%3A)?00)?"),
    // A digest and the nonce that it is over: made up for each call.
    ("signed", r":[0-9a-f]{64}:[0-9a-f]{32}\b"),
    ("uuid", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    ("base64", r"[A-Za-z0-9+/]{20,}={1,2}"),
    ("token", r"[A-Za-z0-9_-]{20,}"),
    ("epoch", r"\b1[789]\d{8}(?:\d{3})?(?:\.\d+)?\b"),
    ("short", r"\b[A-Z]{2}\d{6}[A-Z]{2}\b"),
    ("parts", r"\b\d{2}-\d{3}-\d{7}\b"),
];

/// Words of the demo accounts: the same in every run.
const CONSTANT: [&str; 4] = ["demo", "mozarto", "sandbox", "example"];

/// Letters of both cases, this many and more in a row, are nobody's name.
const RANDOM_CHARS_MIN: usize = 30;

/// The names given so far, in the order in which what they stand for was met.
#[derive(Debug)]
pub(crate) struct Names {
    known: Vec<(String, String)>,
    given: HashMap<String, String>,
    counts: HashMap<&'static str, usize>,
    pattern: Regex,
}

impl Names {
    pub(crate) fn new() -> Self {
        let kinds = KINDS.map(|(name, pattern)| format!("(?P<{name}>{pattern})"));
        let pattern = Regex::new(&kinds.join("|")).expect("a pattern");
        Self { known: Vec::new(), given: HashMap::new(), counts: HashMap::new(), pattern }
    }

    /// Something whose name is chosen; in addresses' and JSON's escapes too.
    pub(crate) fn know(&mut self, text: &str, name: &str) {
        if text.is_empty() || self.known.iter().any(|(known, _)| known == text) {
            return;
        }
        let escaped: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let bare = text.strip_prefix("http://").unwrap_or(text).to_owned();
        for form in [text.to_owned(), escaped, text.replace('/', "\\/"), bare] {
            if !self.known.iter().any(|(known, _)| *known == form) {
                self.known.push((form, format!("<{name}>")));
            }
        }
    }

    /// The text with names for what differs.
    pub(crate) fn replaced(&mut self, text: &str) -> String {
        let text = self.known.iter().fold(text.to_owned(), |text, (known, name)| text.replace(known, name));
        let Self { given, counts, pattern, .. } = self;
        pattern.replace_all(&text, |found: &Captures<'_>| name(found, given, counts)).into_owned()
    }
}

fn name(found: &Captures<'_>, given: &mut HashMap<String, String>, counts: &mut HashMap<&'static str, usize>) -> String {
    let whole = &found[0];
    let kind = KINDS.iter().map(|(kind, _)| *kind).find(|kind| found.name(kind).is_some()).unwrap_or_default();
    match kind {
        "elapsed" => format!("{}:<elapsed>", whole.split(':').next().unwrap_or_default()),
        "nonce" => format!("{}<nonce>", whole.trim_end_matches(|letter: char| letter.is_ascii_alphanumeric())),
        "signed" => ":<signature>:<nonce>".to_owned(),
        "time" | "epoch" => format!("<{kind}>"),
        "token" if is_constant(whole) => whole.to_owned(),
        // The name of a field, and its value after it.
        "base64" if whole.trim_end_matches('=').bytes().all(|byte| byte.is_ascii_lowercase()) => whole.to_owned(),
        kind => given
            .entry(whole.to_owned())
            .or_insert_with(|| {
                let count = counts.entry(kind).or_default();
                *count += 1;
                format!("<{kind} {count}>")
            })
            .clone(),
    }
}

/// A name that somebody chose: without digits and no longer than names are, a number, or a word of the demo accounts among its
/// parts.
fn is_constant(token: &str) -> bool {
    let has = |of: fn(&u8) -> bool| token.bytes().any(|byte| of(&byte));
    let (digits, letters) = (has(u8::is_ascii_digit), has(u8::is_ascii_alphabetic));
    let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let chosen = !digits && (!mixed || token.len() < RANDOM_CHARS_MIN);
    // One in a hundred thousand ids of 24 hex digits has no letter: no number here is so long.
    let number = !letters && token.len() != 24;
    chosen || number || token.split(['-', '_']).any(|part| CONSTANT.contains(&part.to_ascii_lowercase().as_str()))
}
