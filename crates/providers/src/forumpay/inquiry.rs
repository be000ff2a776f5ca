//! How a transaction stands: CheckPayment for one payment, GetTransactions for all of a reference, and what follows from them.

use super::wire::{self, Payment};
use super::{DESCRIPTOR, approval};
use crate::api::{Context, Doubt, Finding, Refusal, Reply, Sent, Standing, Step, Task};
use crate::signals::CERTAIN_REFUSALS;
use crate::{kit, once, rota};
use domain::{ErrorCode, Json, Operation, TransactionStatus};
use serde::{Deserialize, Serialize};

/// A `reason` that contains one of these means that the payment ran out.
const REASON_MAP: [&str; 2] = ["expir", "timeout"];
/// The status word of an ending without money.
const CANCELLED: &str = "cancelled";
/// A pay-in without any payment has run out this long after its creation, milliseconds.
const LINK_LIFE_MS: i64 = 24 * 60 * 60 * 1_000;
/// After so many answers that cannot be read an inquiry asks no more: the next one goes on with the others.
const UNREADABLE_MAX: usize = 3;

/// What CheckPayment says of one payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// Paid: the coins for people; whether ForumPay shows an underpayment all the same.
    Confirmed { coins: String, underpaid: bool },
    /// Paid, but for this amount instead of ours: coins that came too late or too few, and that the merchant accepted at
    /// ForumPay.
    OtherAmount(String),
    /// Ended without money: when it was made, the provider's reason, coins that are there all the same.
    Dead { inserted: String, reason: Option<String>, coins: Option<String> },
    /// Open; the state.
    Alive(String),
    /// `err`, or it could not be asked about: it may be open.
    Silent,
    /// No answer, or none that can be read: it may be anything.
    Unreadable,
    /// It contradicts itself or us.
    Contradiction(String),
}

/// What is known so far about the payments of a reference; carried from call to call.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Survey {
    /// To be asked about; the last one first, which is the one being asked about.
    queue: Vec<Payment>,
    /// Answered, by payment id.
    known: Vec<(String, Verdict)>,
    /// Whether GetTransactions has answered.
    listed: bool,
    /// Payments of the list that another inquiry asks about.
    waiting: Vec<String>,
    /// The error of the first answer that could not be read.
    error: Option<String>,
}

/// Pay-outs: the order's own payment. Pay-ins: the payment that a callback named, else all of our reference.
pub(super) fn begin(cx: &Context<'_>) -> Step {
    let named = match cx.order.operation {
        Operation::PayOut => Payment::read(cx.memo, cx),
        // All four, or none: another point of sale does not know the payment.
        Operation::PayIn => cx.hint.filter(|hint| kit::token(hint, "pos_id").is_some()).and_then(|hint| Payment::read(hint, cx)),
    };
    advance(Task::Inquire, cx, Survey { queue: named.into_iter().collect(), ..Survey::default() })
}

/// Takes one verdict as the whole inquiry so far: an approval found the order in another state than it can confirm.
pub(super) fn settle_one(task: Task, cx: &Context<'_>, verdict: Verdict) -> Step {
    let id = kit::scalar(cx.memo, "payment_id").unwrap_or_default().to_owned();
    advance(task, cx, Survey { known: vec![(id, verdict)], ..Survey::default() })
}

/// The next question, or the end. A transaction has ended only once no other payment of its reference is open or paid.
fn advance(task: Task, cx: &Context<'_>, survey: Survey) -> Step {
    // None of these calls moves anything; but silence in a release must end in an inquiry, not in a failure.
    let doubt = if task == Task::ReleaseAgain { Doubt::Money } else { Doubt::Harmless };
    let pay_in = cx.order.operation == Operation::PayIn;
    // What a callback named need not exist, so that one which could not be asked about says nothing of the others.
    let silent = |verdict: &Verdict| matches!(verdict, Verdict::Silent | Verdict::Unreadable);
    let ended = |verdict: &Verdict| matches!(verdict, Verdict::Dead { .. }) || (pay_in && silent(verdict));
    let dead = survey.known.iter().all(|(_, verdict)| ended(verdict));
    let mut call = match survey.queue.last() {
        Some(payment) => wire::check_payment(cx, payment, doubt),
        None if dead && !survey.listed => wire::get_transactions(cx, doubt),
        None => return conclude(task, cx, &survey),
    };
    // Texts and lists only: this cannot fail; an empty text would be read as a new survey.
    call.scratch = Json::text(serde_json::to_string(&survey).unwrap_or_default());
    Step::Call(Box::new(call))
}

fn survey_of(sent: &Sent) -> Survey {
    sent.scratch.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// No readable answer: asked again on the schedule.
fn silence(task: Task, refusal: Refusal) -> Step {
    match task {
        // Nothing can have been confirmed yet: an approval only comes here when it found the order in another state.
        Task::Finalise => Step::TryLater("ForumPay could not be asked about the order"),
        _ => Step::Silence(refusal),
    }
}

/// CheckPayment answered, or not. What cannot be asked about hides nothing of the other payments.
pub(super) fn checked(task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    let verdict = verdict(cx, reply);
    if approval::refused_with(cx).is_some() && cx.status != TransactionStatus::OnHold {
        return verdict.map_or_else(|| silence(task, wire::refusal(reply)), |verdict| approval::refused(task, cx, verdict));
    }
    let mut survey = survey_of(sent);
    let id = survey.queue.pop().map(|payment| payment.payment_id).unwrap_or_default();
    if verdict.is_none() && survey.error.is_none() {
        survey.error = Some(wire::refusal(reply).code.as_str().to_owned());
    }
    survey.known.push((id, verdict.unwrap_or(Verdict::Unreadable)));
    if survey.known.iter().filter(|(_, verdict)| *verdict == Verdict::Unreadable).count() >= UNREADABLE_MAX {
        survey.waiting.extend(survey.queue.drain(..).map(|payment| payment.payment_id));
    }
    advance(task, cx, survey)
}

/// GetTransactions answered, or not.
pub(super) fn listed(task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    let body = wire::success(reply);
    let Some(invoices) = body.as_ref().and_then(|body| body.get("invoices")).and_then(Json::as_array) else {
        return silence(task, wire::refusal(reply));
    };
    let mut survey = survey_of(sent);
    survey.listed = true;
    survey.known.retain(|(_, verdict)| *verdict != Verdict::Silent);
    let reference = cx.order.reference.to_string();
    // We asked for our reference, which the elements need not name; CheckPayment of each proves it. Only what names another one
    // is not ours.
    let may_be_ours = |invoice: &&Json| kit::scalar(invoice, "reference_no").is_none_or(|theirs| theirs == reference);
    let mut payments: Vec<rota::Listed<Payment>> = Vec::new();
    for invoice in invoices.iter().filter(may_be_ours) {
        let Some(item) = Payment::read(invoice, cx) else {
            survey.known.push((String::new(), Verdict::Silent));
            continue;
        };
        let id = item.payment_id.clone();
        if !survey.known.iter().any(|(known, _)| *known == id) && !payments.iter().any(|known| known.id == id) {
            let made = kit::scalar(invoice, "inserted").unwrap_or_default().to_owned();
            payments.push(rota::Listed { made, id, item });
        }
    }
    let named = cx.hint.and_then(|hint| kit::token(hint, "payment_id"));
    (survey.queue, survey.waiting) = rota::of(cx, named, payments);
    survey.queue.reverse();
    advance(task, cx, survey)
}

/// Reads CheckPayment's answer; `None` when there is none that can be read.
pub(super) fn verdict(cx: &Context<'_>, reply: &Reply) -> Option<Verdict> {
    let (status, record) = kit::object(reply)?;
    if wire::is_err(&record) {
        // An `err` comes with any status; but with these it speaks of the call, not of the payment.
        return wire::readable_err(reply).filter(|_| !CERTAIN_REFUSALS.contains(&status)).map(|_| Verdict::Silent);
    }
    if !kit::is_success(status) {
        return None;
    }
    if let Some(what) = foreign(cx, &record) {
        return Some(not_ours(&what));
    }
    let state = record.str_at("state").unwrap_or_default();
    let row = DESCRIPTOR.statuses.iter().find(|row| row.word == state).map(|row| row.standing);
    // Booleans are `true` or `"true"`.
    let says = |name| record.get(name) == Some(&Json::Bool(true)) || record.str_at(name) == Some("true");
    let amount = kit::scalar(&record, "invoice_amount");
    let is_ours = kit::money(&record, "invoice_amount", cx.order.amount.currency()) == Some(cx.order.amount);
    // Whatever else the state says: after a review it may still be `blocked`.
    let confirmed = says("confirmed") || row == Some(Standing::Approved);
    let cancelled = says("cancelled") || row == Some(Standing::Cancelled);
    let shown = kit::provider_text(state);
    Some(match (confirmed, cancelled, amount) {
        (true, true, _) => Verdict::Contradiction(format!("ForumPay says confirmed and cancelled of one payment ({shown})")),
        (_, _, None) => not_ours("no amount"),
        (true, false, Some(_)) if is_ours => {
            Verdict::Confirmed { coins: coins(&record, "amount"), underpaid: !is_none(record.get("underpayment")) }
        }
        (true, false, Some(amount)) => Verdict::OtherAmount(kit::provider_text(amount)),
        (false, _, Some(_)) if !is_ours => not_ours("another amount"),
        (false, true, Some(_)) => {
            let text = |name| record.str_at(name).filter(|text| !text.trim().is_empty()).map(kit::provider_text);
            let there = ["payment", "unconfirmed_amount"].into_iter().find(|name| !is_none(record.get(name)));
            Verdict::Dead {
                inserted: text("inserted").unwrap_or_default(),
                reason: text("reason"),
                coins: there.map(|name| coins(&record, name)),
            }
        }
        (false, false, Some(_)) if row.is_none() => Verdict::Contradiction(format!("ForumPay's state is unknown: {shown}")),
        (false, false, Some(_)) => Verdict::Alive(state.to_owned()),
    })
}

fn not_ours(what: &str) -> Verdict {
    Verdict::Contradiction(format!("ForumPay's record has {what}"))
}

/// An amount of coins for people.
fn coins(record: &Json, name: &str) -> String {
    let text = |name| kit::scalar(record, name).unwrap_or("?");
    kit::provider_text(&format!("{} {}", text(name), text("currency")))
}

/// Whether a member says that there is nothing: absent, empty, `false`, or a zero in any spelling.
fn is_none(member: Option<&Json>) -> bool {
    let Some(member) = member else { return true };
    match member.as_scalar().map(str::trim) {
        Some(text) => {
            let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
            mantissa.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'+' | b'-')) || text.eq_ignore_ascii_case("false")
        }
        None => match member {
            Json::Array(items) => items.is_empty(),
            Json::Object(members) => members.is_empty(),
            _ => *member != Json::Bool(true),
        },
    }
}

/// What in a record, beside the amount, is not our transaction's.
fn foreign(cx: &Context<'_>, record: &Json) -> Option<String> {
    let kind = if cx.order.operation == Operation::PayIn { "Sell" } else { "Buy" };
    let checks = [
        ("reference", "reference_no", record.str_at("reference_no") == Some(&cx.order.reference.to_string())),
        ("currency", "invoice_currency", record.str_at("invoice_currency") == Some(cx.order.amount.currency().code())),
        ("type", "type", record.str_at("type").is_some_and(|said| said.eq_ignore_ascii_case(kind))),
    ];
    checks.into_iter().find(|(_, _, same)| !same).map(|(what, name, _)| kit::not_ours(record, name, what))
}

/// What a person is asked to do about coins that belong to nobody.
const ORPHANED: &str = "coins came too late or too few: accept or refund them at ForumPay";

/// What was asked about, sorted.
#[derive(Default)]
struct Sorted<'a> {
    paid: Vec<(&'a String, &'a Verdict)>,
    /// Id and state.
    open: Option<(&'a String, &'a String)>,
    /// When it was made, its id, the reason: the newest one speaks.
    ended: Option<(String, String, Option<String>)>,
    anomalies: Vec<String>,
    /// Coins that are there although the payment has ended.
    orphaned: Vec<String>,
    /// Some may be open or paid without our knowing it.
    silent: bool,
}

fn sorted<'a>(cx: &Context<'_>, survey: &'a Survey) -> Sorted<'a> {
    let mut all = Sorted::default();
    // Of a buy order the coins are the pay-out.
    let orphaned = if cx.order.operation == Operation::PayIn { ORPHANED } else { "coins moved although the order was cancelled" };
    for (id, verdict) in &survey.known {
        match verdict {
            Verdict::Confirmed { .. } | Verdict::OtherAmount(_) => all.paid.push((id, verdict)),
            Verdict::Alive(state) => all.open = Some((id, state)),
            Verdict::Silent | Verdict::Unreadable => all.silent = true,
            Verdict::Contradiction(text) => all.anomalies.push(text.clone()),
            Verdict::Dead { inserted, reason, coins } => {
                all.orphaned.extend(coins.as_ref().map(|coins| format!("{orphaned} ({coins}, payment {id})")));
                all.ended = all.ended.max(Some((inserted.clone(), id.clone(), reason.clone())));
            }
        }
    }
    // Those whose turn it is not are as they were when they were asked about; one that never was may be anything.
    for (id, before) in rota::before(cx, &survey.waiting) {
        match before {
            Some(Verdict::Dead { inserted, reason, .. }) => all.ended = all.ended.max(Some((inserted, id, reason))),
            _ => all.silent = true,
        }
    }
    all
}

/// As much has been asked as one inquiry asks.
fn conclude(task: Task, cx: &Context<'_>, survey: &Survey) -> Step {
    let held = cx.status == TransactionStatus::OnHold;
    let Sorted { paid, open, ended, anomalies, orphaned, silent } = sorted(cx, survey);
    let mut finding = match (open, ended) {
        _ if !paid.is_empty() && held => Finding::anomaly("ForumPay says that the order is confirmed, which nobody approved"),
        _ if !paid.is_empty() => settled(cx, &paid).with_anomalies(anomalies),
        _ if !anomalies.is_empty() => Finding::unchanged().with_anomalies(anomalies),
        (Some(_), _) if held => Finding::unchanged(),
        (Some((id, state)), _) => still_open(cx, id, state),
        _ if silent => {
            if let Some(error) = &survey.error
                && (task != Task::Inquire || (survey.waiting.is_empty() && orphaned.is_empty() && !is_found(cx, survey)))
            {
                return silence(task, Refusal::of(error.parse().unwrap_or(ErrorCode::UnknownPspError)));
            }
            Finding::new(if is_found(cx, survey) { Standing::Pending } else { Standing::Unchanged }, "")
        }
        // Nothing is confirmed before the approval, so that an order that lapses meanwhile is only noted.
        (None, Some((_, _, reason))) if held => {
            Finding::unchanged().note(format!("the order has lapsed: {}", reason.as_deref().unwrap_or(CANCELLED)))
        }
        (None, Some((_, id, reason))) => {
            let said = reason.as_deref().unwrap_or_default().to_ascii_lowercase();
            // One that ran out has no reason: ForumPay asks the payer for one only afterwards.
            let ran_out = said.is_empty() || REASON_MAP.iter().any(|text| said.contains(text));
            let standing = if ran_out { Standing::Expired } else { Standing::Cancelled };
            Finding::new(standing, CANCELLED).message(reason.as_deref().unwrap_or(CANCELLED)).psp_id(id)
        }
        (None, None) => without_payment(cx),
    };
    if survey.error.is_some() {
        finding = finding.note("not every payment of this reference could be asked about");
        // A callback is not worked off by an answer that could not be read.
        finding.ask_again = paid.is_empty();
    }
    if survey.listed {
        finding = rota::remember(cx, finding, &survey.known, &survey.waiting);
    }
    once::told(cx, finding.with_anomalies(orphaned)).step()
}

/// Whether this is the first inquiry after a page call whose answer was lost, and there are payments of our reference.
fn is_found(cx: &Context<'_>, survey: &Survey) -> bool {
    let is_first = cx.status == TransactionStatus::Created && survey.listed;
    is_first && (!survey.waiting.is_empty() || survey.known.iter().any(|(id, _)| !id.is_empty()))
}

/// Paid by the payment that is known to have paid, else by the first one for our amount; any other paid one is for a person, and
/// so is one for another amount.
fn settled(cx: &Context<'_>, paid: &[(&String, &Verdict)]) -> Finding {
    let whole = |(_, verdict): &&(&String, &Verdict)| matches!(verdict, Verdict::Confirmed { .. });
    let known = kit::scalar(cx.memo, "paid");
    let first = match known {
        Some(known) => paid.iter().find(|(id, _)| *id == known),
        None => paid.iter().find(whole).or(paid.first()),
    };
    let others = paid.iter().filter(|payment| Some(*payment) != first).map(|(id, verdict)| {
        let shown = match verdict {
            Verdict::Confirmed { coins, .. } => coins.clone(),
            Verdict::OtherAmount(amount) => format!("{amount} {}", cx.order.amount.currency().code()),
            _ => String::new(),
        };
        format!("a second payment of this reference is confirmed: {id}, {shown}")
    });
    let finding = match first {
        None => Finding::unchanged(),
        Some((id, Verdict::Confirmed { underpaid, .. })) => {
            let message = match cx.order.operation {
                Operation::PayIn => "Crypto payment confirmed and successfully processed",
                Operation::PayOut => "Crypto payout confirmed and successfully processed",
            };
            let mut memo = cx.memo.clone();
            memo.set("paid", Json::text(*id));
            let finding = Finding::new(Standing::Approved, "confirmed").message(message).psp_id(*id).memo(memo);
            if *underpaid { finding.note("ForumPay shows an underpayment beside the whole amount") } else { finding }
        }
        Some((id, verdict)) => {
            let Verdict::OtherAmount(amount) = verdict else { return Finding::unchanged() };
            let (code, ours) = (cx.order.amount.currency().code(), cx.order.amount.to_fixed());
            let text = format!("ForumPay's payment {id} is confirmed for {amount} {code} instead of {ours} {code}");
            Finding::new(Standing::Stuck, "").with_anomalies([text])
        }
    };
    finding.with_anomalies(others)
}

fn still_open(cx: &Context<'_>, payment_id: &str, state: &str) -> Finding {
    let (moves, was_paid) = (state != "waiting", kit::scalar(cx.memo, "paid") == Some(payment_id));
    if cx.status.is_final() && (was_paid || moves && cx.order.operation == Operation::PayOut) {
        // Whether it contradicts the ending, the state table says; one that was confirmed and is not any more does.
        return Finding::new(Standing::Pending, state);
    }
    if !moves && approval::confirms(cx) > 0 && !approval::is_accepted(cx) {
        return Finding::new(Standing::NotReleased, "");
    }
    if moves && cx.status.may_turn_late() {
        return Finding::anomaly(format!("coins come to a payment that has ended: ForumPay says {state} (payment {payment_id})"));
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
