//! eMerchantPay's notifications: their signature covers the id alone, so that a right one is a hint. Sheet: "Callbacks".

use super::record;
use super::refunds::RETRIEVAL_REQUEST;
use crate::api::{Account, Callback, CallbackAnswer, CallbackOutcome, CallbackReading};
use crate::kit;
use crate::xml::{self, Part};
use aws_lc_rs::digest;
use domain::Json;

/// Members of a hint: by them one notification is told from another.
const HINT_MEMBERS: [&str; 4] = ["unique_id", "status", "event", "amount"];

/// Whether the signature is that of `unique_id` and the password: SHA-1, SHA-256 or SHA-512 by its length, in either case of
/// letters.
pub(super) fn is_signed(unique_id: &str, signature: &str, password: &str) -> bool {
    let algorithm = match signature.len() {
        40 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        64 => &digest::SHA256,
        128 => &digest::SHA512,
        _ => return false,
    };
    kit::same_bytes(&kit::digest_hex(algorithm, &[unique_id, password]), &signature.to_ascii_lowercase())
}

pub(super) fn read(account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
    if callback.method != "POST" {
        return CallbackReading::refused(405);
    }
    let value = |name| kit::form_value(callback.body, name);
    let Some(unique_id) = value("unique_id").filter(|id| record::is_unique_id(id)) else {
        return CallbackReading::refused(400);
    };
    let signature = value("signature").unwrap_or_default();
    if !is_signed(&unique_id, &signature, account.text("password")) {
        let outcome = CallbackOutcome::Anomaly("an eMerchantPay notification has a wrong signature".to_owned());
        return CallbackReading { answer: CallbackAnswer::empty(403), outcome, locate: None };
    }
    let ours = callback.reference.map(|id| id.to_string());
    // The signed id and the address name the payment too.
    let outcome = if value("transaction_id").is_none_or(|theirs| ours == Some(theirs)) {
        let members = HINT_MEMBERS.into_iter().filter_map(|name| Some((name, Json::text(kit::provider_text(&value(name)?)))));
        let mut hint = Json::object(members);
        if value("event").as_deref() == Some(RETRIEVAL_REQUEST) {
            // It moves no money, and the payment's record says nothing of it.
            hint.set("anomaly", Json::text("eMerchantPay tells of a retrieval request"));
        } else if is_foreign_amount(callback, value("status").as_deref(), value("amount").as_deref()) {
            hint.set("anomaly", Json::text("an eMerchantPay notification has another amount"));
        }
        CallbackOutcome::Hint(hint)
    } else {
        CallbackOutcome::Anomaly("an eMerchantPay notification names another transaction".to_owned())
    };
    CallbackReading { answer: echo(&unique_id), outcome, locate: None }
}

/// Whether an amount that is there is not ours; of what came after an approval less of it is as good as all.
fn is_foreign_amount(callback: &Callback<'_>, status: Option<&str>, amount: Option<&str>) -> bool {
    let (Some(ours), Some(theirs)) = (callback.amount.map(|ours| ours.minor()), amount) else { return false };
    let may_be_less = status.and_then(record::turn_of).is_some();
    kit::whole_number(theirs).is_none_or(|theirs| theirs != ours && !(may_be_less && (1..ours).contains(&theirs)))
}

/// What ends the gateway's deliveries.
fn echo(unique_id: &str) -> CallbackAnswer {
    let xml =
        xml::write(&[Part::Open("notification_echo"), Part::Leaf("unique_id", unique_id), Part::Close("notification_echo")]);
    CallbackAnswer { status: 200, content_type: "text/xml", body: String::from_utf8_lossy(&xml).into_owned() }
}
