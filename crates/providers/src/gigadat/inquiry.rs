//! How a transaction stands, and a pay-out after its approval: the inquiry first, then step 3, the one call that moves money.
//!
//! What may have arrived is never released again, but by a person ("Release again") with the same transaction.

use super::{DESCRIPTOR, wire};
use crate::api::{Context, Doubt, Finding, Memo, Reply, Sent, Standing, Step, Task};
use crate::descriptor::StatusRow;
use crate::kit;
use crate::signals::{certainly_refused, of_inquiry};
use domain::{Json, Money, Operation, TransactionStatus};

/// Registered, or not finished.
pub(super) const PENDING: &str = "STATUS_PENDING";
/// The payer has opened the page, or step 3 was accepted.
pub(super) const INITED: &str = "STATUS_INITED";
/// The status word of a step 3 that was answered `err`.
const RELEASE_REFUSED: &str = "release_refused";
/// HTTP statuses with which step 3 certainly released nothing and is tried again (Gigadat sheet).
const NOTHING_RELEASED: [u16; 3] = [401, 403, 429];
/// The scratch of an inquiry within an approval: before step 3, and after one that was certainly not taken.
const BEFORE: &str = "before";
const NOT_TAKEN: &str = "not_taken";

/// What an inquiry says.
enum Verdict {
    /// `err` with 404.
    Absent,
    /// Neither paid nor ended; the word.
    Open(&'static str),
    /// Paid or ended.
    Ended(&'static StatusRow),
    /// An unknown word, or about something else.
    Contradiction(String),
}

pub(super) fn begin(cx: &Context<'_>) -> Step {
    Step::Call(Box::new(wire::status(cx)))
}

/// Begins an approval, or "Release again".
pub(super) fn before_release(cx: &Context<'_>) -> Step {
    let mut call = wire::status(cx);
    call.scratch = Json::text(BEFORE);
    Step::Call(Box::new(call))
}

/// `None`: nothing that can be read.
fn verdict(cx: &Context<'_>, reply: &Reply) -> Option<Verdict> {
    let (status, record) = kit::object(reply)?;
    if wire::is_err(&record) {
        return (status == 404).then_some(Verdict::Absent);
    }
    let word = record.str_at("status").filter(|word| !word.is_empty() && kit::is_success(status))?;
    if let Some(what) = foreign(cx, &record) {
        return Some(Verdict::Contradiction(format!("Gigadat's record has another {what}")));
    }
    Some(match DESCRIPTOR.statuses.iter().find(|row| row.word == word) {
        None => Verdict::Contradiction(format!("Gigadat's status is unknown: {}", kit::provider_text(word))),
        Some(row) if row.standing == Standing::Unchanged => Verdict::Open(row.word),
        Some(row) => Verdict::Ended(row),
    })
}

fn ended(cx: &Context<'_>, row: &StatusRow) -> Finding {
    Finding::new(row.standing, row.word).psp_id(cx.order.reference.to_string())
}

/// What in an answer, or in its `data`, is not our transaction's.
pub(super) fn foreign(cx: &Context<'_>, body: &Json) -> Option<&'static str> {
    let ours = cx.order.reference.to_string();
    [Some(body), body.get("data")].into_iter().flatten().find_map(|part| match kit::scalar(part, "transactionId") {
        Some(theirs) if theirs != ours => Some("transaction"),
        _ => foreign_money(part, cx.order.amount),
    })
}

/// Amount and currency, where present, must be ours.
pub(super) fn foreign_money(part: &Json, amount: Money) -> Option<&'static str> {
    let currency = amount.currency();
    if kit::scalar(part, "currency").is_some_and(|theirs| !theirs.eq_ignore_ascii_case(currency.code())) {
        return Some("currency");
    }
    (kit::scalar(part, "amount").is_some() && kit::money(part, "amount", currency) != Some(amount)).then_some("amount")
}

pub(super) fn answered(task: Task, cx: &Context<'_>, sent: &Sent, reply: &Reply) -> Step {
    match (sent.scratch.as_str(), verdict(cx, reply)) {
        (Some(BEFORE), verdict) => look_before(task, cx, verdict, reply),
        (Some(_), Some(Verdict::Ended(row))) => ended(cx, row).step(),
        (Some(_), _) => Step::TryLater("Gigadat did not take the release"),
        (None, Some(verdict)) => with_rail(cx, conclude(cx, verdict)).step(),
        (None, None) => Step::Silence(of_inquiry(wire::refusal(cx, reply), reply)),
    }
}

fn look_before(task: Task, cx: &Context<'_>, verdict: Option<Verdict>, reply: &Reply) -> Step {
    let stuck = |text: String| Finding::new(Standing::Stuck, "").with_anomalies([text]).step();
    match verdict {
        None if task == Task::Finalise => Step::TryLater("Gigadat could not be asked before the release"),
        None => Step::Silence(of_inquiry(wire::refusal(cx, reply), reply)),
        Some(Verdict::Contradiction(text)) => stuck(text),
        Some(Verdict::Ended(row)) if row.standing == Standing::Approved && task == Task::Finalise => {
            ended(cx, row).with_anomalies(["Gigadat had paid this pay-out before it was released".to_owned()]).step()
        }
        Some(Verdict::Ended(row)) => ended(cx, row).step(),
        // It has arrived after all: what was accepted is not sent again, whoever orders it.
        Some(Verdict::Open(INITED)) if task == Task::ReleaseAgain => Finding::new(Standing::Pending, INITED).step(),
        // Somebody else released it: never a second time without a person.
        Some(Verdict::Open(INITED)) => stuck(format!("Gigadat says {INITED} before the release")),
        Some(Verdict::Open(_) | Verdict::Absent) => release(cx),
    }
}

/// Step 3. The memo says that it may have arrived.
fn release(cx: &Context<'_>) -> Step {
    let Some(token) = token(cx) else {
        return Finding::new(Standing::Stuck, "").with_anomalies(["the payment token is not known here".to_owned()]).step();
    };
    let reference = cx.order.reference.to_string();
    let query = [("transaction", reference.as_str()), ("token", token)];
    let mut call = wire::call(cx, wire::RELEASE, "GET", "/webflow/deposit", &query, Doubt::Money);
    call.memo = Some(released_memo(cx, true));
    Step::Call(Box::new(call))
}

fn token<'a>(cx: &Context<'a>) -> Option<&'a str> {
    kit::scalar(cx.memo, "token")
}

fn released_memo(cx: &Context<'_>, released: bool) -> Memo {
    let mut memo = cx.memo.clone();
    memo.set("released", Json::Bool(released));
    memo
}

/// Step 3 answered, or not.
pub(super) fn released(task: Task, cx: &Context<'_>, reply: &Reply) -> Step {
    if wire::is_accepted(cx, reply) {
        return Finding::new(Standing::Pending, INITED).step();
    }
    // To a release that a person ordered, no error answer is an outcome.
    if task == Task::Finalise {
        if certainly_refused(reply, &NOTHING_RELEASED, false) {
            let mut call = wire::status(cx);
            call.scratch = Json::text(NOT_TAKEN);
            call.memo = Some(released_memo(cx, false));
            return Step::Call(Box::new(call));
        }
        if let Some(said) = readable_err(reply) {
            let said = token(cx).map_or_else(|| said.clone(), |token| said.replace(token, "***"));
            return Finding::new(Standing::Declined, RELEASE_REFUSED).message(kit::provider_text(&said)).step();
        }
    }
    Step::Silence(wire::refusal(cx, reply))
}

/// `err`, not spoilt by the HTTP status or `timeout` in the text.
fn readable_err(reply: &Reply) -> Option<String> {
    let (status, body) = kit::object(reply)?;
    let refuses = wire::is_err(&body) && kit::may_refuse(status) && certainly_refused(reply, &[], true);
    refuses.then(|| kit::scalar(&body, "err").unwrap_or(RELEASE_REFUSED).to_owned())
}

fn conclude(cx: &Context<'_>, verdict: Verdict) -> Finding {
    let held = cx.status == TransactionStatus::OnHold;
    let may_be_released = cx.order.operation == Operation::PayOut && cx.memo.get("released") == Some(&Json::Bool(true));
    match verdict {
        Verdict::Contradiction(text) => Finding::anomaly(text),
        // It was paid, or ended without being let go: whether this word contradicts that, the state table says.
        Verdict::Open(word) if cx.status == TransactionStatus::Approved => Finding::new(Standing::Pending, word),
        Verdict::Open(INITED) if cx.order.operation == Operation::PayOut && cx.status.is_final() => {
            Finding::new(Standing::Pending, INITED)
        }
        // No proof that it was not released; it only ends with a person.
        Verdict::Absent | Verdict::Open(PENDING) if may_be_released => Finding::new(Standing::NotReleased, ""),
        // A page that nobody has opened yet.
        Verdict::Absent => Finding::unchanged(),
        Verdict::Open(_) if held => Finding::unchanged(),
        Verdict::Open(word) => Finding::new(Standing::Unchanged, word),
        Verdict::Ended(row) if held && row.standing == Standing::Approved => {
            Finding::anomaly("Gigadat says that the pay-out is paid, which nobody approved")
        }
        Verdict::Ended(row) if held => Finding::unchanged().note(format!("Gigadat says {}", row.word)),
        Verdict::Ended(row) => ended(cx, row),
    }
}

/// The rail that a callback names, for the timeline.
fn with_rail(cx: &Context<'_>, finding: Finding) -> Finding {
    match cx.hint.and_then(|hint| hint.str_at("type")) {
        Some(rail) => finding.note(format!("the rail used was {rail}")),
        None => finding,
    }
}
