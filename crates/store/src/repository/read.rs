//! Reading typed values out of rows.

use crate::{QueryError, Row};
use domain::{Currency, Json};
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
