//! Taking secrets out of what a provider said, before it is kept or shown.

use domain::Json;

/// What stands in the place of a secret.
const MASK: &str = "***";
/// Shorter texts are not searched for: they would blank out ordinary words.
const SHORTEST_SECRET: usize = 4;

/// Replaces every secret in every text, key and number of the document.
pub(crate) fn mask(json: Json, secrets: &[&str]) -> Json {
    match json {
        Json::String(text) => Json::String(mask_text(&text, secrets)),
        Json::Number(literal) if secrets.iter().any(|secret| literal.contains(secret)) => Json::text(MASK),
        Json::Array(items) => Json::Array(items.into_iter().map(|item| mask(item, secrets)).collect()),
        Json::Object(pairs) => {
            Json::Object(pairs.into_iter().map(|(key, value)| (mask_text(&key, secrets), mask(value, secrets))).collect())
        }
        other => other,
    }
}

/// Replaces every secret in the text.
pub(crate) fn mask_text(text: &str, secrets: &[&str]) -> String {
    let mut masked = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET) {
        if masked.contains(secret) {
            masked = masked.replace(secret, MASK);
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_survives() {
        let json = Json::parse(br#"{"err":"key sk-12345 refused","list":["sk-12345"],"sk-12345":123456,"n":7}"#).unwrap();
        let masked = mask(json, &["sk-12345", "123456"]).to_text();
        assert_eq!(masked, r#"{"err":"key *** refused","list":["***"],"***":"***","n":7}"#);
    }
}
