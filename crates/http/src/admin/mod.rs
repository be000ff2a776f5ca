//! The Management API: everything that the back office can do, for programs. Paths here are below `/v1/api/mozarto/admin`.
//!
//! One file per resource; each handler reads the call and hands it to `engine::admin`, where the back office meets the same use
//! cases.
//!
//! **Architecture invariant:** a call is served only through its row in [`ROUTES`], which names the scope that it needs; the
//! router is made from these rows and nothing else, so that no route can stand outside the authorisation tests that walk them.

mod approvals;
mod audit;
mod brands;
mod company;
mod credentials;
mod deliveries;
mod payment_methods;
mod routes;
mod rules;
mod serve;
mod transactions;

use crate::edge;
use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodFilter, on};
use engine::Engine;

pub use routes::{Body, ROUTES, Route};

/// The router of the Management API, to be nested at `/v1/api/mozarto/admin`. The gate that it shares with the other APIs is
/// looked for among the extensions of each request.
pub fn router(engine: Engine) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let engine = engine.clone();
        let serve = move |request: Request| serve::serve(route, engine.clone(), request);
        router = router.route(route.path, on(filter(route.method), serve));
    }
    router.fallback(edge::not_found).method_not_allowed_fallback(edge::method_not_allowed)
}

fn filter(method: &str) -> MethodFilter {
    match method {
        "POST" => MethodFilter::POST,
        "PATCH" => MethodFilter::PATCH,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    }
}
