//! Everything that a store holds, as texts: schema and rows.

use anyhow::{Context, Result};
use rusqlite::types::ValueRef;
use std::collections::BTreeMap;
use std::path::Path;

/// Of each table, and of the schema, every row as a text, in an order that does not depend on where it lies.
pub(super) type Dump = BTreeMap<String, Vec<String>>;

/// The files of a data directory that are the embedded database.
const DATABASE: [&str; 3] = ["mozarto.db", "mozarto.db-wal", "mozarto.db-shm"];
/// What PostgreSQL's schema is, in what of it a migration could change.
const SCHEMA: &str = "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || COALESCE(column_default, '') \
                      FROM information_schema.columns WHERE table_schema = 'public' \
                      UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
                      UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
                      WHERE connamespace = 'public'::regnamespace \
                      UNION ALL SELECT proname || ' ' || prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1";
const TABLES: &str = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";

/// The embedded store of a directory. A copy is read: reading alone may bring a log back into its file.
pub(super) fn sqlite(data: &Path) -> Result<Dump> {
    let copy = tempfile::tempdir()?;
    for name in DATABASE {
        if data.join(name).exists() {
            std::fs::copy(data.join(name), copy.path().join(name)).with_context(|| format!("copying {name}"))?;
        }
    }
    let db = rusqlite::Connection::open(copy.path().join("mozarto.db"))?;
    let texts = |sql: &str| -> Result<Vec<String>> {
        let mut statement = db.prepare(sql)?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
    };
    let mut dump = Dump::new();
    dump.insert("the schema".to_owned(), texts("SELECT COALESCE(sql, name) FROM sqlite_schema ORDER BY type, name")?);
    for table in texts("SELECT name FROM sqlite_schema WHERE type = 'table'")? {
        let mut statement = db.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = statement.column_count();
        let mut rows: Vec<String> = statement
            .query_map([], |row| {
                let values: rusqlite::Result<Vec<String>> = (0..columns).map(|n| Ok(text(row.get_ref(n)?))).collect();
                Ok(values?.join(" | "))
            })?
            .collect::<rusqlite::Result<_>>()?;
        rows.sort();
        dump.insert(table, rows);
    }
    Ok(dump)
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(int) => int.to_string(),
        ValueRef::Real(real) => real.to_string(),
        ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => hex::encode(bytes),
    }
}

/// A database of a server.
pub(super) async fn postgres(url: &str) -> Result<Dump> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let served = tokio::spawn(connection);
    let texts = async |sql: &str| -> Result<Vec<String>> {
        let rows = client.query(sql, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    };
    let mut dump = Dump::new();
    dump.insert("the schema".to_owned(), texts(SCHEMA).await?);
    for table in texts(TABLES).await? {
        let rows = texts(&format!("SELECT t::text FROM \"{table}\" t ORDER BY 1")).await?;
        dump.insert(table, rows);
    }
    drop(client);
    served.await??;
    Ok(dump)
}

/// The other files of a data directory, by name.
pub(super) fn files(data: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && !DATABASE.contains(&&*name) {
            files.insert(name, std::fs::read(entry.path())?);
        }
    }
    Ok(files)
}
