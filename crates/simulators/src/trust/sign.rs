//! The two hashes of Trust: of the request (`sitesecurity`) and of what Trust sends (`responsesitesecurity`).

use aws_lc_rs::digest;

/// The fields of the request hash unless the site agreed on others ("Request hash" of the sheet).
pub(super) const DEFAULT_HASH_FIELDS: [&str; 21] = [
    "currencyiso3a",
    "mainamount",
    "sitereference",
    "settlestatus",
    "settleduedate",
    "authmethod",
    "paypaladdressoverride",
    "strequiredfields",
    "version",
    "stprofile",
    "ruleidentifier",
    "stdefaultprofile",
    "successfulurlredirect",
    "declinedurlredirect",
    "successfulurlnotification",
    "declinedurlnotification",
    "merchantemail",
    "allurlnotification",
    "stextraurlnotifyfields",
    "stextraurlredirectfields",
    "orderreference",
];

/// The field that carries the response hash.
pub(super) const RESPONSE_HASH: &str = "responsesitesecurity";
/// The field of a notification that is outside the response hash.
pub(super) const NOTIFICATION_REFERENCE: &str = "notificationreference";

pub(super) type Fields = Vec<(String, String)>;

/// All values of a field, in the order sent.
pub(super) fn values<'a>(fields: &'a Fields, name: &'a str) -> impl Iterator<Item = &'a str> {
    fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The first value of a field, empty when it is absent.
pub(super) fn value<'a>(fields: &'a Fields, name: &'a str) -> &'a str {
    values(fields, name).next().unwrap_or_default()
}

/// `sitesecurity`: `h` and lower-case hex SHA-256 of the agreed fields' values in the agreed order (repeated ones in
/// the order sent), then the timestamp, then the password.
pub(super) fn request_hash(fields: &Fields, agreed: &[&str], password: &str) -> String {
    let mut text: String = agreed.iter().flat_map(|name| values(fields, name)).collect();
    text.extend(values(fields, "sitesecuritytimestamp"));
    text.push_str(password);
    format!("h{}", sha256_hex(&text))
}

/// `responsesitesecurity`: lower-case hex SHA-256 of all fields' values, sorted by name (ASCII; repeated ones in the
/// order given), then the password.
pub(super) fn response_hash(fields: &Fields, password: &str) -> String {
    let mut sorted: Vec<&(String, String)> =
        fields.iter().filter(|(name, _)| name != RESPONSE_HASH && name != NOTIFICATION_REFERENCE).collect();
    // A stable sort: repeated fields keep their order.
    sorted.sort_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
    let mut text: String = sorted.iter().map(|(_, value)| value.as_str()).collect();
    text.push_str(password);
    sha256_hex(&text)
}

fn sha256_hex(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "PASSWORD";
    const STAMP: (&str, &str) = ("sitesecuritytimestamp", "2026-01-02 03:04:05");

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_request_hash_of_the_whole_form() {
        let mut form = fields(&[
            STAMP,
            ("orderreference", "64a1f2b3c4d5e6f7a8b9c0d1"),
            ("sitereference", "test_site12345"),
            ("mainamount", "100.00"),
            ("currencyiso3a", "EUR"),
            ("version", "2"),
            ("stprofile", "default"),
            ("ruleidentifier", "STR-6"),
            ("ruleidentifier", "STR-7"),
            ("ruleidentifier", "STR-10"),
            ("billingfirstname", "not in the list"),
            ("successfulurlredirect", "https://pay.example/return/trust/kJ3n0T9zq1/success"),
            ("declinedurlredirect", "https://pay.example/return/trust/kJ3n0T9zq1/failure"),
            ("allurlnotification", "https://pay.example/callbacks/trust/pQ7v2LmX4c"),
        ]);
        for name in crate::trust::order::NOTIFIED_FIELDS {
            form.push(("stextraurlnotifyfields".to_owned(), name.to_owned()));
        }
        assert_eq!(
            request_hash(&form, &DEFAULT_HASH_FIELDS, PASSWORD),
            "h7902d7bebab73451f93f767a0dea22b9b9f7fa35f5b3708a750c519e4bb5dec1"
        );
    }

    #[test]
    fn the_request_hash_of_shorter_forms() {
        let form = fields(&[
            ("sitereference", "test_site12345"),
            ("currencyiso3a", "GBP"),
            ("mainamount", "10.50"),
            ("version", "2"),
            ("stprofile", "default"),
            ("ruleidentifier", "STR-6"),
            ("ruleidentifier", "STR-10"),
            ("successfulurlredirect", "https://m.example/ok"),
            ("allurlnotification", "https://m.example/notify"),
            ("orderreference", "ORD-1"),
            STAMP,
        ]);
        assert_eq!(
            request_hash(&form, &DEFAULT_HASH_FIELDS, PASSWORD),
            "hb231029fc1ba155e7b29a7b21fbeaa431dbacd3e5af76786497957a7db79d1da"
        );
        let form = fields(&[("sitereference", "test_site12345"), ("mainamount", "100.00"), ("currencyiso3a", "EUR"), STAMP]);
        assert_eq!(
            request_hash(&form, &["currencyiso3a", "mainamount", "sitereference"], PASSWORD),
            "haa2fc46e208dc93a947602f8f476ec71fc576a22e659409ac66bd2cb7d52c344"
        );
    }

    #[test]
    fn the_response_hash_of_a_redirect() {
        assert_eq!(
            sha256_hex("0OrderVISARR5550test_site123452-44-66PASSWORD"),
            "1a8b45c137c1d1df8ce6ff923421043f879a85a181e9c0d96a8904211af8b0b0"
        );
        let redirect = fields(&[
            ("transactionreference", "42-14-119"),
            ("errorcode", "0"),
            ("orderreference", "64a1f2b3c4d5e6f7a8b9c0d1"),
            ("paymenttypedescription", "VISA"),
            ("requestreference", "A1b2c3d4e"),
            ("settlestatus", "0"),
            ("sitereference", "test_site12345"),
        ]);
        assert_eq!(response_hash(&redirect, PASSWORD), "06f92fd64f5c6c0334350981addc1d10212f8d52add2eb41464685656e5ddc5f");
    }

    #[test]
    fn the_response_hash_of_two_notifications() {
        let notification = |errorcode: &str, settlestatus: &str, baseamount: &str, reference: &str, maskedpan: &str| {
            fields(&[
                ("notificationreference", "1-A60356"),
                ("errorcode", errorcode),
                ("orderreference", "64a1f2b3c4d5e6f7a8b9c0d1"),
                ("transactionreference", reference),
                ("settlestatus", settlestatus),
                ("baseamount", baseamount),
                ("currencyiso3a", "EUR"),
                ("requesttypedescription", "AUTH"),
                ("paymenttypedescription", "VISA"),
                ("maskedpan", maskedpan),
                ("sitereference", "test_site12345"),
                ("responsesitesecurity", "not part of itself"),
            ])
        };
        assert_eq!(
            response_hash(&notification("0", "0", "10000", "42-14-119", "411111######0211"), PASSWORD),
            "e1623a1288d2cd94600ae4955529242e4431680dd6f85fa1623af0a0c094cecb"
        );
        assert_eq!(
            response_hash(&notification("70000", "3", "10001", "42-14-120", "424242######4242"), PASSWORD),
            "1ef36b2fbbbda0a1399376e40c8784d52d10bca6af3f01f91c2ae24f46ff7d07"
        );
    }
}
