//! What the Management API and the back office do: reading bodies and queries, calling the use cases, showing objects.
//!
//! One file per resource. Each function takes who acts ([`Act`]), reads what was sent - every problem told at once - and answers
//! with the object as both surfaces show it; secrets are in no object, except in the one answer that makes them.
//!
//! **Architecture invariant:** whatever is asked for by id is looked for in the caller's company alone; another company's is not
//! found, like one that does not exist.

pub mod approvals;
pub mod audit;
pub mod brands;
pub mod company;
pub mod credentials;
pub mod deliveries;
pub mod error;
pub mod fields;
pub mod page;
pub mod params;
pub mod payment_methods;
pub mod rules;
pub mod transactions;

pub use error::AdminError;

use crate::auth::Caller;
use crate::directory::change::{Actor, ChangeError};
use crate::{CompanySnapshot, Engine};
use domain::CompanyId;
use std::sync::Arc;

/// Who acts.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// The company, the credential, what it may do, and from where.
    pub caller: &'a Caller,
}

impl Act<'_> {
    /// The company.
    pub fn company_id(&self) -> CompanyId {
        self.caller.company.company.id
    }

    /// The same as the author of a change.
    fn actor(&self) -> Actor {
        self.caller.actor()
    }

    /// The company as it stands now: a snapshot that the token was checked with may be older than a change just made.
    async fn fresh(&self, engine: &Engine) -> Result<Arc<CompanySnapshot>, AdminError> {
        engine.directory().company(self.company_id()).await?.ok_or(AdminError::NotFound)
    }
}

impl From<ChangeError> for AdminError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid(sentences) => Self::Invalid(sentences),
            ChangeError::NotFound => Self::NotFound,
            ChangeError::NotYours(sentence) => Self::NotYou(sentence),
            ChangeError::Conflict(sentence) => Self::Conflict(sentence),
            ChangeError::Overtaken => Self::Conflict(error.to_string()),
            ChangeError::StoreAway => Self::Unavailable,
            ChangeError::Store(cause) => Self::internal(&cause),
        }
    }
}

/// Every `pspType`.
fn psp_types() -> Vec<&'static str> {
    providers::all().iter().map(|provider| provider.descriptor().psp_type).collect()
}
