//! Values that go into statements and rows that come back.

use std::fmt;
use std::panic::Location;

/// One parameter of a statement or one column of a row. The same four kinds on both engines:
/// `INTEGER`/`bigint`, `TEXT`/`text`, `BLOB`/`bytea` and `NULL`. Truth values are the integers 0 and 1.
///
/// `Debug` shows kinds and lengths only: the PostgreSQL library writes parameters to its debug log.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Value {
    /// SQL `NULL`.
    #[default]
    Null,
    /// A 64-bit signed integer.
    Int(i64),
    /// UTF-8 text without NUL characters (PostgreSQL cannot store them).
    Text(String),
    /// Any bytes.
    Bytes(Vec<u8>),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("Null"),
            Value::Int(_) => f.write_str("Int"),
            Value::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Value::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

macro_rules! value_from {
    ($($from:ty => |$v:ident| $into:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($v: $from) -> Self {
                $into
            }
        })*
    };
}

value_from! {
    i64 => |v| Value::Int(v);
    i32 => |v| Value::Int(i64::from(v));
    u32 => |v| Value::Int(i64::from(v));
    u16 => |v| Value::Int(i64::from(v));
    u8 => |v| Value::Int(i64::from(v));
    bool => |v| Value::Int(i64::from(v));
    &str => |v| Value::Text(v.to_owned());
    String => |v| Value::Text(v);
    &String => |v| Value::Text(v.clone());
    Vec<u8> => |v| Value::Bytes(v);
    &Vec<u8> => |v| Value::Bytes(v.clone());
    &[u8] => |v| Value::Bytes(v.to_vec());
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(v: [u8; N]) -> Self {
        Value::Bytes(v.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(v: &[u8; N]) -> Self {
        Value::Bytes(v.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Value::Null, Into::into)
    }
}

/// The parameters of a statement: `params![id, amount_minor, None::<String>]`.
#[macro_export]
macro_rules! params {
    () => { ::std::vec::Vec::<$crate::driver::Value>::new() };
    ($($value:expr),+ $(,)?) => { ::std::vec![$($crate::driver::Value::from($value)),+] };
}

/// A row of an answer. Columns are read by their place, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Row(Vec<Value>);

/// A column was not of the kind that the code expected: the schema and the code disagree.
/// Never carries the value itself.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("column {column} of {columns}: expected {expected}, found {found}, read at {location}")]
pub struct RowError {
    /// The place of the column, counted from 0.
    pub column: usize,
    /// How many columns the row has.
    pub columns: usize,
    /// What the code asked for.
    pub expected: &'static str,
    /// What was there.
    pub found: &'static str,
    /// The line of code that read the column.
    pub location: &'static Location<'static>,
}

impl Row {
    /// A row of these columns.
    pub fn new(values: Vec<Value>) -> Self {
        Row(values)
    }

    /// How many columns the row has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the row has no columns.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The columns themselves.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    #[track_caller]
    fn error(&self, column: usize, expected: &'static str) -> RowError {
        let found = match self.0.get(column) {
            None => "no such column",
            Some(Value::Null) => "NULL",
            Some(Value::Int(_)) => "an integer",
            Some(Value::Text(_)) => "text",
            Some(Value::Bytes(_)) => "bytes",
        };
        RowError { column, columns: self.0.len(), expected, found, location: Location::caller() }
    }

    #[track_caller]
    fn opt<'a, T>(
        &'a self,
        column: usize,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, RowError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(self.error(column, expected)),
            },
            None => Err(self.error(column, expected)),
        }
    }

    /// An integer that may be `NULL`.
    #[track_caller]
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>, RowError> {
        self.opt(column, "an integer", |value| match value {
            Value::Int(int) => Some(*int),
            _ => None,
        })
    }

    /// An integer.
    #[track_caller]
    pub fn int(&self, column: usize) -> Result<i64, RowError> {
        match self.opt_int(column)? {
            Some(int) => Ok(int),
            None => Err(self.error(column, "an integer")),
        }
    }

    /// An integer from 0 to 2^32 - 1.
    #[track_caller]
    pub fn uint32(&self, column: usize) -> Result<u32, RowError> {
        match u32::try_from(self.int(column)?) {
            Ok(int) => Ok(int),
            Err(_) => Err(self.error(column, "an integer of 32 bits without sign")),
        }
    }

    /// Borrowed text that may be `NULL`.
    #[track_caller]
    pub fn opt_str(&self, column: usize) -> Result<Option<&str>, RowError> {
        self.opt(column, "text", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Borrowed text.
    #[track_caller]
    pub fn str(&self, column: usize) -> Result<&str, RowError> {
        match self.opt_str(column)? {
            Some(text) => Ok(text),
            None => Err(self.error(column, "text")),
        }
    }

    /// Text that may be `NULL`.
    #[track_caller]
    pub fn opt_text(&self, column: usize) -> Result<Option<String>, RowError> {
        Ok(self.opt_str(column)?.map(str::to_owned))
    }

    /// Text.
    #[track_caller]
    pub fn text(&self, column: usize) -> Result<String, RowError> {
        self.str(column).map(str::to_owned)
    }

    /// Bytes that may be `NULL`.
    #[track_caller]
    pub fn opt_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, RowError> {
        self.opt(column, "bytes", |value| match value {
            Value::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        })
    }

    /// Bytes.
    #[track_caller]
    pub fn bytes(&self, column: usize) -> Result<Vec<u8>, RowError> {
        match self.opt_bytes(column)? {
            Some(bytes) => Ok(bytes),
            None => Err(self.error(column, "bytes")),
        }
    }

    /// A truth value: the integer 0 or 1, and nothing else.
    #[track_caller]
    pub fn bool(&self, column: usize) -> Result<bool, RowError> {
        match self.int(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error(column, "0 or 1")),
        }
    }

    /// A truth value that may be `NULL`.
    #[track_caller]
    pub fn opt_bool(&self, column: usize) -> Result<Option<bool>, RowError> {
        match self.opt_int(column)? {
            None => Ok(None),
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            Some(_) => Err(self.error(column, "0 or 1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let row = Row::new(params!["canary-text", b"canary-bytes", 77_123_i64, None::<i64>]);
        let shown = format!("{row:?}");
        assert!(!shown.contains("canary") && !shown.contains("77123"), "{shown}");
    }

    #[test]
    fn a_wrong_kind_names_column_and_line_but_no_value() {
        let row = Row::new(params!["canary", 2_i64]);
        let shown = row.int(0).unwrap_err().to_string();
        assert!(shown.contains("column 0 of 2") && shown.contains("value.rs"), "{shown}");
        assert!(!shown.contains("canary"));
        assert!(row.bool(1).is_err());
        assert!(row.int(2).is_err());
        assert_eq!(row.text(0).unwrap(), "canary");
    }

    #[test]
    fn null_is_none_and_not_a_value() {
        let row = Row::new(params![None::<String>, Some(3_i64), true]);
        assert_eq!(row.opt_text(0).unwrap(), None);
        assert!(row.text(0).is_err());
        assert_eq!(row.opt_int(1).unwrap(), Some(3));
        assert!(row.bool(2).unwrap());
    }
}
