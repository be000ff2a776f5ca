//! What a 401 may say: which token is missing, of the wrong kind or of the other environment. Read from what the caller sent
//! alone, so that nobody learns from it what about a signature, a credential or a company was wrong.

use super::jwt::Parts;
use super::{API_KEY_PREFIX, ISSUED_PREFIX, MANAGEMENT_PREFIX, bearer};
use domain::Json;
use domain::urls::Environment;

/// The token that a surface asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A company token, in `Authorization`.
    Company,
    /// A management token, in `Authorization`.
    Management,
    /// The payer's own token or session, in `x-user-token` or `x-user-authorization`.
    User {
        /// Whether a session was sent for the User Auth URL to judge.
        session: bool,
    },
}

/// What a token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    Company,
    Management,
    User,
    Unknown,
}

/// The value of `WWW-Authenticate`.
pub fn challenge(wanted: Wanted, header: Option<&str>, environment: Environment) -> String {
    let (error, description) = told(wanted, header, environment);
    format!("Bearer realm=\"Mozarto\", error=\"{error}\", error_description=\"{description}\"")
}

fn told(wanted: Wanted, header: Option<&str>, environment: Environment) -> (&'static str, String) {
    let (name, kind) = match wanted {
        Wanted::Company => ("Authorization", "company token"),
        Wanted::Management => ("Authorization", "management token"),
        Wanted::User { .. } => ("x-user-token", "user token"),
    };
    let Some(header) = header.filter(|text| !text.trim().is_empty()) else {
        return match wanted {
            Wanted::User { session: true } => {
                ("invalid_token", "the session in x-user-authorization was not accepted".to_owned())
            }
            _ => ("invalid_request", format!("{name} is missing: it carries Bearer and a {kind}")),
        };
    };
    let Some(token) = bearer(header) else {
        return ("invalid_request", format!("{name} must be Bearer and a {kind}"));
    };
    let parts = Parts::of(token).ok();
    let looks = looks(token, parts.as_ref());
    let right = match wanted {
        Wanted::Company => Looks::Company,
        Wanted::Management => Looks::Management,
        Wanted::User { .. } => Looks::User,
    };
    if looks != right && looks != Looks::Unknown {
        let given = match looks {
            Looks::Company => "company token",
            Looks::Management => "management token",
            Looks::User | Looks::Unknown => "user token",
        };
        return ("invalid_token", format!("{name} carries a {given}, where a {kind} is needed"));
    }
    let other = match environment {
        Environment::Sandbox => Environment::Production,
        Environment::Production => Environment::Sandbox,
    };
    if looks == Looks::Company && parts.is_some_and(|parts| audience_is(&parts.claims, other)) {
        return ("invalid_token", format!("the {kind} is of the other environment: this one is {}", environment.as_str()));
    }
    ("invalid_token", format!("the {kind} in {name} was not accepted"))
}

fn looks(token: &str, parts: Option<&Parts<'_>>) -> Looks {
    if token.starts_with(MANAGEMENT_PREFIX) {
        return Looks::Management;
    }
    let Some(parts) = parts else { return Looks::Unknown };
    match parts.header.str_at("kid") {
        Some(kid) if kid.starts_with(API_KEY_PREFIX) || kid.starts_with(ISSUED_PREFIX) => Looks::Company,
        _ if parts.claims.get("userId").is_some() => Looks::User,
        _ => Looks::Unknown,
    }
}

/// Whether `aud`, a word or a list of words, names the environment.
pub(super) fn audience_is(claims: &Json, environment: Environment) -> bool {
    let word = environment.as_str();
    match claims.get("aud") {
        Some(Json::Array(words)) => words.iter().any(|one| one.as_str() == Some(word)),
        Some(one) => one.as_str() == Some(word),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn jwt(header: &str, claims: &str) -> String {
        format!("Bearer {}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn each_way_of_not_being_let_in_has_its_sentence() {
        let company = jwt(r#"{"alg":"HS256","kid":"mk_1"}"#, r#"{"aud":"sandbox"}"#);
        let elsewhere = jwt(r#"{"alg":"HS256","kid":"mt_1"}"#, r#"{"aud":["production"]}"#);
        let user = jwt(r#"{"alg":"none"}"#, r#"{"userId":"u"}"#);
        let no_session = Wanted::User { session: false };
        for (wanted, header, error, words) in [
            (Wanted::Company, None, "invalid_request", "Authorization is missing"),
            (Wanted::Company, Some("Basic eA=="), "invalid_request", "Authorization must be Bearer"),
            (Wanted::Company, Some("Bearer mm_1_x"), "invalid_token", "carries a management token, where a company token"),
            (Wanted::Company, Some(&*user), "invalid_token", "carries a user token, where a company token"),
            (Wanted::Company, Some(&*elsewhere), "invalid_token", "of the other environment: this one is sandbox"),
            (Wanted::Company, Some(&*company), "invalid_token", "the company token in Authorization was not accepted"),
            (Wanted::Management, Some(&*company), "invalid_token", "carries a company token, where a management token"),
            (Wanted::Management, Some("Bearer mm_1_x"), "invalid_token", "was not accepted"),
            (no_session, None, "invalid_request", "x-user-token is missing"),
            (no_session, Some(&*company), "invalid_token", "x-user-token carries a company token"),
            (no_session, Some("Bearer x"), "invalid_token", "the user token in x-user-token was not accepted"),
            (Wanted::User { session: true }, None, "invalid_token", "the session in x-user-authorization was not accepted"),
        ] {
            let told = challenge(wanted, header, Environment::Sandbox);
            assert!(told.contains(&format!("error=\"{error}\"")) && told.contains(words), "{wanted:?} {header:?}: {told}");
        }
    }
}
