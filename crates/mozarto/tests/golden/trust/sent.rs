//! Notifications and redirects as Trust writes them, and the hash over their bytes.

use super::{PASSWORD, SITE};
use aws_lc_rs::digest::{SHA256, digest};

/// A form: names, and values as bytes.
pub(super) type Fields = Vec<(String, Vec<u8>)>;

pub(super) const HASH: &str = "responsesitesecurity";
const NOTIFICATION: &str = "notificationreference";

pub(super) fn pairs(list: &[(&str, &str)]) -> Fields {
    list.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

/// A notification of a payment that was made.
pub(super) fn paid(id: &str, minor: &str) -> Fields {
    pairs(&[
        (NOTIFICATION, "1-A60356"),
        ("errorcode", "0"),
        ("orderreference", id),
        ("transactionreference", "42-14-119"),
        ("settlestatus", "0"),
        ("baseamount", minor),
        ("currencyiso3a", "EUR"),
        ("requesttypedescription", "AUTH"),
        ("paymenttypedescription", "VISA"),
        ("maskedpan", "411111######0211"),
        ("sitereference", SITE),
    ])
}

/// What the payer's browser brings back.
pub(super) fn redirect(id: &str) -> Fields {
    pairs(&[
        ("transactionreference", "42-14-119"),
        ("errorcode", "0"),
        ("orderreference", id),
        ("paymenttypedescription", "VISA"),
        ("requestreference", "A1b2c3d4e"),
        ("settlestatus", "0"),
        ("sitereference", SITE),
    ])
}

/// With other values.
pub(super) fn with(mut fields: Fields, changes: &[(&str, &str)]) -> Fields {
    for (name, value) in changes {
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value.as_bytes().to_vec(),
            None => fields.push(((*name).to_owned(), value.as_bytes().to_vec())),
        }
    }
    fields
}

/// Without a field.
pub(super) fn without(mut fields: Fields, name: &str) -> Fields {
    fields.retain(|(known, _)| known != name);
    fields
}

/// SHA-256 over the values, sorted by name, and the password.
pub(super) fn hash(fields: &Fields, password: &str) -> String {
    let mut signed: Vec<&(String, Vec<u8>)> =
        fields.iter().filter(|(name, _)| ![HASH, NOTIFICATION].contains(&name.as_str())).collect();
    signed.sort_by_key(|(name, _)| name.as_str());
    let joined: Vec<&[u8]> = signed.iter().map(|(_, value)| value.as_slice()).chain([password.as_bytes()]).collect();
    hex::encode(digest(&SHA256, &joined.concat()))
}

pub(super) fn signed(fields: Fields) -> Fields {
    let hash = hash(&fields, PASSWORD);
    with(fields, &[(HASH, &hash)])
}

/// As it goes over the wire: every byte that is no letter or digit is escaped.
pub(super) fn encoded(fields: &Fields) -> String {
    let escaped = |byte: &u8| match byte.is_ascii_alphanumeric() || b"-_.".contains(byte) {
        true => char::from(*byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    let pair = |(name, value): &(String, Vec<u8>)| format!("{name}={}", value.iter().map(escaped).collect::<String>());
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}
