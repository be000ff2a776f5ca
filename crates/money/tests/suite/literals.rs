//! Literals that must be refused, each with its sentence, and the odd ones that must not.

use mozarto_money::{DecimalError, Money};

use crate::{currency, money};

const NOT_ABOVE_ZERO: &str = "baseamount must be a number greater than 0";
const TOO_MANY_DIGITS: &str = "baseamount must have at most 15 significant digits";

fn refusal(literal: &str, code: &str) -> String {
    match Money::parse_base_amount(literal, currency(code)) {
        Ok(amount) => panic!("{literal:?} was read as {amount}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn not_a_number_above_zero() {
    let malformed = [
        "", " ", "-", ".", "+1", "01", "00", "00.5", ".5", "5.", "-.5", "1..2", "1.2.3", "1,5", "1 000", "1_000", " 1", "1 ",
        "1\n", "0x10", "1f", "NaN", "nan", "Infinity", "inf", "--1", "1-", "1.-5", "١", "１", "1\0", "\"", "€1", "1€",
    ];
    let other_tokens = ["\"10\"", "\"10.00\"", "null", "true", "[10]", "{}"];
    let exponents = ["1e2", "1E2", "1e+2", "1e-2", "1.5e1", "0e0", "1e", "1e400"];
    let not_positive = ["0", "-0", "0.0", "0.000", "-0.0", "-1", "-0.01", "-1.005", "-1000000000000000000000000"];
    for literal in malformed.iter().chain(&other_tokens).chain(&exponents).chain(&not_positive) {
        for code in ["EUR", "JPY", "KWD", "CLF"] {
            assert_eq!(refusal(literal, code), NOT_ABOVE_ZERO, "{literal:?}");
        }
    }
}

#[test]
fn too_many_decimals() {
    let cases = [
        ("1.005", "EUR", "baseamount must have at most 2 decimals for EUR"),
        ("0.001", "EUR", "baseamount must have at most 2 decimals for EUR"),
        ("100.0010", "USD", "baseamount must have at most 2 decimals for USD"),
        ("1.5", "JPY", "baseamount must have at most 0 decimals for JPY"),
        ("10000.01", "CLP", "baseamount must have at most 0 decimals for CLP"),
        ("1.2345", "KWD", "baseamount must have at most 3 decimals for KWD"),
        ("1.23456", "CLF", "baseamount must have at most 4 decimals for CLF"),
        // Two rules broken: the sentences come in the order of the list.
        ("1234567890123456.123", "EUR", "baseamount must have at most 2 decimals for EUR"),
    ];
    for (literal, code, sentence) in cases {
        assert_eq!(refusal(literal, code), sentence, "{literal}");
    }
}

#[test]
fn too_many_significant_digits() {
    let sixteen = [
        ("1234567890123456", "EUR"),
        ("1000000000000000", "JPY"),
        ("12345678901234.56", "EUR"),
        ("10000000000000.01", "EUR"),
        ("1000000000000.001", "KWD"),
        ("9999999999999999999999999999999999", "EUR"),
        // Fifteen digits, but more than the minor units of a four-digit currency can count.
        ("922337203685478", "CLF"),
        ("999999999999999", "UYW"),
    ];
    for (literal, code) in sixteen {
        assert_eq!(refusal(literal, code), TOO_MANY_DIGITS, "{literal}");
    }
}

#[test]
fn unusual_but_good() {
    let long_zeros = format!("1.{}", "0".repeat(60_000));
    let cases = [
        ("1.0", "JPY", 1),
        ("10000.000", "CLP", 10_000),
        ("1.000", "EUR", 100),
        ("1.10000", "EUR", 110),
        ("0.01", "EUR", 1),
        ("0.010", "EUR", 1),
        ("0.0001", "CLF", 1),
        ("1.005", "KWD", 1_005),
        ("0.1", "KWD", 100),
        ("999999999999999", "EUR", 99_999_999_999_999_900),
        ("999999999999999.0000", "EUR", 99_999_999_999_999_900),
        ("9999999999999.99", "EUR", 999_999_999_999_999),
        ("999999999999999", "KWD", 999_999_999_999_999_000),
        ("922337203685477", "CLF", 9_223_372_036_854_770_000),
        (&long_zeros, "EUR", 100),
    ];
    for (literal, code, minor) in cases {
        assert_eq!(Money::parse_base_amount(literal, currency(code)), Ok(money(minor, code)), "{code}");
    }
}

#[test]
fn provider_values_that_cannot_be_read() {
    let eur = currency("EUR");
    let cases = [
        ("", DecimalError::Malformed, "amount is not a decimal number"),
        ("\"\"", DecimalError::Malformed, "amount is not a decimal number"),
        ("\"", DecimalError::Malformed, "amount is not a decimal number"),
        ("\"25.00", DecimalError::Malformed, "amount is not a decimal number"),
        ("25.00\"", DecimalError::Malformed, "amount is not a decimal number"),
        ("\"\"25\"\"", DecimalError::Malformed, "amount is not a decimal number"),
        ("null", DecimalError::Malformed, "amount is not a decimal number"),
        ("25,00", DecimalError::Malformed, "amount is not a decimal number"),
        ("1,000.00", DecimalError::Malformed, "amount is not a decimal number"),
        ("+25", DecimalError::Malformed, "amount is not a decimal number"),
        ("025", DecimalError::Malformed, "amount is not a decimal number"),
        (".5", DecimalError::Malformed, "amount is not a decimal number"),
        ("5.", DecimalError::Malformed, "amount is not a decimal number"),
        (" 25", DecimalError::Malformed, "amount is not a decimal number"),
        ("25 EUR", DecimalError::Malformed, "amount is not a decimal number"),
        ("-0", DecimalError::Negative, "amount is negative"),
        ("-25.00", DecimalError::Negative, "amount is negative"),
        ("\"-25.00\"", DecimalError::Negative, "amount is negative"),
        ("25e", DecimalError::Malformed, "amount is not a decimal number"),
        ("2.5e+1.0", DecimalError::Malformed, "amount is not a decimal number"),
        ("-2.5e1", DecimalError::Negative, "amount is negative"),
        ("25001E-3", DecimalError::TooManyDecimals(eur), "amount has more than 2 decimals for EUR"),
        ("1E-3000000000", DecimalError::TooManyDecimals(eur), "amount has more than 2 decimals for EUR"),
        ("1E17", DecimalError::TooLarge, "amount is too large"),
        ("1E3000000000", DecimalError::TooLarge, "amount is too large"),
        ("25.001", DecimalError::TooManyDecimals(eur), "amount has more than 2 decimals for EUR"),
        ("92233720368547758.08", DecimalError::TooLarge, "amount is too large"),
        ("92233720368547759", DecimalError::TooLarge, "amount is too large"),
        ("100000000000000000000000", DecimalError::TooLarge, "amount is too large"),
    ];
    for (text, error, sentence) in cases {
        assert_eq!(Money::parse_decimal(text, eur), Err(error), "{text:?}");
        assert_eq!(error.to_string(), sentence);
    }
}

#[test]
fn provider_values_at_the_edges() {
    let cases = [
        ("0", "EUR", 0),
        ("0.00", "EUR", 0),
        ("25.0", "EUR", 2_500),
        ("25.00000", "EUR", 2_500),
        ("25.0", "JPY", 25),
        ("92233720368547758.07", "EUR", i64::MAX),
        ("9223372036854775807", "JPY", i64::MAX),
        ("2.5e1", "EUR", 2_500),
        ("25E0", "EUR", 2_500),
        ("1.0E7", "CLP", 10_000_000),
        ("2500000E-5", "EUR", 2_500),
        ("0E400", "EUR", 0),
    ];
    for (text, code, minor) in cases {
        assert_eq!(Money::parse_decimal(text, currency(code)), Ok(money(minor, code)), "{text}");
        assert_eq!(Money::parse_decimal(&format!("\"{text}\""), currency(code)), Ok(money(minor, code)), "{text}");
    }
}

#[test]
fn minor_units_by_their_value() {
    for (text, minor) in [("15000", 15_000), ("15000.00", 15_000), ("1.5E4", 15_000), ("0", 0), ("150000E-1", 15_000)] {
        assert_eq!(Money::parse_minor(text, currency("EUR")), Ok(money(minor, "EUR")), "{text}");
    }
    for text in ["", "150.5", "-15000", "1.5E-1", "15 000", "1E19", "+1", "015000"] {
        assert!(Money::parse_minor(text, currency("EUR")).is_err(), "{text}");
    }
}
