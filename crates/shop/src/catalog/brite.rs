//! Brite: an instant payment from the payer's own bank, on Brite's page. No pay-out.

use super::common::{DOB, FIRST_NAME, LAST_NAME};
use super::{Field, Group, Kind, Prefill, Provider, Trigger};

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "BRITE",
    name: "Brite",
    tagline: "Instant bank",
    symbol: "bolt",
    currencies: &["EUR", "SEK"],
    amount: "50.00",
    customer: "demo-aino",
    buttons: ("Continue to Brite", ""),
    fields: &[
        Field {
            name: "country",
            label: "Country of the bank",
            kind: Kind::Choice(&[
                ("FI", "Finland"),
                ("SE", "Sweden"),
                ("DE", "Germany"),
                ("NL", "Netherlands"),
                ("EE", "Estonia"),
                ("LV", "Latvia"),
                ("LT", "Lithuania"),
                ("DK", "Denmark"),
                ("AT", "Austria"),
                ("ES", "Spain"),
            ]),
            prefill: Prefill::Of(|customer| customer.country),
            autocomplete: "country",
            ..Field::TEXT
        },
        Field { optional: true, ..FIRST_NAME },
        Field { optional: true, ..LAST_NAME },
        Field { optional: true, group: Group::Payer, ..DOB },
    ],
    triggers: TRIGGERS,
    ..Provider::BASE
};

/// Brite sheet, Simulator.
static TRIGGERS: &[Trigger] = &[
    Trigger { digits: "01", pay_in: "The bank refuses: Declined", pay_out: "" },
    Trigger { digits: "02", pay_in: "The payer cancels: Cancelled", pay_out: "" },
    Trigger { digits: "03", pay_in: "The time runs out: Expired", pay_out: "" },
    Trigger { digits: "04", pay_in: "The provider is down: Failed", pay_out: "" },
    Trigger { digits: "05", pay_in: "The provider is silent: Failed", pay_out: "" },
    Trigger { digits: "06", pay_in: "Too many requests: Failed", pay_out: "" },
    Trigger { digits: "07", pay_in: "Our credentials are refused: Failed", pay_out: "" },
    Trigger { digits: "08", pay_in: "Callback three times: one webhook", pay_out: "" },
    Trigger { digits: "09", pay_in: "Declined, then paid after all: two webhooks", pay_out: "" },
    Trigger { digits: "10", pay_in: "Paid before we have our answer", pay_out: "" },
    Trigger { digits: "11", pay_in: "The answer is cut off: an error, then Pending", pay_out: "" },
    Trigger { digits: "12", pay_in: "The line drops: an error, then Pending", pay_out: "" },
];
