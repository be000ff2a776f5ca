//! What a store says, in terms that outlive its schema: read before and after the migration, and compared. The only place that
//! knows where it stands on either side.

use super::made::{Company, Table};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A store, beside the process that works on it.
pub(crate) enum Store {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

/// A row: each column as a text, bytes as `\x` and digits.
type Row = Vec<Option<String>>;

impl Store {
    pub(crate) async fn open(data: &Path, database: Option<&str>) -> Result<Self> {
        let Some(url) = database else {
            let db = rusqlite::Connection::open(data.join("mozarto.db"))?;
            db.busy_timeout(Duration::from_secs(20))?;
            return Ok(Self::Sqlite(db));
        };
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(Self::Postgres(client))
    }

    /// Rows of these columns.
    pub(crate) async fn rows(&self, columns: &[&str], from: &str) -> Result<Vec<Row>> {
        let what = || format!("reading {}: {from}", columns.join(", "));
        match self {
            Self::Sqlite(db) => {
                let mut select = db.prepare(&format!("SELECT {} FROM {from}", columns.join(", "))).with_context(what)?;
                let rows = select.query_map([], |row| (0..columns.len()).map(|n| Ok(text(row.get_ref(n)?))).collect())?;
                rows.collect::<rusqlite::Result<_>>().with_context(what)
            }
            Self::Postgres(client) => {
                let texts: Vec<String> = columns.iter().map(|column| format!("({column})::text")).collect();
                let rows = client.query(&format!("SELECT {} FROM {from}", texts.join(", ")), &[]).await.with_context(what)?;
                Ok(rows.iter().map(|row| (0..columns.len()).map(|n| row.get(n)).collect()).collect())
            }
        }
    }

    /// The one number of a statement.
    pub(crate) async fn count(&self, from: &str) -> Result<i64> {
        let rows = self.rows(&["COUNT(*)"], from).await?;
        rows.first().and_then(|row| row.first()?.as_ref()?.parse().ok()).with_context(|| format!("no number of {from}"))
    }

    async fn has_table(&self, name: &str) -> Result<bool> {
        let of = match self {
            Self::Sqlite(_) => format!("sqlite_schema WHERE type = 'table' AND name = '{name}'"),
            Self::Postgres(_) => format!("pg_tables WHERE schemaname = 'public' AND tablename = '{name}'"),
        };
        Ok(self.count(&of).await? == 1)
    }
}

fn text(value: rusqlite::types::ValueRef<'_>) -> Option<String> {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(int) => Some(int.to_string()),
        ValueRef::Real(real) => Some(real.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Some(format!("\\x{}", hex::encode(bytes))),
    }
}

/// The tables with the configuration, and their keys.
const CONFIGURATION: [(&str, &[&str]); 8] = [
    ("instance", &["name", "value"]),
    ("companies", &["id", "name", "data_key", "config_version"]),
    ("users", &["company_id", "id", "email", "password_hash", "role"]),
    ("credentials", &["company_id", "id", "kind", "scopes", "secret", "token_digest", "generation", "expires_at", "made_by"]),
    ("brands", &["company_id", "id", "name", "active"]),
    ("payment_methods", &["company_id", "id", "psp_type", "enabled", "config", "secrets", "callback_token_hash", "version"]),
    ("rules", &["company_id", "id", "name", "priority", "active", "matching", "action", "version"]),
    ("audit", &["company_id", "id", "at", "actor", "action", "object", "before", "after", "origin"]),
];
/// Kept elsewhere on either side.
const MOVED: [&str; 2] = ["sealed", "callback_token_hash"];
/// The next action of each payment: where it was, and where it is. Both in the order kind, due, tries, beginning, detail, owner,
/// provider.
const NEXT_BEFORE: (&str, [&str; 8]) =
    ("jobs", ["transaction_id", "kind", "due_at", "attempt", "first_at", "detail", "owner", "psp_type"]);
const NEXT_AFTER: (&str, [&str; 8]) = (
    "attempts WHERE next_kind IS NOT NULL",
    ["transaction_id", "next_kind", "next_at", "next_tries", "next_first_at", "next_detail", "next_owner", "psp_type"],
);
/// The callback tokens.
const TOKEN_BEFORE: &str = "transactions WHERE callback_token_hash IS NOT NULL";
const TOKEN_AFTER: &str = "attempts WHERE callback_token_hash IS NOT NULL";
/// Each payment has exactly its first attempt, which is the live one and says what the payment says.
const FIRST_ATTEMPT: &str = "transactions t JOIN attempts a ON a.company_id = t.company_id AND a.transaction_id = t.id \
    WHERE a.n = 1 AND t.live = 1 AND a.kind = 'pay' AND a.reference IS NULL AND a.sealed IS NULL AND a.method_id = t.method_id \
    AND a.psp_type = t.psp_type AND a.psp_transaction_id IS NOT DISTINCT FROM t.psp_transaction_id AND a.started_at = t.created_at \
    AND (CASE WHEN t.status IN ('Created', 'Pending', 'OnHold') THEN a.outcome IS NULL AND a.code IS NULL AND a.ended_at IS NULL \
         ELSE a.outcome = t.status AND a.code = t.psp_status AND a.ended_at = t.updated_at END)";
/// Whatever belongs to an attempt belongs to the first.
const OF_ANOTHER: [&str; 3] = ["page_tokens WHERE n <> 1", "single_use WHERE n <> 1", "callbacks WHERE of_attempt <> 1"];

/// What a store says: of each table, and of what is spread over tables, each row by its key.
#[derive(Debug, Default)]
pub(crate) struct Kept(BTreeMap<String, BTreeMap<String, String>>);

/// Longer ones are kept by their digest.
const LONG_BYTES: usize = 400;

fn content(cells: &[Option<String>]) -> String {
    let text = key(cells);
    if text.len() <= LONG_BYTES {
        return text;
    }
    format!("{}... {}", text.chars().take(LONG_BYTES / 8).collect::<String>(), hex::encode(digest(&SHA256, text.as_bytes())))
}

fn key(cells: &[Option<String>]) -> String {
    cells.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join(" ")
}

impl Kept {
    /// Everything, opened with the company's key.
    pub(crate) async fn of(store: &Store, company: &Company) -> Result<Self> {
        let mut kept = Self::default();
        let migrated = store.has_table("attempts").await?;
        for table in Table::ALL.into_iter().filter(|table| *table != Table::Jobs) {
            let keys = table.keys();
            let others: Vec<&str> = table.others().into_iter().filter(|column| !MOVED.contains(column)).collect();
            let count = keys.len();
            kept.add(table.name(), count, store.rows(&[keys, others].concat(), table.name()).await?);
        }
        for (name, columns) in CONFIGURATION {
            kept.add(name, columns.len().min(2), store.rows(columns, name).await?);
        }
        let (from, columns) = if migrated { NEXT_AFTER } else { NEXT_BEFORE };
        kept.add("next actions", 1, store.rows(&columns, from).await?);
        let id = if migrated { "transaction_id" } else { "id" };
        let from = if migrated { TOKEN_AFTER } else { TOKEN_BEFORE };
        kept.add("callback tokens", 1, store.rows(&["callback_token_hash", id], from).await?);
        kept.add("what is sealed of a payment", 1, opened(store, company, "transactions", "sealed").await?);
        kept.add("what is sealed of a callback", 1, opened(store, company, "callbacks", "raw").await?);
        Ok(kept)
    }

    fn add(&mut self, name: &str, keys: usize, rows: Vec<Row>) {
        let rows = rows.into_iter().map(|row| (key(&row[..keys]), content(&row[keys..])));
        self.0.insert(name.to_owned(), rows.collect());
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// The rows of one part.
    pub(crate) fn part(&self, name: &str) -> &BTreeMap<String, String> {
        &self.0[name]
    }

    /// Whether the other says the same.
    pub(crate) fn is_kept_in(&self, after: &Self) -> Result<()> {
        for (name, before) in &self.0 {
            let after = after.0.get(name).with_context(|| format!("no {name}"))?;
            let lost: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).take(5).collect();
            ensure!(lost.is_empty(), "{name}: {} of {} are there; lost are {lost:?}", after.len(), before.len());
            ensure!(after.len() == before.len(), "{name}: {} instead of {}", after.len(), before.len());
            if let Some((key, said)) = before.iter().find(|(key, said)| after[*key] != **said) {
                anyhow::bail!("{name}: {key} said {said} and says {}", after[key]);
            }
        }
        Ok(())
    }
}

/// Id and content of each sealed value.
async fn opened(store: &Store, company: &Company, table: &str, column: &str) -> Result<Vec<Row>> {
    let mut rows = store.rows(&["id", column], table).await?;
    for row in &mut rows {
        let id = row[0].clone().context("an id")?;
        let digits =
            row[1].as_deref().and_then(|text| text.strip_prefix("\\x")).with_context(|| format!("{id} has nothing sealed"))?;
        let plain = company.key.open(&[table, &id, column], &hex::decode(digits)?).with_context(|| format!("{table} {id}"))?;
        row[1] = Some(String::from_utf8_lossy(&plain).into_owned());
    }
    Ok(rows)
}

/// How many rows of each kind there are.
pub(crate) async fn counts(store: &Store) -> Result<Vec<(&'static str, i64)>> {
    let migrated = store.has_table("attempts").await?;
    let mut counts = Vec::new();
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Jobs) {
        counts.push((table.name(), store.count(table.name()).await?));
    }
    counts.push(("next actions", store.count(if migrated { NEXT_AFTER.0 } else { NEXT_BEFORE.0 }).await?));
    counts.push(("callback tokens", store.count(if migrated { TOKEN_AFTER } else { TOKEN_BEFORE }).await?));
    Ok(counts)
}

/// What only a migrated store has: one attempt of each payment. Answers whether it is a migrated one.
pub(crate) async fn has_first_attempts(store: &Store) -> Result<bool> {
    if !store.has_table("attempts").await? {
        return Ok(false);
    }
    ensure!(!store.has_table("jobs").await?, "the jobs are still there beside the attempts");
    let payments = store.count("transactions").await?;
    ensure!(store.count("attempts").await? == payments, "there are not as many attempts as payments");
    let first = store.count(FIRST_ATTEMPT).await?;
    ensure!(first == payments, "{first} of {payments} payments have an attempt that says what they say");
    for other in OF_ANOTHER {
        ensure!(store.count(other).await? == 0, "{other}");
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(rows: &[(&str, Option<&str>)]) -> Kept {
        let mut kept = Kept::default();
        kept.add(
            "next actions",
            1,
            rows.iter().map(|(id, said)| vec![Some((*id).to_owned()), said.map(str::to_owned)]).collect(),
        );
        kept
    }

    #[test]
    fn what_is_lost_added_or_changed_is_found() {
        let long = "0".repeat(LONG_BYTES) + "1";
        let before = kept(&[("a", Some("1")), ("b", None), ("c", Some(&long))]);
        before.is_kept_in(&kept(&[("c", Some(&long)), ("b", None), ("a", Some("1"))])).unwrap();
        let changed = long.replace('1', "2");
        for (after, says) in [
            (vec![("a", Some("1")), ("c", Some(&*long))], "lost are [\"b\"]"),
            (vec![("a", Some("1")), ("b", None), ("c", Some(&long)), ("d", None)], "4 instead of 3"),
            (vec![("a", Some("2")), ("b", None), ("c", Some(&long))], "a said 1 and says 2"),
            (vec![("a", Some("1")), ("b", Some("")), ("c", Some(&long))], "b said NULL and says "),
            (vec![("a", Some("1")), ("b", None), ("c", Some(&changed))], "c said 000"),
        ] {
            let refused = before.is_kept_in(&kept(&after)).unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
    }
}
