//! The payer's browser: what a direct order says of it, the 3DS Flex challenge on our page, the result redirect. Sheet: sections
//! 2 to 4 of "Upstream wire protocol".

use super::order;
use crate::api::{Context, Order};
use crate::kit;
use crate::pages::{BrowserReturn, Challenge, HostedForm, Opening, ReturnReading};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::urls::Environment;
use domain::{Json, Secret, Timestamp, TransactionStatus};
use md5::{Digest as _, Md5};

/// A challenge whose browser has not come back is over after that, milliseconds.
const CHALLENGE_MS: i64 = 30 * 60 * 1_000;
/// A JWT is good for that long, seconds.
const JWT_LIFE_S: i64 = 7_200;
/// The header `{"typ":"JWT","alg":"HS256"}`.
const JWT_HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
const CHALLENGE_TEST: &str = "https://centinelapistag.cardinalcommerce.com/V2/Cruise/StepUp";
const CHALLENGE_LIVE: &str = "https://centinelapi.cardinalcommerce.com/V2/Cruise/StepUp";

/// In the memo: the challenge, with the time at which it came.
pub(super) const CHALLENGE: &str = "challenge";
pub(super) const CAME_AT: &str = "cameAt";
/// In it: it is the second one; and the browser has been sent there.
pub(super) const SECOND: &str = "second";
const SENT: &str = "sent";

/// The children of `browser`, in the order of the DTD; nothing that is not known.
pub(super) fn fingerprint(order: &Order) -> Vec<(&'static str, String)> {
    let text = |name: &str| order.fields.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let number = |name: &str| order.fields.plain.get(name).and_then(Json::as_number).map(str::to_owned);
    let flag = |name: &str| order::flag(order, name).map(str::to_owned);
    let children = [
        ("acceptHeader", text("browser.acceptHeader").or(text("http.accept"))),
        ("userAgentHeader", text("browser.userAgent").or(text("http.userAgent"))),
        ("timeZone", number("browser.timeZoneOffset")),
        ("browserLanguage", text("browser.language")),
        ("browserJavaEnabled", flag("browser.javaEnabled")),
        ("browserJavaScriptEnabled", flag("browser.javaScriptEnabled")),
        ("browserColourDepth", number("browser.colorDepth")),
        ("browserScreenHeight", number("browser.screenHeight")),
        ("browserScreenWidth", number("browser.screenWidth")),
    ];
    children.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

// --- the challenge ----------------------------------------------------------------------------

/// When a challenge runs out; `None` without one, or once the second submit may have been sent.
pub(super) fn runs_out_at(cx: &Context<'_>) -> Option<Timestamp> {
    let came_at = kit::scalar(cx.memo.get(CHALLENGE)?, CAME_AT)?.parse().ok()?;
    let waits = cx.memo.get(order::CONTINUED).is_none();
    waits.then(|| Timestamp::from_millis(came_at).plus_ms(cx.scaled_ms(CHALLENGE_MS)))
}

/// The challenge that the payer's browser is still waited for.
pub(super) fn open_challenge<'a>(cx: &Context<'a>) -> Option<&'a Json> {
    let waits = cx.status == TransactionStatus::Pending && runs_out_at(cx).is_some_and(|until| cx.now < until);
    waits.then(|| cx.memo.get(CHALLENGE)).flatten()
}

/// How the challenge goes on for a browser that is through with one: a second one is shown to it first.
pub(super) fn way_on(cx: &Context<'_>) -> Challenge {
    match open_challenge(cx) {
        Some(challenge) if challenge.get(SECOND).is_some() && challenge.get(SENT).is_none() => {
            Challenge::Go(cx.pages.challenge.clone())
        }
        Some(_) => Challenge::Wait,
        None => Challenge::Over,
    }
}

/// Our page: a form that takes the browser to the challenge.
pub(super) fn open(cx: &Context<'_>) -> Opening {
    let Some(challenge) = open_challenge(cx) else { return Opening::Closed };
    let by_default = match cx.account.environment {
        Environment::Sandbox => CHALLENGE_TEST,
        Environment::Production => CHALLENGE_LIVE,
    };
    let jwt = jwt(&claims(cx, challenge), cx.account.text("threeDsJwtKey"));
    let memo = challenge.get(SECOND).filter(|_| challenge.get(SENT).is_none()).map(|_| {
        let (mut memo, mut challenge) = (cx.memo.clone(), challenge.clone());
        challenge.set(SENT, Json::Bool(true));
        memo.set(CHALLENGE, challenge);
        memo
    });
    Opening::Form(Box::new(HostedForm {
        action: cx.account.settings.text("threeDsChallengeUrl").unwrap_or(by_default).to_owned(),
        fields: vec![("JWT", Secret::new(jwt)), ("MD", Secret::new(cx.order.reference.to_string()))],
        hidden: false,
        memo,
        restarts_schedule: false,
    }))
}

/// Exactly these: one more gives HTTP 400.
fn claims(cx: &Context<'_>, challenge: &Json) -> String {
    let text = |name| Json::text(challenge.str_at(name).unwrap_or_default());
    let now_s = cx.now.seconds();
    let setting = |name| Json::text(cx.account.text(name));
    Json::object([
        ("jti", Json::text(uuid::Builder::from_random_bytes(cx.random).into_uuid().to_string())),
        ("iat", Json::from(now_s)),
        ("exp", Json::from(now_s + JWT_LIFE_S)),
        ("iss", setting("threeDsIssuer")),
        ("OrgUnitId", setting("threeDsOrgUnitId")),
        ("ReturnUrl", Json::text(format!("{}/return", cx.pages.challenge))),
        ("ObjectifyPayload", Json::Bool(true)),
        (
            "Payload",
            Json::object([("ACSUrl", text("acsURL")), ("Payload", text("payload")), ("TransactionId", text("transactionId3DS"))]),
        ),
    ])
    .to_text()
}

pub(super) fn jwt(claims: &str, key: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(JWT_HEADER), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

// --- the result redirect ----------------------------------------------------------------------

/// What result redirects say by the last part of the address.
const RESULTS: [(&str, &str); 5] =
    [("success", "success"), ("failure", "failure"), ("pending", "pending"), ("cancel", "cancel"), ("error", "failure")];

/// Worldpay's address of the page, where the browser comes back to us if there is anything to go to.
pub(super) fn page_address(cx: &Context<'_>, given: &str) -> String {
    let targets = ["hppSuccessUrl", "hppFailureUrl"].into_iter().any(|name| cx.order.fields.text(name).is_some());
    let back: Vec<String> = match targets || cx.account.settings.text("siteUrl").is_some() {
        true => RESULTS.iter().map(|(word, _)| format!("{}/{word}", cx.pages.back)).collect(),
        false => Vec::new(),
    };
    let names = ["successURL", "failureURL", "pendingURL", "cancelURL", "errorURL"];
    let mut pairs = vec![("language", order::language(cx)), ("country", cx.order.text("countryCode"))];
    pairs.extend(names.into_iter().zip(back.iter().map(String::as_str)));
    let separator = if given.contains('?') { '&' } else { '?' };
    format!("{given}{separator}{}", kit::form(&pairs))
}

/// The values of a result redirect that the MAC covers, in their order.
fn signed_values<'a>(value: &impl Fn(&str) -> Option<&'a str>) -> Option<Vec<&'a str>> {
    let either = |one, other| value(one).or_else(|| value(other));
    let mut values =
        vec![value("orderKey")?, either("paymentAmount", "orderAmount")?, either("paymentCurrency", "orderCurrency")?];
    values.extend(value("paymentStatus"));
    Some(values)
}

/// `mac2`.
pub(super) fn mac2(values: &[&str], secret: &str) -> String {
    kit::hmac_sha256_hex(secret.as_bytes(), values.join(":").as_bytes())
}

/// `mac`, the older one.
pub(super) fn mac(values: &[&str], secret: &str) -> String {
    hex::encode(Md5::digest(format!("{}{secret}", values.concat())))
}

/// Good or bad, it only has Worldpay asked.
pub(super) fn came_back(cx: &Context<'_>, back: &BrowserReturn<'_>) -> Option<ReturnReading> {
    let (_, result) = RESULTS.iter().find(|(word, _)| *word == back.word)?;
    let mut reading = ReturnReading::ask(result);
    let value = |name: &str| kit::one_value(back.query, name);
    // Without the secret it proves nothing, and nothing can be wrong with it.
    let Some(secret) = cx.account.settings.text("macSecret") else { return Some(reading) };
    let Some(values) = signed_values(&value) else {
        reading.note = Some("the browser came back from Worldpay without a signed result".to_owned());
        return Some(reading);
    };
    let good = match (value("mac2"), value("mac")) {
        (Some(presented), _) => kit::same_bytes(&mac2(&values, secret), &presented.to_ascii_lowercase()),
        (None, Some(presented)) => kit::same_bytes(&mac(&values, secret), &presented.to_ascii_lowercase()),
        (None, None) => false,
    };
    let (amount, tail) = (cx.order.amount, format!("^{}^{}", cx.account.text("merchantCode"), cx.order.reference));
    let ours = values[0].ends_with(&tail)
        && kit::whole_number(values[1]) == Some(amount.minor())
        && values[2] == amount.currency().code();
    reading.anomaly = match (good, ours) {
        (false, _) => Some("a result redirect of Worldpay's has a missing or wrong MAC".to_owned()),
        (true, false) => Some("a result redirect of Worldpay's is about another order or amount".to_owned()),
        (true, true) => None,
    };
    Some(reading)
}
