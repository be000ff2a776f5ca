//! How a transaction stands: CheckPayment for one payment, GetTransactions for all of a reference, and what follows from them.

use super::wire::{self, Payment};
use super::{DESCRIPTOR, approval};
use crate::api::{Context, Doubt, Finding, Reply, Sent, Standing, Step, Task};
use crate::kit;
use domain::{Json, Operation, TransactionStatus};
use serde::{Deserialize, Serialize};

/// A `reason` that contains one of these means that the payment ran out.
const REASON_MAP: [&str; 2] = ["expir", "timeout"];
/// A pay-in without any payment has run out this long after its creation, milliseconds.
const LINK_LIFE_MS: i64 = 24 * 60 * 60 * 1_000;
/// Most payments of one reference that one inquiry asks about; with the list it stays below [`domain::limits::CALLS_PER_FLOW_MAX`].
const PAYMENTS_MAX: usize = 20;

/// What CheckPayment says of one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Paid; `amount` for people.
    Confirmed { amount: String },
    /// Ended without money.
    Dead {
        standing: Standing,
        status: String,
        reason: Option<String>,
        /// `YYYY-MM-DD HH:MM:SS`.
        inserted: String,
    },
    /// Open; the state.
    Alive(String),
    /// `err`: says nothing.
    Err,
    /// It contradicts itself or us.
    Contradiction(String),
}

/// What is known so far about the payments of a reference; carried from call to call.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Survey {
    /// Asked about right now.
    current: Option<Payment>,
    /// Still to be asked about.
    queue: Vec<Payment>,
    /// Asked about, or about to be.
    seen: Vec<String>,
    /// Whether GetTransactions has answered.
    listed: bool,
    /// Payment id and amount.
    confirmed: Vec<(String, String)>,
    /// Payment id and state.
    alive: Option<(String, String)>,
    /// The newest payment that ended without money.
    dead: Option<Dead>,
    /// A payment of which nothing was said.
    silent: bool,
    anomalies: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Dead {
    payment_id: String,
    declined: bool,
    expired: bool,
    status: String,
    reason: Option<String>,
    inserted: String,
}

/// Pay-outs: the order's own payment. Pay-ins: the payment that a callback named, else all of our reference.
pub(super) fn begin(cx: &Context<'_>) -> Step {
    let known = match cx.order.operation {
        Operation::PayOut => Payment::read(cx.memo, cx),
        Operation::PayIn => cx.hint.and_then(|hint| Payment::read(hint, cx)),
    };
    let mut survey = Survey::default();
    survey.queue.extend(known.clone());
    survey.seen.extend(known.map(|payment| payment.payment_id));
    advance(Task::Inquire, cx, survey)
}

/// Takes one verdict as the whole inquiry so far: an approval found the order in another state than it can confirm.
pub(super) fn settle_one(task: Task, cx: &Context<'_>, verdict: Verdict) -> Step {
    let mut survey = Survey { current: Payment::read(cx.memo, cx), ..Survey::default() };
    survey.seen.extend(survey.current.iter().map(|payment| payment.payment_id.clone()));
    absorb(&mut survey, verdict);
    advance(task, cx, survey)
}

/// The next question, or the end.
fn advance(task: Task, cx: &Context<'_>, mut survey: Survey) -> Step {
    survey.current = survey.queue.pop();
    if let Some(payment) = &survey.current {
        return ask(wire::check_payment(cx, payment, doubt(task)), &survey);
    }
    // Only once no other payment of the reference is open or paid has it ended.
    let undecided = survey.confirmed.is_empty() && survey.alive.is_none() && !survey.silent && survey.anomalies.is_empty();
    if undecided && !survey.listed {
        return ask(wire::get_transactions(cx, doubt(task)), &survey);
    }
    conclude(cx, survey).step()
}

/// None of these calls moves anything; but silence in a release must end in an inquiry, not in a failure.
fn doubt(task: Task) -> Doubt {
    if task == Task::ReleaseAgain { Doubt::Money } else { Doubt::Harmless }
}

/// No readable answer: asked again on the schedule.
fn silence(task: Task, reply: &Reply) -> Step {
    match task {
        // Nothing can have been confirmed yet: an approval only comes here when it found the order in another state.
        Task::Finalise => Step::TryLater("ForumPay could not be asked about the order"),
        _ => Step::Silence(wire::refusal(reply)),
    }
}

fn ask(mut call: crate::api::Call, survey: &Survey) -> Step {
    // Texts, numbers and lists only: this cannot fail; an empty text would be read as a new survey.
    call.scratch = Json::text(serde_json::to_string(survey).unwrap_or_default());
    Step::Call(Box::new(call))
}

fn survey_of(sent: &Sent) -> Survey {
    serde_json::from_str(wire::scratch_text(sent)).unwrap_or_default()
}

/// CheckPayment answered, or not.
pub(super) fn checked(task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    let Some(verdict) = verdict(cx, reply) else { return silence(task, reply) };
    if cx.order.operation == Operation::PayOut && approval::refused_with(cx).is_some() && cx.status != TransactionStatus::OnHold {
        return approval::refused(task, cx, verdict);
    }
    let mut survey = survey_of(sent);
    absorb(&mut survey, verdict);
    advance(task, cx, survey)
}

/// GetTransactions answered, or not.
pub(super) fn listed(task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    let body = wire::success(reply);
    let Some(invoices) = body.as_ref().and_then(|body| body.get("invoices")).and_then(Json::as_array) else {
        return silence(task, reply);
    };
    let mut survey = survey_of(sent);
    survey.listed = true;
    let reference = cx.order.transaction_id.to_string();
    for invoice in invoices.iter().filter(|invoice| invoice.str_at("reference_no") == Some(&reference)) {
        match Payment::read(invoice, cx) {
            Some(payment) if survey.seen.contains(&payment.payment_id) => {}
            Some(_) if survey.seen.len() >= PAYMENTS_MAX => {
                survey.anomalies.push("the reference has too many payments".to_owned())
            }
            Some(payment) => {
                survey.seen.push(payment.payment_id.clone());
                survey.queue.push(payment);
            }
            // It cannot be asked about, so that it may be open.
            None => survey.silent = true,
        }
    }
    // Asked about in the order of the list.
    survey.queue.reverse();
    advance(task, cx, survey)
}

fn absorb(survey: &mut Survey, verdict: Verdict) {
    let payment_id = survey.current.as_ref().map(|payment| payment.payment_id.clone()).unwrap_or_default();
    match verdict {
        Verdict::Confirmed { amount } => survey.confirmed.push((payment_id, amount)),
        Verdict::Alive(state) => survey.alive = Some((payment_id, state)),
        Verdict::Err => survey.silent = true,
        Verdict::Contradiction(text) => survey.anomalies.push(text),
        Verdict::Dead { standing, status, reason, inserted } => {
            let (declined, expired) = (standing == Standing::Declined, standing == Standing::Expired);
            if survey.dead.as_ref().is_none_or(|known| known.inserted <= inserted) {
                survey.dead = Some(Dead { payment_id, declined, expired, status, reason, inserted });
            }
        }
    }
}

/// Reads CheckPayment's answer; `None` when there is none that can be read.
pub(super) fn verdict(cx: &Context<'_>, reply: &Reply) -> Option<Verdict> {
    let (status, record) = kit::object(reply)?;
    if !kit::is_success(status) {
        return None;
    }
    if wire::is_err(&record) {
        return wire::readable_err(reply).map(|_| Verdict::Err);
    }
    let state = record.str_at("state").unwrap_or_default();
    if let Some(what) = foreign(cx, &record) {
        return Some(Verdict::Contradiction(format!("ForumPay's record has another {what}")));
    }
    let Some(row) = DESCRIPTOR.statuses.iter().find(|row| row.word == state) else {
        return Some(Verdict::Contradiction(format!("ForumPay's state is unknown: {}", kit::provider_text(state))));
    };
    let confirmed = is_true(&record, "confirmed") || row.standing == Standing::Approved;
    let cancelled = is_true(&record, "cancelled") || row.standing == Standing::Cancelled;
    let amount = kit::provider_text(&format!(
        "{} {}",
        kit::scalar(&record, "amount").unwrap_or("?"),
        kit::scalar(&record, "currency").unwrap_or_default()
    ));
    let inserted = kit::provider_text(record.str_at("inserted").unwrap_or_default());
    let reason = record.str_at("reason").filter(|text| !text.is_empty()).map(kit::provider_text);
    Some(match (confirmed, cancelled, row.standing) {
        (true, true, _) => Verdict::Contradiction("ForumPay says both confirmed and cancelled".to_owned()),
        (true, _, Standing::Declined) => Verdict::Contradiction("ForumPay says both confirmed and blocked".to_owned()),
        (true, ..) if kit::is_set(&record, "underpayment") || state == "underpayment" => {
            Verdict::Contradiction("ForumPay says both confirmed and underpaid".to_owned())
        }
        (true, ..) => Verdict::Confirmed { amount },
        (_, true, _) => {
            let said = reason.as_deref().unwrap_or_default().to_ascii_lowercase();
            let ran_out = REASON_MAP.iter().any(|text| said.contains(text));
            let standing = if ran_out { Standing::Expired } else { Standing::Cancelled };
            Verdict::Dead { standing, status: "cancelled".to_owned(), reason, inserted }
        }
        (_, _, Standing::Declined) => Verdict::Dead { standing: Standing::Declined, status: state.to_owned(), reason, inserted },
        _ => Verdict::Alive(state.to_owned()),
    })
}

/// Booleans are `true` or `"true"`.
fn is_true(record: &Json, name: &str) -> bool {
    matches!(record.get(name), Some(Json::Bool(true))) || record.str_at(name) == Some("true")
}

/// What in a record is not our transaction's.
fn foreign(cx: &Context<'_>, record: &Json) -> Option<&'static str> {
    let currency = cx.order.amount.currency();
    let kind = match cx.order.operation {
        Operation::PayIn => "Sell",
        Operation::PayOut => "Buy",
    };
    if record.str_at("reference_no") != Some(&cx.order.transaction_id.to_string()) {
        return Some("reference");
    }
    if record.str_at("invoice_currency") != Some(currency.code()) {
        return Some("currency");
    }
    if kit::money(record, "invoice_amount", currency) != Some(cx.order.amount) {
        return Some("amount");
    }
    (!record.str_at("type").is_some_and(|said| said.eq_ignore_ascii_case(kind))).then_some("type")
}

/// Everything has been asked.
fn conclude(cx: &Context<'_>, survey: Survey) -> Finding {
    let held = cx.status == TransactionStatus::OnHold;
    if !survey.confirmed.is_empty() {
        return paid(cx, survey, held);
    }
    if !survey.anomalies.is_empty() {
        return Finding::unchanged().with_anomalies(survey.anomalies);
    }
    if let Some((payment_id, state)) = survey.alive {
        return open(cx, &payment_id, &state, held);
    }
    match survey.dead {
        _ if survey.silent => Finding::unchanged(),
        // Nothing is confirmed before the approval, so that an order that lapses meanwhile is only noted.
        Some(dead) if held => Finding::unchanged().note(format!("the order has lapsed: {}", dead.reason.unwrap_or(dead.status))),
        Some(dead) => {
            let standing = match (dead.declined, dead.expired) {
                (true, _) => Standing::Declined,
                (_, true) => Standing::Expired,
                _ => Standing::Cancelled,
            };
            let message = dead.reason.unwrap_or_else(|| dead.status.clone());
            Finding::new(standing, dead.status).message(message).psp_id(dead.payment_id)
        }
        None => without_payment(cx),
    }
}

fn paid(cx: &Context<'_>, survey: Survey, held: bool) -> Finding {
    if held {
        return Finding::anomaly("ForumPay says that the order is confirmed, which nobody approved");
    }
    let known = kit::scalar(cx.memo, "paid");
    let first = match known {
        Some(known) => survey.confirmed.iter().find(|(id, _)| id == known),
        None => survey.confirmed.first(),
    };
    let others = survey
        .confirmed
        .iter()
        .filter(|(id, _)| Some(id) != first.map(|(id, _)| id))
        .map(|(id, amount)| format!("a second payment of this reference is confirmed: {id}, {amount}"));
    let anomalies = survey.anomalies.iter().cloned().chain(others);
    let Some((payment_id, _)) = first else { return Finding::unchanged().with_anomalies(anomalies) };
    let message = match cx.order.operation {
        Operation::PayIn => "Crypto payment confirmed and successfully processed",
        Operation::PayOut => "Crypto payout confirmed and successfully processed",
    };
    let mut memo = cx.memo.clone();
    memo.set("paid", Json::text(&**payment_id));
    Finding::new(Standing::Approved, "confirmed").message(message).psp_id(&**payment_id).memo(memo).with_anomalies(anomalies)
}

fn open(cx: &Context<'_>, payment_id: &str, state: &str, held: bool) -> Finding {
    if held {
        return Finding::unchanged();
    }
    let out = cx.order.operation == Operation::PayOut;
    if out && state == "waiting" && approval::confirms(cx) > 0 && !approval::is_accepted(cx) {
        return Finding::new(Standing::NotReleased, "");
    }
    // The first inquiry after a page call whose answer was lost: the payment is there.
    let standing = if cx.status == TransactionStatus::Created { Standing::Pending } else { Standing::Unchanged };
    Finding::new(standing, state).psp_id(payment_id)
}

/// The payer has not picked a coin.
fn without_payment(cx: &Context<'_>) -> Finding {
    if cx.order.operation == Operation::PayOut {
        return Finding::anomaly("ForumPay lists no order of this reference");
    }
    let age_ms = cx.now.since(cx.order.created_at);
    if cx.status == TransactionStatus::Pending && age_ms >= cx.scaled_ms(LINK_LIFE_MS) {
        return Finding::new(Standing::Expired, "link_expired").message("link_expired");
    }
    Finding::unchanged()
}
