//! The payer's browser: its fingerprint, and the device check ("3DS method") on our page. Sheet: "3DS method".

use super::wire;
use crate::api::{Callback, Context, Memo, Order};
use crate::browser::first_language;
use crate::kit;
use crate::pages::{Challenge, HostedForm, Opening};
use aws_lc_rs::digest;
use domain::{Json, Secret, TransactionStatus};
use std::borrow::Cow;

/// How long our page waits for the end of the device check, milliseconds.
const DEVICE_CHECK_MS: i64 = 6_000;
const DEFAULT_LANGUAGE: &str = "en";
const DEFAULT_ACCEPT: &str = "*/*";

/// The elements of `<browser>`: what the request says, else the headers of the Cashier call, else the sheet's defaults.
pub(super) fn fingerprint(order: &Order) -> Vec<(&'static str, Cow<'_, str>)> {
    let field = |name: &str| order.fields.text(name);
    let number = |name: &str, otherwise: i64| {
        let sent = order.fields.plain.get(name).and_then(Json::as_number).and_then(|number| number.parse().ok());
        Cow::Owned(sent.unwrap_or(otherwise).to_string())
    };
    let accepted = field("http.acceptLanguage").and_then(first_language);
    let language = field("browser.language").or(accepted).unwrap_or(DEFAULT_LANGUAGE);
    let java = order.fields.plain.get("browser.javaEnabled").and_then(Json::as_bool).unwrap_or_default();
    let mut elements = vec![
        ("accept_header", Cow::Borrowed(field("browser.acceptHeader").or(field("http.accept")).unwrap_or(DEFAULT_ACCEPT))),
        ("java_enabled", Cow::Borrowed(if java { "true" } else { "false" })),
        ("language", Cow::Borrowed(language)),
        ("color_depth", number("browser.colorDepth", 24)),
        ("screen_height", number("browser.screenHeight", 900)),
        ("screen_width", number("browser.screenWidth", 1_440)),
        ("time_zone_offset", number("browser.timeZoneOffset", 0)),
    ];
    elements.extend(field("browser.userAgent").or(field("http.userAgent")).map(|text| ("user_agent", Cow::Borrowed(text))));
    elements
}

/// Our page: posts to the gateway's device check in a hidden frame, again when it is loaded again; the first time counts.
pub(super) fn open(cx: &Context<'_>) -> Opening {
    let stuck = cx.memo.get(wire::CONTINUED).is_some() && cx.memo.get(wire::REDIRECT_URL).is_none();
    if cx.status != TransactionStatus::Pending || stuck {
        return Opening::Closed;
    }
    let (Some(action), Some((unique_id, signature))) = (wire::remembered_url(cx, wire::METHOD_URL), wire::signed(cx)) else {
        return Opening::Closed;
    };
    let opened = cx.memo.get(wire::OPENED_AT).is_some();
    Opening::Form(Box::new(HostedForm {
        action: action.to_owned(),
        fields: vec![("unique_id", Secret::new(unique_id)), ("signature", Secret::new(signature))],
        hidden: true,
        memo: (!opened).then(|| wire::remembering(cx, wire::OPENED_AT, Json::from(cx.now.millis()))),
        restarts_schedule: false,
    }))
}

/// How the open page goes on.
pub(super) fn challenge(cx: &Context<'_>) -> Challenge {
    if cx.status != TransactionStatus::Pending || cx.memo.get(wire::METHOD_URL).is_none() {
        return Challenge::Over;
    }
    if let Some(url) = cx.memo.str_at(wire::REDIRECT_URL) {
        return Challenge::Go(url.to_owned());
    }
    if cx.memo.get(wire::CONTINUED).is_some() {
        return Challenge::Over;
    }
    let opened_at = kit::scalar(cx.memo, wire::OPENED_AT).and_then(|text| text.parse::<i64>().ok());
    let waited = opened_at.is_some_and(|at| cx.now.millis() - at >= cx.scaled_ms(DEVICE_CHECK_MS));
    if waited || cx.memo.get(wire::COMPLETED).is_some() { Challenge::Continue } else { Challenge::Wait }
}

/// The end of the device check, told through the browser; what is not signed is ignored: the 6 s run on.
pub(super) fn read_device_check(cx: &Context<'_>, callback: &Callback<'_>) -> Option<Memo> {
    let value = |name| kit::form_value(callback.body, name);
    let (unique_id, status, signature) = (value("unique_id")?, value("threeds_method_status")?, value("signature")?);
    let expected = kit::digest_hex(&digest::SHA512, &[&unique_id, &status, cx.account.text("password")]);
    let ours = cx.memo.str_at(wire::UNIQUE_ID) == Some(&*unique_id);
    let told = kit::same_bytes(&expected, &signature.to_ascii_lowercase()) && ours && status == "completed";
    (told && cx.memo.get(wire::COMPLETED).is_none()).then(|| wire::remembering(cx, wire::COMPLETED, Json::Bool(true)))
}
