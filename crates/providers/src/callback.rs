//! What a provider's callback is, and what it says. Part of the contract in [`crate::api`].

use crate::api::Finding;
use crate::dressing;
use domain::{Json, Money, Operation, TransactionId};
use std::borrow::Cow;

/// A callback as it came in.
#[derive(Clone, Copy)]
pub struct Callback<'a> {
    /// `POST` or `GET`.
    pub method: &'a str,
    /// The query without `?`.
    pub query: &'a str,
    /// Header names in lower case.
    pub headers: &'a [(String, String)],
    /// The bytes as they came, unpacked: what a signature may cover. For reading there are [`Callback::text`], [`Callback::json`]
    /// and [`Callback::form`].
    pub body: &'a [u8],
    /// Our reference ([`Order::reference`](crate::api::Order::reference)) of what the token belongs to, where it is not an
    /// account's.
    pub reference: Option<TransactionId>,
    /// Its money, where the transaction is known.
    pub amount: Option<Money>,
    /// Its direction, where the transaction is known.
    pub operation: Option<Operation>,
}

impl std::fmt::Debug for Callback<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Callback({}, {} bytes)", self.method, self.body.len())
    }
}

impl Callback<'_> {
    /// The value of a header; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body in UTF-8 where its character set is known, without a byte order mark: the same bytes whenever it is read.
    pub fn text(&self) -> Cow<'_, [u8]> {
        dressing::undressed(self.header("content-type"), self.body)
    }

    /// The body as a JSON object, numbers of one value in one text.
    pub fn json(&self) -> Option<Json> {
        Json::parse(&self.text()).ok().filter(Json::is_object).map(dressing::plain_numbers)
    }

    /// The pairs of a body in the form encoding.
    pub fn form(&self) -> Vec<(String, String)> {
        dressing::form(self.header("content-type"), self.body)
    }
}

/// What a callback says.
#[derive(Debug, Clone)]
pub struct CallbackReading {
    /// The answer to the provider.
    pub answer: CallbackAnswer,
    /// What is to be done.
    pub outcome: CallbackOutcome,
    /// Where the token is an account's: how to find the transaction.
    pub locate: Option<Locate>,
}

impl CallbackReading {
    /// Refused with that status; nothing is started.
    pub fn refused(status: u16) -> Self {
        Self { answer: CallbackAnswer::empty(status), outcome: CallbackOutcome::Ignore, locate: None }
    }
}

/// The answer to a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackAnswer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Body.
    pub body: String,
}

impl CallbackAnswer {
    /// No body.
    pub const fn empty(status: u16) -> Self {
        Self { status, content_type: "text/plain", body: String::new() }
    }
}

/// What a callback leads to.
#[derive(Clone)]
pub enum CallbackOutcome {
    /// Nothing (a connection test, a refused one).
    Ignore,
    /// Forged, or not what it says: nothing changes, an anomaly with this text is shown.
    Anomaly(String),
    /// Unsigned or too weakly signed, or to be compared with the provider's record: the provider is asked, with this kept for
    /// [`Context::hint`](crate::api::Context::hint). Its members `note` and `anomaly`, texts fit to be shown, go on the timeline,
    /// once; the other members are what the inquiry is given. Callbacks that say the same share an inquiry; each that says
    /// something else has its own.
    Hint(Json),
    /// Fully signed facts.
    Fact(Box<Finding>),
}

impl std::fmt::Debug for CallbackOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ignore => f.write_str("Ignore"),
            Self::Anomaly(text) => write!(f, "Anomaly({text})"),
            Self::Hint(_) => f.write_str("Hint(..)"),
            Self::Fact(finding) => write!(f, "Fact({finding:?})"),
        }
    }
}

/// How to find the transaction of a callback to an account's address.
#[derive(Debug, Clone, Default)]
pub struct Locate {
    /// By our reference, as the provider tells it ([`Order::reference`](crate::api::Order::reference)).
    pub reference: Option<TransactionId>,
    /// By the provider's id.
    pub psp_transaction_id: Option<String>,
}
