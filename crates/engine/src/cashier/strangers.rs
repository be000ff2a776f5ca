//! Fields that a Cashier request brings and that nobody reads. They are passed over; in the sandbox the answer names them, so
//! that a slip is seen.

use crate::answer::nearest;
use domain::Json;
use providers::card;
use providers::descriptor::{FieldRule, OperationSpec, RequestField};

/// Fields that every request may have, whether its provider reads them or not (Cashier API, section 1).
const COMMON: [&str; 12] = [
    "pspType",
    "type",
    "baseamount",
    "currency",
    "userId",
    "email",
    "country",
    "countryCode",
    "brandId",
    "merchantReference",
    "tags",
    "isTestMode",
];
/// Most names that the header has.
const NAMES_MAX: usize = 20;
/// Most characters of each.
const NAME_MAX_CHARS: usize = 64;
/// As many digits in a row may be a card number.
const CARD_DIGITS: usize = 12;

/// The value of `X-Mozarto-Warning`; `None` when every field is known.
pub(super) fn warning(spec: &OperationSpec, body: &Json) -> Option<String> {
    let fields = spec.fields;
    let mut known: Vec<&str> = COMMON.to_vec();
    known.extend(fields.iter().map(|field| field.name));
    let mut strangers = Vec::new();
    for (name, value) in body.as_object().unwrap_or_default() {
        if !known.contains(&name.as_str()) {
            strangers.push(shown(name, &known));
            continue;
        }
        let members = members(fields, name);
        if members.is_empty() {
            continue;
        }
        for (member, _) in value.as_object().unwrap_or_default() {
            if !members.contains(&member.as_str()) {
                strangers.push(format!("{name}.{}", shown(member, &members)));
            }
        }
    }
    if strangers.is_empty() {
        return None;
    }
    let more = strangers.len().saturating_sub(NAMES_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    strangers.truncate(NAMES_MAX);
    Some(format!("unknown fields were ignored: {}{more}", strangers.join(", ")))
}

/// The members that an object of the request may have; none: its members are not listed.
fn members<'a>(fields: &'a [RequestField], object: &str) -> Vec<&'a str> {
    if fields.iter().any(|field| field.name == object && matches!(field.rule, FieldRule::Card)) {
        return card::FIELDS.to_vec();
    }
    fields.iter().filter_map(|field| field.name.strip_prefix(object)?.strip_prefix('.')).collect()
}

/// A stranger's name as a header can carry it, with the known one that was most likely meant.
fn shown(name: &str, known: &[&str]) -> String {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let plain = |c: char| match c {
        '0'..='9' if digits >= CARD_DIGITS => '*',
        c if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') => c,
        _ => '?',
    };
    let text: String = name.chars().take(NAME_MAX_CHARS).map(plain).collect();
    match nearest(name, known) {
        Some(meant) => format!("{text} (did you mean {meant}?)"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Operation;

    fn told(provider: &str, operation: Operation, body: &str) -> Option<String> {
        let provider = providers::by_name(provider).unwrap();
        warning(provider.descriptor().operation(operation).unwrap(), &Json::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn strangers_are_named_and_known_fields_are_not() {
        let payin = |body: &str| told("payone", Operation::PayIn, body);
        assert_eq!(payin(r#"{"pspType":"PAYONE","type":"PAYIN","tags":["a"],"merchantReference":"x"}"#), None);
        let slip = payin(r#"{"merchantRef":"x","baseAmount":1}"#).unwrap();
        assert_eq!(
            slip,
            "unknown fields were ignored: merchantRef (did you mean merchantReference?), baseAmount (did you mean baseamount?)"
        );
        let card = told("emerchantpay", Operation::PayIn, r#"{"card":{"pan":"4111111111111111","zip":"1"}}"#).unwrap();
        assert_eq!(card, "unknown fields were ignored: card.zip");
        assert_eq!(payin(r#"{"4111111111111111":1}"#).unwrap(), "unknown fields were ignored: ****************");
        assert_eq!(payin("{\"a\\u0001\\nü\":1}").unwrap(), "unknown fields were ignored: a???");
        let many: Vec<String> = (0..30).map(|n| format!("\"zz{n}\":1")).collect();
        assert!(payin(&format!("{{{}}}", many.join(","))).unwrap().ends_with(" and 10 more"));
        let long = payin(&format!("{{\"{}\":1}}", "z".repeat(500))).unwrap();
        assert_eq!(long.len(), "unknown fields were ignored: ".len() + NAME_MAX_CHARS);
    }

    #[test]
    fn every_example_body_is_known() {
        for provider in providers::all() {
            for operation in [Operation::PayIn, Operation::PayOut] {
                let Some(spec) = provider.descriptor().operation(operation) else { continue };
                let names = spec.fields.iter().map(|field| format!("\"{}\":1", field.name.split('.').next().unwrap()));
                let mut names: Vec<String> = names.collect();
                names.sort();
                names.dedup();
                let body = format!("{{{}}}", names.join(","));
                assert_eq!(told(provider.descriptor().name, operation, &body), None, "{}", provider.descriptor().name);
            }
        }
    }
}
