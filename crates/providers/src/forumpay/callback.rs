//! ForumPay's callbacks: unsigned, so hints only. Sheet: "Callbacks".

use crate::api::{Callback, CallbackAnswer, CallbackOutcome, CallbackReading, Locate};
use crate::kit;
use domain::Json;

/// Members of a hint, for CheckPayment.
const HINT_MEMBERS: [&str; 4] = ["pos_id", "currency", "payment_id", "address"];
/// Longest connection-test hash that is sent back, characters.
const WEBHOOK_TEST_MAX_CHARS: usize = 256;

pub(super) fn read(callback: &Callback<'_>) -> CallbackReading {
    if callback.method != "POST" {
        return CallbackReading::refused(405);
    }
    // What came to a transaction's own address asks about that transaction, whatever is in it.
    let nothing = || callback.reference.map(|_| Json::object::<String>([]));
    let Some(body) = kit::json_or_form(&callback.text()).or_else(nothing) else { return CallbackReading::refused(400) };
    if let Some(hash) = kit::scalar(&body, "webhook_test") {
        let echoed: String = hash.chars().take(WEBHOOK_TEST_MAX_CHARS).collect();
        let body = Json::object([("message", Json::text(echoed))]).to_text();
        let answer = CallbackAnswer { status: 200, content_type: "application/json", body };
        return CallbackReading { answer, outcome: CallbackOutcome::Ignore, locate: None };
    }
    let received = CallbackAnswer { status: 200, content_type: "text/plain", body: "OK".to_owned() };
    let reference = kit::scalar(&body, "reference_no");
    let outcome = match (callback.reference, reference) {
        (Some(ours), Some(theirs)) if theirs != ours.to_string() => {
            CallbackOutcome::Anomaly("a ForumPay callback names another reference".to_owned())
        }
        _ => CallbackOutcome::Hint(Json::object(
            HINT_MEMBERS.into_iter().filter_map(|name| Some((name, Json::text(kit::provider_text(kit::scalar(&body, name)?))))),
        )),
    };
    let locate = callback.reference.is_none().then(|| Locate {
        reference: reference.and_then(|reference| reference.parse().ok()),
        psp_transaction_id: kit::scalar(&body, "payment_id").map(kit::provider_text),
    });
    CallbackReading { answer: received, outcome, locate }
}
