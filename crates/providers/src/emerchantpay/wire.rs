//! eMerchantPay's calls. Sheet: "Upstream wire protocol".

use super::browser;
use crate::api::{Call, Context, Doubt, Finding, Memo, Refusal, Step};
use crate::card::Card;
use crate::kit;
use crate::xml::{self, Part};
use aws_lc_rs::digest;
use domain::{ErrorCode, Json, Secret};

pub(super) const SALE3D: &str = "sale3d";
pub(super) const CONTINUE: &str = "continue";
pub(super) const RECONCILE: &str = "reconcile";
pub(super) const TEST: &str = "test";

/// Time for process and continue, milliseconds (the SDK's own value).
const PROCESS_LIMIT_MS: u32 = 60_000;
/// `usage` of a request without one.
const DEFAULT_USAGE: &str = "Card deposit";
/// What stands in the terminal token's place in addresses that are shown.
const SHOWN_TOKEN: &str = "***";

// --- what is remembered of a device check -----------------------------------------------------

pub(super) const UNIQUE_ID: &str = "uniqueId";
pub(super) const AMOUNT: &str = "amount";
pub(super) const TIMESTAMP: &str = "timestamp";
pub(super) const METHOD_URL: &str = "methodUrl";
pub(super) const CONTINUE_URL: &str = "continueUrl";
pub(super) const REDIRECT_URL: &str = "redirectUrl";
/// When our page was opened, milliseconds.
pub(super) const OPENED_AT: &str = "openedAt";
pub(super) const COMPLETED: &str = "completed";
pub(super) const CONTINUED: &str = "continued";

/// The memo with one thing more.
pub(super) fn remembering(cx: &Context<'_>, name: &str, value: Json) -> Memo {
    let mut memo = cx.memo.clone();
    memo.set(name, value);
    memo
}

/// `signature` of the device check and of the continue: of the first answer's amount (minor units) and timestamp.
pub(super) fn method_signature(unique_id: &str, amount: &str, timestamp: &str, password: &str) -> String {
    kit::digest_hex(&digest::SHA512, &[unique_id, amount, timestamp, password])
}

/// The `unique_id` and the `signature` that go with the first answer.
pub(super) fn signed(cx: &Context<'_>) -> Option<(String, String)> {
    let text = |name| kit::scalar(cx.memo, name);
    let unique_id = text(UNIQUE_ID)?;
    let signature = method_signature(unique_id, text(AMOUNT)?, text(TIMESTAMP)?, cx.account.text("password"));
    Some((unique_id.to_owned(), signature))
}

/// A remembered address, as long as it is the gateway's of this account.
pub(super) fn remembered_url<'a>(cx: &Context<'a>, name: &str) -> Option<&'a str> {
    cx.memo.str_at(name).filter(|url| kit::is_providers(cx, url))
}

// --- calls ------------------------------------------------------------------------------------

/// `POST /process/{terminal_token}/`, `POST /reconcile/{terminal_token}/`.
fn post(cx: &Context<'_>, step: &'static str, action: &str, body: Vec<u8>, doubt: Doubt) -> Call {
    let address = |token| format!("{}/{action}/{token}/", cx.account.base_url);
    Call {
        step,
        method: "POST",
        url: address(cx.account.text("apiKey")),
        shown: kit::host_and_path(&address(SHOWN_TOKEN)),
        headers: vec![authorization(cx), ("content-type", Secret::new("text/xml"))],
        body,
        doubt,
        memo: None,
        scratch: Json::Null,
        answer_limit_ms: None,
    }
}

fn authorization(cx: &Context<'_>) -> (&'static str, Secret) {
    kit::basic(cx.account.text("username"), cx.account.text("password"))
}

pub(super) fn sale3d(cx: &Context<'_>) -> Step {
    // The engine hands the card on with the task; without one there is nothing to send.
    let Some(card) = cx.card else { return Step::Refused(Refusal::of(ErrorCode::UnknownPspError)) };
    let mut call = post(cx, SALE3D, "process", sale3d_body(cx, card), Doubt::Money);
    call.answer_limit_ms = Some(PROCESS_LIMIT_MS);
    Step::Call(Box::new(call))
}

fn sale3d_body(cx: &Context<'_>, card: &Card) -> Vec<u8> {
    let order = cx.order;
    let (reference, amount) = (order.reference.to_string(), order.amount.minor().to_string());
    let (success, failure) = (format!("{}/success", cx.pages.back), format!("{}/failure", cx.pages.back));
    let field = |name: &str| order.fields.text(name);
    let present = |element, name: &str| field(name).map(|text| Part::Leaf(element, text));
    let browser = browser::fingerprint(order);
    let mut parts = vec![
        Part::Open("payment_transaction"),
        Part::Leaf("transaction_type", SALE3D),
        Part::Leaf("transaction_id", &reference),
        Part::Leaf("usage", field("usage").unwrap_or(DEFAULT_USAGE)),
    ];
    parts.extend(present("remote_ip", "userIp"));
    parts.extend([
        Part::Leaf("notification_url", cx.callback_url),
        Part::Leaf("return_success_url", &success),
        Part::Leaf("return_failure_url", &failure),
        Part::Leaf("amount", &amount),
        Part::Leaf("currency", order.amount.currency().code()),
        Part::Leaf("card_holder", card.holder()),
        Part::Leaf("card_number", card.pan()),
        Part::Leaf("cvv", card.cvv()),
        Part::Leaf("expiration_month", &card.exp_month),
        Part::Leaf("expiration_year", &card.exp_year),
        Part::Leaf("customer_email", order.text("email")),
    ]);
    parts.extend(present("customer_phone", "phone"));
    if let Some(country) = field("countryCode") {
        let lines = [
            ("first_name", "firstName"),
            ("last_name", "lastName"),
            ("address1", "address.line1"),
            ("address2", "address.line2"),
            ("zip_code", "address.postalCode"),
            ("city", "address.city"),
            ("state", "address.state"),
        ];
        parts.push(Part::Open("billing_address"));
        parts.extend(lines.into_iter().filter_map(|(element, name)| present(element, name)));
        parts.extend([Part::Leaf("country", country), Part::Close("billing_address")]);
    }
    parts.extend([
        Part::Open("threeds_v2_params"),
        Part::Open("threeds_method"),
        Part::Leaf("callback_url", &cx.pages.device_check),
        Part::Close("threeds_method"),
        Part::Open("control"),
        Part::Leaf("device_type", "browser"),
        Part::Leaf("challenge_window_size", "full_screen"),
        Part::Leaf("challenge_indicator", "no_preference"),
        Part::Close("control"),
        Part::Open("purchase"),
        Part::Leaf("category", "goods"),
        Part::Close("purchase"),
        Part::Open("browser"),
    ]);
    parts.extend(browser.iter().map(|(element, text)| Part::Leaf(element, text)));
    parts.extend([Part::Close("browser"), Part::Close("threeds_v2_params"), Part::Close("payment_transaction")]);
    xml::write(&parts)
}

/// Call 4: made once, by what is remembered with its intent.
pub(super) fn go_on(cx: &Context<'_>) -> Step {
    if cx.memo.get(CONTINUED).is_some() {
        return Finding::unchanged().step();
    }
    let (Some(url), Some((unique_id, signature))) = (remembered_url(cx, CONTINUE_URL), signed(cx)) else {
        return Finding::anomaly("eMerchantPay's payment cannot be continued: its address is not on the account's gateway")
            .step();
    };
    Step::Call(Box::new(Call {
        step: CONTINUE,
        method: "PUT",
        url: url.to_owned(),
        shown: kit::host_and_path(url),
        headers: vec![authorization(cx), ("content-type", Secret::new("application/x-www-form-urlencoded"))],
        body: kit::form(&[("unique_id", &unique_id), ("signature", &signature)]).into_bytes(),
        doubt: Doubt::Money,
        memo: Some(remembering(cx, CONTINUED, Json::Bool(true))),
        scratch: Json::Null,
        answer_limit_ms: Some(PROCESS_LIMIT_MS),
    }))
}

/// By `unique_id` once it is known. "Test connection" asks about a `transaction_id` that nobody has.
pub(super) fn reconcile(cx: &Context<'_>, step: &'static str) -> Step {
    let reference = cx.order.reference.to_string();
    let id = cx.psp_transaction_id.map_or(Part::Leaf("transaction_id", &reference), |id| Part::Leaf("unique_id", id));
    let body = xml::write(&[Part::Open("reconcile"), id, Part::Close("reconcile")]);
    Step::Call(Box::new(post(cx, step, "reconcile", body, Doubt::Harmless)))
}
