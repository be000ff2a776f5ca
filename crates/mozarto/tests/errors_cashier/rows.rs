//! The bodies, and what is wrong with them: the sentences of the contract.

pub(crate) const PAYONE: &str = r#"{"pspType":"PAYONE","type":"PAYIN","baseamount":100.00,"currency":"CAD","currencyCode":"CAD","userId":"user_123","email":"player@example.com","firstName":"John","lastName":"Doe","phone":"4915112345678"}"#;
pub(crate) const FORUMPAY_OUT: &str = r#"{"pspType":"FORUMPAY","type":"PAYOUT","baseamount":200.00,"currency":"EUR","userId":"user_123","email":"player@example.com","country":"DE","preferredCrypto":"BTC","walletAddress":"bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh"}"#;
pub(crate) const FLEXEPIN: &str = r#"{"pspType":"FLEXEPIN","type":"PAYIN","voucherPin":"1234567890123456","baseamount":25.00,"currency":"EUR","currencyCode":"EUR","userId":"user_123","email":"player@example.com"}"#;

/// The body with one member set to a JSON literal, or taken out (`absent`). Texts are edited as text, so that number literals
/// stay as they are.
pub(crate) fn with(body: &str, field: &str, literal: &str) -> String {
    let start = body.find(&format!("\"{field}\":"));
    let (head, tail) = match start {
        Some(at) => {
            let rest = &body[at..];
            let end = rest.find(",\"").unwrap_or(rest.len() - 1);
            (&body[..at], rest[end..].trim_start_matches(','))
        }
        None => (&body[..body.len() - 1], "}"),
    };
    let head = head.trim_end_matches(',');
    let member = if literal == "absent" { String::new() } else { format!("\"{field}\":{literal}") };
    let mut out = head.to_owned();
    for part in [member.as_str(), tail.trim_end_matches('}')] {
        if !part.is_empty() {
            if !out.ends_with('{') {
                out.push(',');
            }
            out.push_str(part);
        }
    }
    out + "}"
}

/// Name, body, message, errors.
pub(crate) fn refused_bodies() -> Vec<(&'static str, String, String, Vec<String>)> {
    let missing = |field: &str| format!("Missing required field: {field}");
    let list = |fields: &[&str]| fields.iter().map(|field| missing(field)).collect::<Vec<_>>();
    let payone = ["baseamount", "userId", "email", "firstName", "lastName", "phone", "currency", "currencyCode"];
    let forumpay = ["baseamount", "currency", "userId", "email", "country", "preferredCrypto", "walletAddress"];
    let flexepin = ["voucherPin", "baseamount", "currency", "userId", "email", "currencyCode"];
    let not_json = "Request body is not valid JSON".to_owned();
    let mut mixed = vec![missing("phone")];
    mixed.extend(["baseamount must be a number greater than 0", "email must be a valid email"].map(str::to_owned));
    vec![
        ("nothing", "{}".to_owned(), missing("pspType"), list(&["pspType", "type"])),
        ("no pspType", with(PAYONE, "pspType", "absent"), missing("pspType"), vec![]),
        ("null pspType", with(PAYONE, "pspType", "null"), missing("pspType"), vec![]),
        ("empty type", with(PAYONE, "type", "\"\""), missing("type"), vec![]),
        ("one field missing", with(PAYONE, "phone", "absent"), missing("phone"), vec![]),
        ("one field null", with(PAYONE, "email", "null"), missing("email"), vec![]),
        ("one field empty", with(PAYONE, "firstName", "\"\""), missing("firstName"), vec![]),
        ("all of PayOne's", r#"{"pspType":"PAYONE","type":"PAYIN"}"#.to_owned(), missing("baseamount"), list(&payone)),
        ("all of PayOne's, out", r#"{"pspType":"PAYONE","type":"PAYOUT"}"#.to_owned(), missing("baseamount"), list(&payone)),
        (
            "all of ForumPay's, out",
            r#"{"pspType":"FORUMPAY","type":"PAYOUT"}"#.to_owned(),
            missing("baseamount"),
            list(&forumpay),
        ),
        (
            "all of ForumPay's, in",
            r#"{"pspType":"FORUMPAY","type":"PAYIN"}"#.to_owned(),
            missing("baseamount"),
            list(&forumpay[..5]),
        ),
        ("all of Flexepin's", r#"{"pspType":"FLEXEPIN","type":"PAYIN"}"#.to_owned(), missing("voucherPin"), list(&flexepin)),
        (
            "missing and invalid",
            with(&with(&with(PAYONE, "phone", "absent"), "baseamount", "0"), "email", "\"x\""),
            missing("phone"),
            mixed,
        ),
        ("cut", PAYONE[..40].to_owned(), not_json.clone(), vec![]),
        ("empty", String::new(), not_json.clone(), vec![]),
        ("a key twice", with(PAYONE, "pspType", "\"PAYONE\",\"userId\":\"user_123\""), not_json.clone(), vec![]),
        ("a key twice, deep down", with(PAYONE, "x", r#"{"a":[{"b":1,"b":1}]}"#), not_json, vec![]),
        ("an array", format!("[{PAYONE}]"), "Request body must be a JSON object".to_owned(), vec![]),
        ("a text", "\"PAYONE\"".to_owned(), "Request body must be a JSON object".to_owned(), vec![]),
        ("null", "null".to_owned(), "Request body must be a JSON object".to_owned(), vec![]),
        ("unknown pspType", with(PAYONE, "pspType", "\"PAYTWO\""), "Unknown pspType: PAYTWO".to_owned(), vec![]),
        ("pspType in other letters", with(PAYONE, "pspType", "\"payone\""), "Unknown pspType: payone".to_owned(), vec![]),
        ("unknown type", with(PAYONE, "type", "\"REFUND\""), "type must be PAYIN or PAYOUT".to_owned(), vec![]),
        ("type of another type", with(PAYONE, "type", "1"), "type must be PAYIN or PAYOUT".to_owned(), vec![]),
        ("no pay-outs there", with(FLEXEPIN, "type", "\"PAYOUT\""), "FLEXEPIN does not support PAYOUT".to_owned(), vec![]),
        (
            "several invalid",
            with(&with(PAYONE, "email", "\"x\""), "phone", "\"12345\""),
            "Validation failed".to_owned(),
            vec!["email must be a valid email".to_owned(), "phone must contain at least 6 digits".to_owned()],
        ),
    ]
}

/// Body, field, JSON literal, sentence.
pub(crate) const FIELDS: &[(&str, &str, &str, &str)] = &[
    (PAYONE, "baseamount", "0", "baseamount must be a number greater than 0"),
    (PAYONE, "baseamount", "-1", "baseamount must be a number greater than 0"),
    (PAYONE, "baseamount", "\"100.00\"", "baseamount must be a number greater than 0"),
    (PAYONE, "baseamount", "true", "baseamount must be a number greater than 0"),
    (PAYONE, "baseamount", "1e2", "baseamount must be a number greater than 0"),
    (PAYONE, "baseamount", "0.001", "baseamount must have at most 2 decimals for CAD"),
    (PAYONE, "baseamount", "1234567890123456", "baseamount must have at most 15 significant digits"),
    (PAYONE, "currency", "\"EUR\"", "currency must be CAD"),
    (PAYONE, "currencyCode", "\"EUR\"", "currencyCode must be CAD"),
    (PAYONE, "userId", "\"user_124\"", "userId must match the authenticated user"),
    (PAYONE, "userId", "7", "userId must be a string"),
    (PAYONE, "email", "\"player@\"", "email must be a valid email"),
    (PAYONE, "email", "[]", "email must be a string"),
    (
        PAYONE,
        "lastName",
        "\"DoeDoeDoeDoeDoeDoeDoeDoeDoeDoeDoeDoeDoeDoeDoeDoeDoeDoeDoeDoeDoeDo\"",
        "lastName must be 1 to 64 characters",
    ),
    (PAYONE, "phone", "\"+1 (2) 34-5\"", "phone must contain at least 6 digits"),
    (PAYONE, "phone", "4915112345678", "phone must be a string"),
    (PAYONE, "siteUrl", "\"http://shop.example/\"", "siteUrl must be an https URL"),
    (PAYONE, "siteUrl", "\"javascript:alert(1)\"", "siteUrl must be an https URL"),
    (PAYONE, "userIp", "\"localhost\"", "userIp must be an IP address"),
    (
        PAYONE,
        "brandId",
        "\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"",
        "brandId must be at most 64 characters",
    ),
    (PAYONE, "isTestMode", "\"true\"", "isTestMode must be a boolean"),
    (FORUMPAY_OUT, "currency", "\"XYZ\"", "currency must be an ISO 4217 code"),
    (FORUMPAY_OUT, "currency", "\"eur\"", "currency must be an ISO 4217 code"),
    (FORUMPAY_OUT, "country", "\"Germany\"", "country must be an ISO 3166-1 alpha-2 code"),
    (FORUMPAY_OUT, "preferredCrypto", "\"bitcoin\"", "preferredCrypto must be a currency code"),
    (FORUMPAY_OUT, "walletAddress", "\"short\"", "walletAddress must be 10 to 128 characters without spaces"),
    (FORUMPAY_OUT, "walletAddress", "\"with spaces in it\"", "walletAddress must be 10 to 128 characters without spaces"),
    (FLEXEPIN, "voucherPin", "\"123456789012345\"", "voucherPin must be 16 digits"),
    (FLEXEPIN, "voucherPin", "\"12345678901234567\"", "voucherPin must be 16 digits"),
    (FLEXEPIN, "voucherPin", "1234567890123456", "voucherPin must be a string"),
    (FLEXEPIN, "currencyCode", "\"USD\"", "currencyCode must equal currency"),
];

/// What looks unusual and is fine.
pub(crate) const GOOD_FIELDS: &[(&str, &str)] = &[
    ("baseamount", "100.000000"),
    ("siteUrl", "\"https://shop.example/after?x=1\""),
    ("siteUrl", "\"http://localhost:3000/after\""),
    ("isTestMode", "true"),
    ("unknownField", "{\"deep\":[1,2,3]}"),
    ("userIp", "\"203.0.113.42\""),
    ("phone", "\"+1 (202) 555-0100\""),
];
