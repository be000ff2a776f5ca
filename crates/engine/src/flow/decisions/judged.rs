//! A decision that met another change is judged again: the transaction is read anew under its lock, and every check made on what
//! is there now. It is refused where it is no longer possible, with the sentence for that; not because somebody was faster.

use super::DecisionError;
use crate::anew::Meeting;
use crate::auth::Caller;
use crate::core::Engine;
use domain::{Transaction, TransactionStatus};

impl Meeting for DecisionError {
    fn met_another(&self) -> bool {
        matches!(self, Self::Engine(error) if error.met_another())
    }
}

impl Engine {
    /// Lets a pay-out on hold go: one commit, answered at once; the sending is a job.
    ///
    /// # Errors
    /// [`DecisionError`].
    pub async fn approve(&self, caller: &Caller, id: &str, reason: Option<String>) -> Result<Transaction, DecisionError> {
        self.judged(|| self.try_approve(caller, id, reason.as_deref())).await
    }

    /// Refuses a pay-out on hold: nothing is sent.
    ///
    /// # Errors
    /// [`DecisionError`].
    pub async fn reject(&self, caller: &Caller, id: &str, reason: String) -> Result<Transaction, DecisionError> {
        self.judged(|| self.try_reject(caller, id, &reason)).await
    }

    /// Orders that a pay-out whose release never took effect be released once more, where the provider has it.
    ///
    /// # Errors
    /// [`DecisionError`].
    pub async fn release(&self, caller: &Caller, id: &str, reason: Option<String>) -> Result<Transaction, DecisionError> {
        self.judged(|| self.try_release(caller, id, reason.as_deref())).await
    }

    /// Settles a transaction that no schedule could settle.
    ///
    /// # Errors
    /// [`DecisionError`].
    pub async fn resolve(
        &self,
        caller: &Caller,
        id: &str,
        to: TransactionStatus,
        reason: String,
    ) -> Result<Transaction, DecisionError> {
        self.judged(|| self.try_resolve(caller, id, to, &reason)).await
    }

    /// Asks the provider now.
    ///
    /// # Errors
    /// [`DecisionError`].
    pub async fn inquire_now(&self, caller: &Caller, id: &str) -> Result<Transaction, DecisionError> {
        self.judged(|| self.try_inquire_now(caller, id)).await
    }

    async fn judged<F: Future<Output = Result<Transaction, DecisionError>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<Transaction, DecisionError> {
        match self.anew(attempt).await {
            Err(error) if error.met_another() => Err(DecisionError::Overtaken),
            ended => ended,
        }
    }
}
