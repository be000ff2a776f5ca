//! Why a request is not admitted, and the one answer that each reason has (Cashier API, section 5).

use super::dispatch::Problem;
use super::document::NoDocument;
use super::entrance::Crowded;
use crate::admin::AdminError;
use crate::admin::error::MISSING;
use crate::answer::{CashierAnswer, FieldProblem};
use crate::auth::{AuthError, UserError, Wanted, challenge};
use crate::flow::{EngineError, StoreError as _};
use domain::Operation;
use domain::urls::Environment;
use providers::fields::Problems;

/// Why a request of the Cashier API becomes no payment. Nothing was stored, and no provider called.
#[derive(Debug)]
pub enum NotAdmitted {
    /// 503: there is more to do than can be done.
    TurnedAway,
    /// 401, 403, 502, 503, 500: the company token, what it may do, or the user's.
    Auth {
        /// Which of them.
        error: AuthError,
        /// What a 401 says of the token: `WWW-Authenticate`.
        challenge: Option<String>,
    },
    /// 429, 503.
    Crowded(Crowded),
    /// 415.
    MediaType,
    /// 400: the `Idempotency-Key` is none; the sentence says why.
    NoKey(String),
    /// The key's first request has been answered: the same again.
    Replay(CashierAnswer),
    /// 409: the key's first request is still running.
    KeyRunning,
    /// 422: the key's first request had another body.
    KeyOfAnotherBody,
    /// 400.
    Body(NoDocument),
    /// 400: `pspType`, `type` or both.
    Unclear {
        /// What the message tells.
        first: Problem,
        /// With the other of the two.
        other: Option<Problem>,
    },
    /// 400: the provider does not have that operation.
    Unsupported {
        /// The provider.
        psp_type: &'static str,
        /// The operation.
        operation: Operation,
    },
    /// 400: the body's `userId` is not the user's.
    WrongUser,
    /// 400: card data for a provider on whose page cards are entered.
    CardData {
        /// The provider's name for people.
        title: &'static str,
        /// Where it stands, masked.
        keys: Vec<String>,
    },
    /// 400: fields.
    Fields(Problems),
    /// 503: the store does not answer.
    Unavailable,
    /// 500: ours; logged where it was met.
    Internal,
}

impl NotAdmitted {
    /// A token that was not accepted.
    pub(super) fn of_token(error: AuthError, wanted: Wanted, header: Option<&str>, environment: Environment) -> Self {
        let told = error == AuthError::Unauthorized;
        Self::Auth { error, challenge: told.then(|| challenge(wanted, header, environment)) }
    }

    /// What a 401 says of the token: the value of `WWW-Authenticate`, where there is more to say than its scheme.
    pub fn challenge(&self) -> Option<&str> {
        match self {
            Self::Auth { challenge, .. } => challenge.as_deref(),
            _ => None,
        }
    }

    /// The answer.
    pub fn answer(self) -> CashierAnswer {
        match self {
            Self::TurnedAway => CashierAnswer::overloaded(),
            Self::Auth { error, .. } => error.answer(),
            Self::Crowded(crowded) => crowded.answer(),
            Self::MediaType => plain(415, "Content-Type must be application/json"),
            Self::NoKey(sentence) => plain(400, &sentence),
            Self::Replay(answer) => answer,
            Self::KeyRunning => plain(409, "A request with this Idempotency-Key is still running").retry_after(1),
            Self::KeyOfAnotherBody => plain(422, "Idempotency-Key was used with another body"),
            Self::Body(why) => why.answer(),
            Self::Unclear { first, other } => unclear(&first, other.as_ref()),
            Self::Unsupported { psp_type, operation } => unsupported(psp_type, operation),
            Self::WrongUser => invalid(vec![UserError::WrongUser.to_string()]),
            Self::CardData { title, keys } => card_data(title, keys),
            Self::Fields(problems) => {
                let missing = problems.missing.iter().map(|field| format!("{MISSING}{field}"));
                invalid(missing.chain(problems.invalid).collect())
            }
            Self::Unavailable => CashierAnswer::unavailable(),
            Self::Internal => CashierAnswer::internal(),
        }
    }
}

impl From<AuthError> for NotAdmitted {
    fn from(error: AuthError) -> Self {
        Self::Auth { error, challenge: None }
    }
}

impl From<Crowded> for NotAdmitted {
    fn from(crowded: Crowded) -> Self {
        Self::Crowded(crowded)
    }
}

impl From<NoDocument> for NotAdmitted {
    fn from(why: NoDocument) -> Self {
        Self::Body(why)
    }
}

impl From<EngineError> for NotAdmitted {
    fn from(error: EngineError) -> Self {
        if error.nothing_was_begun() {
            return Self::Unavailable;
        }
        tracing::error!(%error, "a request could not be checked");
        Self::Internal
    }
}

fn plain(status: u16, message: &str) -> CashierAnswer {
    CashierAnswer::error(status, message, Vec::new(), None)
}

/// One sentence per missing field, then one per invalid field.
fn invalid(sentences: Vec<String>) -> CashierAnswer {
    AdminError::Invalid(sentences).answer()
}

/// One problem alone is the message and nothing else.
fn unclear(first: &Problem, other: Option<&Problem>) -> CashierAnswer {
    let all = || std::iter::once(first).chain(other);
    let sentences: Vec<String> = all().map(Problem::sentence).collect();
    if matches!(first, Problem::WrongType(_)) {
        return invalid(sentences);
    }
    let fields: Vec<FieldProblem> = all().filter_map(Problem::field).collect();
    let errors = if other.is_some() { sentences } else { Vec::new() };
    CashierAnswer::refused_fields(400, &first.sentence(), errors, &fields)
}

fn unsupported(psp_type: &str, operation: Operation) -> CashierAnswer {
    let sentence = format!("{psp_type} does not support {}", operation.as_str());
    let field = FieldProblem { field: "type".to_owned(), missing: false, message: sentence.clone() };
    CashierAnswer::refused_fields(400, &sentence, Vec::new(), &[field])
}

fn card_data(title: &str, keys: Vec<String>) -> CashierAnswer {
    let sentence = |path: &str| format!("{path} is not accepted: card details are entered on the {title} page");
    let told = keys.into_iter().map(|path| FieldProblem { message: sentence(&path), field: path, missing: false });
    let told: Vec<FieldProblem> = told.collect();
    let sentences = told.iter().map(|problem| problem.message.clone()).collect();
    CashierAnswer::refused_fields(400, "Validation failed", sentences, &told)
}
