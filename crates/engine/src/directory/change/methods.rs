//! Payment methods and their webhook secrets.

use super::{ChangeError, Changes, METHODS_MAX, NAME_MAX_CHARS, Open, Plan, change, refuse, shown, view};
use crate::directory::roles;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::company::{SettingValue, Settings, WebhookSecrets};
use domain::urls::{Environment, merchant_url};
use domain::{BrandId, CompanyId, Json, MethodId, PaymentMethod, Secret, Timestamp};
use providers::Descriptor;
use providers::identifier;
use providers::settings::{self, SettingContext};
use store::Batch;
use store::repository::brands;
use store::repository::methods::{self, StoredMethod};

/// After a rotation the secret before still counts this long, milliseconds (webhooks.md, "Security").
const PREVIOUS_SECRET_MS: i64 = 24 * 3_600_000;
/// Most earlier signing secrets that still count at once.
const EARLIER_SIGNING_MAX: usize = 5;
/// The setting that webhooks are sent to: the one merchant address of a method that we call.
const WEBHOOK_URL: &str = "webhookUrl";

/// A payment method to add.
#[derive(Clone, Debug)]
pub struct NewMethod {
    /// The provider, as the Cashier API names it.
    pub psp_type: String,
    /// The brand it is for; none: the whole company.
    pub brand_id: Option<String>,
    /// Whether it may be used at once.
    pub enabled: bool,
    /// The provider's fields and the common ones.
    pub config: Json,
    /// Addresses by role (`baseUrl`, `role:simulator`), for the binary that seeds a sandbox alone; a field that the provider does
    /// not have is ignored.
    pub roles: Vec<(String, String)>,
}

/// What changes of a payment method: `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct MethodPatch {
    /// Whether it may be used.
    pub enabled: Option<bool>,
    /// Only the fields that change; `null` clears one.
    pub config: Option<Json>,
}

/// What becomes of the secrets before a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Previous {
    /// Each counts until its own promised end.
    Keep,
    /// None counts any more: a secret has leaked.
    EndNow,
}

/// Which of the two webhook secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookSecretKind {
    /// `whsec_...`: signs.
    Signing,
    /// `whb_...`: is sent.
    Bearer,
}

/// The display name of an account.
const ACCOUNT_NAME: &str = "accountName";

impl Changes<'_> {
    /// Adds a payment method with fresh webhook secrets and, where the provider's portal needs one, a callback token. Required
    /// fields may be missing: see [`view::warnings`](crate::directory::view::warnings). Returns the method with its addresses
    /// resolved.
    ///
    /// # Errors
    /// [`ChangeError::Invalid`] with every sentence.
    pub async fn create_payment_method(&self, company: CompanyId, new: &NewMethod) -> Result<PaymentMethod, ChangeError> {
        change!(self, company, |open| self.plan_new_method(&open, new).await)
    }

    async fn plan_new_method(&self, open: &Open, new: &NewMethod) -> Result<Plan<PaymentMethod>, ChangeError> {
        let provider = providers::by_psp_type(&new.psp_type);
        let Some(descriptor) = provider.map(|provider| provider.descriptor()) else {
            let shown = identifier::repeated(&new.psp_type, NAME_MAX_CHARS);
            return Err(ChangeError::invalid(format!("Unknown pspType: {shown}")));
        };
        let mut problems = Vec::new();
        let brand_id = self.known_brand(open, new.brand_id.as_deref(), &mut problems).await?;
        let settings = self.settings(descriptor, &Settings::default(), &new.config, &mut problems);
        refuse(problems)?;
        if methods::list(self.db, &open.data_key, open.company.id).await?.len() >= METHODS_MAX {
            return Err(ChangeError::too_many("payment methods", METHODS_MAX));
        }
        let now = self.now();
        let mut method = PaymentMethod {
            id: MethodId::new(now, self.random.bytes()),
            company_id: open.company.id,
            psp_type: descriptor.psp_type.to_owned(),
            brand_id,
            enabled: new.enabled,
            settings,
            webhook_secrets: WebhookSecrets {
                signing: self.fresh(WebhookSecretKind::Signing),
                earlier_signing: Vec::new(),
                bearer: self.fresh(WebhookSecretKind::Bearer),
                previous_bearer: None,
            },
            callback_token: descriptor.callbacks.per_account.then(|| Secret::new(self.random.token())),
            created_at: now,
            updated_at: now,
        };
        for (field, role) in &new.roles {
            if descriptor.settings.iter().any(|setting| setting.name == field) {
                method.settings.0.insert(field.clone(), SettingValue::Plain(Json::text(&**role)));
            }
        }
        let mut batch = Batch::new();
        methods::insert(&mut batch, &open.data_key, &method)?;
        let resolved = self.resolved(&method);
        Ok(Plan {
            batch,
            action: "payment_method.create",
            object: view::object("payment_method", &method.id),
            before: None,
            after: shown(view::audited_method(&resolved)),
            result: resolved,
        })
    }

    /// Changes a payment method. Returns it with its addresses resolved.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`], [`ChangeError::Invalid`] with every sentence.
    pub async fn update_payment_method(
        &self,
        company: CompanyId,
        id: MethodId,
        patch: &MethodPatch,
    ) -> Result<PaymentMethod, ChangeError> {
        change!(self, company, |open| self.plan_method(&open, id, patch).await)
    }

    async fn plan_method(&self, open: &Open, id: MethodId, patch: &MethodPatch) -> Result<Plan<PaymentMethod>, ChangeError> {
        let stored = self.stored_method(open, id).await?;
        let before = self.resolved(&stored.method);
        let descriptor = providers::by_psp_type(&before.psp_type).ok_or(ChangeError::NotFound)?.descriptor();
        let mut method = before.clone();
        if let Some(config) = &patch.config {
            let mut problems = Vec::new();
            method.settings = self.settings(descriptor, &before.settings, config, &mut problems);
            refuse(problems)?;
        }
        method.enabled = patch.enabled.unwrap_or(method.enabled);
        if host(before.settings.text(WEBHOOK_URL)) != host(method.settings.text(WEBHOOK_URL))
            && before.settings.text(WEBHOOK_URL).is_some()
        {
            // A bearer is told to whoever answers at the address: another host never learns the one that was sent to the one
            // before.
            method.webhook_secrets.bearer = self.fresh(WebhookSecretKind::Bearer);
            method.webhook_secrets.previous_bearer = None;
        }
        keep_roles(&stored.method, &before, patch.config.as_ref(), &mut method);
        self.plan_saved(open, "payment_method.update", &stored, method)
    }

    /// Makes a new webhook secret. The ones before still count, each until its own promised end, unless they are to end now.
    /// Returns the new one and the end of the one that it takes the place of.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`]; [`ChangeError::Conflict`] while as many earlier signing secrets count as may.
    pub async fn rotate_webhook_secret(
        &self,
        company: CompanyId,
        id: MethodId,
        kind: WebhookSecretKind,
        previous: Previous,
    ) -> Result<(Secret, Timestamp), ChangeError> {
        let fresh = self.fresh(kind);
        let rotated: Result<Timestamp, ChangeError> =
            change!(self, company, |open| self.plan_rotation(&open, id, kind, &fresh, previous).await);
        rotated.map(|until| (fresh, until))
    }

    async fn plan_rotation(
        &self,
        open: &Open,
        id: MethodId,
        kind: WebhookSecretKind,
        fresh: &Secret,
        previous: Previous,
    ) -> Result<Plan<Timestamp>, ChangeError> {
        let stored = self.stored_method(open, id).await?;
        let mut method = stored.method.clone();
        let (now, promised) = (self.now(), self.clock.after(PREVIOUS_SECRET_MS));
        let secrets = &mut method.webhook_secrets;
        let (action, until) = match kind {
            WebhookSecretKind::Signing => {
                let old = std::mem::replace(&mut secrets.signing, fresh.clone());
                secrets.earlier_signing.retain(|(_, end)| *end > now);
                match (previous, secrets.earlier_signing.last()) {
                    (Previous::EndNow, _) => secrets.earlier_signing.clear(),
                    (Previous::Keep, Some((_, first_end))) if secrets.earlier_signing.len() >= EARLIER_SIGNING_MAX => {
                        return Err(ChangeError::Conflict(format!(
                            "{EARLIER_SIGNING_MAX} earlier signing secrets still count; the first ends at {first_end}. \
                             Rotate then, or end them all now with {{\"previous\":\"end now\"}}"
                        )));
                    }
                    (Previous::Keep, _) => secrets.earlier_signing.insert(0, (old, promised)),
                }
                match previous {
                    Previous::Keep => ("payment_method.rotate_signing_secret", promised),
                    Previous::EndNow => ("payment_method.replace_signing_secret", now),
                }
            }
            WebhookSecretKind::Bearer => {
                let old = std::mem::replace(&mut secrets.bearer, fresh.clone());
                // Rotated twice within a day: what was made in between was never sent, and receivers know the one before it, to
                // its own end.
                let known = secrets.previous_bearer.take().filter(|(_, end)| *end > now);
                match previous {
                    Previous::EndNow => ("payment_method.replace_bearer_secret", now),
                    Previous::Keep => {
                        let known = known.unwrap_or((old, promised));
                        let until = known.1;
                        secrets.previous_bearer = Some(known);
                        ("payment_method.rotate_bearer_secret", until)
                    }
                }
            }
        };
        Ok(self.plan_saved(open, action, &stored, method)?.with_result(until))
    }

    /// Gives a payment method webhook secrets that were made elsewhere: the sandbox's demo shop verifies every method with one
    /// pair.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`].
    pub async fn set_webhook_secrets(
        &self,
        company: CompanyId,
        id: MethodId,
        signing: &Secret,
        bearer: &Secret,
    ) -> Result<PaymentMethod, ChangeError> {
        change!(self, company, |open| self.plan_webhook_secrets(&open, id, signing, bearer).await)
    }

    async fn plan_webhook_secrets(
        &self,
        open: &Open,
        id: MethodId,
        signing: &Secret,
        bearer: &Secret,
    ) -> Result<Plan<PaymentMethod>, ChangeError> {
        let stored = self.stored_method(open, id).await?;
        let mut method = stored.method.clone();
        method.webhook_secrets = WebhookSecrets {
            signing: signing.clone(),
            earlier_signing: Vec::new(),
            bearer: bearer.clone(),
            previous_bearer: None,
        };
        self.plan_saved(open, "payment_method.set_webhook_secrets", &stored, method)
    }

    /// Saves a method that is as it shall be stored.
    fn plan_saved(
        &self,
        open: &Open,
        action: &'static str,
        stored: &StoredMethod,
        mut method: PaymentMethod,
    ) -> Result<Plan<PaymentMethod>, ChangeError> {
        method.updated_at = self.now();
        let mut batch = Batch::new();
        methods::update(&mut batch, &open.data_key, &method, stored.version)?;
        let resolved = self.resolved(&method);
        Ok(Plan {
            batch,
            action,
            object: view::object("payment_method", &method.id),
            before: shown(view::audited_method(&self.resolved(&stored.method))),
            after: shown(view::audited_method(&resolved)),
            result: resolved,
        })
    }

    async fn stored_method(&self, open: &Open, id: MethodId) -> Result<StoredMethod, ChangeError> {
        let found = methods::find(self.db, &open.data_key, open.company.id, id).await?;
        found.ok_or(ChangeError::NotFound)
    }

    async fn known_brand(
        &self,
        open: &Open,
        id: Option<&str>,
        problems: &mut Vec<String>,
    ) -> Result<Option<BrandId>, ChangeError> {
        let Some(id) = id else { return Ok(None) };
        let known = match id.parse::<BrandId>() {
            Ok(id) => brands::find(self.db, open.company.id, &id).await?.map(|brand| brand.id),
            Err(_) => None,
        };
        if known.is_none() {
            problems.push("brandId must be a brand of the company".to_owned());
        }
        Ok(known)
    }

    /// The settings after a change, with every problem told.
    fn settings(&self, descriptor: &Descriptor, current: &Settings, config: &Json, problems: &mut Vec<String>) -> Settings {
        if !config.is_object() {
            problems.push("config must be an object".to_owned());
            return current.clone();
        }
        let operator = self.config.providers.get(descriptor.name);
        let context = SettingContext {
            environment: self.config.environment,
            now: self.now(),
            may_set_base_url: self.config.environment == Environment::Sandbox && self.actor.owns,
            accept_assumed_protocol: operator.is_some_and(|operator| operator.accept_assumed_protocol),
        };
        let applied = settings::apply(descriptor, current, config, &context).unwrap_or_else(|sentences| {
            problems.extend(sentences);
            current.clone()
        });
        // Names are listed and kept on the audit log in the clear.
        let name = config.str_at(ACCOUNT_NAME).filter(|name| Some(*name) != current.text(ACCOUNT_NAME));
        problems.extend(name.and_then(|name| identifier::check(ACCOUNT_NAME, name).err()));
        // Looked at in what was sent, so that it is told beside the other problems. What is no URL at all was told already.
        let url = config.str_at(WEBHOOK_URL).filter(|url| Some(*url) != current.text(WEBHOOK_URL));
        let url = url.filter(|url| merchant_url(url, self.config.environment).is_some());
        let is_field = descriptor.settings.iter().any(|setting| setting.name == WEBHOOK_URL);
        if is_field && url.is_some_and(|url| !(self.address_is_good)(url)) {
            problems.push(super::bad_address(WEBHOOK_URL));
        }
        applied
    }

    fn fresh(&self, kind: WebhookSecretKind) -> Secret {
        let bytes = self.random.bytes::<32>();
        Secret::new(match kind {
            WebhookSecretKind::Signing => format!("whsec_{}", STANDARD.encode(bytes)),
            WebhookSecretKind::Bearer => format!("whb_{}", URL_SAFE_NO_PAD.encode(bytes)),
        })
    }
}

/// The host of an address, in the one spelling that the URL grammar gives it.
fn host(url: Option<&str>) -> Option<String> {
    url::Url::parse(url?).ok()?.host_str().map(str::to_owned)
}

/// Puts the stored addresses by role back, where the change did not say otherwise: a field that it does not name, or names with
/// the address that the role has now, as somebody does who sends back what they read.
fn keep_roles(stored: &PaymentMethod, before: &PaymentMethod, config: Option<&Json>, method: &mut PaymentMethod) {
    for (field, role) in roles::of(&stored.settings) {
        let named = config.and_then(|config| config.get(&field)).is_some();
        let same = method.settings.text(&field).is_some() && method.settings.text(&field) == before.settings.text(&field);
        if !named || same {
            method.settings.0.insert(field, SettingValue::Plain(Json::String(role)));
        }
    }
}
