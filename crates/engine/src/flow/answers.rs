//! What the Cashier call is answered, built from the transaction and what was found.

use super::work::Work;
use crate::answer::{CashierAnswer, ProviderFailure};
use domain::{ErrorCode, Json, TransactionData, TransactionStatus, amounts};
use providers::descriptor::UnknownFate;
use providers::{CashierAnswer as ProviderAnswer, Finding, Refusal};

/// The answer to a pay-out that waits for a person (published for ForumPay; providers/common "Holds").
pub(super) const ON_HOLD: &str = "Transaction is on hold";
/// What is said of a page call whose fate is open (Cashier API, section 5).
pub(super) const OUTCOME_OPEN: &str = "The outcome is open. Query the transaction before trying again.";
/// The answer while nobody knows (providers/common "Unknown fate").
pub(super) const IN_PROCESS: &str = "Transaction is being processed";

/// The calls made, as a timeline entry's detail.
pub(super) fn calls_detail(calls: Vec<Json>) -> Json {
    Json::object([("calls", Json::Array(calls))])
}

pub(super) fn shown(work: &Work) -> Json {
    TransactionData(&work.transaction).to_json()
}

/// `data` of a hold by a rule and of an unknown fate: `message`, our ids, the amount; or what the descriptor says.
pub(super) fn plain_data(work: &Work, message: &str) -> Json {
    let id = Json::text(work.id().to_string());
    if matches!(work.provider.descriptor().unknown_fate, UnknownFate::AcceptedPending) {
        return Json::object([("status", Json::text("PENDING")), ("transactionId", id)]);
    }
    Json::object([
        ("message", Json::text(message)),
        ("transactionId", id),
        ("merchantReference", Json::text(work.order.merchant_reference.clone().unwrap_or_default())),
        ("amount", amounts::as_number(&work.order.amount)),
    ])
}

pub(super) fn found_answer(work: &Work, finding: &Finding) -> CashierAnswer {
    match &finding.answer {
        Some(ProviderAnswer::Success { message, data, .. }) => {
            CashierAnswer::success(Some(message), data.clone(), Some(shown(work)))
        }
        Some(ProviderAnswer::Declined { message, data }) => {
            CashierAnswer::declined(message, work.id().to_string(), data.clone(), shown(work))
        }
        None => recovered_answer(work),
    }
}

/// An answer built from the transaction as it stands: for a call whose process died, and for findings that bring none.
pub(super) fn recovered_answer(work: &Work) -> CashierAnswer {
    use TransactionStatus as S;
    match work.transaction.status {
        S::Failed => {
            let code = work.transaction.psp_status.parse().unwrap_or(ErrorCode::PspUnavailable);
            failure_answer(&Refusal::of(code), Some(work))
        }
        S::Declined | S::Cancelled | S::Expired | S::Rejected => {
            let message = work.transaction.message.as_deref().unwrap_or(&work.transaction.psp_status);
            CashierAnswer::declined(message, work.id().to_string(), None, shown(work))
        }
        S::Created | S::Pending => doubt_answer(work),
        S::OnHold | S::Approved | S::Reversed => {
            let message = if work.transaction.status == S::OnHold { ON_HOLD } else { "Successfully" };
            CashierAnswer::success(Some(message), plain_data(work, message), Some(shown(work)))
        }
    }
}

/// The answer about an open transaction whose outcome nobody knows: 200, or the 504 form where a client takes a 200 as the
/// outcome.
pub(super) fn doubt_answer(work: &Work) -> CashierAnswer {
    match work.provider.descriptor().unknown_fate {
        UnknownFate::Accepted | UnknownFate::AcceptedPending | UnknownFate::AskedFirst { .. } => {
            CashierAnswer::success(Some(IN_PROCESS), plain_data(work, IN_PROCESS), Some(shown(work)))
        }
        UnknownFate::GatewayTimeout { message, .. } => CashierAnswer::provider_failure(ProviderFailure {
            code: ErrorCode::PspTimeout,
            message: Some(message),
            stored: work.has_key,
            open: true,
            taken: true,
            retry_after_s: None,
            data: None,
            transaction_id: Some(work.id().to_string()),
            transaction: Some(shown(work)),
        }),
    }
}

/// The error row. The provider's words in it were masked when its task ended. Beside a transaction that has not ended it says
/// that its outcome is open.
pub(super) fn failure_answer(refusal: &Refusal, work: Option<&Work>) -> CashierAnswer {
    CashierAnswer::provider_failure(ProviderFailure {
        code: refusal.code,
        message: None,
        stored: work.is_some_and(|work| work.has_key),
        open: work.is_some_and(|work| !work.transaction.status.is_final()),
        taken: work.is_some_and(|work| work.transaction.status != TransactionStatus::Failed),
        retry_after_s: refusal.retry_after_s,
        data: refusal.data.clone(),
        transaction_id: work.map(|work| work.id().to_string()),
        transaction: work.map(shown),
    })
}
