//! Cleo: bank transfers in Chile, Peru and Mexico, both ways. The country chooses currency, account and document.

use super::common::{
    ADDRESS_COUNTRY, BLOCKED, CITY, DOB, EMAIL_VERIFICATION, FIRST_NAME, GENDER, IS_VELOCITY, KYC_VERIFIED, LAST_NAME, LINE1,
    PARTNER_NAME, PHONE, POSTAL_CODE, STATE, TRANSACTION_COUNT, USER_BALANCE, VERIFICATION_DATE,
};
use super::{Direction, Field, Group, Keep, Kind, Prefill, Provider, Trigger, Way};

const CHILE: &[&str] = &["cl"];
const PERU: &[&str] = &["pe"];
const MEXICO: &[&str] = &["mx"];
/// Of the pay-in alone: a pay-out asks for less.
const PAY_IN: Option<Direction> = Some(Direction::PayIn);

pub(super) static PROVIDER: Provider = Provider {
    psp_type: "CLEO",
    name: "Cleo",
    tagline: "Latin America",
    symbol: "globe",
    directions: &[Direction::PayIn, Direction::PayOut],
    currencies: &["CLP"],
    currency_code: true,
    amount: "10000",
    customer: "demo-camila",
    buttons: ("Continue to Cleo", "Request pay-out"),
    ways_title: "Country",
    ways: &[
        Way { code: "cl", title: "Chile", detail: "CLP", sets: &[("countryCode", "CL")], ..Way::PLAIN },
        Way {
            code: "pe",
            title: "Peru",
            detail: "PEN",
            sets: &[("countryCode", "PE")],
            currencies: &["PEN"],
            amount: "100.00",
            customer: "demo-luis",
            ..Way::PLAIN
        },
        Way {
            code: "mx",
            title: "Mexico",
            detail: "MXN",
            sets: &[("countryCode", "MX")],
            currencies: &["MXN"],
            amount: "500.00",
            customer: "demo-valeria",
            ..Way::PLAIN
        },
    ],
    fields: &[
        Field { kind: Kind::Choice(&[("RUT", "RUT")]), prefill: Prefill::Fixed("RUT"), ways: CHILE, ..DOCUMENT_TYPE },
        Field {
            kind: Kind::Choice(&[("DNI", "DNI"), ("CE", "CE"), ("RUC", "RUC")]),
            prefill: Prefill::Fixed("DNI"),
            ways: PERU,
            ..DOCUMENT_TYPE
        },
        Field {
            kind: Kind::Choice(&[("RFC", "RFC"), ("CURP", "CURP")]),
            prefill: Prefill::Fixed("RFC"),
            ways: MEXICO,
            ..DOCUMENT_TYPE
        },
        Field { hint: "With its check digit: 12345678-5", prefill: Prefill::Fixed("12345678-5"), ways: CHILE, ..DOCUMENT },
        Field { hint: "4 to 20 letters or digits", prefill: Prefill::Fixed("45678912"), ways: PERU, ..DOCUMENT },
        Field { hint: "4 to 20 letters or digits", prefill: Prefill::Fixed("TOVA921102AB1"), ways: MEXICO, ..DOCUMENT },
        Field {
            name: "beneficiary.bankCode",
            label: "Bank",
            hint: "3 digits",
            prefill: Prefill::Fixed("012"),
            ways: CHILE,
            digits: true,
            ..ACCOUNT
        },
        Field {
            name: "beneficiary.accountType",
            label: "Kind of account",
            kind: Kind::Choice(&[("checking", "Checking"), ("savings", "Savings"), ("vista", "Vista")]),
            prefill: Prefill::Fixed("checking"),
            ways: CHILE,
            ..ACCOUNT
        },
        Field { hint: "4 to 20 digits", prefill: Prefill::Fixed("1234567890"), ways: CHILE, ..ACCOUNT_NUMBER },
        Field { hint: "A CCI of 20 digits", prefill: Prefill::Fixed("00219300123456789012"), ways: PERU, ..ACCOUNT_NUMBER },
        Field {
            hint: "A CLABE of 18 digits, the last a check digit",
            prefill: Prefill::Fixed("032180000118359719"),
            ways: MEXICO,
            ..ACCOUNT_NUMBER
        },
        FIRST_NAME,
        LAST_NAME,
        PHONE,
        Field { only: PAY_IN, ..GENDER },
        Field { only: PAY_IN, ..DOB },
        Field { only: PAY_IN, ..LINE1 },
        Field { only: PAY_IN, ..POSTAL_CODE },
        Field { only: PAY_IN, ..CITY },
        Field { only: PAY_IN, ..STATE },
        Field { only: PAY_IN, ..ADDRESS_COUNTRY },
        Field { only: PAY_IN, ..KYC_VERIFIED },
        Field { only: PAY_IN, ..BLOCKED },
        Field { only: PAY_IN, ..IS_VELOCITY },
        Field { only: PAY_IN, ..TRANSACTION_COUNT },
        Field { only: PAY_IN, ..USER_BALANCE },
        Field { only: PAY_IN, ..PARTNER_NAME },
        Field { only: PAY_IN, ..EMAIL_VERIFICATION },
        Field { only: PAY_IN, ..VERIFICATION_DATE },
    ],
    triggers: TRIGGERS,
    ..Provider::BASE
};

/// Whom a pay-out goes to, beside the customer's own name.
const ACCOUNT: Field = Field { only: Some(Direction::PayOut), group: Group::Account, ..Field::TEXT };
const DOCUMENT_TYPE: Field = Field { name: "beneficiary.documentType", label: "Document", ..ACCOUNT };
const DOCUMENT: Field = Field { name: "beneficiary.documentNumber", label: "Document number", keep: Keep::LastFour, ..ACCOUNT };
const ACCOUNT_NUMBER: Field = Field {
    name: "beneficiary.accountNumber",
    label: "Account number",
    keep: Keep::LastFour,
    digits: true,
    wide: true,
    ..ACCOUNT
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
