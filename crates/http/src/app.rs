//! What the handlers share.

use crate::gate::{Gate, Slot};
use crate::headers;
use crate::limits::Limits;
use crate::observe::LoggedCompany;
use crate::reply::{self, Refused};
use axum::response::Response;
use domain::{CompanyId, Scope};
use engine::auth::Caller;
use engine::{CashierAnswer, Engine};
use http::{HeaderMap, header};
use std::sync::Arc;

/// The engine and the gate before it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) gate: Arc<Gate>,
}

/// An authenticated request that has been let in.
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    /// Held until the request is answered.
    pub(crate) _slot: Slot,
}

/// What the access log is to know of a request, filled in as it becomes known.
#[derive(Debug, Default)]
pub(crate) struct Seen(pub(crate) Option<CompanyId>);

impl App {
    pub(crate) fn new(engine: Engine, limits: &Limits) -> Self {
        Self { engine, gate: Arc::new(Gate::new(limits)) }
    }

    /// The company token, then the rate.
    ///
    /// # Errors
    /// 401, 403, 429, 503.
    pub(crate) async fn admit(&self, headers: &HeaderMap, seen: &mut Seen) -> Result<Admitted, Refused> {
        let caller = self.caller(headers, seen).await?;
        self.let_in(caller)
    }

    /// [`admit`](Self::admit) for reading: scope `read`, checked with the token and before the rate.
    pub(crate) async fn admit_reader(&self, headers: &HeaderMap, seen: &mut Seen) -> Result<Admitted, Refused> {
        let caller = self.caller(headers, seen).await?;
        caller.require(Scope::Read)?;
        self.let_in(caller)
    }

    async fn caller(&self, headers: &HeaderMap, seen: &mut Seen) -> Result<Caller, Refused> {
        let authorization = headers::credential(headers, header::AUTHORIZATION)?;
        let caller = self.engine.company_caller(authorization).await?;
        seen.0 = Some(caller.company.company.id);
        Ok(caller)
    }

    fn let_in(&self, caller: Caller) -> Result<Admitted, Refused> {
        let slot = self.gate.admit(caller.credential.id)?;
        Ok(Admitted { caller, _slot: slot })
    }
}

impl Admitted {
    /// Checks a scope of the token.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn must_have(&self, scope: Scope) -> Result<(), Refused> {
        Ok(self.caller.require(scope)?)
    }

    pub(crate) fn company_id(&self) -> CompanyId {
        self.caller.company.company.id
    }
}

/// The response of a handler, marked with the company that it is for.
pub(crate) fn respond(answer: Result<CashierAnswer, Refused>, seen: Seen) -> Response {
    let mut response = reply::response(answer.unwrap_or_else(|refused| *refused.0));
    if let Some(company) = seen.0 {
        response.extensions_mut().insert(LoggedCompany(company));
    }
    response
}
