//! The HTTP edge: the Cashier API, the Management API, provider callbacks, health; and the server that they run on.
//!
//! One file per resource, whose handlers only read the request and call the engine. What surrounds every request is in [`edge`],
//! what surrounds every connection in [`server`] and [`connection`], the limits of both in [`limits`].
//!
//! **Architecture invariants:** every error has the envelope of the Cashier API, section 5; the order of checks of section 3
//! is the engine's (`engine::cashier`); no more of a body is read than the limit, and no body, query value or header value is
//! ever logged.

pub mod admin;
mod app;
pub mod body;
mod callbacks;
mod cashier;
pub mod connection;
pub mod edge;
mod events;
pub mod gate;
mod guesses;
pub mod headers;
mod health;
pub mod limits;
pub mod observe;
mod pages;
pub mod peer;
pub mod reply;
pub mod server;
mod transactions;

pub use limits::Limits;
pub use server::{Error, bind, serve};

use app::App;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use domain::urls::Environment;
use engine::Engine;
use std::sync::Arc;

/// The whole platform as a router: the Cashier API, the Management API below `/v1/api/mozarto/admin`, callbacks, health, and
/// `extra` (back office, hosted pages, `/metrics`) beside them. `extra` gets the same edge: request ids, access log, body
/// deadline, the answers for 404 and 405 (pages that want their own nest them below a path).
pub fn router(engine: Engine, limits: &Limits, extra: Router) -> Router {
    let app = App::new(engine.clone(), limits);
    let is_production = engine.config().environment == Environment::Production;
    // The same gate stands before the Management API, whose handlers find it among the request's extensions.
    let admin = admin::router(engine).layer(Extension(Arc::clone(&app.gate)));
    // Whatever is found by the token in its address.
    let by_token = Router::new()
        .route("/callbacks/{provider}/{token}", callbacks::receives())
        .route("/callbacks/{provider}/{token}/", callbacks::receives())
        .route("/callbacks/{provider}/{token}/threeds", post(pages::device_check))
        .route("/callbacks/{provider}/{token}/threeds/", post(pages::device_check))
        .route("/pay/{token}", get(pages::pay))
        .route("/3ds/{token}", get(pages::challenge))
        .route("/3ds/{token}/next", get(pages::next))
        .route("/3ds/{token}/return", post(pages::returned))
        .route("/return/{provider}/{token}/{word}", get(pages::back))
        .route_layer(from_fn_with_state(Arc::<guesses::Guesses>::default(), guesses::bounded));
    let router = Router::new()
        .route("/v1/api/mozarto/cashier", post(cashier::create))
        .route("/v1/api/mozarto/transactions", get(transactions::list))
        .route("/v1/api/mozarto/transactions/{id}", get(transactions::show))
        .route("/v1/api/mozarto/events", get(events::list))
        .merge(by_token)
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state(app)
        .nest("/v1/api/mozarto/admin", admin)
        .merge(extra)
        .method_not_allowed_fallback(edge::method_not_allowed)
        .fallback(edge::not_found);
    let router = edge::around(router, limits);
    // Of TLS, which is in front, this is all that can be seen from here.
    if is_production { router.layer(map_response(edge::only_over_tls)) } else { router }
}
