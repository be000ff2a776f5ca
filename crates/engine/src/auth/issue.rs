//! Making tokens.

use super::{ISSUED_PREFIX, MANAGEMENT_PREFIX};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::urls::Environment;
use domain::{Credential, CredentialId, Json, Secret, Timestamp};

/// The issued token of a company credential: HS256 by the platform.
pub(crate) fn company_token(key: &[u8; 32], environment: Environment, credential: &Credential, now: Timestamp) -> Secret {
    let header = Json::object([
        ("alg", Json::text("HS256")),
        ("typ", Json::text("JWT")),
        ("kid", Json::String(format!("{ISSUED_PREFIX}{}", credential.id))),
    ]);
    let scopes = credential.scopes.iter().map(|scope| Json::text(scope.as_str())).collect();
    let claims = Json::object([
        ("sub", Json::text(credential.company_id.to_string())),
        ("aud", Json::text(environment.as_str())),
        ("iat", now.seconds().into()),
        ("exp", credential.expires_at.seconds().into()),
        ("scopes", Json::Array(scopes)),
        ("gen", credential.generation.into()),
    ]);
    Secret::new(sign_hs256(key, &header, &claims))
}

/// An opaque management token and its digest, which alone is kept.
pub(crate) fn management_token(id: CredentialId, random: &str) -> (Secret, [u8; 32]) {
    let token = format!("{MANAGEMENT_PREFIX}{id}_{random}");
    let digest = sha256(token.as_bytes());
    (Secret::new(token), digest)
}

/// A JWT in compact form.
pub(super) fn sign_hs256(key: &[u8], header: &Json, claims: &Json) -> String {
    let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_text());
    let signed = format!("{}.{}", part(header), part(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}
