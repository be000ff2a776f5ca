//! Idempotency keys: found right after the company token, stored with the transaction (Cashier API, section 4 "Idempotency").

use super::EngineError;
use crate::answer::CashierAnswer;
use crate::core::Engine;
use crate::directory::CompanySnapshot;
use domain::TransactionId;
use store::repository::idempotency;
use store::vault::DataKey;

/// A key as a request brought it.
#[derive(Clone, Debug)]
pub struct IdempotencyTicket {
    /// Method and path.
    pub path: &'static str,
    /// 1 to 255 visible ASCII characters.
    pub key: String,
    /// Keyed digest of the raw body.
    pub fingerprint: [u8; 32],
}

/// What is known about a key.
#[derive(Debug)]
pub enum KnownKey {
    /// Nothing, or it has expired.
    New,
    /// The first request has been answered: the same bytes again.
    Answered(CashierAnswer),
    /// The first request is still running.
    Running,
    /// The first request had another body.
    OtherBody,
}

impl Engine {
    /// The ticket of a request.
    pub fn idempotency_ticket(
        &self,
        company: &CompanySnapshot,
        path: &'static str,
        key: &str,
        raw_body: &[u8],
    ) -> IdempotencyTicket {
        let fingerprint = company.data_key.digest("idempotency", raw_body);
        IdempotencyTicket { path, key: key.to_owned(), fingerprint }
    }

    /// What is known about the key.
    ///
    /// # Errors
    /// [`EngineError`] when the store does not answer or the stored answer cannot be opened.
    pub async fn known_key(&self, company: &CompanySnapshot, ticket: &IdempotencyTicket) -> Result<KnownKey, EngineError> {
        let stored = idempotency::find(self.store(), company.company.id, ticket.path, &ticket.key).await?;
        let Some(stored) = stored else { return Ok(KnownKey::New) };
        if stored.expires_at.is_some_and(|at| at <= self.clock().now()) {
            return Ok(KnownKey::New);
        }
        if stored.fingerprint != ticket.fingerprint {
            return Ok(KnownKey::OtherBody);
        }
        match stored.answer {
            None => Ok(KnownKey::Running),
            Some((status, sealed)) => {
                Ok(KnownKey::Answered(open_answer(&company.data_key, stored.transaction_id, status, &sealed)?))
            }
        }
    }
}

fn context(transaction: TransactionId) -> [String; 3] {
    ["idempotency".to_owned(), transaction.to_string(), "answer".to_owned()]
}

/// Bytes before the body of a stored answer; they once held `Retry-After`, which belongs to the first answer alone.
const HEAD: [u8; 4] = [0; 4];

/// Seals an answer: status and bytes are stored, headers are no part of it.
pub(super) fn seal_answer(key: &DataKey, transaction: TransactionId, answer: &CashierAnswer) -> Result<Vec<u8>, EngineError> {
    let mut plain = HEAD.to_vec();
    plain.extend_from_slice(&answer.body);
    let context = context(transaction);
    key.seal(&[&context[0], &context[1], &context[2]], &plain).map_err(|error| EngineError::Corrupt(error.to_string()))
}

fn open_answer(key: &DataKey, transaction: TransactionId, status: u16, sealed: &[u8]) -> Result<CashierAnswer, EngineError> {
    let context = context(transaction);
    let plain =
        key.open(&[&context[0], &context[1], &context[2]], sealed).map_err(|error| EngineError::Corrupt(error.to_string()))?;
    let body = plain.get(HEAD.len()..).ok_or_else(|| EngineError::Corrupt("a stored answer is cut".into()))?;
    Ok(CashierAnswer { status, body: body.to_vec(), retry_after_s: None, replayed: true })
}
