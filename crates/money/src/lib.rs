//! Exact money: ISO 4217 currencies, amounts as integers in minor units, and their text forms.
//!
//! An amount is an `i64` count of the currency's minor units together with that currency. Decimals are read from text and
//! written to text digit by digit; no binary float is involved anywhere, and clippy refuses one in this crate.
//!
//! | Form | Function | EUR | CLP | KWD |
//! |---|---|---|---|---|
//! | exactly the currency's digits | [`Money::to_fixed`] | `100.00` | `10000` | `1.500` |
//! | no trailing zeros | [`Money::to_plain`], [`PlainNumber`] | `100` | `10000` | `1.5` |
//! | a request's `baseamount` | [`Money::parse_base_amount`] | `100`, `100.0` | `10000.00` | `1.5` |
//! | a provider's value in major units | [`Money::parse_decimal`] | `0`, `"100.00"` | `"10000"` | `1.500` |
#![deny(clippy::float_arithmetic, clippy::disallowed_types)]

mod amount;
mod currency;
mod decimal;
mod plain;

pub use amount::{AmountError, DecimalError, MAX_SIGNIFICANT_DIGITS, Money, plain_number};
pub use currency::Currency;
pub use plain::PlainNumber;
