//! The company that everything is of: made by a sandbox of this program, taken over column by column as the earlier schema
//! had it.

use super::target::Target;
use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::path::Path;
use store::vault::{DataKey, MasterKey};
use store::{Dialect, Value};

/// What an operator and the owner have set, in an order in which nothing is missing that is referred to.
const CONFIGURATION: [&str; 8] = ["instance", "companies", "users", "credentials", "brands", "payment_methods", "rules", "audit"];

/// What rows are made with.
pub(crate) struct Company {
    pub(crate) id: String,
    pub(crate) key: DataKey,
    /// The credential that makes transactions.
    pub(crate) maker: String,
    /// The one that decides.
    pub(crate) checker: String,
    /// The platform's address, in which pages of ours were told.
    pub(crate) base: String,
    /// By `pspType`: the account, and the rule that chooses it.
    accounts: BTreeMap<String, (String, String)>,
}

impl Company {
    /// Of a sandbox's directory; nobody works on it.
    pub(crate) fn of(fresh: &Path) -> Result<Self> {
        let db = open(fresh)?;
        let text = |sql: &str, given: &str| -> Result<String> { Ok(db.query_row(sql, [given], |row| row.get(0))?) };
        let line: serde_json::Value = serde_json::from_slice(&std::fs::read(fresh.join("sandbox.json"))?)?;
        let id = line["companyId"].as_str().context("companyId")?.to_owned();
        let master = MasterKey::from_text(std::fs::read_to_string(fresh.join("master.key"))?.trim())?;
        let wrapped: Vec<u8> = db.query_row("SELECT data_key FROM companies WHERE id = ?1", [&id], |row| row.get(0))?;
        let mut accounts = BTreeMap::new();
        let mut methods = db.prepare("SELECT psp_type, id FROM payment_methods WHERE company_id = ?1 ORDER BY id DESC")?;
        for method in methods.query_map([&id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))? {
            let (psp_type, method) = method?;
            let rule = text("SELECT id FROM rules WHERE matching LIKE '%\"' || ?1 || '\"%' ORDER BY id LIMIT 1", &psp_type)?;
            accounts.insert(psp_type, (method, rule));
        }
        let of_kind = |kind| text("SELECT id FROM credentials WHERE kind = ?1 ORDER BY id LIMIT 1", kind);
        Ok(Self {
            key: master.unwrap(&id, &wrapped)?,
            maker: of_kind("company")?,
            checker: of_kind("management")?,
            base: line["baseUrl"].as_str().context("baseUrl")?.to_owned(),
            id,
            accounts,
        })
    }

    /// The account of a provider, and the rule that chooses it.
    pub(crate) fn account(&self, psp_type: &str) -> Result<(&str, &str)> {
        self.accounts.get(psp_type).map(|(method, rule)| (&**method, &**rule)).with_context(|| format!("no {psp_type}"))
    }
}

fn open(fresh: &Path) -> Result<Connection> {
    Ok(Connection::open_with_flags(fresh.join("mozarto.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// Copies the configuration, of each table the columns that it had.
pub(crate) async fn copy(fresh: &Path, target: &mut Target) -> Result<()> {
    let before = Connection::open_in_memory()?;
    for migration in store::migrate::migrations(Dialect::Sqlite).iter().filter(|migration| migration.version <= 9) {
        before.execute_batch(migration.sql)?;
    }
    for table in CONFIGURATION {
        let (names, rows) = read(&before, fresh, table)?;
        let columns: Vec<&str> = names.iter().map(String::as_str).collect();
        target.write(table, &columns, &rows).await?;
    }
    Ok(())
}

fn read(before: &Connection, fresh: &Path, table: &str) -> Result<(Vec<String>, Vec<Vec<Value>>)> {
    let mut columns = before.prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
    let names: Vec<String> = columns.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let db = open(fresh)?;
    let mut select = db.prepare(&format!("SELECT {} FROM {table}", names.join(", ")))?;
    let rows = select.query_map([], |row| (0..names.len()).map(|n| Ok(value(row.get_ref(n)?))).collect())?;
    let rows = rows.collect::<rusqlite::Result<_>>().with_context(|| table.to_owned())?;
    Ok((names, rows))
}

fn value(value: rusqlite::types::ValueRef<'_>) -> Value {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(int) => Value::Int(int),
        ValueRef::Real(real) => Value::Text(real.to_string()),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}
