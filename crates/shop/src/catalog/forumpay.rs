//! ForumPay: crypto on a hosted page; pay-outs to a wallet, always held for an approval.

use super::{Claim, Direction, Field, Group, Kind, Prefill, Provider, Trigger};

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "FORUMPAY",
    name: "ForumPay",
    tagline: "Crypto wallet",
    symbol: "coin",
    directions: &[Direction::PayIn, Direction::PayOut],
    currencies: &["EUR", "USD", "GBP"],
    buttons: ("Continue to ForumPay", "Request pay-out"),
    fields: &[
        Field {
            name: "country",
            label: "Country",
            hint: "Two letters, such as DE",
            prefill: Prefill::Claim(Claim::CountryCode),
            claim: Some(Claim::CountryCode),
            group: Group::Payer,
            autocomplete: "country",
            ..Field::TEXT
        },
        Field {
            name: "preferredCrypto",
            label: "Coin to receive",
            group: Group::Account,
            kind: Kind::Choice(&[
                ("BTC", "Bitcoin (BTC)"),
                ("ETH", "Ether (ETH)"),
                ("LTC", "Litecoin (LTC)"),
                ("USDC", "USD Coin (USDC)"),
                ("USDT", "Tether, ERC-20 (USDT)"),
            ]),
            prefill: Prefill::Fixed("BTC"),
            only: Some(Direction::PayOut),
            ..Field::TEXT
        },
        Field {
            name: "walletAddress",
            label: "Wallet address",
            group: Group::Account,
            hint: "BTC: bc1…, 1… or 3…; ETH, USDC, USDT: 0x and 40 hex digits",
            // The address of the published example.
            prefill: Prefill::Fixed("bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh"),
            only: Some(Direction::PayOut),
            wide: true,
            ..Field::TEXT
        },
    ],
    triggers: TRIGGERS,
    ..Provider::BASE
};

/// ForumPay sheet, Simulator.
static TRIGGERS: &[Trigger] = &[
    Trigger { digits: "01", pay_in: "Reviewed, then sent back: Cancelled", pay_out: "Reviewed once approved: Cancelled" },
    Trigger { digits: "02", pay_in: "The payer cancels: Cancelled", pay_out: "Cancelled once approved" },
    Trigger { digits: "03", pay_in: "The time runs out: Expired", pay_out: "Expired once approved" },
    Trigger {
        digits: "04",
        pay_in: "The provider is down: Failed",
        pay_out: "Fault at the transfer: a person decides, paid once at most",
    },
    Trigger { digits: "05", pay_in: "The provider is silent: Failed", pay_out: "The provider is silent: Failed" },
    Trigger { digits: "06", pay_in: "Too many requests: Failed", pay_out: "Too many requests: Failed" },
    Trigger { digits: "07", pay_in: "Our credentials are refused: Failed", pay_out: "Our credentials are refused: Failed" },
    Trigger { digits: "08", pay_in: "Callback three times: one webhook", pay_out: "Callback three times: one webhook" },
    Trigger { digits: "09", pay_in: "Cancelled, then paid after all: two webhooks", pay_out: "" },
    Trigger { digits: "10", pay_in: "Paid before we have our answer", pay_out: "Paid before the transfer is answered" },
    Trigger {
        digits: "11",
        pay_in: "The answer is cut off: Failed",
        pay_out: "The answer is cut off: Approved by asking, paid once",
    },
    Trigger { digits: "12", pay_in: "The line drops: Failed", pay_out: "The line drops: Approved by asking, paid once" },
];
