//! Worldpay's notifications to an account's address: unsigned, so hints; always answered `[OK]`, for anything else holds back
//! those that follow. Sheet: "Callbacks".

use super::{record, reply, told};
use crate::api::{Account, Callback, CallbackAnswer, CallbackOutcome, CallbackReading, Locate};
use crate::kit;
use crate::xml::{self, Element};
use domain::{Json, Money};

/// Digits of a refund's reference: fewer than a card's number has, but for a few.
pub(super) const REFERENCE_DIGITS: usize = 12;
/// The accounts of what was captured, of what is settled, and of what Worldpay keeps of it.
const CAPTURED: &str = "IN_PROCESS_CAPTURED";
const NET: &str = "SETTLED_BIBIT_NET";
const COMMISSION: &str = "SETTLED_BIBIT_COMMISSION";

pub(super) fn read(account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
    let root =
        xml::parse_once(&callback.text(), &reply::ONCE).filter(|root| root.name == "paymentService" && callback.method == "POST");
    let event = root.as_ref().and_then(|root| root.child("notify")?.child("orderStatusEvent"));
    let named = event.and_then(|event| event.attribute("orderCode")).and_then(|code| code.parse().ok());
    let outcome = match (&root, event) {
        (Some(root), Some(event)) => outcome(account, callback, root, event),
        _ => CallbackOutcome::Anomaly("a Worldpay notification cannot be read".to_owned()),
    };
    // An order that is not ours is found nowhere: told in the log, and still accepted. One that cannot be read names none: an
    // anomaly of the account.
    let locate = callback.reference.is_none().then_some(Locate { reference: named, psp_transaction_id: None });
    let answer = CallbackAnswer { status: 200, content_type: "text/plain", body: "[OK]".to_owned() };
    CallbackReading { answer, outcome, locate }
}

fn outcome(account: &Account<'_>, callback: &Callback<'_>, root: &Element, event: &Element) -> CallbackOutcome {
    let anomaly = |what: &str| CallbackOutcome::Anomaly(format!("a Worldpay notification has another {what}"));
    if root.attribute("merchantCode") != Some(account.text("merchantCode")) {
        return anomaly("merchant code");
    }
    let code = event.attribute("orderCode").unwrap_or_default();
    if callback.reference.is_some_and(|ours| ours.to_string() != code) {
        return anomaly("order");
    }
    let payment = event.child("payment");
    let word = payment.map_or(reply::NO_NEWS, record::event);
    let of_refund = record::is_refund(word);
    if let (Some(payment), Some(amount)) = (payment, callback.amount)
        && let Some(what) = record::foreign_amount(payment, amount, of_refund)
    {
        return anomaly(what);
    }
    let mut notice = Json::object([(told::EVENT, Json::text(kit::provider_text(word)))]);
    if let Some(minor) = callback.amount.and_then(|ours| part(event, ours)).filter(|_| of_refund) {
        notice.set(told::MINOR, Json::text(minor.to_string()));
    }
    let note = format!("Worldpay notified {}", kit::provider_text(word));
    let mut hint = Json::object([(told::notice_name(callback.body).as_str(), notice), ("note", Json::text(note))]);
    if let Some(token) = told::token(event) {
        hint.set("token", token);
    }
    CallbackOutcome::Hint(hint)
}

/// What a refund's journal books in the order's currency, minor units: on the account of what is captured, else on that of what
/// is settled, from which a refund is taken. What Worldpay keeps for itself is no part of it.
fn part(event: &Element, ours: Money) -> Option<i64> {
    let minor = |booking: &Element| record::in_our_currency(booking.child("amount")?, ours).filter(|minor| *minor > 0);
    let read = |booking: &Element| Some((booking.attribute("accountType").unwrap_or_default().to_owned(), minor(booking)?));
    let mut ours: Vec<(String, i64)> = event.child("journal")?.children_named("accountTx").filter_map(read).collect();
    ours.retain(|(account, _)| account != COMMISSION);
    let on = |account| ours.iter().find(|(booked, _)| booked == account);
    on(CAPTURED).or_else(|| on(NET)).or(ours.first()).map(|(_, minor)| *minor)
}

/// Whether a tag has more digits in all; the text behind it is none of its own.
pub(super) fn has_more_digits(tag: &str, most: usize) -> bool {
    tag.bytes().filter(u8::is_ascii_digit).count() > most
}
