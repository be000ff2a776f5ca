//! Small pieces that several simulators need: random ids, signatures, times, addresses.

use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use money::{Currency, Money};
use subtle::ConstantTimeEq;
use url::Url;

/// Whether the digits between two places of a text are part of an id or a digest: a word of 24, 32, 40, 48, 64 or 128
/// hexadecimal digits, or a UUID.
pub(crate) fn is_in_id(text: &[u8], start: usize, end: usize) -> bool {
    let in_word = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
    let from = text[..start].iter().rposition(|byte| !in_word(byte)).map_or(0, |at| at + 1);
    let to = text[end..].iter().position(|byte| !in_word(byte)).map_or(text.len(), |at| end + at);
    let word = &text[from..to];
    match word.iter().filter(|byte| !byte.is_ascii_hexdigit()).count() {
        0 => matches!(word.len(), 24 | 32 | 40 | 48 | 64 | 128),
        4 => word.len() == 36 && [8, 13, 18, 23].iter().all(|at| word[*at] == b'-'),
        _ => false,
    }
}

/// `N` random bytes.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    // aws-lc's generator is seeded by the system and has no failure that a caller could mend.
    rand::fill(&mut bytes).expect("the system's random generator answers");
    bytes
}

/// `count` random lower-case hex digits (even `count`, at most 64).
pub(crate) fn random_hex(count: usize) -> String {
    let bytes = random_bytes::<32>();
    hex::encode(&bytes[..(count / 2).min(bytes.len())])
}

/// `count` random capital letters (at most 32).
pub(crate) fn random_letters(count: usize) -> String {
    random_bytes::<32>().iter().take(count).map(|byte| char::from(b'A' + byte % 26)).collect()
}

/// `count` random decimal digits (at most 32).
pub(crate) fn random_digits(count: usize) -> String {
    random_bytes::<32>().iter().take(count).map(|byte| char::from(b'0' + byte % 10)).collect()
}

/// `count` random capital letters or digits (at most 32).
pub(crate) fn random_capitals_or_digits(count: usize) -> String {
    const SIGNS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    random_bytes::<32>().iter().take(count).map(|byte| char::from(SIGNS[usize::from(*byte) % SIGNS.len()])).collect()
}

/// 32 random bytes, base64url: the token of a page's address.
pub(crate) fn random_token() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

/// Lower-case hex HMAC-SHA256 of `message`.
pub(crate) fn hmac_sha256_hex(key: &[u8], message: &[u8]) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message))
}

/// Compares two texts in constant time.
pub(crate) fn same_text(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

/// The last two digits of an amount in minor units: the scenario ("Simulators" of the common sheet).
pub(crate) fn scenario(amount: &str, currency: &str) -> u8 {
    Currency::from_code(currency)
        .and_then(|currency| Money::parse_decimal(amount, currency).ok())
        .map_or(0, |money| money.scenario_digits())
}

/// RFC 3339 UTC text of a time in milliseconds since 1970.
pub(crate) fn timestamp_of(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// `format` (strftime) of a time in milliseconds since 1970, UTC.
pub(crate) fn date_of(at_ms: i64, format: &str) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

/// Whether `text` is an absolute http or https address with a host.
pub(crate) fn is_http_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Scheme, host and port of an address, as a content security policy names it.
pub(crate) fn origin_of(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_form() {
        assert_eq!(random_letters(2).len(), 2);
        assert!(random_digits(6).bytes().all(|digit| digit.is_ascii_digit()));
        assert_eq!(random_hex(24).len(), 24);
        assert_eq!(random_token().len(), 43);
        assert_ne!(random_token(), random_token());
    }

    #[test]
    fn the_scenario_is_the_last_two_digits_of_the_minor_units() {
        assert_eq!(scenario("100.00", "CAD"), 0);
        assert_eq!(scenario("25.01", "EUR"), 1);
        assert_eq!(scenario("10012", "JPY"), 12);
        assert_eq!(scenario("nonsense", "EUR"), 0);
    }

    #[test]
    fn addresses_are_told_apart() {
        assert!(is_http_url("http://127.0.0.1:9/x"));
        assert!(!is_http_url("ftp://host/x"));
        assert!(!is_http_url("/relative"));
        assert_eq!(origin_of("https://shop.example:8443/a?b").as_deref(), Some("https://shop.example:8443"));
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(timestamp_of(1_779_010_377_045), "2026-05-17T09:32:57.045Z");
        assert_eq!(date_of(1_779_010_377_045, "%Y-%m-%d %H:%M:%S"), "2026-05-17 09:32:57");
    }
}
