//! Payment methods: configured provider accounts, their webhook secrets and their tests.

use super::error::AdminError;
use super::fields::Fields;
use super::params::Params;
use super::{Act, page};
use crate::Engine;
use crate::directory::change::{MethodPatch, NewMethod, Previous, WebhookSecretKind};
use crate::directory::view;
use domain::company::SettingValue;
use domain::{BrandId, Json, MethodId, PaymentMethod, Scope};
use std::sync::Arc;
use store::repository::endpoints;

/// The name of the list in its cursors.
const LIST: &str = "payment-methods";
/// Longest `pspType` that is looked at, characters.
const PSP_TYPE_MAX_CHARS: usize = 64;
/// The setting that only owners set: it decides where credentials go.
const BASE_URL: &str = "baseUrl";
/// The setting that webhooks are sent to.
const WEBHOOK_URL: &str = "webhookUrl";
/// The warning about an endpoint that is switched off (webhooks.md, "Delivery").
const ENDPOINT_OFF: &str =
    "webhookUrl has only failed for a long time and is switched off: replay, send a test or set it again to switch it on";

/// A page of the company's payment methods, oldest first.
///
/// # Errors
/// [`AdminError`].
pub async fn list(engine: &Engine, act: &Act<'_>, query: Option<&str>) -> Result<Json, AdminError> {
    let mut params = Params::list(query, &[]);
    let (limit, after) = page::params(&mut params, LIST);
    params.finish()?;
    let company = act.fresh(engine).await?;
    let off = endpoints::all_off(engine.store(), act.company_id()).await?;
    let key = |method: &Arc<PaymentMethod>| method.id.to_string();
    let show = |method: &Arc<PaymentMethod>| shown(engine, method, off.contains(&method.id));
    Ok(page::of_whole(LIST, &company.methods, key, show, after.as_deref(), limit))
}

/// One payment method.
///
/// # Errors
/// [`AdminError`].
pub async fn find(engine: &Engine, act: &Act<'_>, id: &str) -> Result<Json, AdminError> {
    let method = method(engine, act, id).await?;
    with_endpoint(engine, act, &method).await
}

/// Adds a payment method; it is enabled unless the body says otherwise.
///
/// # Errors
/// [`AdminError`].
pub async fn create(engine: &Engine, act: &Act<'_>, body: &Json) -> Result<Json, AdminError> {
    let mut fields = Fields::of(body, "a payment method", &["pspType", "brandId", "enabled", "config"]);
    let psp_type = fields.required_text("pspType", PSP_TYPE_MAX_CHARS);
    let brand_id = fields.text("brandId", 1, BrandId::MAX_CHARS);
    let enabled = fields.boolean("enabled");
    let config = match fields.raw("config") {
        None => fields.absent("config"),
        Some(_) => fields.object("config"),
    };
    fields.finish()?;
    let (Some(psp_type), Some(config)) = (psp_type, config) else { return Err(AdminError::Internal) };
    if config.get(BASE_URL).is_some_and(|url| *url != Json::Null) && !owns(act) {
        return Err(AdminError::Forbidden);
    }
    let new = NewMethod { psp_type, brand_id, enabled: enabled.unwrap_or(true), config: config.clone(), roles: Vec::new() };
    let made = engine.changes(act.actor()).create_payment_method(act.company_id(), &new).await?;
    Ok(shown(engine, &made, false))
}

/// Changes a payment method.
///
/// # Errors
/// [`AdminError`].
pub async fn change(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    let current = method(engine, act, id).await?;
    let mut fields = Fields::of(body, "a change of a payment method", &["enabled", "config"]);
    let enabled = fields.boolean("enabled").or(fields.cleared("enabled", true));
    let config = fields.object("config");
    fields.finish()?;
    if !owns(act) && config.and_then(|config| config.get(BASE_URL)).is_some_and(|url| !is_now(&current, url)) {
        return Err(AdminError::Forbidden);
    }
    let patch = MethodPatch { enabled, config: config.cloned() };
    let changed = engine.changes(act.actor()).update_payment_method(act.company_id(), current.id, &patch).await?;
    // An endpoint that failed for too long is switched off. Whoever gives an address, or enables the method, says that it is to
    // be tried again.
    let new_address = config.and_then(|config| config.get(WEBHOOK_URL)).is_some_and(|url| *url != Json::Null);
    if new_address || enabled == Some(true) {
        engine.switch_endpoint_on(act.company_id(), changed.id, &act.actor()).await?;
    }
    let mut shown = with_endpoint(engine, act, &changed).await?;
    if changed.webhook_secrets.bearer.expose() != current.webhook_secrets.bearer.expose() {
        // Made because webhooks go to another host from now on; shown this once, as by a rotation.
        shown.set("bearerSecret", Json::text(changed.webhook_secrets.bearer.expose()));
    }
    Ok(shown)
}

async fn with_endpoint(engine: &Engine, act: &Act<'_>, method: &PaymentMethod) -> Result<Json, AdminError> {
    let off = engine.endpoint_off_since(act.company_id(), method.id).await?;
    Ok(shown(engine, method, off.is_some()))
}

/// A method as it is shown; that its endpoint is switched off is one of the warnings.
fn shown(engine: &Engine, method: &PaymentMethod, endpoint_off: bool) -> Json {
    let mut object = view::method(method, engine.config());
    if endpoint_off && let Some(Json::Array(mut warnings)) = object.remove("warnings") {
        warnings.push(Json::text(ENDPOINT_OFF));
        object.set("warnings", Json::Array(warnings));
    }
    object
}

fn owns(act: &Act<'_>) -> bool {
    act.caller.scopes.contains(&Scope::Own)
}

/// Whether a base address is the one that the method has: somebody sends back what they read.
fn is_now(method: &PaymentMethod, url: &Json) -> bool {
    match method.settings.0.get(BASE_URL) {
        Some(SettingValue::Plain(set)) => set == url,
        Some(SettingValue::Secret { .. }) => false,
        None => *url == Json::Null,
    }
}

/// "Test connection": asks the provider something that moves nothing.
///
/// # Errors
/// [`AdminError`].
pub async fn test(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    let method = method(engine, act, id).await?;
    Fields::of(body, "a test", &[]).finish()?;
    let result = engine.test_connection(act.caller, &method).await;
    Ok(Json::object([
        ("ok", Json::Bool(result.ok)),
        ("message", Json::text(result.message)),
        ("latencyMs", Json::from(result.latency_ms)),
    ]))
}

/// `previous` of a rotation: a leaked secret is stopped at once.
const END_NOW: &str = "end now";

/// Makes a new signing secret; shown this once.
///
/// # Errors
/// [`AdminError`].
pub async fn rotate_signing(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    rotate(engine, act, id, body, WebhookSecretKind::Signing).await
}

/// Makes a new bearer; shown this once.
///
/// # Errors
/// [`AdminError`].
pub async fn rotate_bearer(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    rotate(engine, act, id, body, WebhookSecretKind::Bearer).await
}

async fn rotate(engine: &Engine, act: &Act<'_>, id: &str, body: &Json, kind: WebhookSecretKind) -> Result<Json, AdminError> {
    let id: MethodId = id.parse().map_err(|_| AdminError::NotFound)?;
    let mut fields = Fields::of(body, "a rotation", &["previous"]);
    let word: Option<String> = fields.word("previous", &[END_NOW]);
    fields.finish()?;
    let previous = if word.is_some() { Previous::EndNow } else { Previous::Keep };
    let rotated = engine.changes(act.actor()).rotate_webhook_secret(act.company_id(), id, kind, previous).await?;
    let (secret, previous_until) = rotated;
    Ok(Json::object([("secret", Json::text(secret.expose())), ("previousValidUntil", Json::text(previous_until.to_string()))]))
}

/// The company's method of that id.
pub(super) async fn method(engine: &Engine, act: &Act<'_>, id: &str) -> Result<Arc<PaymentMethod>, AdminError> {
    let id: MethodId = id.parse().map_err(|_| AdminError::NotFound)?;
    act.fresh(engine).await?.method(id).cloned().ok_or(AdminError::NotFound)
}
