//! Another dress for what a simulator says: a byte order mark, numbers with exponents, a character set, compression - true to its
//! header or not. What is meant stays the same.

use super::Reply;
use super::edit;
use super::reply::Fault;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde::{Deserialize, Serialize};
use std::io::Write as _;

/// Largest bomb, bytes unpacked: 1 GiB.
const BOMB_MAX_BYTES: u64 = 1 << 30;
/// A larger one is compressed twice, so that a few KiB are sent.
const ONE_LAYER_MAX_BYTES: u64 = 64 << 20;
/// A letter that every character set writes in its own way.
const ODD: char = 'é';

/// `dress` and `dressCallbacks` of the settings, `dress` of `next`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Dress {
    /// Byte order marks at the start: usually one.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) marks: u8,
    /// A mark in the middle of the content, where it is content.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) mark_inside: bool,
    /// Numbers of JSON with an exponent: `1.0E7`.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) exponents: bool,
    /// Numbers of these names with zeros behind the point: `"7000"` is `"7000.00"`. Names of JSON's members, XML's elements and
    /// attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) decimals: Vec<String>,
    /// Values that are said a second time, otherwise: name, and the second value as [`edit::twice`] takes it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) twice: Vec<(String, String)>,
    /// Values in the place of others: name, and the value as [`edit::instead`] takes it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) instead: Vec<(String, String)>,
    /// Written in another character set, with an odd letter added where it changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) charset: Option<Charset>,
    /// Where the character set is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) charset_in: Option<CharsetIn>,
    /// How it is compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) packed: Option<Packed>,
    /// `Content-Encoding` says this, whatever was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) says: Option<String>,
    /// In place of the body so many blanks, whole MiB, compressed.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub(crate) bomb_bytes: u64,
}

/// A character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Charset {
    #[serde(rename = "ISO-8859-1")]
    Latin,
    #[serde(rename = "windows-1252")]
    Windows,
    #[serde(rename = "UTF-8")]
    Utf8,
    #[serde(rename = "UTF-16")]
    Utf16,
}

/// Where a character set is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CharsetIn {
    Header,
    /// The XML declaration.
    Declaration,
    Nowhere,
}

/// A compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Packed {
    #[serde(rename = "gzip")]
    Gzip,
    #[serde(rename = "x-gzip")]
    XGzip,
    /// As zlib.
    #[serde(rename = "deflate")]
    Deflate,
    /// The bare stream, said to be `deflate`.
    #[serde(rename = "raw-deflate")]
    RawDeflate,
}

// Serde hands a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero_u64(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Dress {
    /// Whether it can be worn.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.bomb_bytes > BOMB_MAX_BYTES { Err(format!("bombBytes must be at most {BOMB_MAX_BYTES}")) } else { Ok(()) }
    }

    /// Dresses an answer that is said as it is: one that is cut or held back stays so.
    pub(crate) fn put_on(&self, reply: &mut Reply) {
        if reply.fault == Fault::None && (!reply.body.is_empty() || self.bomb_bytes > 0) {
            self.bytes(&mut reply.headers, &mut reply.body);
        }
    }

    /// Dresses a body; its headers say so.
    pub(crate) fn bytes(&self, headers: &mut Vec<(String, String)>, body: &mut Vec<u8>) {
        if let Ok(text) = std::str::from_utf8(body) {
            let is_json = text.trim_start().starts_with(['{', '[']);
            let mut text = if self.exponents && is_json { with_exponents(text) } else { text.to_owned() };
            for name in &self.decimals {
                text = with_decimals(&text, name);
            }
            for (name, raw) in &self.twice {
                text = edit::twice(&text, name, raw);
            }
            for (name, raw) in &self.instead {
                text = edit::instead(&text, name, raw);
            }
            if self.mark_inside {
                text = inside(&text, "\u{feff}");
            }
            *body = self.encoded(&text, headers);
        }
        if self.bomb_bytes > 0 {
            *body = bomb(self.bomb_bytes);
            set(headers, "content-encoding", "gzip");
            if self.bomb_bytes > ONE_LAYER_MAX_BYTES {
                *body = pack(Packed::Gzip, body);
                set(headers, "content-encoding", "gzip, gzip");
            }
        }
        if let Some(packed) = self.packed {
            *body = pack(packed, body);
            set(headers, "content-encoding", if packed == Packed::RawDeflate { "deflate" } else { packed.name() });
        }
        if let Some(says) = &self.says {
            set(headers, "content-encoding", says);
        }
    }

    /// The text in its character set.
    fn encoded(&self, text: &str, headers: &mut Vec<(String, String)>) -> Vec<u8> {
        let mark = "\u{feff}".repeat(usize::from(self.marks));
        let Some(charset) = self.charset else { return format!("{mark}{text}").into_bytes() };
        let place = self.charset_in.unwrap_or(CharsetIn::Header);
        let name = match charset {
            Charset::Latin => "ISO-8859-1",
            Charset::Windows => "windows-1252",
            Charset::Utf8 => "UTF-8",
            Charset::Utf16 => "UTF-16",
        };
        let known = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case("content-type"));
        let media_type = known.and_then(|(_, value)| value.split(';').next()).unwrap_or("text/plain").to_owned();
        let parameter = if place == CharsetIn::Header { format!("; charset={name}") } else { String::new() };
        set(headers, "content-type", &format!("{media_type}{parameter}"));
        let mut text = odd(text);
        if text.trim_start().starts_with('<') {
            let bare = text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")).map_or(&*text, |(_, rest)| rest);
            let declared = if place == CharsetIn::Declaration { format!(" encoding=\"{name}\"") } else { String::new() };
            text = format!("<?xml version=\"1.0\"{declared}?>{}", bare.trim_start());
        }
        let text = format!("{mark}{text}");
        match charset {
            Charset::Utf8 => text.into_bytes(),
            Charset::Utf16 => std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect(),
            // Every character that simulators write is of the first 256, where the two agree but for control characters.
            Charset::Latin | Charset::Windows => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
        }
    }
}

impl Packed {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::XGzip => "x-gzip",
            Self::Deflate | Self::RawDeflate => "deflate",
        }
    }
}

fn set(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    headers.push((name.to_owned(), value.to_owned()));
}

/// The text with an odd letter in it where it changes nothing: a further member, a comment, a further field.
fn odd(text: &str) -> String {
    let trimmed = text.trim_end();
    if let Some(inside) = trimmed.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let comma = if inside.trim().is_empty() { "" } else { "," };
        return format!("{{{inside}{comma}\"x_odd\":\"caf{ODD}\"}}");
    }
    if trimmed.starts_with('<') {
        return format!("{trimmed}<!-- caf{ODD} -->");
    }
    if trimmed.contains('=') { format!("{trimmed}&x_odd=caf{ODD}") } else { trimmed.to_owned() }
}

/// The text with something behind its first character.
fn inside(text: &str, what: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{first}{what}{}", chars.as_str()))
}

/// JSON with its numbers written as powers of ten. Texts stay.
fn with_exponents(json: &str) -> String {
    let mut written = String::with_capacity(json.len() * 2);
    let (mut in_text, mut escaped) = (false, false);
    let mut rest = json;
    while let Some(c) = rest.chars().next() {
        if !in_text && (c.is_ascii_digit() || c == '-') {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(rest.len());
            written.push_str(&power_of_ten(&rest[..end]));
            rest = &rest[end..];
            continue;
        }
        in_text = if c == '"' && !escaped { !in_text } else { in_text };
        escaped = in_text && c == '\\' && !escaped;
        written.push(c);
        rest = &rest[c.len_utf8()..];
    }
    written
}

/// The text with zeros behind the numbers of that name, where they have no exponent.
fn with_decimals(text: &str, name: &str) -> String {
    let places = [format!("\"{name}\":\""), format!("\"{name}\":"), format!("<{name}>"), format!(" {name}=\"")];
    let mut written = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let place = places.iter().find(|place| rest.starts_with(place.as_str())).map(String::len);
        // An element with attributes.
        let place = place.or_else(|| rest.starts_with(&format!("<{name} ")).then(|| rest.find('>')).flatten().map(|end| end + 1));
        let (before, after) = rest.split_at(place.unwrap_or(first.len_utf8()));
        written.push_str(before);
        let end = place.and_then(|_| after.find(|c: char| !(c.is_ascii_digit() || c == '.'))).unwrap_or_default();
        let (number, after) = after.split_at(end);
        written.push_str(number);
        if number.starts_with(|c: char| c.is_ascii_digit()) && !after.starts_with(['e', 'E', '-', '+']) {
            written.push_str(if number.contains('.') { "00" } else { ".00" });
        }
        rest = after;
    }
    written
}

/// `10000000` as `1.0E7`, `-12.50` as `-1.250E1`.
fn power_of_ten(literal: &str) -> String {
    let (sign, digits) = literal.strip_prefix('-').map_or(("", literal), |digits| ("-", digits));
    let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if digits.contains(['e', 'E']) || integer.is_empty() {
        return literal.to_owned();
    }
    let (first, more) = integer.split_at(1);
    let more = format!("{more}{fraction}");
    let trimmed = more.trim_end_matches('0');
    let shown = if trimmed.is_empty() { "0" } else { trimmed };
    format!("{sign}{first}.{shown}E{}", integer.len() - 1)
}

// Writing into a vector does not fail.
fn pack(packed: Packed, body: &[u8]) -> Vec<u8> {
    let level = Compression::default();
    let done = match packed {
        Packed::Gzip | Packed::XGzip => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
        Packed::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
        Packed::RawDeflate => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
    };
    done.unwrap_or_default()
}

/// So many blanks as gzip, about a thousandth of them: members of one MiB each.
fn bomb(bytes: u64) -> Vec<u8> {
    let member = pack(Packed::Gzip, &vec![b' '; 1 << 20]);
    member.repeat(usize::try_from(bytes >> 20).unwrap_or_default().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_value() {
        let json = r#"{"a":10000000,"b":[-12.50,0,7],"c":"12 \"34","d":0.05,"e":1e2}"#;
        let other = r#"{"a":1.0E7,"b":[-1.25E1,0.0E0,7.0E0],"c":"12 \"34","d":0.05E0,"e":1e2}"#;
        assert_eq!(with_exponents(json), other);
    }

    #[test]
    fn numbers_of_a_name_keep_their_value() {
        for (plain, written) in [
            (r#"{"a":"7000","b":7,"aa":"1"}"#, r#"{"a":"7000.00","b":7,"aa":"1"}"#),
            (r#"{"a":0,"x":{"a":"12.5"}}"#, r#"{"a":0.00,"x":{"a":"12.500"}}"#),
            (r#"{"a":"","c":"<a>","a":1e2}"#, r#"{"a":"","c":"<a>","a":1e2}"#),
            (r#"{"a":"2026-01-02","a":"é"}"#, r#"{"a":"2026-01-02","a":"é"}"#),
            ("<a>7000</a><b a=\"2\"/>", "<a>7000.00</a><b a=\"2.00\"/>"),
            ("<a t=\"int\">7000</a>", "<a t=\"int\">7000.00</a>"),
        ] {
            assert_eq!(with_decimals(plain, "a"), written);
        }
    }

    #[test]
    fn a_dress_says_what_it_is() {
        let worn = |dress: Dress, content_type: &str, text: &str| {
            let mut reply = Reply::text(200, content_type, text);
            dress.put_on(&mut reply);
            (reply.headers, reply.body)
        };
        let dress = Dress { charset: Some(Charset::Latin), charset_in: Some(CharsetIn::Declaration), ..Dress::default() };
        let (headers, body) = worn(dress, "text/xml; charset=utf-8", "<?xml version=\"1.0\"?><a/>");
        assert_eq!(headers, [("content-type".to_owned(), "text/xml".to_owned())]);
        assert_eq!(body, b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/><!-- caf\xE9 -->");
        let dress = Dress { packed: Some(Packed::RawDeflate), says: Some("gzip".to_owned()), ..Dress::default() };
        let (headers, body) = worn(dress, "application/json", "{}");
        assert!(headers.contains(&("content-encoding".to_owned(), "gzip".to_owned())) && body != b"{}");
        let (_, body) = worn(Dress { marks: 1, ..Dress::default() }, "application/json", "{}");
        assert_eq!(body, b"\xEF\xBB\xBF{}");
        let (_, body) = worn(Dress { bomb_bytes: 1 << 20, ..Dress::default() }, "application/json", "{}");
        assert!((64..8_192).contains(&body.len()));
    }
}
