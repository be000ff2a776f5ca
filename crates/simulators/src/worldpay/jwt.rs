//! The JWT of a 3DS Flex challenge (Worldpay sheet, Upstream 4): HS256, claims exactly as listed.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::kit::is_http_url;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
}

/// The claims; one more or one less is an error.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    jti: String,
    /// Seconds since 1970.
    #[serde(rename = "iat")]
    _iat: u64,
    /// Seconds since 1970.
    exp: Option<u64>,
    pub(super) iss: String,
    #[serde(rename = "OrgUnitId")]
    pub(super) org_unit_id: String,
    #[serde(rename = "ReturnUrl")]
    pub(super) return_url: String,
    #[serde(rename = "ObjectifyPayload")]
    objectify_payload: bool,
    #[serde(rename = "Payload")]
    pub(super) payload: Payload,
}

/// What the challenge reply named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payload {
    #[serde(rename = "ACSUrl")]
    pub(super) acs_url: String,
    #[serde(rename = "Payload")]
    pub(super) payload: String,
    #[serde(rename = "TransactionId")]
    pub(super) transaction_id: String,
}

/// A JWT that was read but not verified: it says whose key to verify it with.
pub(super) struct Read<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    pub(super) claims: Claims,
}

fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// Reads a JWT; the sentence says what is wrong with it.
pub(super) fn read(jwt: &str) -> Result<Read<'_>, &'static str> {
    let (signed, signature) = jwt.rsplit_once('.').ok_or("JWT must have three parts")?;
    let (header, claims) = signed.split_once('.').ok_or("JWT must have three parts")?;
    let header: Header = part(header).ok_or("JWT header is not valid")?;
    if header.typ != "JWT" || header.alg != "HS256" {
        return Err("JWT must be signed with HS256");
    }
    let claims: Claims = part(claims).ok_or("JWT claims are not those expected")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "JWT signature is not valid")?;
    Ok(Read { signed, signature, claims })
}

impl Read<'_> {
    /// Verifies the signature and what of the claims does not depend on the account.
    pub(super) fn verify(&self, key: &str, now_ms: i64) -> Result<(), &'static str> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        hmac::verify(&key, self.signed.as_bytes(), &self.signature).map_err(|_| "JWT signature is not valid")?;
        let now_s = u64::try_from(now_ms / 1_000).unwrap_or_default();
        if self.claims.exp.is_some_and(|exp| exp <= now_s) {
            return Err("JWT has expired");
        }
        if self.claims.jti.is_empty() || !self.claims.objectify_payload || !is_http_url(&self.claims.return_url) {
            return Err("JWT claims are not those expected");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const CLAIMS: &str = r#"{"jti":"11111111-1111-4111-8111-111111111111","iat":1767323045,"exp":1767330245,"iss":"issuer-0001","OrgUnitId":"orgunit-0001","ReturnUrl":"https://pay.example/3ds/t0k/return","ObjectifyPayload":true,"Payload":{"ACSUrl":"https://acs.example/auth","Payload":"eyJhIjoxfQ","TransactionId":"rUT8"}}"#;
    const NOW_MS: i64 = 1_767_323_100_000;

    fn encode(header: &str, claims: &str, signature: &str) -> String {
        format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }

    fn sign(claims: &str) -> String {
        let unsigned = encode(r#"{"typ":"JWT","alg":"HS256"}"#, claims, "");
        let signed = unsigned.trim_end_matches('.');
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes()), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn vector_of_the_sheet() {
        let jwt = encode(r#"{"typ":"JWT","alg":"HS256"}"#, CLAIMS, "Rle_rXa1uUz3leDIKdlR-KRe2bxZWz7764zZwXkTXC4");
        let read = read(&jwt).map_err(str::to_owned).unwrap();
        assert_eq!(read.verify(KEY, NOW_MS), Ok(()));
        assert_eq!((read.claims.iss.as_str(), read.claims.payload.transaction_id.as_str()), ("issuer-0001", "rUT8"));
        assert_eq!(read.verify(&KEY.replace('0', "1"), NOW_MS), Err("JWT signature is not valid"));
        assert_eq!(read.verify(KEY, 1_767_330_245_000), Err("JWT has expired"));
    }

    #[test]
    fn other_claims_are_refused() {
        let refusal = |claims: &str| {
            let jwt = sign(claims);
            read(&jwt).and_then(|read| read.verify(KEY, NOW_MS)).err()
        };
        assert_eq!(refusal(CLAIMS), None);
        let wrong = Some("JWT claims are not those expected");
        assert_eq!(refusal(&CLAIMS.replacen('{', r#"{"sub":"x","#, 1)), wrong);
        assert_eq!(refusal(&CLAIMS.replace(r#""iat":1767323045,"#, "")), wrong);
        assert_eq!(refusal(&CLAIMS.replace("true", "false")), wrong);
        assert_eq!(refusal(&CLAIMS.replace("https://pay", "javascript:pay")), wrong);
        assert_eq!(refusal(&CLAIMS.replace(r#""exp":1767330245,"#, "")), None);
        let none = encode(r#"{"typ":"JWT","alg":"none"}"#, CLAIMS, "");
        assert_eq!(read(&none).err(), Some("JWT must be signed with HS256"));
    }
}
