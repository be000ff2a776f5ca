//! `POST /v1/api/mozarto/cashier`: the body within its limits and the headers that count; then the engine, which checks them in
//! the order of the Cashier API, section 3, and pays.

use crate::app::{App, Seen, respond};
use crate::peer::Client;
use crate::reply::Refused;
use crate::{body, headers};
use axum::extract::{Request, State};
use axum::response::Response;
use engine::CashierAnswer;
use engine::cashier::{Admission, CashierRequest, Wiped};
use http::header;
use providers::fields::BrowserHeaders;

pub(crate) async fn create(State(app): State<App>, request: Request) -> Response {
    let mut seen = Seen::default();
    let answer = pay(&app, request, &mut seen).await;
    respond(answer, seen)
}

async fn pay(app: &App, request: Request, seen: &mut Seen) -> Result<CashierAnswer, Refused> {
    let (parts, body) = request.into_parts();
    let body = Wiped::new(body::read(body).await?);
    let headers = &parts.headers;
    let said = |name| headers::text(headers, &name);
    let (user_agent, accept, language) = (said(header::USER_AGENT), said(header::ACCEPT), said(header::ACCEPT_LANGUAGE));
    let request = CashierRequest {
        authorization: headers::single(headers, header::AUTHORIZATION),
        is_json: headers::is_json(headers),
        idempotency_key: headers::single(headers, headers::IDEMPOTENCY_KEY),
        user_token: headers::single(headers, headers::X_USER_TOKEN),
        user_authorization: headers::single(headers, headers::X_USER_AUTHORIZATION),
        caller_ip: parts.extensions.get::<Client>().map(|client| client.ip),
        browser: BrowserHeaders {
            user_agent: user_agent.as_deref(),
            accept: accept.as_deref(),
            accept_language: language.as_deref(),
        },
        body,
    };
    let Admission { company, warning, outcome } = app.engine.admit(request, app.gate.as_ref()).await;
    (seen.company, seen.warning) = (company, warning);
    match outcome {
        Ok(request) => Ok(app.engine.pay(request).await),
        Err(why) => {
            seen.challenge = why.challenge().map(str::to_owned);
            Ok(why.answer())
        }
    }
}
