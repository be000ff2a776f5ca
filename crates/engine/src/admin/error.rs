//! Why a Management call is refused, and the one answer that each refusal has.

use crate::CashierAnswer;
use crate::answer::FieldProblem;
use store::StoreError;

/// A Management call that was not carried out. But for [`AdminError::Internal`] nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminError {
    /// 400: sentences about fields, those of missing ones first.
    Invalid(Vec<String>),
    /// 400: one sentence about the call as a whole, shown as `message`.
    Refused(String),
    /// 403: the token may not do that.
    Forbidden,
    /// 403: the token may do that in general, but not here; the sentence says why.
    NotYou(String),
    /// 404: there is none of that id, or it is another company's.
    NotFound,
    /// 409: what was asked is not possible any more; the sentence says who and when, or why.
    Conflict(String),
    /// 503: the store does not answer; nothing was changed, and the same may be sent again.
    Unavailable,
    /// 500: ours, or a commit whose outcome nobody could find out. The cause is logged where it was met, never answered.
    Internal,
}

/// How the sentence about a missing field begins.
pub const MISSING: &str = "Missing required field: ";

impl AdminError {
    /// One field is missing.
    pub fn missing(field: &str) -> Self {
        Self::Invalid(vec![format!("{MISSING}{field}")])
    }

    /// One field is invalid.
    pub fn invalid(sentence: impl Into<String>) -> Self {
        Self::Invalid(vec![sentence.into()])
    }

    /// Ours: logs the cause and keeps it out of the answer.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a management call failed");
        Self::Internal
    }

    /// Ours, or the store's.
    pub(crate) fn of_store(error: &(impl StoreError + std::fmt::Display)) -> Self {
        if error.nothing_was_begun() { Self::Unavailable } else { Self::internal(error) }
    }

    /// The answer, in the envelope of the Cashier API, section 5.
    pub fn answer(&self) -> CashierAnswer {
        match self {
            Self::Invalid(sentences) => invalid(sentences),
            Self::Refused(sentence) => CashierAnswer::error(400, sentence, Vec::new(), None),
            Self::Forbidden => CashierAnswer::forbidden(),
            Self::NotYou(sentence) => CashierAnswer::error(403, sentence, Vec::new(), None),
            Self::NotFound => CashierAnswer::not_found(),
            Self::Conflict(sentence) => CashierAnswer::error(409, sentence, Vec::new(), None),
            Self::Unavailable => CashierAnswer::unavailable(),
            Self::Internal => CashierAnswer::internal(),
        }
    }
}

impl From<store::QueryError> for AdminError {
    fn from(error: store::QueryError) -> Self {
        Self::of_store(&error)
    }
}

impl From<store::CommitError> for AdminError {
    fn from(error: store::CommitError) -> Self {
        Self::of_store(&error)
    }
}

/// A single missing field is the whole message; otherwise every sentence is in `errors`, and the message is the first missing one
/// or `Validation failed`.
fn invalid(sentences: &[String]) -> CashierAnswer {
    let missing = sentences.iter().find(|sentence| sentence.starts_with(MISSING));
    let message = missing.map_or("Validation failed", String::as_str);
    let errors = if missing.is_some() && sentences.len() == 1 { Vec::new() } else { sentences.to_vec() };
    let fields: Vec<FieldProblem> = sentences.iter().filter_map(|sentence| told(sentence)).collect();
    CashierAnswer::refused_fields(400, message, errors, &fields)
}

/// A sentence as an entry of `fields`.
fn told(sentence: &str) -> Option<FieldProblem> {
    match sentence.strip_prefix(UNKNOWN_PSP_TYPE) {
        Some(word) => Some(unknown_psp_type(word)),
        None => FieldProblem::of(sentence),
    }
}

/// How the sentence about an unknown `pspType` begins; the word follows.
pub const UNKNOWN_PSP_TYPE: &str = "Unknown pspType: ";

/// The problem with a `pspType` that is none of ours, with the list of those that are and the nearest.
pub fn unknown_psp_type(word: &str) -> FieldProblem {
    let known: Vec<&str> = providers::all().iter().map(|provider| provider.descriptor().psp_type).collect();
    FieldProblem::unknown_word("pspType", &format!("{UNKNOWN_PSP_TYPE}{word}"), word, &known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(error: &AdminError) -> String {
        String::from_utf8(error.answer().body).unwrap()
    }

    #[test]
    fn one_missing_field_is_the_message_alone() {
        assert_eq!(
            text(&AdminError::missing("reason")),
            r#"{"status":"error","message":"Missing required field: reason","isSuccess":false,"errors":[],"fields":[{"field":"reason","code":"missing","message":"Missing required field: reason"}]}"#
        );
        let several = AdminError::Invalid(vec!["Missing required field: name".into(), "active must be a boolean".into()]);
        assert_eq!(
            text(&several),
            r#"{"status":"error","message":"Missing required field: name","isSuccess":false,"errors":["Missing required field: name","active must be a boolean"],"fields":[{"field":"name","code":"missing","message":"Missing required field: name"},{"field":"active","code":"invalid","message":"active must be a boolean"}]}"#
        );
        assert_eq!(
            text(&AdminError::invalid("active must be a boolean")),
            r#"{"status":"error","message":"Validation failed","isSuccess":false,"errors":["active must be a boolean"],"fields":[{"field":"active","code":"invalid","message":"active must be a boolean"}]}"#
        );
    }
}
