//! Gigadat: Canadian bank payments on a hosted page; pay-outs by e-Transfer or to a bank account, always held for an approval.

use super::common::{PHONE, USER_IP};
use super::{Claim, Direction, Field, Group, Keep, Kind, Prefill, Provider, Trigger, Way};

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "GIGADAT",
    name: "Gigadat",
    tagline: "Interac e-Transfer",
    symbol: "send",
    directions: &[Direction::PayIn, Direction::PayOut],
    currencies: &["CAD"],
    customer: "demo-noah",
    buttons: ("Continue to Gigadat", "Request pay-out"),
    ways_title: "Pay out by",
    ways: &[
        Way { code: "eto", title: "e-Transfer", detail: "to the mobile", sets: &[("payoutType", "ETO")], ..PAY_OUT },
        Way { code: "ach", title: "Bank account", detail: "ACH", sets: &[("payoutType", "ACH")], ..PAY_OUT },
    ],
    fields: &[
        Field { name: "bank.institution", label: "Institution", hint: "3 digits", prefill: Prefill::Fixed("001"), ..BANK },
        Field { name: "bank.transit", label: "Transit", hint: "5 digits", prefill: Prefill::Fixed("12345"), ..BANK },
        Field {
            name: "bank.account",
            label: "Account number",
            hint: "7 to 12 digits",
            prefill: Prefill::Fixed("100200300"),
            keep: Keep::LastFour,
            wide: true,
            ..BANK
        },
        Field {
            name: "name",
            label: "Full name",
            hint: "First and last name",
            prefill: Prefill::Of(|customer| customer.full_name),
            group: Group::Payer,
            autocomplete: "name",
            ..Field::TEXT
        },
        Field { hint: "10 digits, or 11 beginning with 1", only: Some(Direction::PayIn), ..PHONE },
        Field {
            name: "mobile",
            label: "Mobile",
            hint: "10 or 11 digits",
            kind: Kind::Phone,
            prefill: Prefill::Claim(Claim::Phone),
            claim: Some(Claim::Phone),
            group: Group::Payer,
            only: Some(Direction::PayOut),
            ways: &["eto"],
            autocomplete: "tel",
            ..Field::TEXT
        },
        Field { group: Group::Payer, wide: true, ..USER_IP },
    ],
    triggers: TRIGGERS,
    ..Provider::BASE
};

const PAY_OUT: Way = Way { only: Some(Direction::PayOut), ..Way::PLAIN };

/// A part of a bank account.
const BANK: Field = Field { only: Some(Direction::PayOut), ways: &["ach"], group: Group::Account, digits: true, ..Field::TEXT };

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
