//! Both stores, as a test reads and fills them: by SQL, beside or instead of the process.

use anyhow::Result;
use std::path::Path;
use std::time::Duration;

/// A connection to either.
pub(crate) enum Store {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

impl Store {
    /// The server's database, or the embedded one of that directory.
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

    /// Statements that answer nothing.
    pub(crate) async fn run(&self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(db) => Ok(db.execute_batch(sql)?),
            Self::Postgres(client) => Ok(client.batch_execute(sql).await?),
        }
    }

    /// Rows of so many texts each.
    pub(crate) async fn texts(&self, sql: &str, columns: usize) -> Result<Vec<Vec<String>>> {
        match self {
            Self::Sqlite(db) => {
                let mut statement = db.prepare(sql)?;
                let rows = statement.query_map([], |row| (0..columns).map(|n| row.get(n)).collect())?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            }
            Self::Postgres(client) => {
                let rows = client.query(sql, &[]).await?;
                Ok(rows.iter().map(|row| (0..columns).map(|n| row.get(n)).collect()).collect())
            }
        }
    }

    /// The one number that a statement yields.
    pub(crate) async fn count(&self, sql: &str) -> Result<i64> {
        match self {
            Self::Sqlite(db) => Ok(db.query_row(sql, [], |row| row.get(0))?),
            Self::Postgres(client) => Ok(client.query_one(sql, &[]).await?.get(0)),
        }
    }

    /// A number as twelve digits, as in our ids.
    pub(crate) fn hex(&self, value: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("printf('%012x', {value})"),
            Self::Postgres(_) => format!("lpad(to_hex(({value})::bigint), 12, '0')"),
        }
    }

    /// A table of `n` from 1 to that.
    pub(crate) fn series(&self, rows: i64) -> String {
        match self {
            Self::Sqlite(_) => {
                format!("(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) SELECT n FROM s)")
            }
            Self::Postgres(_) => format!("generate_series(1, {rows}::bigint) n"),
        }
    }

    /// So many times that byte.
    pub(crate) fn bytes(&self, byte: u8, times: usize) -> String {
        let digits = format!("{byte:02x}").repeat(times);
        match self {
            Self::Sqlite(_) => format!("X'{digits}'"),
            Self::Postgres(_) => format!("'\\x{digits}'::bytea"),
        }
    }
}
