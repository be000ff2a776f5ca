//! The company's own settings.

use super::Act;
use super::error::AdminError;
use super::fields::Fields;
use crate::Engine;
use crate::directory::change::{CompanyPatch, NAME_MAX_CHARS, NewUserTokenKey};
use crate::directory::view;
use domain::urls::URL_MAX_CHARS;
use domain::{Json, Secret};

/// Longest key for user tokens, characters: a PEM of RSA 8192 has about 1,500.
const KEY_MAX_CHARS: usize = 16_384;
/// Longest code, characters; which ones there are is checked where they are kept.
const CODE_MAX_CHARS: usize = 8;

/// The company.
///
/// # Errors
/// [`AdminError`].
pub async fn find(engine: &Engine, act: &Act<'_>) -> Result<Json, AdminError> {
    Ok(view::company(&*act.fresh(engine).await?))
}

/// Changes the company.
///
/// # Errors
/// [`AdminError`].
pub async fn change(engine: &Engine, act: &Act<'_>, body: &Json) -> Result<Json, AdminError> {
    let patch = read(body)?;
    let changed = engine.changes(act.actor()).update_company(act.company_id(), &patch).await?;
    Ok(view::company(&changed))
}

fn read(body: &Json) -> Result<CompanyPatch, AdminError> {
    let known = ["name", "billingCurrency", "country", "userAuthUrl", "userTokenKey"];
    let mut fields = Fields::of(body, "a company", &known);
    let mut kept = |name: &str, max: usize| if fields.has(name) { fields.required_text(name, max) } else { None };
    let mut patch = CompanyPatch {
        name: kept("name", NAME_MAX_CHARS),
        billing_currency: kept("billingCurrency", CODE_MAX_CHARS),
        country: kept("country", CODE_MAX_CHARS),
        ..CompanyPatch::default()
    };
    patch.user_auth_url = fields.text("userAuthUrl", 1, URL_MAX_CHARS).map(Some).or(fields.cleared("userAuthUrl", None));
    patch.user_token_key = match fields.object_or_null("userTokenKey") {
        Some(Json::Null) => Some(None),
        Some(object) => key(&mut fields, object).map(Some),
        None => None,
    };
    fields.finish()?;
    Ok(patch)
}

fn key(fields: &mut Fields<'_>, object: &Json) -> Option<NewUserTokenKey> {
    let mut inner = Fields::inside(object, "userTokenKey.", "a user-token key", &["algorithm", "key"]);
    let algorithm: Option<String> = match inner.raw("algorithm") {
        None => inner.absent("algorithm"),
        Some(_) => inner.word("algorithm", &["HS256", "RS256", "ES256"]),
    };
    let key = inner.required_text("key", KEY_MAX_CHARS);
    fields.join(inner);
    Some(NewUserTokenKey { algorithm: algorithm?, key: Secret::new(key?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<CompanyPatch, AdminError> {
        read(&Json::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn null_clears_and_absence_keeps() {
        let patch = read_text(r#"{"userAuthUrl":null,"userTokenKey":null}"#).unwrap();
        assert!(matches!((patch.user_auth_url, patch.user_token_key), (Some(None), Some(None))));
        let patch = read_text("{}").unwrap();
        assert!(patch.user_auth_url.is_none() && patch.user_token_key.is_none() && patch.name.is_none());
        let patch = read_text(r#"{"userTokenKey":{"algorithm":"HS256","key":"0123456789abcdef0123456789abcdef"}}"#).unwrap();
        assert_eq!(patch.user_token_key.unwrap().unwrap().algorithm, "HS256");
    }

    #[test]
    fn every_problem_is_told_without_the_key() {
        let bad = r#"{"suspended":false,"name":"","userAuthUrl":5,"userTokenKey":{"algorithm":"none","key":7,"kid":1}}"#;
        let expected = [
            "Missing required field: name",
            "suspended is not a field of a company",
            "userAuthUrl must be a string",
            "userTokenKey.kid is not a field of a user-token key",
            "userTokenKey.algorithm must be one of HS256, RS256, ES256",
            "userTokenKey.key must be a string",
        ];
        assert_eq!(read_text(bad).unwrap_err(), AdminError::Invalid(expected.map(str::to_owned).to_vec()));
        let missing = read_text(r#"{"userTokenKey":{}}"#).unwrap_err();
        let expected = ["Missing required field: userTokenKey.algorithm", "Missing required field: userTokenKey.key"];
        assert_eq!(missing, AdminError::Invalid(expected.map(str::to_owned).to_vec()));
    }
}
