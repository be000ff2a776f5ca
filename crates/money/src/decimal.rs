//! Reading a decimal literal, digit by digit.

/// Most zeros that [`Decimal::to_plain`] writes: an amount or an id has far fewer, and `1E999999999` is not written out.
const PLAIN_ZEROS_MAX: i64 = 64;
/// Exponents beyond this count as this: no literal that is read has digits enough to make up for it.
const EXPONENT_MAX: i64 = 1 << 40;

/// Not the grammar of a JSON number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A decimal literal taken apart: its ASCII digits, without leading zeros before the point or trailing zeros after it, and its
/// exponent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal<'a> {
    /// Whether a minus sign stands in front (`-0` included).
    pub(crate) negative: bool,
    /// Whether it is written with an exponent (`1e0` included).
    pub(crate) has_exponent: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Reads the grammar of a JSON number: `-`? (`0` | `1`-`9` digits) (`.` digits)? (`e` sign? digits)?, nothing around it.
    pub(crate) fn read(literal: &'a str) -> Result<Self, Malformed> {
        let bytes = literal.as_bytes();
        let (negative, unsigned) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, bytes),
        };
        let (integer, after_integer) = split_digits(unsigned);
        let integer = match integer {
            [] | [b'0', _, ..] => return Err(Malformed),
            [b'0'] => &integer[1..],
            _ => integer,
        };
        let (fraction, rest) = match after_integer {
            [b'.', after_point @ ..] => match split_digits(after_point) {
                ([], _) => return Err(Malformed),
                split => split,
            },
            _ => (&[][..], after_integer),
        };
        let exponent = match rest {
            [] => None,
            [b'e' | b'E', written @ ..] => Some(exponent(written)?),
            _ => return Err(Malformed),
        };
        let (has_exponent, exponent) = (exponent.is_some(), exponent.unwrap_or_default());
        Ok(Self { negative, has_exponent, integer, fraction: trim_end_zeros(fraction), exponent })
    }

    /// Whether every digit is a zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.integer.is_empty() && self.fraction.is_empty()
    }

    fn digits(&self) -> impl DoubleEndedIterator<Item = u8> + use<'a> {
        self.integer.iter().chain(self.fraction).copied()
    }

    /// The power of ten of the last digit.
    fn power(&self) -> i64 {
        self.exponent - length(self.fraction.len())
    }

    fn trailing_zeros(&self) -> i64 {
        length(self.digits().rev().take_while(|digit| *digit == b'0').count())
    }

    /// Digits after the point, were it written without an exponent; trailing zeros do not count.
    pub(crate) fn decimals(&self) -> usize {
        if self.is_zero() {
            return 0;
        }
        usize::try_from(-(self.power() + self.trailing_zeros())).unwrap_or(0)
    }

    /// Digits from the first that is not zero; zeros at the end count before the point, not after it. Of one without an exponent.
    pub(crate) fn significant_digits(&self) -> usize {
        if self.integer.is_empty() {
            let leading_zeros = self.fraction.iter().take_while(|digit| **digit == b'0').count();
            self.fraction.len() - leading_zeros
        } else {
            self.integer.len() + self.fraction.len()
        }
    }

    /// The magnitude scaled by 10 to the power of `digits`. `None` when it does not fit or has more decimals than that.
    pub(crate) fn scaled(&self, digits: u8) -> Option<i64> {
        if self.is_zero() {
            return Some(0);
        }
        let shift = self.power() + i64::from(digits);
        let dropped = if shift < 0 { shift.checked_neg()? } else { 0 };
        if dropped > self.trailing_zeros() {
            return None;
        }
        let kept = self.integer.len() + self.fraction.len() - usize::try_from(dropped).ok()?;
        let mut value: i64 = 0;
        for digit in self.digits().take(kept) {
            value = value.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
        }
        for _ in 0..shift.max(0) {
            // Never zero here, so that this ends after few steps.
            value = value.checked_mul(10)?;
        }
        Some(value)
    }

    /// The number without exponent, leading zeros, or zeros at its end after the point: `1.0E7` is `10000000`, `2.50` is `2.5`,
    /// `-0` is `0`. `None` when that takes more than [`PLAIN_ZEROS_MAX`] zeros that the literal does not have.
    pub(crate) fn to_plain(self) -> Option<String> {
        if self.is_zero() {
            return Some("0".to_owned());
        }
        let zeros = self.trailing_zeros();
        let mut digits: String = self.digits().map(char::from).collect();
        digits.truncate(digits.len() - usize::try_from(zeros).ok()?);
        let power = self.power() + zeros;
        let mut digits = digits.trim_start_matches('0').to_owned();
        if power >= 0 {
            if power > PLAIN_ZEROS_MAX.max(zeros) {
                return None;
            }
            digits.extend(std::iter::repeat_n('0', usize::try_from(power).ok()?));
        } else {
            let missing = -power - length(digits.len());
            if missing > PLAIN_ZEROS_MAX.max(length(self.fraction.len())) {
                return None;
            }
            let before = "0".repeat(usize::try_from(missing + 1).unwrap_or(0));
            digits.insert_str(0, &before);
            digits.insert(digits.len() - usize::try_from(-power).ok()?, '.');
        }
        Some(if self.negative { format!("-{digits}") } else { digits })
    }
}

/// A length as a number that may be subtracted.
fn length(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

/// What stands behind the `e`.
fn exponent(written: &[u8]) -> Result<i64, Malformed> {
    let (negative, digits) = match written {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, written),
    };
    let (digits, rest) = split_digits(digits);
    if digits.is_empty() || !rest.is_empty() {
        return Err(Malformed);
    }
    let magnitude = digits.iter().fold(0, |value: i64, digit| (value * 10 + i64::from(digit - b'0')).min(EXPONENT_MAX));
    Ok(if negative { -magnitude } else { magnitude })
}

/// The ASCII digits in front, and what follows them.
fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    bytes.split_at(end)
}

fn trim_end_zeros(mut digits: &[u8]) -> &[u8] {
    while let [rest @ .., b'0'] = digits {
        digits = rest;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    #[test]
    fn significant_digits_leave_out_the_zeros_that_carry_nothing() {
        let cases = [
            ("0", 0),
            ("0.000", 0),
            ("0.05", 1),
            ("0.0500", 1),
            ("0.0000000000000000001", 1),
            ("10.05", 4),
            ("100", 3),
            ("100.00", 3),
            ("1.10", 2),
            ("-1.5", 2),
        ];
        for (literal, digits) in cases {
            let decimal = Decimal::read(literal).unwrap();
            assert_eq!(decimal.significant_digits(), digits, "{literal}");
        }
    }

    #[test]
    fn the_value_counts_whatever_the_literal() {
        let cases = [
            ("1.0E7", "10000000"),
            ("10000000.00", "10000000"),
            ("1e+2", "100"),
            ("100E-2", "1"),
            ("2.50", "2.5"),
            ("12.5e1", "125"),
            ("-1.25e-3", "-0.00125"),
            ("0e999999999999999999999", "0"),
            ("-0", "0"),
            ("0.10", "0.1"),
        ];
        for (literal, plain) in cases {
            assert_eq!(Decimal::read(literal).unwrap().to_plain().as_deref(), Some(plain), "{literal}");
        }
        for endless in ["1e65", "1E999999999999999999999", "1e-999999999", "5e-66"] {
            assert_eq!(Decimal::read(endless).unwrap().to_plain(), None, "{endless}");
            assert_eq!(Decimal::read(endless).unwrap().scaled(2), None, "{endless}");
        }
        for (literal, digits, scaled) in
            [("1.0E7", 2, Some(1_000_000_000)), ("1000E-3", 0, Some(1)), ("1001E-3", 2, None), ("1E-2", 2, Some(1))]
        {
            assert_eq!(Decimal::read(literal).unwrap().scaled(digits), scaled, "{literal}");
        }
        for bad in ["1e", "1e+", "1e1.0", "e1", "1E 2", "1e1 ", "0x1e1"] {
            assert!(Decimal::read(bad).is_err(), "{bad}");
        }
    }
}
