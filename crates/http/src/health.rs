//! `GET /healthz` and `GET /readyz`.

use crate::app::App;
use crate::reply;
use axum::extract::State;
use axum::response::Response;
use domain::Json;
use engine::CashierAnswer;

/// The process is up.
pub(crate) async fn alive() -> Response {
    ok()
}

/// The store takes the heartbeat, the workers run; else 503 with the reason. What the store itself says is for the log: it may
/// name hosts and files.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    reply::response(match app.engine.ready() {
        Ok(readiness) => CashierAnswer::success(None, readiness.to_json(), None),
        Err(why) => {
            let message = format!("Not ready: {}", why.reason);
            CashierAnswer::error(503, &message, Vec::new(), Some(why.to_json())).retry_after(1)
        }
    })
}

fn ok() -> Response {
    reply::response(CashierAnswer::success(None, Json::object([("ready", Json::Bool(true))]), None))
}
