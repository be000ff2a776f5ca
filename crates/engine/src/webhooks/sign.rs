//! The headers of a webhook: Standard Webhooks (`webhook-id`, `webhook-timestamp`, `webhook-signature`), our `webhook-sequence`,
//! and the bearer.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::company::WebhookSecrets;
use domain::{EventId, PaymentMethod, Secret, Timestamp};

/// How a signing secret begins; base64 of the key follows.
const SIGNING_PREFIX: &str = "whsec_";
/// The version of the signature: HMAC-SHA256 with a shared secret.
const VERSION: &str = "v1";

/// The headers that everybody gets: `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature`, one signature per
/// secret, separated by blanks.
pub fn headers_of(id: &str, timestamp_s: i64, body: &[u8], secrets: &[&Secret]) -> [(&'static str, String); 3] {
    let mut signatures = String::with_capacity(secrets.len() * 48);
    for secret in secrets {
        if !signatures.is_empty() {
            signatures.push(' ');
        }
        signatures.push_str(&signature(id, timestamp_s, body, secret));
    }
    [("webhook-id", id.to_owned()), ("webhook-timestamp", timestamp_s.to_string()), ("webhook-signature", signatures)]
}

/// `v1,<base64 of HMAC-SHA256 of "id.timestamp.body">`.
fn signature(id: &str, timestamp_s: i64, body: &[u8], secret: &Secret) -> String {
    let text = secret.expose();
    let encoded = text.strip_prefix(SIGNING_PREFIX).unwrap_or(text);
    // Every secret that we make is base64. One that is not can only be handed to `listen` by hand; receivers then take its text
    // as the key, too.
    let key = STANDARD.decode(encoded).unwrap_or_else(|_| encoded.as_bytes().to_vec());
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
    context.update(id.as_bytes());
    context.update(b".");
    context.update(timestamp_s.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    format!("{VERSION},{}", STANDARD.encode(context.sign()))
}

/// Every header of an attempt at `now` but those of HTTP itself. Earlier signing secrets sign beside the newest, and the bearer
/// that receivers know is the one that is sent, each until its own promised end.
pub fn headers_for(
    method: &PaymentMethod,
    id: &EventId,
    sequence: i64,
    now: Timestamp,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let secrets = &method.webhook_secrets;
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(headers_of(id.as_str(), now.seconds(), body, &signing(secrets, now)));
    headers.push(("webhook-sequence", sequence.to_string()));
    if method.settings.flag("isWebhookSecured") {
        headers.push(("authorization", format!("Bearer {}", bearer(secrets, now).expose())));
    }
    headers
}

/// The secrets that sign now: the new one first.
fn signing(secrets: &WebhookSecrets, now: Timestamp) -> Vec<&Secret> {
    let earlier = secrets.earlier_signing.iter().filter(|(_, until)| now < *until);
    std::iter::once(&secrets.signing).chain(earlier.map(|(secret, _)| secret)).collect()
}

fn bearer(secrets: &WebhookSecrets, now: Timestamp) -> &Secret {
    match &secrets.previous_bearer {
        Some((before, until)) if now < *until => before,
        _ => &secrets.bearer,
    }
}
