//! How amounts leave us: a number without trailing zeros in answers, a string with the currency's digits elsewhere
//! (Cashier API, section 1 "Money").

use crate::Json;
use money::Money;

/// The amount as answers show it: a JSON number without trailing zeros (`10`, `10.5`).
pub fn as_number(amount: &Money) -> Json {
    Json::Number(amount.to_plain().into())
}

/// The amount as TransactionData and webhooks show it: text with exactly the currency's digits (`"100.00"`).
pub fn as_text(amount: &Money) -> Json {
    Json::String(amount.to_fixed())
}
