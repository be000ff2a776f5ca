//! Neosurf's callbacks: a signed form. Sheet: "Callbacks".

use super::inquiry::{self, Said};
use super::wire;
use crate::api::{Account, Callback, CallbackAnswer, CallbackOutcome, CallbackReading};
use crate::{dressing, kit};
use domain::Json;
use std::collections::BTreeSet;

/// The fields of a callback, `hash` included. The signature joins their values without separators, so that characters could be
/// moved into a field of another name.
const FIELDS: [&str; 18] = [
    "amount",
    "created",
    "currency",
    "errorCode",
    "errorMessage",
    "hash",
    "merchantId",
    "merchantTransactionId",
    "methodChargedAmount",
    "methodCurrency",
    "methodExpiry",
    "methodId",
    "methodLabel",
    "methodName",
    "status",
    "subMerchantId",
    "transaction3d",
    "transactionId",
];

type Pairs = Vec<(String, String)>;

pub(super) fn read(account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
    if callback.method != "POST" {
        return CallbackReading::refused(405);
    }
    let fields: Pairs = callback.form();
    if !is_signed(account, callback.body) {
        let outcome = CallbackOutcome::Anomaly("a Neosurf callback has a missing or wrong hash".to_owned());
        return CallbackReading { answer: CallbackAnswer::empty(403), outcome, locate: None };
    }
    let answer = CallbackAnswer { status: 200, content_type: "text/plain", body: "OK".to_owned() };
    CallbackReading { answer, outcome: outcome(account, callback, &fields), locate: None }
}

/// The hash over every received field except itself, in the bytes that came.
fn is_signed(account: &Account<'_>, body: &[u8]) -> bool {
    let fields = dressing::form_bytes(body);
    let (hashes, values): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| name == b"hash");
    let [(_, presented)] = hashes.as_slice() else { return false };
    let presented = String::from_utf8_lossy(presented).to_ascii_lowercase();
    let values: Vec<(&[u8], &[u8])> = values.iter().map(|(name, value)| (&**name, &**value)).collect();
    let key = account.text("apiKey");
    // An account without a key has no callbacks: anybody can sign with an empty one.
    !key.is_empty() && kit::same_bytes(&wire::signature_of_bytes(&values, key), &presented)
}

fn outcome(account: &Account<'_>, callback: &Callback<'_>, fields: &Pairs) -> CallbackOutcome {
    let (Some(id), Some(amount)) = (callback.reference, callback.amount) else { return CallbackOutcome::Ignore };
    let text = |name: &str| fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| &**value);
    let (merchant, sub_merchant, id) = (account.text("merchantId"), wire::sub_merchant(account), id.to_string());
    let same = |name: &str, value: &str| match name {
        "amount" => inquiry::is_our_amount(value, amount),
        "currency" => value.eq_ignore_ascii_case(amount.currency().code()),
        "merchantId" => value == merchant,
        "subMerchantId" => value == sub_merchant,
        "merchantTransactionId" => value == id,
        _ => true,
    };
    if let Some((name, _)) = fields.iter().find(|(name, value)| !value.is_empty() && !same(name, value)) {
        return CallbackOutcome::Anomaly(format!("a Neosurf callback has another {name}"));
    }
    let names: BTreeSet<&str> = fields.iter().map(|(name, _)| &**name).collect();
    // An empty value says nothing of whose it is.
    let named = |name: &&str| fields.iter().any(|(known, value)| known == name && !value.is_empty());
    let each_once = names.len() == fields.len() && names.iter().all(|name| FIELDS.contains(name));
    let whole = ["amount", "currency", "merchantId", "subMerchantId", "merchantTransactionId"].iter().all(named);
    if !(each_once && whole) {
        return CallbackOutcome::Hint(Json::object::<String>([]));
    }
    let said = Said {
        status: text("status"),
        error_code: text("errorCode"),
        error_message: text("errorMessage"),
        transaction_id: text("transactionId"),
    };
    CallbackOutcome::Fact(Box::new(inquiry::finding(&said)))
}
