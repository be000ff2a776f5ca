//! How a payment stands: the answers to reconcile and to continue. Sheet: "Reconcile", "Continue", the status table.

use super::answers;
use super::record::Record;
use super::{disputes, refunds, wire};
use crate::api::{Context, Finding, Refusal, Reply, Standing, Step, TurnKind};
use crate::kit;
use crate::signals::of_inquiry;
use domain::{Json, TransactionStatus};

/// Code of a payment that the gateway does not know.
const NOT_FOUND: u16 = 460;

/// Nothing is learned. Neither a question nor a continue names the account alone, so that a 404 may be about what it asks for.
fn in_doubt(reply: &Reply, anomaly: Option<String>) -> Step {
    Step::Silence(Refusal { anomaly, ..of_inquiry(answers::refusal(reply), reply) })
}

/// A document that came with a success.
fn readable(reply: &Reply) -> Option<Record> {
    match reply {
        Reply::Answer(answer) if kit::is_success(answer.status) => Record::read(answer),
        _ => None,
    }
}

/// Reconcile answered, or not.
pub(super) fn reconciled(cx: &Context<'_>, reply: &Reply) -> Step {
    let Some(record) = readable(reply) else { return in_doubt(reply, None) };
    let is_error = record.word() == "error";
    if is_error && record.code() == Some(NOT_FOUND) {
        return Finding::new(Standing::NotFound, "").step();
    }
    if is_error && !record.names_a_payment() {
        // It speaks of our call: credentials, maintenance.
        return in_doubt(reply, None);
    }
    let hinted = cx.hint.and_then(|hint| hint.str_at("unique_id"));
    let known = cx.psp_transaction_id.or(record.unique_id());
    let other = hinted.is_some_and(|id| known.is_some_and(|known| id != known));
    let anomaly = other.then(|| "an eMerchantPay notification names another unique_id".to_owned());
    let finding = standing(cx, &record);
    // Of a record that is not believed nothing is left open: that is shown already.
    let believed = finding.standing != Standing::Unchanged;
    let left_open = believed.then(|| refunds::left_open(cx, &record, finding.memo.as_ref().unwrap_or(cx.memo))).flatten();
    finding.with_anomalies(anomaly).with_anomalies(left_open).step()
}

/// What a record of our payment means now.
fn standing(cx: &Context<'_>, record: &Record) -> Finding {
    let word = record.word();
    if !record.names_a_payment() {
        return Finding::anomaly("eMerchantPay's record names no payment");
    }
    let part = record.part(cx);
    match record.foreign(cx) {
        Some("amount") if part.is_some() => {}
        Some(what) => return Finding::anomaly(answers::foreign("record", what, record)),
        None => {}
    }
    let Some(standing) = record.standing() else {
        return Finding::anomaly(format!("eMerchantPay's status is unknown: {word}"));
    };
    if let Some(kind) = record.turn() {
        return turned(cx, record, kind, part);
    }
    match standing {
        // Unless a chargeback was won, all of it has gone back.
        Standing::Approved if cx.status == TransactionStatus::Reversed && !disputes::is_won(cx) => {
            Finding::anomaly(format!("eMerchantPay says {word} of a payment that is Reversed"))
        }
        Standing::Approved => answers::approved(cx, record),
        Standing::Declined if word == "error" && record.leaves_open() => Finding::unchanged(),
        Standing::Cancelled if matches!(cx.status, TransactionStatus::Approved | TransactionStatus::Reversed) => {
            answers::finding(Standing::Reversed, record)
        }
        // Whoever never opened our page was never asked.
        Standing::Declined | Standing::Cancelled if never_opened(cx) => answers::refused(cx, Standing::Expired, record),
        Standing::Declined | Standing::Cancelled | Standing::Expired => answers::refused(cx, standing, record),
        other => answers::finding(other, record),
    }
}

/// What became of the money after an approval, which it proves. Two parts of one amount are told apart by the record's time,
/// where it moves, two rounds of a dispute by what the records have shown before.
fn turned(cx: &Context<'_>, record: &Record, kind: TurnKind, part: Option<i64>) -> Finding {
    let word = record.word();
    let key = match part {
        Some(minor) => format!("{word} {minor} {}", record.said("timestamp").unwrap_or_default()),
        None => word.clone(),
    };
    let (key, memo) = match kind {
        TurnKind::Refunded => (key, part.and_then(|minor| refunds::seen(cx, minor))),
        TurnKind::ChargedBack | TurnKind::ChargebackWon | TurnKind::ChargebackLost => disputes::round(cx, key),
    };
    let finding = match (kind, part) {
        (TurnKind::ChargebackWon | TurnKind::ChargebackLost, _) => {
            let finding = answers::approved(cx, record).turn(kind, key, part);
            finding.with_anomalies([format!("eMerchantPay says {word}")])
        }
        (TurnKind::Refunded, Some(_)) => answers::approved(cx, record).turn(kind, key, part),
        // The rest is refunded: the engine knows what was left.
        (TurnKind::Refunded, None) => answers::finding(Standing::Reversed, record),
        // Also one of a part (status table: only of refunds it leaves the payment approved).
        (TurnKind::ChargedBack, _) => answers::finding(Standing::Reversed, record).turn(kind, key, part),
    };
    Finding { memo: memo.or(finding.memo), ..finding }
}

/// Whether there is a page of ours for the payer that nobody has opened.
fn never_opened(cx: &Context<'_>) -> bool {
    cx.memo.get(wire::METHOD_URL).is_some() && cx.memo.get(wire::OPENED_AT).is_none()
}

/// Continue answered, or not: whatever is no result of the payment is asked about.
pub(super) fn went_on(cx: &Context<'_>, reply: &Reply) -> Step {
    let Some(record) = readable(reply) else { return in_doubt(reply, None) };
    if let Some(what) = record.foreign(cx) {
        return in_doubt(reply, Some(answers::foreign("answer", what, &record)));
    }
    let word = record.word();
    let settled = match record.standing() {
        Some(Standing::Declined) if word == "error" => record.names_a_payment() && !record.leaves_open(),
        None => false,
        Some(_) => record.names_a_payment(),
    };
    if !settled {
        return in_doubt(reply, None);
    }
    if word != "pending_async" {
        return standing(cx, &record).step();
    }
    match answers::redirect(cx, &record) {
        Ok(Some(url)) => {
            let memo = wire::remembering(cx, wire::REDIRECT_URL, Json::text(url));
            answers::finding(Standing::Pending, &record).memo(memo).step()
        }
        Ok(None) => in_doubt(reply, None),
        Err(anomaly) => in_doubt(reply, Some(anomaly)),
    }
}

/// "Test connection": the gateway knows the account, and not the payment.
pub(super) fn tested(reply: &Reply) -> Step {
    let refuses = |what: &str| {
        let finding = Finding::unchanged().message(format!("eMerchantPay refuses the {what}"));
        Finding { proven: false, ..finding }.step()
    };
    match readable(reply).and_then(|record| record.code()) {
        Some(NOT_FOUND) => Finding::unchanged().message("eMerchantPay accepts the credentials").step(),
        Some(110) => refuses("user name or the password"),
        Some(220) => refuses("terminal token"),
        _ => match reply {
            Reply::Answer(answer) if answer.status == 401 => refuses("user name or the password"),
            _ => Step::Refused(answers::refusal(reply)),
        },
    }
}
