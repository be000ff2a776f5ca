//! Webhooks from the platform: who sent it (bearer), that nobody altered it (Standard Webhooks signature), that it
//! is of now (timestamp), and that it is new (`webhook-id`). Only what passed all of it is read.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::error::Error;
use crate::order::{News, Source, Status};
use crate::store::Incoming;

/// A webhook's timestamp may differ from our clock by this much, either way.
const TOLERANCE_S: i64 = 5 * 60;
/// Signatures in one header that are looked at: a rotation sends two.
const SIGNATURES_MAX: usize = 16;
/// Characters of a `webhook-id`.
const ID_MAX: usize = 255;
/// Characters that are kept of each text in a webhook.
const TEXT_MAX: usize = 512;

/// Why a webhook is refused. Shown to whoever looks into the log; the sender reads `Unauthorized`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the bearer is missing or wrong")]
    Bearer,
    #[error("a signature header is missing or malformed")]
    Headers,
    #[error("the timestamp is more than five minutes off")]
    Timestamp,
    #[error("no signature fits")]
    Signature,
}

/// Verifies webhooks of the demo company.
pub(crate) struct Verifier {
    key: hmac::Key,
    bearer: SecretString,
}

/// A webhook that was verified: its id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) id: String,
}

impl Verifier {
    /// `signing_secret` is `whsec_` and base64.
    pub(crate) fn new(signing_secret: &SecretString, bearer: SecretString) -> Result<Self, Error> {
        let key = signing_secret
            .expose_secret()
            .strip_prefix("whsec_")
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .filter(|key| !key.is_empty())
            .ok_or_else(|| Error::Settings("signing_secret must be whsec_ and base64".to_owned()))?;
        if bearer.expose_secret().is_empty() {
            return Err(Error::Settings("bearer must not be empty".to_owned()));
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), bearer })
    }

    /// Verifies a webhook at `now_s` (seconds since 1970). Bearer and signature are compared in constant time.
    pub(crate) fn verify(&self, headers: &HeaderMap, body: &[u8], now_s: i64) -> Result<Verified, Refusal> {
        let bearer =
            text(headers, AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer ")).ok_or(Refusal::Bearer)?;
        if !bool::from(bearer.as_bytes().ct_eq(self.bearer.expose_secret().as_bytes())) {
            return Err(Refusal::Bearer);
        }
        let id = text(headers, "webhook-id").filter(|id| (1..=ID_MAX).contains(&id.len())).ok_or(Refusal::Headers)?;
        let sent_text = text(headers, "webhook-timestamp").ok_or(Refusal::Headers)?;
        let sent_s: i64 = sent_text.parse().map_err(|_| Refusal::Headers)?;
        let signatures = text(headers, "webhook-signature").ok_or(Refusal::Headers)?;
        if now_s.abs_diff(sent_s) > TOLERANCE_S.unsigned_abs() {
            return Err(Refusal::Timestamp);
        }
        let mut signed = Vec::with_capacity(id.len() + sent_text.len() + body.len() + 2);
        for part in [id.as_bytes(), b".", sent_text.as_bytes(), b".", body] {
            signed.extend_from_slice(part);
        }
        let fits = signatures
            .split(' ')
            .take(SIGNATURES_MAX)
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .filter_map(|encoded| STANDARD.decode(encoded).ok())
            .any(|tag| hmac::verify(&self.key, &signed, &tag).is_ok());
        if fits { Ok(Verified { id: id.to_owned() }) } else { Err(Refusal::Signature) }
    }
}

/// The one value of a header, in visible ASCII.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[derive(Debug, Deserialize)]
struct Body {
    transaction_id: String,
    psp_transaction_id: Option<String>,
    #[serde(default)]
    status: String,
    transaction_status: String,
    #[serde(default)]
    message: String,
    amount: Option<String>,
    currency: Option<String>,
    #[serde(rename = "merchantReference", default)]
    merchant_reference: String,
    #[serde(default)]
    method: String,
}

/// Reads a verified webhook; `None` when it is not of the published form.
pub(crate) fn read(verified: Verified, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Option<Incoming> {
    let body: Body = serde_json::from_slice(body).ok()?;
    let clip = |text: String| -> String { text.chars().take(TEXT_MAX).collect() };
    Some(Incoming {
        id: verified.id,
        sequence: text(headers, "webhook-sequence").and_then(|value| value.parse().ok()),
        method: clip(body.method),
        news: News {
            source: Source::Webhook,
            transaction_id: clip(body.transaction_id),
            session_id: None,
            psp_transaction_id: body.psp_transaction_id.map(clip),
            merchant_reference: clip(body.merchant_reference),
            status: Status::from_word(&body.transaction_status),
            provider_status: clip(body.status),
            message: clip(body.message),
            error_code: None,
            amount: body.amount.map(clip),
            currency: body.currency.map(clip),
            has_page: false,
        },
        transaction_status: clip(body.transaction_status),
        received_at_ms: now_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use standardwebhooks::Webhook;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const NOW: i64 = 1_779_010_378;

    fn verifier() -> Verifier {
        Verifier::new(&SecretString::from(SECRET), SecretString::from("whb_demo")).expect("settings")
    }

    fn headers(bearer: &str, id: &str, at: &str, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("authorization", bearer), ("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)]
        {
            headers.insert(name, value.parse().expect("header"));
        }
        headers
    }

    fn signed(id: &str, at: i64, body: &[u8]) -> String {
        Webhook::new(SECRET).expect("secret").sign(id, at, body).expect("signature")
    }

    #[test]
    fn what_the_independent_library_signs_is_taken() {
        let at = NOW.to_string();
        for body in [b"{}".as_slice(), br#"{"a":"\u00e9"}"#, "{\"a\":\"é\"}".as_bytes()] {
            let signature = signed("evt_1", NOW, body);
            for header in [signature.clone(), format!("v1,AAAA v2,zzz {signature}")] {
                let headers = headers("Bearer whb_demo", "evt_1", &at, &header);
                assert_eq!(verifier().verify(&headers, body, NOW + TOLERANCE_S), Ok(Verified { id: "evt_1".to_owned() }));
            }
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let body = br#"{"transaction_status":"Approved"}"#;
        let good = signed("evt_1", NOW, body);
        let at = NOW.to_string();
        let verify = |headers: &HeaderMap, body: &[u8], now| verifier().verify(headers, body, now);
        let usual = headers("Bearer whb_demo", "evt_1", &at, &good);
        assert!(verify(&usual, body, NOW).is_ok());
        assert_eq!(verify(&usual, b"{\"transaction_status\":\"Declined\"}", NOW), Err(Refusal::Signature));
        assert_eq!(verify(&usual, body, NOW + TOLERANCE_S + 1), Err(Refusal::Timestamp));
        assert_eq!(verify(&usual, body, NOW - TOLERANCE_S - 1), Err(Refusal::Timestamp));
        for (bearer, id, at, signature, refusal) in [
            ("Bearer whb_demO", "evt_1", at.as_str(), good.as_str(), Refusal::Bearer),
            ("whb_demo", "evt_1", &at, &good, Refusal::Bearer),
            ("Bearer ", "evt_1", &at, &good, Refusal::Bearer),
            ("Bearer whb_demo", "evt_2", &at, &good, Refusal::Signature),
            ("Bearer whb_demo", "evt_1", "now", &good, Refusal::Headers),
            ("Bearer whb_demo", "evt_1", &(NOW + 1).to_string(), &good, Refusal::Signature),
            ("Bearer whb_demo", "", &at, &good, Refusal::Headers),
            ("Bearer whb_demo", "evt_1", &at, good.trim_start_matches("v1,"), Refusal::Signature),
            ("Bearer whb_demo", "evt_1", &at, &good.replace("v1,", "v1a,"), Refusal::Signature),
            ("Bearer whb_demo", "evt_1", &at, "", Refusal::Signature),
            ("Bearer whb_demo", "evt_1", &at, &good[..good.len() - 4], Refusal::Signature),
        ] {
            let headers = headers(bearer, id, at, signature);
            assert_eq!(verify(&headers, body, NOW), Err(refusal), "{bearer} {id} {at} {signature}");
        }
        let mut none = usual.clone();
        none.remove("webhook-signature");
        assert_eq!(verify(&none, body, NOW), Err(Refusal::Headers));
        let mut twice = usual;
        twice.append("webhook-id", "evt_2".parse().expect("header"));
        assert_eq!(verify(&twice, body, NOW), Err(Refusal::Headers));
    }

    #[test]
    fn secrets_of_the_wrong_form_are_refused_without_being_told() {
        for secret in ["", "whsec_", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_***"] {
            let error = Verifier::new(&SecretString::from(secret), SecretString::from("whb_demo")).err().expect("refused");
            assert_eq!(error.to_string(), "signing_secret must be whsec_ and base64");
        }
    }
}
