//! Company tokens.

use super::{REFUSAL_LIMIT, hs256, raw, timed};
use crate::auth::caller::company_caller;
use crate::auth::{AuthError, Caller, TOKEN_MAX_BYTES};
use crate::directory::change::{CompanyPatch, IssuedCredential};
use crate::directory::tests::world::{NOW, World, on_both};
use domain::company::CredentialKind;
use domain::urls::Environment;
use domain::{CompanyId, CredentialId, Scope};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use serde_json::json;

async fn call(world: &World, header: &str) -> Result<Caller, AuthError> {
    company_caller(&world.directory, Some(header), world.clock.now().into()).await
}

async fn verdict(world: &World, token: &str) -> Result<(), AuthError> {
    call(world, &format!("Bearer {token}")).await.map(|_| ())
}

struct Merchant {
    company: CompanyId,
    issued: IssuedCredential,
    key: String,
    secret: String,
}

async fn merchant(world: &World) -> Merchant {
    let company = world.company("one").await;
    let issued = world.credential(company, CredentialKind::Company, &Scope::COMPANY).await;
    let key = issued.api_key.clone().unwrap();
    let secret = issued.api_secret.clone().unwrap().expose().to_owned();
    Merchant { company, issued, key, secret }
}

/// A self-signed token as a merchant's library makes it.
fn self_signed(m: &Merchant, claims: serde_json::Value) -> String {
    let header = Header { kid: Some(m.key.clone()), ..Header::new(Algorithm::HS256) };
    encode(&header, &claims, &EncodingKey::from_secret(m.secret.as_bytes())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn good_tokens_of_both_kinds_are_let_in() {
    on_both(async |world| {
        let m = merchant(world).await;
        let now = NOW.seconds();
        for claims in [
            json!({"iat": now, "exp": now + 300}),
            json!({"iat": now, "exp": now + 86_400}),
            json!({"iat": now - 86_370, "exp": now + 30, "aud": "sandbox"}),
            json!({"iat": now, "exp": now + 60, "aud": ["elsewhere", "sandbox"]}),
            json!({"iat": now + 30, "exp": now + 60, "nbf": now + 30}),
            json!({"iat": now - 60, "exp": now - 29}),
            json!({"iat": now as f64 + 0.5, "exp": now as f64 + 60.25, "sub": "anything", "x": [1, {}]}),
        ] {
            let caller = call(world, &format!("Bearer {}", self_signed(&m, claims.clone()))).await;
            let caller = caller.unwrap_or_else(|error| panic!("{error}: {claims}"));
            assert_eq!((caller.company.company.id, caller.credential.id), (m.company, m.issued.credential.id));
            assert_eq!(caller.scopes, Scope::COMPANY);
        }
        let caller = call(world, &format!("bearer   {}", m.issued.token.expose())).await.unwrap();
        assert_eq!((caller.company.company.id, &*caller.scopes), (m.company, &Scope::COMPANY[..]));
        assert_eq!(caller.require(Scope::Payin), Ok(()));
        assert_eq!(caller.require(Scope::Own), Err(AuthError::Forbidden));
        // A warm directory asks the store nothing.
        let asked = world.queries();
        call(world, &format!("Bearer {}", m.issued.token.expose())).await.unwrap();
        assert_eq!(world.queries(), asked);
    })
    .await;
}

/// At least 40 tokens, each with one thing wrong; each is 401, at once.
#[expect(clippy::too_many_lines, reason = "a table")]
fn bad_self_signed(m: &Merchant) -> Vec<(&'static str, String)> {
    let now = NOW.seconds();
    let good_claims = format!(r#"{{"iat":{now},"exp":{}}}"#, now + 300);
    let header = |alg: &str, kid: &str| format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"{kid}"}}"#);
    let good_header = header("HS256", &m.key);
    let signed = |claims: String| hs256(&m.secret, &good_header, &claims);
    let headed = |header: String| hs256(&m.secret, &header, &good_claims);
    let good = signed(good_claims.clone());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (head, payload) = message.split_once('.').unwrap();
    let other = CredentialId::new(NOW, [0xee; 6]);
    let library = |algorithm| {
        let header = Header { kid: Some(m.key.clone()), ..Header::new(algorithm) };
        let claims = json!({"iat": now, "exp": now + 300});
        encode(&header, &claims, &EncodingKey::from_secret(m.secret.as_bytes())).unwrap()
    };
    vec![
        ("alg none, no signature", format!("{}.", headed(header("none", &m.key)).rsplit_once('.').unwrap().0)),
        ("alg none, signed", headed(header("none", &m.key))),
        ("alg None", headed(header("None", &m.key))),
        ("alg HS384", library(Algorithm::HS384)),
        ("alg HS512", library(Algorithm::HS512)),
        ("alg HS384 in the header of an HS256", headed(header("HS384", &m.key))),
        ("alg RS256 signed with the secret", headed(header("RS256", &m.key))),
        ("alg ES256 signed with the secret", headed(header("ES256", &m.key))),
        ("alg in lower case", headed(header("hs256", &m.key))),
        ("no alg", headed(format!(r#"{{"kid":"{}"}}"#, m.key))),
        ("alg twice", raw(m.secret.as_bytes(), &format!(r#"{{"alg":"HS256","alg":"none","kid":"{}"}}"#, m.key), &good_claims)),
        ("alg is a number", headed(format!(r#"{{"alg":1,"kid":"{}"}}"#, m.key))),
        ("crit", headed(format!(r#"{{"alg":"HS256","kid":"{}","crit":["exp"]}}"#, m.key))),
        ("no kid", headed(r#"{"alg":"HS256"}"#.to_owned())),
        ("kid of nobody", headed(header("HS256", &format!("mk_{other}")))),
        ("kid without its prefix", headed(header("HS256", &m.key[3..]))),
        ("kid of an issued token", headed(header("HS256", &m.key.replace("mk_", "mt_")))),
        ("kid in upper case", headed(header("HS256", &m.key.to_uppercase()))),
        ("kid with SQL", headed(header("HS256", "mk_' OR 1=1 --"))),
        ("kid with a path", headed(header("HS256", "mk_../../dev/null"))),
        ("kid is a list", headed(format!(r#"{{"alg":"HS256","kid":["{}"]}}"#, m.key))),
        ("other secret", hs256("mks_wrong", &good_header, &good_claims)),
        ("empty secret", hs256("", &good_header, &good_claims)),
        ("API key as secret", hs256(&m.key, &good_header, &good_claims)),
        ("no exp", signed(format!(r#"{{"iat":{now}}}"#))),
        ("past exp", signed(format!(r#"{{"iat":{},"exp":{}}}"#, now - 300, now - 30))),
        ("exp zero", signed(r#"{"iat":0,"exp":0}"#.to_owned())),
        ("exp negative", signed(format!(r#"{{"iat":{now},"exp":-1}}"#))),
        ("exp is a text", signed(format!(r#"{{"iat":{now},"exp":"{}"}}"#, now + 300))),
        ("exp is null", signed(format!(r#"{{"iat":{now},"exp":null}}"#))),
        ("exp is an object", signed(format!(r#"{{"iat":{now},"exp":{{}}}}"#))),
        ("exp is huge", signed(format!(r#"{{"iat":{now},"exp":9223372036854775807}}"#))),
        ("exp is beyond 64 bits", signed(format!(r#"{{"iat":{now},"exp":99999999999999999999999}}"#))),
        ("exp is beyond doubles", signed(format!(r#"{{"iat":{now},"exp":1e999}}"#))),
        ("exp and iat overflow", signed(r#"{"iat":-9223372036854775808,"exp":9223372036854775807}"#.to_owned())),
        ("exp twice", raw(m.secret.as_bytes(), &good_header, &format!(r#"{{"iat":{now},"exp":{},"exp":1}}"#, now + 300))),
        ("no iat", signed(format!(r#"{{"exp":{}}}"#, now + 300))),
        ("iat in the future", signed(format!(r#"{{"iat":{},"exp":{}}}"#, now + 31, now + 300))),
        ("iat after exp", signed(format!(r#"{{"iat":{},"exp":{}}}"#, now + 20, now + 10))),
        ("over 24 hours", signed(format!(r#"{{"iat":{now},"exp":{}}}"#, now + 86_401))),
        ("nbf in the future", signed(format!(r#"{{"iat":{now},"exp":{},"nbf":{}}}"#, now + 300, now + 31))),
        ("nbf is a text", signed(format!(r#"{{"iat":{now},"exp":{},"nbf":"now"}}"#, now + 300))),
        ("the other environment", signed(format!(r#"{{"iat":{now},"exp":{},"aud":"production"}}"#, now + 300))),
        ("aud is a list of others", signed(format!(r#"{{"iat":{now},"exp":{},"aud":["production",1]}}"#, now + 300))),
        ("claims are a list", raw(m.secret.as_bytes(), &good_header, "[1]")),
        ("claims are no JSON", raw(m.secret.as_bytes(), &good_header, "{")),
        ("claims are nothing", raw(m.secret.as_bytes(), &good_header, "")),
        ("claims nest without end", raw(m.secret.as_bytes(), &good_header, &"[".repeat(2_000))),
        ("header is a list", raw(m.secret.as_bytes(), "[]", &good_claims)),
        (
            "a payload of another token",
            format!("{head}.{}.{signature}", signed(format!(r#"{{"iat":{now},"exp":{}}}"#, now + 60)).split('.').nth(1).unwrap()),
        ),
        ("no signature", format!("{message}.")),
        ("signature cut", good[..good.len() - 2].to_owned()),
        ("signature padded", format!("{good}=")),
        (
            "signature changed",
            format!(
                "{message}.{}",
                if let Some(rest) = signature.strip_prefix('A') { format!("B{rest}") } else { format!("A{}", &signature[1..]) }
            ),
        ),
        ("two parts", message.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("five parts", format!("{head}.{payload}.x.y.{signature}")),
        ("one part", head.to_owned()),
        ("dots", "..".to_owned()),
        ("a blank inside", good.replacen('.', ". ", 1)),
        ("not ASCII", format!("{good}\u{e9}")),
        ("too long", signed(format!(r#"{{"iat":{now},"exp":{},"x":"{}"}}"#, now + 300, "x".repeat(TOKEN_MAX_BYTES)))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_self_signed_tokens_are_refused_at_once() {
    let world = World::sqlite().await;
    let m = merchant(&world).await;
    let bad = bad_self_signed(&m);
    assert!(bad.len() >= 40);
    for (what, token) in bad {
        let (verdict, took) = timed(async || verdict(&world, &token).await).await;
        assert_eq!(verdict, Err(AuthError::Unauthorized), "{what}");
        assert!(took <= REFUSAL_LIMIT, "{what}: {took:?}");
    }
    let good = self_signed(&m, json!({"iat": NOW.seconds(), "exp": NOW.seconds() + 300}));
    assert_eq!(verdict(&world, &good).await, Ok(()));
    for header in [
        String::new(),
        good.clone(),
        format!("Basic {good}"),
        format!("Bearer \t{good}"),
        format!("Bearer\t{good}"),
        format!("Bearer {good} "),
        format!("Bearer {good},x"),
        "Bearer ".to_owned(),
        "Bearer".to_owned(),
    ] {
        assert_eq!(call(&world, &header).await.map(|_| ()), Err(AuthError::Unauthorized), "{header:?}");
    }
    assert_eq!(company_caller(&world.directory, None, NOW.into()).await.map(|_| ()), Err(AuthError::Unauthorized));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_issued_tokens_are_refused_at_once() {
    let world = World::sqlite().await;
    let m = merchant(&world).await;
    let key = *world.directory.token_key().await.unwrap();
    let other = world.company("two").await;
    let now = NOW.seconds();
    let id = m.issued.credential.id;
    let token = |header: &str, claims: &str| raw(&key, header, claims);
    let header = format!(r#"{{"alg":"HS256","typ":"JWT","kid":"mt_{id}"}}"#);
    let claims = |sub: CompanyId, aud: &str, iat: i64, exp: i64, generation: &str| {
        format!(r#"{{"sub":"{sub}"{aud},"iat":{iat},"exp":{exp},"scopes":["payin"]{generation}}}"#)
    };
    let (sandbox, first) = (r#","aud":"sandbox""#, r#","gen":1"#);
    let good = token(&header, &claims(m.company, sandbox, now, now + 60, first));
    let caller = call(&world, &format!("Bearer {good}")).await.unwrap();
    assert_eq!(caller.scopes, [Scope::Payin], "a token may have less than its credential");

    let more =
        format!(r#"{{"sub":"{}","aud":"sandbox","iat":{now},"exp":{},"scopes":["payin","own"],"gen":1}}"#, m.company, now + 60);
    let caller = call(&world, &format!("Bearer {}", token(&header, &more))).await.unwrap();
    assert_eq!(caller.scopes, [Scope::Payin], "never more");

    // Our own clock was put back since: the token is as good as it was.
    let early = token(&header, &claims(m.company, sandbox, now + 7_200, now + 9_000, first));
    call(&world, &format!("Bearer {early}")).await.unwrap();

    let self_signed_header = header.replace("mt_", "mk_");
    let bad = [
        ("no aud", token(&header, &claims(m.company, "", now, now + 60, first))),
        ("the other environment", token(&header, &claims(m.company, r#","aud":"production""#, now, now + 60, first))),
        (
            "aud is a list of others",
            token(&header, &claims(m.company, r#","aud":["production",["sandbox"]]"#, now, now + 60, first)),
        ),
        ("another company", token(&header, &claims(other, sandbox, now, now + 60, first))),
        ("over a year", token(&header, &claims(m.company, sandbox, now, now + 367 * 86_400, first))),
        ("past", token(&header, &claims(m.company, sandbox, now - 60, now - 30, first))),
        ("no generation", token(&header, &claims(m.company, sandbox, now, now + 60, ""))),
        ("another generation", token(&header, &claims(m.company, sandbox, now, now + 60, r#","gen":2"#))),
        ("generation as a text", token(&header, &claims(m.company, sandbox, now, now + 60, r#","gen":"1""#))),
        ("no scopes", token(&header, &claims(m.company, sandbox, now, now + 60, first).replace("scopes", "scope"))),
        ("signed by the merchant", hs256(&m.secret, &header, &claims(m.company, sandbox, now, now + 60, first))),
        ("kid of a self-signed one", token(&self_signed_header, &claims(m.company, sandbox, now, now + 60, first))),
        (
            "alg none",
            format!(
                "{}.",
                token(&header.replace("HS256", "none"), &claims(m.company, sandbox, now, now + 60, first))
                    .rsplit_once('.')
                    .unwrap()
                    .0
            ),
        ),
    ];
    for (what, token) in bad {
        let (verdict, took) = timed(async || verdict(&world, &token).await).await;
        assert_eq!(verdict, Err(AuthError::Unauthorized), "{what}");
        assert!(took <= REFUSAL_LIMIT, "{what}: {took:?}");
    }

    // The same database file served as production: not one token of the sandbox is good there.
    let mut config = world.config.clone();
    config.environment = Environment::Production;
    let production = crate::directory::Directory::new(world.db.clone(), &world.master_key, &config);
    let header = format!("Bearer {good}");
    assert_eq!(company_caller(&production, Some(&header), NOW.into()).await.map(|_| ()), Err(AuthError::Unauthorized));
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_rotated_and_suspended() {
    on_both(async |world| {
        let m = merchant(world).await;
        let own = self_signed(&m, json!({"iat": NOW.seconds(), "exp": NOW.seconds() + 300}));
        let issued = m.issued.token.expose().to_owned();
        for token in [&own, &issued] {
            assert_eq!(verdict(world, token).await, Ok(()));
        }
        let suspend = |suspended| CompanyPatch { suspended: Some(suspended), ..CompanyPatch::default() };
        world.changes().update_company(m.company, &suspend(true)).await.unwrap();
        for token in [&own, &issued] {
            assert_eq!(verdict(world, token).await, Err(AuthError::Forbidden));
        }
        world.changes().update_company(m.company, &suspend(false)).await.unwrap();

        let rotated = world.changes().rotate_credential(m.company, m.issued.credential.id).await.unwrap();
        for token in [&own, &issued] {
            assert_eq!(verdict(world, token).await, Err(AuthError::Unauthorized));
        }
        let fresh = rotated.token.expose().to_owned();
        assert_eq!(verdict(world, &fresh).await, Ok(()));
        world.changes().revoke_credential(m.company, m.issued.credential.id).await.unwrap();
        assert_eq!(verdict(world, &fresh).await, Err(AuthError::Unauthorized));

        // A management token is no company token, whatever it may do.
        let managed = world.credential(m.company, CredentialKind::Management, &Scope::MANAGEMENT).await;
        assert_eq!(verdict(world, managed.token.expose()).await, Err(AuthError::Unauthorized));

        let next = merchant(world).await;
        world.clock.advance(366 * 86_400_000);
        assert_eq!(verdict(world, next.issued.token.expose()).await, Err(AuthError::Unauthorized), "expired");
    })
    .await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_a_stranger_sends_gets_in_or_breaks(
        header in prop_oneof![any::<String>(), "[A-Za-z0-9_.-]{0,80}", "(Bearer )?[A-Za-z0-9_-]{1,40}\\.[A-Za-z0-9_-]{1,40}\\.[A-Za-z0-9_-]{0,40}"],
        number in "-?[0-9]{1,40}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,6})?",
    ) {
        use std::sync::OnceLock;
        static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
        static WORLD: OnceLock<(World, Merchant)> = OnceLock::new();
        let runtime = RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap());
        let (world, m) = WORLD.get_or_init(|| runtime.block_on(async {
            let world = World::sqlite().await;
            let m = merchant(&world).await;
            (world, m)
        }));
        let verdict = runtime.block_on(call(world, &header)).map(|_| ());
        prop_assert_eq!(verdict, Err(AuthError::Unauthorized));
        // Whatever number a holder of the secret writes as a time, there is a verdict.
        let own = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, m.key);
        let token = raw(m.secret.as_bytes(), &own, &format!(r#"{{"iat":{number},"exp":{number},"nbf":{number}}}"#));
        let verdict = runtime.block_on(call(world, &format!("Bearer {token}"))).map(|_| ());
        prop_assert_ne!(verdict, Err(AuthError::Internal));
    }
}
