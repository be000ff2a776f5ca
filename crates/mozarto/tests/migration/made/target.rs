//! A store with the schema of migrations 1 to 9, written by plain SQL: by no repository of this program.

use super::tables::Table;
use anyhow::{Context, Result};
use futures::SinkExt as _;
use rusqlite::types::ToSqlOutput;
use std::fmt::Write as _;
use std::path::Path;
use store::{Dialect, Value};

/// The last migration of the revision before.
const LAST: i64 = 9;
const REMEMBERS: [&str; 2] = [
    "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)",
];
/// Rows that go to PostgreSQL in one piece of text.
const PIECE_BYTES: usize = 256 * 1_024;

/// Where it is.
pub(crate) enum Target {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

struct Bound<'a>(&'a Value);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        use rusqlite::types::ValueRef;
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(int) => ValueRef::Integer(*int),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Target {
    /// A new embedded database in that file.
    pub(crate) fn sqlite(file: &Path) -> Result<Self> {
        let db = rusqlite::Connection::open(file)?;
        // It is made anew where this fails: nothing depends on it yet.
        db.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")?;
        db.execute_batch(&schema(Dialect::Sqlite)?)?;
        Ok(Self::Sqlite(db))
    }

    /// An empty database of a server.
    pub(crate) async fn postgres(url: &str) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(&schema(Dialect::Postgres)?).await?;
        Ok(Self::Postgres(client))
    }

    /// Writes rows of a table.
    pub(crate) async fn write(&mut self, table: &str, columns: &[&str], rows: &[Vec<Value>]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let names = columns.join(", ");
        match self {
            Self::Sqlite(db) => {
                let transaction = db.transaction()?;
                let places: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
                let mut insert = transaction.prepare(&format!("INSERT INTO {table} ({names}) VALUES ({})", places.join(", ")))?;
                for row in rows {
                    insert.execute(rusqlite::params_from_iter(row.iter().map(Bound))).with_context(|| table.to_owned())?;
                }
                drop(insert);
                transaction.commit()?;
            }
            Self::Postgres(client) => {
                let sink = client.copy_in::<_, axum::body::Bytes>(&format!("COPY {table} ({names}) FROM STDIN")).await?;
                let mut sink = std::pin::pin!(sink);
                let mut text = String::with_capacity(PIECE_BYTES + 4_096);
                for row in rows {
                    line(&mut text, row);
                    if text.len() >= PIECE_BYTES {
                        sink.send(std::mem::take(&mut text).into()).await.with_context(|| table.to_owned())?;
                    }
                }
                sink.send(text.into()).await.with_context(|| table.to_owned())?;
                sink.finish().await.with_context(|| table.to_owned())?;
            }
        }
        Ok(())
    }

    /// [`write`](Self::write) of one of [`Table::ALL`].
    pub(crate) async fn fill(&mut self, table: Table, rows: &[Vec<Value>]) -> Result<()> {
        self.write(table.name(), &table.columns(), rows).await
    }

    /// As a store is that was in use: its log written back, what the planner knows up to date.
    pub(crate) async fn close(self) -> Result<()> {
        match self {
            Self::Sqlite(db) => {
                db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_checkpoint(TRUNCATE)")?;
                db.close().map_err(|(_, error)| error)?;
            }
            Self::Postgres(client) => client.batch_execute("ANALYZE").await?,
        }
        Ok(())
    }
}

/// The statements that make the schema, and say so as the program does.
fn schema(dialect: Dialect) -> Result<String> {
    let mut sql = REMEMBERS[usize::from(dialect == Dialect::Postgres)].to_owned() + ";\n";
    for migration in store::migrate::migrations(dialect).iter().filter(|migration| migration.version <= LAST) {
        sql.push_str(migration.sql);
        let (version, name, checksum) = (migration.version, migration.name, migration.checksum());
        writeln!(sql, ";\nINSERT INTO schema_migrations VALUES ({version}, '{name}', '{checksum}', 1700000000000);")?;
    }
    Ok(format!("BEGIN;\n{sql}\nCOMMIT;"))
}

/// A row in the text form of `COPY`.
fn line(text: &mut String, row: &[Value]) {
    for (n, value) in row.iter().enumerate() {
        if n > 0 {
            text.push('\t');
        }
        match value {
            Value::Null => text.push_str("\\N"),
            Value::Int(int) => {
                let _ = write!(text, "{int}");
            }
            Value::Text(value) => {
                for c in value.chars() {
                    match c {
                        '\\' => text.push_str("\\\\"),
                        '\t' => text.push_str("\\t"),
                        '\n' => text.push_str("\\n"),
                        '\r' => text.push_str("\\r"),
                        c => text.push(c),
                    }
                }
            }
            Value::Bytes(bytes) => {
                text.push_str("\\\\x");
                text.push_str(&hex::encode(bytes));
            }
        }
    }
    text.push('\n');
}
