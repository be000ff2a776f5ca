//! The store: where everything that was answered is kept.
//!
//! * [`driver`] - the generic layer: batches with guards, queries, migrations, for SQLite and PostgreSQL;
//! * [`vault`] - encryption at rest: the master key and each company's data key.

pub mod driver;
pub mod migrate;
pub mod repository;
pub mod vault;

pub use driver::{Batch, CommitError, Dialect, Driver, Expect, QueryError, Row, RowError, Statement, StoreError, Value};
