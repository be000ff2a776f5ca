//! Properties over random input, 10,000 cases each, with `rust_decimal` as an independent reader.

use mozarto_money::{AmountError, Currency, DecimalError, Money, PlainNumber};
use proptest::prelude::*;
use rust_decimal::Decimal;

fn any_currency() -> impl Strategy<Value = Currency> {
    proptest::sample::select(Currency::all().collect::<Vec<_>>())
}

/// Decimals in the grammar of JSON, around all limits: up to 17 digits before the point, up to 7 after it.
fn any_literal() -> impl Strategy<Value = String> {
    let digits = |most: usize| proptest::collection::vec(prop_oneof![Just('0'), proptest::char::range('0', '9')], 0..=most);
    (digits(17), digits(7)).prop_map(|(integer, fraction)| {
        let integer: String = integer.into_iter().collect();
        let integer = integer.trim_start_matches('0');
        let integer = if integer.is_empty() { "0" } else { integer };
        let fraction: String = fraction.into_iter().collect();
        if fraction.is_empty() { integer.to_owned() } else { format!("{integer}.{fraction}") }
    })
}

/// What looks like a number, but need not be one.
fn almost_a_number() -> impl Strategy<Value = String> {
    "[-+]?[0-9]{0,20}[.,]?[0-9]{0,6}([eE][-+]?[0-9]{0,3})?[ \"]?"
}

/// Minor units by way of `rust_decimal`; `None` when the currency's digits do not hold the value exactly.
fn minor_units_by_decimal(literal: &str, currency: Currency) -> Option<i64> {
    let scale = Decimal::from(10u64.pow(u32::from(currency.digits())));
    let scaled = Decimal::from_str_exact(literal).unwrap().checked_mul(scale)?;
    if scaled.is_integer() { i64::try_from(scaled).ok() } else { None }
}

/// The rules of the Cashier API once more, by text and `rust_decimal`.
fn expected_base_amount(literal: &str, currency: Currency) -> Result<i64, AmountError> {
    let value = Decimal::from_str_exact(literal).unwrap().normalize();
    if value.is_zero() {
        return Err(AmountError::NotAboveZero);
    }
    if value.scale() > u32::from(currency.digits()) {
        return Err(AmountError::TooManyDecimals(currency));
    }
    let digits = value.to_string().replace('.', "").trim_start_matches('0').len();
    if digits > 15 {
        return Err(AmountError::TooManySignificantDigits);
    }
    minor_units_by_decimal(literal, currency).ok_or(AmountError::TooManySignificantDigits)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics_and_never_makes_a_bad_amount(text in any::<String>(), currency in any_currency()) {
        if let Ok(amount) = Money::parse_base_amount(&text, currency) {
            prop_assert!(amount.minor() > 0);
        }
        if let Ok(amount) = Money::parse_decimal(&text, currency) {
            prop_assert!(amount.minor() >= 0);
        }
        prop_assert!(Currency::from_code(&text).is_none_or(|known| known.code() == text));
    }

    #[test]
    fn almost_numbers_are_read_as_json_would_or_not_at_all(text in almost_a_number(), currency in any_currency()) {
        let is_json = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok_and(|token| token.get() == text);
        let base = Money::parse_base_amount(&text, currency);
        let decimal = Money::parse_decimal(&text, currency);
        if !is_json || text.contains(['e', 'E', '-']) {
            prop_assert_eq!(base, Err(AmountError::NotAboveZero));
        }
        if !is_json || text.contains('-') && !text.contains(['e', 'E']) {
            prop_assert!(decimal.is_err());
        }
        if is_json {
            prop_assert_ne!(decimal, Err(DecimalError::Malformed));
        }
        if let Ok(amount) = base {
            prop_assert_eq!(decimal, Ok(amount), "what the one accepts, the other reads alike");
        }
    }

    #[test]
    fn a_base_amount_is_what_an_independent_decimal_says(literal in any_literal(), currency in any_currency()) {
        let read = Money::parse_base_amount(&literal, currency).map(|amount| amount.minor());
        prop_assert_eq!(read, expected_base_amount(&literal, currency));
    }

    #[test]
    fn a_provider_value_is_what_an_independent_decimal_says(literal in any_literal(), currency in any_currency()) {
        let read = Money::parse_decimal(&literal, currency).ok().map(|amount| amount.minor());
        prop_assert_eq!(read, minor_units_by_decimal(&literal, currency));
    }

    #[test]
    fn both_texts_mean_the_amount(minor in any::<i64>(), currency in any_currency()) {
        let amount = Money::from_minor(minor, currency);
        let value = Decimal::new(minor, u32::from(currency.digits()));
        let (fixed, plain) = (amount.to_fixed(), amount.to_plain());
        prop_assert_eq!(&fixed, &value.to_string());
        prop_assert_eq!(&plain, &value.normalize().to_string());
        prop_assert_eq!(serde_json::to_string(&PlainNumber(amount)).unwrap(), plain);
        let expected = if minor < 0 { Err(DecimalError::Negative) } else { Ok(amount) };
        prop_assert_eq!(Money::parse_decimal(&fixed, currency), expected);
    }

    #[test]
    fn an_accepted_amount_survives_the_tree_of_json_values(literal in any_literal(), currency in any_currency()) {
        if let Ok(amount) = Money::parse_base_amount(&literal, currency) {
            let tree = serde_json::to_value(PlainNumber(amount)).unwrap();
            let printed = tree.to_string();
            prop_assert_eq!(Money::parse_base_amount(&printed, currency), Ok(amount));
        }
    }

    #[test]
    fn zeros_at_the_end_change_nothing(literal in any_literal(), zeros in 1usize..40, currency in any_currency()) {
        let point = if literal.contains('.') { "" } else { "." };
        let longer = format!("{literal}{point}{}", "0".repeat(zeros));
        prop_assert_eq!(Money::parse_base_amount(&longer, currency), Money::parse_base_amount(&literal, currency));
        prop_assert_eq!(Money::parse_decimal(&longer, currency), Money::parse_decimal(&literal, currency));
    }

    #[test]
    fn sums_are_exact_or_absent(a in any::<i64>(), b in any::<i64>(), currency in any_currency()) {
        let (x, y) = (Money::from_minor(a, currency), Money::from_minor(b, currency));
        let sum = i64::try_from(i128::from(a) + i128::from(b)).ok().map(|minor| Money::from_minor(minor, currency));
        let difference = i64::try_from(i128::from(a) - i128::from(b)).ok().map(|minor| Money::from_minor(minor, currency));
        prop_assert_eq!(x.checked_add(y), sum);
        prop_assert_eq!(x.checked_sub(y), difference);
        prop_assert_eq!(x.checked_cmp(&y), Some(a.cmp(&b)));
        prop_assert_eq!(i128::from(x.scenario_digits()), (i128::from(a) % 100).abs());
    }
}
