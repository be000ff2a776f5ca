//! Coins, their made-up but steady rates, and the form of their addresses. Integers only.

use money::Money;

use crate::kit::random_hex;

/// A coin that the simulated account has.
pub(super) struct Coin {
    /// ForumPay's code.
    pub(super) code: &'static str,
    /// For people.
    pub(super) name: &'static str,
    /// Digits after the point.
    decimals: u32,
    /// Fiat per coin, in ten-thousandths.
    rate: u128,
    /// The network's fee, in the coin's smallest unit.
    fee: u128,
}

const RATE_DIGITS: u32 = 4;

/// The published example's rate and fee for BTC; the others are ours.
pub(super) const COINS: [Coin; 8] = [
    Coin { code: "BTC", name: "Bitcoin", decimals: 8, rate: 654_193_380, fee: 966 },
    Coin { code: "ETH", name: "Ether", decimals: 8, rate: 31_204_500, fee: 4_200 },
    Coin { code: "LTC", name: "Litecoin", decimals: 8, rate: 821_300, fee: 10_000 },
    Coin { code: "USDC", name: "USD Coin", decimals: 6, rate: 9_200, fee: 5_000 },
    Coin { code: "USDT", name: "Tether on Ethereum", decimals: 6, rate: 9_200, fee: 5_000 },
    Coin { code: "USDT_TRC20", name: "Tether on Tron", decimals: 6, rate: 9_200, fee: 5_000 },
    Coin { code: "USDT_POLYGON", name: "Tether on Polygon", decimals: 6, rate: 9_200, fee: 5_000 },
    Coin { code: "USDT_SOLANA", name: "Tether on Solana", decimals: 6, rate: 9_200, fee: 5_000 },
];

/// The coin that is picked where nobody picks.
pub(super) fn first() -> &'static Coin {
    &COINS[0]
}

/// The coin of a code.
pub(super) fn coin(code: &str) -> Option<&'static Coin> {
    COINS.iter().find(|coin| coin.code == code)
}

impl Coin {
    /// `65419.3380`.
    pub(super) fn rate(&self) -> String {
        decimal(self.rate, RATE_DIGITS)
    }

    /// The network's fee in coins.
    pub(super) fn fee(&self) -> String {
        decimal(self.fee, self.decimals)
    }

    /// `invoice_amount / rate`, rounded to the coin's digits.
    pub(super) fn exchanged(&self, invoice: Money) -> String {
        decimal(self.units(invoice), self.decimals)
    }

    /// What arrives after the network's fee; `None` when the fee eats it all.
    pub(super) fn exchanged_less_fee(&self, invoice: Money) -> Option<String> {
        let units = self.units(invoice).checked_sub(self.fee).filter(|units| *units > 0)?;
        Some(decimal(units, self.decimals))
    }

    /// A tenth of the coins for an invoice: what "Pay less" leaves open.
    pub(super) fn tenth(&self, invoice: Money) -> String {
        decimal(self.units(invoice) / 10, self.decimals)
    }

    /// The other nine: what "Pay less" sends.
    pub(super) fn all_but_a_tenth(&self, invoice: Money) -> String {
        let units = self.units(invoice);
        decimal(units - units / 10, self.decimals)
    }

    fn units(&self, invoice: Money) -> u128 {
        let minor = u128::try_from(invoice.minor()).unwrap_or(0);
        let fiat_digits = u32::from(invoice.currency().digits());
        // At most 10^19 * 10^8 * 10^4: far below what 128 bits hold.
        let divisor = self.rate * 10u128.pow(fiat_digits);
        (minor * 10u128.pow(self.decimals) * 10u128.pow(RATE_DIGITS) + divisor / 2) / divisor
    }

    /// An address that the simulator makes for a payer: `btc-<32 hex>`.
    pub(super) fn new_address(&self) -> String {
        format!("{}-{}", self.code.to_ascii_lowercase(), random_hex(32))
    }

    /// Whether an address can be one of this coin.
    pub(super) fn accepts(&self, address: &str) -> bool {
        if !(10..=128).contains(&address.len()) || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
            return false;
        }
        let sandbox = address
            .strip_prefix(&self.code.to_ascii_lowercase())
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|hex| is_hex(hex, 32));
        let ethereum = address.strip_prefix("0x").is_some_and(|hex| is_hex(hex, 40));
        sandbox
            || match self.code {
                "BTC" => address.starts_with("bc1") || address.starts_with('1') || address.starts_with('3'),
                "LTC" => address.starts_with("ltc1") || address.starts_with('L') || address.starts_with('M'),
                "USDT_TRC20" => address.starts_with('T') && address.len() == 34,
                "USDT_SOLANA" => (32..=44).contains(&address.len()) && address.bytes().all(|b| b.is_ascii_alphanumeric()),
                _ => ethereum,
            }
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn decimal(units: u128, digits: u32) -> String {
    let scale = 10u128.pow(digits);
    let width = usize::try_from(digits).unwrap_or(0);
    format!("{}.{:0width$}", units / scale, units % scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use money::Currency;

    fn eur(minor: i64) -> Money {
        Money::from_minor(minor, Currency::from_code("EUR").unwrap())
    }

    #[test]
    fn the_published_numbers_come_out() {
        let btc = first();
        assert_eq!(btc.rate(), "65419.3380");
        assert_eq!(btc.fee(), "0.00000966");
        assert_eq!(btc.exchanged(eur(1_000)), "0.00015286");
        assert_eq!(btc.exchanged(eur(20_000)), "0.00305720");
        assert_eq!(btc.exchanged_less_fee(eur(20_000)).unwrap(), "0.00304754");
        assert!(btc.exchanged_less_fee(eur(1)).is_none());
    }

    #[test]
    fn addresses_have_the_form_of_their_coin() {
        let good = [
            ("BTC", "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh"),
            ("BTC", "btc-1eda64a85da94d71a2ac5ed84e929553"),
            ("ETH", "0x52908400098527886E0F7030069857D2E4169EE7"),
            ("USDT_TRC20", "usdt_trc20-1eda64a85da94d71a2ac5ed84e929553"),
        ];
        for (code, address) in good {
            assert!(coin(code).unwrap().accepts(address), "{code} {address}");
        }
        let bad = [
            ("BTC", "0x52908400098527886E0F7030069857D2E4169EE7"),
            ("BTC", "btc-1eda64a85da94d71a2ac5ed84e92955"),
            ("ETH", "0x52908400098527886E0F7030069857D2E4169EE"),
            ("ETH", "btc-1eda64a85da94d71a2ac5ed84e929553"),
            ("BTC", "1 with spaces inside"),
        ];
        for (code, address) in bad {
            assert!(!coin(code).unwrap().accepts(address), "{code} {address}");
        }
        for coin in &COINS {
            assert!(coin.accepts(&coin.new_address()), "{}", coin.code);
        }
    }
}
