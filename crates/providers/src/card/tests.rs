//! Checks and masking of cards.

use super::*;

fn now() -> Timestamp {
    "2026-11-20T10:00:00Z".parse::<jiff::Timestamp>().map(|at| Timestamp::from_millis(at.as_millisecond())).unwrap()
}

fn read(card: &str) -> (Option<Card>, Problems) {
    let mut problems = Problems::default();
    let card = Card::read(&Json::parse(card.as_bytes()).unwrap(), now(), &mut problems);
    (card, problems)
}

fn with(name: &str, value: &str) -> Vec<String> {
    let mut card =
        Json::parse(br#"{"pan":"4111 1111-1111 1111","expMonth":"12","expYear":"2030","cvv":"123","cardHolderName":"John Doe"}"#)
            .unwrap();
    card.set(name, Json::parse(value.as_bytes()).unwrap());
    let (card, problems) = read(&card.to_text());
    assert_eq!(card.is_none(), problems != Problems::default());
    problems.missing.into_iter().map(|name| format!("missing {name}")).chain(problems.invalid).collect()
}

#[test]
fn each_check_has_its_sentence() {
    let nothing: [String; 0] = [];
    assert_eq!(with("pan", r#""4111111111111111""#), nothing);
    for (name, value, sentence) in [
        ("pan", r#""41111111111""#, "card.pan must be 12 to 19 digits"),
        ("pan", r#""41111111111111111111""#, "card.pan must be 12 to 19 digits"),
        ("pan", r#""4111x11111111111""#, "card.pan must be 12 to 19 digits"),
        ("pan", r#""4111111111111112""#, "card.pan is not a valid card number"),
        ("pan", "4111111111111111", "card.pan must be a string"),
        ("pan", r#""""#, "missing card.pan"),
        ("expMonth", r#""13""#, "card.expMonth must be two digits from 01 to 12"),
        ("expMonth", r#""3""#, "card.expMonth must be two digits from 01 to 12"),
        ("expMonth", "null", "missing card.expMonth"),
        ("expYear", r#""30""#, "card.expYear must be four digits"),
        ("expYear", r#""2025""#, "card has expired"),
        ("expYear", r#""2047""#, "card.expYear is too far in the future"),
        ("cvv", r#""1234""#, "card.cvv must be 3 digits"),
        ("cvv", r#""12a""#, "card.cvv must be 3 digits"),
        ("cardHolderName", r#""J""#, "card.cardHolderName must be 2 to 100 characters"),
        ("cardHolderName", r#""4111 1111 1111 1111""#, "card.cardHolderName must not contain a card number"),
    ] {
        assert_eq!(with(name, value), [sentence], "{name} {value}");
    }
    assert_eq!(with("expYear", r#""2026""#), nothing, "good to the end of the year");
    let american = r#"{"pan":"3782 822463 10006","expMonth":"11","expYear":"2030","cvv":"1234","cardHolderName":"Jo"}"#;
    assert_eq!(read(american).1.invalid, ["card.pan is not a valid card number"], "its CVV is right");
    assert_eq!(with("expYear", r#""2046""#), nothing);
}

#[test]
fn the_month_itself_is_still_good_and_the_one_before_is_not() {
    let card = |month: &str| {
        read(&format!(r#"{{"pan":"378282246310005","expMonth":"{month}","expYear":"2026","cvv":"1234","cardHolderName":"Jo"}}"#))
            .1
    };
    assert_eq!(card("11"), Problems::default());
    assert_eq!(card("10").invalid, ["card has expired"]);
}

#[test]
fn what_is_kept_is_little_and_nothing_prints() {
    let (card, _) =
        read(r#"{"pan":"4918190000000002","expMonth":"12","expYear":"2030","cvv":"123","cardHolderName":"John Doe"}"#);
    let card = card.unwrap();
    assert_eq!(
        card.kept(),
        [
            ("card.brand", "VISA"),
            ("card.first6", "491819"),
            ("card.last4", "0002"),
            ("card.expMonth", "12"),
            ("card.expYear", "2030")
        ]
        .map(|(name, value)| (name, value.to_owned()))
    );
    assert_eq!(format!("{card:?}"), "Card(..)");
}

#[test]
fn brands_go_by_the_leading_digits() {
    for (pan, name) in [
        ("4444333322221111", "VISA"),
        ("5555555555554444", "MASTERCARD"),
        ("2221000000000009", "MASTERCARD"),
        ("343434343434343", "AMEX"),
        ("2720999999999996", "MASTERCARD"),
        ("2721000000000004", "UNKNOWN"),
        ("378282246310005", "AMEX"),
        ("6759649826438453", "MAESTRO"),
        ("5018000000000009", "MAESTRO"),
        ("6304000000000000", "MAESTRO"),
        ("36700102000000", "DINERS"),
        ("30569309025904", "DINERS"),
        ("3852000002323700", "DINERS"),
        ("3528000700000000", "JCB"),
        ("3566002020360505", "JCB"),
        ("6011000400000000", "DISCOVER"),
        ("6445644564456445", "DISCOVER"),
        ("6510000000000000", "DISCOVER"),
        ("6250941006528599", "UNIONPAY"),
        ("6221260000000000", "UNIONPAY"),
        ("6200000000000000003", "UNIONPAY"),
        ("8171999927660000", "UNIONPAY"),
        ("5019717010103742", "DANKORT"),
        ("6362970000457013", "ELO"),
        ("5066991111111118", "ELO"),
        ("6277800000000000", "ELO"),
        ("4389350000000000", "ELO"),
        ("6504850000000000", "ELO"),
        ("6550210000000000", "ELO"),
        ("6062825624254001", "HIPERCARD"),
        ("3841001111222233334", "HIPERCARD"),
        ("6370950000000005", "HIPERCARD"),
        ("5060990580000217499", "VERVE"),
        ("6500020000000000", "VERVE"),
        ("2200000000000000", "MIR"),
        ("2204999999999999", "MIR"),
        ("2205000000000000", "UNKNOWN"),
        ("5085000000000000", "RUPAY"),
        ("6073849700004947", "RUPAY"),
        ("6521500000000000", "RUPAY"),
        ("8200000000000000", "RUPAY"),
        ("9000000000000", "UNKNOWN"),
        ("1234", "UNKNOWN"),
        ("", "UNKNOWN"),
    ] {
        assert_eq!(brand(pan), name, "{pan}");
    }
}

/// Over all leading digits: a narrow range is never hidden behind a wide one.
#[test]
fn every_range_of_every_scheme_is_reached() {
    for (from, to, name) in BRANDS {
        assert!(from <= to && from / 100_000 > 0 && to < 1_000_000, "{from} {to}");
        for lead in [from, to, from + (to - from) / 2] {
            let found = brand(&format!("{lead}0000000000"));
            let narrower = BRANDS.iter().any(|(other_from, other_to, other)| {
                *other == found && (*other_from..=*other_to).contains(&lead) && other_to - other_from < to - from
            });
            assert!(found == name || narrower, "{lead} is {found} instead of {name}");
        }
    }
}

#[test]
fn the_gateways_own_word_where_the_digits_say_none() {
    for (kept, word, shown) in [
        ("VISA", Some("elo"), "VISA"),
        ("UNKNOWN", Some("troy"), "TROY"),
        ("UNKNOWN", Some("carte bancaire"), "CARTE BANCAIRE"),
        ("UNKNOWN", Some("4111111111111111"), "****************"),
        ("UNKNOWN", Some("<b>"), "UNKNOWN"),
        ("UNKNOWN", Some(""), "UNKNOWN"),
        ("UNKNOWN", None, "UNKNOWN"),
    ] {
        assert_eq!(brand_or(kept, word), shown, "{word:?}");
    }
}

#[test]
fn numbers_are_masked_and_ids_are_not() {
    for (text, masked) in [
        ("card 4111111111111111 refused", "card **************** refused"),
        ("4111 1111-1111 1111", "**** ****-**** ****"),
        ("10000 4111111111111111", "***** ****************"),
        ("PAN4111111111111111x", "PAN****************x"),
        ("<n>411111111111</n>", "<n>************</n>"),
        ("01a1f9e3d933253291a886eb", "01a1f9e3d933253291a886eb"),
        ("123456789012345678901234", "123456789012345678901234"),
        ("44177a21403427eb96664a6d7e5d5d48", "44177a21403427eb96664a6d7e5d5d48"),
        ("60a74038-5b94-4278-8123-123456789012", "60a74038-5b94-4278-8123-123456789012"),
        ("411111######0211", "411111######0211"),
        ("amount 12345678901", "amount 12345678901"),
        ("4111111111111111 1230 123", "**************** **** ***"),
        ("41111111111111111111", "********************"),
        ("card_number=4111+1111+1111+1111&a=1", "card_number=****+****+****+****&a=1"),
        // Twenty-four characters, but no id.
        ("6304 0000 0000 0000 00 0", "**** **** **** **** ** *"),
        ("4111 1111 1111 1111abcde", "**** **** **** ****abcde"),
        ("é4111111111111111é", "é****************é"),
    ] {
        assert_eq!(mask_numbers(text), masked, "{text}");
    }
    let json = Json::parse(br#"{"4111111111111111":[4111111111111111,"a"],"n":100}"#).unwrap();
    assert_eq!(mask_json(json).to_text(), r#"{"****************":["****************","a"],"n":100}"#);
}

#[test]
fn keys_of_card_data_are_found_at_any_depth() {
    let body =
        Json::parse(br#"{"a":{"Card":1},"list":[{"CVV":null}],"pan":"","expiryDate":"x","b":{"c":{"expiry":{}}}}"#).unwrap();
    assert_eq!(card_keys(&body), ["a.Card", "list[0].CVV", "pan", "b.c.expiry"]);
    assert!(card_keys(&Json::parse(br#"{"discard":1,"pancake":2}"#).unwrap()).is_empty());
}
