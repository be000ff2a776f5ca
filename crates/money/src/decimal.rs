//! Reading a decimal literal, digit by digit.

/// Why a text is not a plain decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Not the grammar of a JSON number.
    Malformed,
    /// A JSON number with an exponent.
    Exponent,
}

/// A decimal literal taken apart: its ASCII digits, without leading zeros before the point or trailing zeros after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal<'a> {
    /// Whether a minus sign stands in front (`-0` included).
    pub(crate) negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
}

impl<'a> Decimal<'a> {
    /// Reads the grammar of a JSON number without exponent: `-`? (`0` | `1`-`9` digits) (`.` digits)?, nothing around it.
    pub(crate) fn read(literal: &'a str) -> Result<Self, Unreadable> {
        let bytes = literal.as_bytes();
        let (negative, unsigned) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, bytes),
        };
        let (integer, after_integer) = split_digits(unsigned);
        let integer = match integer {
            [] | [b'0', _, ..] => return Err(Unreadable::Malformed),
            [b'0'] => &integer[1..],
            _ => integer,
        };
        let (fraction, rest) = match after_integer {
            [b'.', after_point @ ..] => match split_digits(after_point) {
                ([], _) => return Err(Unreadable::Malformed),
                split => split,
            },
            _ => (&[][..], after_integer),
        };
        match rest {
            [] => Ok(Self { negative, integer, fraction: trim_end_zeros(fraction) }),
            [b'e' | b'E', ..] => Err(Unreadable::Exponent),
            _ => Err(Unreadable::Malformed),
        }
    }

    /// Whether every digit is a zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.integer.is_empty() && self.fraction.is_empty()
    }

    /// Digits after the point; trailing zeros do not count.
    pub(crate) fn decimals(&self) -> usize {
        self.fraction.len()
    }

    /// Digits from the first that is not zero; zeros at the end count before the point, not after it.
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
        let missing_zeros = usize::from(digits).checked_sub(self.fraction.len())?;
        let mut value: i64 = 0;
        for digit in self.integer.iter().chain(self.fraction) {
            value = value.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
        }
        for _ in 0..missing_zeros {
            value = value.checked_mul(10)?;
        }
        Some(value)
    }
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
}
