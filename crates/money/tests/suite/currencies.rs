//! The list of currencies against ISO 4217 list one, written down here independently of the data source.

use std::collections::BTreeSet;

use mozarto_money::Currency;

use crate::currency;

/// ISO 4217 list one: every code whose number of minor units is not 2.
const NO_DIGITS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
const THREE_DIGITS: &str = "BHD IQD JOD KWD LYD OMR TND";
const FOUR_DIGITS: &str = "CLF UYW";
/// ISO 4217 list one: every code with two.
const TWO_DIGITS: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF \
    CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF \
    IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR \
    MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC \
    SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG";

#[test]
fn the_list_and_its_digits_are_those_of_iso_4217() {
    let mut expected = BTreeSet::new();
    for (digits, codes) in [(0, NO_DIGITS), (2, TWO_DIGITS), (3, THREE_DIGITS), (4, FOUR_DIGITS)] {
        expected.extend(codes.split_whitespace().map(|code| (code.to_owned(), digits)));
    }
    assert_eq!(expected.len(), 165);
    let listed: BTreeSet<(String, u8)> = Currency::all().map(|known| (known.code().to_owned(), known.digits())).collect();
    assert_eq!(listed, expected);
    assert_eq!(Currency::all().len(), 165, "no code twice");
}

#[test]
fn exactly_the_listed_codes_are_found() {
    let mut found = Vec::new();
    for (a, b, c) in (0..26 * 26 * 26u32).map(|n| (n / 676, n / 26 % 26, n % 26)) {
        let code: String = [a, b, c].iter().map(|n| char::from_u32(u32::from(b'A') + n).unwrap()).collect();
        if let Some(known) = Currency::from_code(&code) {
            assert_eq!(known.code(), code);
            found.push(known);
        }
    }
    assert_eq!(found, Currency::all().collect::<Vec<_>>(), "and in the order of their codes");
}

#[test]
fn other_codes_are_refused() {
    let without_minor_units = ["XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"];
    let withdrawn = ["ANG", "BGN", "CUC", "HRK", "SLL", "ZWL", "DEM"];
    let malformed = ["", "E", "EU", "eur", "Eur", "EURO", " EUR", "EUR ", "EUR\0", "978", "BTC", "€", "ЕUR", "AAA", "ZZZ"];
    for code in without_minor_units.iter().chain(&withdrawn).chain(&malformed) {
        assert_eq!(Currency::from_code(code), None, "{code:?}");
    }
}

#[test]
fn a_currency_is_small_and_is_its_code_everywhere() {
    assert!(size_of::<Currency>() <= 4);
    for known in Currency::all() {
        let json = format!("\"{}\"", known.code());
        assert_eq!(serde_json::to_string(&known).unwrap(), json);
        assert_eq!(serde_json::from_str::<Currency>(&json).unwrap(), known);
        assert_eq!(serde_json::from_reader::<_, Currency>(json.as_bytes()).unwrap(), known);
        assert_eq!((known.to_string(), format!("{known:?}")), (known.code().to_owned(), known.code().to_owned()));
    }
    assert!(currency("CHF") < currency("EUR") && currency("AMD") < currency("XCG"));
}

#[test]
fn a_refused_code_is_not_repeated_in_the_error() {
    for json in ["\"4444333322221111\"", "\"XAU\"", "978", "null", "{}"] {
        let error = serde_json::from_str::<Currency>(json).unwrap_err().to_string();
        assert!(error.contains("an ISO 4217 code"), "{error}");
        assert!(!error.contains("4444") && !error.contains("XAU"), "{error}");
    }
}
