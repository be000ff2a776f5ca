use super::*;
use crate::descriptor::NAME;
use crate::testing::{json, now};

const FIELDS: [RequestField; 17] = [
    RequestField::required("baseamount", FieldRule::Amount),
    RequestField::required("currency", FieldRule::Currency),
    RequestField::required("currencyCode", FieldRule::SameCurrency),
    RequestField::required("userId", FieldRule::UserId),
    RequestField::required("email", FieldRule::Email),
    RequestField::optional("firstName", NAME),
    RequestField::optional("phone", FieldRule::Phone),
    RequestField::optional("country", FieldRule::Country),
    RequestField::optional("dob", FieldRule::Date { past: true }),
    RequestField::optional("kycVerified", FieldRule::Bool),
    RequestField::optional("userBalance", FieldRule::Number),
    RequestField::optional("transactionCount", FieldRule::Digits),
    RequestField::optional("address", FieldRule::Object),
    RequestField::required("address.line1", FieldRule::Text { min: 1, max: 100 }),
    RequestField::optional("address.country", FieldRule::Country),
    RequestField::optional("userIp", FieldRule::IpAddress),
    RequestField::optional("siteUrl", FieldRule::MerchantUrl),
];
const SPEC: OperationSpec = OperationSpec { fields: &FIELDS, always_held: false, example: "{}" };
const GOOD: &str =
    r#"{"baseamount":100.00,"currency":"EUR","currencyCode":"EUR","userId":"user_123","email":"player@example.com"}"#;

fn claims() -> Claims {
    Claims { user_id: "user_123".to_owned(), ..Claims::default() }
}

fn run(body: &Json, claims: Option<&Claims>, environment: Environment) -> Result<Checked, Problems> {
    check(
        &SPEC,
        &Request {
            body,
            claims,
            caller_ip: Some("198.51.100.9".parse().unwrap()),
            browser: BrowserHeaders::default(),
            environment,
            now: now(),
        },
    )
}

fn with(member: &str, value: &str) -> Json {
    let mut body = json(GOOD);
    body.set(member, json(value));
    body
}

/// The sentences about one changed field of an otherwise good request.
fn sentences(member: &str, value: &str) -> Vec<String> {
    match run(&with(member, value), Some(&claims()), Environment::Sandbox) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            assert_eq!(problems.missing, Vec::<String>::new());
            problems.invalid
        }
    }
}

#[test]
fn a_good_request_is_read_exactly() {
    let checked = run(&json(GOOD), Some(&claims()), Environment::Production).unwrap();
    assert_eq!((checked.amount.to_fixed(), checked.user_id.as_str()), ("100.00".to_owned(), "user_123"));
    assert_eq!(checked.fields.text("userIp"), Some("198.51.100.9"), "the caller's address");
    assert_eq!(checked.fields.text("email"), Some("player@example.com"));
    assert_eq!((checked.brand_id, checked.merchant_reference), (None, None));
    assert!(!checked.fields.plain.contains_key("baseamount"));
}

#[test]
fn missing_fields_come_first_in_table_order() {
    for empty in [r#"{}"#, r#"{"baseamount":null,"currency":"","currencyCode":null,"userId":"","email":""}"#] {
        let problems = run(&json(empty), Some(&claims()), Environment::Sandbox).unwrap_err();
        assert_eq!(problems.missing, ["baseamount", "currency", "currencyCode", "userId", "email"]);
        assert!(problems.invalid.is_empty());
    }
    let mut body = json(GOOD);
    body.remove("email");
    body.set("phone", json("\"12-34\""));
    body.set("baseamount", json("-1"));
    let problems = run(&body, None, Environment::Sandbox).unwrap_err();
    assert_eq!(problems.missing, ["email"]);
    assert_eq!(problems.invalid, ["baseamount must be a number greater than 0", "phone must contain at least 6 digits"]);
}

#[test]
fn each_rule_has_its_sentence() {
    let long = |n: usize| format!("\"{}\"", "x".repeat(n));
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("baseamount", "0".into(), &["baseamount must be a number greater than 0"]),
        ("baseamount", "\"10\"".into(), &["baseamount must be a number greater than 0"]),
        ("baseamount", "1e2".into(), &["baseamount must be a number greater than 0"]),
        ("baseamount", "1.001".into(), &["baseamount must have at most 2 decimals for EUR"]),
        ("baseamount", "1.1000".into(), &[]),
        ("baseamount", "1234567890123456".into(), &["baseamount must have at most 15 significant digits"]),
        ("currency", "\"eur\"".into(), &["currency must be an ISO 4217 code", "currencyCode must equal currency"]),
        ("currency", "5".into(), &["currency must be a string"]),
        ("currencyCode", "\"USD\"".into(), &["currencyCode must equal currency"]),
        ("userId", long(65), &["userId must be 1 to 64 characters"]),
        ("userId", "\"other\"".into(), &["userId must match the authenticated user"]),
        ("userId", "7".into(), &["userId must be a string"]),
        ("email", "\"player\"".into(), &["email must be a valid email"]),
        ("email", "true".into(), &["email must be a string"]),
        ("firstName", long(65), &["firstName must be 1 to 64 characters"]),
        ("firstName", long(64), &[]),
        ("phone", "\"+49 (1) 23-45\"".into(), &[]),
        ("phone", "\"+1 23 45\"".into(), &["phone must contain at least 6 digits"]),
        ("country", "\"UK\"".into(), &["country must be an ISO 3166-1 alpha-2 code"]),
        ("dob", "\"1990-02-30\"".into(), &["dob must be a date in the form YYYY-MM-DD"]),
        ("dob", "\"19900101\"".into(), &["dob must be a date in the form YYYY-MM-DD"]),
        ("dob", "\"2026-05-17\"".into(), &["dob must be in the past"]),
        ("dob", "\"2026-05-16\"".into(), &[]),
        ("kycVerified", "\"true\"".into(), &["kycVerified must be a boolean"]),
        ("kycVerified", "false".into(), &[]),
        ("userBalance", "\"1\"".into(), &["userBalance must be a number"]),
        ("userBalance", "0".into(), &[]),
        ("transactionCount", "\"12a\"".into(), &["transactionCount must be a string of digits"]),
        ("address", "\"Hauptstr. 1\"".into(), &["address must be an object"]),
        ("address", r#"{"line1":"","country":"DE"}"#.into(), &[]),
        ("address", r#"{"line1":"a","country":"D"}"#.into(), &["address.country must be an ISO 3166-1 alpha-2 code"]),
        ("userIp", "\"1.2.3\"".into(), &["userIp must be an IP address"]),
        ("siteUrl", "\"http://shop.example\"".into(), &["siteUrl must be an https URL"]),
        ("brandId", long(65), &["brandId must be at most 64 characters"]),
        ("merchantReference", long(256), &["merchantReference must be at most 255 characters"]),
        ("merchantReference", "1".into(), &["merchantReference must be a string"]),
        ("isTestMode", "\"yes\"".into(), &["isTestMode must be a boolean"]),
        ("isTestMode", "true".into(), &[]),
        ("unknown", "{\"a\":1}".into(), &[]),
    ];
    for (member, value, expected) in cases {
        if value.contains("\"line1\":\"\"") {
            let problems = run(&with(member, &value), Some(&claims()), Environment::Sandbox).unwrap_err();
            assert_eq!(problems.missing, ["address.line1"], "nested names are whole");
            continue;
        }
        assert_eq!(sentences(member, &value), expected, "{member} {value}");
    }
}

#[test]
fn amounts_follow_their_currency() {
    for (currency, amount, sentence) in [
        ("JPY", "10.5", Some("baseamount must have at most 0 decimals for JPY")),
        ("JPY", "10.0", None),
        ("KWD", "1.234", None),
        ("KWD", "1.2345", Some("baseamount must have at most 3 decimals for KWD")),
    ] {
        let mut body = with("currency", &format!("\"{currency}\""));
        body.set("currencyCode", Json::text(currency));
        body.set("baseamount", json(amount));
        let invalid = run(&body, None, Environment::Sandbox).err().map(|problems| problems.invalid);
        assert_eq!(invalid, sentence.map(|sentence| vec![sentence.to_owned()]), "{currency} {amount}");
    }
}

#[test]
fn test_mode_is_refused_in_production() {
    let problems = run(&with("isTestMode", "true"), None, Environment::Production).unwrap_err();
    assert_eq!(problems.invalid, ["isTestMode is not allowed in production"]);
    assert!(run(&with("isTestMode", "false"), None, Environment::Production).is_ok());
}

#[test]
fn claims_win_under_the_same_rules() {
    let mut claims = claims();
    claims.email = Some("verified@example.com".to_owned());
    claims.phone = Some("123".to_owned());
    claims.country_code = Some("FR".to_owned());
    claims.first_name = Some(String::new());
    let mut body = with("country", "\"DE\"");
    body.set("firstName", json("\"John\""));
    let problems = run(&body, Some(&claims), Environment::Sandbox).unwrap_err();
    assert_eq!(problems.invalid, ["phone must contain at least 6 digits"], "reported under the body's name");
    claims.phone = None;
    let checked = run(&body, Some(&claims), Environment::Sandbox).unwrap();
    assert_eq!(checked.fields.text("email"), Some("verified@example.com"));
    assert_eq!(checked.fields.text("country"), Some("FR"));
    assert_eq!(checked.fields.text("firstName"), Some("John"), "an empty claim leaves the body's");
    // Required means in the body.
    body.remove("email");
    assert_eq!(run(&body, Some(&claims), Environment::Sandbox).unwrap_err().missing, ["email"]);
}

#[test]
fn emails() {
    for good in ["player@example.com", "a.b+c@x-y.example.co", "jürgen@münchen.example", "x@a.b"] {
        assert!(is_email(good), "{good}");
    }
    for bad in [
        "",
        "@",
        "a@",
        "@b.c",
        "a@b",
        "a b@c.de",
        "a@b..c",
        "a@-b.c",
        "a@b-.c",
        ".a@b.c",
        "a..b@c.d",
        "a@b@c.de",
        "a@b.c\n",
        "<a@b.c>",
        "a,b@c.de",
        &format!("{}@b.c", "x".repeat(65)),
        &format!("a@{}.c", "x".repeat(64)),
    ] {
        assert!(!is_email(bad), "{bad}");
    }
}

#[test]
fn addresses_are_normalised() {
    let checked = run(&with("userIp", "\"::ffff:203.0.113.7\""), None, Environment::Sandbox).unwrap();
    assert_eq!(checked.fields.text("userIp"), Some("203.0.113.7"));
}

#[test]
fn nothing_personal_prints() {
    let mut claims = claims();
    claims.email = Some("canary@example.com".to_owned());
    let mut body = json(GOOD);
    body.set("firstName", json("\"canary\""));
    let checked = run(&body, Some(&claims), Environment::Sandbox).unwrap();
    assert!(!format!("{claims:?} {checked:?}").contains("canary"));
}

#[test]
fn who_the_user_is_does_not_print() {
    let body = with("userId", r#""canary@example.com""#);
    let checked = run(&body, None, Environment::Sandbox).unwrap();
    assert_eq!(checked.user_id, "canary@example.com");
    assert!(!format!("{checked:?}").contains("canary"), "{checked:?}");
}

#[test]
fn a_field_may_count_only_beside_another_and_the_only_currency_is_the_default() {
    const LIST: [RequestField; 7] = [
        RequestField::required("baseamount", FieldRule::Amount),
        RequestField::required("kind", FieldRule::OneOf(&["A", "B"])),
        RequestField::required("mobile", FieldRule::Digits).when("kind", "A"),
        RequestField::required("bank", FieldRule::Object).when("kind", "B"),
        RequestField::required("bank.account", FieldRule::Digits).when("kind", "B"),
        RequestField::optional("currency", FieldRule::OnlyCurrency("CAD")),
        RequestField::optional("userId", FieldRule::UserId),
    ];
    const LISTED: OperationSpec = OperationSpec { fields: &LIST, always_held: false, example: "{}" };
    let claims = |phone: &str| Claims { phone: Some(phone.to_owned()), ..claims() };
    let run = |body: &str, claims: &Claims| {
        check(
            &LISTED,
            &Request {
                body: &json(body),
                claims: Some(claims),
                caller_ip: None,
                browser: BrowserHeaders::default(),
                environment: Environment::Sandbox,
                now: now(),
            },
        )
    };
    let checked = run(r#"{"baseamount":10.5,"kind":"A","mobile":"07700900000","bank":7}"#, &claims("")).unwrap();
    assert_eq!((checked.amount.to_fixed(), checked.amount.currency().code()), ("10.50".to_owned(), "CAD"));
    assert_eq!((checked.fields.text("currency"), checked.fields.text("bank")), (Some("CAD"), None));
    let checked = run(r#"{"baseamount":10,"kind":"A","mobile":"07700900000"}"#, &claims("5551234567")).unwrap();
    assert_eq!(checked.fields.text("mobile"), Some("5551234567"), "the claims' phone");
    let refused = |body: &str| run(body, &claims("")).unwrap_err();
    assert_eq!(refused(r#"{"baseamount":10,"kind":"A"}"#).missing, ["mobile"]);
    assert_eq!(refused(r#"{"baseamount":10,"kind":"B","mobile":7}"#).missing, ["bank"]);
    assert_eq!(refused(r#"{"baseamount":10,"kind":"B","bank":{}}"#).missing, ["bank.account"]);
    assert_eq!(refused(r#"{"baseamount":10,"kind":"B","bank":[]}"#).invalid, ["bank must be an object"]);
    assert_eq!(refused(r#"{"baseamount":10,"kind":"C","bank":[],"mobile":7}"#).invalid, ["kind must be one of A, B"]);
    let both = refused(r#"{"baseamount":10.123,"kind":"A","mobile":"1"}"#);
    assert_eq!(both.invalid, ["baseamount must have at most 2 decimals for CAD"]);
    assert_eq!(refused(r#"{"baseamount":10,"kind":"A","mobile":"1","currency":"EUR"}"#).invalid, ["currency must be CAD"]);
}
