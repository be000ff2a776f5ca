//! The configuration and the request's fields.

use super::*;
use crate::Provider as _;
use crate::fields::{self, Problems, Request};
use crate::testing::{CALLER, now};
use domain::urls::Environment;
use domain::{Json, Settings};

fn configure(patch: &str) -> Result<Settings, Vec<String>> {
    crate::settings::apply(&crate::worldpay::DESCRIPTOR, &Settings::default(), &json(patch), &sandbox())
}

#[test]
fn settings_are_checked() {
    for (patch, sentence) in [
        (r#"{"merchantCode":"mine"}"#, "merchantCode must match [A-Z0-9_-]{1,50}"),
        (r#"{"installationId":"12a"}"#, "installationId must match [0-9]{1,20}"),
        (r#"{"xmlUsername":"a:b"}"#, "xmlUsername must match [^:]{1,100}"),
        (r#"{"captureDelay":"15"}"#, "captureDelay must be one of DEFAULT, 0-14, OFF"),
        (r#"{"captureDelay":"07"}"#, "captureDelay must be one of DEFAULT, 0-14, OFF"),
        (r#"{"captureDelay":"+1"}"#, "captureDelay must be one of DEFAULT, 0-14, OFF"),
        (r#"{"captureDelay":"off"}"#, "captureDelay must be one of DEFAULT, 0-14, OFF"),
        (r#"{"macSecret":""}"#, "macSecret must be 1 to 200 characters"),
        (r#"{"integrationMode":"HPP"}"#, "integrationMode must be one of hpp, direct"),
        (r#"{"tokenizationEnabled":"yes"}"#, "tokenizationEnabled must be a boolean"),
        (r#"{"hppLanguage":"EN"}"#, "hppLanguage must match [a-z]{2}(-[A-Z]{2})?"),
        (r#"{"hppLanguage":"en-gb"}"#, "hppLanguage must match [a-z]{2}(-[A-Z]{2})?"),
        (r#"{"hppPaymentMethodMask":"!VISA-SSL"}"#, "hppPaymentMethodMask must be comma-separated codes, the first an include"),
        (r#"{"hppPaymentMethodMask":"ALL,,"}"#, "hppPaymentMethodMask must be comma-separated codes, the first an include"),
        (r#"{"hppPaymentMethodMask":"ALL,!!X"}"#, "hppPaymentMethodMask must be comma-separated codes, the first an include"),
        (r#"{"threeDsIssuer":""}"#, "threeDsIssuer must be 1 to 64 characters"),
        (r#"{"threeDsJwtKey":"0123456789abcdef0123456789abcde"}"#, "threeDsJwtKey must be at least 32 bytes"),
        (r#"{"threeDsChallengeUrl":"http://example.com/x"}"#, "threeDsChallengeUrl must be an https URL"),
        (r#"{"fraudSightEnabled":1}"#, "fraudSightEnabled must be a boolean"),
    ] {
        assert_eq!(configure(patch).unwrap_err(), [sentence], "{patch}");
    }
    for delay in ["DEFAULT", "OFF", "0", "1", "9", "10", "14"] {
        assert!(configure(&format!(r#"{{"captureDelay":"{delay}"}}"#)).is_ok(), "{delay}");
    }
    assert!(configure(r#"{"hppLanguage":"de-DE","hppPaymentMethodMask":"ONLINE,!AMEX-SSL"}"#).is_ok());
}

/// Where the challenge's form goes is as guarded as where the credentials go.
#[test]
fn the_challenges_address_is_guarded() {
    let mut cx = sandbox();
    cx.may_set_base_url = false;
    let patch = json(r#"{"threeDsChallengeUrl":"https://elsewhere.example/"}"#);
    let refused = crate::settings::apply(&crate::worldpay::DESCRIPTOR, &Settings::default(), &patch, &cx);
    assert_eq!(refused.unwrap_err(), ["threeDsChallengeUrl may be set with scope own only"]);
}

#[test]
fn what_is_required_depends_on_the_mode() {
    let missing = |settings: &Settings| crate::settings::missing(&crate::worldpay::DESCRIPTOR, settings, Environment::Sandbox);
    let common = ["accountName", "webhookUrl", "merchantCode", "installationId", "xmlUsername", "xmlPassword"];
    assert_eq!(missing(&Settings::default()), common);
    assert_eq!(missing(&configure(r#"{"integrationMode":"hpp"}"#).unwrap()), common);
    let with_direct = missing(&configure(r#"{"integrationMode":"direct"}"#).unwrap());
    assert_eq!(with_direct[..6], common);
    assert_eq!(with_direct[6..], ["threeDsIssuer", "threeDsOrgUnitId", "threeDsJwtKey"]);
    assert_eq!(missing(&direct().settings), Vec::<&str>::new());
}

fn problems(changes: &[(&str, &str)]) -> Problems {
    let body = json(&example(changes));
    let request = Request {
        body: &body,
        claims: None,
        caller_ip: Some(CALLER.parse().unwrap()),
        browser: Default::default(),
        environment: Environment::Sandbox,
        now: now(),
    };
    fields::check(crate::worldpay::DESCRIPTOR.pay_in.as_ref().unwrap(), &request).err().unwrap_or_default()
}

#[test]
fn fields_are_checked() {
    for (field, value, sentence) in [
        ("currency", r#""CLF""#, "currency is not supported by Worldpay"),
        ("currency", r#""eur""#, "currency must be an ISO 4217 code"),
        ("phone", r#""12345""#, "phone must contain at least 6 digits"),
        ("phone", r#""1234567890123456""#, "phone must contain at most 15 digits"),
        ("userBalance", r#""20""#, "userBalance must be a number"),
        ("transactionCount", "3", "transactionCount must be a string"),
        ("paymentMethod", r#""VISA""#, "paymentMethod must be one of CARD, APPLEPAY, GOOGLEPAY"),
        ("browser", r#"{"colorDepth":"24"}"#, "browser.colorDepth must be a number"),
        ("browser", r#"[]"#, "browser must be an object"),
        ("dfReferenceId", &format!("{:?}", "x".repeat(256)), "dfReferenceId must be 1 to 255 characters"),
        ("userIp", r#""here""#, "userIp must be an IP address"),
        (
            "card",
            r#"{"pan":"4444333322221112","expMonth":"11","expYear":"2035","cvv":"123","cardHolderName":"J D"}"#,
            "card.pan is not a valid card number",
        ),
    ] {
        let problems = problems(&[(field, value)]);
        assert_eq!((problems.missing.len(), problems.invalid.as_slice()), (0, &[sentence.to_owned()][..]), "{field}");
    }
    for field in
        ["phone", "gender", "dob", "countryCode", "kycVerified", "isVelocity", "userBalance", "verificationDate", "address"]
    {
        assert_eq!(problems(&[(field, "null")]).missing, [field]);
    }
    let without_city = r#"{"line1":"Hauptstr. 1","postalCode":"10115","country":"DE"}"#;
    assert_eq!(problems(&[("address", without_city)]).missing, ["address.city"]);
    assert_eq!(problems(&[("blocked", "false"), ("userBalance", "0")]), Problems::default());
}

fn fits(settings: &Settings, changes: &[(&str, &str)]) -> Problems {
    let body = json(&example(changes));
    let request = Request {
        body: &body,
        claims: None,
        caller_ip: None,
        browser: Default::default(),
        environment: Environment::Sandbox,
        now: now(),
    };
    let checked = fields::check(crate::worldpay::DESCRIPTOR.pay_in.as_ref().unwrap(), &request).unwrap();
    let account = crate::Account { settings, base_url: "", environment: Environment::Sandbox };
    Worldpay.fits(&account, &checked)
}

#[test]
fn cards_go_to_direct_accounts_alone() {
    let (hpp, direct) = (hosted(&[]).settings, direct().settings);
    assert_eq!(fits(&hpp, &[]), Problems::default());
    assert_eq!(fits(&direct, &[("card", CARD)]), Problems::default());
    assert_eq!(fits(&direct, &[]).missing, ["card"]);
    assert_eq!(fits(&hpp, &[("card", CARD)]).invalid, ["card is not accepted: card details are entered on Worldpay's page"]);
}

#[test]
fn nothing_of_a_card_is_kept_but_its_ends() {
    let world = direct();
    let kept = Json::Object(world.order.fields.plain.clone().into_iter().collect()).to_text();
    assert!(!kept.contains("4444333322221111") && !kept.contains("John Doe\"") && !kept.contains("\"123\""), "{kept}");
    assert!(kept.contains(r#""card.first6":"444433""#) && kept.contains(r#""card.last4":"1111""#));
}
