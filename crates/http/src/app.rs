//! What the handlers share.

use crate::gate::Gate;
use crate::headers;
use crate::limits::Limits;
use crate::observe::LoggedCompany;
use crate::reply::{self, Refused};
use axum::response::Response;
use domain::urls::Environment;
use domain::{CompanyId, Scope};
use engine::auth::{Caller, Wanted, challenge};
use engine::shares::Place;
use engine::{CashierAnswer, Engine};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::sync::Arc;

/// Names fields that were passed over (sandbox only).
const WARNING: HeaderName = HeaderName::from_static("x-mozarto-warning");

/// The engine and the gate before it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) gate: Arc<Gate>,
}

/// Somebody who may read, and has been let in.
pub(crate) struct Admitted {
    caller: Caller,
    /// Held until the work is over.
    _place: Place,
}

/// What the access log and the headers of the answer are to know of a request, filled in as it becomes known.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The company.
    pub(crate) company: Option<CompanyId>,
    /// `WWW-Authenticate` of a 401.
    pub(crate) challenge: Option<String>,
    /// `X-Mozarto-Warning`.
    pub(crate) warning: Option<String>,
}

impl Seen {
    /// Notes what a 401 says of the token, if the refusal is one.
    pub(crate) fn challenged(
        &mut self,
        refused: Refused,
        wanted: Wanted,
        header: Option<&str>,
        environment: Environment,
    ) -> Refused {
        if refused.0.status == 401 {
            self.challenge = Some(challenge(wanted, header, environment));
        }
        refused
    }
}

impl App {
    pub(crate) fn new(engine: Engine, limits: &Limits) -> Self {
        Self { engine, gate: Arc::new(Gate::new(limits)) }
    }

    /// Whoever may read: the company token with its scope `read`, then the rate.
    ///
    /// # Errors
    /// 401, 403, 429, 503.
    pub(crate) async fn admit_reader(&self, headers: &HeaderMap, seen: &mut Seen) -> Result<Admitted, Refused> {
        let environment = self.engine.config().environment;
        let authorization = headers::credential(headers, header::AUTHORIZATION)?;
        let caller = self.engine.company_caller(authorization).await;
        let caller = caller.map_err(|error| seen.challenged(error.into(), Wanted::Company, authorization, environment))?;
        seen.company = Some(caller.company.company.id);
        caller.require(Scope::Read)?;
        let place = self.gate.admit(caller.credential.id, caller.company.company.id)?;
        Ok(Admitted { caller, _place: place })
    }
}

impl Admitted {
    pub(crate) fn company_id(&self) -> CompanyId {
        self.caller.company.company.id
    }
}

/// The response of a handler, marked with the company that it is for.
pub(crate) fn respond(answer: Result<CashierAnswer, Refused>, seen: Seen) -> Response {
    let mut response = reply::response(answer.unwrap_or_else(|refused| *refused.0));
    for (name, value) in [(header::WWW_AUTHENTICATE, seen.challenge), (WARNING, seen.warning)] {
        // Both are made of fixed words and of names cut down to what a header can carry.
        if let Some(value) = value.and_then(|text| HeaderValue::from_str(&text).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(company) = seen.company {
        response.extensions_mut().insert(LoggedCompany(company));
    }
    response
}
