//! The keys that user tokens are checked with.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use domain::company::{UserTokenAlgorithm, UserTokenKey};
use jsonwebtoken::{Algorithm, DecodingKey};

/// Shortest shared secret, bytes.
const SECRET_MIN_BYTES: usize = 16;
/// Longest key, bytes.
const KEY_MAX_BYTES: usize = 8 * 1024;

/// Checks a key before it is saved: what is wrong with it, as the rest of a sentence.
///
/// # Errors
/// The rest of the sentence after the field's name.
pub(crate) fn check(key: &UserTokenKey) -> Result<(), &'static str> {
    let text = key.key.expose();
    if text.len() > KEY_MAX_BYTES || text.contains('\0') {
        return Err("must be at most 8192 bytes");
    }
    match key.algorithm {
        UserTokenAlgorithm::Hs256 if text.len() < SECRET_MIN_BYTES => Err("must be at least 16 bytes"),
        UserTokenAlgorithm::Hs256 => Ok(()),
        UserTokenAlgorithm::Rs256 => {
            let parsed = public(text).and_then(|text| DecodingKey::from_rsa_pem(text).ok());
            let good = parsed.is_some_and(|key| {
                let der = key.try_get_as_bytes();
                der.is_ok_and(|der| ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).is_ok() && modulus_is_long(der))
            });
            if good { Ok(()) } else { Err("must be an RSA public key of at least 2048 bits in PEM") }
        }
        UserTokenAlgorithm::Es256 => {
            let parsed = public(text).and_then(|text| DecodingKey::from_ec_pem(text).ok());
            let good = parsed.is_some_and(|key| {
                let point = key.try_get_as_bytes();
                point.is_ok_and(|point| ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok())
            });
            if good { Ok(()) } else { Err("must be a public key on P-256 in PEM") }
        }
    }
}

/// The key as the library takes it; `None` where it is no longer one (it was checked when it was saved).
pub(super) fn decoding(key: &UserTokenKey) -> Option<(Algorithm, DecodingKey)> {
    let text = key.key.expose();
    match key.algorithm {
        UserTokenAlgorithm::Hs256 => Some((Algorithm::HS256, DecodingKey::from_secret(text.as_bytes()))),
        UserTokenAlgorithm::Rs256 => Some((Algorithm::RS256, DecodingKey::from_rsa_pem(text.as_bytes()).ok()?)),
        UserTokenAlgorithm::Es256 => Some((Algorithm::ES256, DecodingKey::from_ec_pem(text.as_bytes()).ok()?)),
    }
}

/// Refuses PEM of a private key: we have no business with it.
fn public(text: &str) -> Option<&[u8]> {
    let is_public = text.contains("-----BEGIN PUBLIC KEY-----") || text.contains("-----BEGIN RSA PUBLIC KEY-----");
    (is_public && !text.contains("PRIVATE KEY")).then_some(text.as_bytes())
}

/// At least 2048 bits: a shorter PKCS#1 public key (modulus and exponent) is shorter than 256 bytes as a whole.
fn modulus_is_long(pkcs1: &[u8]) -> bool {
    pkcs1.len() >= 256 + 2
}
