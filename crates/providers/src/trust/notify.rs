//! What comes to us from Trust unasked: URL notifications, and what a returning browser brings. Sheet: "Callbacks", "Redirect
//! back and response hash".
//!
//! The response hash joins values without separators, so characters can be moved between fields and the digest stays. Hence the
//! conditions of "signed", the exact comparison of order, site, amount and currency, and that a redirect is never an outcome.

use super::query::{self, AUTH, REFUND};
use super::{form, site_password, web_services};
use crate::api::{Account, Callback, CallbackAnswer, CallbackOutcome, CallbackReading, Context, Finding, Locate};
use crate::card::mask_numbers;
use crate::pages::{BrowserReturn, ReturnReading};
use crate::{dressing, kit};
use domain::{Json, Settings};

const HASH: &str = "responsesitesecurity";
const NOTIFICATION: &str = "notificationreference";
/// Told of requests that are no payment: for the timeline alone.
const TIMELINE_ONLY: [&str; 3] = ["THREEDQUERY", "ACCOUNTCHECK", "RISKDEC"];
const SETTLE_STATUSES: [&str; 6] = ["0", "1", "2", "3", "10", "100"];
/// Most digits of an error code.
const ERROR_CODE_MAX_DIGITS: usize = 5;
/// Most fields that an anomaly names.
const SHOWN_FIELDS_MAX: usize = 20;
/// Longest value that a timeline shows, characters.
const SHOWN_MAX_CHARS: usize = 64;
/// A member of the hint: somebody, proven or not, reported error code `0`.
pub(super) const ZERO: &str = "zero";
/// How the members of the hint begin that are signed notifications; the payment's reference follows.
pub(super) const NOTICE: &str = "notice ";

type Pairs = [(String, String)];

pub(super) fn read(account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
    if callback.method != "POST" {
        return CallbackReading::refused(405);
    }
    let fields: Vec<(String, String)> = callback.form();
    let order = value(&fields, "orderreference");
    let locate = callback.reference.is_none().then(|| Locate { reference: order.parse().ok(), psp_transaction_id: None });
    let answer = CallbackAnswer { status: 200, content_type: "text/plain", body: "OK".to_owned() };
    // To an account's address: it cannot be read, or not whole, and may be about any order of the account.
    let unread = CallbackOutcome::Anomaly("a Trust notification cannot be read: no order is in it".to_owned());
    let outcome = if locate.is_some() && order.is_empty() { unread } else { outcome(account, callback, &fields) };
    CallbackReading { answer, outcome, locate }
}

fn outcome(account: &Account<'_>, callback: &Callback<'_>, fields: &Pairs) -> CallbackOutcome {
    let signed = is_signed(account, callback.body, fields);
    let note = format!("Trust {}: {}", if signed { "notified" } else { "notified unsigned" }, shown(fields));
    let kind = value(fields, "requesttypedescription");
    if signed && TIMELINE_ONLY.contains(&kind) {
        return CallbackOutcome::Fact(Box::new(Finding::unchanged().note(note)));
    }
    let mut hint = Json::object([("note", Json::String(note))]);
    if reports_success(fields) {
        hint.set(ZERO, Json::Bool(true));
    }
    if let Some(names) = extra_fields(account, callback.body, fields) {
        let text = format!("a rightly signed Trust notification has other fields than the ten, so it proves nothing: {names}");
        hint.set("anomaly", Json::String(text));
    }
    if let (true, true, Some(id), Some(amount)) = (signed, matches!(kind, AUTH | REFUND), callback.reference, callback.amount) {
        let record = Json::object(fields.iter().map(|(name, value)| (name.clone(), Json::text(&**value))));
        let whole =
            ["sitereference", "orderreference", "baseamount", "currencyiso3a"].iter().all(|name| query::says(&record, name));
        match query::foreign(&record, account, &id.to_string(), amount) {
            Some(what) => hint.set("anomaly", Json::text(format!("a signed Trust notification has another {what}"))),
            None if whole => hint.set(&format!("{NOTICE}{kind} {}", value(fields, "transactionreference")), record),
            None => {}
        }
    }
    CallbackOutcome::Hint(hint)
}

/// The first value of a name; `""` where there is none.
fn value<'a>(fields: &'a Pairs, name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

/// `responsesitesecurity`: the SHA-256 of all other values but the notification's reference, sorted by name, and the password.
pub(super) fn response_hash<T: AsRef<[u8]>>(fields: &[(T, T)], password: &str) -> String {
    let outside = [HASH.as_bytes(), NOTIFICATION.as_bytes()];
    let mut signed: Vec<_> = fields.iter().filter(|(name, _)| !outside.contains(&name.as_ref())).collect();
    signed.sort_by(|(one, _), (other, _)| one.as_ref().cmp(other.as_ref()));
    let joined: Vec<&[u8]> = signed.into_iter().map(|(_, value)| value.as_ref()).chain([password.as_bytes()]).collect();
    form::sha256_hex(&joined.concat())
}

/// Whether the hash over the form's bytes is right; `None`: there is none, or nothing to prove it with.
fn proven(account: &Account<'_>, form: &[u8]) -> Option<bool> {
    let fields = dressing::form_bytes(form);
    let presented = fields.iter().find(|(name, _)| name == HASH.as_bytes()).map(|(_, value)| String::from_utf8_lossy(value));
    let presented = presented.filter(|hash| !hash.is_empty())?;
    let password = site_password(account.settings)?;
    Some(kit::same_bytes(&response_hash(&fields, password), &presented))
}

/// Whatever else it says, and however often: somebody reported error code `0`.
fn reports_success(fields: &Pairs) -> bool {
    fields.iter().any(|(name, value)| name == "errorcode" && kit::plain_code(value.trim()) == "0")
}

/// A field that a signed notification may have.
fn expected(name: &str) -> bool {
    form::EXTRA_FIELDS.contains(&name) || ["requestreference", NOTIFICATION, HASH].contains(&name)
}

/// Fields beyond the known ones, of a notification whose hash is right, where nobody can be asked instead: a person is to set the
/// notification up anew.
fn extra_fields(account: &Account<'_>, form: &[u8], fields: &Pairs) -> Option<String> {
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).filter(|name| !expected(name)).collect();
    if names.is_empty() || web_services(account.settings).is_some() || proven(account, form) != Some(true) {
        return None;
    }
    let shown = names.into_iter().take(SHOWN_FIELDS_MAX).map(|name| mask_numbers(&kit::provider_text(name)));
    Some(shown.collect::<Vec<_>>().join(", "))
}

/// The warning of an account that can only believe what is signed.
pub(super) fn exact_fields(settings: &Settings) -> Option<String> {
    let only_signed = site_password(settings).is_some() && web_services(settings).is_none();
    only_signed
        .then(|| format!("Notifications set up at Trust must have exactly these fields: {}", form::EXTRA_FIELDS.join(", ")))
}

/// "Signed" (Trust sheet, "Callbacks").
fn is_signed(account: &Account<'_>, form: &[u8], fields: &Pairs) -> bool {
    let once = |at: usize, name: &str| fields[..at].iter().all(|(other, _)| other != name);
    let code = value(fields, "errorcode");
    fields.iter().enumerate().all(|(at, (name, _))| expected(name) && once(at, name))
        && (1..=ERROR_CODE_MAX_DIGITS).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_digit())
        && SETTLE_STATUSES.contains(&value(fields, "settlestatus"))
        && proven(account, form) == Some(true)
}

/// `42-14-119`: the site, the interface, a number.
pub(super) fn is_reference(text: &str) -> bool {
    let digits = |part: &str, max: usize| (1..=max).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.splitn(3, '-');
    [9, 3, 12].into_iter().all(|max| parts.next().is_some_and(|part| digits(part, max)))
}

/// A reference as a person is told it. One that would be masked, because with its dashes it may be a card's number, has strokes
/// in their place: two of them must not look alike.
pub(super) fn told_reference(reference: &str) -> String {
    let text = kit::provider_text(reference);
    if is_reference(reference) && mask_numbers(&text) != text { reference.replace('-', "/") } else { text }
}

/// What a timeline keeps of a report: kind, codes, references, brand, first six and last four.
fn shown(fields: &Pairs) -> String {
    let fit = |text: &str| if is_reference(text) { text.to_owned() } else { mask_numbers(text) };
    let word = |name: &str| Some(value(fields, name)).filter(|text| kit::is_word(text, SHOWN_MAX_CHARS)).map(fit);
    let labelled = |label: &str, name: &str| word(name).map(|text| format!("{label} {text}"));
    let parts = [
        word("requesttypedescription"),
        labelled("errorcode", "errorcode"),
        labelled("settlestatus", "settlestatus"),
        labelled("reference", "transactionreference"),
        word("paymenttypedescription"),
        query::masked_pan(value(fields, "maskedpan")),
    ];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if text.is_empty() { "nothing readable".to_owned() } else { text }
}

/// Navigation: at most it has Trust asked.
pub(super) fn read_return(cx: &Context<'_>, back: &BrowserReturn<'_>) -> Option<ReturnReading> {
    let result = match back.word {
        "success" => "success",
        "failure" => "failure",
        _ => return None,
    };
    let hash = match proven(&cx.account, back.raw.as_bytes()) {
        Some(true) => "its hash is right",
        Some(false) => "its hash is wrong",
        None => "nothing proves it",
    };
    let zero = reports_success(back.query);
    Some(ReturnReading {
        // Without a web-services user nobody is called: that somebody reported a success is remembered, no more.
        ask: web_services(cx.account.settings).is_some() || zero,
        note: Some(format!("the browser came back ({result}): {}; {hash}", shown(back.query))),
        hint: zero.then(|| Json::object([(ZERO, Json::Bool(true))])),
        ..ReturnReading::ask(result)
    })
}
