//! Reading typed values out of rows.

use crate::{QueryError, Row};
use domain::{Currency, Json, Timestamp};
use std::str::FromStr;

fn corrupt(column: usize, what: &str) -> QueryError {
    QueryError::Corrupt(format!("column {column} is no {what}"))
}

/// A value kept as its text.
///
/// # Errors
/// [`QueryError::Corrupt`] when the text is not of that type.
pub fn parse<T: FromStr>(row: &Row, column: usize) -> Result<T, QueryError> {
    row.str(column)?.parse().map_err(|_| corrupt(column, std::any::type_name::<T>()))
}

/// Like [`parse`], for a column that may be NULL.
///
/// # Errors
/// As [`parse`].
pub fn opt_parse<T: FromStr>(row: &Row, column: usize) -> Result<Option<T>, QueryError> {
    row.opt_str(column)?.map(|text| text.parse().map_err(|_| corrupt(column, std::any::type_name::<T>()))).transpose()
}

/// A currency kept as its code.
///
/// # Errors
/// [`QueryError::Corrupt`] when it is none.
pub fn currency(row: &Row, column: usize) -> Result<Currency, QueryError> {
    Currency::from_code(row.str(column)?).ok_or_else(|| corrupt(column, "currency"))
}

/// A JSON document.
///
/// # Errors
/// [`QueryError::Corrupt`] when it is none.
pub fn json(row: &Row, column: usize) -> Result<Json, QueryError> {
    Json::parse(row.str(column)?.as_bytes()).map_err(|_| corrupt(column, "JSON"))
}

/// Rows of names and when something of each is due first.
///
/// # Errors
/// [`QueryError::Corrupt`] when they are of other types.
pub fn due(rows: &[Row]) -> Result<Vec<(String, Timestamp)>, QueryError> {
    let mut due = Vec::with_capacity(rows.len());
    for row in rows {
        // Between two looks of the same statement nothing changes; a row without a time cannot be.
        if let Some(at) = row.opt_int(1)? {
            due.push((row.text(0)?, Timestamp::from_millis(at)));
        }
    }
    Ok(due)
}
