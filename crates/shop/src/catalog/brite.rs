//! Brite: open-banking instant payments on Brite's page; pay-ins only.

use super::{Claim, Direction, Field, Group, Kind, OutcomeBy, Prefill, Provider, Trigger};

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "BRITE",
    name: "Brite",
    tagline: "Pay from your bank",
    symbol: "bank",
    directions: &[Direction::PayIn],
    currencies: &["EUR", "SEK"],
    currency_code: false,
    amount: "50.00",
    customer: "demo-clara",
    outcome: OutcomeBy::Webhook,
    hosted_page: true,
    buttons: ("Continue to Brite", ""),
    fields: &[
        Field {
            name: "country",
            label: "Country of your bank",
            kind: Kind::Choice(&[
                ("FI", "Finland"),
                ("SE", "Sweden"),
                ("DE", "Germany"),
                ("AT", "Austria"),
                ("DK", "Denmark"),
                ("EE", "Estonia"),
                ("ES", "Spain"),
                ("LT", "Lithuania"),
                ("LV", "Latvia"),
                ("NL", "Netherlands"),
            ]),
            prefill: Prefill::Fixed("FI"),
            ..Field::TEXT
        },
        Field {
            name: "firstName",
            label: "First name",
            prefill: Prefill::Claim(Claim::FirstName),
            claim: Some(Claim::FirstName),
            group: Group::Payer,
            optional: true,
            autocomplete: "given-name",
            ..Field::TEXT
        },
        Field {
            name: "lastName",
            label: "Last name",
            prefill: Prefill::Claim(Claim::LastName),
            claim: Some(Claim::LastName),
            group: Group::Payer,
            optional: true,
            autocomplete: "family-name",
            ..Field::TEXT
        },
    ],
    note: None,
    triggers: TRIGGERS,
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
