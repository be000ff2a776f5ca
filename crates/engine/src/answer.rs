//! The envelope of every answer (Cashier API, sections 4 and 5). Built here and not at the HTTP edge, because an idempotent answer is stored, byte for byte, in the
//! same commit as the outcome that it tells.

use domain::{ErrorCode, Json};

/// An answer, ready to be sent: JSON bytes with their status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CashierAnswer {
    /// HTTP status.
    pub status: u16,
    /// The JSON document.
    pub body: Vec<u8>,
    /// `Retry-After`, seconds.
    pub retry_after_s: Option<u32>,
    /// Whether this is the stored answer of an earlier call (`Idempotent-Replayed: true`).
    pub replayed: bool,
}

impl CashierAnswer {
    fn of(status: u16, pairs: Vec<(&str, Json)>) -> Self {
        Self { status, body: Json::object(pairs).to_text().into_bytes(), retry_after_s: None, replayed: false }
    }

    /// 200: `{"status":"success","message"?,"isSuccess":true,"data"}` and, about a transaction, `transaction`.
    pub fn success(message: Option<&str>, data: Json, transaction: Option<Json>) -> Self {
        let mut pairs = vec![("status", Json::text("success"))];
        pairs.extend(message.map(|text| ("message", Json::text(text))));
        pairs.extend([("isSuccess", Json::Bool(true)), ("data", data)]);
        pairs.extend(transaction.map(|transaction| ("transaction", transaction)));
        Self::of(200, pairs)
    }

    /// An error of ours: `{"status":"error","message","isSuccess":false,"errors"}`, with `data` where the table has it.
    pub fn error(status: u16, message: &str, errors: Vec<String>, data: Option<Json>) -> Self {
        let mut pairs = vec![
            ("status", Json::text("error")),
            ("message", Json::text(message)),
            ("isSuccess", Json::Bool(false)),
            ("errors", Json::Array(errors.into_iter().map(Json::String).collect())),
        ];
        pairs.extend(data.map(|data| ("data", data)));
        Self::of(status, pairs)
    }

    /// With `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// 500, the published form: never a stack, path, SQL or secret.
    pub fn internal() -> Self {
        Self::error(500, "Internal server error", Vec::new(), Some(Json::text("Something went wrong")))
    }

    /// 503: the store takes no writes for the moment; nothing was begun, and the same may be sent again.
    pub fn unavailable() -> Self {
        Self::error(503, "The service is unavailable", Vec::new(), None).retry_after(1)
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::error(401, "Unauthorized", Vec::new(), None)
    }

    /// 403.
    pub fn forbidden() -> Self {
        Self::error(403, "Forbidden", Vec::new(), None)
    }

    /// 404.
    pub fn not_found() -> Self {
        Self::error(404, "Not found", Vec::new(), None)
    }

    /// A provider failure with its `errorCode`; `transaction` is `None` where nothing was created.
    pub fn provider_failure(failure: ProviderFailure<'_>) -> Self {
        let mut pairs = vec![
            ("status", Json::text("error")),
            ("message", Json::text(failure.message.unwrap_or(failure.code.message()))),
            ("isSuccess", Json::Bool(false)),
            ("errorCode", Json::text(failure.code.as_str())),
            ("retryable", Json::Bool(failure.retryable)),
            ("errors", Json::Array(Vec::new())),
        ];
        pairs.extend(failure.transaction_id.map(|id| ("transactionId", Json::text(id))));
        pairs.extend(failure.data.map(|data| ("data", data)));
        pairs.extend(failure.transaction.map(|transaction| ("transaction", transaction)));
        let mut answer = Self::of(failure.code.http_status(), pairs);
        if failure.code == ErrorCode::PspRateLimited {
            answer.retry_after_s = Some(failure.retry_after_s.unwrap_or(1));
        }
        answer
    }

    /// 400 without `errorCode`: the provider said no at once.
    pub fn declined(message: &str, transaction_id: String, data: Option<Json>, transaction: Json) -> Self {
        let mut pairs = vec![
            ("status", Json::text("error")),
            ("message", Json::text(message)),
            ("isSuccess", Json::Bool(false)),
            ("errors", Json::Array(Vec::new())),
            ("transactionId", Json::text(transaction_id)),
        ];
        pairs.extend(data.map(|data| ("data", data)));
        pairs.push(("transaction", transaction));
        Self::of(400, pairs)
    }
}

/// What a provider failure shows.
#[derive(Debug)]
pub struct ProviderFailure<'a> {
    /// The code.
    pub code: ErrorCode,
    /// Another sentence than the code's.
    pub message: Option<&'a str>,
    /// Whether the merchant may try again.
    pub retryable: bool,
    /// The provider's `Retry-After`, seconds.
    pub retry_after_s: Option<u32>,
    /// The provider's raw answer, masked.
    pub data: Option<Json>,
    /// Ours.
    pub transaction_id: Option<String>,
    /// TransactionData.
    pub transaction: Option<Json>,
}
