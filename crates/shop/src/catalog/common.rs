//! Fields that several providers ask for under the same name and rule (`providers/common.md`, Request fields).

use super::{Claim, Field, Group, Kind, Prefill};

/// `email` is asked by every provider.
pub(super) static ALWAYS: &[Field] = &[Field {
    name: "email",
    label: "E-mail",
    kind: Kind::Email,
    prefill: Prefill::Claim(Claim::Email),
    claim: Some(Claim::Email),
    wide: true,
    autocomplete: "email",
    ..PAYER
}];

const PAYER: Field = Field { group: Group::Payer, ..Field::TEXT };
const RECORD: Field = Field { group: Group::Record, ..Field::TEXT };
const DEVICE: Field = Field { group: Group::Device, optional: true, ..Field::TEXT };

pub(super) const FIRST_NAME: Field = Field {
    name: "firstName",
    label: "First name",
    prefill: Prefill::Claim(Claim::FirstName),
    claim: Some(Claim::FirstName),
    autocomplete: "given-name",
    ..PAYER
};
pub(super) const LAST_NAME: Field = Field {
    name: "lastName",
    label: "Last name",
    prefill: Prefill::Claim(Claim::LastName),
    claim: Some(Claim::LastName),
    autocomplete: "family-name",
    ..PAYER
};
pub(super) const PHONE: Field = Field {
    name: "phone",
    label: "Phone",
    hint: "At least 6 digits",
    kind: Kind::Phone,
    prefill: Prefill::Claim(Claim::Phone),
    claim: Some(Claim::Phone),
    autocomplete: "tel",
    ..PAYER
};

pub(super) const USER_IP: Field = Field {
    name: "userIp",
    label: "Address of the payer's browser",
    hint: "An IP address",
    prefill: Prefill::Of(|customer| customer.ip),
    ..RECORD
};
pub(super) const GENDER: Field =
    Field { name: "gender", label: "Gender", prefill: Prefill::Of(|customer| customer.gender), autocomplete: "sex", ..RECORD };
pub(super) const DOB: Field = Field {
    name: "dob",
    label: "Date of birth",
    hint: "YYYY-MM-DD",
    prefill: Prefill::Of(|customer| customer.born),
    autocomplete: "bday",
    ..RECORD
};
pub(super) const COUNTRY_CODE: Field = Field {
    name: "countryCode",
    label: "Country",
    hint: "Two letters, such as DE",
    prefill: Prefill::Claim(Claim::CountryCode),
    claim: Some(Claim::CountryCode),
    autocomplete: "country",
    ..RECORD
};
pub(super) const LINE1: Field = Field {
    name: "address.line1",
    label: "Street and number",
    prefill: Prefill::Of(|customer| customer.street),
    autocomplete: "address-line1",
    ..RECORD
};
pub(super) const POSTAL_CODE: Field = Field {
    name: "address.postalCode",
    label: "Postal code",
    prefill: Prefill::Of(|customer| customer.postal_code),
    autocomplete: "postal-code",
    ..RECORD
};
pub(super) const CITY: Field = Field {
    name: "address.city",
    label: "City",
    prefill: Prefill::Of(|customer| customer.city),
    autocomplete: "address-level2",
    ..RECORD
};
pub(super) const STATE: Field = Field {
    name: "address.state",
    label: "State",
    prefill: Prefill::Of(|customer| customer.state),
    autocomplete: "address-level1",
    ..RECORD
};
pub(super) const ADDRESS_COUNTRY: Field = Field {
    name: "address.country",
    label: "Country of the address",
    hint: "Two letters",
    prefill: Prefill::Of(|customer| customer.country),
    autocomplete: "country",
    ..RECORD
};
pub(super) const KYC_VERIFIED: Field =
    Field { name: "kycVerified", label: "Identity verified", kind: Kind::Flag, prefill: Prefill::Fixed("true"), ..RECORD };
pub(super) const BLOCKED: Field = Field { name: "blocked", label: "Blocked", kind: Kind::Flag, ..RECORD };
pub(super) const IS_VELOCITY: Field = Field { name: "isVelocity", label: "Unusually many payments", kind: Kind::Flag, ..RECORD };
pub(super) const TRANSACTION_COUNT: Field =
    Field { name: "transactionCount", label: "Payments so far", prefill: Prefill::Fixed("12"), digits: true, ..RECORD };
pub(super) const USER_BALANCE: Field =
    Field { name: "userBalance", label: "Balance", kind: Kind::Number, prefill: Prefill::Fixed("20.50"), ..RECORD };
pub(super) const PARTNER_NAME: Field =
    Field { name: "partnerName", label: "Partner", prefill: Prefill::Fixed("Fernhill"), ..RECORD };
pub(super) const EMAIL_VERIFICATION: Field = Field {
    name: "emailVerification",
    label: "Verified e-mail",
    kind: Kind::Email,
    prefill: Prefill::Claim(Claim::Email),
    ..RECORD
};
pub(super) const VERIFICATION_DATE: Field =
    Field { name: "verificationDate", label: "Verified on", hint: "YYYY-MM-DD", prefill: Prefill::Fixed("2026-01-10"), ..RECORD };

/// What 3-D Secure asks of the payer's browser. The first two come from the headers of the form's own request, the others
/// from the page's script; without script they are left out.
pub(super) const USER_AGENT: Field = Field { name: "browser.userAgent", label: "User agent", ..DEVICE };
pub(super) const ACCEPT_HEADER: Field = Field { name: "browser.acceptHeader", label: "Accept header", ..DEVICE };
pub(super) const LANGUAGE: Field = Field { name: "browser.language", label: "Language", ..DEVICE };
pub(super) const JAVA_ENABLED: Field = Field { name: "browser.javaEnabled", label: "Java", kind: Kind::Flag, ..DEVICE };
pub(super) const JAVA_SCRIPT_ENABLED: Field =
    Field { name: "browser.javaScriptEnabled", label: "Scripts", kind: Kind::Flag, ..DEVICE };
pub(super) const COLOR_DEPTH: Field = Field { name: "browser.colorDepth", label: "Colour depth", kind: Kind::Number, ..DEVICE };
pub(super) const SCREEN_HEIGHT: Field =
    Field { name: "browser.screenHeight", label: "Screen height", kind: Kind::Number, ..DEVICE };
pub(super) const SCREEN_WIDTH: Field = Field { name: "browser.screenWidth", label: "Screen width", kind: Kind::Number, ..DEVICE };
pub(super) const TIME_ZONE: Field = Field { name: "browser.timeZoneOffset", label: "Time zone", kind: Kind::Number, ..DEVICE };
