//! What one provider's simulator is to the kit: plain functions over a transaction, without any I/O.

use serde_json::Value;

use super::{Call, Error, Reply, Tx};

/// What became of a control call.
#[derive(Debug)]
pub(crate) enum Pressed {
    /// Done; the provider's own word for the state after it.
    Done(String),
    /// Nothing is known under that reference (404).
    Unknown,
    /// Not possible in the present state (409), with the reason.
    NotPossible(String),
}

/// Outcomes that every simulator knows by name; a sheet may add its own.
pub(crate) const COMMON_OUTCOMES: [&str; 6] = ["pay", "approve", "decline", "cancel", "expire", "reverse"];

/// One provider's own side.
///
/// Each function runs inside one transaction that is committed before anything is answered or sent. A
/// returned error rolls it back.
pub(crate) trait Provider: Send + Sync + 'static {
    /// The provider's name in addresses: the sheet's file name.
    fn name(&self) -> &'static str;

    /// Whether a path belongs to the hosted page (for a person) rather than to the API. Pages are not in
    /// the calls log and not subject to `next`.
    fn is_page(&self, path: &str) -> bool;

    /// The same for a whole request, where one path serves both browsers and merchants.
    fn is_page_call(&self, call: &Call) -> bool {
        self.is_page(&call.path)
    }

    /// Answers one API call.
    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error>;

    /// Answers one request of a hosted page.
    fn page(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error>;

    /// Checks the body of `PUT /control/{provider}/accounts/{name}`.
    fn check_account(&self, body: &Value) -> Result<(), String>;

    /// What else finds an account beside its name: the credentials that a call shows, where its address does not
    /// name the account. Kept as keyed digests; `Tx::accounts_by_alias` finds by them.
    fn account_aliases(&self, _body: &Value) -> Vec<String> {
        Vec::new()
    }

    /// Outcomes beside [`COMMON_OUTCOMES`].
    fn more_outcomes(&self) -> &'static [&'static str] {
        &[]
    }

    /// Brings an order to an outcome (a known word, in its plain form).
    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error>;

    /// The same for a part of the amount, minor units (`?minor=3000`), where the provider does it in parts.
    fn part(&self, _tx: &Tx<'_>, _reference: &str, outcome: &str, _minor: i64) -> Result<Pressed, Error> {
        Ok(Pressed::NotPossible(format!("{outcome} is done of the whole alone")))
    }

    /// Sets the provider's raw status word and notifies.
    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error>;

    /// The provider's own word for the state of an order, `None` when it is unknown.
    fn state(&self, tx: &Tx<'_>, reference: &str) -> Result<Option<String>, Error>;

    /// A due time has come: the event that was scheduled for the order.
    fn event(&self, tx: &Tx<'_>, key: &str, event: &str) -> Result<(), Error>;

    /// A path, query or body as the calls log may keep it: card elements and other bearer values blanked.
    fn blanked(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// The plain form of an outcome's name: past forms, spellings and `success` count too.
pub(crate) fn plain_outcome(word: &str) -> &str {
    match word {
        "paid" => "pay",
        "approved" | "success" | "succeed" | "succeeded" => "approve",
        "declined" => "decline",
        "cancelled" | "canceled" => "cancel",
        "expired" => "expire",
        "reversed" => "reverse",
        "refunded" => "refund",
        "suspended" => "suspend",
        "charged_back" | "chargebacked" => "chargeback",
        other => other,
    }
}
