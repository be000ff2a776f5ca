//! The envelope of every answer (Cashier API, sections 4 and 5). Built here and not at the HTTP edge, because an idempotent
//! answer is stored, byte for byte, in the same commit as the outcome that it tells.

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

    /// An error of ours for which fields are the reason: `errors` with the sentences (none where the message says it all), and
    /// beside it `fields`, one for each: `{"field","code","message"}`.
    pub fn refused_fields(status: u16, message: &str, errors: Vec<String>, fields: &[FieldProblem]) -> Self {
        let mut pairs = vec![
            ("status", Json::text("error")),
            ("message", Json::text(message)),
            ("isSuccess", Json::Bool(false)),
            ("errors", Json::Array(errors.into_iter().map(Json::String).collect())),
        ];
        if !fields.is_empty() {
            pairs.push(("fields", Json::Array(fields.iter().map(FieldProblem::to_json).collect())));
        }
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

    /// 503: there is more to do than can be done; nothing was begun, and the same may be sent again.
    pub fn overloaded() -> Self {
        Self::error(503, "The service is at its limit", Vec::new(), None).retry_after(1)
    }

    /// 429, with the seconds until the next request passes.
    pub fn too_many(retry_after_s: u32) -> Self {
        Self::error(429, "Too many requests", Vec::new(), None).retry_after(retry_after_s)
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
        let again = failure.code.retryable() && !failure.taken;
        let mut pairs = vec![
            ("status", Json::text("error")),
            ("message", Json::text(failure.message.unwrap_or(failure.code.message()))),
            ("isSuccess", Json::Bool(false)),
            ("errorCode", Json::text(failure.code.as_str())),
            // An answer that is stored under a key can only be repeated with it: trying again takes a new one.
            ("retryable", Json::Bool(again && !failure.stored)),
            ("errors", Json::Array(Vec::new())),
        ];
        if failure.open {
            pairs.push(("outcome", Json::text("open")));
        } else if again && failure.stored {
            pairs.push(("retryWith", Json::text("new key")));
        }
        pairs.extend(failure.transaction_id.map(|id| ("transactionId", Json::text(id))));
        pairs.extend(failure.data.map(|data| ("data", data)));
        pairs.extend(failure.transaction.map(|transaction| ("transaction", transaction)));
        let mut answer = Self::of(failure.code.http_status(), pairs);
        if failure.code == ErrorCode::PspRateLimited && !failure.open {
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
    /// Whether the answer is stored under an `Idempotency-Key`.
    pub stored: bool,
    /// Whether nobody knows what became of it: the transaction is `Pending` and may still be paid.
    pub open: bool,
    /// Whether it was or may have been taken: trying again could pay twice.
    pub taken: bool,
    /// The provider's `Retry-After`, seconds.
    pub retry_after_s: Option<u32>,
    /// The provider's raw answer, masked.
    pub data: Option<Json>,
    /// Ours.
    pub transaction_id: Option<String>,
    /// TransactionData.
    pub transaction: Option<Json>,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field's whole name (`card.pan`).
    pub field: String,
    /// Whether it is missing; else it is invalid.
    pub missing: bool,
    /// The sentence.
    pub message: String,
}

impl FieldProblem {
    /// What a sentence says. Every sentence about a field begins with the field's name or with `Missing required field: `; one
    /// that begins otherwise is about the request as a whole, and `None`.
    pub fn of(sentence: &str) -> Option<Self> {
        let missing = sentence.strip_prefix(crate::admin::error::MISSING);
        let field = missing.or_else(|| sentence.split([' ', ':']).next())?;
        let named = field.starts_with(|c: char| c.is_ascii_lowercase())
            && field.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']'));
        named.then(|| Self { field: field.to_owned(), missing: missing.is_some(), message: sentence.to_owned() })
    }

    /// The problem with a word that is none of those that a field may have: the list, and the nearest of them.
    pub fn unknown_word(field: &str, sentence: &str, word: &str, known: &[&str]) -> Self {
        let mut message = format!("{sentence}; {field} is one of {}", known.join(", "));
        if let Some(nearest) = nearest(word, known) {
            message.push_str(&format!("; did you mean {nearest}?"));
        }
        Self { field: field.to_owned(), missing: false, message }
    }

    fn to_json(&self) -> Json {
        Json::object([
            ("field", Json::text(&*self.field)),
            ("code", Json::text(if self.missing { "missing" } else { "invalid" })),
            ("message", Json::text(&*self.message)),
        ])
    }
}

/// Longest word that is compared, characters.
const COMPARED_CHARS: usize = 64;
/// Shortest beginning that two words must share to be taken for one, characters.
const SHARED_CHARS: usize = 4;

/// The known word that somebody most likely meant: one of the same letters, one that begins alike, or one with a slip in every
/// third letter at most.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(COMPARED_CHARS).collect()
    };
    let word = plain(word);
    let apart = |other: &str| {
        let begins = word.len().min(other.len()) >= SHARED_CHARS && (word.starts_with(other) || other.starts_with(&word));
        let slips = strsim::osa_distance(&word, other);
        (begins || slips <= other.chars().count() / 3).then_some(if begins { slips.min(1) } else { slips })
    };
    let meant = known.iter().filter_map(|known| Some((apart(&plain(known))?, *known)));
    meant.min_by_key(|(slips, _)| *slips).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_its_field() {
        for (sentence, field) in [
            ("email must be a valid email", Some("email")),
            ("card.pan is not a valid card number", Some("card.pan")),
            ("card has expired", Some("card")),
            ("Missing required field: bank.transit", Some("bank.transit")),
            ("transaction_status must be one of A, B", Some("transaction_status")),
            ("PAYONE speaks an assumed protocol (payone-assumed-v0) that is not accepted in production", None),
            ("", None),
        ] {
            assert_eq!(FieldProblem::of(sentence).map(|problem| problem.field).as_deref(), field, "{sentence}");
        }
    }

    #[test]
    fn a_slip_is_told_from_another_word() {
        let known =
            ["FORUMPAY", "GIGADAT", "WORLDPAY_EU", "TRUST", "CLEO", "PAYONE", "NEOSURF", "FLEXEPIN", "BRITE", "EMERCHANTPAY"];
        for (word, meant) in [
            ("WORLDPAY", Some("WORLDPAY_EU")),
            ("worldpay-eu", Some("WORLDPAY_EU")),
            ("Payone", Some("PAYONE")),
            ("FLEXPIN", Some("FLEXEPIN")),
            ("PAY_ONE", Some("PAYONE")),
            ("TRUSTPAYMENTS", Some("TRUST")),
            ("", None),
            ("STRIPE", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, &known), meant, "{word}");
        }
    }
}
