//! Between our values and errors and PostgreSQL's.

use std::error::Error as StdError;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::driver::{CommitError, QueryError, Row, Value};

/// Raised by the function `mozarto_guard`.
pub(super) const GUARD_SQLSTATE: &str = "MZ001";

/// What is said of a server that takes no writes.
pub(super) const READ_ONLY: &str = "it is read-only (a standby, or default_transaction_read_only is on)";

type Boxed = Box<dyn StdError + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(int) => int.to_sql(ty, out),
            Value::Text(text) => text.to_sql(ty, out),
            Value::Bytes(bytes) => bytes.to_sql(ty, out),
        }
    }

    /// Statements are prepared with [`type_of`] each value, so that nothing else is ever asked for.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The type under which a value is sent; the server finds out for itself what a `NULL` is to be.
pub(super) fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Int(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
    }
}

/// A whole number of type `numeric`: what `SUM` of a `bigint` yields.
struct WholeNumeric(i64);

impl<'a> FromSql<'a> for WholeNumeric {
    /// The binary form: number of digits, weight of the first, sign, scale (two bytes each), digits to the base 10,000.
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Boxed> {
        let mut words = raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        let mut word = || words.next().ok_or("numeric too short");
        let (digits, weight, sign, _scale) = (word()?, word()? as i16, word()?, word()?);
        let mut sum: i128 = 0;
        for place in 0..digits {
            let digit = i128::from(word()?);
            let exponent = i32::from(weight) - i32::from(place);
            let Ok(exponent) = u32::try_from(exponent) else {
                if digit == 0 {
                    continue;
                }
                return Err("numeric with a fraction".into());
            };
            let value = 10_000_i128.checked_pow(exponent).and_then(|power| digit.checked_mul(power));
            sum = value.and_then(|value| sum.checked_add(value)).ok_or("numeric too large")?;
        }
        let signed = match sign {
            0x0000 => sum,
            0x4000 => -sum,
            _ => return Err("numeric is not a number".into()),
        };
        Ok(WholeNumeric(i64::try_from(signed)?))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::NUMERIC
    }
}

/// Turns a row into ours. `Err` is the place of a column of a kind that we do not have.
pub(super) fn row(row: &tokio_postgres::Row) -> Result<Row, usize> {
    let mut values = Vec::with_capacity(row.len());
    for (index, column) in row.columns().iter().enumerate() {
        values.push(value(row, index, column.type_()).map_err(|_| index)?);
    }
    Ok(Row::new(values))
}

fn value(row: &tokio_postgres::Row, index: usize, ty: &Type) -> Result<Value, Boxed> {
    Ok(match *ty {
        Type::INT8 => row.try_get::<_, Option<i64>>(index)?.into(),
        Type::INT4 => row.try_get::<_, Option<i32>>(index)?.into(),
        Type::INT2 => row.try_get::<_, Option<i16>>(index)?.map(i32::from).into(),
        Type::BOOL => row.try_get::<_, Option<bool>>(index)?.into(),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => row.try_get::<_, Option<String>>(index)?.into(),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(index)?.into(),
        Type::NUMERIC => row.try_get::<_, Option<WholeNumeric>>(index)?.map(|n| n.0).into(),
        Type::VOID => Value::Null,
        _ => return Err("a column of another type".into()),
    })
}

/// What an error of the server means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Guard,
    Duplicate,
    Check,
    /// Two transactions stood in each other's way: the same batch may succeed at once.
    Conflict,
    /// The prepared statement is older than the schema.
    StalePlan,
    /// The server or the network, not the batch.
    Unavailable,
    /// The server takes no writes: a standby, or set so. Nothing is stored, and its connection is of no more use.
    ReadOnly,
    Corrupt,
}

/// `None` if the error did not come from the server: the connection broke, or the message was never sent.
pub(super) fn class(error: &tokio_postgres::Error) -> Option<Class> {
    let code = error.code()?;
    Some(match code.code() {
        GUARD_SQLSTATE => Class::Guard,
        "23505" => Class::Duplicate,
        // Out of range is what SQLite's STRICT tables refuse as a constraint; P0001 is a trigger that raises.
        "22003" | "P0001" => Class::Check,
        "40001" | "40P01" | "55P03" => Class::Conflict,
        "0A000" | "26000" => Class::StalePlan,
        "25006" => Class::ReadOnly,
        "25P03" | "25P04" => Class::Unavailable,
        other => match other.get(..2) {
            Some("23") => Class::Check,
            Some("08" | "53" | "57" | "58") => Class::Unavailable,
            _ => Class::Corrupt,
        },
    })
}

/// A text without any value of a row: the server's own words quote offending data for some classes of errors, so they
/// are taken only where they cannot.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) if quotes_no_data(db.code()) => {
            format!("PostgreSQL {}: {}", db.code().code(), db.message())
        }
        Some(db) => format!("PostgreSQL {}", db.code().code()),
        None => {
            let mut text = format!("PostgreSQL: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !text.contains(&cause_text) {
                    text = format!("{text}: {cause_text}");
                }
                source = cause.source();
            }
            text
        }
    }
}

fn quotes_no_data(code: &SqlState) -> bool {
    matches!(code.code().get(..2), Some("08" | "42" | "53" | "55" | "57" | "58" | "28" | "3D"))
}

pub(super) fn commit_error(error: &tokio_postgres::Error, class: Class, label: &'static str) -> CommitError {
    match class {
        Class::Guard => CommitError::Guard(label),
        Class::Duplicate => CommitError::Duplicate(label),
        Class::Check => CommitError::Check(label),
        Class::ReadOnly => CommitError::Unavailable(format!("{}: {READ_ONLY}", describe(error))),
        Class::Conflict | Class::StalePlan | Class::Unavailable => CommitError::Unavailable(describe(error)),
        Class::Corrupt => CommitError::Corrupt(format!("{}, in: {label}", describe(error))),
    }
}

pub(super) fn query_error(error: &tokio_postgres::Error, sql: &str) -> QueryError {
    match class(error) {
        None | Some(Class::Conflict | Class::StalePlan | Class::Unavailable | Class::ReadOnly) => {
            QueryError::Unavailable(describe(error))
        }
        Some(_) => QueryError::Corrupt(format!("{}, in: {sql}", describe(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(weight: i16, sign: u16, digits: &[u16]) -> Result<i64, Boxed> {
        let mut raw = Vec::new();
        for word in [digits.len() as u16, weight as u16, sign, 0].iter().chain(digits) {
            raw.extend_from_slice(&word.to_be_bytes());
        }
        WholeNumeric::from_sql(&Type::NUMERIC, &raw).map(|n| n.0)
    }

    #[test]
    fn whole_numerics_are_read_exactly() {
        assert_eq!(numeric(0, 0, &[]).unwrap(), 0);
        assert_eq!(numeric(0, 0, &[42]).unwrap(), 42);
        assert_eq!(numeric(1, 0, &[1, 2]).unwrap(), 10_002);
        assert_eq!(numeric(2, 0x4000, &[3]).unwrap(), -300_000_000);
        let max = [922, 3372, 368, 5477, 5807];
        assert_eq!(numeric(4, 0, &max).unwrap(), i64::MAX);
        assert!(numeric(5, 0, &[1]).is_err(), "too large");
        assert!(numeric(-1, 0, &[5000]).is_err(), "a half");
        assert!(numeric(0, 0xC000, &[]).is_err(), "not a number");
    }
}
