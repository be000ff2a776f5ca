//! One request to a provider, as its simulator reads it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};

/// A request below `{simulator}/{provider}`.
#[derive(Debug)]
pub(crate) struct Call {
    /// The method.
    pub(crate) method: Method,
    /// The path below the provider's mount, raw (not percent-decoded), beginning with `/`.
    pub(crate) path: String,
    /// The query, raw, without `?`.
    pub(crate) query: String,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The exact bytes of the body.
    pub(crate) body: Bytes,
    /// Absolute address of the provider's mount, without a slash at its end.
    pub(crate) base: String,
}

impl Call {
    /// The non-empty segments of the path, raw.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|segment| !segment.is_empty()).collect()
    }

    /// A header's text, `None` when it is absent or not visible ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// User and password of `Authorization: Basic`.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let (scheme, value) = self.header("authorization")?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
        decoded.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// The decoded pairs of the query.
    pub(crate) fn query_pairs(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// The decoded pairs of a form body.
    pub(crate) fn form_pairs(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// One field of a form body.
    pub(crate) fn form_field(&self, name: &str) -> Option<String> {
        self.form_pairs().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}
