//! The amounts of the published examples, and of the providers' sheets, byte for byte.

use mozarto_money::{Money, PlainNumber};

use crate::{currency, money};

/// (where it stands, `baseamount` as it stands there, currency, minor units, string form, number form)
const REQUESTS: &[(&str, &str, &str, i64, &str, &str)] = &[
    ("Flexepin, Pay-In", "25.00", "EUR", 2_500, "25.00", "25"),
    ("Flexepin, value with cents", "25.01", "EUR", 2_501, "25.01", "25.01"),
    ("Pay-In page, field table", "50.00", "EUR", 5_000, "50.00", "50"),
    ("ForumPay, Pay-In", "100.00", "EUR", 10_000, "100.00", "100"),
    ("ForumPay, Pay-Out", "200.00", "EUR", 20_000, "200.00", "200"),
    ("PayOne, Pay-In", "100.00", "CAD", 10_000, "100.00", "100"),
    ("Gigadat, Pay-In and Pay-Out", "10.00", "CAD", 1_000, "10.00", "10"),
    ("Neosurf, Brite, Pay-In", "50.00", "EUR", 5_000, "50.00", "50"),
    ("Cleo, Pay-In", "10000.00", "CLP", 10_000, "10000", "10000"),
    ("Cleo, Pay-Out", "500.00", "MXN", 50_000, "500.00", "500"),
    ("eMerchantPay, Pay-In", "100.00", "EUR", 10_000, "100.00", "100"),
    ("Trust, Pay-In", "100", "EUR", 10_000, "100.00", "100"),
    ("Worldpay, Pay-In", "150.00", "EUR", 15_000, "150.00", "150"),
    ("Cashier API, Money", "10", "EUR", 1_000, "10.00", "10"),
    ("Cashier API, Money", "10.5", "EUR", 1_050, "10.50", "10.5"),
];

#[test]
fn published_requests() {
    for (source, literal, code, minor, fixed, plain) in REQUESTS {
        let amount = Money::parse_base_amount(literal, currency(code)).unwrap();
        assert_eq!(amount, money(*minor, code), "{source}");
        assert_eq!((amount.minor(), amount.currency().code()), (*minor, *code), "{source}");
        assert_eq!((amount.to_fixed().as_str(), amount.to_plain().as_str()), (*fixed, *plain), "{source}");
        assert_eq!(serde_json::to_string(&PlainNumber(amount)).unwrap(), *plain, "{source}");
    }
}

/// (where it stands, the value on the wire, currency, minor units)
const WIRE_VALUES: &[(&str, &str, &str, i64)] = &[
    ("ForumPay, invoice_amount", "\"10.00\"", "EUR", 1_000),
    ("ForumPay, invoice_amount", "200.00", "EUR", 20_000),
    ("ForumPay, PayOne, Gigadat, amount", "10", "EUR", 1_000),
    ("PayOne, withdraw.amount and webhook", "\"10.00\"", "CAD", 1_000),
    ("PayOne, callback", "\"100.00\"", "CAD", 10_000),
    ("Brite, transaction.amount", "50.0", "EUR", 5_000),
    ("Brite, create", "50.00", "EUR", 5_000),
    ("Cleo, amount", "\"10000\"", "CLP", 10_000),
    ("Flexepin, value", "25", "EUR", 2_500),
    ("Flexepin, cost", "24.5", "EUR", 2_450),
    ("Flexepin, residual_value", "0", "EUR", 0),
    ("Flexepin, value with cents", "25.01", "EUR", 2_501),
    ("Trust, mainamount", "100.00", "EUR", 10_000),
    ("Trust, mainamount", "100", "JPY", 100),
    ("Trust, mainamount", "100.000", "KWD", 100_000),
    ("Neosurf, JPY 500", "500", "JPY", 500),
];

#[test]
fn values_on_the_providers_wires() {
    for (source, text, code, minor) in WIRE_VALUES {
        assert_eq!(Money::parse_decimal(text, currency(code)), Ok(money(*minor, code)), "{source}");
    }
}

#[test]
fn digits_of_the_string_form() {
    let forms = [
        (10_000, "EUR", "100.00", "100"),
        (10_000, "CLP", "10000", "10000"),
        (100, "JPY", "100", "100"),
        (1_234, "KWD", "1.234", "1.234"),
        (100_000, "KWD", "100.000", "100"),
        (1_500, "KWD", "1.500", "1.5"),
        (1, "KWD", "0.001", "0.001"),
        (1, "CLF", "0.0001", "0.0001"),
        (1, "EUR", "0.01", "0.01"),
        (10, "EUR", "0.10", "0.1"),
        (0, "EUR", "0.00", "0"),
        (0, "JPY", "0", "0"),
        (-5, "EUR", "-0.05", "-0.05"),
        (-12_340, "EUR", "-123.40", "-123.4"),
        (-7, "JPY", "-7", "-7"),
        (i64::MAX, "EUR", "92233720368547758.07", "92233720368547758.07"),
        (i64::MIN, "EUR", "-92233720368547758.08", "-92233720368547758.08"),
        (i64::MIN, "JPY", "-9223372036854775808", "-9223372036854775808"),
        (i64::MIN, "CLF", "-922337203685477.5808", "-922337203685477.5808"),
    ];
    for (minor, code, fixed, plain) in forms {
        let amount = money(minor, code);
        assert_eq!((amount.to_fixed().as_str(), amount.to_plain().as_str()), (fixed, plain));
        assert_eq!(amount.to_string(), format!("{fixed} {code}"));
        assert_eq!(format!("{amount:?}"), format!("{fixed} {code}"));
    }
}

#[test]
fn a_json_number_stands_between_its_neighbours() {
    let answer = std::collections::BTreeMap::from([("amount", PlainNumber(money(1_050, "EUR")))]);
    assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"amount":10.5}"#);
    let list = [PlainNumber(money(i64::MAX, "EUR")), PlainNumber(money(i64::MIN, "KWD"))];
    assert_eq!(serde_json::to_vec(&list).unwrap(), b"[92233720368547758.07,-9223372036854775.808]");
}

#[test]
fn scenario_digits() {
    let cases = [
        (10_001, "EUR", 1),
        (2_512, "EUR", 12),
        (100, "EUR", 0),
        (9, "EUR", 9),
        (1_234, "JPY", 34),
        (10_005, "CLP", 5),
        (1_234, "KWD", 34),
        (i64::MAX, "EUR", 7),
        (i64::MIN, "EUR", 8),
    ];
    for (minor, code, digits) in cases {
        assert_eq!(money(minor, code).scenario_digits(), digits, "{minor} {code}");
    }
}

#[test]
fn arithmetic_and_order_stay_within_one_currency() {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let (ten, two, yen) = (money(1_000, "EUR"), money(200, "EUR"), money(200, "JPY"));
    assert_eq!(ten.checked_add(two), Some(money(1_200, "EUR")));
    assert_eq!(two.checked_sub(ten), Some(money(-800, "EUR")));
    assert_eq!((ten.checked_add(yen), ten.checked_sub(yen)), (None, None));
    assert_eq!(money(i64::MAX, "EUR").checked_add(money(1, "EUR")), None);
    assert_eq!(money(i64::MIN, "EUR").checked_sub(money(1, "EUR")), None);
    assert_eq!(money(0, "EUR").checked_sub(money(i64::MIN, "EUR")), None);
    assert_eq!(ten.checked_cmp(&two), Some(Greater));
    assert_eq!(two.checked_cmp(&ten), Some(Less));
    assert_eq!(ten.checked_cmp(&ten), Some(Equal));
    assert_eq!(two.checked_cmp(&yen), None);
    assert_ne!(two, yen);
}
