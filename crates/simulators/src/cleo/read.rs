//! The body of a create call, checked.

use money::{Currency, Money};

use super::order::Order;
use super::{COUNTRIES, Country, PENDING};
use crate::kit::{Call, Direction, Fields, is_http_url};

/// Texts that both kinds need, in the order in which they are checked.
const TEXTS: [&str; 9] = [
    "externalReference",
    "amount",
    "currency",
    "country",
    "customer.externalKey",
    "customer.userId",
    "customer.firstName",
    "customer.lastName",
    "customer.email",
];
const TEXTS_IN: [&str; 13] = [
    "customer.phone",
    "customer.gender",
    "customer.dateOfBirth",
    "customer.address.line1",
    "customer.address.city",
    "customer.address.state",
    "customer.address.postalCode",
    "customer.address.country",
    "risk.transactionCount",
    "risk.partnerName",
    "risk.verifiedEmail",
    "risk.verificationDate",
    "notificationUrl",
];
const TEXTS_OUT: [&str; 6] = [
    "beneficiary.documentType",
    "beneficiary.documentNumber",
    "beneficiary.bankCode",
    "beneficiary.accountType",
    "beneficiary.accountNumber",
    "notificationUrl",
];
const BOOLEANS_IN: [&str; 3] = ["risk.kycVerified", "risk.blocked", "risk.isVelocity"];
const NUMBER_IN: &str = "risk.userBalance";
/// Texts that are left out when they are empty.
const OPTIONAL: [&str; 4] = ["customer.phone", "customer.address.line2", "risk.bonusCode", "returnUrl"];
const REFERENCE_MAX: usize = 64;

/// A key that a caller showed: the account that it opens, and for which countries.
pub(super) struct Keyed {
    pub(super) digest: String,
    pub(super) external_key: String,
    pub(super) countries: Vec<&'static Country>,
}

/// HTTP status and sentence of a refusal.
pub(super) type Refusal = (u16, String);

/// Reads an order; the first thing that is wrong.
pub(super) fn order(call: &Call, keyed: &[Keyed], direction: Direction) -> Result<Order, Refusal> {
    let fields = Fields::read(&call.body).ok_or_else(|| (400, "The body is not readable".to_owned()))?;
    check_presence(&fields, direction)?;
    let text = |name: &str| fields.text(name).unwrap_or_default();
    let wrong = |sentence: &str| (422, sentence.to_owned());
    let served: Vec<&Keyed> =
        keyed.iter().filter(|keyed| keyed.countries.iter().any(|country| country.code == text("country"))).collect();
    if served.is_empty() {
        return Err(wrong("country is not the key's"));
    }
    let country = COUNTRIES.iter().find(|country| country.code == text("country")).ok_or_else(|| wrong("country is unknown"))?;
    if country.currency != text("currency") {
        return Err(wrong("currency is not the key's"));
    }
    let keyed = served.iter().find(|keyed| keyed.external_key == text("customer.externalKey"));
    let keyed = keyed.ok_or_else(|| wrong("customer.externalKey is unknown"))?;
    let amount = Currency::from_code(country.currency).and_then(|known| Money::parse_decimal(&text("amount"), known).ok());
    let amount = amount.filter(|money| money.minor() > 0 && money.to_fixed() == text("amount"));
    let amount = amount.ok_or_else(|| wrong("amount must be above zero and have the currency's digits"))?;
    if text("externalReference").len() > REFERENCE_MAX {
        return Err(wrong("externalReference is too long"));
    }
    for name in ["notificationUrl", "returnUrl"] {
        if fields.text(name).is_some_and(|url| !is_http_url(&url)) {
            return Err((422, format!("{name} must be an address")));
        }
    }
    if direction == Direction::Out {
        check_beneficiary(&fields, country).map_err(|sentence| wrong(&sentence))?;
    }
    Ok(Order {
        account: keyed.digest.clone(),
        direction,
        reference: text("externalReference"),
        amount: amount.to_fixed(),
        currency: country.currency.to_owned(),
        country: country.code.to_owned(),
        payer: format!("{} {}", text("customer.firstName"), text("customer.lastName")),
        destination: text("beneficiary.accountNumber"),
        return_url: fields.text("returnUrl"),
        notification_url: text("notificationUrl"),
        state: PENDING.to_owned(),
        settled: false,
    })
}

fn check_presence(fields: &Fields, direction: Direction) -> Result<(), Refusal> {
    let beside: &[&str] = if direction == Direction::In { &TEXTS_IN } else { &TEXTS_OUT };
    let (booleans, numbers): (&[&str], &[&str]) =
        if direction == Direction::In { (&BOOLEANS_IN, &[NUMBER_IN]) } else { (&[], &[]) };
    let texts = TEXTS.iter().chain(beside);
    for name in texts.clone().chain(booleans).chain(numbers) {
        if !fields.has(name) {
            return Err((400, format!("{name} is required")));
        }
    }
    let kinds = texts
        .map(|name| (name, "a string", fields.text(name).is_some()))
        .chain(booleans.iter().map(|name| (name, "a boolean", is_boolean(fields, name))))
        .chain(numbers.iter().map(|name| (name, "a number", is_number(fields, name))));
    for (name, kind, fits) in kinds {
        if !fits {
            return Err((400, format!("{name} must be {kind}")));
        }
    }
    for name in OPTIONAL {
        if fields.literal(name).is_some() && fields.text(name).is_none() {
            return Err((400, format!("{name} must be left out or be a string")));
        }
    }
    Ok(())
}

fn is_boolean(fields: &Fields, name: &str) -> bool {
    fields.literal(name).is_some_and(|literal| matches!(literal.as_str(), "true" | "false"))
}

fn is_number(fields: &Fields, name: &str) -> bool {
    fields.literal(name).is_some_and(|literal| literal.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
}

/// A document's number without anything that only makes it easier to read.
fn is_plain_number(number: &str) -> bool {
    (4..=20).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Mexico's tax number: three letters of a company or four of a person (`Ñ` and `&` among them), six digits of a date, three
/// letters or digits.
fn is_rfc(number: &str) -> bool {
    let characters: Vec<char> = number.chars().collect();
    let Some(letters) = characters.len().checked_sub(9).filter(|count| matches!(count, 3 | 4)) else {
        return false;
    };
    let fits = |(at, character): (usize, &char)| match at.checked_sub(letters) {
        None => matches!(character, 'A'..='Z' | 'Ñ' | '&'),
        Some(0..=5) => character.is_ascii_digit(),
        Some(_) => matches!(character, 'A'..='Z' | '0'..='9'),
    };
    characters.iter().enumerate().all(fits)
}

fn check_beneficiary(fields: &Fields, country: &Country) -> Result<(), String> {
    let text = |name: &str| fields.text(&format!("beneficiary.{name}")).unwrap_or_default();
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (document, number, bank, account) =
        (text("documentType"), text("documentNumber"), text("bankCode"), text("accountNumber"));
    let (documents, lengths): (&[&str], _) = match country.code {
        "CL" => (&["RUT"], 4..=20),
        "PE" => (&["DNI", "CE", "RUC"], 20..=20),
        _ => (&["CURP", "RFC"], 18..=18),
    };
    if !documents.contains(&document.as_str()) {
        return Err("beneficiary.documentType is not one of the country's".to_owned());
    }
    let known = if document == "RFC" { is_rfc(&number) } else { is_plain_number(&number) };
    if !known {
        return Err("beneficiary.documentNumber is not valid".to_owned());
    }
    if bank.len() != 3 || !digits(&bank) {
        return Err("beneficiary.bankCode must be 3 digits".to_owned());
    }
    if !["checking", "savings", "vista"].contains(&text("accountType").as_str()) {
        return Err("beneficiary.accountType is not valid".to_owned());
    }
    if !lengths.contains(&account.len()) || !digits(&account) {
        return Err("beneficiary.accountNumber is not valid".to_owned());
    }
    // Account numbers of Peru and Mexico begin with their bank.
    if country.code != "CL" && !account.starts_with(&bank) {
        return Err("beneficiary.bankCode is not the account's".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tax_numbers_of_mexico() {
        for good in ["ÑAÑE850101AB1", "A&B850101AB1", "DOJO900115AB1", "&Ñ&850101000"] {
            assert!(is_rfc(good), "{good}");
        }
        for bad in ["AB850101AB1", "ABCDE850101AB1", "abc850101AB1", "ABC850101AÑ1", "ABC85010AAB1", ""] {
            assert!(!is_rfc(bad), "{bad}");
        }
    }
}
