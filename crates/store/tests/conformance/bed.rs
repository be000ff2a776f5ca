//! A database of either engine with one table, which can be closed and opened again.

use std::sync::Arc;

use mozarto_store::driver::{Batch, CommitError, Dialect, Driver, PostgresDriver, SqliteDriver, Value};
use mozarto_store::params;

/// The table that most tests use, for each engine in its own words.
const TABLE: [(Dialect, &str); 2] = [
    (
        Dialect::Sqlite,
        "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE, amount INTEGER NOT NULL CHECK (amount >= 0), \
         note TEXT, body BLOB, parent INTEGER REFERENCES items (id), version INTEGER NOT NULL DEFAULT 0) STRICT",
    ),
    (
        Dialect::Postgres,
        "CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT UNIQUE, amount BIGINT NOT NULL CHECK (amount >= 0), \
         note TEXT, body BYTEA, parent BIGINT REFERENCES items (id), version BIGINT NOT NULL DEFAULT 0)",
    ),
];

pub(crate) const INSERT: &str = "INSERT INTO items (id, name, amount) VALUES (?1, ?2, ?3)";

enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(testkit::postgres::TestDatabase),
}

pub(crate) struct Bed {
    pub(crate) driver: Arc<dyn Driver>,
    place: Place,
}

impl Bed {
    pub(crate) async fn empty(dialect: Dialect) -> Bed {
        let place = match dialect {
            Dialect::Sqlite => Place::Sqlite(tempfile::tempdir().unwrap()),
            Dialect::Postgres => Place::Postgres(testkit::postgres::database().await),
        };
        Bed { driver: open(&place).await, place }
    }

    pub(crate) async fn new(dialect: Dialect) -> Bed {
        let bed = Bed::empty(dialect).await;
        let (_, create) = TABLE.into_iter().find(|(d, _)| *d == dialect).unwrap();
        bed.commit(|batch| batch.run(create, params![])).await.unwrap();
        bed
    }

    /// A further driver on the same database, as a second node would have.
    pub(crate) async fn another_driver(&self) -> Arc<dyn Driver> {
        open(&self.place).await
    }

    /// Closes the driver and opens another one on what is on disk.
    pub(crate) async fn reopen(&mut self) {
        self.driver.close().await;
        self.driver = open(&self.place).await;
    }

    pub(crate) async fn commit(
        &self,
        fill: impl FnOnce(&mut Batch) -> &mut Batch,
    ) -> Result<Vec<Vec<mozarto_store::Row>>, CommitError> {
        let mut batch = Batch::new();
        fill(&mut batch);
        self.driver.commit(batch).await
    }

    pub(crate) async fn insert(&self, id: i64, name: &str, amount: i64) {
        self.commit(|batch| batch.run(INSERT, params![id, name, amount])).await.unwrap();
    }

    pub(crate) async fn int(&self, sql: &'static str, params: Vec<Value>) -> i64 {
        self.driver.query(sql, params).await.unwrap()[0].int(0).unwrap()
    }

    pub(crate) async fn count(&self) -> i64 {
        self.int("SELECT COUNT(*) FROM items", params![]).await
    }
}

async fn open(place: &Place) -> Arc<dyn Driver> {
    match place {
        Place::Sqlite(directory) => Arc::new(SqliteDriver::open(&directory.path().join("test.db")).unwrap()),
        Place::Postgres(database) => Arc::new(PostgresDriver::connect(&database.url).await.unwrap()),
    }
}
