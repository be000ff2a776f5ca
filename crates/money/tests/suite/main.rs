//! The suite of the money crate: one binary, so that it links once.

mod currencies;
mod golden;
mod literals;
mod properties;
mod round_trips;

use mozarto_money::{Currency, Money};

/// The currency of a code that is known to exist.
fn currency(code: &str) -> Currency {
    Currency::from_code(code).unwrap_or_else(|| panic!("{code} is not a currency"))
}

fn money(minor: i64, code: &str) -> Money {
    Money::from_minor(minor, currency(code))
}
