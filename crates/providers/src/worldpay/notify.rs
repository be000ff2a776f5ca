//! Worldpay's notifications to an account's address: unsigned, so hints; always answered `[OK]`, for anything else holds back those that follow. Sheet: "Callbacks".

use super::{reply, told};
use crate::api::{Account, Callback, CallbackAnswer, CallbackOutcome, CallbackReading, Locate};
use crate::kit;
use crate::xml::{self, Element};
use domain::Json;

/// Longest part of a key or an event, characters.
const PART_MAX_CHARS: usize = 64;

pub(super) fn read(account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
    let root = xml::parse(&callback.text()).filter(|root| root.name == "paymentService" && callback.method == "POST");
    let event = root.as_ref().and_then(|root| root.child("notify")?.child("orderStatusEvent"));
    let named = event.and_then(|event| event.attribute("orderCode")).and_then(|code| code.parse().ok());
    let outcome = match (&root, event) {
        (Some(root), Some(event)) => outcome(account, callback, root, event),
        _ => CallbackOutcome::Anomaly("a Worldpay notification cannot be read".to_owned()),
    };
    // An order that is not ours is found nowhere: told in the log, and still accepted.
    let locate = callback.transaction_id.is_none().then_some(Locate { transaction_id: named, psp_transaction_id: None });
    let answer = CallbackAnswer { status: 200, content_type: "text/plain", body: "[OK]".to_owned() };
    CallbackReading { answer, outcome, locate }
}

fn outcome(account: &Account<'_>, callback: &Callback<'_>, root: &Element, event: &Element) -> CallbackOutcome {
    let anomaly = |what: &str| CallbackOutcome::Anomaly(format!("a Worldpay notification has another {what}"));
    if root.attribute("merchantCode") != Some(account.text("merchantCode")) {
        return anomaly("merchant code");
    }
    let code = event.attribute("orderCode").unwrap_or_default();
    if callback.transaction_id.is_some_and(|ours| ours.to_string() != code) {
        return anomaly("order");
    }
    let payment = event.child("payment");
    let word = payment.map_or(reply::NO_NEWS, reply::event);
    let of_refund = reply::is_refund(word);
    if let (Some(payment), Some(amount)) = (payment, callback.amount)
        && let Some(what) = reply::foreign_amount(payment, amount, of_refund)
    {
        return anomaly(what);
    }
    let journal = event.child("journal");
    let part = |text: Option<&str>| text.unwrap_or_default().chars().take(PART_MAX_CHARS).collect::<String>();
    let attribute = |name| part(journal.and_then(|journal| journal.attribute(name)));
    let moved = journal.and_then(|journal| journal.find("amount")).and_then(|amount| amount.attribute("value"));
    let reference = journal.and_then(|journal| journal.find("journalReference"));
    let reference = part(reference.and_then(|reference| reference.attribute("reference")));
    let key = [attribute("journalType"), reference, part(moved)].join(" ");
    let mut hint = Json::object([("event", Json::text(kit::provider_text(word))), ("key", Json::text(kit::provider_text(&key)))]);
    if let Some(value) = moved.filter(|value| of_refund && kit::whole_number(value).is_some()) {
        hint.set("refunded", Json::text(value));
    }
    if let Some(token) = told::token(event) {
        hint.set("token", token);
    }
    CallbackOutcome::Hint(hint)
}
