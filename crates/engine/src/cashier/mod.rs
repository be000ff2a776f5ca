//! The Cashier API before there is a payment: what a request brings is checked, and becomes a [`PayRequest`] or is
//! [`NotAdmitted`].
//!
//! It stands beside [`flow`](crate::flow), where the life of a transaction is, because nothing of it is a transaction yet; and it
//! has the name of the API, as the edge's `http/src/cashier.rs` has, which reads headers and body and does nothing else. A file
//! per step, in the order of the Cashier API, section 3:
//!
//! | Step | File | Needs |
//! |---|---|---|
//! | who calls, and may pay at all | `caller` | the token |
//! | rate, and a place among the work in flight | `entrance` | the caller; who hands the request in says how |
//! | `Idempotency-Key` | `key` | the caller, the raw body |
//! | the document | `document` | the raw body |
//! | `pspType` and `type`, and whether that may be done | `dispatch` | the document |
//! | the sandbox's hint at fields that nobody reads | `strangers` | those |
//! | the user | `user` | the company, its User Auth URL, the document |
//! | card data where none belongs; the provider's fields, all problems at once | `fields` | the document, the claims |
//!
//! `dispatch`, `strangers` and `fields` know neither token nor store nor network: whoever only asks what would become of a
//! request, with claims of its own, begins there.
//!
//! **Architecture invariants:** the order is that of the lines of [`Engine::admit`]'s one function, and stands nowhere else;
//! nothing is stored and no provider is called; the raw body and the document are overwritten when they are dropped, which is
//! before the payment begins, and nothing of them is copied but what [`Checked`](providers::fields::Checked) keeps.

mod caller;
mod dispatch;
mod document;
mod entrance;
mod fields;
mod key;
mod refused;
mod strangers;
#[cfg(test)]
mod tests;
mod user;

pub use dispatch::Problem;
pub use document::{NoDocument, Wiped, WipedDocument};
pub use entrance::{Crowded, Entrance};
pub use refused::NotAdmitted;

use crate::core::Engine;
use crate::flow::PayRequest;
use dispatch::Wanted;
use domain::CompanyId;
use domain::urls::Environment;
use providers::fields::{BrowserHeaders, Request};
use std::net::IpAddr;

/// Method and path, as the scope of idempotency keys.
const PATH: &str = "POST /v1/api/mozarto/cashier";

/// A header that stands more than once, or has bytes that no text of ours has: two readers could act on different values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous;

/// What a header says that may stand once.
pub type Said<'a> = Result<Option<&'a str>, Ambiguous>;

/// What a request of the Cashier API brings. Nothing of it has been looked at, but that the body is no longer than it may be.
pub struct CashierRequest<'a> {
    /// `Authorization`.
    pub authorization: Said<'a>,
    /// Whether the body is said to be JSON.
    pub is_json: bool,
    /// `Idempotency-Key`.
    pub idempotency_key: Said<'a>,
    /// `x-user-token`.
    pub user_token: Said<'a>,
    /// `x-user-authorization`.
    pub user_authorization: Said<'a>,
    /// Where the call came from.
    pub caller_ip: Option<IpAddr>,
    /// What the payer's browser said of itself, as the merchant passed it on.
    pub browser: BrowserHeaders<'a>,
    /// The body, byte for byte.
    pub body: Wiped,
}

/// What came of a request, and what is known of it either way.
pub struct Admission {
    /// The company, as soon as its token was good.
    pub company: Option<CompanyId>,
    /// Names fields that nobody reads (sandbox only): `X-Mozarto-Warning`.
    pub warning: Option<String>,
    /// The payment that may begin ([`Engine::pay`]), or why none does.
    pub outcome: Result<PayRequest, NotAdmitted>,
}

/// What becomes known on the way.
#[derive(Default)]
struct Seen {
    company: Option<CompanyId>,
    warning: Option<String>,
}

impl Engine {
    /// Checks a request of the Cashier API: everything that goes before rule, payment method and `create`.
    pub async fn admit(&self, request: CashierRequest<'_>, entrance: &dyn Entrance) -> Admission {
        let mut seen = Seen::default();
        let outcome = self.check(&request, entrance, &mut seen).await;
        Admission { company: seen.company, warning: seen.warning, outcome }
    }

    /// The order of checks.
    async fn check(
        &self,
        request: &CashierRequest<'_>,
        entrance: &dyn Entrance,
        seen: &mut Seen,
    ) -> Result<PayRequest, NotAdmitted> {
        // Before anything is looked at: what is refused must not cost what could be done instead.
        if self.turns_away() {
            return Err(NotAdmitted::TurnedAway);
        }
        let caller = caller::find(self, request.authorization).await?;
        let company = &caller.company;
        seen.company = Some(company.company.id);
        caller::may_pay(&caller)?;
        let place = entrance.let_in(caller.credential.id, company.company.id)?;
        if !request.is_json {
            return Err(NotAdmitted::MediaType);
        }
        let idempotency = key::ticket(self, &caller, request.idempotency_key, request.body.bytes()).await?;
        let document = WipedDocument::object(request.body.bytes())?;
        let may = |operation| caller.require(dispatch::scope_of(operation));
        let Wanted { provider, operation, spec } = dispatch::find(document.json(), may)?;
        let environment = self.config().environment;
        if environment == Environment::Sandbox {
            seen.warning = strangers::warning(spec, document.json());
        }
        let place = place.map(|place| place.at_provider(provider.descriptor().name)).transpose();
        let place = place.map_err(Crowded::from)?;
        let claims = user::find(self, company, request, document.json()).await?;
        let said = Request {
            body: document.json(),
            claims: claims.as_ref(),
            caller_ip: request.caller_ip,
            browser: request.browser,
            environment,
            now: self.clock().now(),
        };
        // Whatever card there is is in `checked` from here on, and nowhere else once `request` and `document` are gone.
        let checked = fields::check(provider, spec, &said)?;
        Ok(PayRequest { caller, provider, operation, checked, idempotency, then: Vec::new(), place })
    }
}
