//! Flexepin's calls: validate, redeem (takes the money), inquiry, status. Sheet: "Upstream wire protocol".

use super::DESCRIPTOR;
use crate::api::{Call, CashierAnswer, Context, Doubt, Finding, Reply, Sent, Standing, Step, Task};
use crate::signals::{CERTAIN_REFUSALS, certainly_refused, judge, of_inquiry};
use crate::{kit, redact};
use domain::{Currency, ErrorCode, Json, Money, Secret};
use money::DecimalError;

/// What a validate's `trans_id` has beyond ours, so that an inquiry by ours can only find the redeem (Flexepin sheet, Calls).
const OF_VALIDATE: &str = "v";
/// The `result` of a redeem whose `trans_id` was used for one before (assumed): no refusal, for that one may have been ours.
const USED_BEFORE: i64 = 4005;
/// Members of a voucher that are nobody's business.
const TAKEN_OUT: [&str; 2] = ["serial", "ean"];

pub(super) fn begin(task: Task, cx: &Context<'_>) -> Step {
    let order = cx.order.reference;
    match task {
        Task::PayIn => voucher_call(cx, "validate", "GET", Doubt::Harmless),
        Task::Inquire => {
            let path = format!("/trans/trans_id/{order}/{}/{order}q{:02}", terminal(cx), cx.inquiry);
            call(cx, "inquiry", "GET", &path, path.clone(), Vec::new(), Doubt::Harmless)
        }
        Task::Test => call(cx, "status", "GET", "/status", "/status".to_owned(), Vec::new(), Doubt::Harmless),
        Task::PayOut | Task::Finalise | Task::ReleaseAgain | Task::Continue => {
            Finding::anomaly("Flexepin has no such step").step()
        }
    }
}

pub(super) fn resume(cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    // An error page may echo the path, and with it the PIN.
    let reply = &redact::answer(reply, cx.order.fields.text("voucherPin"), &TAKEN_OUT);
    match sent.step.as_str() {
        "validate" => validated(cx, reply),
        "redeem" => redeemed(cx, reply),
        "inquiry" => inquired(cx, reply),
        _ => match kit::object(reply) {
            Some((status, body)) if kit::is_success(status) && body.str_at("status") == Some("alive") => {
                Finding::unchanged().message("Flexepin is alive").step()
            }
            _ => Step::Refused(judge(DESCRIPTOR.errors, reply)),
        },
    }
}

// --- requests ---------------------------------------------------------------------------------

/// A setting by its newer or its older published name.
fn setting<'a>(cx: &Context<'a>, name: &str) -> Option<&'a str> {
    let alias = DESCRIPTOR.setting_aliases.iter().find(|alias| alias.setting == name)?;
    cx.account.settings.text(name).or_else(|| cx.account.settings.text(alias.alias))
}

fn terminal<'a>(cx: &Context<'a>) -> &'a str {
    setting(cx, "terminalId").or_else(|| setting(cx, "apiKey")).unwrap_or_default()
}

fn voucher_call(cx: &Context<'_>, step: &'static str, method: &'static str, doubt: Doubt) -> Step {
    let path = |pin: &str| format!("/voucher/{step}/{pin}/{}/{}", terminal(cx), trans_id(cx, step));
    let body = match method {
        "PUT" => Json::object(cx.order.fields.text("userIp").map(|ip| ("customer_ip", Json::text(ip)))).to_text().into_bytes(),
        _ => Vec::new(),
    };
    call(cx, step, method, &path(cx.order.text("voucherPin")), path(redact::MASK), body, doubt)
}

/// Each call has a `trans_id` of its own; the redeem's is ours.
fn trans_id(cx: &Context<'_>, step: &str) -> String {
    let suffix = if step == "validate" { OF_VALIDATE } else { "" };
    format!("{}{suffix}", cx.order.reference)
}

fn call(
    cx: &Context<'_>,
    step: &'static str,
    method: &'static str,
    path: &str,
    shown: String,
    body: Vec<u8>,
    doubt: Doubt,
) -> Step {
    let (key, secret) = (setting(cx, "apiKey").unwrap_or_default(), setting(cx, "secret").unwrap_or_default());
    let nonce = hex::encode(cx.random);
    let signature = signature(secret, method, path, &nonce, &body);
    let mut headers = vec![("AUTHENTICATION", Secret::new(format!("HMAC {key}:{signature}:{nonce}")))];
    if !body.is_empty() {
        headers.push(("content-type", Secret::new("application/json")));
    }
    Step::Call(Box::new(Call {
        step,
        method,
        url: format!("{}{path}", cx.account.base_url),
        shown: kit::host_and_path(&format!("{}{shown}", cx.account.base_url)),
        headers,
        body,
        doubt,
        memo: None,
        scratch: Json::Null,
        answer_limit_ms: None,
    }))
}

/// `path` begins after any path of the base address (a simulator's).
pub(super) fn signature(secret: &str, method: &str, path: &str, nonce: &str, body: &[u8]) -> String {
    let mut message = format!("{method}\n{path}\n{nonce}\n").into_bytes();
    message.extend_from_slice(body);
    kit::hmac_sha256_hex(secret.as_bytes(), &message)
}

// --- answers ----------------------------------------------------------------------------------

/// A voucher object: its HTTP status, its `result` (the provider writes it as text or number), itself.
fn voucher(reply: &Reply) -> Option<(u16, String, Json)> {
    let (status, body) = kit::object(reply)?;
    let result = kit::scalar(&body, "result")?.trim().to_owned();
    Some((status, result, body))
}

/// How a voucher's money compares with what was ordered.
#[derive(PartialEq)]
enum Fit {
    Same,
    OtherCurrency,
    OtherValue,
    Unreadable,
}

fn fit(voucher: &Json, ordered: Money) -> Fit {
    let said = |name| kit::scalar(voucher, name).filter(|text| !text.trim().is_empty());
    let (Some(currency), Some(value)) = (said("currency"), said("value")) else {
        return Fit::Unreadable;
    };
    if Currency::from_code(&currency.to_ascii_uppercase()) != Some(ordered.currency()) {
        return Fit::OtherCurrency;
    }
    match Money::parse_decimal(value, ordered.currency()) {
        Ok(value) if value == ordered => Fit::Same,
        Ok(_) | Err(DecimalError::TooManyDecimals(_) | DecimalError::TooLarge) => Fit::OtherValue,
        Err(_) => Fit::Unreadable,
    }
}

/// Whether a voucher object is the answer to another call than that step's.
fn is_foreign(voucher: &Json, step: &str, cx: &Context<'_>) -> bool {
    kit::is_set(voucher, "transaction_id") && voucher.str_at("transaction_id") != Some(&trans_id(cx, step))
}

/// The number of a `result`, as a text or a number, by its value; `None`: it says nothing.
fn code(result: &str) -> Option<i64> {
    kit::whole_number(result.trim())
}

fn is_good(result: &str) -> bool {
    code(result) == Some(0)
}

fn word(voucher: &Json) -> String {
    kit::provider_text(voucher.str_at("status").unwrap_or_default())
}

fn validated(cx: &Context<'_>, reply: &Reply) -> Step {
    // Nothing has moved, so whatever is no voucher object ends it.
    let refused = || Step::Refused(judge(DESCRIPTOR.errors, reply));
    let Some((status, result, voucher)) = voucher(reply) else { return refused() };
    let usable = kit::is_success(status) && is_good(&result);
    let row = judge(DESCRIPTOR.errors, reply).code;
    if (!usable && row != ErrorCode::UnknownPspError) || is_foreign(&voucher, "validate", cx) {
        return refused();
    }
    if !is_good(&result) {
        return declined(reply, result, said(&voucher, "Voucher refused"), &voucher);
    }
    let word = word(&voucher);
    if word.trim().is_empty() {
        // It says nothing of the voucher.
        return refused();
    }
    if !word.eq_ignore_ascii_case("ACTIVE") {
        return declined(reply, word.clone(), format!("Voucher is not active ({word})"), &voucher);
    }
    match fit(&voucher, cx.order.amount) {
        Fit::Same if usable => voucher_call(cx, "redeem", "PUT", Doubt::Money),
        Fit::OtherCurrency => {
            let message = "Voucher currency does not match the requested currency".to_owned();
            declined(reply, "currency_mismatch".to_owned(), message, &voucher)
        }
        Fit::OtherValue => {
            let message = "Voucher amount does not match the requested amount".to_owned();
            declined(reply, "amount_mismatch".to_owned(), message, &voucher)
        }
        Fit::Same | Fit::Unreadable => refused(),
    }
}

fn redeemed(cx: &Context<'_>, reply: &Reply) -> Step {
    let silence = || Step::Silence(judge(DESCRIPTOR.errors, reply));
    let read = voucher(reply);
    let says_no = |result: &str| code(result).is_some_and(|code| code != 0 && code != USED_BEFORE);
    let refuses = read.as_ref().is_some_and(|(status, result, _)| kit::may_refuse(*status) && says_no(result));
    if certainly_refused(reply, &CERTAIN_REFUSALS, false) {
        return Step::Refused(judge(DESCRIPTOR.errors, reply));
    }
    match read {
        Some((_, _, voucher)) if is_foreign(&voucher, "redeem", cx) => silence(),
        Some((_, result, voucher)) if certainly_refused(reply, &[], refuses) => {
            let reason = said(&voucher, "Voucher refused");
            declined(reply, result, reason, &voucher)
        }
        Some((status, result, voucher))
            if kit::is_success(status) && is_good(&result) && word(&voucher).eq_ignore_ascii_case("USED") =>
        {
            taken(cx, &voucher, &voucher).map_or_else(silence, Finding::step)
        }
        _ => silence(),
    }
}

/// Sheet: "Inquiry answer"; what stands for "not found" is assumed. The outer `result` is the query's own, the record has
/// another.
fn inquired(cx: &Context<'_>, reply: &Reply) -> Step {
    let silence = || Step::Silence(of_inquiry(judge(DESCRIPTOR.errors, reply), reply));
    let Some((status, result, body)) = voucher(reply) else { return silence() };
    if !kit::is_success(status) {
        return silence();
    }
    let record = match (body.get("transaction").filter(|record| record.is_object()), code(&result)) {
        (Some(record), Some(0)) => record,
        (None, Some(0) | None) => return silence(),
        (None, Some(_)) => return Finding::new(Standing::NotFound, "").step(),
        (Some(_), _) => {
            let result = kit::provider_text(&result);
            return Finding::anomaly(format!("Flexepin's inquiry contradicts itself: result {result}")).step();
        }
    };
    if is_foreign(record, "redeem", cx) {
        return Finding::anomaly("Flexepin's inquiry is about another transaction").step();
    }
    let word = word(record);
    let refusal = kit::scalar(record, "result").filter(|result| !is_good(result)).map(kit::provider_text);
    let row = DESCRIPTOR.statuses.iter().find(|row| row.word.eq_ignore_ascii_case(&word));
    match (row.map(|row| row.standing), refusal) {
        (Some(Standing::NotFound), _) => Finding::new(Standing::NotFound, "").step(),
        (Some(_), None) => {
            let unreadable = || Finding::anomaly("Flexepin's inquiry has no readable value");
            taken(cx, record, &body).unwrap_or_else(unreadable).step()
        }
        (Some(_), Some(result)) => {
            Finding::anomaly(format!("the voucher was used, but not by us: our redeem has result {result}")).step()
        }
        (None, None) => Finding::anomaly(format!("Flexepin's status is unknown: {word}")).step(),
        (None, Some(result)) => Finding::anomaly(format!("Flexepin's record has result {result} and status {word}")).step(),
    }
}

/// A voucher that we redeemed; `None` when its value cannot be read.
fn taken(cx: &Context<'_>, voucher: &Json, speaker: &Json) -> Option<Finding> {
    let mut finding = match fit(voucher, cx.order.amount) {
        Fit::Unreadable => return None,
        Fit::Same => {
            let data =
                Json::object([("status", Json::text("PENDING")), ("sessionId", Json::text(cx.order.session_id.to_string()))]);
            let answer = CashierAnswer::Success { message: "Successfully".to_owned(), data, redirect_url: None };
            Finding::new(Standing::Approved, "USED").message(said(speaker, "Success")).answer(answer)
        }
        Fit::OtherCurrency | Fit::OtherValue => {
            let (value, currency) = (kit::scalar(voucher, "value"), voucher.str_at("currency"));
            let shown = kit::provider_text(&format!("{} {}", value.unwrap_or_default(), currency.unwrap_or_default()));
            Finding::new(Standing::Stuck, "value_mismatch").with_anomalies([format!("a voucher of {shown} was redeemed")])
        }
    };
    finding.psp_transaction_id = kit::scalar(voucher, "trans_no").map(kit::provider_text);
    Some(finding)
}

fn said(voucher: &Json, otherwise: &str) -> String {
    voucher.str_at("result_description").filter(|text| !text.is_empty()).map_or_else(|| otherwise.to_owned(), kit::provider_text)
}

fn declined(reply: &Reply, status: String, message: String, voucher: &Json) -> Step {
    let mut finding = Finding::new(Standing::Declined, kit::provider_text(&status)).message(message.clone());
    finding.psp_transaction_id = kit::scalar(voucher, "trans_no").map(kit::provider_text);
    finding.answer(CashierAnswer::Declined { message, data: kit::as_written(reply) }).step()
}
