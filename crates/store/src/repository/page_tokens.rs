//! The tokens of our own pages in a payer's way: which attempt of a transaction a browser's address belongs to. Only hashes
//! are kept.

use super::read::parse;
use crate::{Batch, Driver, QueryError};
use domain::{CompanyId, TransactionId};

const INSERT: &str = "INSERT INTO page_tokens (token_hash, company_id, transaction_id, page, n) VALUES (?1, ?2, ?3, ?4, ?5)";
const FIND: &str = "SELECT company_id, transaction_id, n FROM page_tokens WHERE token_hash = ?1 AND page = ?2";

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

/// Adds a token of an attempt. `token_hash`: its SHA-256.
pub fn insert(batch: &mut Batch, token_hash: [u8; 32], company: CompanyId, id: TransactionId, n: i64, page: Page) {
    let values =
        vec![token_hash.to_vec().into(), company.to_string().into(), id.to_string().into(), page.as_str().into(), n.into()];
    batch.run(INSERT, values);
}

/// Whose page that is: the transaction, and the number of its attempt.
///
/// # Errors
/// [`QueryError`].
pub async fn find(
    db: &dyn Driver,
    token_hash: [u8; 32],
    page: Page,
) -> Result<Option<(CompanyId, TransactionId, i64)>, QueryError> {
    let rows = db.query(FIND, vec![token_hash.to_vec().into(), page.as_str().into()]).await?;
    rows.first().map(|row| Ok((parse(row, 0)?, parse(row, 1)?, row.int(2)?))).transpose()
}
