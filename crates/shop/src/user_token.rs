//! The token that says who the payer is (`x-user-token`). The demo company stores no user-token key, so the
//! platform takes any well-formed JWT; this one is signed with a key that lives as long as the process.

use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::error::Error;

/// How long a token is good.
const LIFETIME_S: i64 = 600;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The claims of a user, in the platform's names (Cashier API, "Who is calling").
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claims {
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) phone: String,
    pub(crate) country_code: String,
    /// The verified address itself, not a boolean.
    pub(crate) email_verified: String,
}

#[derive(Serialize)]
struct Timed<'a> {
    #[serde(flatten)]
    claims: &'a Claims,
    iat: i64,
    exp: i64,
}

/// Signs user tokens.
pub(crate) struct Signer {
    key: hmac::Key,
}

impl Signer {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut key = [0_u8; 32];
        rand::fill(&mut key).map_err(|_| Error::Random)?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key) })
    }

    /// A JWT (HS256) that is good for ten minutes from `now_s` (seconds since 1970).
    pub(crate) fn token(&self, claims: &Claims, now_s: i64) -> Result<String, Error> {
        let payload = serde_json::to_vec(&Timed { claims, iat: now_s, exp: now_s + LIFETIME_S })?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(payload));
        let tag = hmac::sign(&self.key, signed.as_bytes());
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref())))
    }
}
