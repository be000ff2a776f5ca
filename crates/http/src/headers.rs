//! What the headers of a request say.

use crate::reply::{self, Refused};
use engine::cashier::{Ambiguous, Said};
use http::header::{AsHeaderName, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use std::borrow::Cow;

/// The user's own token, from the merchant.
pub const X_USER_TOKEN: HeaderName = HeaderName::from_static("x-user-token");
/// The user's session at the merchant, checked by the merchant's User Auth URL.
pub const X_USER_AUTHORIZATION: HeaderName = HeaderName::from_static("x-user-authorization");
/// The caller's own name for a request, by which a repeated one is known.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The one value of a header, if it is there.
///
/// # Errors
/// [`Ambiguous`]: with two values, two readers could act on different ones.
pub fn single(headers: &HeaderMap, name: impl AsHeaderName) -> Said<'_> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Ambiguous),
        (Some(_), Some(_)) => Err(Ambiguous),
    }
}

/// The value of a header that only informs: the first one, in UTF-8 or else ISO-8859-1 (what a payer's browser says of itself is
/// passed on by the merchant as it came).
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    let bytes = headers.get(name)?.as_bytes();
    Some(match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    })
}

/// The one value of a header that says who is calling.
///
/// # Errors
/// 401 when it is there twice or is no text.
pub fn credential(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Refused> {
    single(headers, name).map_err(|Ambiguous| engine::CashierAnswer::unauthorized().into())
}

/// Checks that the body is said to be `application/json`; a `charset` can only be UTF-8, other parameters are passed over.
///
/// # Errors
/// 415.
pub fn json_media_type(headers: &HeaderMap) -> Result<(), Refused> {
    if is_json(headers) { Ok(()) } else { Err(reply::not_json_type().into()) }
}

/// Whether the body is said to be that.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    matches!(single(headers, CONTENT_TYPE), Ok(Some(text)) if names_json(text))
}

fn names_json(text: &str) -> bool {
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/json")
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// All headers as they came, names in lower case.
pub fn as_bytes(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(name: HeaderName, values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn what_may_stand_once() {
        let said = |values: &[&[u8]]| single(&with(IDEMPOTENCY_KEY, values), IDEMPOTENCY_KEY).map(|text| text.map(str::to_owned));
        assert_eq!(said(&[]), Ok(None));
        assert_eq!(said(&[b""]), Ok(Some(String::new())));
        assert_eq!(said(&[b"a b"]), Ok(Some("a b".to_owned())));
        for bad in [&[&b"a"[..], b"a"][..], &["\u{e9}".as_bytes()], &[b"\xff"]] {
            assert_eq!(said(bad), Err(Ambiguous), "{bad:?}");
        }
    }

    #[test]
    fn media_types() {
        for good in [
            "application/json",
            "Application/JSON ; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; v=1",
        ] {
            assert!(json_media_type(&with(CONTENT_TYPE, &[good.as_bytes()])).is_ok(), "{good}");
        }
        let bad: [&[&[u8]]; 7] = [
            &[],
            &[b"text/json"],
            &[b"application/jsonp"],
            &[b"application/x-www-form-urlencoded"],
            &[b"application/json; charset=latin1"],
            &[b""],
            &[b"application/json", b"application/json"],
        ];
        for bad in bad {
            assert_eq!(json_media_type(&with(CONTENT_TYPE, bad)).unwrap_err().0.status, 415, "{bad:?}");
        }
    }

    #[test]
    fn who_is_calling_is_said_once() {
        let name = http::header::AUTHORIZATION;
        assert_eq!(credential(&with(name.clone(), &[b"Bearer x"]), name.clone()).unwrap(), Some("Bearer x"));
        assert_eq!(credential(&HeaderMap::new(), name.clone()).unwrap(), None);
        for bad in [&[&b"Bearer x"[..], b"Bearer x"][..], &[&b"Bearer \xe9"[..]][..]] {
            assert_eq!(credential(&with(name.clone(), bad), name.clone()).unwrap_err().0.status, 401);
        }
    }
}
