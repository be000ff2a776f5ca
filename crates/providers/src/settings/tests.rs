use super::*;
use crate::testing::{json, now, sandbox};
use crate::{all, by_psp_type};

fn descriptor(psp_type: &str) -> &'static Descriptor {
    by_psp_type(psp_type).unwrap().descriptor()
}

fn production() -> SettingContext {
    SettingContext { environment: Environment::Production, may_set_base_url: false, accept_assumed_protocol: true, ..sandbox() }
}

fn set(psp_type: &str, patch: &str, cx: &SettingContext) -> Result<Settings, Vec<String>> {
    apply(descriptor(psp_type), &Settings::default(), &json(patch), cx)
}

fn refused(psp_type: &str, patch: &str) -> Vec<String> {
    set(psp_type, patch, &sandbox()).unwrap_err()
}

#[test]
fn every_problem_at_once_in_the_contracts_sentences() {
    let patch = format!(
        r#"{{"username":"a:b","password":"","forumpayUserId":7,"webhookUrl":"ftp://x","isWebhookSecured":"yes","accountName":"{}","posId":"a b","siteUrl":"x","apiKy":"s3cret"}}"#,
        "x".repeat(101)
    );
    assert_eq!(
        refused("FORUMPAY", &patch),
        [
            "username must match [!-9;-~]{1,128}",
            "password must be 1 to 256 characters",
            "forumpayUserId must be a string",
            "webhookUrl must be an https URL",
            "isWebhookSecured must be a boolean",
            "accountName must be 1 to 100 characters",
            "posId must match [A-Za-z0-9._-]{1,64}",
            "siteUrl must be an https URL",
            "apiKy is not a field of FORUMPAY",
        ]
    );
    assert_eq!(refused("PAYONE", r#"{"apiKey":"with space"}"#), ["apiKey must match [!-~]{1,256}"]);
}

#[test]
fn what_is_missing_is_named_and_saved() {
    let payone = descriptor("PAYONE");
    let settings = set("PAYONE", r#"{"accountName":"Shop"}"#, &sandbox()).unwrap();
    assert_eq!(missing(payone, &settings, Environment::Sandbox), ["apiKey", "webhookUrl", "siteUrl"]);
    assert_eq!(missing(payone, &settings, Environment::Production), ["apiKey", "webhookUrl", "siteUrl", "baseUrl"]);
    assert_eq!(
        missing(descriptor("FORUMPAY"), &Settings::default(), Environment::Production),
        ["username", "password", "forumpayUserId", "webhookUrl"]
    );
}

#[test]
fn a_patch_changes_only_what_it_names_and_null_clears() {
    let forumpay = descriptor("FORUMPAY");
    let first = set("FORUMPAY", r#"{"username":"u","password":"p","posId":"one"}"#, &sandbox()).unwrap();
    let later = SettingContext { now: now().plus_ms(60_000), ..sandbox() };
    let second = apply(forumpay, &first, &json(r#"{"posId":null,"username":"v"}"#), &later).unwrap();
    assert_eq!((second.text("username"), second.text("password"), second.text("posId")), (Some("v"), Some("p"), None));
    let view = public_view(forumpay, &second).to_text();
    assert_eq!(view, r#"{"username":"v","password":{"set":true,"updatedAt":"2026-05-17T09:32:57Z"}}"#);
}

#[test]
fn base_addresses_are_guarded() {
    let patch = r#"{"baseUrl":"http://127.0.0.1:8081/payone/"}"#;
    let settings = set("PAYONE", patch, &sandbox()).unwrap();
    assert_eq!(base_url(descriptor("PAYONE"), &settings, Environment::Sandbox).as_deref(), Some("http://127.0.0.1:8081/payone"));
    let without_own = SettingContext { may_set_base_url: false, ..sandbox() };
    assert_eq!(set("PAYONE", patch, &without_own).unwrap_err(), ["baseUrl may be set with scope own only"]);
    assert!(apply(descriptor("PAYONE"), &settings, &json(patch), &without_own).is_ok(), "unchanged");
    let cleared = apply(descriptor("PAYONE"), &settings, &json(r#"{"baseUrl":null}"#), &without_own);
    assert_eq!(cleared.unwrap_err(), ["baseUrl may be set with scope own only"]);
    assert_eq!(set("PAYONE", patch, &production()).unwrap_err(), ["baseUrl may be set in the operator's configuration only"]);
    let operator = SettingContext { may_set_base_url: true, ..production() };
    assert!(set("PAYONE", r#"{"baseUrl":"https://api.payone.example"}"#, &operator).is_ok());
    for private in [
        "https://localhost/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.0.1/",
        "https://169.254.169.254/",
        "https://[::1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://sim.localhost/",
        "https://0/",
    ] {
        let sentences = set("PAYONE", &format!(r#"{{"baseUrl":"{private}"}}"#), &operator).unwrap_err();
        assert_eq!(sentences, ["baseUrl must not be a loopback, private or link-local address"], "{private}");
    }
    for bad in ["http://api.payone.example/", "https://u@api.payone.example/", "https://api.payone.example/?a=b"] {
        let sentences = set("PAYONE", &format!(r#"{{"baseUrl":"{bad}"}}"#), &operator).unwrap_err();
        assert_eq!(sentences, ["baseUrl must be an https URL"], "{bad}");
    }
}

#[test]
fn an_assumed_protocol_is_not_accepted_by_accident() {
    let unaccepted = SettingContext { accept_assumed_protocol: false, ..production() };
    let sentence = "PAYONE speaks an assumed protocol (payone-assumed-v0) that is not accepted in production";
    assert_eq!(set("PAYONE", "{}", &unaccepted).unwrap_err(), [sentence]);
    assert!(set("PAYONE", "{}", &production()).is_ok());
    assert!(set("PAYONE", "{}", &sandbox()).is_ok());
    assert!(set("FLEXEPIN", "{}", &unaccepted).is_ok());
}

#[test]
fn flexepin_takes_one_of_its_two_sets() {
    let flexepin = descriptor("FLEXEPIN");
    let newer =
        set("FLEXEPIN", r#"{"accountName":"V","apiKey":"k","secret":"s","webhookUrl":"x","isWebhookSecured":5}"#, &sandbox())
            .unwrap();
    assert_eq!(missing(flexepin, &newer, Environment::Production), Vec::<&str>::new());
    assert_eq!(newer.0.len(), 3, "a webhook address is ignored");
    let older = set("FLEXEPIN", r#"{"username":"k","password":"s"}"#, &sandbox()).unwrap();
    assert_eq!(missing(flexepin, &older, Environment::Production), ["merchantId"]);
    assert!(public_view(flexepin, &older).get("password").unwrap().is_object(), "a secret under either name");
    let whole = apply(flexepin, &older, &json(r#"{"merchantId":"TERM01"}"#), &sandbox()).unwrap();
    assert_eq!(account_name(flexepin, &whole), "TERM01");
    assert_eq!(missing(flexepin, &Settings::default(), Environment::Production), ["accountName", "apiKey", "secret"]);
    let sentence = "use either accountName, apiKey, secret or username, password, merchantId";
    for mixed in
        [r#"{"apiKey":"k","password":"s"}"#, r#"{"secret":"k","merchantId":"s"}"#, r#"{"terminalId":"k","username":"s"}"#]
    {
        assert_eq!(refused("FLEXEPIN", mixed), [sentence], "{mixed}");
    }
    assert_eq!(apply(flexepin, &newer, &json(r#"{"username":"u"}"#), &sandbox()).unwrap_err(), [sentence]);
    let switched = r#"{"apiKey":null,"secret":null,"username":"u","password":"p","merchantId":"m"}"#;
    assert!(apply(flexepin, &newer, &json(switched), &sandbox()).is_ok());
}

#[test]
fn names_have_defaults() {
    for provider in all() {
        let descriptor = provider.descriptor();
        assert_eq!(account_name(descriptor, &Settings::default()), descriptor.title);
    }
}
