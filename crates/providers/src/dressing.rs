//! What a provider's words come dressed in: byte order marks, character sets, ways to write a number (providers/common, "Reading
//! a provider's answers"). Dressing is not meaning: it is taken off once, for answers and for callbacks alike, before anything is
//! read.
//!
//! A byte order mark counts at the very start only; UTF-16 is not read; of character sets those that the web calls windows-1252
//! (ISO-8859-1 and US-ASCII are in it) and UTF-8. Any other is read as UTF-8, and is unreadable where it is none.

use domain::Json;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// The UTF-8 byte order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";
/// An XML declaration is looked for in so many bytes.
const DECLARATION_MAX_BYTES: usize = 256;

/// The bytes as UTF-8, without a mark at their start; as they stand where they say nothing that we decode.
pub(crate) fn undressed<'a>(content_type: Option<&str>, body: &'a [u8]) -> Cow<'a, [u8]> {
    if let Some(rest) = body.strip_prefix(MARK) {
        return Cow::Borrowed(rest);
    }
    match charset(content_type, body) {
        Some(charset) if charset == WINDOWS_1252 && !body.is_ascii() => {
            Cow::Owned(WINDOWS_1252.decode_without_bom_handling(body).0.into_owned().into_bytes())
        }
        _ => Cow::Borrowed(body),
    }
}

/// The character set that the header names, else the XML declaration; the declaration too where the header says UTF-8 and the
/// bytes are none.
fn charset(content_type: Option<&str>, body: &[u8]) -> Option<&'static Encoding> {
    let of_header = content_type.and_then(|text| parameter(text, "charset"));
    let declared = || Encoding::for_label(declaration(body)?);
    match of_header.map(|label| Encoding::for_label(label.as_bytes())) {
        None => declared(),
        Some(Some(charset)) if charset == UTF_8 && std::str::from_utf8(body).is_err() => declared(),
        Some(charset) => charset,
    }
}

/// The value of a parameter of a media type.
fn parameter<'a>(media_type: &'a str, name: &str) -> Option<&'a str> {
    media_type.split(';').skip(1).find_map(|parameter| {
        let (known, value) = parameter.split_once('=')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches(['"', '\'']))
    })
}

/// `encoding` of an XML declaration.
fn declaration(body: &[u8]) -> Option<&[u8]> {
    let start = &body[..body.len().min(DECLARATION_MAX_BYTES)];
    let inside = start.strip_prefix(b"<?xml")?;
    let inside = &inside[..inside.windows(2).position(|two| two == b"?>")?];
    let name = b"encoding";
    let after = &inside[inside.windows(name.len()).position(|word| word == name)? + name.len()..];
    let (quote, value) = after.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start().split_first()?;
    matches!(quote, b'"' | b'\'').then_some(())?;
    value.split(|byte| byte == quote).next()
}

/// A document whose whole numbers and powers of ten are written plainly, so that texts of equal numbers are equal: `1.0E7` and
/// `10000000.00` are `10000000`.
pub(crate) fn plain_numbers(json: Json) -> Json {
    match json {
        Json::Number(literal) => match money::plain_number(&literal) {
            Some(plain) if literal.contains(['e', 'E']) || (literal.contains('.') && !plain.contains('.')) => {
                Json::Number(plain.into())
            }
            _ => Json::Number(literal),
        },
        Json::Array(items) => Json::Array(items.into_iter().map(plain_numbers).collect()),
        Json::Object(pairs) => Json::object(pairs.into_iter().map(|(name, value)| (name, plain_numbers(value)))),
        other => other,
    }
}

/// The pairs of a form. Bytes that are not UTF-8, raw or escaped, are taken for windows-1252, as is a form whose header says so:
/// one odd letter in a name does not take a report away.
pub(crate) fn form(content_type: Option<&str>, body: &[u8]) -> Vec<(String, String)> {
    let pairs = form_bytes(body);
    let said = content_type.and_then(|text| Encoding::for_label(parameter(text, "charset")?.as_bytes()));
    let is_utf8 = |(name, value): &(Vec<u8>, Vec<u8>)| std::str::from_utf8(name).is_ok() && std::str::from_utf8(value).is_ok();
    let charset = if said == Some(WINDOWS_1252) || !pairs.iter().all(is_utf8) { WINDOWS_1252 } else { UTF_8 };
    let text = |bytes: Vec<u8>| charset.decode_without_bom_handling(&bytes).0.into_owned();
    pairs.into_iter().map(|(name, value)| (text(name), text(value))).collect()
}

/// The pairs of a form as bytes, escapes removed: what a sender signs are bytes, whatever letters they mean.
pub(crate) fn form_bytes(body: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let body = body.strip_prefix(MARK).unwrap_or(body);
    let decoded = |part: &[u8]| {
        let spaced: Vec<u8> = part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        percent_decode(&spaced).collect::<Vec<u8>>()
    };
    body.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            (decoded(&pair[..at]), decoded(pair.get(at + 1..).unwrap_or_default()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_counts_at_the_start_and_nowhere_else() {
        assert_eq!(&*undressed(None, b"\xEF\xBB\xBF{}"), b"{}");
        assert_eq!(&*undressed(Some("text/xml; charset=ISO-8859-1"), "\u{feff}<a>é</a>".as_bytes()), "<a>é</a>".as_bytes());
        for content in ["\u{feff}\u{feff}{}", " \u{feff}{}", "{\"\u{feff}a\":1}"] {
            let left = undressed(None, content.as_bytes()).into_owned();
            assert!(String::from_utf8(left).unwrap().contains('\u{feff}'), "{content}");
        }
    }

    #[test]
    fn character_sets_by_header_and_by_declaration() {
        let latin = b"<?xml version='1.0' encoding = 'ISO-8859-1'?><a>caf\xE9 \x80</a>";
        let read = |header: Option<&str>, body: &[u8]| String::from_utf8(undressed(header, body).into_owned()).ok();
        assert!(read(None, latin).unwrap().contains("café €"));
        assert!(read(Some("text/xml; charset=utf-8"), latin).unwrap().contains("café €"));
        for header in ["text/plain; charset=\"windows-1252\"", "text/plain;Charset=latin1", "x/y; a=b; charset=cp1252"] {
            assert_eq!(read(Some(header), b"caf\xE9").as_deref(), Some("café"), "{header}");
        }
        // Not said, or said of another set: as it stands.
        for header in [None, Some("a/b"), Some("a/b; charset=utf-8"), Some("a/b; charset=utf-16"), Some("a/b; charset=koi8-r")] {
            assert_eq!(read(header, b"caf\xE9"), None, "{header:?}");
        }
        assert_eq!(read(Some("a/b; charset=utf-16"), "café".as_bytes()).as_deref(), Some("café"));
        for body in ["<?xml encoding?>\u{e9}", "<?xml encoding=latin1?>\u{e9}", "<?xml", "<a encoding='latin1'>\u{e9}</a>"] {
            assert_eq!(read(None, body.as_bytes()).as_deref(), Some(body));
        }
    }

    #[test]
    fn forms_of_either_set() {
        let pairs =
            |header, body: &[u8]| form(header, body).into_iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("|");
        assert_eq!(pairs(None, b"a=Jos%E9&b=1+2&&c&=d&e=%3D%"), "a=José|b=1 2|c=|=d|e==%");
        assert_eq!(pairs(None, b"a=Jos\xE9"), "a=José");
        assert_eq!(pairs(None, "a=Jos%C3%A9&b=é".as_bytes()), "a=José|b=é");
        assert_eq!(pairs(Some("application/x-www-form-urlencoded; charset=ISO-8859-1"), b"a=%C3%A9"), "a=Ã©");
        assert_eq!(pairs(None, b"\xEF\xBB\xBFa=1"), "a=1");
    }

    #[test]
    fn numbers_of_one_value_have_one_text() {
        let text = r#"{"a":1.0E7,"b":[10000000.00,0.0,2.5e-1],"c":25.50,"d":"1E2","e":-0,"f":1E999}"#;
        let plain = plain_numbers(Json::parse(text.as_bytes()).unwrap()).to_text();
        assert_eq!(plain, r#"{"a":10000000,"b":[10000000,0,0.25],"c":25.50,"d":"1E2","e":-0,"f":1E999}"#);
    }
}
