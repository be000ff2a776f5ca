//! The one way from a request to a handler: body, token, rate, scope, media type, JSON, handler, envelope. The order is that of
//! the Cashier API, section 3.

use super::routes::{Body, Route};
use crate::app::{Seen, respond};
use crate::gate::Gate;
use crate::limits::Limits;
use crate::reply::{DONE, Refused};
use crate::{body, headers, peer};
use axum::body::Bytes;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::response::Response;
use domain::Json;
use engine::admin::params::Params;
use engine::admin::{Act, AdminError};
use engine::auth::{Caller, Wanted};
use engine::{CashierAnswer, Engine};
use http::request::Parts;
use http::{HeaderMap, header};
use std::sync::Arc;
use std::time::Duration;

/// What a handler is given.
pub(super) struct Call {
    pub(super) engine: Engine,
    pub(super) caller: Caller,
    /// The parameters of the path, in their order.
    pub(super) ids: Vec<String>,
    /// As it came.
    pub(super) query: Option<String>,
    /// How long a list is searched ([`Limits::search`]).
    pub(super) search: Duration,
    /// An object; an empty one where nothing was sent.
    pub(super) body: Json,
}

impl Call {
    /// Who acts.
    pub(super) fn act(&self) -> Act<'_> {
        Act { caller: &self.caller }
    }

    /// The parameter of the path.
    pub(super) fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }
}

/// What a handler answers: `data`, or why not.
pub(super) type Reply = Result<Json, AdminError>;

/// Serves one call.
pub(super) async fn serve(route: &'static Route, engine: Engine, request: Request) -> Response {
    let mut seen = Seen::default();
    let answer = run(route, engine, request, &mut seen).await;
    respond(answer.map(|data| CashierAnswer::success(Some(DONE), data, None)), seen)
}

async fn run(route: &'static Route, engine: Engine, request: Request, seen: &mut Seen) -> Result<Json, Refused> {
    let (mut parts, body) = request.into_parts();
    let bytes = match route.body {
        Body::None => Bytes::new(),
        Body::Optional | Body::Required => body::read(body).await?,
    };
    let authorization = headers::credential(&parts.headers, header::AUTHORIZATION)?;
    let origin = peer::address(&parts);
    let environment = engine.config().environment;
    let caller = engine.management_caller(authorization).await;
    let caller = caller.map_err(|error| seen.challenged(error.into(), Wanted::Management, authorization, environment))?;
    let caller = caller.from_address(origin);
    seen.company = Some(caller.company.company.id);
    caller.require(route.scope)?;
    let gate = parts.extensions.get::<Arc<Gate>>();
    let search = gate.map_or(Limits::SEARCH, |gate| gate.search);
    let slot = gate.map(|gate| gate.admit_manager(caller.credential.id, caller.company.company.id)).transpose()?;
    let body = object(route.body, &parts.headers, &bytes)?;
    let ids = ids(&mut parts).await?;
    let query = parts.uri.query().map(str::to_owned);
    if !route.is_list() {
        Params::none(query.as_deref())?;
    }
    let call = (route.run)(Call { engine, caller, ids, query, search, body });
    if route.method == "GET" {
        let reply = call.await;
        drop(slot);
        return Ok(reply?);
    }
    // A change goes on to its end although the client hangs up: what it committed must also reach this process's directory and
    // workers.
    let task = tokio::spawn(async move {
        let reply = call.await;
        drop(slot);
        reply
    });
    Ok(task.await.map_err(|error| AdminError::internal(&error))??)
}

/// The body as an object. Where it is optional, none counts as an empty one.
fn object(kind: Body, headers: &HeaderMap, bytes: &[u8]) -> Result<Json, Refused> {
    if kind == Body::None || (kind == Body::Optional && bytes.is_empty()) {
        return Ok(Json::Object(Vec::new()));
    }
    headers::json_media_type(headers)?;
    body::object(bytes)
}

/// The parameters of the path, decoded; what cannot be decoded names nothing.
async fn ids(parts: &mut Parts) -> Result<Vec<String>, CashierAnswer> {
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| CashierAnswer::not_found())?;
    Ok(params.iter().map(|(_, value)| value.to_owned()).collect())
}
