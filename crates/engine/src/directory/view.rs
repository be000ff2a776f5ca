//! What belongs to a company as the Management API shows it, and as the audit log keeps it: secrets only as set or not.

use crate::core::Config;
use crate::directory::CompanySnapshot;
use domain::{Brand, Company, CompanyId, Credential, CredentialKind, Currency, Json, PaymentMethod, Rule, Timestamp};
use providers::settings;
use store::repository::users::User;

fn time(at: Timestamp) -> Json {
    Json::text(at.to_string())
}

fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Json {
    Json::Array(items.into_iter().map(|item| Json::String(item.to_string())).collect())
}

/// What is wrong with a method that may be saved all the same: required fields that are missing, a protocol that is not accepted
/// here.
pub fn warnings(method: &PaymentMethod, config: &Config) -> Vec<String> {
    let Some(provider) = providers::by_psp_type(&method.psp_type) else {
        return vec![format!("Unknown pspType: {}", method.psp_type)];
    };
    let descriptor = provider.descriptor();
    let missing = settings::missing(descriptor, &method.settings, config.environment);
    let missing = missing.into_iter().map(|field| format!("Missing required field: {field}"));
    let accepted = config.providers.get(descriptor.name).is_some_and(|provider| provider.accept_assumed_protocol);
    let context = settings::SettingContext {
        environment: config.environment,
        now: method.updated_at,
        may_set_base_url: false,
        accept_assumed_protocol: accepted,
    };
    let own = provider.warnings(&method.settings);
    missing.chain(settings::refused_protocol(descriptor, &context)).chain(own).collect()
}

/// The address that is entered in the provider's portal, for an account that has one.
pub fn callback_url(method: &PaymentMethod, config: &Config) -> Option<String> {
    let token = method.callback_token.as_ref()?;
    let descriptor = providers::by_psp_type(&method.psp_type)?.descriptor();
    Some(format!("{}/callbacks/{}/{}", config.public_url, descriptor.name, token.expose()))
}

/// A payment method, its addresses resolved.
pub fn method(method: &PaymentMethod, config: &Config) -> Json {
    let mut shown = audited_method(method);
    if let Some(url) = callback_url(method, config) {
        shown.set("callbackUrl", Json::String(url));
    }
    shown.set("createdAt", time(method.created_at));
    shown.set("updatedAt", time(method.updated_at));
    shown.set("warnings", texts(warnings(method, config)));
    shown
}

/// A payment method without its callback address, which holds a token.
pub(super) fn audited_method(method: &PaymentMethod) -> Json {
    let descriptor = providers::by_psp_type(&method.psp_type).map(|provider| provider.descriptor());
    let name = descriptor.map_or(&*method.psp_type, |descriptor| settings::account_name(descriptor, &method.settings));
    let config = descriptor.map(|descriptor| settings::public_view(descriptor, &method.settings));
    Json::object([
        ("id", Json::text(method.id.to_string())),
        ("pspType", Json::text(&*method.psp_type)),
        ("accountName", Json::text(name)),
        ("brandId", method.brand_id.as_ref().map(|id| id.as_str().to_owned()).into()),
        ("enabled", Json::Bool(method.enabled)),
        ("config", config.unwrap_or_else(|| Json::Object(Vec::new()))),
    ])
}

/// A rule.
pub fn rule(rule: &Rule) -> Json {
    let route = rule.route.iter().map(|id| Json::object([("paymentMethodId", Json::text(id.to_string()))]));
    Json::object([
        ("id", Json::text(rule.id.to_string())),
        ("name", Json::text(&*rule.name)),
        ("priority", rule.priority.into()),
        ("active", Json::Bool(rule.active)),
        (
            "match",
            Json::object([
                ("pspTypes", texts(&rule.psp_types)),
                ("brandIds", texts(&rule.brand_ids)),
                ("types", texts(rule.types.iter().map(|operation| operation.as_str()))),
            ]),
        ),
        ("action", Json::object([("route", Json::Array(route.collect())), ("hold", Json::Bool(rule.hold))])),
        ("version", rule.version.into()),
        ("createdAt", time(rule.created_at)),
        ("updatedAt", time(rule.updated_at)),
    ])
}

/// A brand.
pub fn brand(brand: &Brand) -> Json {
    Json::object([
        ("brandId", Json::text(brand.id.as_str())),
        ("name", Json::text(&*brand.name)),
        ("active", Json::Bool(brand.active)),
        ("createdAt", time(brand.created_at)),
        ("updatedAt", time(brand.updated_at)),
    ])
}

/// A credential: what is secret of it was shown once, when it was made.
pub fn credential(credential: &Credential) -> Json {
    let mut shown = Json::object([
        ("id", Json::text(credential.id.to_string())),
        ("kind", Json::text(credential.kind.as_str())),
        ("name", Json::text(&*credential.name)),
        ("scopes", texts(credential.scopes.iter().map(|scope| scope.as_str()))),
    ]);
    if credential.kind == CredentialKind::Company {
        shown.set("apiKey", Json::String(crate::auth::api_key(credential.id)));
    }
    shown.set("expiresAt", time(credential.expires_at));
    shown.set("revokedAt", credential.revoked_at.map(|at| at.to_string()).into());
    shown.set("createdAt", time(credential.created_at));
    shown.set("lastUsedAt", credential.last_used_at.map(|at| at.to_string()).into());
    shown
}

/// A company.
pub fn company(snapshot: &CompanySnapshot) -> Json {
    company_of(&snapshot.company, snapshot.billing_currency, &snapshot.country)
}

/// A company that is not loaded as a whole.
pub(super) fn company_of(company: &Company, billing_currency: Currency, country: &str) -> Json {
    let mut key = Json::object([("set", Json::Bool(company.user_token_key.is_some()))]);
    if let Some(stored) = &company.user_token_key {
        key.set("algorithm", Json::text(stored.algorithm.as_str()));
        key.set("updatedAt", company.user_token_key_updated_at.map(|at| at.to_string()).into());
    }
    Json::object([
        ("companyId", Json::text(company.id.to_string())),
        ("name", Json::text(&*company.name)),
        ("billingCurrency", Json::text(billing_currency.code())),
        ("country", Json::text(country)),
        ("suspended", Json::Bool(company.suspended)),
        ("userAuthUrl", company.user_auth_url.clone().into()),
        ("userTokenKey", key),
        ("createdAt", time(company.created_at)),
        ("updatedAt", time(company.updated_at)),
    ])
}

/// A person of the back office.
pub fn user(user: &User) -> Json {
    Json::object([
        ("id", Json::text(&*user.id)),
        ("email", Json::text(&*user.email)),
        ("firstName", Json::text(&*user.first_name)),
        ("lastName", Json::text(&*user.last_name)),
        ("role", Json::text(user.role.as_str())),
        ("createdAt", time(user.created_at)),
        ("updatedAt", time(user.updated_at)),
    ])
}

/// The name of an object on the audit log.
pub(super) fn object(kind: &str, id: &dyn std::fmt::Display) -> String {
    format!("{kind}:{id}")
}

/// The name of a company on the audit log.
pub(super) fn company_object(id: CompanyId) -> String {
    object("company", &id)
}
