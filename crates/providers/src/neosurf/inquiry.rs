//! How a transaction stands: the SOAP status query, and what its words mean, in a callback too. Sheet: "Status query", "Status
//! and error mapping".

use super::{DESCRIPTOR, wire};
use crate::api::{Context, Finding, Reply, Standing, Step};
use crate::kit;
use crate::signals::of_inquiry;
use crate::xml::{self, Element, Once};
use domain::{Money, TransactionStatus};

/// What `ko` means by its code or by a word in its message (all assumed); any other is a refusal.
const KO: [(&str, &str, Standing); 2] = [("1002", "cancel", Standing::Cancelled), ("1003", "expire", Standing::Expired)];
/// What the status query says of a reference that nobody has paid (assumed).
const UNKNOWN_THERE: &str = "does not exist";
/// What is not paid so long after the page has closed is not paid any more, milliseconds.
const GRACE_MS: i64 = 30 * 60 * 1_000;

/// What the status query's answer says once, wherever in it.
const ONCE: Once<'_> =
    Once::Anywhere(&["amount", "currency", "errorCode", "errorMessage", "merchantTransactionId", "status", "transactionId"]);

/// The values of a callback or of the status query that say how it stands; absent ones are empty.
pub(super) struct Said<'a> {
    pub(super) status: &'a str,
    pub(super) error_code: &'a str,
    pub(super) error_message: &'a str,
    pub(super) transaction_id: &'a str,
}

/// What is said of our own transaction.
pub(super) fn finding(said: &Said<'_>) -> Finding {
    let row = DESCRIPTOR.statuses.iter().find(|row| row.word == said.status);
    let mut finding = match row.map(|row| (row.standing, row.word)) {
        None => Finding::anomaly(format!("Neosurf's status is unknown: {}", kit::provider_text(said.status))),
        Some((Standing::Approved, word)) if !said.error_code.is_empty() => {
            let code = kit::provider_text(said.error_code);
            Finding::new(Standing::Unchanged, word).with_anomalies([format!("Neosurf says {word}, and also error {code}")])
        }
        Some((Standing::Declined, word)) => {
            let message = said.error_message.to_ascii_lowercase();
            let meant = KO.iter().find(|(code, text, _)| said.error_code == *code || message.contains(text));
            let finding = Finding::new(meant.map_or(Standing::Declined, |(_, _, standing)| *standing), word);
            if said.error_message.is_empty() { finding } else { finding.message(kit::provider_text(said.error_message)) }
        }
        Some((standing, word)) => Finding::new(standing, word),
    };
    finding.psp_transaction_id = Some(kit::provider_text(said.transaction_id)).filter(|id| !id.is_empty());
    finding
}

/// Whether an amount in minor units and a currency in any case are ours.
pub(super) fn is_our_amount(text: &str, ours: Money) -> bool {
    kit::whole_number(text) == Some(ours.minor())
}

fn details(reply: &Reply) -> Option<Element> {
    match reply {
        Reply::Answer(answer) if kit::is_success(answer.status) => xml::parse_once(&answer.body, &ONCE),
        _ => None,
    }
}

/// The status query answered, or not. A failure of it changes nothing.
pub(super) fn answered(cx: &Context<'_>, reply: &Reply) -> Step {
    let document = details(reply);
    let Some(response) = document.as_ref().and_then(|document| document.find("transactionGetDetailsResponse")) else {
        return Step::Silence(of_inquiry(wire::refusal(reply), reply));
    };
    let text = |name| response.text_of(name).unwrap_or_default();
    let said = Said {
        status: text("status"),
        error_code: text("errorCode"),
        error_message: text("errorMessage"),
        transaction_id: text("transactionId"),
    };
    if said.status.is_empty() {
        let unpaid = said.error_message.to_ascii_lowercase().contains(UNKNOWN_THERE);
        return if unpaid { not_paid(cx).step() } else { Step::Silence(of_inquiry(wire::refusal(reply), reply)) };
    }
    let (amount, order) = (cx.order.amount, cx.order.reference.to_string());
    let foreign = [
        ("reference", response.text_of("merchantTransactionId").is_none_or(|theirs| theirs == order)),
        ("currency", response.text_of("currency").is_none_or(|theirs| theirs.eq_ignore_ascii_case(amount.currency().code()))),
        ("amount", response.text_of("amount").is_none_or(|theirs| is_our_amount(theirs, amount))),
    ];
    if let Some((what, _)) = foreign.into_iter().find(|(_, same)| !same) {
        return Finding::anomaly(format!("Neosurf's record has another {what}")).step();
    }
    let mut finding = finding(&said);
    // The first inquiry after a page call whose answer was lost: the payment is there. Of one that is paid it is a contradiction.
    let counts = matches!(cx.status, TransactionStatus::Created | TransactionStatus::Approved);
    if finding.standing == Standing::Unchanged && finding.anomalies.is_empty() && counts {
        finding.standing = Standing::Pending;
    }
    finding.step()
}

/// The payer has not paid, and may never have opened the page: over once it has been closed for a while.
fn not_paid(cx: &Context<'_>) -> Finding {
    let over_at = cx.order.created_at.plus_ms(cx.scaled_ms(wire::PAGE_LIFE_MS + GRACE_MS));
    match cx.status {
        TransactionStatus::Pending if cx.now >= over_at => Finding::new(Standing::Expired, "expired"),
        TransactionStatus::Pending => Finding::unchanged().ask_at(over_at),
        _ => Finding::unchanged(),
    }
}

pub(super) fn tested(reply: &Reply) -> Step {
    let document = details(reply);
    let Some(response) = document.as_ref().and_then(|document| document.find("transactionGetDetailsResponse")) else {
        return Step::Refused(wire::refusal(reply));
    };
    let said = response.text_of("errorMessage").unwrap_or_default();
    if response.text_of("status").is_some() || said.to_ascii_lowercase().contains(UNKNOWN_THERE) {
        return Finding::unchanged().message("Neosurf accepts the key").step();
    }
    let refused = Finding::unchanged().message(format!("Neosurf says: {}", kit::provider_text(said)));
    Finding { proven: false, ..refused }.step()
}
