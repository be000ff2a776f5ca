//! Brands.

use super::{BRANDS_MAX, ChangeError, Changes, Open, Plan, change, name_problem, refuse, shown, view};
use domain::{Brand, BrandId, CompanyId};
use providers::identifier;
use store::Batch;
use store::repository::brands;

impl Changes<'_> {
    /// Adds a brand.
    ///
    /// # Errors
    /// [`ChangeError::Invalid`] with every sentence, also for an id that is there already.
    pub async fn create_brand(&self, company: CompanyId, id: &str, name: &str, active: bool) -> Result<Brand, ChangeError> {
        change!(self, company, |open| self.plan_new_brand(&open, id, name, active).await)
    }

    async fn plan_new_brand(&self, open: &Open, id: &str, name: &str, active: bool) -> Result<Plan<Brand>, ChangeError> {
        let existing = brands::list(self.db, open.company.id).await?;
        let mut problems = Vec::new();
        // An id is a word of requests: nothing that cannot be seen or typed.
        let parsed = id.parse::<BrandId>().ok().filter(|id| !id.as_str().chars().any(char::is_control));
        if parsed.is_none() {
            problems.push(format!("brandId must be 1 to {} characters", BrandId::MAX_CHARS));
        }
        if parsed.as_ref().is_some_and(|id| existing.iter().any(|brand| brand.id == *id)) {
            problems.push("brandId is in use already".to_owned());
        }
        problems.extend(identifier::check("brandId", id).err());
        problems.extend(name_problem("name", name));
        refuse(problems)?;
        if existing.len() >= BRANDS_MAX {
            return Err(ChangeError::too_many("brands", BRANDS_MAX));
        }
        // A problem would have refused it above.
        let id = parsed.ok_or(ChangeError::NotFound)?;
        let now = self.now();
        let brand = Brand { id, name: name.to_owned(), active, created_at: now, updated_at: now };
        let mut batch = Batch::new();
        brands::insert(&mut batch, open.company.id, &brand);
        Ok(Plan {
            batch,
            action: "brand.create",
            object: view::object("brand", &brand.id),
            before: None,
            after: shown(view::brand(&brand)),
            result: brand,
        })
    }

    /// Changes a brand; `None` leaves a field as it is.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`], [`ChangeError::Invalid`].
    pub async fn update_brand(
        &self,
        company: CompanyId,
        id: &BrandId,
        name: Option<&str>,
        active: Option<bool>,
    ) -> Result<Brand, ChangeError> {
        change!(self, company, |open| self.plan_brand(&open, id, name, active).await)
    }

    async fn plan_brand(
        &self,
        open: &Open,
        id: &BrandId,
        name: Option<&str>,
        active: Option<bool>,
    ) -> Result<Plan<Brand>, ChangeError> {
        let before = brands::find(self.db, open.company.id, id).await?.ok_or(ChangeError::NotFound)?;
        refuse(name.and_then(|name| name_problem("name", name)).into_iter().collect())?;
        let mut brand = before.clone();
        brand.name = name.map_or(brand.name, str::to_owned);
        brand.active = active.unwrap_or(brand.active);
        brand.updated_at = self.now();
        let mut batch = Batch::new();
        brands::update(&mut batch, open.company.id, &brand);
        Ok(Plan {
            batch,
            action: "brand.update",
            object: view::object("brand", &brand.id),
            before: shown(view::brand(&before)),
            after: shown(view::brand(&brand)),
            result: brand,
        })
    }
}
