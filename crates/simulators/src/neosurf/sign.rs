//! The hash of Neosurf: SHA-512 over the values in the order of their names, then the secret.

use aws_lc_rs::digest;

use crate::kit::same_text;

/// The field that carries the hash and is no part of it.
pub(super) const HASH: &str = "hash";

/// Lower-case hex SHA-512 of all values but `hash`, ordered by name (ASCII ascending), joined without
/// separators, then the secret ("Create" of the sheet).
pub(super) fn hash(fields: &[(String, String)], secret: &str) -> String {
    let mut sorted: Vec<&(String, String)> = fields.iter().filter(|(name, _)| name != HASH).collect();
    sorted.sort_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
    let mut text: String = sorted.iter().map(|(_, value)| value.as_str()).collect();
    text.push_str(secret);
    hex::encode(digest::digest(&digest::SHA512, text.as_bytes()))
}

/// Whether the fields carry their own right hash. Of a name that occurs twice it is not known which value counts,
/// so such a call is never rightly signed.
pub(super) fn is_signed(fields: &[(String, String)], secret: &str) -> bool {
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let unique = names.windows(2).all(|pair| pair[0] != pair[1]);
    let given = fields.iter().find(|(name, _)| name == HASH).map(|(_, value)| value.to_ascii_lowercase());
    unique && given.is_some_and(|given| same_text(&given, &hash(fields, secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "neosurfsecret";

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Vector A, in an order that is not that of the names.
    fn create() -> Vec<(String, String)> {
        fields(&[
            ("version", "3"),
            ("urlPending", "https://m.example/pending"),
            ("amount", "5000"),
            ("currency", "eur"),
            ("language", "en"),
            ("merchantId", "24842"),
            ("merchantTransactionId", "64a1f2b3c4d5e6f7a8b9c0d1"),
            ("prohibitedForMinors", "yes"),
            ("subMerchantId", "merchant.example"),
            ("test", "yes"),
            ("urlCallback", "https://gw.example/cb"),
            ("urlKo", "https://m.example/ko"),
            ("urlOk", "https://m.example/ok"),
        ])
    }

    #[test]
    fn vector_a_a_create_without_expiry() {
        let wanted = "6ceb14a13c36b20e9a905cbcb57d5ad1ec0244022a389d6cc21cd3d00bdde7d5\
                      3bb939d2fc816a6839d317cce7915ad76d5b23fe3ea9295824eaf635011615ee";
        let mut create = create();
        assert_eq!(hash(&create, SECRET), wanted);
        create.push(("hash".to_owned(), wanted.to_ascii_uppercase()));
        assert!(is_signed(&create, SECRET), "letter case is ignored");
        assert!(!is_signed(&create, "another"));
        create.push(("test".to_owned(), String::new()));
        assert!(!is_signed(&create, SECRET), "a field twice, though its second value is empty");
    }

    #[test]
    fn vector_b_the_same_with_expiry() {
        let mut create = create();
        create.push(("expiry".to_owned(), "2026-05-17T11:32:57+00:00".to_owned()));
        assert_eq!(
            hash(&create, SECRET),
            "e2318ef2791188064d547e784788a1c33503166890e8bac3341976801810ab606\
             c2d51228abe0430b0136048ccc38a556f634f0ff3c1334197b8810d5c0c3a42"
        );
    }

    #[test]
    fn the_status_query() {
        let query = fields(&[
            ("merchantId", "24842"),
            ("merchantTransactionId", "64a1f2b3c4d5e6f7a8b9c0d1"),
            ("subMerchantId", "merchant.example"),
            ("test", "yes"),
            ("version", "3"),
        ]);
        assert_eq!(
            hash(&query, SECRET),
            "b34896ee4db11a00e0d19eecd583c491bb0dc9afda27d9204b32f559dd6a0455\
             3d4bdce41f23396ece3d66d0276d436c9d02b58b974a03b20613c74274b9b7d3"
        );
    }
}
