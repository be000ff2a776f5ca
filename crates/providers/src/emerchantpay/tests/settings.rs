//! The configuration and the request's fields.

use super::*;
use crate::Provider as _;
use crate::fields::{self, BrowserHeaders, Claims, Problems, Request};
use crate::testing::{json, now, sandbox};
use domain::Settings;
use domain::urls::Environment;

fn configure(patch: &str) -> Result<Settings, Vec<String>> {
    crate::settings::apply(EMerchantPay.descriptor(), &Settings::default(), &json(patch), &sandbox())
}

#[test]
fn settings_are_checked() {
    let long = "x".repeat(256);
    for (patch, sentence) in [
        (r#"{"username":""}"#.to_owned(), "username must be 1 to 255 characters"),
        (format!(r#"{{"username":"{long}"}}"#), "username must be 1 to 255 characters"),
        (r#"{"username":"a:b"}"#.to_owned(), "username must match [^:]{1,255}"),
        (format!(r#"{{"password":"{long}"}}"#), "password must be 1 to 255 characters"),
        (r#"{"apiKey":"short"}"#.to_owned(), "apiKey must match [A-Za-z0-9]{16,64}"),
        (r#"{"apiKey":"394f2ebc3646d3c0-7fa1"}"#.to_owned(), "apiKey must match [A-Za-z0-9]{16,64}"),
        (r#"{"currency":"eur"}"#.to_owned(), "currency must be an ISO 4217 code"),
        (r#"{"siteUrl":"ftp://x"}"#.to_owned(), "siteUrl must be an https URL"),
        (r#"{"isWebhookSecured":"yes"}"#.to_owned(), "isWebhookSecured must be a boolean"),
        (r#"{"requireBilling":"true"}"#.to_owned(), "requireBilling must be a boolean"),
    ] {
        assert_eq!(configure(&patch).unwrap_err(), [sentence], "{patch}");
    }
    assert!(configure(r#"{"username":"ü user","password":"a b:c","apiKey":"0123456789abcdef"}"#).is_ok());
}

#[test]
fn required_settings() {
    let missing = crate::settings::missing(EMerchantPay.descriptor(), &Settings::default(), Environment::Production);
    assert_eq!(missing, ["username", "password", "apiKey"]);
    let world = world();
    let view = crate::settings::public_view(EMerchantPay.descriptor(), &world.settings).to_text();
    assert!(!view.contains("secretpw") && !view.contains("394f2ebc"), "{view}");
}

#[test]
fn the_terminal_has_one_currency() {
    let fits = |settings: &str, currency: &str| {
        let settings = configure(settings).unwrap();
        let account = crate::Account { settings: &settings, base_url: "", environment: Environment::Sandbox };
        let body = json(&example(&[("currency", &format!("{currency:?}"))]));
        EMerchantPay.fits(&account, &check(&body, None).unwrap())
    };
    assert_eq!(fits(r#"{"currency":"EUR"}"#, "EUR"), Problems::default());
    assert_eq!(fits("{}", "USD"), Problems::default());
    assert_eq!(fits(r#"{"currency":"EUR"}"#, "USD").invalid, ["currency must be EUR for this payment method"]);
}

#[test]
fn a_terminal_that_wants_the_payers_address() {
    let fits = |settings: &str, changes: &[(&str, &str)]| {
        let settings = configure(settings).unwrap();
        let account = crate::Account { settings: &settings, base_url: "", environment: Environment::Sandbox };
        EMerchantPay.fits(&account, &check(&json(&example(changes)), None).unwrap()).missing
    };
    let bare = [("address", "null"), ("countryCode", "null"), ("userIp", "null")];
    let wants = r#"{"requireBilling":true}"#;
    assert_eq!(fits("{}", &bare), [""; 0]);
    assert_eq!(fits(r#"{"requireBilling":false}"#, &bare), [""; 0]);
    assert_eq!(fits(wants, &bare), ["address.line1", "address.postalCode", "address.city", "countryCode", "userIp"]);
    assert_eq!(fits(wants, &[]), [""; 0], "the published example has them");
    assert_eq!(fits(wants, &[("countryCode", "\"CA\"")]), ["address.state"]);
    assert_eq!(fits(wants, &[("userIp", "null")]), ["userIp"]);
    let address = r#"{"line1":"1 Main St","postalCode":"10001","city":"New York","state":"NY"}"#;
    assert_eq!(fits(wants, &[("countryCode", "\"US\""), ("address", address)]), [""; 0]);

    let warned = |settings: &str| EMerchantPay.warnings(&configure(settings).unwrap());
    assert_eq!(warned(wants), [""; 0]);
    for settings in ["{}", r#"{"requireBilling":false}"#] {
        let warnings = warned(settings);
        let named = ["userIp", "address.line1", "address.city", "address.postalCode", "countryCode", "address.state", "320"];
        assert!(warnings.len() == 1 && named.iter().all(|name| warnings[0].contains(name)), "{warnings:?}");
    }
}

fn check(body: &domain::Json, claims: Option<&Claims>) -> Result<fields::Checked, Problems> {
    let spec = EMerchantPay.descriptor().pay_in.as_ref().unwrap();
    let request = Request {
        body,
        claims,
        caller_ip: Some("203.0.113.1".parse().unwrap()),
        browser: BrowserHeaders::default(),
        environment: Environment::Sandbox,
        now: now(),
    };
    fields::check(spec, &request)
}

fn problems(changes: &[(&str, &str)]) -> Problems {
    check(&json(&example(changes)), None).err().unwrap_or_default()
}

#[test]
fn all_that_is_missing_in_table_order() {
    let found = check(&json("{}"), None).unwrap_err();
    assert_eq!(found.missing, ["baseamount", "currency", "firstName", "lastName", "email", "card"]);
    assert!(found.invalid.is_empty());
    let found = problems(&[("card", "{}")]);
    assert_eq!(found.missing, ["card.pan", "card.expMonth", "card.expYear", "card.cvv", "card.cardHolderName"]);
}

#[test]
fn the_caller_is_not_the_payer() {
    let checked = check(&json(&example(&[("userIp", "null")])), None).unwrap();
    assert_eq!(checked.fields.text("userIp"), None, "absent: remote_ip is left out");
}

#[test]
fn us_cards_need_a_state() {
    let us = ("countryCode", "\"US\"");
    for address in ["null", "{}", r#"{"city":"X"}"#, r#"{"state":""}"#] {
        assert_eq!(problems(&[us, ("address", address)]).missing, ["address.state"], "{address}");
    }
    assert_eq!(problems(&[us, ("address", r#"{"state":"NY"}"#)]), Problems::default());
    assert_eq!(problems(&[("countryCode", "null"), ("address", "{}")]), Problems::default());
    let claims = Claims { user_id: "u".to_owned(), country_code: Some("US".to_owned()), ..Claims::default() };
    assert_eq!(check(&json(&example(&[])), Some(&claims)).unwrap_err().missing, ["address.state"], "claims win");
    let found = problems(&[us, ("email", "\"x\"")]);
    assert_eq!((found.missing.len(), found.invalid.len()), (1, 1), "all problems at once");
}

#[test]
fn sentences() {
    let long = |count: usize| format!("{:?}", "x".repeat(count));
    let browser = |member: &str, value: &str| format!(r#"{{"{member}":{value}}}"#);
    let of_browser = [
        ("userAgent", &*long(2_049), "browser.userAgent must be at most 2048 characters"),
        ("acceptHeader", &*long(2_049), "browser.acceptHeader must be at most 2048 characters"),
        ("language", "\"de_DE\"", "browser.language must be a language tag"),
        ("language", "\"-\"", "browser.language must be a language tag"),
        ("language", "\"toolonglanguage\"", "browser.language must be a language tag"),
        ("language", "5", "browser.language must be a string"),
        ("javaEnabled", "\"no\"", "browser.javaEnabled must be a boolean"),
        ("colorDepth", "0", "browser.colorDepth must be a number"),
        ("colorDepth", "65", "browser.colorDepth must be a number"),
        ("colorDepth", "-24", "browser.colorDepth must be a number"),
        ("colorDepth", "\"24\"", "browser.colorDepth must be a number"),
        ("screenHeight", "-1", "browser.screenHeight must be a number from 0 to 99999"),
        ("screenWidth", "100000", "browser.screenWidth must be a number from 0 to 99999"),
        ("screenWidth", "\"1\"", "browser.screenWidth must be a number"),
        ("timeZoneOffset", "-841", "browser.timeZoneOffset must be a number from -840 to 840"),
        ("timeZoneOffset", "840.5", "browser.timeZoneOffset must be a number from -840 to 840"),
    ];
    for (member, value, sentence) in of_browser {
        assert_eq!(problems(&[("browser", &browser(member, value))]).invalid, [sentence]);
    }
    for language in ["\"en\"", "\"de-DE\"", "\"zh-Hant-TW\"", "\"es-419\"", "\"en-GB-oxendict\"", "\"\"", "null"] {
        assert_eq!(problems(&[("browser", &browser("language", language))]), Problems::default(), "{language}");
    }
    for (member, value, sentence) in [
        ("usage", &*long(256), "usage must be at most 255 characters"),
        ("address", r#"{"line1":""}"#, ""),
        ("address", "5", "address must be an object"),
        ("browser", "[]", "browser must be an object"),
        ("userIp", "\"x\"", "userIp must be an IP address"),
        ("hppSuccessUrl", "\"http://shop.example\"", "hppSuccessUrl must be an https URL"),
        ("hppFailureUrl", "\"x\"", "hppFailureUrl must be an https URL"),
        ("countryCode", "\"XX\"", "countryCode must be an ISO 3166-1 alpha-2 code"),
        ("phone", "\"12345\"", "phone must contain at least 6 digits"),
        ("firstName", "5", "firstName must be a string"),
    ] {
        let expected: Vec<&str> = Some(sentence).filter(|text| !text.is_empty()).into_iter().collect();
        assert_eq!(problems(&[(member, value)]).invalid, expected, "{member} {value}");
    }
    assert_eq!(
        problems(&[("address", &format!(r#"{{"city":{}}}"#, long(101)))]).invalid,
        ["address.city must be 1 to 100 characters"]
    );
}

#[test]
fn a_card_number_in_the_wrong_field_is_not_kept() {
    let number = "4111 1111 1111 1111";
    let body = json(&example(&[("usage", &format!("\"for {number}\"")), ("lastName", &format!("{number:?}"))]));
    let checked = check(&body, None).unwrap();
    let kept = format!("{:?}", checked.fields.plain);
    assert!(!kept.contains(number) && !kept.contains("4918190000000002"), "{kept}");
    assert_eq!(checked.fields.text("usage"), Some("for **** **** **** ****"));
    assert_eq!(checked.fields.text("phone"), Some("4915112345678"), "as it was given");
}
