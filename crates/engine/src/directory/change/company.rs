//! The company itself.

use super::{ChangeError, Changes, Open, Plan, change, name_problem, refuse, shown, view};
use crate::auth::keys;
use crate::directory::CompanySnapshot;
use crate::surely::{self, Away, Receipt};
use domain::company::{UserTokenAlgorithm, UserTokenKey};
use domain::urls::merchant_url;
use domain::{CompanyId, Currency, Secret};
use std::sync::Arc;
use store::Batch;
use store::repository::audit;
use store::repository::companies::{self, StoredCompany};
use store::vault::DataKey;

/// A company to add.
#[derive(Clone, Debug)]
pub struct NewCompany {
    /// Legal name.
    pub name: String,
    /// ISO 4217.
    pub billing_currency: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// The key for user tokens, as it is given.
#[derive(Clone, Debug)]
pub struct NewUserTokenKey {
    /// `HS256`, `RS256` or `ES256`.
    pub algorithm: String,
    /// A shared secret, or a public key in PEM.
    pub key: Secret,
}

/// What changes of a company: `None` leaves it as it is, `Some(None)` clears it.
#[derive(Clone, Debug, Default)]
pub struct CompanyPatch {
    /// Legal name.
    pub name: Option<String>,
    /// ISO 4217.
    pub billing_currency: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Where `x-user-authorization` is checked.
    pub user_auth_url: Option<Option<String>>,
    /// The key for user tokens.
    pub user_token_key: Option<Option<NewUserTokenKey>>,
    /// Suspended companies get 403; for the operator.
    pub suspended: Option<bool>,
}

impl Changes<'_> {
    /// Adds a company with a data key of its own, and nothing else.
    ///
    /// # Errors
    /// [`ChangeError::Invalid`] with every sentence.
    pub async fn create_company(&self, new: &NewCompany) -> Result<Arc<CompanySnapshot>, ChangeError> {
        let mut problems = Vec::new();
        problems.extend(name_problem("name", &new.name));
        let currency = Currency::from_code(&new.billing_currency);
        problems.extend(currency_problem(currency));
        problems.extend(country_problem(&new.country));
        refuse(problems)?;
        let now = self.now();
        let id = CompanyId::new(now, self.random.bytes());
        let data_key = self.directory.master_key.wrap(&DataKey::generate(&id.to_string())?)?;
        let stored = StoredCompany {
            id,
            name: new.name.clone(),
            // A problem would have refused it above.
            billing_currency: currency.ok_or(ChangeError::NotFound)?,
            country: new.country.clone(),
            suspended: false,
            user_auth_url: None,
            user_token_algorithm: None,
            user_token_key: None,
            user_token_key_at: None,
            data_key,
            config_version: 1,
            created_at: now,
            updated_at: now,
        };
        let mut batch = Batch::new();
        companies::insert(&mut batch, &stored);
        let after = company_view(&stored, self)?;
        let entry = self.entry("company.create", view::company_object(id), None, shown(after));
        audit::insert(&mut batch, id, &entry);
        let committed = surely::commit(self.db, batch, &Receipt::Act(id, &entry.id), Away::EndsIt).await;
        self.directory.changed(id);
        committed?;
        self.snapshot(id).await
    }

    /// Changes a company.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`], [`ChangeError::Invalid`] with every sentence.
    pub async fn update_company(&self, company: CompanyId, patch: &CompanyPatch) -> Result<Arc<CompanySnapshot>, ChangeError> {
        let changed: Result<(), ChangeError> = change!(self, company, |open| self.plan_company(&open, patch));
        changed?;
        self.snapshot(company).await
    }

    fn plan_company(&self, open: &Open, patch: &CompanyPatch) -> Result<Plan<()>, ChangeError> {
        let mut stored = open.stored.clone();
        let mut problems = Vec::new();
        if let Some(name) = &patch.name {
            problems.extend(name_problem("name", name));
            stored.name.clone_from(name);
        }
        if let Some(code) = &patch.billing_currency {
            let currency = Currency::from_code(code);
            problems.extend(currency_problem(currency));
            stored.billing_currency = currency.unwrap_or(stored.billing_currency);
        }
        if let Some(country) = &patch.country {
            problems.extend(country_problem(country));
            stored.country.clone_from(country);
        }
        if let Some(url) = &patch.user_auth_url {
            problems.extend(url.as_deref().and_then(|url| self.url_problem("userAuthUrl", url)));
            stored.user_auth_url.clone_from(url);
        }
        stored.suspended = patch.suspended.unwrap_or(stored.suspended);
        let now = self.now();
        match &patch.user_token_key {
            None => {}
            Some(None) => stored.set_user_token_key(&open.data_key, None, now)?,
            Some(Some(given)) => match user_token_key(given) {
                Ok(key) => stored.set_user_token_key(&open.data_key, Some(&key), now)?,
                Err(sentence) => problems.push(sentence),
            },
        }
        refuse(problems)?;
        stored.updated_at = now;
        let mut batch = Batch::new();
        companies::update(&mut batch, &stored);
        Ok(Plan {
            batch,
            action: "company.update",
            object: view::company_object(stored.id),
            before: shown(company_view(&open.stored, self)?),
            after: shown(company_view(&stored, self)?),
            result: (),
        })
    }

    /// What is wrong with an address that we shall call.
    fn url_problem(&self, field: &str, url: &str) -> Option<String> {
        if merchant_url(url, self.config.environment).is_none() {
            return Some(format!("{field} must be an https URL"));
        }
        (!(self.address_is_good)(url)).then(|| super::bad_address(field))
    }

    async fn snapshot(&self, id: CompanyId) -> Result<Arc<CompanySnapshot>, ChangeError> {
        self.directory.company(id).await?.ok_or(ChangeError::NotFound)
    }
}

fn company_view(stored: &StoredCompany, changes: &Changes<'_>) -> Result<domain::Json, ChangeError> {
    let data_key = stored.open_data_key(&changes.directory.master_key)?;
    let company = stored.open(&data_key)?;
    Ok(view::company_of(&company, stored.billing_currency, &stored.country))
}

fn currency_problem(currency: Option<Currency>) -> Option<String> {
    currency.is_none().then(|| "billingCurrency must be an ISO 4217 code".to_owned())
}

fn country_problem(country: &str) -> Option<String> {
    let good = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    (!good).then(|| "country must be an ISO 3166-1 alpha-2 code".to_owned())
}

fn user_token_key(given: &NewUserTokenKey) -> Result<UserTokenKey, String> {
    let words = "userTokenKey.algorithm must be one of HS256, RS256, ES256";
    let algorithm: UserTokenAlgorithm = given.algorithm.parse().map_err(|()| words.to_owned())?;
    let key = UserTokenKey { algorithm, key: given.key.clone() };
    match keys::check(&key) {
        Ok(()) => Ok(key),
        Err(rest) => Err(format!("userTokenKey.key {rest}")),
    }
}
