//! Flexepin: a prepaid voucher, redeemed by the call itself. No page, no webhook, no pay-out.

use super::{Field, Keep, Kind, Note, OutcomeBy, PayerPage, Prefill, Provider, Trigger};

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "FLEXEPIN",
    name: "Flexepin",
    tagline: "Prepaid voucher",
    symbol: "voucher",
    currencies: &["EUR", "CAD", "AUD", "USD", "GBP"],
    currency_code: true,
    amount: "25.00",
    outcome: OutcomeBy::Answer,
    payer_page: PayerPage::None,
    buttons: ("Redeem voucher", ""),
    fields: &[Field {
        name: "voucherPin",
        label: "Voucher PIN",
        hint: "16 digits; it follows the amount and currency until you type another",
        kind: Kind::Voucher,
        prefill: Prefill::FreshVoucher,
        keep: Keep::LastFour,
        wide: true,
        ..Field::TEXT
    }],
    note: Some(Note {
        title: "How a test PIN is built",
        text: "Any PIN of this form is a good voucher, once. The amount must equal its face value and the currency its own.",
        rows: &[
            ("2 digits", "currency: 10 EUR, 20 CAD, 30 AUD, 40 USD, 50 GBP"),
            ("6 digits", "serial number, any"),
            ("8 digits", "face value in cents"),
        ],
        example: "1000000100002500 is serial 000001 over EUR 25.00",
    }),
    triggers: TRIGGERS,
    ..Provider::BASE
};

/// Flexepin sheet, Simulator.
static TRIGGERS: &[Trigger] = &[
    Trigger { digits: "01", pay_in: "The voucher is blocked: Declined", pay_out: "" },
    Trigger { digits: "03", pay_in: "The voucher has expired: Declined", pay_out: "" },
    Trigger { digits: "04", pay_in: "Fault at the redeem: Pending, later Failed", pay_out: "" },
    Trigger { digits: "05", pay_in: "The provider is silent: Failed, voucher untouched", pay_out: "" },
    Trigger { digits: "06", pay_in: "Too many requests: Failed, voucher untouched", pay_out: "" },
    Trigger { digits: "07", pay_in: "Our credentials are refused: Failed", pay_out: "" },
    Trigger { digits: "09", pay_in: "Redeemed but lost for 45 min: Failed, later Approved", pay_out: "" },
    Trigger { digits: "11", pay_in: "The answer is cut off: Approved by asking", pay_out: "" },
    Trigger { digits: "12", pay_in: "The line drops: Approved by asking", pay_out: "" },
];
