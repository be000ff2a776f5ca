//! How a payment stands: the answers to reconcile and to continue. Sheet: "Reconcile", "Continue", the status table.

use super::answers::{self, in_doubt};
use super::record::Record;
use super::wire;
use crate::api::{Context, Finding, Reply, Standing, Step};
use crate::kit;
use domain::{Json, TransactionStatus};

/// Code of a payment that the gateway does not know.
const NOT_FOUND: u16 = 460;

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
    let hinted = |name| cx.hint.and_then(|hint| hint.str_at(name));
    let known = cx.psp_transaction_id.or(record.unique_id());
    let mut anomalies = Vec::new();
    if hinted("unique_id").is_some_and(|id| known.is_some_and(|known| id != known)) {
        anomalies.push("an eMerchantPay notification names another unique_id".to_owned());
    }
    if hinted("event") == Some("retrieval_request") {
        anomalies.push("eMerchantPay tells of a retrieval request".to_owned());
    }
    standing(cx, &record).with_anomalies(anomalies).step()
}

/// What a record of our payment means now.
fn standing(cx: &Context<'_>, record: &Record) -> Finding {
    let word = record.word();
    if !record.names_a_payment() {
        return Finding::anomaly("eMerchantPay's record names no payment");
    }
    match record.foreign(cx) {
        Some("amount")
            if word == "refunded" && record.amount().is_some_and(|part| (0..cx.order.amount.minor()).contains(&part)) =>
        {
            return Finding::unchanged().note("eMerchantPay says refunded, of a part of the amount");
        }
        Some(what) => return Finding::anomaly(format!("eMerchantPay's record has another {what}")),
        None => {}
    }
    let Some(standing) = record.standing() else {
        return Finding::anomaly(format!("eMerchantPay's status is unknown: {word}"));
    };
    match standing {
        Standing::Approved => answers::approved(cx, record),
        Standing::Unchanged => Finding::anomaly(format!("eMerchantPay says {word}")),
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

/// Whether there is a page of ours for the payer that nobody has opened.
fn never_opened(cx: &Context<'_>) -> bool {
    cx.memo.get(wire::METHOD_URL).is_some() && cx.memo.get(wire::OPENED_AT).is_none()
}

/// Continue answered, or not: whatever is no result of the payment is asked about.
pub(super) fn went_on(cx: &Context<'_>, reply: &Reply) -> Step {
    let Some(record) = readable(reply) else { return in_doubt(reply, None) };
    if let Some(what) = record.foreign(cx) {
        return in_doubt(reply, Some(format!("eMerchantPay's answer has another {what}")));
    }
    let word = record.word();
    let settled = match record.standing() {
        Some(Standing::Declined) if word == "error" => record.names_a_payment() && !record.leaves_open(),
        Some(Standing::Unchanged) | None => false,
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
