//! Neosurf: a prepaid voucher, typed on Neosurf's page.

use super::{Note, Provider, Trigger};

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "NEOSURF",
    name: "Neosurf",
    tagline: "Voucher on a page",
    symbol: "ticket",
    currencies: &["EUR", "GBP", "CAD"],
    currency_code: true,
    amount: "50.00",
    buttons: ("Continue to Neosurf", ""),
    note: Some(Note {
        title: "The PIN is typed on Neosurf's page",
        text: "Any ten characters are a good PIN there, save one.",
        rows: &[("0000000000", "not correct: the page asks again")],
        example: "",
    }),
    triggers: TRIGGERS,
    ..Provider::BASE
};

/// Neosurf sheet, Simulator.
static TRIGGERS: &[Trigger] = &[
    Trigger { digits: "01", pay_in: "Neosurf refuses: Declined", pay_out: "" },
    Trigger { digits: "02", pay_in: "The payer cancels: Cancelled", pay_out: "" },
    Trigger { digits: "03", pay_in: "The time runs out: Expired", pay_out: "" },
    Trigger { digits: "04", pay_in: "The provider is down: Failed", pay_out: "" },
    Trigger { digits: "05", pay_in: "The provider is silent: Failed", pay_out: "" },
    Trigger { digits: "06", pay_in: "Too many requests: Failed", pay_out: "" },
    Trigger { digits: "07", pay_in: "Our credentials are refused: Failed", pay_out: "" },
    Trigger { digits: "08", pay_in: "Callback three times: one webhook", pay_out: "" },
    Trigger { digits: "09", pay_in: "Declined, then paid after all: two webhooks", pay_out: "" },
    Trigger { digits: "10", pay_in: "Paid before we have our answer", pay_out: "" },
    Trigger { digits: "11", pay_in: "The answer is cut off: Failed", pay_out: "" },
    Trigger { digits: "12", pay_in: "The line drops: Failed", pay_out: "" },
];
