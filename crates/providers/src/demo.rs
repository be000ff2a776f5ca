//! Demo requests: the published example of a provider with an amount that makes its simulator do something in particular.

use crate::Provider;
use domain::{Currency, Json, Money, Operation};

/// What the last two digits can be.
const SCENARIOS: i64 = 100;
/// The user of an example without one.
const USER_ID: &str = "user_123";

/// A request to send.
#[derive(Debug)]
pub struct Demo {
    /// The Cashier body. `isTestMode` is on, so that production refuses it.
    pub body: Json,
    /// Its amount.
    pub amount: Money,
}

impl Demo {
    /// The example of an operation with an amount near the example's that ends in `scenario` (0 to 99; of the minor units, so of
    /// the amount itself where the currency has no decimals). `serial` differs from request to request, for what can be spent
    /// once. `None`: the provider has no such operation, or its example has no amount and currency.
    pub fn of(provider: &dyn Provider, operation: Operation, scenario: u8, serial: u32) -> Option<Self> {
        let mut body = Json::parse(provider.descriptor().operation(operation)?.example.as_bytes()).ok()?;
        let currency = Currency::from_code(body.str_at("currency")?)?;
        let example = Money::parse_base_amount(body.get("baseamount")?.as_number()?, currency).ok()?;
        // The example's hundreds stay; nothing is left of an amount below one hundred that would end in 00.
        let hundreds = (example.minor() / SCENARIOS).max(1);
        let amount = Money::from_minor(hundreds * SCENARIOS + i64::from(scenario) % SCENARIOS, currency);
        body.set("baseamount", Json::Number(amount.to_fixed().into()));
        if body.str_at("userId").is_none_or(str::is_empty) {
            body.set("userId", Json::text(USER_ID));
        }
        body.set("isTestMode", Json::Bool(true));
        for (field, value) in provider.demo_fields(operation, &amount, serial) {
            set_nested(&mut body, field, value);
        }
        Some(Self { body, amount })
    }

    /// `userId` of the body.
    pub fn user_id(&self) -> &str {
        self.body.str_at("userId").unwrap_or_default()
    }
}

/// Sets `a.b`; objects on the way are made where they are not there.
fn set_nested(body: &mut Json, field: &str, value: String) {
    match field.split_once('.') {
        None => body.set(field, Json::text(value)),
        Some((outer, inner)) => {
            let mut object = body.remove(outer).filter(Json::is_object).unwrap_or_else(|| Json::Object(Vec::new()));
            set_nested(&mut object, inner, value);
            body.set(outer, object);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_fields_are_set() {
        let mut body = Json::parse(br#"{"card":{"pan":"1","cvv":"2"},"a":"b"}"#).unwrap();
        set_nested(&mut body, "card.pan", "3".to_owned());
        set_nested(&mut body, "bank.account", "4".to_owned());
        set_nested(&mut body, "a", "5".to_owned());
        assert_eq!(
            body.to_text(),
            Json::parse(br#"{"a":"5","card":{"pan":"3","cvv":"2"},"bank":{"account":"4"}}"#).unwrap().to_text()
        );
    }
}
