//! Gigadat: Canadian bank payments on a hosted page; pay-outs by e-Transfer or to a bank account, always held for an approval.

use super::{Claim, Direction, Field, Group, Keep, Kind, OutcomeBy, Prefill, Provider, Trigger};

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "GIGADAT",
    name: "Gigadat",
    tagline: "Interac e-Transfer",
    symbol: "bank",
    directions: &[Direction::PayIn, Direction::PayOut],
    currencies: &["CAD"],
    currency_code: false,
    amount: "100.00",
    customer: "demo-noah",
    outcome: OutcomeBy::Webhook,
    hosted_page: true,
    buttons: ("Continue to Gigadat", "Request pay-out"),
    fields: &[
        Field {
            name: "name",
            label: "Full name",
            hint: "First and last name",
            prefill: Prefill::Fixed("Noah Tremblay"),
            group: Group::Payer,
            autocomplete: "name",
            ..Field::TEXT
        },
        Field {
            name: "phone",
            label: "Phone",
            hint: "10 digits, or 11 beginning with 1",
            kind: Kind::Phone,
            prefill: Prefill::Claim(Claim::Phone),
            claim: Some(Claim::Phone),
            group: Group::Payer,
            only: Some(Direction::PayIn),
            autocomplete: "tel",
            ..Field::TEXT
        },
        Field {
            name: "mobile",
            label: "Mobile",
            hint: "10 or 11 digits",
            kind: Kind::Phone,
            prefill: Prefill::Claim(Claim::Phone),
            claim: Some(Claim::Phone),
            group: Group::Payer,
            only: Some(Direction::PayOut),
            autocomplete: "tel",
            ..Field::TEXT
        },
        Field {
            name: "userIp",
            label: "Payer's address",
            hint: "Where the payer's browser is",
            prefill: Prefill::Fixed("203.0.113.42"),
            group: Group::Payer,
            ..Field::TEXT
        },
        Field {
            name: "payoutType",
            label: "Pay out by",
            kind: Kind::Choice(&[("ETO", "Interac e-Transfer (ETO)"), ("ACH", "Bank account (ACH)")]),
            prefill: Prefill::Fixed("ETO"),
            only: Some(Direction::PayOut),
            ..Field::TEXT
        },
        Field { name: "bank.institution", label: "Institution", hint: "ACH: 3 digits", ..BANK },
        Field { name: "bank.transit", label: "Transit", hint: "ACH: 5 digits", ..BANK },
        Field { name: "bank.account", label: "Account", hint: "ACH: 7 to 12 digits", keep: Keep::LastFour, ..BANK },
    ],
    note: None,
    triggers: TRIGGERS,
};

/// A part of a bank account, for ACH alone.
const BANK: Field = Field { only: Some(Direction::PayOut), optional: true, ..Field::TEXT };

/// Gigadat sheet, Simulator.
static TRIGGERS: &[Trigger] = &[
    Trigger { digits: "01", pay_in: "The bank refuses: Declined", pay_out: "Refused once approved: Declined" },
    Trigger { digits: "02", pay_in: "The payer cancels: Cancelled", pay_out: "Cancelled once approved" },
    Trigger { digits: "03", pay_in: "The time runs out: Expired", pay_out: "Expired once approved" },
    Trigger { digits: "04", pay_in: "The provider is down: Failed", pay_out: "The provider is down: Failed" },
    Trigger { digits: "05", pay_in: "The provider is silent: Failed", pay_out: "The provider is silent: Failed" },
    Trigger { digits: "06", pay_in: "Too many requests: Failed", pay_out: "Too many requests: Failed" },
    Trigger { digits: "07", pay_in: "Our credentials are refused: Failed", pay_out: "Our credentials are refused: Failed" },
    Trigger { digits: "08", pay_in: "Callback three times: one webhook", pay_out: "Callback three times: one webhook" },
    Trigger { digits: "09", pay_in: "Declined, then paid after all: two webhooks", pay_out: "" },
    Trigger { digits: "10", pay_in: "Paid before we have our answer", pay_out: "Paid before the release is answered" },
    Trigger { digits: "11", pay_in: "The answer is cut off, twice: Failed", pay_out: "The answer is cut off, twice: Failed" },
    Trigger {
        digits: "12",
        pay_in: "The line drops, and the second try succeeds",
        pay_out: "The line drops: Approved by asking, paid once",
    },
];
