//! How often one caller may ask, and how much may be worked on at a time: in its place among the checks, but said by whoever
//! hands a request in, because the edge measures all that comes by it with one measure.

use crate::answer::CashierAnswer;
use crate::shares::{Full, Place};
use domain::{CompanyId, CredentialId};

/// Seconds after which who found no place may try again.
const AGAIN_S: u32 = 1;

/// What lets an authenticated request in.
pub trait Entrance: Send + Sync {
    /// A place for the work, kept until it is over; `None` where nobody counts.
    ///
    /// # Errors
    /// [`Crowded`].
    fn let_in(&self, credential: CredentialId, company: CompanyId) -> Result<Option<Place>, Crowded>;
}

/// Why a request must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// The credential asks more often than it may.
    Rate {
        /// Seconds until its next request passes.
        again_s: u32,
    },
    /// There is no place.
    Places(Full),
}

impl From<Full> for Crowded {
    fn from(full: Full) -> Self {
        Self::Places(full)
    }
}

impl Crowded {
    /// 429 over the credential's rate or a share, 503 over the whole; both with `Retry-After`.
    pub fn answer(self) -> CashierAnswer {
        match self {
            Self::Rate { again_s } => CashierAnswer::too_many(again_s),
            Self::Places(Full::Share) => CashierAnswer::too_many(AGAIN_S),
            Self::Places(Full::Whole) => CashierAnswer::overloaded(),
        }
    }
}
