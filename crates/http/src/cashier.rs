//! `POST /v1/api/mozarto/cashier`: the checks in the order of the Cashier API, section 3, then the engine.

use crate::app::{Admitted, App, Seen, respond};
use crate::peer::Client;
use crate::reply::{self, Refused};
use crate::{body, headers, strangers};
use axum::extract::{Request, State};
use axum::response::Response;
use domain::urls::Environment;
use domain::{Json, Operation, Scope};
use engine::CashierAnswer;
use engine::admin::AdminError;
use engine::admin::error::{MISSING, UNKNOWN_PSP_TYPE, unknown_psp_type};
use engine::answer::FieldProblem;
use engine::auth::{UserError, Wanted};
use engine::flow::{IdempotencyTicket, KnownKey, PayRequest};
use http::header;
use http::request::Parts;
use providers::Provider;
use providers::card::{CardData, card_keys};
use providers::fields::{self, Checked, Problems};
use providers::identifier;

/// Method and path, as the scope of idempotency keys.
const PATH: &str = "POST /v1/api/mozarto/cashier";
/// Characters of an unknown `pspType` that the answer repeats.
const SHOWN_CHARS: usize = 32;

pub(crate) async fn create(State(app): State<App>, request: Request) -> Response {
    let mut seen = Seen::default();
    let answer = pay(&app, request, &mut seen).await;
    respond(answer, seen)
}

async fn pay(app: &App, request: Request, seen: &mut Seen) -> Result<CashierAnswer, Refused> {
    let (parts, body) = request.into_parts();
    let raw = body::Wiped(body::read(body).await?);
    if app.engine.turns_away() {
        // Before anything is looked at: what is refused must not cost what could be done instead.
        return Ok(reply::overloaded());
    }
    let admitted = app.admit_payer(&parts.headers, seen).await?;
    headers::json_media_type(&parts.headers)?;
    let idempotency = match known(app, &admitted, &parts, &raw.0).await? {
        Key::Use(ticket) => ticket,
        Key::Replay(answer) => return Ok(answer),
    };
    let document = body::WipedDocument(body::object(&raw.0)?);
    let (provider, operation) = dispatch(&document.0, &admitted)?;
    if app.engine.config().environment == Environment::Sandbox {
        seen.warning = strangers::warning(provider, operation, &document.0);
    }
    let admitted = admitted.at_provider(provider.descriptor().name)?;
    let checked = check(app, &admitted, &parts, &document.0, provider, operation, seen).await?;
    // Whatever card there was is in `checked` now, and nowhere else.
    drop((raw, document));
    let Admitted { caller, place } = admitted;
    Ok(app
        .engine
        .pay(PayRequest { caller, provider, operation, checked, idempotency, then: Vec::new(), place: Some(place) })
        .await)
}

enum Key {
    Use(Option<IdempotencyTicket>),
    Replay(CashierAnswer),
}

/// The `Idempotency-Key`: looked up before anything in the body counts, so that a replay still answers when the user token has
/// run out.
async fn known(app: &App, admitted: &Admitted, parts: &Parts, raw: &[u8]) -> Result<Key, Refused> {
    let Some(key) = headers::idempotency_key(&parts.headers)? else { return Ok(Key::Use(None)) };
    let company = &admitted.caller.company;
    let ticket = app.engine.idempotency_ticket(company, PATH, key, raw);
    match app.engine.known_key(company, &ticket).await? {
        KnownKey::New => Ok(Key::Use(Some(ticket))),
        KnownKey::Answered(answer) => {
            // Its body is that of the first request, so `type` is the stored answer's.
            let document = body::WipedDocument(body::object(raw)?);
            if let Ok(operation) = operation(&document.0) {
                admitted.must_have(scope_of(operation))?;
            }
            Ok(Key::Replay(answer))
        }
        KnownKey::Running => Err(reply::plain(409, "A request with this Idempotency-Key is still running").retry_after(1).into()),
        KnownKey::OtherBody => Err(reply::plain(422, "Idempotency-Key was used with another body").into()),
    }
}

/// What a token needs for it.
fn scope_of(operation: Operation) -> Scope {
    match operation {
        Operation::PayIn => Scope::Payin,
        Operation::PayOut => Scope::Payout,
    }
}

/// `pspType` and `type`. What the token may do goes before what else is wrong with them: it belongs to the token's checks, and
/// only had to wait until `type` could be read.
fn dispatch(document: &Json, admitted: &Admitted) -> Result<(&'static dyn Provider, Operation), Refused> {
    let operation = operation(document);
    if let Ok(operation) = operation {
        admitted.must_have(scope_of(operation))?;
    }
    match (provider(document), operation) {
        (Ok(provider), Ok(operation)) => supported(provider, operation),
        (provider, operation) => Err(problems(provider.err(), operation.err()).into()),
    }
}

/// What is wrong with one of the two.
#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Missing(&'static str),
    /// The word, as an answer may repeat it; the sentence is the message of the answer.
    UnknownPspType(String),
    /// The same of `type`.
    UnknownType(String),
    /// The sentence is one of `Validation failed`.
    WrongType(String),
}

impl Problem {
    fn missing_sentence(field: &str) -> String {
        format!("{MISSING}{field}")
    }

    fn sentence(&self) -> String {
        match self {
            Self::Missing(field) => Self::missing_sentence(field),
            Self::UnknownPspType(word) => format!("{UNKNOWN_PSP_TYPE}{word}"),
            Self::UnknownType(_) => "type must be PAYIN or PAYOUT".to_owned(),
            Self::WrongType(sentence) => sentence.clone(),
        }
    }

    /// As an entry of `fields`: with the list of what is known, and the nearest.
    fn field(&self) -> Option<FieldProblem> {
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

fn operation(document: &Json) -> Result<Operation, Problem> {
    let word = present(document, "type")?.as_str().unwrap_or_default();
    word.parse().map_err(|()| Problem::UnknownType(shown(word)))
}

fn shown(word: &str) -> String {
    identifier::repeated(word, SHOWN_CHARS)
}

/// The answer to problems with `pspType`, `type` or both: the missing ones first; one alone is the message and nothing else.
fn problems(psp_type: Option<Problem>, kind: Option<Problem>) -> CashierAnswer {
    let mut all: Vec<Problem> = psp_type.into_iter().chain(kind).collect();
    all.sort_by_key(|problem| !matches!(problem, Problem::Missing(_)));
    let sentences: Vec<String> = all.iter().map(Problem::sentence).collect();
    let fields: Vec<FieldProblem> = all.iter().filter_map(Problem::field).collect();
    match (all.first(), sentences.as_slice()) {
        (Some(Problem::WrongType(_)), _) => reply::invalid(sentences),
        (_, [only]) => CashierAnswer::refused_fields(400, only, Vec::new(), &fields),
        (_, [first, ..]) => CashierAnswer::refused_fields(400, &first.clone(), sentences, &fields),
        // Called only when something is wrong.
        (_, []) => CashierAnswer::internal(),
    }
}

fn supported(provider: &'static dyn Provider, operation: Operation) -> Result<(&'static dyn Provider, Operation), Refused> {
    let descriptor = provider.descriptor();
    if descriptor.operation(operation).is_none() {
        let sentence = format!("{} does not support {}", descriptor.psp_type, operation.as_str());
        let field = FieldProblem { field: "type".to_owned(), missing: false, message: sentence.clone() };
        return Err(CashierAnswer::refused_fields(400, &sentence, Vec::new(), &[field]).into());
    }
    Ok((provider, operation))
}

/// The user, then the provider's fields, all problems at once.
async fn check(
    app: &App,
    admitted: &Admitted,
    parts: &Parts,
    document: &Json,
    provider: &'static dyn Provider,
    operation: Operation,
    seen: &mut Seen,
) -> Result<Checked, Refused> {
    let user_token = headers::credential(&parts.headers, headers::X_USER_TOKEN)?;
    let user_authorization = headers::credential(&parts.headers, headers::X_USER_AUTHORIZATION)?;
    let company = &admitted.caller.company;
    let user = app.engine.user(company, user_token, user_authorization, document.str_at("userId")).await;
    let claims = match user {
        Ok(claims) => Some(claims),
        // Nobody can be asked about nobody: the field is told with whatever else is wrong.
        Err(UserError::MissingUserId) => None,
        Err(UserError::WrongUser) => return Err(reply::invalid(vec![UserError::WrongUser.to_string()]).into()),
        Err(UserError::Auth(error)) => {
            let wanted = Wanted::User { session: user_authorization.is_some_and(|text| !text.is_empty()) };
            return Err(seen.challenged(error.into(), wanted, user_token, app.engine.config().environment));
        }
    };
    if provider.descriptor().card_data == CardData::Refused {
        no_card_data(provider, document)?;
    }
    let said = |name| headers::text(&parts.headers, &name);
    let (user_agent, accept, language) = (said(header::USER_AGENT), said(header::ACCEPT), said(header::ACCEPT_LANGUAGE));
    let request = fields::Request {
        body: document,
        claims: claims.as_ref(),
        caller_ip: parts.extensions.get::<Client>().map(|client| client.ip),
        browser: fields::BrowserHeaders {
            user_agent: user_agent.as_deref(),
            accept: accept.as_deref(),
            accept_language: language.as_deref(),
        },
        environment: app.engine.config().environment,
        now: app.engine.clock().now(),
    };
    let Some(spec) = provider.descriptor().operation(operation) else { return Err(CashierAnswer::internal().into()) };
    let mut problems = match fields::check(spec, &request) {
        Ok(checked) if claims.is_some() => return Ok(checked),
        Ok(_) => Problems::default(),
        Err(problems) => problems,
    };
    if claims.is_none() && !problems.missing.iter().any(|field| field == "userId") {
        problems.missing.push("userId".to_owned());
    }
    Err(AdminError::Invalid(sentences(problems)).into())
}

/// A provider on whose page cards are entered: a request that brings one is refused before anything else of it is looked at, and
/// forgotten.
fn no_card_data(provider: &dyn Provider, document: &Json) -> Result<(), Refused> {
    let keys = card_keys(document);
    if keys.is_empty() {
        return Ok(());
    }
    let descriptor = provider.descriptor();
    metrics::counter!("mozarto_card_data_refused_total", "provider" => descriptor.name).increment(1);
    let sentence = |path: &String| format!("{path} is not accepted: card details are entered on the {} page", descriptor.title);
    let told: Vec<FieldProblem> =
        keys.iter().map(|path| FieldProblem { field: path.clone(), missing: false, message: sentence(path) }).collect();
    let sentences = told.iter().map(|problem| problem.message.clone()).collect();
    Err(CashierAnswer::refused_fields(400, "Validation failed", sentences, &told).into())
}

/// One sentence per missing field, then one per invalid field.
fn sentences(problems: Problems) -> Vec<String> {
    let missing = problems.missing.iter().map(|field| Problem::missing_sentence(field));
    missing.chain(problems.invalid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(psp_type: Option<Problem>, kind: Option<Problem>) -> String {
        String::from_utf8(problems(psp_type, kind).body).unwrap()
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
