//! The list of calls: what the router is made from, and what the authorisation tests walk.

use super::serve::{Call, Reply};
use super::{approvals, audit, brands, company, credentials, deliveries, payment_methods, rules, transactions};
use domain::Scope;
use std::pin::Pin;

/// One call of the Management API.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// Below `/v1/api/mozarto/admin`, parameters in braces.
    pub path: &'static str,
    /// What the token must hold. (`baseUrl` of a payment method needs `own` beside it.)
    pub scope: Scope,
    /// Whether there is a body.
    pub body: Body,
    pub(super) run: Handler,
}

impl Route {
    /// Whether this is a list, with filters, `limit` and `cursor`; no other call has parameters.
    pub fn is_list(&self) -> bool {
        self.method == "GET" && !self.path.ends_with('}') && self.path != "/company"
    }
}

/// Whether a call has a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// None is read.
    None,
    /// An object, or nothing at all.
    Optional,
    /// An object.
    Required,
}

/// A handler: the future does everything that the call asks for.
pub(super) type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Reply> + Send>>;

macro_rules! routes {
    ($($method:literal $path:literal $scope:ident $body:ident => $handler:path;)*) => {
        &[$(Route {
            method: $method,
            path: $path,
            scope: Scope::$scope,
            body: Body::$body,
            run: |call| Box::pin($handler(call)),
        },)*]
    };
}

/// Every call.
pub const ROUTES: &[Route] = routes! {
    "GET" "/payment-methods" Read None => payment_methods::list;
    "POST" "/payment-methods" Configure Required => payment_methods::create;
    "GET" "/payment-methods/{id}" Read None => payment_methods::find;
    "PATCH" "/payment-methods/{id}" Configure Required => payment_methods::change;
    "POST" "/payment-methods/{id}/test" Configure Optional => payment_methods::test;
    "POST" "/payment-methods/{id}/secrets/signing" Configure Optional => payment_methods::rotate_signing;
    "POST" "/payment-methods/{id}/secrets/bearer" Configure Optional => payment_methods::rotate_bearer;
    "POST" "/payment-methods/{id}/webhook-test" Configure Optional => payment_methods::webhook_test;
    "GET" "/rules" Read None => rules::list;
    "POST" "/rules" Configure Required => rules::create;
    "GET" "/rules/{id}" Read None => rules::find;
    "PATCH" "/rules/{id}" Configure Required => rules::change;
    "DELETE" "/rules/{id}" Configure None => rules::delete;
    "GET" "/brands" Read None => brands::list;
    "POST" "/brands" Configure Required => brands::create;
    "PATCH" "/brands/{brandId}" Configure Required => brands::change;
    "GET" "/approvals" Read None => approvals::list;
    "POST" "/approvals/{transactionId}/approve" Approve Optional => approvals::approve;
    "POST" "/approvals/{transactionId}/reject" Approve Optional => approvals::reject;
    "GET" "/deliveries" Read None => deliveries::list;
    "POST" "/deliveries/replay" Operate Required => deliveries::replay_since;
    "GET" "/deliveries/{id}" Read None => deliveries::find;
    "POST" "/deliveries/{id}/replay" Operate Optional => deliveries::replay;
    "GET" "/credentials" Read None => credentials::list;
    "POST" "/credentials" Own Required => credentials::create;
    "POST" "/credentials/{id}/rotate" Own Optional => credentials::rotate;
    "DELETE" "/credentials/{id}" Own None => credentials::revoke;
    "GET" "/company" Read None => company::find;
    "PATCH" "/company" Own Required => company::change;
    "GET" "/transactions" Read None => transactions::list;
    "GET" "/transactions/{id}" Read None => transactions::find;
    "POST" "/transactions/{id}/inquire" Operate Optional => transactions::inquire;
    "POST" "/transactions/{id}/release" Approve Optional => transactions::release;
    "POST" "/transactions/{id}/resolve" Approve Required => transactions::resolve;
    "GET" "/audit" Read None => audit::list;
};
