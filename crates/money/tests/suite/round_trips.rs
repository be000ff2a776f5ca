//! Every currency, 10,000 amounts each, through every text form and back.

use mozarto_money::{AmountError, Currency, MAX_SIGNIFICANT_DIGITS, Money, PlainNumber};

const AMOUNTS_PER_CURRENCY: u32 = 10_000;
const SEED: u64 = 0x4d6f_7a61_7274_6f21;

/// SplitMix64: small, seeded, the same sequence everywhere.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `i64::MAX`, all lengths alike, and every other one with zeros at its end.
    fn minor(&mut self) -> i64 {
        let value = (self.next() >> 1) >> (self.next() % 63);
        let value = i64::try_from(value).unwrap();
        let round_to = [1, 1, 1, 1, 10, 100, 1_000, 100_000][(self.next() % 8) as usize];
        value / round_to * round_to
    }
}

/// Significant digits as the Cashier API counts them, taken from the text alone.
fn significant_digits(plain: &str) -> usize {
    plain.replace('.', "").trim_start_matches('0').len()
}

fn check(amount: Money) {
    let (currency, fixed, plain) = (amount.currency(), amount.to_fixed(), amount.to_plain());
    assert_eq!(Money::parse_decimal(&fixed, currency), Ok(amount));
    assert_eq!(Money::parse_decimal(&plain, currency), Ok(amount));
    let expected = if amount.minor() == 0 {
        Err(AmountError::NotAboveZero)
    } else if significant_digits(&plain) > MAX_SIGNIFICANT_DIGITS {
        Err(AmountError::TooManySignificantDigits)
    } else {
        Ok(amount)
    };
    assert_eq!(Money::parse_base_amount(&fixed, currency), expected);
    assert_eq!(Money::parse_base_amount(&plain, currency), expected);
}

#[test]
fn every_currency_round_trips_exactly() {
    let mut sequence = Sequence(SEED);
    let mut checked = 0u32;
    for currency in Currency::all() {
        for _ in 0..AMOUNTS_PER_CURRENCY {
            check(Money::from_minor(sequence.minor(), currency));
            checked += 1;
        }
        for minor in [0, 1, 9, 10, 99, 100, 999, 1_000, 9_999, 10_000, i64::MAX - 1, i64::MAX] {
            check(Money::from_minor(minor, currency));
        }
    }
    assert_eq!(checked, 165 * AMOUNTS_PER_CURRENCY);
}

#[test]
fn every_currency_round_trips_through_json() {
    let mut sequence = Sequence(!SEED);
    for currency in Currency::all() {
        for _ in 0..AMOUNTS_PER_CURRENCY / 20 {
            let amount = Money::from_minor(sequence.minor(), currency);
            let json = serde_json::to_string(&PlainNumber(amount)).unwrap();
            let token: &serde_json::value::RawValue = serde_json::from_str(&json).unwrap();
            assert_eq!(Money::parse_decimal(token.get(), currency), Ok(amount));
            let json = serde_json::to_string(&amount.to_fixed()).unwrap();
            assert_eq!(Money::parse_decimal(&json, currency), Ok(amount), "a JSON string, quotes included");
        }
    }
}
