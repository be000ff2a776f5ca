//! `pspType` and `type`: which provider is meant, and for what.

use super::NotAdmitted;
use crate::admin::error::{MISSING, UNKNOWN_PSP_TYPE, unknown_psp_type};
use crate::answer::FieldProblem;
use crate::auth::AuthError;
use domain::{Json, Operation, Scope};
use providers::descriptor::OperationSpec;
use providers::{Provider, identifier};

/// Characters of an unknown word that the answer repeats.
const SHOWN_CHARS: usize = 32;

/// What is asked for.
pub(super) struct Wanted {
    /// `pspType`.
    pub(super) provider: &'static dyn Provider,
    /// `type`.
    pub(super) operation: Operation,
    /// What the provider says of it.
    pub(super) spec: &'static OperationSpec,
}

/// What a token needs for it.
pub(super) fn scope_of(operation: Operation) -> Scope {
    match operation {
        Operation::PayIn => Scope::Payin,
        Operation::PayOut => Scope::Payout,
    }
}

/// `may` says whether the caller may do it, which goes before what else is wrong with the two: it belongs to the token's checks,
/// and only had to wait until `type` could be read.
///
/// # Errors
/// 403, 400.
pub(super) fn find(document: &Json, may: impl Fn(Operation) -> Result<(), AuthError>) -> Result<Wanted, NotAdmitted> {
    let operation = operation(document);
    if let Ok(operation) = operation {
        may(operation)?;
    }
    let (provider, operation) = both(provider(document), operation)?;
    let descriptor = provider.descriptor();
    let unsupported = NotAdmitted::Unsupported { psp_type: descriptor.psp_type, operation };
    let spec = descriptor.operation(operation).ok_or(unsupported)?;
    Ok(Wanted { provider, operation, spec })
}

/// Both, or what is wrong with either: what is missing is told first.
fn both<P, O>(provider: Result<P, Problem>, operation: Result<O, Problem>) -> Result<(P, O), NotAdmitted> {
    let (first, other) = match (provider, operation) {
        (Ok(provider), Ok(operation)) => return Ok((provider, operation)),
        (Err(one), Ok(_)) | (Ok(_), Err(one)) => (one, None),
        (Err(of_provider), Err(missing @ Problem::Missing(_))) if !matches!(of_provider, Problem::Missing(_)) => {
            (missing, Some(of_provider))
        }
        (Err(of_provider), Err(of_operation)) => (of_provider, Some(of_operation)),
    };
    Err(NotAdmitted::Unclear { first, other })
}

/// What is wrong with `pspType` or `type`.
#[derive(Debug, PartialEq, Eq)]
pub enum Problem {
    /// The field is not there.
    Missing(&'static str),
    /// The word, as an answer may repeat it; the sentence is the message of the answer.
    UnknownPspType(String),
    /// The same of `type`.
    UnknownType(String),
    /// The sentence is one of `Validation failed`.
    WrongType(String),
}

impl Problem {
    /// What an answer says of it.
    pub fn sentence(&self) -> String {
        match self {
            Self::Missing(field) => format!("{MISSING}{field}"),
            Self::UnknownPspType(word) => format!("{UNKNOWN_PSP_TYPE}{word}"),
            Self::UnknownType(_) => "type must be PAYIN or PAYOUT".to_owned(),
            Self::WrongType(sentence) => sentence.clone(),
        }
    }

    /// As an entry of `fields`: with the list of what is known, and the nearest.
    pub(super) fn field(&self) -> Option<FieldProblem> {
        match self {
            Self::UnknownPspType(word) => Some(unknown_psp_type(word)),
            Self::UnknownType(word) => {
                let known = [Operation::PayIn.as_str(), Operation::PayOut.as_str()];
                Some(FieldProblem::unknown_word("type", &self.sentence(), word, &known))
            }
            Self::Missing(_) | Self::WrongType(_) => FieldProblem::of(&self.sentence()),
        }
    }
}

fn present<'a>(document: &'a Json, field: &'static str) -> Result<&'a Json, Problem> {
    document.get(field).filter(|value| **value != Json::Null && value.as_str() != Some("")).ok_or(Problem::Missing(field))
}

fn provider(document: &Json) -> Result<&'static dyn Provider, Problem> {
    let value = present(document, "pspType")?;
    let word = value.as_str().ok_or_else(|| Problem::WrongType("pspType must be a string".to_owned()))?;
    providers::by_psp_type(word).ok_or_else(|| Problem::UnknownPspType(shown(word)))
}

/// `type` alone.
///
/// # Errors
/// What is wrong with it.
pub(super) fn operation(document: &Json) -> Result<Operation, Problem> {
    let word = present(document, "type")?.as_str().unwrap_or_default();
    word.parse().map_err(|()| Problem::UnknownType(shown(word)))
}

fn shown(word: &str) -> String {
    identifier::repeated(word, SHOWN_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(psp_type: Option<Problem>, kind: Option<Problem>) -> String {
        let refused = both(psp_type.map_or(Ok(()), Err), kind.map_or(Ok(()), Err)).unwrap_err();
        String::from_utf8(refused.answer().body).unwrap()
    }

    fn error(message: &str, errors: &str) -> String {
        format!(r#"{{"status":"error","message":"{message}","isSuccess":false,"errors":[{errors}],"fields":["#)
    }

    /// Begins like that, and has so many entries in `fields`.
    fn assert_begins(answer: &str, beginning: &str, fields: usize) {
        assert!(answer.starts_with(beginning), "{answer}\n{beginning}");
        assert_eq!(answer.matches(r#"{"field":"#).count(), fields, "{answer}");
    }

    #[test]
    fn one_problem_is_the_message_and_nothing_else() {
        assert_begins(&answer(Some(Problem::Missing("pspType")), None), &error("Missing required field: pspType", ""), 1);
        assert_begins(&answer(None, Some(Problem::Missing("type"))), &error("Missing required field: type", ""), 1);
        assert_begins(&answer(Some(Problem::UnknownPspType("X".into())), None), &error("Unknown pspType: X", ""), 1);
        assert_begins(
            &answer(Some(Problem::WrongType("pspType must be a string".into())), None),
            &error("Validation failed", r#""pspType must be a string""#),
            1,
        );
    }

    #[test]
    fn two_problems_are_both_told_missing_ones_first() {
        let unknown = || Some(Problem::UnknownPspType("X".into()));
        assert_begins(
            &answer(Some(Problem::Missing("pspType")), Some(Problem::Missing("type"))),
            &error("Missing required field: pspType", r#""Missing required field: pspType","Missing required field: type""#),
            2,
        );
        assert_begins(
            &answer(unknown(), Some(Problem::Missing("type"))),
            &error("Missing required field: type", r#""Missing required field: type","Unknown pspType: X""#),
            2,
        );
        assert_begins(
            &answer(unknown(), Some(Problem::UnknownType("X".into()))),
            &error("Unknown pspType: X", r#""Unknown pspType: X","type must be PAYIN or PAYOUT""#),
            2,
        );
        assert_begins(
            &answer(Some(Problem::WrongType("pspType must be a string".into())), Some(Problem::Missing("type"))),
            &error("Missing required field: type", r#""Missing required field: type","pspType must be a string""#),
            2,
        );
    }

    #[test]
    fn an_unknown_word_is_repeated_short_and_never_a_card_number() {
        assert_eq!(shown("NOPE_EU2"), "NOPE_EU2");
        assert_eq!(shown("4111 1111-1111 1111"), "**** ****-**** ****");
        assert_eq!(shown(&"x".repeat(500)).len(), SHOWN_CHARS);
        assert_eq!(shown("a\u{0}b\nc"), "abc");
    }

    #[test]
    fn absent_null_and_empty_are_missing() {
        for body in ["{}", r#"{"pspType":null,"type":null}"#, r#"{"pspType":"","type":""}"#] {
            let document = Json::parse(body.as_bytes()).unwrap();
            assert_eq!(provider(&document).err(), Some(Problem::Missing("pspType")), "{body}");
            assert_eq!(operation(&document).err(), Some(Problem::Missing("type")), "{body}");
        }
        let document = Json::parse(br#"{"pspType":5,"type":["PAYIN"]}"#).unwrap();
        assert!(matches!(provider(&document).err(), Some(Problem::WrongType(_))));
        assert!(matches!(operation(&document).err(), Some(Problem::UnknownType(_))));
    }
}
