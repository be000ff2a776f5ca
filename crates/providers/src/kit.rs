//! Small things that several providers need.

use crate::api::{Context, Reply};
use crate::dressing;
use aws_lc_rs::digest::{self, Algorithm};
use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::urls::merchant_url;
use domain::{Currency, Json, Money, Secret};
use std::borrow::Cow;
use std::net::IpAddr;
use url::{Url, form_urlencoded};

/// Lower-case hex HMAC-SHA256.
pub(crate) fn hmac_sha256_hex(key: &[u8], message: &[u8]) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message))
}

/// Lower-case hex digest of the parts, one after the other.
pub(crate) fn digest_hex(algorithm: &'static Algorithm, parts: &[&str]) -> String {
    let mut context = digest::Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part.as_bytes()));
    hex::encode(context.finish())
}

/// The header of HTTP Basic.
pub(crate) fn basic(user: &str, password: &str) -> (&'static str, Secret) {
    ("authorization", Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
}

/// Compares in constant time.
pub(crate) fn same_bytes(ours: &str, presented: &str) -> bool {
    constant_time::verify_slices_are_equal(ours.as_bytes(), presented.as_bytes()).is_ok()
}

/// `application/x-www-form-urlencoded`, for queries and bodies.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// One segment of a path, every byte that could end it escaped.
pub(crate) fn path_segment(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Host and path of an address: what may stand in logs where the path has no secret.
pub(crate) fn host_and_path(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// An object in JSON, or in the form encoding; `None` also where one name has two values.
pub(crate) fn json_or_form(body: &[u8]) -> Option<Json> {
    match Json::parse(body).map(dressing::plain_numbers) {
        Ok(json) => json.is_object().then_some(json),
        Err(_) if body.contains(&b'=') && !body.trim_ascii_start().starts_with(b"{") => {
            let mut object = Json::object::<String>([]);
            for (name, value) in dressing::form(None, body) {
                let value = Json::text(value);
                if object.get(&name).is_some_and(|known| *known != value) {
                    return None;
                }
                object.set(&name, value);
            }
            Some(object)
        }
        Err(_) => None,
    }
}

/// A form's value; `None` when it is absent, empty, or there twice.
pub(crate) fn form_value(body: &[u8], name: &str) -> Option<String> {
    one_value(&dressing::form(None, body), name).map(str::to_owned)
}

/// The value of a name among pairs; `None` when it is absent, empty, or there twice.
pub(crate) fn one_value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut named = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let (first, second) = (named.next()?, named.next());
    (second.is_none() && !first.is_empty()).then_some(first)
}

/// Longest language tag, characters (RFC 5646: room for every registered tag).
const LANGUAGE_MAX_CHARS: usize = 35;

/// A language tag by its form (BCP 47): letters, then parts of letters and digits.
pub(crate) fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().is_some_and(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic()));
    let rest = parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    first && rest && text.len() <= LANGUAGE_MAX_CHARS
}

/// The rule of request fields with a language tag.
pub(crate) fn language_tag(text: &str) -> Result<String, &'static str> {
    if is_language_tag(text) { Ok(text.to_owned()) } else { Err("must be a language tag") }
}

/// Most digits of a number before its point.
const PLACES_MAX: usize = 18;

/// A decimal number cut at its point.
pub(crate) struct Cut {
    /// Whether a minus stands in front.
    pub(crate) negative: bool,
    /// The digits before the point.
    pub(crate) whole: i64,
    /// Whether anything but zeros follows.
    pub(crate) has_fraction: bool,
}

/// Reads a decimal by its value, whatever its literal (`30`, `30.0`, `3e1`), digit by digit. `None`: it is none, or has more than
/// eighteen digits before the point.
pub(crate) fn cut(literal: &str) -> Option<Cut> {
    let (negative, unsigned) = literal.strip_prefix('-').map_or((false, literal), |rest| (true, rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if digits.bytes().all(|byte| byte == b'0') {
        return Some(Cut { negative, whole: 0, has_fraction: false });
    }
    let point = i64::try_from(integer.len()).ok()?.checked_add(exponent.parse().ok()?)?;
    let (before, rest) = match usize::try_from(point) {
        // Below one, however many zeros follow the point.
        Err(_) => (String::new(), digits.as_str()),
        Ok(point) if point <= digits.len() => (digits[..point].to_owned(), &digits[point..]),
        Ok(point) if point - digits.len() > PLACES_MAX => return None,
        Ok(point) => (format!("{digits:0<point$}"), ""),
    };
    let before = before.trim_start_matches('0');
    if before.len() > PLACES_MAX {
        return None;
    }
    let whole = if before.is_empty() { 0 } else { before.parse().ok()? };
    Some(Cut { negative, whole, has_fraction: rest.bytes().any(|byte| byte != b'0') })
}

/// Letters, digits, `.`, `_`, `-`: `[A-Za-z0-9._-]{1,<max>}`.
pub(crate) fn is_word(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The status and the object of an answer whose body is a JSON object.
pub(crate) fn object(reply: &Reply) -> Option<(u16, Json)> {
    match reply {
        Reply::Answer(answer) => answer.json().filter(Json::is_object).map(|body| (answer.status, body)),
        Reply::Lost(_) => None,
    }
}

/// The body of an answer as the provider wrote it, its numbers too: what is handed on, not what is compared.
pub(crate) fn as_written(reply: &Reply) -> Option<Json> {
    match reply {
        Reply::Answer(answer) => Json::parse(&answer.body).ok().filter(Json::is_object),
        Reply::Lost(_) => None,
    }
}

/// 2xx.
pub(crate) fn is_success(status: u16) -> bool {
    (200..=299).contains(&status)
}

/// The HTTP status under which a readable refusal may be believed: neither a redirect nor a fault of the server.
pub(crate) fn may_refuse(status: u16) -> bool {
    is_success(status) || (400..=499).contains(&status)
}

/// A member that is set: neither absent, `null`, `false` nor empty.
pub(crate) fn is_set(body: &Json, name: &str) -> bool {
    match body.get(name) {
        None | Some(Json::Null | Json::Bool(false)) => false,
        Some(Json::String(text)) => !text.is_empty(),
        Some(Json::Array(items)) => !items.is_empty(),
        Some(Json::Object(pairs)) => !pairs.is_empty(),
        Some(Json::Bool(true) | Json::Number(_)) => true,
    }
}

/// What an anomaly says of a member that ought to be ours: one that is not set says nothing of whose record it is.
pub(crate) fn not_ours(body: &Json, name: &str, what: &str) -> String {
    format!("{} {what}", if is_set(body, name) { "another" } else { "no" })
}

/// A text or number that is not empty.
pub(crate) fn scalar<'a>(body: &'a Json, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Json::as_scalar).filter(|text| !text.is_empty())
}

/// A text or number that is kept or sent back as it is (an id, an address): `None` also when it is longer than what is kept.
pub(crate) fn token<'a>(body: &'a Json, name: &str) -> Option<&'a str> {
    scalar(body, name).filter(|text| text.chars().count() <= PROVIDER_TEXT_MAX_CHARS)
}

/// A whole number by its value, however it is written: `15000`, `015000`, `15000.00`, `1.5E4`.
pub(crate) fn whole_number(text: &str) -> Option<i64> {
    // Rust reads a plus before a number; no literal of JSON has one, and no amount of a provider's.
    if text.starts_with('+') {
        return None;
    }
    text.parse().ok().or_else(|| money::plain_number(text)?.parse().ok())
}

/// A code in the one text by which it is compared: the literal of a number by its value (`5` for `5.0`), anything else as it is
/// (`05` is a code of its own).
pub(crate) fn plain_code(text: &str) -> Cow<'_, str> {
    money::plain_number(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// An amount in major units, as text or number.
pub(crate) fn money(body: &Json, name: &str, currency: Currency) -> Option<Money> {
    Money::parse_decimal(scalar(body, name)?, currency).ok()
}

/// An address that a payer's browser may be sent to.
pub(crate) fn page_url<'a>(body: &'a Json, name: &str, cx: &Context<'_>) -> Option<&'a str> {
    body.str_at(name).filter(|text| merchant_url(text, cx.account.environment).is_some())
}

/// Whether the address is on the origin of the account's `baseUrl`: credentials and signatures go nowhere else.
pub(crate) fn is_providers(cx: &Context<'_>, url: &str) -> bool {
    let base = Url::parse(cx.account.base_url).ok();
    merchant_url(url, cx.account.environment).is_some_and(|url| base.is_some_and(|base| url.origin() == base.origin()))
}

/// The `merchantReference` of answers: `""` when none was sent.
pub(crate) fn merchant_reference(cx: &Context<'_>) -> Json {
    Json::text(cx.order.merchant_reference.as_deref().unwrap_or_default())
}

/// Whether the address may be a payer's on the open Internet.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && (64..128).contains(&ip.octets()[1]);
            let special = ip.is_multicast() || ip.is_broadcast() || ip.octets()[0] == 0;
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || shared || special)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_multicast())
        }
    }
}

/// Longest text of a provider that is kept as a message or status word, characters.
pub(crate) const PROVIDER_TEXT_MAX_CHARS: usize = 255;

/// A provider's text, cut to what is kept, without control characters and what turns the direction of writing.
pub(crate) fn provider_text(text: &str) -> String {
    text.chars().filter(|c| !domain::visible::acts(*c)).take(PROVIDER_TEXT_MAX_CHARS).collect()
}

/// `p***@example.com`.
pub(crate) fn mask_email(email: &str) -> String {
    match email.rsplit_once('@') {
        Some((local, domain)) => format!("{}***@{domain}", local.chars().take(1).collect::<String>()),
        None => "***".to_owned(),
    }
}

/// The first and last characters, at most a quarter of the text at either end.
pub(crate) fn mask_middle(text: &str, first: usize, last: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (first, last) = (first.min(chars.len() / 4), last.min(chars.len() / 4));
    let (head, tail) = (&chars[..first], &chars[chars.len() - last..]);
    format!("{}***{}", head.iter().collect::<String>(), tail.iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_show_little() {
        assert_eq!(mask_email("player@example.com"), "p***@example.com");
        assert_eq!(mask_email("nonsense"), "***");
        assert_eq!(mask_middle("bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh", 6, 4), "bc1qxy***0wlh");
        assert_eq!(mask_middle("4915112345678", 0, 4), "***678");
        assert_eq!(mask_middle("abc", 6, 4), "***");
        assert_eq!(mask_middle("", 6, 4), "***");
    }

    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(path_segment("HS932097JV"), "HS932097JV");
        assert_eq!(path_segment("../a?b#c d/é"), "%2E%2E%2Fa%3Fb%23c%20d%2F%C3%A9");
    }

    #[test]
    fn whole_numbers_are_read_by_their_value() {
        for (literal, number) in [
            ("10000", Some(10_000)),
            ("010000", Some(10_000)),
            ("10000.00", Some(10_000)),
            ("1.0E4", Some(10_000)),
            ("1e+4", Some(10_000)),
            ("0", Some(0)),
            ("999999999999999999", Some(999_999_999_999_999_999)),
            ("-10000", Some(-10_000)),
            ("10000.5", None),
            ("10,000", None),
            ("1e", None),
            ("", None),
            (".", None),
            ("0x10", None),
        ] {
            assert_eq!(whole_number(literal), number, "{literal}");
        }
    }

    #[test]
    fn codes_of_one_value_are_one_code() {
        for (written, plain) in
            [("5", "5"), ("05", "05"), ("5.0", "5"), ("0", "0"), ("5e0", "5"), ("R1", "R1"), ("", ""), ("5.5", "5.5")]
        {
            assert_eq!(plain_code(written), plain, "{written}");
        }
    }

    #[test]
    fn shown_addresses_have_no_query() {
        assert_eq!(host_and_path("https://h.example:1/a/b?referenceId=1"), "h.example:1/a/b");
    }
}
