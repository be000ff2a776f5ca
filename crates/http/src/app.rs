//! What the handlers share.

use crate::gate::{Gate, no_place};
use crate::headers;
use crate::limits::Limits;
use crate::observe::LoggedCompany;
use crate::reply::{self, Refused};
use axum::response::Response;
use domain::{CompanyId, Scope};
use engine::auth::{AuthError, Caller};
use engine::shares::Place;
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
    /// Held until the work is over.
    pub(crate) place: Place,
}

/// What the access log is to know of a request, filled in as it becomes known.
#[derive(Debug, Default)]
pub(crate) struct Seen(pub(crate) Option<CompanyId>);

impl App {
    pub(crate) fn new(engine: Engine, limits: &Limits) -> Self {
        Self { engine, gate: Arc::new(Gate::new(limits)) }
    }

    /// The company token with one of the scopes that pay, then the rate. Which of them it needs is known only with `type`; a token with neither gets
    /// no further, whatever its idempotency key.
    ///
    /// # Errors
    /// 401, 403, 429, 503.
    pub(crate) async fn admit_payer(&self, headers: &HeaderMap, seen: &mut Seen) -> Result<Admitted, Refused> {
        let caller = self.caller(headers, seen).await?;
        if caller.require(Scope::Payin).is_err() && caller.require(Scope::Payout).is_err() {
            return Err(AuthError::Forbidden.into());
        }
        self.let_in(caller)
    }

    /// [`admit_payer`](Self::admit_payer) for reading: scope `read`, checked with the token and before the rate.
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
        let place = self.gate.admit(caller.credential.id, caller.company.company.id)?;
        Ok(Admitted { caller, place })
    }
}

impl Admitted {
    /// Exchanges the place for one at the provider that is to be called.
    ///
    /// # Errors
    /// 429 over a share, 503 over the whole.
    pub(crate) fn at_provider(self, provider: &'static str) -> Result<Self, Refused> {
        Ok(Self { caller: self.caller, place: self.place.at_provider(provider).map_err(no_place)? })
    }

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
