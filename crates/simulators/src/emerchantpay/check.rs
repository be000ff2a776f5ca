//! What a `sale3d` must carry, in the order in which the gateway looks (sheet, "Simulator").

use money::Currency;

use super::cards::{brand, is_card_number, masked_number};
use super::care::masked;
use super::xml::Document;
use crate::kit::{date_of, is_http_url};

/// 15 digits: more than any currency needs.
const AMOUNT_MAX_DIGITS: usize = 15;
const TRANSACTION_ID_MAX_CHARACTERS: usize = 255;
const TRANSACTION_TYPE: &str = "sale3d";
const BROWSER: &str = "threeds_v2_params/browser";
/// The address of the callback about the 3DS method.
const METHOD_CALLBACK: &str = "threeds_v2_params/threeds_method/callback_url";
const DEVICE_TYPE: &str = "threeds_v2_params/control/device_type";

/// Longest `remote_ip`, characters.
const REMOTE_IP_MAX_CHARACTERS: usize = 40;
/// Longest language of a browser, and longest of its headers, characters.
const LANGUAGE_MAX_CHARACTERS: usize = 8;
const HEADER_MAX_CHARACTERS: usize = 2_048;
/// Countries whose addresses have a state.
const WITH_STATES: [&str; 2] = ["US", "CA"];

/// What a terminal wants by default, and this one where its account says so (`wantsBilling`).
const BILLING: [&str; 8] = [
    "customer_email",
    "remote_ip",
    "billing_address/first_name",
    "billing_address/last_name",
    "billing_address/address1",
    "billing_address/city",
    "billing_address/zip_code",
    "billing_address/country",
];

/// Required fields, in the order in which they are missed.
const REQUIRED: [&str; 21] = [
    "transaction_id",
    "notification_url",
    "return_success_url",
    "return_failure_url",
    "amount",
    "currency",
    "card_holder",
    "card_number",
    "cvv",
    "expiration_month",
    "expiration_year",
    METHOD_CALLBACK,
    DEVICE_TYPE,
    "threeds_v2_params/browser/accept_header",
    "threeds_v2_params/browser/java_enabled",
    "threeds_v2_params/browser/language",
    "threeds_v2_params/browser/color_depth",
    "threeds_v2_params/browser/screen_height",
    "threeds_v2_params/browser/screen_width",
    "threeds_v2_params/browser/time_zone_offset",
    "threeds_v2_params/browser/user_agent",
];

/// Values of the fields that have a list of them; the lists of `control` and `purchase` are those of the
/// provider's own PHP library.
const ENUMERATIONS: [(&str, &[&str]); 6] = [
    (DEVICE_TYPE, &["browser", "application"]),
    ("threeds_v2_params/control/challenge_window_size", &["250x400", "390x400", "500x600", "600x400", "full_screen"]),
    ("threeds_v2_params/control/challenge_indicator", &["no_preference", "no_challenge_requested", "preference", "mandate"]),
    (
        "threeds_v2_params/purchase/category",
        &["goods", "service", "check_acceptance", "account_funding", "quasi_cash", "prepaid_activation", "loan"],
    ),
    ("threeds_v2_params/browser/java_enabled", &["true", "false"]),
    ("threeds_v2_params/browser/color_depth", &["1", "4", "8", "15", "16", "24", "32", "48"]),
];

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: &'static str,
    pub(super) code: u16,
    /// What the payer may read.
    pub(super) message: &'static str,
    /// What the merchant may read.
    pub(super) technical: String,
}

/// An input error.
pub(super) fn input_error(code: u16, technical: impl Into<String>) -> Refusal {
    Refusal { status: "error", code, message: "Please check input data for errors!", technical: technical.into() }
}

fn card_refused(code: u16, technical: &str) -> Refusal {
    Refusal { status: "declined", code, message: "Transaction declined", technical: technical.to_owned() }
}

fn invalid(field: &str) -> Refusal {
    let name = field.rsplit('/').next().unwrap_or(field);
    input_error(340, format!("'{name}' is invalid"))
}

/// A `sale3d` whose fields are in order. The card's number lives in here only, never in what is kept.
pub(super) struct Sale<'a> {
    pub(super) transaction_id: &'a str,
    /// Minor units.
    pub(super) amount: i64,
    pub(super) currency: Currency,
    pub(super) card_number: &'a str,
    pub(super) card_brand: &'static str,
    /// `420000...0000`.
    pub(super) card_masked: String,
    /// Masked: a merchant's text may hold anything.
    pub(super) usage: String,
    pub(super) notification_url: &'a str,
    pub(super) return_success_url: &'a str,
    pub(super) return_failure_url: &'a str,
    pub(super) method_callback_url: &'a str,
}

/// Checks a request of a terminal with `currency` that wants the payer's address and IP, or does not.
pub(super) fn sale<'a>(document: &'a Document, currency: &str, wants_billing: bool, now_ms: i64) -> Result<Sale<'a>, Refusal> {
    if document.get("transaction_type") != Some(TRANSACTION_TYPE) {
        return Err(input_error(310, "'transaction_type' is not known to this Terminal"));
    }
    check_required(document, wants_billing)?;
    let field = |name: &str| document.get(name).unwrap_or_default();
    let amount = whole_number(field("amount")).filter(|amount| *amount > 0).ok_or_else(|| invalid("amount"))?;
    let currency = Currency::from_code(currency)
        .filter(|terminal| terminal.code() == field("currency"))
        .ok_or_else(|| input_error(340, "'currency' not supported by this Terminal"))?;
    check_card(document, now_ms)?;
    check_values(document)?;
    let number = field("card_number");
    Ok(Sale {
        transaction_id: document.get("transaction_id").unwrap_or_default(),
        amount,
        currency,
        card_number: document.get("card_number").unwrap_or_default(),
        card_brand: brand(number),
        card_masked: masked_number(number),
        usage: masked(field("usage")),
        notification_url: document.get("notification_url").unwrap_or_default(),
        return_success_url: document.get("return_success_url").unwrap_or_default(),
        return_failure_url: document.get("return_failure_url").unwrap_or_default(),
        method_callback_url: document.get(METHOD_CALLBACK).unwrap_or_default(),
    })
}

fn check_required(document: &Document, wants_billing: bool) -> Result<(), Refusal> {
    let by_browser = document.get(DEVICE_TYPE) != Some("application");
    let missing =
        REQUIRED.into_iter().filter(|name| by_browser || !name.starts_with(BROWSER)).find(|name| document.get(name).is_none());
    let missing = missing.or_else(|| {
        let window = "threeds_v2_params/control/challenge_window_size";
        (by_browser && document.get(window).is_none()).then_some(window)
    });
    let missing = missing.or_else(|| BILLING.into_iter().filter(|_| wants_billing).find(|name| document.get(name).is_none()));
    let missing = missing.or_else(|| {
        let country = document.get("billing_address/country");
        let has_states = country == Some("US") || wants_billing && country.is_some_and(|country| WITH_STATES.contains(&country));
        if document.has("billing_address") && country.is_none() {
            Some("billing_address/country")
        } else if has_states && document.get("billing_address/state").is_none() {
            Some("billing_address/state")
        } else {
            None
        }
    });
    match missing {
        Some(path) => Err(input_error(320, format!("'{}' is missing", path.rsplit('/').next().unwrap_or(path)))),
        None => Ok(()),
    }
}

/// Digits alone, at most [`AMOUNT_MAX_DIGITS`] of them.
fn whole_number(text: &str) -> Option<i64> {
    let plain = (1..=AMOUNT_MAX_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn check_card(document: &Document, now_ms: i64) -> Result<(), Refusal> {
    let field = |name: &str| document.get(name).unwrap_or_default();
    if !is_card_number(field("card_number")) {
        return Err(card_refused(510, "Credit card number is invalid"));
    }
    let (month, year) = (field("expiration_month"), field("expiration_year"));
    let two_digits = month.len() == 2 && whole_number(month).is_some_and(|month| (1..=12).contains(&month));
    if !two_digits {
        return Err(invalid("expiration_month"));
    }
    if year.len() != 4 || whole_number(year).is_none() {
        return Err(invalid("expiration_year"));
    }
    // Both sides have fixed widths, so that the texts compare as the months do.
    if format!("{year}-{month}") < date_of(now_ms, "%Y-%m") {
        return Err(card_refused(520, "Credit card has expired"));
    }
    let cvv = field("cvv");
    if !(3..=4).contains(&cvv.len()) || !cvv.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid("cvv"));
    }
    Ok(())
}

/// Lists, ranges and forms.
fn check_values(document: &Document) -> Result<(), Refusal> {
    let among = |path: &str, good: &dyn Fn(&str) -> bool| match document.get(path) {
        Some(text) if !good(text) => Err(invalid(path)),
        _ => Ok(()),
    };
    for (path, words) in ENUMERATIONS {
        among(path, &|text| words.contains(&text))?;
    }
    for path in ["threeds_v2_params/browser/screen_height", "threeds_v2_params/browser/screen_width"] {
        among(path, &|text| whole_number(text).is_some_and(|size| (1..=99_999).contains(&size)))?;
    }
    among("threeds_v2_params/browser/time_zone_offset", &|text| {
        whole_number(text.strip_prefix('-').unwrap_or(text)).is_some_and(|minutes| minutes <= 840)
    })?;
    for path in ["notification_url", "return_success_url", "return_failure_url", METHOD_CALLBACK] {
        among(path, &is_http_url)?;
    }
    among("transaction_id", &|text| text.chars().count() <= TRANSACTION_ID_MAX_CHARACTERS)?;
    among("remote_ip", &|text| text.len() <= REMOTE_IP_MAX_CHARACTERS && text.parse::<std::net::IpAddr>().is_ok())?;
    // First and last name at least.
    among("card_holder", &|text| text.split_whitespace().count() > 1)?;
    among("threeds_v2_params/browser/language", &is_language)?;
    for path in ["threeds_v2_params/browser/accept_header", "threeds_v2_params/browser/user_agent"] {
        among(path, &|text| text.chars().count() <= HEADER_MAX_CHARACTERS)?;
    }
    among("customer_email", &|text| text.contains('@'))?;
    among("billing_address/country", &|text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// Letters and digits in parts, few enough for 3-D Secure.
fn is_language(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= LANGUAGE_MAX_CHARACTERS && text.split('-').all(is_part)
}
