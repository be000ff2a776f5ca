//! Between our values and errors and SQLite's.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, ffi, params_from_iter};

use crate::driver::{CommitError, MAX_QUERY_ROWS, QueryError, Row, Value};

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(int) => ValueRef::Integer(*int),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// What went wrong, before it is known who asked.
#[derive(Debug)]
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    /// A column that is neither integer, text, bytes nor NULL, or text that is not UTF-8.
    Column(usize),
    TooManyRows,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sqlite(error)
    }
}

/// The classes of errors of SQLite that make a difference to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Duplicate,
    Check,
    /// The disk or a lock: the same may succeed later.
    Unavailable,
    /// The connection can no longer be trusted: it is opened anew.
    Broken,
    Corrupt,
}

pub(super) fn class(error: &rusqlite::Error) -> Class {
    let Some(code) = error.sqlite_error() else {
        return Class::Corrupt;
    };
    match code.code {
        ErrorCode::ConstraintViolation => match code.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => Class::Duplicate,
            _ => Class::Check,
        },
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::OutOfMemory => Class::Broken,
        ErrorCode::DiskFull
        | ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::OperationAborted
        | ErrorCode::OperationInterrupted
        | ErrorCode::FileLockingProtocolFailed => Class::Unavailable,
        _ => Class::Corrupt,
    }
}

impl Failure {
    pub(super) fn class(&self) -> Class {
        match self {
            Failure::Sqlite(error) => class(error),
            Failure::Column(_) | Failure::TooManyRows => Class::Corrupt,
        }
    }

    pub(super) fn commit_error(&self, label: &'static str) -> CommitError {
        match self.class() {
            Class::Duplicate => CommitError::Duplicate(label),
            Class::Check => CommitError::Check(label),
            Class::Unavailable | Class::Broken => CommitError::Unavailable(self.to_string()),
            Class::Corrupt => CommitError::Corrupt(format!("{self}, in: {label}")),
        }
    }

    pub(super) fn query_error(&self, sql: &str) -> QueryError {
        match (self, self.class()) {
            (Failure::TooManyRows, _) => QueryError::TooManyRows(MAX_QUERY_ROWS),
            (_, Class::Unavailable | Class::Broken) => QueryError::Unavailable(self.to_string()),
            _ => QueryError::Corrupt(format!("{self}, in: {sql}")),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Messages of SQLite name tables, columns and SQL, never values.
            Failure::Sqlite(error) => write!(f, "SQLite: {error}"),
            Failure::Column(column) => {
                write!(f, "column {column} is no integer, UTF-8 text, bytes or NULL")
            }
            Failure::TooManyRows => write!(f, "more than {MAX_QUERY_ROWS} rows"),
        }
    }
}

/// Whether a text has a NUL character, which PostgreSQL cannot store; both engines refuse alike.
pub(crate) fn has_nul(params: &[Value]) -> bool {
    params.iter().any(|value| matches!(value, Value::Text(text) if text.contains('\0')))
}

/// Runs a statement that answers with rows and collects them.
pub(super) fn collect(statement: &mut CachedStatement<'_>, params: &[Value]) -> Result<Vec<Row>, Failure> {
    let columns = statement.column_count();
    let mut rows = statement.query(params_from_iter(params))?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        if out.len() == MAX_QUERY_ROWS {
            return Err(Failure::TooManyRows);
        }
        let mut values = Vec::with_capacity(columns);
        for column in 0..columns {
            values.push(match row.get_ref(column)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(int) => Value::Int(int),
                ValueRef::Text(text) => match std::str::from_utf8(text) {
                    Ok(text) => Value::Text(text.to_owned()),
                    Err(_) => return Err(Failure::Column(column)),
                },
                ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
                ValueRef::Real(_) => return Err(Failure::Column(column)),
            });
        }
        out.push(Row::new(values));
    }
    Ok(out)
}

/// Runs a statement whose rows nobody wants; returns how many rows it changed or, if it yields rows, yielded.
pub(super) fn count(statement: &mut CachedStatement<'_>, params: &[Value]) -> Result<u64, Failure> {
    if statement.column_count() == 0 {
        return Ok(statement.execute(params_from_iter(params))? as u64);
    }
    let mut rows = statement.query(params_from_iter(params))?;
    let mut found = 0;
    while rows.next()?.is_some() {
        found += 1;
    }
    Ok(found)
}

/// Runs a word of transaction control through the statement cache.
pub(super) fn control(connection: &Connection, sql: &'static str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}
