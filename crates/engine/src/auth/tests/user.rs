//! User tokens.

use super::{REFUSAL_LIMIT, hs256, raw, timed};
use crate::auth::user::{UserError, read_answer, token_user};
use crate::auth::{AuthError, keys};
use crate::directory::tests::world::NOW;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING};
use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::company::{UserTokenAlgorithm, UserTokenKey};
use domain::{Company, CompanyId, Secret};
use providers::fields::Claims;

const UNAUTHORIZED: UserError = UserError::Auth(AuthError::Unauthorized);
const UNAVAILABLE: UserError = UserError::Auth(AuthError::UserVerificationUnavailable);
const SECRET: &str = "0123456789abcdef";

fn company(key: Option<(UserTokenAlgorithm, String)>) -> Company {
    Company {
        id: CompanyId::new(NOW, [1; 6]),
        name: "one".to_owned(),
        suspended: false,
        user_auth_url: None,
        user_token_key: key.map(|(algorithm, key)| UserTokenKey { algorithm, key: Secret::new(key) }),
        user_token_key_updated_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn verdict(company: &Company, token: &str) -> Result<Claims, UserError> {
    token_user(company, &format!("Bearer {token}"), NOW.into())
}

fn exp(seconds: i64) -> String {
    format!(r#"{{"userId":"u1","exp":{}}}"#, NOW.seconds() + seconds)
}

#[test]
fn without_a_key_any_well_formed_token_is_a_user() {
    let company = company(None);
    let full = r#"{"userId":"u1","email":"a@b.example","firstName":"A","lastName":"B","phone":"+35699000000","countryCode":"MT","emailVerified":"a@b.example"}"#;
    for alg in ["HS256", "RS256", "none", "XYZ"] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        let claims = verdict(&company, &raw(b"whatever", &header, full)).unwrap();
        assert_eq!((&*claims.user_id, claims.email.as_deref()), ("u1", Some("a@b.example")));
        assert_eq!((claims.first_name.as_deref(), claims.last_name.as_deref()), (Some("A"), Some("B")));
        assert_eq!((claims.phone.as_deref(), claims.country_code.as_deref()), (Some("+35699000000"), Some("MT")));
        assert_eq!(claims.email_verified.as_deref(), Some("a@b.example"));
    }
    let unsigned = raw(b"", "{}", r#"{"userId":"u1"}"#);
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    assert_eq!(verdict(&company, &unsigned).unwrap().user_id, "u1");
    assert_eq!(verdict(&company, &raw(b"", "{}", &exp(-29))).unwrap().user_id, "u1");
    assert_eq!(verdict(&company, &raw(b"", "{}", r#"{"userId":"u1","exp":1e400}"#)).unwrap().user_id, "u1");
    // A claim of another type is as good as absent; the verified address is a text.
    let odd = r#"{"userId":"u1","email":7,"emailVerified":true,"phone":""}"#;
    let claims = verdict(&company, &raw(b"", "{}", odd)).unwrap();
    assert!(claims.email.is_none() && claims.email_verified.is_none() && claims.phone.is_none());
}

#[tokio::test]
async fn malformed_user_tokens_are_refused_at_once() {
    let company = company(None);
    let good = raw(b"x", r#"{"alg":"HS256"}"#, r#"{"userId":"u1"}"#);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let payload = |claims: &str| raw(b"x", r#"{"alg":"HS256"}"#, claims);
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let bad = [
        ("one part", "abc".to_owned()),
        ("a word", "not-a-jwt".to_owned()),
        ("two parts", message.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("empty parts", "..".to_owned()),
        ("not base64url", format!("{message}.+/=")),
        ("padded", format!("{message}.{signature}=")),
        ("payload no JSON", payload("userId=u1")),
        ("payload a list", payload(r#"["u1"]"#)),
        ("payload a text", payload(r#""u1""#)),
        ("payload not UTF-8", format!("{}.{}.", encoded(b"{}"), encoded(b"{\"userId\":\"\xff\"}"))),
        ("payload cut", payload(r#"{"userId":"u1""#)),
        ("header no object", raw(b"x", "1", r#"{"userId":"u1"}"#)),
        ("userId twice", payload(r#"{"userId":"u1","userId":"u2"}"#)),
        ("no userId", payload("{}")),
        ("empty userId", payload(r#"{"userId":""}"#)),
        ("userId null", payload(r#"{"userId":null}"#)),
        ("userId a number", payload(r#"{"userId":1}"#)),
        ("past exp", payload(&exp(-30))),
        ("exp a text", payload(r#"{"userId":"u1","exp":"never"}"#)),
        ("exp far below", payload(r#"{"userId":"u1","exp":-1e400}"#)),
        ("nbf in the future", payload(&format!(r#"{{"userId":"u1","nbf":{}}}"#, NOW.seconds() + 31))),
        ("deep", payload(&format!(r#"{{"userId":"u1","x":{}1{}}}"#, "[".repeat(500), "]".repeat(500)))),
        ("long", payload(&format!(r#"{{"userId":"u1","x":"{}"}}"#, "x".repeat(9_000)))),
    ];
    for (what, token) in bad {
        let (verdict, took) = timed(async || verdict(&company, &token).map(|claims| claims.user_id)).await;
        assert_eq!(verdict, Err(UNAUTHORIZED), "{what}");
        assert!(took <= REFUSAL_LIMIT, "{what}: {took:?}");
    }
    for header in
        ["", "Bearer", "Bearer ", &good, &format!("Basic {good}"), &format!("Bearer\t{good}"), &format!("Bearer {good} ")]
    {
        assert_eq!(token_user(&company, header, NOW.into()).map(|claims| claims.user_id), Err(UNAUTHORIZED), "{header}");
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn message(alg: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}"}}"#)), URL_SAFE_NO_PAD.encode(claims))
}

fn rsa() -> (String, impl Fn(&str) -> String) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let public = pem("PUBLIC KEY", der.as_ref());
    (public, move |message: &str| {
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    })
}

fn ec() -> (String, impl Fn(&str) -> String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let public = pem("PUBLIC KEY", der.as_ref());
    (public, move |message: &str| {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signature = pair.sign(&random, message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    })
}

#[test]
fn with_a_key_only_its_very_algorithm_and_signature_count() {
    let hs = company(Some((UserTokenAlgorithm::Hs256, SECRET.to_owned())));
    let signed = |alg: &str, claims: &str| hs256(SECRET, &format!(r#"{{"alg":"{alg}"}}"#), claims);
    assert_eq!(verdict(&hs, &signed("HS256", &exp(60))).unwrap().user_id, "u1");
    let (rsa_public, rsa_sign) = rsa();
    let (ec_public, ec_sign) = ec();
    let rs = company(Some((UserTokenAlgorithm::Rs256, rsa_public.clone())));
    let es = company(Some((UserTokenAlgorithm::Es256, ec_public.clone())));
    assert_eq!(verdict(&rs, &rsa_sign(&message("RS256", &exp(60)))).unwrap().user_id, "u1");
    assert_eq!(verdict(&es, &ec_sign(&message("ES256", &exp(60)))).unwrap().user_id, "u1");

    let (other_rsa, other_ec) = (rsa().1, ec().1);
    let unsigned = format!("{}.", message("none", &exp(60)));
    let swapped = |public: &str| raw(public.as_bytes(), r#"{"alg":"HS256"}"#, &exp(60));
    let bad = [
        ("HS: other secret", &hs, hs256("fedcba9876543210", r#"{"alg":"HS256"}"#, &exp(60))),
        ("HS: none", &hs, unsigned.clone()),
        ("HS: HS512 in the header", &hs, signed("HS512", &exp(60))),
        ("HS: no exp", &hs, signed("HS256", r#"{"userId":"u1"}"#)),
        ("HS: past exp", &hs, signed("HS256", &exp(-30))),
        ("HS: RS256", &hs, rsa_sign(&message("RS256", &exp(60)))),
        ("RS: the public key as a shared secret", &rs, swapped(&rsa_public)),
        ("RS: the same, called RS256", &rs, raw(rsa_public.as_bytes(), r#"{"alg":"RS256"}"#, &exp(60))),
        ("RS: another key", &rs, other_rsa(&message("RS256", &exp(60)))),
        ("RS: none", &rs, unsigned.clone()),
        ("RS: PS256 in the header", &rs, rsa_sign(&message("PS256", &exp(60)))),
        ("RS: no exp", &rs, rsa_sign(&message("RS256", r#"{"userId":"u1"}"#))),
        ("ES: the public key as a shared secret", &es, swapped(&ec_public)),
        ("ES: another key", &es, other_ec(&message("ES256", &exp(60)))),
        ("ES: none", &es, unsigned.clone()),
        ("ES: a signature of zeros", &es, format!("{}.{}", message("ES256", &exp(60)), URL_SAFE_NO_PAD.encode([0; 64]))),
        ("ES: RS256", &es, rsa_sign(&message("RS256", &exp(60)))),
    ];
    for (what, company, token) in bad {
        assert_eq!(verdict(company, &token).map(|claims| claims.user_id), Err(UNAUTHORIZED), "{what}");
    }
}

#[test]
fn only_usable_keys_are_saved() {
    let check = |algorithm, key: &str| keys::check(&UserTokenKey { algorithm, key: Secret::new(key) });
    assert_eq!(check(UserTokenAlgorithm::Hs256, SECRET), Ok(()));
    assert!(check(UserTokenAlgorithm::Hs256, &SECRET[1..]).is_err());
    assert!(check(UserTokenAlgorithm::Hs256, &"x".repeat(9_000)).is_err());
    let (rsa_public, _) = rsa();
    let (ec_public, _) = ec();
    assert_eq!(check(UserTokenAlgorithm::Rs256, &rsa_public), Ok(()));
    assert_eq!(check(UserTokenAlgorithm::Es256, &ec_public), Ok(()));
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let der: PublicKeyX509Der<'_> = p384.public_key().as_der().unwrap();
    let private = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let private = pem("PRIVATE KEY", private.to_pkcs8v1().unwrap().as_ref());
    let cut: String = rsa_public.lines().filter(|line| !line.ends_with("==")).take(4).collect();
    for key in ["", "x", SECRET, &cut, &private, &pem("PUBLIC KEY", der.as_ref()), &pem("PUBLIC KEY", b"junk")] {
        assert!(check(UserTokenAlgorithm::Rs256, key).is_err(), "{key}");
        assert!(check(UserTokenAlgorithm::Es256, key).is_err(), "{key}");
    }
    assert!(check(UserTokenAlgorithm::Es256, &rsa_public).is_err());
    assert!(check(UserTokenAlgorithm::Rs256, &ec_public).is_err());
}

#[test]
fn what_a_user_auth_url_answers() {
    let good = br#"{"userId":"u1","email":"a@b.example"}"#;
    assert_eq!(read_answer(200, false, good).unwrap().user_id, "u1");
    for status in [401, 403, 404] {
        assert_eq!(read_answer(status, false, good).map(|_| ()), Err(UNAUTHORIZED));
    }
    for status in [201, 204, 301, 302, 400, 402, 405, 410, 429, 500, 502, 503] {
        assert_eq!(read_answer(status, false, good).map(|_| ()), Err(UNAVAILABLE), "{status}");
    }
    for body in [&b""[..], b"null", b"[]", b"{}", br#"{"userId":""}"#, br#"{"userId":5}"#, b"{\"userId\":\"u1\"", b"<html>"] {
        assert_eq!(read_answer(200, false, body).map(|_| ()), Err(UNAVAILABLE));
    }
    assert_eq!(read_answer(200, true, good).map(|_| ()), Err(UNAVAILABLE));
}
