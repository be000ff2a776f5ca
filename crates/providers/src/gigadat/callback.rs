//! Gigadat's callbacks to an account's address: unsigned, so hints only. Sheet: "Callbacks".

use super::inquiry;
use crate::api::{Callback, CallbackAnswer, CallbackOutcome, CallbackReading, Locate};
use crate::{dressing, kit};
use domain::{Json, TransactionId};

/// Longest rail word that is kept, characters.
const RAIL_MAX_CHARS: usize = 16;

pub(super) fn read(callback: &Callback<'_>) -> CallbackReading {
    if callback.method != "POST" {
        return CallbackReading::refused(405);
    }
    let read = kit::json_or_form(&callback.text());
    let unreadable = read.is_none() && !callback.body.is_empty();
    let body = read.unwrap_or_else(|| Json::object::<String>([]));
    let of_query = || kit::one_value(&dressing::form(None, callback.query.as_bytes()), "transaction").map(str::to_owned);
    // One that can be none of ours, as an id of Gigadat's own, names nothing.
    let may_be_ours = |id: &&str| id.parse::<TransactionId>().is_ok();
    let named = ["transactionId", "transactionid"].into_iter().filter_map(|name| kit::scalar(&body, name)).find(may_be_ours);
    let named = named.map(str::to_owned).or_else(of_query);
    let received = CallbackAnswer { status: 200, content_type: "text/plain", body: "OK".to_owned() };
    let foreign = callback.amount.and_then(|amount| inquiry::foreign_money(&body, amount));
    let outcome = match (callback.reference, &named, foreign) {
        (Some(ours), Some(theirs), _) if *theirs != ours.to_string() => {
            CallbackOutcome::Anomaly("a Gigadat callback names another transaction".to_owned())
        }
        (_, _, Some(what)) => CallbackOutcome::Anomaly(format!("a Gigadat callback has another {what}")),
        // It may be about any transaction of the account.
        (None, None, None) if unreadable => CallbackOutcome::Anomaly("a Gigadat callback cannot be read".to_owned()),
        // The rail that was used: for the timeline alone.
        _ => {
            let rail = kit::scalar(&body, "type").filter(|rail| kit::is_word(rail, RAIL_MAX_CHARS));
            CallbackOutcome::Hint(Json::object(rail.map(|rail| ("type", Json::text(rail)))))
        }
    };
    let locate = callback
        .reference
        .is_none()
        .then(|| Locate { reference: named.and_then(|id| id.parse().ok()), psp_transaction_id: None });
    CallbackReading { answer: received, outcome, locate }
}
