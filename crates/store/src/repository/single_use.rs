//! Secrets that may be in flight once: a voucher's PIN at an account, by keyed digest.

use crate::Batch;
use domain::{CompanyId, MethodId, TransactionId};

/// The label of the insertion that fails while another unsettled transaction has the secret.
pub const IN_FLIGHT: &str = "single use";

const INSERT: &str = "INSERT INTO single_use (company_id, method_id, digest, transaction_id, n) VALUES (?1, ?2, ?3, ?4, ?5)";
const DELETE: &str = "DELETE FROM single_use INDEXED BY single_use_by_transaction WHERE company_id /*pg || '' */= ?1 AND transaction_id = ?2 AND n + 0 = ?3";

/// Takes the secret for an attempt; fails the batch with [`IN_FLIGHT`] while another has it.
pub fn take(batch: &mut Batch, company: CompanyId, method: MethodId, digest: [u8; 32], transaction: TransactionId, n: i64) {
    let values = vec![
        company.to_string().into(),
        method.to_string().into(),
        digest.to_vec().into(),
        transaction.to_string().into(),
        n.into(),
    ];
    batch.insert(IN_FLIGHT, INSERT, values);
}

/// Gives the secrets of a settled attempt back.
pub fn give_back(batch: &mut Batch, company: CompanyId, transaction: TransactionId, n: i64) {
    batch.run(DELETE, vec![company.to_string().into(), transaction.to_string().into(), n.into()]);
}
