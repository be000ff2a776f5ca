//! The normalised provider failures of the Cashier API, section 5.

/// What went wrong between us and a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The account lacks a required field, or its assumed protocol is not accepted.
    PspNotConfigured,
    /// The provider refused our credentials.
    InvalidPspCredentials,
    /// 408, `timeout` in the body, no answer in the provider's limit.
    PspTimeout,
    /// 5xx, refused or broken connection.
    PspUnavailable,
    /// 429.
    PspRateLimited,
    /// Anything else.
    UnknownPspError,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [ErrorCode; 6] = [
        Self::PspNotConfigured,
        Self::InvalidPspCredentials,
        Self::PspTimeout,
        Self::PspUnavailable,
        Self::PspRateLimited,
        Self::UnknownPspError,
    ];

    /// The published text of the code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PspNotConfigured => "PSP_NOT_CONFIGURED",
            Self::InvalidPspCredentials => "INVALID_PSP_CREDENTIALS",
            Self::PspTimeout => "PSP_TIMEOUT",
            Self::PspUnavailable => "PSP_UNAVAILABLE",
            Self::PspRateLimited => "PSP_RATE_LIMITED",
            Self::UnknownPspError => "UNKNOWN_PSP_ERROR",
        }
    }

    /// The HTTP status of the answer.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::PspNotConfigured | Self::InvalidPspCredentials => 400,
            Self::PspTimeout => 504,
            Self::PspUnavailable => 502,
            Self::PspRateLimited => 429,
            Self::UnknownPspError => 500,
        }
    }

    /// Whether the merchant may try again. Never means "maybe paid".
    pub const fn retryable(self) -> bool {
        matches!(self, Self::PspTimeout | Self::PspUnavailable | Self::PspRateLimited)
    }

    /// The sentence of the answer.
    pub const fn message(self) -> &'static str {
        match self {
            Self::PspNotConfigured => "Payment provider is not configured.",
            Self::InvalidPspCredentials => "Payment could not be processed due to invalid PSP credentials.",
            Self::PspTimeout => "Payment provider did not respond in time.",
            Self::PspUnavailable => "Payment provider is unavailable.",
            Self::PspRateLimited => "Payment provider is limiting requests.",
            Self::UnknownPspError => "An unexpected error occurred. Contact support if it continues.",
        }
    }

    /// The status word of a transaction that failed at creation: the code in lower case.
    pub fn status_word(self) -> String {
        self.as_str().to_ascii_lowercase()
    }
}

impl std::str::FromStr for ErrorCode {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|code| code.as_str().eq_ignore_ascii_case(text)).ok_or(())
    }
}
