//! How a payment stands: `TRANSACTIONQUERY` where the account has a web-services user, the signed notifications, and the time
//! that has passed. Sheet: "JSON web services", "Order of things", "Status and error mapping".

use super::attempts::{self, Attempt};
use super::notify::{NOTICE, ZERO};
use super::refunds;
use super::{DESCRIPTOR, WEB_SERVICES_HOST, form, site_password, web_services};
use crate::api::{Account, Call, Context, Doubt, Finding, Refusal, Reply, Sent, Standing, Step};
use crate::descriptor::StatusRow;
use crate::kit;
use crate::signals::judge as refusal_of;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Json, Money, Secret, TransactionStatus};

pub(super) const QUERY: &str = "TRANSACTIONQUERY";
pub(super) const AUTH: &str = "AUTH";
pub(super) const REFUND: &str = "REFUND";
/// A suspended payment is asked about so often, and so long after the form was served, milliseconds.
const SUSPENDED_WAIT_MS: i64 = 24 * 3_600_000;
const SUSPENDED_END_MS: i64 = 8 * SUSPENDED_WAIT_MS;
/// Characters of a `requestreference` after its `A`.
const REQUEST_REFERENCE_CHARS: usize = 8;
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const fn row(word: &'static str, standing: Standing) -> StatusRow {
    StatusRow { word, standing, status: None }
}

pub(super) const SUSPENDED: &str = "0/2";
pub(super) const CANCELLED: &str = "0/3";

/// By the raw status: the error code and, when it is `0`, the settle status. A range is one row.
pub(super) static STATUSES: [StatusRow; 28] = [
    row("0/0", Standing::Approved),
    row("0/1", Standing::Approved),
    row("0/10", Standing::Approved),
    row("0/100", Standing::Approved),
    row(SUSPENDED, Standing::Unchanged),
    row(CANCELLED, Standing::Cancelled),
    row("70000", Standing::Declined),
    row("71000", Standing::Declined),
    row("72000", Standing::Declined),
    row("60022", Standing::Declined),
    row("60036", Standing::Declined),
    row("60042", Standing::Declined),
    row("60043", Standing::Declined),
    row("60044", Standing::Declined),
    row("60045", Standing::Declined),
    row("60500", Standing::Declined),
    row("60010", Standing::Unchanged),
    row("60034", Standing::Unchanged),
    row("99999", Standing::Unchanged),
    row("50000-50014", Standing::Unchanged),
    row("60020", Standing::Unchanged),
    row("70001", Standing::Unchanged),
    row("79000", Standing::Unchanged),
    row("79001", Standing::Unchanged),
    row(FORM_ERRORS[0], Standing::Unchanged),
    row(FORM_ERRORS[1], Standing::Unchanged),
    row(FORM_ERRORS[2], Standing::Unchanged),
    row(EXPIRED, Standing::Expired),
];
/// The payer is correcting the form: no payment was tried.
pub(super) const FORM_ERRORS: [&str; 3] = ["30000", "31000-31004", "40000"];
const EXPIRED: &str = "EXPIRED";

pub(super) fn covers(row: &str, word: &str) -> bool {
    match row.split_once('-') {
        Some((first, last)) => word.len() == first.len() && (first..=last).contains(&word),
        None => row == word,
    }
}

// --- asking -----------------------------------------------------------------------------------

/// Asks where there is somebody to ask about something that may have been paid.
pub(super) fn inquire(cx: &Context<'_>) -> Step {
    let may_be_paid = form::opened_at(cx).is_some() || notices(cx).next().is_some();
    match web_services(cx.account.settings) {
        Some(user) if may_be_paid => Step::Call(Box::new(query(cx, user))),
        _ => conclude(cx, Vec::new(), None),
    }
}

pub(super) fn test(cx: &Context<'_>) -> Step {
    match web_services(cx.account.settings) {
        Some(user) => Step::Call(Box::new(query(cx, user))),
        None => {
            let mut finding = Finding::unchanged().message("cannot be tested without web-services credentials");
            finding.proven = false;
            finding.step()
        }
    }
}

fn query(cx: &Context<'_>, (user, password): (&str, &str)) -> Call {
    let letters = cx.random.iter().take(REQUEST_REFERENCE_CHARS).map(|byte| char::from(ALPHABET[usize::from(*byte) % 62]));
    let reference: String = ['A'].into_iter().chain(letters).collect();
    let equals = |value: &str| Json::Array(vec![Json::object([("value", Json::text(value))])]);
    let filter = Json::object([
        ("sitereference", equals(cx.account.text("sitereference"))),
        ("orderreference", equals(&cx.order.reference.to_string())),
    ]);
    let request = Json::object([
        ("requestreference", Json::text(&*reference)),
        ("requesttypedescriptions", Json::Array(vec![Json::text(QUERY)])),
        ("filter", filter),
    ]);
    let body =
        Json::object([("alias", Json::text(user)), ("version", Json::text("1.00")), ("request", Json::Array(vec![request]))]);
    let base = cx.account.settings.text("webServicesBaseUrl").unwrap_or(WEB_SERVICES_HOST).trim_end_matches('/');
    let url = format!("{base}/json/");
    Call {
        step: QUERY,
        method: "POST",
        shown: kit::host_and_path(&url),
        url,
        headers: vec![
            ("authorization", Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))),
            ("content-type", Secret::new("application/json;charset=utf-8")),
            ("accept", Secret::new("application/json")),
            ("requestreference", Secret::new(&*reference)),
        ],
        body: body.to_text().into_bytes(),
        doubt: Doubt::Harmless,
        memo: None,
        scratch: Json::String(reference),
        answer_limit_ms: None,
    }
}

/// The records of a readable answer to our own request; an empty list where nothing matches.
fn records(sent: &Sent, reply: &Reply) -> Result<Vec<Json>, Refusal> {
    let read = || {
        let (_, body) = kit::object(reply).filter(|(status, _)| kit::is_success(*status))?;
        let [response] = body.get("response")?.as_array()? else { return None };
        let ours = body.str_at("requestreference").is_some_and(|theirs| Some(theirs) == sent.scratch.as_str());
        let good = response.str_at("requesttypedescription") == Some(QUERY) && code(response, "errorcode") == "0";
        match response.get("records") {
            _ if !ours || !good => None,
            None | Some(Json::Null) => Some(Vec::new()),
            Some(records) => records.as_array().map(<[Json]>::to_vec),
        }
    };
    read().ok_or_else(|| refusal_of(DESCRIPTOR.errors, reply))
}

pub(super) fn tested(sent: &Sent, reply: &Reply) -> Step {
    match records(sent, reply) {
        Ok(_) => Finding::unchanged().message("Trust accepts the web-services user and the site").step(),
        Err(refusal) => Step::Refused(refusal),
    }
}

pub(super) fn answered(cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    match records(sent, reply) {
        Ok(records) => conclude(cx, records, None),
        Err(refusal) => conclude(cx, Vec::new(), Some(refusal)),
    }
}

// --- what it means ----------------------------------------------------------------------------

/// The signed notifications of ours that started this.
pub(super) fn notices<'a>(cx: &Context<'a>) -> impl Iterator<Item = &'a Json> {
    let members = cx.hint.and_then(Json::as_object).unwrap_or_default();
    members.iter().filter(|(name, _)| name.starts_with(NOTICE)).map(|(_, notice)| notice)
}

/// The records, and the notifications of payments that have no record yet. `failed`: the query brought none.
fn conclude(cx: &Context<'_>, mut records: Vec<Json>, failed: Option<Refusal>) -> Step {
    let held_back = is_held_back(cx, &records);
    for notice in notices(cx) {
        let same = |record: &Json, name: &str| kit::scalar(record, name) == kit::scalar(notice, name);
        // One without a reference is told by what else it says.
        let known = |record: &Json| match kit::scalar(notice, "transactionreference") {
            Some(_) => same(record, "transactionreference"),
            None => same(record, "baseamount") && raw_status(record) == raw_status(notice),
        };
        if !records.iter().any(|record| same(record, "requesttypedescription") && known(record)) {
            records.push(notice.clone());
        }
    }
    let mut memo = cx.memo.clone();
    if cx.hint.and_then(|hint| hint.get(ZERO)).is_some() {
        memo.set(ZERO, Json::Bool(true));
    }
    let (mut finding, tried) = judge(cx, &records, &mut memo);
    if held_back {
        finding = finding.with_anomalies([format!("Trust says {SUSPENDED} of a payment that is Approved: it is suspended")]);
    }
    if tried {
        memo.set("tried", Json::Bool(true));
    }
    let open = cx.status == TransactionStatus::Pending && finding.standing == Standing::Unchanged;
    if open && finding.status == SUSPENDED {
        memo.set("suspended", Json::Bool(true));
    }
    match failed {
        Some(refusal) if records.is_empty() => return Step::Silence(refusal),
        Some(refusal) => finding = finding.note(format!("the query failed: {}", refusal.code.as_str())),
        None => {}
    }
    if open {
        wait(cx, &memo, &mut finding);
    }
    finding.memo(memo).step()
}

/// Whether a record has it that the attempt that paid is suspended now: money that was reported may never come. A notification
/// of that may be an old one that is told again, and says nothing.
fn is_held_back(cx: &Context<'_>, records: &[Json]) -> bool {
    let paid_by = cx.psp_transaction_id.filter(|_| cx.status == TransactionStatus::Approved);
    let of_payment = |record: &&Json| {
        record.str_at("requesttypedescription") == Some(AUTH) && kit::token(record, "transactionreference") == paid_by
    };
    paid_by.is_some() && records.iter().filter(of_payment).any(|record| raw_status(record) == SUSPENDED)
}

/// Nothing has ended it: until when it may be paid, and what follows.
fn wait(cx: &Context<'_>, memo: &Json, finding: &mut Finding) {
    let told = |name: &str| memo.get(name).is_some();
    let Some(opened) = form::opened_at(cx) else {
        let closes_at = form::closes_at(cx);
        if cx.now >= closes_at && !told("tried") {
            expire(finding, "the payment link was not opened in time");
        } else {
            finding.ask_at = Some(closes_at);
        }
        return;
    };
    let over_at = form::over_at(cx, opened);
    if cx.now < over_at {
        finding.ask_at = Some(over_at);
        return;
    }
    let asks = web_services(cx.account.settings).is_some();
    let believed = asks || (site_password(cx.account.settings).is_some() && !told(ZERO));
    if told("suspended") {
        let end = opened.plus_ms(cx.scaled_ms(SUSPENDED_END_MS));
        finding.ask_at = Some(cx.now.plus_ms(cx.scaled_ms(SUSPENDED_WAIT_MS)).min(end));
    } else if !told("tried") && finding.anomalies.is_empty() && believed {
        expire(finding, "the payer did not pay in time");
    } else if !told("tried") && !asks {
        finding.standing = Standing::Stuck;
        finding.notes.push("nobody can be asked, and nothing proves that it was not paid".to_owned());
    }
}

fn expire(finding: &mut Finding, message: &str) {
    (finding.standing, finding.status) = (Standing::Expired, EXPIRED.to_owned());
    finding.message = Some(message.to_owned());
}

/// What the records say, and whether any of them is about an attempt to pay.
fn judge(cx: &Context<'_>, records: &[Json], memo: &mut Json) -> (Finding, bool) {
    let (mut anomalies, mut fresh, mut refunds) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        let kind = record.str_at("requesttypedescription").unwrap_or_default();
        if !matches!(kind, AUTH | REFUND) {
            continue;
        }
        if let Some(what) = foreign(record, &cx.account, &cx.order.reference.to_string(), cx.order.amount) {
            anomalies.push(format!("Trust's record has another {what}"));
            continue;
        }
        let attempt = Attempt::of(record);
        if kind == REFUND {
            refunds.push(attempt);
            continue;
        }
        if attempt.standing.is_none() {
            anomalies.push(format!("Trust's status is unknown: {}", kit::provider_text(&attempt.word)));
        }
        fresh.push(attempt);
    }
    let tried = fresh.iter().any(Attempt::is_try) || refunds.iter().any(Attempt::is_success);
    let judged = attempts::judge(cx, fresh, memo, &mut anomalies);
    let mut finding = judged.deciding().map_or_else(Finding::unchanged, |attempt| of_attempt(cx, attempt));
    refunds::count(cx, &mut finding, &judged, &refunds, memo, &mut anomalies);
    (finding.with_anomalies(anomalies), tried)
}

fn of_attempt(cx: &Context<'_>, attempt: &Attempt<'_>) -> Finding {
    let Some(standing) = attempt.standing else { return Finding::unchanged() };
    let standing = if attempt.word == CANCELLED && is_paid(cx) { Standing::Reversed } else { standing };
    let mut finding = Finding::new(standing, attempt.word.clone());
    finding.psp_transaction_id = attempt.reference.clone();
    let Some(record) = attempt.record else { return finding };
    let brand = kit::scalar(record, "paymenttypedescription").filter(|brand| kit::is_word(brand, 32)).map(str::to_owned);
    let pan = masked_pan(record.str_at("maskedpan").unwrap_or_default());
    let paid_with = brand.into_iter().chain(pan).collect::<Vec<_>>().join(" ");
    if !paid_with.is_empty() && finding.psp_transaction_id.as_deref() != cx.psp_transaction_id {
        finding = finding.note(format!("paid with {paid_with}"));
    }
    finding
}

/// Whether it was paid, whatever has gone back since.
pub(super) fn is_paid(cx: &Context<'_>) -> bool {
    matches!(cx.status, TransactionStatus::Approved | TransactionStatus::Reversed)
}

/// A code by its value: `0` however it is written.
fn code(record: &Json, name: &str) -> String {
    kit::plain_code(kit::token(record, name).unwrap_or_default()).into_owned()
}

/// The error code and, when it is `0`, the settle status.
pub(super) fn raw_status(record: &Json) -> String {
    match code(record, "errorcode") {
        zero if zero == "0" => format!("0/{}", code(record, "settlestatus")),
        other => other,
    }
}

/// Whether a member is there. Absent, `null` and empty say nothing.
pub(super) fn says(record: &Json, name: &str) -> bool {
    !matches!(record.get(name), None | Some(Json::Null)) && record.str_at(name) != Some("")
}

/// What in a record or a notification is not our payment's, wherever it is present.
pub(super) fn foreign(record: &Json, account: &Account<'_>, order: &str, amount: Money) -> Option<&'static str> {
    let differs = |name: &str, ours: &str| says(record, name) && record.get(name).and_then(Json::as_scalar) != Some(ours);
    let refunded = |text: &str| kit::whole_number(text).is_some_and(|part| (1..=amount.minor()).contains(&part));
    let part = record.str_at("requesttypedescription") == Some(REFUND) && kit::scalar(record, "baseamount").is_some_and(refunded);
    [
        ("order", differs("orderreference", order)),
        ("site", differs("sitereference", account.text("sitereference"))),
        ("currency", differs("currencyiso3a", amount.currency().code())),
        ("amount", says(record, "baseamount") && !is_amount(record, amount) && !part),
    ]
    .into_iter()
    .find_map(|(what, foreign)| foreign.then_some(what))
}

fn is_amount(record: &Json, amount: Money) -> bool {
    kit::scalar(record, "baseamount").and_then(kit::whole_number) == Some(amount.minor())
}

/// `411111******0211`, of a number whose middle is blanked.
pub(super) fn masked_pan(text: &str) -> Option<String> {
    let digits = |part: Option<&str>| part.filter(|part| part.bytes().all(|byte| byte.is_ascii_digit())).map(str::to_owned);
    let (first, last) = (digits(text.get(..6))?, digits(text.get(text.len().checked_sub(4)?..))?);
    let middle = text.get(6..text.len() - 4)?;
    (!middle.is_empty() && !middle.contains(|c: char| c.is_ascii_digit())).then(|| format!("{first}******{last}"))
}
