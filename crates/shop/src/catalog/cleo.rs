//! Cleo: bank transfers in Mexico and Peru, both ways. (Chile's pay-outs ask for more than this form does.)

use super::{Claim, Direction, Field, Group, Keep, Kind, OutcomeBy, Prefill, Provider, Trigger};

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "CLEO",
    name: "Cleo",
    tagline: "Bank transfer in Latin America",
    symbol: "bank",
    directions: &[Direction::PayIn, Direction::PayOut],
    currencies: &["MXN", "PEN"],
    currency_code: true,
    amount: "500.00",
    customer: "demo-clara",
    outcome: OutcomeBy::Webhook,
    hosted_page: true,
    buttons: ("Continue to Cleo", "Request pay-out"),
    fields: &[
        Field {
            name: "countryCode",
            label: "Country",
            kind: Kind::Choice(&[("MX", "Mexico (MXN)"), ("PE", "Peru (PEN)")]),
            prefill: Prefill::Fixed("MX"),
            ..Field::TEXT
        },
        Field {
            name: "firstName",
            label: "First name",
            prefill: Prefill::Claim(Claim::FirstName),
            claim: Some(Claim::FirstName),
            group: Group::Payer,
            autocomplete: "given-name",
            ..Field::TEXT
        },
        Field {
            name: "lastName",
            label: "Last name",
            prefill: Prefill::Claim(Claim::LastName),
            claim: Some(Claim::LastName),
            group: Group::Payer,
            autocomplete: "family-name",
            ..Field::TEXT
        },
        Field {
            name: "phone",
            label: "Phone",
            hint: "At least 6 digits",
            kind: Kind::Phone,
            prefill: Prefill::Claim(Claim::Phone),
            claim: Some(Claim::Phone),
            group: Group::Payer,
            autocomplete: "tel",
            ..Field::TEXT
        },
        Field {
            name: "gender",
            label: "Gender",
            prefill: Prefill::Fixed("female"),
            group: Group::Payer,
            only: Some(Direction::PayIn),
            autocomplete: "sex",
            ..Field::TEXT
        },
        Field {
            name: "dob",
            label: "Date of birth",
            hint: "YYYY-MM-DD",
            prefill: Prefill::Fixed("1990-01-15"),
            group: Group::Payer,
            only: Some(Direction::PayIn),
            autocomplete: "bday",
            ..Field::TEXT
        },
        Field {
            name: "address.line1",
            label: "Address",
            prefill: Prefill::Fixed("Av. Uno 1"),
            group: Group::Payer,
            only: Some(Direction::PayIn),
            autocomplete: "address-line1",
            ..Field::TEXT
        },
        Field {
            name: "address.city",
            label: "City",
            prefill: Prefill::Fixed("Ciudad de México"),
            group: Group::Payer,
            only: Some(Direction::PayIn),
            autocomplete: "address-level2",
            ..Field::TEXT
        },
        Field {
            name: "address.state",
            label: "State",
            prefill: Prefill::Fixed("CDMX"),
            group: Group::Payer,
            only: Some(Direction::PayIn),
            autocomplete: "address-level1",
            ..Field::TEXT
        },
        Field {
            name: "address.postalCode",
            label: "Postal code",
            prefill: Prefill::Fixed("06000"),
            group: Group::Payer,
            only: Some(Direction::PayIn),
            autocomplete: "postal-code",
            ..Field::TEXT
        },
        Field {
            name: "address.country",
            label: "Country of residence",
            prefill: Prefill::Fixed("MX"),
            group: Group::Payer,
            only: Some(Direction::PayIn),
            autocomplete: "country",
            ..Field::TEXT
        },
        Field {
            name: "kycVerified",
            label: "Identity verified",
            kind: Kind::Flag,
            prefill: Prefill::Fixed("true"),
            only: Some(Direction::PayIn),
            ..Field::TEXT
        },
        Field {
            name: "blocked",
            label: "Blocked",
            kind: Kind::Flag,
            prefill: Prefill::Fixed("false"),
            only: Some(Direction::PayIn),
            ..Field::TEXT
        },
        Field {
            name: "isVelocity",
            label: "Over the velocity limit",
            kind: Kind::Flag,
            prefill: Prefill::Fixed("false"),
            only: Some(Direction::PayIn),
            ..Field::TEXT
        },
        Field {
            name: "transactionCount",
            label: "Payments so far",
            prefill: Prefill::Fixed("12"),
            only: Some(Direction::PayIn),
            ..Field::TEXT
        },
        Field {
            name: "userBalance",
            label: "Balance",
            kind: Kind::Number,
            prefill: Prefill::Fixed("0"),
            only: Some(Direction::PayIn),
            ..Field::TEXT
        },
        Field {
            name: "partnerName",
            label: "Partner",
            prefill: Prefill::Fixed("Fernwood Games"),
            only: Some(Direction::PayIn),
            ..Field::TEXT
        },
        Field {
            name: "emailVerification",
            label: "Verified e-mail",
            kind: Kind::Email,
            prefill: Prefill::Claim(Claim::Email),
            group: Group::Payer,
            only: Some(Direction::PayIn),
            ..Field::TEXT
        },
        Field {
            name: "verificationDate",
            label: "Verified on",
            hint: "YYYY-MM-DD",
            prefill: Prefill::Fixed("2026-01-15"),
            only: Some(Direction::PayIn),
            ..Field::TEXT
        },
        Field {
            name: "beneficiary.documentType",
            label: "Document",
            kind: Kind::Choice(&[
                ("RFC", "RFC (Mexico)"),
                ("CURP", "CURP (Mexico)"),
                ("DNI", "DNI (Peru)"),
                ("CE", "CE (Peru)"),
                ("RUC", "RUC (Peru)"),
            ]),
            prefill: Prefill::Fixed("RFC"),
            only: Some(Direction::PayOut),
            ..Field::TEXT
        },
        Field {
            name: "beneficiary.documentNumber",
            label: "Document number",
            prefill: Prefill::Fixed("DOJO900115AB1"),
            keep: Keep::LastFour,
            only: Some(Direction::PayOut),
            ..Field::TEXT
        },
        Field {
            name: "beneficiary.accountNumber",
            label: "Account",
            hint: "Mexico: a CLABE of 18 digits; Peru: a CCI of 20 digits",
            prefill: Prefill::Fixed("032180000118359719"),
            keep: Keep::LastFour,
            only: Some(Direction::PayOut),
            wide: true,
            ..Field::TEXT
        },
    ],
    note: None,
    triggers: TRIGGERS,
};

/// Cleo sheet, Simulator.
static TRIGGERS: &[Trigger] = &[
    Trigger { digits: "01", pay_in: "The bank refuses: Declined", pay_out: "Refused: Declined" },
    Trigger { digits: "02", pay_in: "The payer cancels: Cancelled", pay_out: "Cancelled" },
    Trigger { digits: "03", pay_in: "The time runs out: Expired", pay_out: "Expired" },
    Trigger { digits: "04", pay_in: "The provider is down: Failed", pay_out: "Fault, nothing taken: Pending, later Failed" },
    Trigger { digits: "05", pay_in: "The provider is silent: Failed", pay_out: "Silence, nothing taken: Pending, later Failed" },
    Trigger { digits: "06", pay_in: "Too many requests: Failed", pay_out: "Too many requests: Failed" },
    Trigger { digits: "07", pay_in: "Our credentials are refused: Failed", pay_out: "Our credentials are refused: Failed" },
    Trigger { digits: "08", pay_in: "Callback three times: one webhook", pay_out: "Callback three times: one webhook" },
    Trigger { digits: "09", pay_in: "Declined, then paid after all: two webhooks", pay_out: "" },
    Trigger { digits: "10", pay_in: "Paid before we have our answer", pay_out: "Paid before we have our answer" },
    Trigger {
        digits: "11",
        pay_in: "The answer is cut off: an error, then Pending",
        pay_out: "The answer is cut off: Approved by asking, paid once",
    },
    Trigger {
        digits: "12",
        pay_in: "The line drops: an error, then Pending",
        pay_out: "The line drops: Approved by asking, paid once",
    },
];
