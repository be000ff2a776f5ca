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

/// The store answers, its migrations are done, the workers run; else 503. Why not is for the log: it may name hosts and files.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    match app.engine.ready().await {
        Ok(()) => ok(),
        Err(reason) => {
            tracing::warn!(reason, "not ready");
            reply::response(reply::unavailable())
        }
    }
}

fn ok() -> Response {
    reply::response(CashierAnswer::success(None, Json::object([("ready", Json::Bool(true))]), None))
}
