//! A pay-out after its approval: CheckPayment first, then ConfirmBuyOrder, the one call that moves money.
//!
//! What may have arrived is never confirmed again, but by a person ("Release again") with the same `payment_id`.

use super::inquiry::{self, Verdict};
use super::wire::{self, Payment};
use crate::api::{Context, Doubt, Finding, Memo, Reply, Standing, Step, Task};
use crate::kit;
use crate::signals::{CERTAIN_REFUSALS, certainly_refused};
use domain::Json;
use serde::{Deserialize, Serialize};

/// Why CheckPayment is asked within an approval; carried from call to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Before confirming.
    Before,
    /// ConfirmBuyOrder was certainly not taken: a last look, then later once more.
    NotTaken,
    /// ConfirmBuyOrder answered `err`: a last look, then `Declined`.
    Refused,
}

impl Phase {
    /// The phase that a call's scratch names; an inquiry's names none.
    pub(super) fn of(scratch: &Json) -> Option<Self> {
        serde_json::from_str(scratch.as_str()?).ok()
    }
}

/// Begins [`Task::Finalise`] or [`Task::ReleaseAgain`].
pub(super) fn begin(task: Task, cx: &Context<'_>) -> Step {
    // Begun anew after ConfirmBuyOrder was refused: the refusal stands.
    let phase = if task == Task::Finalise && refused_with(cx).is_some() { Phase::Refused } else { Phase::Before };
    check(phase, task, cx, None)
}

/// The `err_code` of the ConfirmBuyOrder that was refused, while no other can have arrived.
pub(super) fn refused_with<'a>(cx: &Context<'a>) -> Option<&'a str> {
    kit::scalar(cx.memo, "refused")
}

/// How many ConfirmBuyOrder calls can have arrived.
pub(super) fn confirms(cx: &Context<'_>) -> i64 {
    kit::scalar(cx.memo, "confirms").and_then(|literal| literal.parse().ok()).unwrap_or(0)
}

/// Whether ForumPay accepted one.
pub(super) fn is_accepted(cx: &Context<'_>) -> bool {
    cx.memo.get("accepted") == Some(&Json::Bool(true))
}

fn with(cx: &Context<'_>, member: &str, value: Json) -> Memo {
    let mut memo = cx.memo.clone();
    memo.set(member, value);
    memo
}

fn check(phase: Phase, task: Task, cx: &Context<'_>, memo: Option<Memo>) -> Step {
    let Some(payment) = Payment::read(cx.memo, cx) else {
        return Finding::new(Standing::Stuck, "").with_anomalies(["the buy order is not known here".to_owned()]).step();
    };
    // A first look leaves nothing behind. Later ones, and those of a release, belong to a money call whose fate an inquiry can
    // still tell.
    let doubt = match (phase, task) {
        (Phase::Before | Phase::NotTaken, Task::Finalise) => Doubt::Harmless,
        _ => Doubt::Money,
    };
    let mut call = wire::check_payment(cx, &payment, doubt);
    // A word: this cannot fail.
    call.scratch = Json::text(serde_json::to_string(&phase).unwrap_or_default());
    call.memo = memo;
    Step::Call(Box::new(call))
}

/// CheckPayment answered, or not.
pub(super) fn checked(phase: Phase, task: Task, cx: &Context<'_>, reply: &Reply) -> Step {
    let verdict = inquiry::verdict(cx, reply);
    match phase {
        Phase::Before => match verdict {
            None if task == Task::Finalise => Step::TryLater("ForumPay could not be asked before confirming"),
            None => Step::Silence(wire::refusal(reply)),
            Some(Verdict::Silent) => confirm(task, cx),
            Some(Verdict::Alive(word)) if word == "waiting" => confirm(task, cx),
            Some(Verdict::Contradiction(text)) => Finding::new(Standing::Stuck, "").with_anomalies([text]).step(),
            Some(verdict) => inquiry::settle_one(task, cx, verdict),
        },
        Phase::NotTaken => match verdict {
            Some(verdict @ (Verdict::Confirmed { .. } | Verdict::OtherAmount(_) | Verdict::Dead { .. })) => {
                inquiry::settle_one(task, cx, verdict)
            }
            Some(Verdict::Alive(word)) if may_have_moved(&word) => inquiry::settle_one(task, cx, Verdict::Alive(word)),
            _ => Step::TryLater("ForumPay did not take the confirmation"),
        },
        Phase::Refused => match verdict {
            None => Step::Silence(wire::refusal(reply)),
            Some(verdict) => refused(task, cx, verdict),
        },
    }
}

/// Whether an order in this state may have been let go: only one that waits certainly was not. A review (`blocked`) is no ending.
fn may_have_moved(state: &str) -> bool {
    matches!(state, "processing" | "blocked")
}

/// The first and only ConfirmBuyOrder was refused: `Declined`, unless CheckPayment says that it may have moved.
pub(super) fn refused(task: Task, cx: &Context<'_>, verdict: Verdict) -> Step {
    let word = kit::provider_text(refused_with(cx).unwrap_or("err"));
    match verdict {
        Verdict::Confirmed { .. } | Verdict::OtherAmount(_) | Verdict::Contradiction(_) => inquiry::settle_one(task, cx, verdict),
        Verdict::Alive(state) if may_have_moved(&state) => inquiry::settle_one(task, cx, Verdict::Alive(state)),
        Verdict::Dead { reason: Some(reason), .. } => Finding::new(Standing::Declined, word).message(reason).step(),
        Verdict::Dead { .. } | Verdict::Alive(_) | Verdict::Silent | Verdict::Unreadable => {
            Finding::new(Standing::Declined, word.clone()).message(word).step()
        }
    }
}

fn confirm(task: Task, cx: &Context<'_>) -> Step {
    let Some(payment) = Payment::read(cx.memo, cx) else {
        return Finding::new(Standing::Stuck, "").with_anomalies(["the buy order is not known here".to_owned()]).step();
    };
    let mut call = wire::confirm_buy_order(cx, &payment);
    // A task that begins anew does so because nothing has arrived; a release comes after one that may have.
    let confirms = if task == Task::Finalise { 1 } else { confirms(cx).max(1) + 1 };
    let mut memo = with(cx, "confirms", Json::from(confirms));
    memo.remove("refused");
    call.memo = Some(memo);
    Step::Call(Box::new(call))
}

/// ConfirmBuyOrder answered, or not.
pub(super) fn confirmed(task: Task, cx: &Context<'_>, reply: &Reply) -> Step {
    let accepted = wire::success(reply).is_some_and(|body| {
        let same = |name| kit::scalar(&body, name).is_some() && kit::scalar(&body, name) == kit::scalar(cx.memo, name);
        same("address") && same("currency")
    });
    if accepted {
        return Finding::new(Standing::Pending, "processing").memo(with(cx, "accepted", Json::Bool(true))).step();
    }
    if task == Task::Finalise && certainly_refused(reply, &CERTAIN_REFUSALS, false) {
        return check(Phase::NotTaken, task, cx, Some(with(cx, "confirms", Json::from(0))));
    }
    match wire::readable_err(reply) {
        Some(code) if task == Task::Finalise => check(Phase::Refused, task, cx, Some(with(cx, "refused", Json::text(code)))),
        // Anything else, and every error answer to a release, is no outcome.
        _ => Step::Silence(wire::refusal(reply)),
    }
}
