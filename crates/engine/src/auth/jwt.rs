//! Taking a JWT apart and checking what it claims about time.
//!
//! The JSON is read with our own reader, which refuses a key that stands twice, and times are compared with the clock that is
//! handed in: the library would ask the system's. The library checks signatures.

use super::{CLOCK_SKEW_S, TOKEN_MAX_BYTES};
use crate::clock::Dates;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Json;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};

/// A token that is no token, or whose claims do not hold. Says no more: callers answer 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bad;

/// A token taken apart; nothing of it is believed yet.
pub(super) struct Parts<'a> {
    pub(super) header: Json,
    pub(super) claims: Json,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    /// Three parts in base64url without padding; header and payload are JSON objects.
    pub(super) fn of(token: &'a str) -> Result<Self, Bad> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(Bad);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Bad)?;
        let (header, claims) = signed.split_once('.').ok_or(Bad)?;
        // A fourth part is caught here: a dot is not of the alphabet.
        URL_SAFE_NO_PAD.decode(signature).map_err(|_| Bad)?;
        Ok(Self { header: object(header)?, claims: object(claims)?, signed, signature })
    }

    /// Whether this very algorithm and key signed it. A header that demands understanding of extensions is refused (RFC 7515,
    /// 4.1.11).
    pub(super) fn verify(&self, algorithm: Algorithm, key: &DecodingKey) -> Result<(), Bad> {
        let word = match algorithm {
            Algorithm::HS256 => "HS256",
            Algorithm::RS256 => "RS256",
            Algorithm::ES256 => "ES256",
            _ => return Err(Bad),
        };
        if self.header.str_at("alg") != Some(word) || self.header.get("crit").is_some() {
            return Err(Bad);
        }
        match crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm) {
            Ok(true) => Ok(()),
            _ => Err(Bad),
        }
    }

    /// A time claim, whole seconds since the epoch; `None` where it is absent.
    pub(super) fn seconds(&self, claim: &str) -> Result<Option<i64>, Bad> {
        match self.claims.get(claim) {
            None => Ok(None),
            Some(Json::Number(literal)) => Ok(Some(whole_seconds(literal))),
            Some(_) => Err(Bad),
        }
    }

    /// `exp`, if there is one, is not over; `nbf`, if there is one, not in the future; both within the skew.
    pub(super) fn check_times(&self, now: Dates) -> Result<(), Bad> {
        let over = self.seconds("exp")?.is_some_and(|exp| exp.saturating_add(CLOCK_SKEW_S) <= now.earliest.seconds());
        let early = self.seconds("nbf")?.is_some_and(|nbf| nbf > now.latest.seconds().saturating_add(CLOCK_SKEW_S));
        if over || early { Err(Bad) } else { Ok(()) }
    }
}

/// A number of seconds as tokens write it (RFC 7519 allows fractions); beyond the range of 64 bits it is the end of the range.
fn whole_seconds(literal: &str) -> i64 {
    if let Ok(seconds) = literal.parse() {
        return seconds;
    }
    // Rounds toward zero and saturates at both ends: the literal was read as a JSON number, so that it is one here too.
    literal.parse::<f64>().map_or(i64::MIN, |seconds| seconds as i64)
}

fn object(part: &str) -> Result<Json, Bad> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Bad)?;
    Json::parse(&bytes).ok().filter(Json::is_object).ok_or(Bad)
}
