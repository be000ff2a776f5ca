//! An amount with its currency.

use std::cmp::Ordering;
use std::fmt;

use crate::Currency;
use crate::decimal::{Decimal, Malformed};

/// The most significant digits that a `baseamount` may have (Cashier API, "Money").
pub const MAX_SIGNIFICANT_DIGITS: usize = 15;

/// An exact amount: a count of minor units of one currency. Negative amounts occur in books and balances only; both
/// parsers refuse them.
///
/// Shown as `100.00 EUR`. There is no `Ord`, since amounts of two currencies have no order: see [`Money::checked_cmp`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// Why a `baseamount` is refused. `Display` is the sentence that the caller of the Cashier API reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a JSON number, one with an exponent, zero, or below zero.
    #[error("baseamount must be a number greater than 0")]
    NotAboveZero,
    /// More decimals than the currency has digits; trailing zeros do not count.
    #[error("baseamount must have at most {} decimals for {}", .0.digits(), .0.code())]
    TooManyDecimals(Currency),
    /// More than [`MAX_SIGNIFICANT_DIGITS`], or (four-digit currencies only, from about 9.2 * 10^14 major units) more than
    /// an `i64` of minor units can hold.
    #[error("baseamount must have at most {MAX_SIGNIFICANT_DIGITS} significant digits")]
    TooManySignificantDigits,
}

/// Why a provider's amount cannot be read. The refused text is not part of the error, so that it reaches no log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a decimal number.
    #[error("amount is not a decimal number")]
    Malformed,
    /// A minus sign (`-0` included).
    #[error("amount is negative")]
    Negative,
    /// A decimal other than zero beyond the currency's digits.
    #[error("amount has more than {} decimals for {}", .0.digits(), .0.code())]
    TooManyDecimals(Currency),
    /// More than an `i64` of minor units can hold.
    #[error("amount is too large")]
    TooLarge,
}

impl From<Malformed> for DecimalError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// The plain form of a JSON number's literal, by which two literals of one value are equal: `1.0E7` and `10000000.00` are
/// `10000000`. `None` for what is no JSON number, and for one that would be longer than any amount, code or id.
#[must_use]
pub fn plain_number(literal: &str) -> Option<String> {
    Decimal::read(literal).ok()?.to_plain()
}

impl Money {
    /// An amount of `minor` minor units (EUR: cents; JPY: yen; KWD: fils).
    #[must_use]
    pub const fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// The count of minor units.
    #[must_use]
    pub const fn minor(&self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// The sum; `None` when the currencies differ or the result does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.combine(other, i64::checked_add)
    }

    /// The difference; `None` when the currencies differ or the result does not fit.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.combine(other, i64::checked_sub)
    }

    fn combine(self, other: Self, operation: fn(i64, i64) -> Option<i64>) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        operation(self.minor, other.minor).map(|minor| Self::from_minor(minor, self.currency))
    }

    /// How the two compare; `None` when the currencies differ.
    #[must_use]
    pub fn checked_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.currency == other.currency).then(|| self.minor.cmp(&other.minor))
    }

    /// Reads `baseamount` from the literal of its JSON token, exactly as it stands in the request (without surrounding
    /// blanks; a token of another kind, such as `"10"` or `null`, is "not a number").
    ///
    /// Accepted: no exponent, above zero, at most the currency's digits after the point (trailing zeros do not count), at
    /// most [`MAX_SIGNIFICANT_DIGITS`] significant digits (leading zeros, and trailing zeros after the point, do not count).
    ///
    /// # Errors
    /// The first of the [`AmountError`]s that applies, in the order of their definition.
    pub fn parse_base_amount(literal: &str, currency: Currency) -> Result<Self, AmountError> {
        let decimal = Decimal::read(literal).map_err(|_| AmountError::NotAboveZero)?;
        if decimal.has_exponent || decimal.negative || decimal.is_zero() {
            return Err(AmountError::NotAboveZero);
        }
        if decimal.decimals() > usize::from(currency.digits()) {
            return Err(AmountError::TooManyDecimals(currency));
        }
        if decimal.significant_digits() > MAX_SIGNIFICANT_DIGITS {
            return Err(AmountError::TooManySignificantDigits);
        }
        let minor = decimal.scaled(currency.digits()).ok_or(AmountError::TooManySignificantDigits)?;
        Ok(Self { minor, currency })
    }

    /// Reads a provider's amount in major units: the literal of a JSON number (`25`, `25.0`), the content of a string
    /// (`25.00`), or the literal of a JSON string, quotes included (`"25.00"`). The value counts, not the literal: `2.5e1` is 25.
    /// Zero is allowed.
    ///
    /// # Errors
    /// [`DecimalError`]: a sign, blanks, separators, or decimals other than zero beyond the currency's digits.
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, DecimalError> {
        let unquoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        let decimal = Decimal::read(unquoted)?;
        if decimal.negative {
            return Err(DecimalError::Negative);
        }
        if decimal.decimals() > usize::from(currency.digits()) {
            return Err(DecimalError::TooManyDecimals(currency));
        }
        let minor = decimal.scaled(currency.digits()).ok_or(DecimalError::TooLarge)?;
        Ok(Self { minor, currency })
    }

    /// Reads a provider's amount in minor units (EUR: cents), by its value: `1000`, `1000.00`, `1.0E3`. Zero is allowed.
    ///
    /// # Errors
    /// [`DecimalError`]: a sign, blanks, separators, or a fraction of a minor unit.
    pub fn parse_minor(text: &str, currency: Currency) -> Result<Self, DecimalError> {
        let decimal = Decimal::read(text)?;
        if decimal.negative {
            return Err(DecimalError::Negative);
        }
        if decimal.decimals() > 0 {
            return Err(DecimalError::Malformed);
        }
        let minor = decimal.scaled(0).ok_or(DecimalError::TooLarge)?;
        Ok(Self { minor, currency })
    }

    /// Major units with exactly the currency's digits: `100.00`, CLP `10000`, KWD `1.234`.
    #[must_use]
    pub fn to_fixed(&self) -> String {
        let sign = if self.minor < 0 { "-" } else { "" };
        let magnitude = self.minor.unsigned_abs();
        if self.currency.digits() == 0 {
            return format!("{sign}{magnitude}");
        }
        let per_major = self.currency.minor_per_major();
        let (major, rest) = (magnitude / per_major, magnitude % per_major);
        format!("{sign}{major}.{rest:0width$}", width = usize::from(self.currency.digits()))
    }

    /// Major units as the text of a JSON number, without trailing zeros after the point: `10`, `10.5`.
    #[must_use]
    pub fn to_plain(&self) -> String {
        let mut text = self.to_fixed();
        if text.contains('.') {
            let kept = text.trim_end_matches('0').trim_end_matches('.').len();
            text.truncate(kept);
        }
        text
    }

    /// The last two digits of the count of minor units (so of the amount itself where the currency has no decimals), by
    /// which a simulator chooses its scenario. EUR 10.01 is 1, JPY 1234 is 34, KWD 1.234 is 34.
    #[must_use]
    pub const fn scenario_digits(&self) -> u8 {
        (self.minor.unsigned_abs() % 100) as u8
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_fixed(), self.currency.code())
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
