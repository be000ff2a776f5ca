//! Card care: what of a text may be kept or shown.

/// Elements whose text is never kept.
const CARD_ELEMENTS: [&str; 2] = ["card_number", "cvv"];
/// Runs of this many digits or more could be a card number.
const RUN_MIN_DIGITS: usize = 12;
/// Lengths of the ids that are told apart from card numbers: ours and the gateway's, both in hex.
const ID_LENGTHS: [usize; 2] = [24, 32];
const BLANK: &str = "***";
/// Below these paths the terminal token follows, which is a secret.
const TOKEN_PATHS: [&str; 2] = ["/process/", "/reconcile/"];

/// A path, query or body as the calls log may keep it.
pub(super) fn blanked(text: &str) -> String {
    for prefix in TOKEN_PATHS {
        if let Some(rest) = text.strip_prefix(prefix) {
            let tail = rest.find('/').map_or("", |slash| &rest[slash..]);
            return format!("{prefix}{BLANK}{tail}");
        }
    }
    let lower = text.to_ascii_lowercase();
    let names_card = CARD_ELEMENTS.iter().any(|name| lower.contains(name));
    let is_xml = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with('<');
    // What is not the gateway's XML cannot be taken apart, and is not kept where it might hold a card.
    if text.contains('\0') || (names_card && !is_xml) {
        return BLANK.to_owned();
    }
    masked(&if names_card { without_card_elements(text) } else { text.to_owned() })
}

/// Blanks the text of the card elements; a masked number stays. An element that never ends is blanked to the end.
fn without_card_elements(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let (before, tag) = rest.split_at(open);
        kept.push_str(before);
        let name_end =
            tag[1..].find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/' || c == '<').map_or(tag.len(), |at| at + 1);
        let name = tag[1..name_end].to_ascii_lowercase();
        let local = name.rsplit(':').next().unwrap_or_default();
        if !CARD_ELEMENTS.contains(&local) {
            kept.push_str(&tag[..name_end]);
            rest = &tag[name_end..];
            continue;
        }
        let (attributes, content) = tag[name_end..].split_once('>').unwrap_or_default();
        if attributes.ends_with('/') {
            kept.push_str(&format!("<{name}/>"));
            rest = content;
            continue;
        }
        let closing = format!("</{name}");
        let end = content.to_ascii_lowercase().find(&closing).unwrap_or(content.len());
        let shown = if is_masked_number(&content[..end]) { &content[..end] } else { BLANK };
        kept.push_str(&format!("<{name}>{shown}"));
        rest = &content[end..];
    }
    kept.push_str(rest);
    kept
}

/// `420000...0000`, as the gateway tells a card.
fn is_masked_number(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once("...").is_some_and(|(first, last)| first.len() == 6 && last.len() == 4 && digits(first) && digits(last))
}

/// The text without runs of digits (single spaces and dashes between them included) that could be a card number.
/// The gateway's and our ids, 24 or 32 hex digits, stay.
pub(super) fn masked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut kept = String::with_capacity(text.len());
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let (end, digits) = run_end(bytes, at);
        if digits >= RUN_MIN_DIGITS && !is_in_id(bytes, at, end) {
            kept.push_str(&text[from..at]);
            kept.push_str(BLANK);
            from = end;
        }
        at = end;
    }
    kept.push_str(&text[from..]);
    kept
}

/// Where the run that begins at `at` ends, and how many digits it has.
fn run_end(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let mut digits = 0;
    loop {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
            digits += 1;
        }
        let separated = matches!(bytes.get(at), Some(b' ' | b'-')) && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !separated {
            return (at, digits);
        }
        at += 1;
    }
}

/// Whether the bytes from `from` to `to` are part of one hex id.
fn is_in_id(bytes: &[u8], from: usize, to: usize) -> bool {
    let start = bytes[..from].iter().rposition(|byte| !byte.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
    let end = bytes[to..].iter().position(|byte| !byte.is_ascii_alphanumeric()).map_or(bytes.len(), |at| to + at);
    let id = &bytes[start..end];
    ID_LENGTHS.contains(&id.len()) && id.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_elements_are_blanked_in_every_spelling() {
        for (text, shown) in [
            ("<card_number>4200000000000000</card_number><cvv>123</cvv>", "<card_number>***</card_number><cvv>***</cvv>"),
            ("<a><cvv>\n 123 </cvv><b>1</b></a>", "<a><cvv>***</cvv><b>1</b></a>"),
            ("<CVV x=\"1\">123</CVV>", "<cvv>***</CVV>"),
            ("<n:cvv><![CDATA[123]]></n:cvv>", "<n:cvv>***</n:cvv>"),
            ("<cvv>12", "<cvv>***"),
            ("<a><cvv/><b>1</b></a>", "<a><cvv/><b>1</b></a>"),
            ("<cvv", "<cvv>***"),
            ("<card_number>420000...0000</card_number>", "<card_number>420000...0000</card_number>"),
            ("<card_number>420000...00001</card_number>", "<card_number>***</card_number>"),
            ("cvv=123&amount=1", "***"),
            ("{\"cvv\":\"123\"}", "***"),
            ("<\0c\0v\0v", "***"),
            ("/process/394f0123456789abcdef/", "/process/***/"),
            ("/reconcile/394f", "/reconcile/***"),
            (
                "/threeds/threeds_method/44177a21403427eb96664a6d7e5d5d48",
                "/threeds/threeds_method/44177a21403427eb96664a6d7e5d5d48",
            ),
        ] {
            assert_eq!(blanked(text), shown, "{text}");
        }
    }

    #[test]
    fn runs_of_digits_are_masked_and_ids_are_not() {
        for (text, shown) in [
            ("card 4200 0000-0000 0000.", "card ***."),
            ("<usage>4200000000000000</usage>", "<usage>***</usage>"),
            ("12345678901", "12345678901"),
            ("123456789012", "***"),
            ("a4200000000000000b", "a***b"),
            ("64a1f2b3c4d5e6f7a8b9c0d1", "64a1f2b3c4d5e6f7a8b9c0d1"),
            ("=123456789012345a96664a6d7e5d5d48&", "=123456789012345a96664a6d7e5d5d48&"),
            ("2026-01-02T03:04:05Z 10000", "2026-01-02T03:04:05Z 10000"),
            ("420000...0000", "420000...0000"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
    }
}
