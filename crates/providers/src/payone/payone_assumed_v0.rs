//! The wire protocol `payone-assumed-v0`. Every line of it is assumed (PayOne sheet, "Upstream wire protocol"): it is one module,
//! so that it can be replaced as a whole.

use super::DESCRIPTOR;
use crate::api::{
    Account, Call, Callback, CallbackAnswer, CallbackOutcome, CallbackReading, CashierAnswer, Context, Doubt, Finding, Refusal,
    Reply, Sent, Standing, Step, Task,
};
use crate::kit;
use crate::signals::{CERTAIN_REFUSALS, certainly_refused, judge, speaks_of_the_id};
use domain::urls::{ReturnResult, return_address};
use domain::{Json, Money, Operation, Secret, TransactionId, amounts};
use url::Url;

/// The header of a callback's signature.
const SIGNATURE_HEADER: &str = "x-signature";

pub(super) fn begin(task: Task, cx: &Context<'_>) -> Step {
    match task {
        Task::PayIn => call(cx, "deposit", "/api/deposit", Some(create_body(cx, &deposit_site(cx))), Doubt::Page),
        Task::PayOut => call(cx, "withdraw", "/api/withdraw", Some(create_body(cx, cx.account.text("siteUrl"))), Doubt::Money),
        // A segment of dots alone would be read as a step up, however it is escaped.
        Task::Inquire => {
            match cx.hint.and_then(|hint| hint.str_at("transactionId")).filter(|id| id.bytes().any(|byte| byte != b'.')) {
                Some(id) => {
                    let path = format!("/api/transaction/{}", kit::path_segment(id));
                    let step = call(cx, "transaction", &path, None, Doubt::Harmless);
                    about(step, id)
                }
                None => by_reference(cx, "transaction_by_reference"),
            }
        }
        Task::Test => by_reference(cx, "test"),
        // PayOne holds nothing: a pay-out that a rule held is sent as a whole once it is approved.
        Task::Finalise | Task::ReleaseAgain | Task::Continue => Finding::anomaly("PayOne has no such step").step(),
    }
}

pub(super) fn resume(cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    match sent.step.as_str() {
        "deposit" => deposited(cx, reply),
        "withdraw" => withdrawn(cx, reply),
        "test" => tested(reply),
        // The callback's own id is not known there, or no id of theirs: our reference still may be.
        "transaction" if is_not_found(reply) || speaks_of_the_id(reply) => by_reference(cx, "transaction_by_reference"),
        _ if is_not_found(reply) => Finding::new(Standing::NotFound, "").step(),
        _ => match kit::object(reply) {
            Some((status, record)) if kit::is_success(status) && kit::is_set(&record, "status") => {
                found(cx, sent.scratch.as_str(), &record).step()
            }
            _ => Step::Silence(judge(DESCRIPTOR.errors, reply)),
        },
    }
}

// --- requests ---------------------------------------------------------------------------------

fn by_reference(cx: &Context<'_>, step: &'static str) -> Step {
    let path = format!("/api/transaction?referenceId={}", cx.order.reference);
    call(cx, step, &path, None, Doubt::Harmless)
}

/// The call remembers the id that it asks about.
fn about(mut step: Step, id: &str) -> Step {
    if let Step::Call(call) = &mut step {
        call.scratch = Json::text(id);
    }
    step
}

fn call(cx: &Context<'_>, step: &'static str, path: &str, body: Option<Json>, doubt: Doubt) -> Step {
    let url = format!("{}{path}", cx.account.base_url);
    let mut headers = vec![("x-api-key", Secret::new(cx.account.text("apiKey")))];
    if body.is_some() {
        headers.push(("content-type", Secret::new("application/json")));
    }
    Step::Call(Box::new(Call {
        step,
        method: if body.is_some() { "POST" } else { "GET" },
        shown: kit::host_and_path(&url),
        url,
        headers,
        body: body.map(|body| body.to_text().into_bytes()).unwrap_or_default(),
        doubt,
        memo: None,
        scratch: Json::Null,
        answer_limit_ms: None,
    }))
}

/// The page that the payer returns to: the request's `siteUrl` wins over the configured one.
fn deposit_site(cx: &Context<'_>) -> String {
    let site = cx.order.fields.text("siteUrl").unwrap_or_else(|| cx.account.text("siteUrl"));
    let reference = cx.order.merchant_reference.as_deref();
    return_address(site, cx.order.transaction_id, cx.order.session_id, reference, ReturnResult::Return).unwrap_or_default()
}

fn create_body(cx: &Context<'_>, site: &str) -> Json {
    let (order, account_name) = (cx.order, cx.account.text("accountName"));
    let texts = [
        ("client", account_name),
        ("brand", account_name),
        ("userId", order.text("userId")),
        ("first_name", order.text("firstName")),
        ("last_name", order.text("lastName")),
        ("email", order.text("email")),
        ("phone", order.text("phone")),
        ("userIp", order.text("userIp")),
        ("currency", order.amount.currency().code()),
        ("amount", &order.amount.to_fixed()),
        ("siteUrl", site),
        ("referenceId", &order.reference.to_string()),
        ("callbackUrl", cx.callback_url),
    ];
    Json::object(texts.map(|(name, text)| (name, Json::text(text))))
}

// --- answers to the creating calls ------------------------------------------------------------

/// The body of an accepted create call.
fn accepted(reply: &Reply) -> Option<Json> {
    let (status, body) = kit::object(reply)?;
    (kit::is_success(status) && body.get("success") == Some(&Json::Bool(true))).then_some(body)
}

/// What to do with an answer that accepts nothing: a certain refusal ends it, anything else is asked about.
fn not_accepted(reply: &Reply) -> Step {
    let readable = kit::object(reply).is_some_and(|(status, body)| {
        kit::may_refuse(status) && body.get("success") == Some(&Json::Bool(false)) && kit::is_set(&body, "error")
    });
    let refusal: Refusal = judge(DESCRIPTOR.errors, reply);
    if certainly_refused(reply, &CERTAIN_REFUSALS, readable) { Step::Refused(refusal) } else { Step::Silence(refusal) }
}

fn deposited(cx: &Context<'_>, reply: &Reply) -> Step {
    let Some(body) = accepted(reply) else { return not_accepted(reply) };
    let Some(url) = kit::page_url(&body, "redirect_url", cx).map(str::to_owned) else {
        return Step::Silence(judge(DESCRIPTOR.errors, reply));
    };
    let mut finding = Finding::new(Standing::Pending, "Pending");
    finding.psp_transaction_id = reference_in(&url);
    finding.answer(answer(cx, "Transaction successfully processed", reply, Some(url))).step()
}

fn withdrawn(cx: &Context<'_>, reply: &Reply) -> Step {
    let Some(body) = accepted(reply) else { return not_accepted(reply) };
    let currency = cx.order.amount.currency();
    let ours = body.get("withdraw").is_some_and(|withdraw| {
        let amount_fits = !kit::is_set(withdraw, "amount") || kit::money(withdraw, "amount", currency) == Some(cx.order.amount);
        let currency_fits = !kit::is_set(withdraw, "currency") || withdraw.str_at("currency") == Some(currency.code());
        withdraw.is_object() && amount_fits && currency_fits
    });
    if !ours {
        // Unreadable, or about another order: what became of ours is not known.
        return Step::Silence(judge(DESCRIPTOR.errors, reply));
    }
    let mut finding = Finding::new(Standing::Pending, "Pending");
    if let Some(withdraw) = body.get("withdraw") {
        if let Some(word) = kit::scalar(withdraw, "status") {
            // An unknown word changes nothing: the withdraw was accepted.
            finding = standing(word, withdraw).unwrap_or_else(|| finding.with_anomalies([unknown(word)]));
        }
        finding.psp_transaction_id = kit::scalar(withdraw, "transactionId").map(kit::provider_text);
    }
    finding.answer(answer(cx, "Withdraw request successfully processed", reply, None)).step()
}

/// `data`: the upstream body as it was written, then ours.
fn answer(cx: &Context<'_>, message: &str, reply: &Reply, redirect_url: Option<String>) -> CashierAnswer {
    let mut data = kit::as_written(reply).unwrap_or_else(|| Json::object::<String>([]));
    let ours = [
        ("transactionId", Json::text(cx.order.transaction_id.to_string())),
        ("merchantReference", kit::merchant_reference(cx)),
        ("amount", amounts::as_number(&cx.order.amount)),
    ];
    for (name, value) in ours {
        data.remove(name);
        data.set(name, value);
    }
    CashierAnswer::Success { message: message.to_owned(), data, redirect_url }
}

/// The `<reference>` of `.../webflow-payment/<reference>/<token>`; published: the webhook's `psp_transaction_id` is the id in
/// there.
fn reference_in(page: &str) -> Option<String> {
    let url = Url::parse(page).ok()?;
    let segments: Vec<&str> = url.path_segments()?.collect();
    match segments.as_slice() {
        [.., "webflow-payment", reference, token] if !reference.is_empty() && !token.is_empty() => {
            Some(kit::provider_text(reference))
        }
        _ => None,
    }
}

// --- inquiry ----------------------------------------------------------------------------------

/// 404 with a readable body. One without a body is a wrong key, so no answer at all.
fn is_not_found(reply: &Reply) -> bool {
    kit::object(reply).is_some_and(|(status, body)| {
        let said = body.str_at("error").unwrap_or_default().to_ascii_lowercase();
        status == 404 && body.get("success") == Some(&Json::Bool(false)) && said.contains("not found")
    })
}

/// `asked`: the id that was asked about; a record that names another one is that one's.
fn found(cx: &Context<'_>, asked: Option<&str>, record: &Json) -> Finding {
    let theirs = kit::scalar(record, "transactionId").map(kit::provider_text);
    let another = theirs.is_some() && asked.is_some() && theirs.as_deref() != asked;
    let foreign = foreign(record, cx.order.reference, cx.order.amount, cx.order.operation);
    if let Some(what) = foreign.or_else(|| another.then(|| kit::not_ours(record, "transactionId", "id"))) {
        return Finding::anomaly(format!("PayOne's record has {what}"));
    }
    let word = record.str_at("status").unwrap_or_default();
    let Some(mut finding) = standing(word, record) else { return Finding::anomaly(unknown(word)) };
    finding.psp_transaction_id = theirs;
    finding
}

/// What a status word means, with the record's message; `None` for a word that is not in the table.
fn standing(word: &str, record: &Json) -> Option<Finding> {
    let row = DESCRIPTOR.statuses.iter().find(|row| row.word == word)?;
    let finding = Finding::new(row.standing, row.status.unwrap_or(row.word));
    Some(match row.standing {
        Standing::Approved => finding.message("Transaction approved and successfully processed"),
        Standing::Pending => finding,
        _ => {
            let said = record.str_at("message").filter(|text| !text.is_empty()).unwrap_or(row.word);
            finding.message(kit::provider_text(said))
        }
    })
}

fn unknown(word: &str) -> String {
    format!("PayOne's status is unknown: {}", kit::provider_text(word))
}

/// What in a record is not our transaction's, or is not there: `another amount`, `no amount`.
fn foreign(record: &Json, id: TransactionId, amount: Money, operation: Operation) -> Option<String> {
    foreign_where(|_| true, record, id, amount, operation)
}

/// What in a callback is not our transaction's, wherever it is present: one that says little has us ask.
fn told_foreign(callback: &Json, id: TransactionId, amount: Money, operation: Operation) -> Option<String> {
    foreign_where(|name| kit::is_set(callback, name), callback, id, amount, operation)
}

fn foreign_where(
    counts: impl Fn(&str) -> bool,
    said: &Json,
    id: TransactionId,
    amount: Money,
    operation: Operation,
) -> Option<String> {
    let currency = amount.currency();
    let kind = match operation {
        Operation::PayIn => "deposit",
        Operation::PayOut => "withdraw",
    };
    [
        ("reference", "referenceId", said.str_at("referenceId") == Some(&id.to_string())),
        ("currency", "currency", said.str_at("currency") == Some(currency.code())),
        ("amount", "amount", kit::money(said, "amount", currency) == Some(amount)),
        ("type", "type", said.str_at("type") == Some(kind)),
    ]
    .into_iter()
    .find_map(|(what, name, is_ours)| (counts(name) && !is_ours).then(|| kit::not_ours(said, name, what)))
}

fn tested(reply: &Reply) -> Step {
    let known = kit::object(reply).is_some_and(|(status, body)| kit::is_success(status) && body.get("status").is_some());
    if is_not_found(reply) || known {
        return Finding::unchanged().message("PayOne accepts the API key").step();
    }
    Step::Refused(judge(DESCRIPTOR.errors, reply))
}

// --- callbacks --------------------------------------------------------------------------------

/// Scheme and key are guesses, so that even a signed callback only starts an inquiry.
pub(super) fn read_callback(account: &Account<'_>, callback: &Callback<'_>) -> CallbackReading {
    if callback.method != "POST" {
        return CallbackReading::refused(405);
    }
    let key = account.text("apiKey").as_bytes();
    // Of the bytes as they came, or as they are read: whether a mark before them was signed with them is not told.
    let expected = [kit::hmac_sha256_hex(key, callback.body), kit::hmac_sha256_hex(key, &callback.text())];
    // An account without a key has no callbacks: anybody can sign with an empty one.
    let signed = !key.is_empty()
        && callback.header(SIGNATURE_HEADER).is_some_and(|presented| expected.iter().any(|one| kit::same_bytes(one, presented)));
    if !signed {
        return reading(
            CallbackAnswer::empty(401),
            CallbackOutcome::Anomaly("a PayOne callback has a missing or wrong signature".to_owned()),
        );
    }
    let outcome = match (callback.json(), callback.reference, callback.amount.zip(callback.operation)) {
        (Some(body), Some(id), Some((amount, operation))) => match told_foreign(&body, id, amount, operation) {
            Some(what) => CallbackOutcome::Anomaly(format!("a PayOne callback has {what}")),
            None => CallbackOutcome::Hint(Json::object(
                kit::scalar(&body, "transactionId").map(|id| ("transactionId", Json::text(kit::provider_text(id)))),
            )),
        },
        _ => CallbackOutcome::Hint(Json::object([("anomaly", Json::text("a PayOne callback cannot be read"))])),
    };
    let received = CallbackAnswer { status: 200, content_type: "application/json", body: r#"{"success":true}"#.to_owned() };
    reading(received, outcome)
}

fn reading(answer: CallbackAnswer, outcome: CallbackOutcome) -> CallbackReading {
    CallbackReading { answer, outcome, locate: None }
}
