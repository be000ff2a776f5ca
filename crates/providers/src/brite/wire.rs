//! Brite's token, its calls, and the answer to the creating one. Sheet: "Upstream wire protocol".

use super::{DESCRIPTOR, inquiry};
use crate::api::{Call, CashierAnswer, Context, Doubt, Finding, Refusal, Remember, Reply, Sent, Standing, Step, Task};
use crate::signals::{CERTAIN_REFUSALS, certainly_refused, judge};
use crate::{kit, redact};
use domain::urls::{ReturnResult, return_address};
use domain::{Json, Secret, Timestamp};

pub(super) const AUTHORIZE: &str = "merchant.authorize";
pub(super) const CREATE_DEPOSIT: &str = "session.create_deposit";

/// A token is renewed this long before its end, milliseconds (Brite sheet, Token).
const RENEW_BEFORE_MS: i64 = 30 * 60 * 1_000;
/// Latest `expires` that is believed, Unix seconds: the end of the year 9999.
const EXPIRES_MAX_S: i64 = 253_402_300_799;
/// Members of answers that hold tokens.
const TOKEN_MEMBERS: [&str; 3] = ["access_token", "refresh_token", "token"];
/// States of a transaction that Brite is to call back about.
const TRANSACTION_STATES: [i64; 5] = [2, 3, 5, 6, 7];
/// States of a session that Brite is to call back about.
const SESSION_STATES: [i64; 2] = [10, 11];
/// In a call's scratch: it is the second try, with a new token.
const REPEAT: &str = "repeat";
/// In a call's scratch: its step.
const STEP: &str = "step";

// --- the token --------------------------------------------------------------------------------

/// merchant.authorize, for the call whose scratch this is (`null`: for its own sake). Never merchant.token, which ends the tokens
/// of other processes.
pub(super) fn authorize(cx: &Context<'_>, wanted: Json) -> Step {
    let body = Json::object([
        ("public_key", Json::text(cx.account.text("publicKey"))),
        ("secret", Json::text(cx.account.text("secret"))),
    ]);
    call(cx, AUTHORIZE, None, &body, Doubt::Harmless, wanted)
}

/// The token of an answer, and when it ends.
fn token(reply: &Reply) -> Option<(Secret, Option<Timestamp>)> {
    let (status, body) = kit::object(reply)?;
    let token = body.str_at("access_token").filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
    // Unix seconds; a fraction of one does not matter.
    let ends = kit::scalar(&body, "expires").and_then(kit::cut).filter(|ends| !ends.negative).map(|ends| ends.whole);
    let ends = ends.filter(|seconds| *seconds <= EXPIRES_MAX_S).map(|s| Timestamp::from_millis(s * 1_000));
    kit::is_success(status).then_some(())?;
    Some((Secret::new(token?), ends))
}

pub(super) fn remember(cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Option<Remember> {
    if sent.step != AUTHORIZE {
        return is_unauthorized(reply).then_some(Remember::Forget);
    }
    let (value, ends) = token(reply)?;
    Some(Remember::Keep { value, until: ends?.plus_ms(-cx.scaled_ms(RENEW_BEFORE_MS)) })
}

/// Goes on to the call that the token was wanted for.
pub(super) fn authorized(task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    let Some((token, _)) = token(reply) else {
        let refusal = refusal(reply);
        return if task == Task::Inquire { Step::Silence(refusal) } else { Step::Refused(refusal) };
    };
    if task == Task::Test {
        return Finding::unchanged().message("Brite accepts the keys").step();
    }
    // The token of this answer, kept or not: one that ends soon is good for one call.
    match sent.scratch.str_at(STEP) {
        Some(CREATE_DEPOSIT) => call(cx, CREATE_DEPOSIT, Some(&token), &deposit(cx), Doubt::Page, sent.scratch.clone()),
        step => inquiry::ask_with(cx, &token, step.unwrap_or_default(), sent.scratch.clone()),
    }
}

pub(super) fn is_unauthorized(reply: &Reply) -> bool {
    matches!(reply, Reply::Answer(answer) if answer.status == 401)
}

pub(super) fn is_repeat(sent: &Sent) -> bool {
    sent.scratch.get(REPEAT).is_some()
}

/// The scratch of a refused call, for its second try.
pub(super) fn repeated(sent: &Sent) -> Json {
    let mut scratch = sent.scratch.clone();
    scratch.set(REPEAT, Json::Bool(true));
    scratch
}

/// The scratch of a call: what it takes to make it again.
pub(super) fn scratch(step: &str, repeat: bool) -> Json {
    let mut scratch = Json::object([(STEP, Json::text(step))]);
    if repeat {
        scratch.set(REPEAT, Json::Bool(true));
    }
    scratch
}

// --- calls ------------------------------------------------------------------------------------

pub(super) fn call(
    cx: &Context<'_>,
    step: &'static str,
    token: Option<&Secret>,
    body: &Json,
    doubt: Doubt,
    scratch: Json,
) -> Step {
    let url = format!("{}/api/{step}", cx.account.base_url);
    let mut headers = vec![("content-type", Secret::new("application/json"))];
    if let Some(token) = token {
        headers.push(("authorization", Secret::new(format!("Bearer {}", token.expose()))));
    }
    Step::Call(Box::new(Call {
        step,
        method: "POST",
        shown: kit::host_and_path(&url),
        url,
        headers,
        body: body.to_text().into_bytes(),
        doubt,
        memo: None,
        scratch,
        answer_limit_ms: None,
    }))
}

/// session.create_deposit, after a token where there is none.
pub(super) fn create_deposit(cx: &Context<'_>, repeat: bool) -> Step {
    let scratch = scratch(CREATE_DEPOSIT, repeat);
    match cx.account_cache {
        Some(token) => call(cx, CREATE_DEPOSIT, Some(token), &deposit(cx), Doubt::Page, scratch),
        None => authorize(cx, scratch),
    }
}

/// Customer fields only where they are known.
fn deposit(cx: &Context<'_>) -> Json {
    let order = cx.order;
    let text = |name| order.fields.text(name).filter(|text| !text.is_empty());
    let site = order.fields.text("siteUrl").or_else(|| cx.account.settings.text("siteUrl"));
    let reference = order.merchant_reference.as_deref();
    let back =
        site.and_then(|site| return_address(site, order.transaction_id, order.session_id, reference, ReturnResult::Return));
    let mut body = Json::object([
        ("country_id", Json::text(order.text("country").to_ascii_lowercase())),
        // Exact: written from the decimal, never through a binary float.
        ("amount", Json::Number(order.amount.to_fixed().into())),
        ("currency_id", Json::text(order.amount.currency().code().to_ascii_lowercase())),
        ("merchant_reference", Json::text(order.reference.to_string())),
    ]);
    let optional = [
        ("customer_email", text("email")),
        ("customer_firstname", text("firstName")),
        ("customer_lastname", text("lastName")),
        ("customer_dob", text("dob")),
        ("customer_street_address", text("address.line1")),
        ("customer_zip", text("address.postalCode")),
        ("customer_city", text("address.city")),
        ("brand_name", Some(cx.account.text("accountName"))),
        ("locale", text("locale")),
        ("redirect_uri", back.as_deref()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            body.set(name, Json::text(value));
        }
    }
    let entry = |kind: &'static str, state: i64| Json::object([("url", Json::text(cx.callback_url)), (kind, Json::from(state))]);
    let transactions = TRANSACTION_STATES.map(|state| entry("transaction_state", state));
    let sessions = SESSION_STATES.map(|state| entry("session_state", state));
    body.set("callbacks", Json::Array(transactions.into_iter().chain(sessions).collect()));
    body
}

// --- answers ----------------------------------------------------------------------------------

/// The error row of an answer, without any token that it holds. (The account's own is masked by the engine wherever it stands.)
pub(super) fn refusal(reply: &Reply) -> Refusal {
    judge(DESCRIPTOR.errors, &redact::answer(reply, None, &TOKEN_MEMBERS))
}

/// `error_name`, which comes with HTTP 200 too.
pub(super) fn error_name(body: &Json) -> Option<&str> {
    body.str_at("error_name").filter(|name| !name.is_empty())
}

pub(super) fn created(cx: &Context<'_>, reply: &Reply) -> Step {
    let body = kit::object(reply);
    let session = body.as_ref().filter(|(status, body)| kit::is_success(*status) && error_name(body).is_none());
    if let Some((_, body)) = session
        && let Some(url) = kit::page_url(body, "url", cx)
    {
        let data = Json::object([
            ("status", Json::text("PENDING")),
            ("url", Json::text(url)),
            ("sessionId", Json::text(cx.order.session_id.to_string())),
        ]);
        let answer = CashierAnswer::Success { message: "Successfully".to_owned(), data, redirect_url: Some(url.to_owned()) };
        let finding = inquiry::with_session(cx, Finding::new(Standing::Pending, "CREATED"), kit::token(body, "id"));
        return finding.answer(answer).step();
    }
    let readable = body.is_some_and(|(status, body)| kit::may_refuse(status) && error_name(&body).is_some());
    let refusal = refusal(reply);
    if certainly_refused(reply, &CERTAIN_REFUSALS, readable) { Step::Refused(refusal) } else { Step::Silence(refusal) }
}
