//! The demo company, made once: payment methods at the simulators, a rule each, credentials, an owner. What is secret of it is
//! kept in `sandbox.json`.

use super::demo::{ACCOUNTS, DemoAccount, ROLES};
use crate::files::DataDirectory;
use crate::presence;
use anyhow::{Context, Result};
use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::company::CredentialKind;
use domain::{CompanyId, Json, Scope, Secret};
use engine::Engine;
use engine::directory::change::{Actor, NewCompany, NewCredential, NewMethod, NewUser, RulePatch};
use engine::random::Random;
use serde_json::Value;
use std::collections::BTreeSet;

const OWNER_EMAIL: &str = "owner@demo.example";

/// The demo company as the JSON line tells it.
pub(crate) struct Demo {
    pub(crate) company_id: CompanyId,
    pub(crate) company_token: Secret,
    pub(crate) user_token: Secret,
    pub(crate) management_token: Secret,
    pub(crate) api_key: String,
    pub(crate) api_secret: Secret,
    pub(crate) owner_email: String,
    pub(crate) owner_password: Secret,
    pub(crate) webhook_secret: Secret,
    pub(crate) webhook_bearer: Secret,
}

/// The demo company of this data directory and store: the one from before, or, where no start has got as far as to tell of one, a
/// new one.
pub(crate) async fn demo_company(engine: &Engine, data: &DataDirectory) -> Result<Demo> {
    let Some(demo) = kept(data)? else {
        presence::may_make_demo(engine.store(), &data.path).await?;
        return make(engine).await;
    };
    if engine.company_caller(Some(&format!("Bearer {}", demo.company_token.expose()))).await.is_err() {
        tracing::warn!("the demo company's token is not good any more: make another with its management token");
    }
    add_missing_methods(engine, &demo).await?;
    Ok(demo)
}

/// What `sandbox.json` of an earlier start says.
fn kept(data: &DataDirectory) -> Result<Option<Demo>> {
    let path = data.path.join("sandbox.json");
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let line: Value = serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    let member = |name: &str| line[name].as_str().map(str::to_owned).with_context(|| format!("{} has no {name}", path.display()));
    Ok(Some(Demo {
        company_id: member("companyId")?.parse().context("companyId")?,
        company_token: Secret::new(member("companyToken")?),
        user_token: user_token(),
        management_token: Secret::new(member("managementToken")?),
        api_key: member("apiKey")?,
        api_secret: Secret::new(member("apiSecret")?),
        owner_email: member("backOfficeEmail")?,
        owner_password: Secret::new(member("backOfficePassword")?),
        webhook_secret: Secret::new(member("webhookSecret")?),
        webhook_bearer: Secret::new(member("webhookBearer")?),
    }))
}

async fn make(engine: &Engine) -> Result<Demo> {
    let random = Random::default();
    let changes = engine.changes(Actor::operator());
    let company = changes
        .create_company(&NewCompany { name: "Demo company".into(), billing_currency: "EUR".into(), country: "DE".into() })
        .await?;
    let company_id = company.company.id;
    let api = NewCredential { kind: CredentialKind::Company, name: "Demo API".into(), scopes: Scope::COMPANY.to_vec() };
    let api = changes.create_credential(company_id, &api).await?;
    let management =
        NewCredential { kind: CredentialKind::Management, name: "Demo management".into(), scopes: Scope::MANAGEMENT.to_vec() };
    let management = changes.create_credential(company_id, &management).await?;
    let owner_password = Secret::new(URL_SAFE_NO_PAD.encode(random.bytes::<12>()));
    let owner = NewUser {
        email: unique_email(engine).await?,
        first_name: "Demo".into(),
        last_name: "Owner".into(),
        role: "owner".into(),
        password_hash: hash(&owner_password)?,
    };
    let owner = changes.create_user(company_id, &owner).await?;
    let demo = Demo {
        company_id,
        company_token: api.token,
        user_token: user_token(),
        management_token: management.token,
        api_key: api.api_key.context("a company credential has an API key")?,
        api_secret: api.api_secret.context("a company credential has a secret")?,
        owner_email: owner.email,
        owner_password,
        webhook_secret: Secret::new(format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(random.bytes::<32>()))),
        webhook_bearer: Secret::new(format!("whb_{}", random.token())),
    };
    add_missing_methods(engine, &demo).await?;
    Ok(demo)
}

/// A payment method and a rule for each provider that the demo company has none for: at first all, after an update the new ones.
async fn add_missing_methods(engine: &Engine, demo: &Demo) -> Result<()> {
    let snapshot = engine.directory().company(demo.company_id).await?.context("the demo company is gone")?;
    let changes = engine.changes(Actor::operator());
    let with_method = |account: &&DemoAccount| snapshot.methods.iter().any(|method| method.psp_type == account.psp_type);
    let mut ruled: BTreeSet<&str> = ACCOUNTS.iter().filter(with_method).map(|account| account.psp_type).collect();
    for account in ACCOUNTS {
        if snapshot.methods.iter().any(|method| account.is_of(method)) {
            continue;
        }
        let new = NewMethod {
            psp_type: account.psp_type.to_owned(),
            brand_id: None,
            enabled: true,
            config: Json::parse(account.config.as_bytes()).context("a demo account")?,
            roles: ROLES.iter().map(|(field, role)| ((*field).to_owned(), (*role).to_owned())).collect(),
        };
        let method = changes.create_payment_method(demo.company_id, &new).await?;
        changes.set_webhook_secrets(demo.company_id, method.id, &demo.webhook_secret, &demo.webhook_bearer).await?;
        // One rule is for all accounts of a provider.
        if !ruled.insert(account.psp_type) {
            continue;
        }
        let rule = RulePatch {
            name: Some(format!("{} by the demo account", account.psp_type)),
            psp_types: Some(vec![account.psp_type.to_owned()]),
            ..RulePatch::default()
        };
        changes.create_rule(demo.company_id, &rule).await?;
    }
    Ok(())
}

/// The demo owner's address; another one where a shared store has a demo company already.
async fn unique_email(engine: &Engine) -> Result<String> {
    let taken = store::repository::users::by_email(engine.store(), OWNER_EMAIL).await?.is_some();
    if !taken {
        return Ok(OWNER_EMAIL.to_owned());
    }
    Ok(format!("owner-{}@demo.example", hex::encode(Random::default().bytes::<4>())))
}

/// argon2id with the parameters that the library recommends (19 MiB, 2 passes, 1 lane).
pub(crate) fn hash(password: &Secret) -> Result<String> {
    let salt = Random::default().bytes::<16>();
    let hash: argon2::password_hash::Result<PasswordHash> =
        Argon2::default().hash_password_with_salt(password.expose().as_bytes(), &salt);
    Ok(hash.map_err(|error| anyhow::anyhow!("hashing a password: {error}"))?.to_string())
}

/// A user token whose claims suit every provider. The demo company stores no key for user tokens, so that any well-formed one is
/// accepted.
fn user_token() -> Secret {
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = part(r#"{"alg":"HS256","typ":"JWT"}"#.to_owned());
    let claims = serde_json::json!({
        "userId": "user_123",
        "email": "player@example.com",
        "firstName": "John",
        "lastName": "Doe",
        "phone": "15551234567",
        "countryCode": "DE",
        "emailVerified": "player@example.com",
    });
    let signature = URL_SAFE_NO_PAD.encode(Random::default().bytes::<32>());
    Secret::new(format!("{header}.{}.{signature}", part(claims.to_string())))
}
