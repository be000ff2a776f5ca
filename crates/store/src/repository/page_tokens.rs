//! The tokens of our own pages in a payer's way: which transaction a browser's address belongs to. Only hashes are kept.

use super::read::parse;
use crate::{Batch, Driver, QueryError};
use domain::{CompanyId, TransactionId};

const INSERT: &str = "INSERT INTO page_tokens (token_hash, company_id, transaction_id, page) VALUES (?1, ?2, ?3, ?4)";
const FIND: &str = "SELECT company_id, transaction_id FROM page_tokens WHERE token_hash = ?1 AND page = ?2";

/// The pages that a token can open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// `/pay/{token}`.
    Pay,
    /// `/3ds/{token}`.
    Challenge,
    /// `/return/{provider}/{token}/{word}`.
    Back,
    /// `/callbacks/{provider}/{token}/threeds`.
    DeviceCheck,
    /// `/callbacks/{provider}/{token}`, told to the provider by a form that the browser posts.
    Notify,
}

impl Page {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pay => "pay",
            Self::Challenge => "challenge",
            Self::Back => "back",
            Self::DeviceCheck => "device_check",
            Self::Notify => "notify",
        }
    }
}

/// Adds a token. `token_hash`: its SHA-256.
pub fn insert(batch: &mut Batch, token_hash: [u8; 32], company: CompanyId, id: TransactionId, page: Page) {
    let values = vec![token_hash.to_vec().into(), company.to_string().into(), id.to_string().into(), page.as_str().into()];
    batch.run(INSERT, values);
}

/// Whose page that is.
///
/// # Errors
/// [`QueryError`].
pub async fn find(db: &dyn Driver, token_hash: [u8; 32], page: Page) -> Result<Option<(CompanyId, TransactionId)>, QueryError> {
    let rows = db.query(FIND, vec![token_hash.to_vec().into(), page.as_str().into()]).await?;
    rows.first().map(|row| Ok((parse(row, 0)?, parse(row, 1)?))).transpose()
}
