//! Whose a callback is: the attempt behind an address of its own, or the one that a callback to an account's address names.

use crate::core::Engine;
use crate::flow::EngineError;
use domain::{CompanyId, MethodId, TransactionId};
use providers::{Locate, Provider};
use store::repository::attempts::{self, StoredAttempt, Which};
use store::repository::page_tokens::{self, Page};

impl Engine {
    /// The attempt of a transaction that a token of its own belongs to: one that the provider was told in a call, or one that
    /// a browser brought it.
    pub(super) async fn behind_token(
        &self,
        provider: &'static dyn Provider,
        hash: [u8; 32],
    ) -> Result<Option<(CompanyId, TransactionId, i64)>, EngineError> {
        if let Some(found) = attempts::find_by_token(self.store(), hash).await? {
            return Ok(Some(found));
        }
        if !provider.descriptor().pages.pay {
            return Ok(None);
        }
        Ok(page_tokens::find(self.store(), hash, Page::Notify).await?)
    }

    /// The attempt that a callback to an account's address names: by our reference, else by the provider's id.
    pub(super) async fn located(
        &self,
        company: CompanyId,
        account: MethodId,
        locate: &Locate,
    ) -> Result<Option<StoredAttempt>, EngineError> {
        let store = self.store();
        if let Some(reference) = locate.reference {
            // That of a first attempt is its transaction's id.
            let first = attempts::find(store, company, reference, Which::Number(1)).await?;
            if first.is_some() {
                return Ok(first);
            }
            if let Some((id, n)) = attempts::find_by_reference(store, company, account, reference).await? {
                return Ok(attempts::find(store, company, id, Which::Number(n)).await?);
            }
        }
        let Some(psp_id) = &locate.psp_transaction_id else { return Ok(None) };
        let Some((id, n)) = attempts::find_by_psp_id(store, company, account, psp_id).await? else { return Ok(None) };
        Ok(attempts::find(store, company, id, Which::Number(n)).await?)
    }
}
