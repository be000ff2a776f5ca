//! What a provider keeps for a payment, read from the store as an operator with the master key could. The only place that knows
//! where it stands.

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::path::Path;
use store::vault::MasterKey;

const SEALED: &str = "SELECT a.company_id, c.data_key, a.sealed FROM attempts a JOIN companies c ON c.id = a.company_id WHERE a.transaction_id = ?1 AND a.n = 1";

/// The memo of a transaction's first attempt in an embedded store, as JSON text.
pub(crate) fn of(data: &Path, transaction: &str) -> Result<String> {
    let key = std::fs::read_to_string(data.join("master.key")).context("the master key")?;
    let key = MasterKey::from_text(key.trim())?;
    let db = Connection::open_with_flags(data.join("mozarto.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    let (company, wrapped, sealed): (String, Vec<u8>, Vec<u8>) =
        db.query_row(SEALED, [transaction], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).context("the transaction")?;
    let data_key = key.unwrap(&company, &wrapped)?;
    let opened = data_key.open(&["attempts", transaction, "1", "sealed"], &sealed)?;
    let document: Value = serde_json::from_slice(&opened)?;
    Ok(document["memo"].to_string())
}
