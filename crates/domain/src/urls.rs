//! The rule for merchant URLs, and the addresses that a payer's browser returns to.

use crate::{SessionId, TransactionId};
use url::{Host, Url};

/// Where the platform runs; the two share every path and no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Environment {
    /// For development and tests.
    Sandbox,
    /// Live money.
    Production,
}

impl Environment {
    /// The word in configuration, and the audience of issued tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Production => "production",
        }
    }
}

impl std::str::FromStr for Environment {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "sandbox" => Ok(Self::Sandbox),
            "production" => Ok(Self::Production),
            _ => Err(()),
        }
    }
}

/// Longest URL that we keep, characters.
pub const URL_MAX_CHARS: usize = 2_048;

/// Whether the host is this machine: `localhost`, 127.0.0.0/8, `::1`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Reads a merchant URL: https, in the sandbox also http to this machine; no user name, no fragment. The address guard looks at
/// the host again when we call it.
pub fn merchant_url(text: &str, environment: Environment) -> Option<Url> {
    if text.chars().count() > URL_MAX_CHARS || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let scheme_ok = match url.scheme() {
        "https" => true,
        "http" => environment == Environment::Sandbox && is_loopback(&url),
        _ => false,
    };
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (scheme_ok && plain && url.host().is_some()).then_some(url)
}

/// What the browser tells the merchant's page on its return; navigation, never an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnResult {
    /// The provider's success address.
    Success,
    /// The provider's failure address.
    Failure,
    /// Not decided yet.
    Pending,
    /// The payer gave up.
    Cancel,
    /// The provider has one address for all.
    Return,
}

impl ReturnResult {
    /// The result of a word; an unknown one says nothing.
    pub fn of(word: &str) -> Self {
        let all = [Self::Success, Self::Failure, Self::Pending, Self::Cancel];
        all.into_iter().find(|result| result.as_str() == word).unwrap_or(Self::Return)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Pending => "pending",
            Self::Cancel => "cancel",
            Self::Return => "return",
        }
    }
}

/// The merchant's page with our ids and the result added to its query (providers/common "Return addresses").
pub fn return_address(
    site: &str,
    transaction_id: TransactionId,
    session_id: SessionId,
    merchant_reference: Option<&str>,
    result: ReturnResult,
) -> Option<String> {
    let mut url = Url::parse(site).ok()?;
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("transactionId", &transaction_id.to_string());
        query.append_pair("sessionId", &session_id.to_string());
        if let Some(reference) = merchant_reference {
            query.append_pair("merchantReference", reference);
        }
        query.append_pair("result", result.as_str());
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_this_machine() {
        for good in ["https://shop.example/a?b=c", "http://localhost:3000/x", "http://127.0.0.9/", "http://[::1]:8082/"] {
            assert!(merchant_url(good, Environment::Sandbox).is_some(), "{good}");
        }
        for bad in [
            "http://shop.example/",
            "ftp://localhost/",
            "https://u:p@shop.example/",
            "https://",
            "x",
            "http://10.0.0.1/",
            "https://a.example/#x",
            "https://a b.example/",
        ] {
            assert!(merchant_url(bad, Environment::Sandbox).is_none(), "{bad}");
        }
        assert!(merchant_url("http://localhost/", Environment::Production).is_none());
    }
}
