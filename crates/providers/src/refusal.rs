//! What a provider refused, or what nobody knows of it: the row that answers.

use domain::{ErrorCode, Json};

/// An error row of the provider's table, with what the merchant is shown of the provider's answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The normalised code.
    pub code: ErrorCode,
    /// For [`ErrorCode::UnknownPspError`]: the raw answer (JSON as it is, else a text). The engine masks secrets in it.
    pub data: Option<Json>,
    /// The provider's `Retry-After`, seconds.
    pub retry_after_s: Option<u32>,
    /// To be kept on the timeline and shown to a person: the answer contradicts what was asked.
    pub anomaly: Option<String>,
}

impl std::fmt::Debug for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The raw answer may hold anything.
        f.debug_struct("Refusal").field("code", &self.code).finish_non_exhaustive()
    }
}

impl Refusal {
    /// A row without anything of the provider's answer.
    pub const fn of(code: ErrorCode) -> Self {
        Self { code, data: None, retry_after_s: None, anomaly: None }
    }
}
