//! Gigadat's calls and the answers to the creating ones. Sheet: "Upstream wire protocol".

use super::{ACH, CURRENCY, DESCRIPTOR, inquiry, rail};
use crate::api::{Call, CashierAnswer, Context, Doubt, Finding, Lost, Refusal, Reply, Sent, Standing, Step};
use crate::signals::{judge, says_timeout};
use crate::{kit, redact};
use domain::urls::Environment;
use domain::{ErrorCode, Json, Operation, Secret, amounts};

pub(super) const TOKEN: &str = "payment-token";
pub(super) const REGISTER: &str = "webflow";
pub(super) const RELEASE: &str = "deposit";
pub(super) const STATUS: &str = "transaction";
pub(super) const TEST: &str = "test";

/// The scratch of the first call for a token, and of the one that is sent once more.
pub(super) const FIRST: &str = "first";
const SECOND: &str = "second";
/// Longest payment token that is believed, characters: it becomes part of an address.
const TOKEN_MAX_CHARS: usize = 1_536;
/// What a pay-out shows in place of its token: whoever opens the real address releases the money without the approval.
const TOKEN_SHOWN: &str = "<payment-token>";

// --- requests ---------------------------------------------------------------------------------

pub(super) fn call(
    cx: &Context<'_>,
    step: &'static str,
    method: &'static str,
    path: &str,
    query: &[(&str, &str)],
    doubt: Doubt,
) -> Call {
    let address = format!("{}{path}", cx.account.base_url);
    Call {
        step,
        method,
        shown: kit::host_and_path(&address),
        url: if query.is_empty() { address } else { format!("{address}?{}", kit::form(query)) },
        headers: vec![kit::basic(cx.account.text("apiKey"), cx.account.text("secret"))],
        body: Vec::new(),
        doubt,
        memo: None,
        scratch: Json::Null,
        answer_limit_ms: None,
    }
}

/// Opens nothing and moves nothing, so that no doubt is left behind. `attempt`: [`FIRST`], or once more.
pub(super) fn ask_token(cx: &Context<'_>, attempt: &'static str) -> Step {
    let path = format!("/api/payment-token/{}", kit::path_segment(cx.account.text("campaignId")));
    let mut call = call(cx, TOKEN, "POST", &path, &[], Doubt::Harmless);
    call.headers.push(("content-type", Secret::new("application/json")));
    call.body = token_request(cx).to_text().into_bytes();
    call.scratch = Json::text(attempt);
    Step::Call(Box::new(call))
}

fn token_request(cx: &Context<'_>) -> Json {
    let (order, rail) = (cx.order, rail(cx.order));
    let site = cx.account.settings.text("siteUrl").unwrap_or(cx.public_url);
    let (reference, amount) = (order.reference.to_string(), order.amount.to_fixed());
    let mut texts = vec![
        ("userId", order.text("userId")),
        ("transactionId", &reference),
        ("type", rail),
        ("amount", &amount),
        ("currency", CURRENCY),
        ("site", site),
        ("name", order.text("name")),
    ];
    if rail == ACH {
        texts.extend([
            ("userIp", order.text("userIp")),
            ("hosted", "false"),
            ("fi", order.text("bank.institution")),
            ("transit", order.text("bank.transit")),
            ("acct", order.text("bank.account")),
        ]);
    } else {
        let phone = if order.operation == Operation::PayIn { "phone" } else { "mobile" };
        texts.extend([("email", order.text("email")), ("mobile", order.text(phone)), ("userIp", order.text("userIp"))]);
    }
    let mut body = Json::object(texts.into_iter().map(|(name, text)| (name, Json::text(text))));
    body.set("sandbox", Json::Bool(cx.account.environment == Environment::Sandbox));
    body
}

/// Registers a pay-out: nothing is released without the next step, so that no doubt is left behind. The token must live until the
/// approval.
fn register(cx: &Context<'_>, token: &str) -> Step {
    let reference = cx.order.reference.to_string();
    let mut call = call(cx, REGISTER, "POST", "/webflow", &[("transaction", &reference), ("token", token)], Doubt::Harmless);
    call.memo = Some(Json::object([("token", Json::text(token))]));
    Step::Call(Box::new(call))
}

pub(super) fn status(cx: &Context<'_>) -> Call {
    call(cx, STATUS, "GET", &format!("/api/transactions/{}", cx.order.reference), &[], Doubt::Harmless)
}

pub(super) fn test(cx: &Context<'_>) -> Step {
    Step::Call(Box::new(Call { step: TEST, ..status(cx) }))
}

// --- answers ----------------------------------------------------------------------------------

/// The error row, without any token: neither a member of that name nor the one of this pay-out, wherever it stands.
pub(super) fn refusal(cx: &Context<'_>, reply: &Reply) -> Refusal {
    judge(DESCRIPTOR.errors, &redact::answer(reply, kit::scalar(cx.memo, "token"), &["token"]))
}

/// `err` counts with any HTTP status.
pub(super) fn is_err(body: &Json) -> bool {
    kit::is_set(body, "err")
}

/// A good answer to step 2 or 3: 2xx without `err`, and not about another transaction. Also one that is no JSON at all: step 2
/// releases nothing, and what becomes of step 3 is asked about until the record says it. What begins an object and cannot be
/// read, or speaks of an error or a time-out, is no such answer.
pub(super) fn is_accepted(cx: &Context<'_>, reply: &Reply) -> bool {
    match (reply, kit::object(reply)) {
        (_, Some((status, body))) => kit::is_success(status) && !is_err(&body) && inquiry::foreign(cx, &body).is_none(),
        (Reply::Answer(answer), None) => {
            let text = String::from_utf8_lossy(&answer.body);
            let speaks = text.trim_start().starts_with('{') || text.contains("\"err\"") || says_timeout(answer);
            kit::is_success(answer.status) && !speaks
        }
        (Reply::Lost(_), _) => false,
    }
}

fn is_token(text: &str) -> bool {
    (1..=TOKEN_MAX_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(super) fn token_given(cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    let body = kit::object(reply).filter(|(status, body)| kit::is_success(*status) && !is_err(body)).map(|(_, body)| body);
    if let Some(body) = &body
        && let Some(token) = body.str_at("token").filter(|token| is_token(token))
    {
        if let Some(what) = inquiry::foreign(cx, body) {
            let anomaly = Some(format!("Gigadat's payment token is for another {what}"));
            return Step::Refused(Refusal { data: refusal(cx, reply).data, anomaly, ..Refusal::of(ErrorCode::UnknownPspError) });
        }
        return match cx.order.operation {
            Operation::PayIn => page(cx, token),
            Operation::PayOut => register(cx, token),
        };
    }
    let unreadable = match reply {
        Reply::Lost(lost) => matches!(lost, Lost::Broken | Lost::TooLarge),
        Reply::Answer(answer) => kit::is_success(answer.status) && kit::object(reply).is_none() && !says_timeout(answer),
    };
    if unreadable && sent.scratch.as_str() == Some(FIRST) {
        return ask_token(cx, SECOND);
    }
    Step::Refused(refusal(cx, reply))
}

/// Gigadat's key is our reference, in the address and as the id there; what the merchant reads is the transaction's id.
fn page(cx: &Context<'_>, token: &str) -> Step {
    let (id, reference) = (cx.order.transaction_id.to_string(), cx.order.reference.to_string());
    let query = kit::form(&[("transaction", &reference), ("token", token)]);
    let url = format!("{}/webflow?{query}", cx.account.base_url);
    let data = Json::object([
        ("transactionId", Json::text(&*id)),
        ("databaseTransactionId", Json::text(&*id)),
        ("method", Json::text("GET_REDIRECT")),
        ("webflowURL", Json::text(&*url)),
        ("formSubmissionURL", Json::Null),
        ("instructions", Json::text("Use direct redirect to webflowURL")),
        ("paymentToken", Json::text(token)),
        ("transaction_status", Json::text("Pending")),
        ("amount", amounts::as_number(&cx.order.amount)),
        ("merchantReference", kit::merchant_reference(cx)),
        ("data", Json::object([("gigadatTransactionId", Json::text(&*id))])),
    ]);
    let message = "Gigadat CPI payment initiated successfully".to_owned();
    let answer = CashierAnswer::Success { message, data, redirect_url: Some(url) };
    Finding::new(Standing::Pending, inquiry::PENDING).psp_id(reference).answer(answer).step()
}

pub(super) fn registered(cx: &Context<'_>, reply: &Reply) -> Step {
    if !is_accepted(cx, reply) {
        return Step::Refused(refusal(cx, reply));
    }
    let (id, reference) = (cx.order.transaction_id.to_string(), cx.order.reference.to_string());
    let address = |path: &str| Json::text(format!("{}{path}?transaction={reference}&token={TOKEN_SHOWN}", cx.account.base_url));
    let data = Json::object([
        ("transactionId", Json::text(&*id)),
        ("databaseTransactionId", Json::text(&*id)),
        ("payoutType", Json::text(rail(cx.order))),
        ("method", Json::text("AWAITING_APPROVAL")),
        ("webflowURL", address("/webflow")),
        ("finalizationURL", address("/webflow/deposit")),
        (
            "instructions",
            Json::text(
                "Transaction created in Gigadat and added to approval queue. Finalization will occur after admin approval.",
            ),
        ),
        ("paymentToken", Json::text(TOKEN_SHOWN)),
        ("amount", amounts::as_number(&cx.order.amount)),
        ("merchantReference", kit::merchant_reference(cx)),
        ("transaction_status", Json::text("Pending")),
        ("data", Json::object([("gigadatTransactionId", Json::text(&*id))])),
    ]);
    let answer = CashierAnswer::Success { message: "Added to approvals table".to_owned(), data, redirect_url: None };
    Finding::new(Standing::OnHold, inquiry::PENDING).psp_id(reference).answer(answer).step()
}

pub(super) fn tested(cx: &Context<'_>, reply: &Reply) -> Step {
    match reply {
        Reply::Answer(answer) if answer.status == 404 || kit::is_success(answer.status) => {
            Finding::unchanged().message("Gigadat accepts the tokens").step()
        }
        _ => Step::Refused(refusal(cx, reply)),
    }
}
