//! An amount as a JSON number.

use serde::ser::{Error, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::Money;

/// An amount that serialises as a JSON number in major units without trailing zeros (`10`, `10.5`), the digits written out
/// as they are ("Answers give `amount` as a number", Cashier API, "Money").
///
/// For `serde_json`'s writers (`to_string`, `to_vec`, `to_raw_value`). `serde_json::to_value` works too, but that tree holds
/// numbers as binary floats: exact in print up to 15 significant digits, which every accepted `baseamount` keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainNumber(pub Money);

impl Serialize for PlainNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let literal = RawValue::from_string(self.0.to_plain()).map_err(S::Error::custom)?;
        literal.serialize(serializer)
    }
}
