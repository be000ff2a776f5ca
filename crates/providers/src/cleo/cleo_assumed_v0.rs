//! The wire protocol `cleo-assumed-v0`. Every line of it is assumed (Cleo sheet, "Upstream wire protocol"): it is one module, so
//! that it can be replaced as a whole.

use super::{COUNTRIES, Country, DESCRIPTOR, beneficiary, by_code};
use crate::api::{
    Call, Callback, CallbackAnswer, CallbackOutcome, CallbackReading, CashierAnswer, Context, Doubt, Finding, Reply, Sent,
    Standing, Step, Task,
};
use crate::kit;
use crate::signals::{judge, of_inquiry, says_timeout, says_used_before, speaks_of_the_id};
use domain::urls::{ReturnResult, return_address};
use domain::{Json, Money, Operation, Secret, TransactionId};

const TRANSFER_IN: &str = "transfer_in";
const TRANSFER_OUT: &str = "transfer_out";
const BY_ID: &str = "transfer_by_id";
const BY_REFERENCE: &str = "transfer_by_reference";

pub(super) fn begin(task: Task, cx: &Context<'_>) -> Step {
    match task {
        Task::PayIn => post(cx, TRANSFER_IN, transfer_in(cx), Doubt::Page),
        Task::PayOut => post(cx, TRANSFER_OUT, transfer_out(cx), Doubt::Money),
        Task::Inquire => inquire(cx),
        Task::Test => test(cx, &COUNTRIES[0]),
        // Cleo holds nothing: a pay-out that a rule held is sent as a whole once it is approved. What Cleo never got ends as
        // `not_found`.
        Task::Finalise | Task::ReleaseAgain | Task::Continue => Finding::anomaly("Cleo has no such step").step(),
    }
}

pub(super) fn resume(cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    match sent.step.as_str() {
        TRANSFER_IN => paid_in(cx, reply),
        TRANSFER_OUT => paid_out(cx, reply),
        // A callback's id is not known there, no id of theirs, or no longer ours: our reference may be.
        BY_ID if is_not_found(reply) || (cx.psp_transaction_id.is_none() && speaks_of_the_id(reply)) => by_reference(cx),
        BY_REFERENCE if is_not_found(reply) => Finding::new(Standing::NotFound, "").step(),
        BY_ID | BY_REFERENCE => match kit::object(reply) {
            Some((status, record)) if kit::is_success(status) && kit::is_set(&record, "status") => {
                found(cx, kit::scalar(&sent.scratch, "id"), &record).step()
            }
            _ => Step::Silence(of_inquiry(judge(DESCRIPTOR.errors, reply), reply)),
        },
        step => tested(cx, step, reply),
    }
}

// --- requests ---------------------------------------------------------------------------------

/// The part of paths that is the direction's.
const fn path(operation: Operation) -> &'static str {
    match operation {
        Operation::PayIn => "/v1/transfer-in",
        Operation::PayOut => "/v1/transfer-out",
    }
}

const fn kind(operation: Operation) -> &'static str {
    match operation {
        Operation::PayIn => "TRANSFER_IN",
        Operation::PayOut => "TRANSFER_OUT",
    }
}

/// The key of the order's country.
fn key<'a>(cx: &Context<'a>) -> &'a str {
    by_code(cx.order.text("countryCode")).map_or("", |country| cx.account.settings.text(country.key).unwrap_or_default())
}

fn post(cx: &Context<'_>, step: &'static str, body: Json, doubt: Doubt) -> Step {
    let url = format!("{}{}", cx.account.base_url, path(cx.order.operation));
    let headers = vec![("x-api-key", Secret::new(key(cx))), ("content-type", Secret::new("application/json"))];
    call(Call {
        step,
        method: "POST",
        shown: kit::host_and_path(&url),
        url,
        headers,
        body: body.to_text().into_bytes(),
        doubt,
        memo: None,
        scratch: Json::Null,
        answer_limit_ms: None,
    })
}

fn get(cx: &Context<'_>, step: &'static str, path: &str, key: &str, scratch: Json) -> Step {
    let url = format!("{}{path}", cx.account.base_url);
    call(Call {
        step,
        method: "GET",
        shown: kit::host_and_path(&url),
        url,
        headers: vec![("x-api-key", Secret::new(key))],
        body: Vec::new(),
        doubt: Doubt::Harmless,
        memo: None,
        scratch,
        answer_limit_ms: None,
    })
}

fn call(call: Call) -> Step {
    Step::Call(Box::new(call))
}

/// By Cleo's id, the callback's while ours is not known, else by our reference.
fn inquire(cx: &Context<'_>) -> Step {
    let hinted = || cx.hint.and_then(|hint| kit::token(hint, "id"));
    // A segment of dots alone would be read as a step up, however it is escaped.
    match cx.psp_transaction_id.or_else(hinted).filter(|id| id.bytes().any(|byte| byte != b'.')) {
        Some(id) => {
            let path = format!("{}/{}", path(cx.order.operation), kit::path_segment(id));
            get(cx, BY_ID, &path, key(cx), Json::object([("id", Json::text(id))]))
        }
        None => by_reference(cx),
    }
}

fn by_reference(cx: &Context<'_>) -> Step {
    let path = format!("{}?externalReference={}", path(cx.order.operation), cx.order.reference);
    get(cx, BY_REFERENCE, &path, key(cx), Json::Null)
}

/// A random reference, once with each key.
fn test(cx: &Context<'_>, country: &Country) -> Step {
    let path = format!("{}?externalReference={}", path(Operation::PayIn), cx.order.reference);
    get(cx, country.test, &path, cx.account.text(country.key), Json::Null)
}

/// An object of those fields that are there and not empty, under Cleo's names.
fn fields(cx: &Context<'_>, names: &[(&str, &str)]) -> Json {
    let order = cx.order;
    let value = |name| match order.fields.plain.get(name) {
        Some(value) => Some(value.clone()).filter(|value| value.as_str() != Some("")),
        None => order.fields.text(name).map(Json::text),
    };
    Json::object(names.iter().filter_map(|(theirs, ours)| Some((*theirs, value(ours)?))))
}

fn common(cx: &Context<'_>, customer: &[(&str, &str)]) -> Json {
    let order = cx.order;
    let mut whole = Json::object([("externalKey", Json::text(cx.account.text("customerExternalKeyForCleo")))]);
    for (name, value) in fields(cx, customer).as_object().unwrap_or_default() {
        whole.set(name, value.clone());
    }
    Json::object([
        ("externalReference", Json::text(order.reference.to_string())),
        ("amount", Json::text(order.amount.to_fixed())),
        ("currency", Json::text(order.amount.currency().code())),
        ("country", Json::text(order.text("countryCode"))),
        ("customer", whole),
    ])
}

fn transfer_in(cx: &Context<'_>) -> Json {
    let order = cx.order;
    let customer = [
        ("userId", "userId"),
        ("firstName", "firstName"),
        ("lastName", "lastName"),
        ("email", "email"),
        ("phone", "phone"),
        ("gender", "gender"),
        ("dateOfBirth", "dob"),
    ];
    let mut body = common(cx, &customer);
    let address = ["line1", "line2", "city", "state", "postalCode", "country"];
    let whole = address.map(|name| format!("address.{name}"));
    let pairs: Vec<(&str, &str)> = address.iter().zip(&whole).map(|(theirs, ours)| (*theirs, ours.as_str())).collect();
    if let Some(mut customer) = body.remove("customer") {
        customer.set("address", fields(cx, &pairs));
        body.set("customer", customer);
    }
    let risk = [
        ("kycVerified", "kycVerified"),
        ("blocked", "blocked"),
        ("isVelocity", "isVelocity"),
        ("transactionCount", "transactionCount"),
        ("userBalance", "userBalance"),
        ("partnerName", "partnerName"),
        ("verifiedEmail", "emailVerification"),
        ("verificationDate", "verificationDate"),
        ("bonusCode", "bonusCode"),
    ];
    body.set("risk", fields(cx, &risk));
    let site = order.fields.text("siteUrl").or_else(|| cx.account.settings.text("siteUrl"));
    let reference = order.merchant_reference.as_deref();
    let back =
        site.and_then(|site| return_address(site, order.transaction_id, order.session_id, reference, ReturnResult::Return));
    if let Some(back) = back {
        body.set("returnUrl", Json::text(back));
    }
    body.set("notificationUrl", Json::text(cx.callback_url));
    body
}

fn transfer_out(cx: &Context<'_>) -> Json {
    let customer =
        [("userId", "userId"), ("firstName", "firstName"), ("lastName", "lastName"), ("email", "email"), ("phone", "phone")];
    let mut body = common(cx, &customer);
    body.set("notificationUrl", Json::text(cx.callback_url));
    let order = cx.order;
    let beneficiary = [
        ("documentType", order.text("beneficiary.documentType")),
        ("documentNumber", order.text("beneficiary.documentNumber")),
        ("bankCode", beneficiary::bank_code(order)),
        ("accountType", beneficiary::account_type(order)),
        ("accountNumber", order.text("beneficiary.accountNumber")),
    ];
    body.set("beneficiary", Json::object(beneficiary.map(|(name, text)| (name, Json::text(text)))));
    body
}

// --- answers to the creating calls ------------------------------------------------------------

/// The body of an accepted create call about our order.
fn accepted(cx: &Context<'_>, reply: &Reply) -> Option<Json> {
    let (status, body) = kit::object(reply)?;
    let same = |name, ours: &str| !kit::is_set(&body, name) || body.str_at(name) == Some(ours);
    let ours = body.str_at("externalReference") == Some(&cx.order.reference.to_string())
        && same("currency", cx.order.amount.currency().code())
        && same("type", kind(cx.order.operation))
        && (!kit::is_set(&body, "amount") || kit::money(&body, "amount", cx.order.amount.currency()) == Some(cx.order.amount));
    (kit::is_success(status) && ours).then_some(body)
}

/// A certain refusal is any 4xx but 408 and 409, without `timeout` in its body; of a used reference the first call may have been
/// ours.
fn not_accepted(reply: &Reply) -> Step {
    let refusal = judge(DESCRIPTOR.errors, reply);
    let certain = match reply {
        Reply::Lost(lost) => lost.nothing_sent(),
        Reply::Answer(answer) => {
            let refuses = (400..=499).contains(&answer.status) && !matches!(answer.status, 408 | 409);
            refuses && !says_timeout(answer) && !says_used_before(answer)
        }
    };
    if certain { Step::Refused(refusal) } else { Step::Silence(refusal) }
}

fn paid_in(cx: &Context<'_>, reply: &Reply) -> Step {
    let body = accepted(cx, reply);
    let Some((body, url)) = body.as_ref().and_then(|body| Some((body, kit::page_url(body, "redirectUrl", cx)?))) else {
        return not_accepted(reply);
    };
    let data = Json::object([
        ("status", Json::text("PENDING")),
        ("url", Json::text(url)),
        ("sessionId", Json::text(cx.order.session_id.to_string())),
    ]);
    created(body, data, Some(url.to_owned()))
}

fn paid_out(cx: &Context<'_>, reply: &Reply) -> Step {
    match accepted(cx, reply).filter(|body| kit::token(body, "id").is_some() && kit::scalar(body, "status").is_some()) {
        Some(body) => {
            let id = Json::text(cx.order.transaction_id.to_string());
            created(&body, Json::object([("status", Json::text("PENDING")), ("transactionId", id)]), None)
        }
        None => not_accepted(reply),
    }
}

fn created(body: &Json, data: Json, redirect_url: Option<String>) -> Step {
    let word = kit::scalar(body, "status").unwrap_or("PENDING");
    // An unknown word changes nothing: it was taken.
    let mut finding =
        standing(word, body).unwrap_or_else(|| Finding::new(Standing::Pending, "PENDING").with_anomalies([unknown(word)]));
    finding.psp_transaction_id = kit::token(body, "id").map(str::to_owned);
    finding.answer(CashierAnswer::Success { message: "Successfully".to_owned(), data, redirect_url }).step()
}

// --- inquiry ----------------------------------------------------------------------------------

fn is_not_found(reply: &Reply) -> bool {
    kit::object(reply).is_some_and(|(status, body)| status == 404 && body.str_at("code") == Some("NOT_FOUND"))
}

fn found(cx: &Context<'_>, asked: Option<&str>, record: &Json) -> Finding {
    let id = kit::token(record, "id");
    let foreign = foreign(record, cx.order.reference, cx.order.amount)
        .or_else(|| (record.str_at("type") != Some(kind(cx.order.operation))).then(|| kit::not_ours(record, "type", "type")))
        .or_else(|| (id.is_none() || asked.is_some_and(|asked| id != Some(asked))).then(|| kit::not_ours(record, "id", "id")));
    if let Some(what) = foreign {
        return Finding::anomaly(format!("Cleo's record has {what}"));
    }
    let word = record.str_at("status").unwrap_or_default();
    let Some(mut finding) = standing(word, record) else { return Finding::anomaly(unknown(word)) };
    finding.psp_transaction_id = id.map(str::to_owned);
    finding
}

/// What a status word means; `None` for a word that is not in the table.
fn standing(word: &str, record: &Json) -> Option<Finding> {
    let row = DESCRIPTOR.statuses.iter().find(|row| row.word == word)?;
    let finding = Finding::new(row.standing, row.word);
    Some(match row.standing {
        Standing::Pending | Standing::Approved => finding,
        _ => {
            let reason = record.str_at("reason").filter(|text| !text.is_empty()).unwrap_or(row.word);
            finding.message(kit::provider_text(reason))
        }
    })
}

fn unknown(word: &str) -> String {
    format!("Cleo's status is unknown: {}", kit::provider_text(word))
}

/// What in a record is not our transaction's, or is not there: `another amount`, `no amount`.
fn foreign(record: &Json, id: TransactionId, amount: Money) -> Option<String> {
    foreign_where(|_| true, record, id, amount)
}

/// What in a callback is not our transaction's, wherever it is present: one that says little has us ask.
fn told_foreign(callback: &Json, id: TransactionId, amount: Money) -> Option<String> {
    foreign_where(|name| kit::is_set(callback, name), callback, id, amount)
}

fn foreign_where(counts: impl Fn(&str) -> bool, said: &Json, id: TransactionId, amount: Money) -> Option<String> {
    let currency = amount.currency();
    [
        ("reference", "externalReference", said.str_at("externalReference") == Some(&id.to_string())),
        ("currency", "currency", said.str_at("currency") == Some(currency.code())),
        ("amount", "amount", kit::money(said, "amount", currency) == Some(amount)),
    ]
    .into_iter()
    .find_map(|(what, name, is_ours)| (counts(name) && !is_ours).then(|| kit::not_ours(said, name, what)))
}

/// The next country's key, or the end.
fn tested(cx: &Context<'_>, step: &str, reply: &Reply) -> Step {
    let Some(at) = COUNTRIES.iter().position(|country| country.test == step) else {
        return Finding::anomaly("Cleo has no such step").step();
    };
    let known = kit::object(reply).is_some_and(|(status, body)| kit::is_success(status) && body.get("status").is_some());
    match reply {
        _ if is_not_found(reply) || known => match COUNTRIES.get(at + 1) {
            Some(next) => test(cx, next),
            None => Finding::unchanged().message("Cleo accepts the three keys").step(),
        },
        _ => Step::Refused(judge(DESCRIPTOR.errors, reply)),
    }
}

// --- callbacks --------------------------------------------------------------------------------

/// Unsigned: a hint, unless it is about something else.
pub(super) fn read_callback(callback: &Callback<'_>) -> CallbackReading {
    if callback.method != "POST" {
        return CallbackReading::refused(405);
    }
    // It came to a transaction's own address: that one is asked about, whatever is in it.
    let body = callback.json().filter(Json::is_object);
    let foreign = match (&body, callback.reference, callback.amount) {
        (Some(body), Some(id), Some(amount)) => told_foreign(body, id, amount),
        _ => None,
    };
    let body = body.unwrap_or_else(|| Json::object::<String>([]));
    let outcome = match foreign {
        Some(what) => CallbackOutcome::Anomaly(format!("a Cleo callback has {what}")),
        None => CallbackOutcome::Hint(Json::object(kit::token(&body, "id").map(|id| ("id", Json::text(id))))),
    };
    CallbackReading { answer: CallbackAnswer::empty(200), outcome, locate: None }
}
