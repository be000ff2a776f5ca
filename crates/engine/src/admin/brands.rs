//! Brands.

use super::error::AdminError;
use super::fields::Fields;
use super::params::Params;
use super::{Act, page};
use crate::Engine;
use crate::directory::change::NAME_MAX_CHARS;
use crate::directory::view;
use domain::{Brand, BrandId, Json};

/// The name of the list in its cursors.
const LIST: &str = "brands";

/// A page of the company's brands, by their ids.
///
/// # Errors
/// [`AdminError`].
pub async fn list(engine: &Engine, act: &Act<'_>, query: Option<&str>) -> Result<Json, AdminError> {
    let mut params = Params::list(query, &[]);
    let (limit, after) = page::params(&mut params, LIST);
    params.finish()?;
    let company = act.fresh(engine).await?;
    let key = |brand: &Brand| brand.id.to_string();
    Ok(page::of_whole(LIST, &company.brands, key, view::brand, after.as_deref(), limit))
}

/// Adds a brand; it is active unless the body says otherwise.
///
/// # Errors
/// [`AdminError`].
pub async fn create(engine: &Engine, act: &Act<'_>, body: &Json) -> Result<Json, AdminError> {
    let mut fields = Fields::of(body, "a brand", &["brandId", "name", "active"]);
    let id = fields.required_text("brandId", BrandId::MAX_CHARS);
    let name = fields.required_text("name", NAME_MAX_CHARS);
    let active = fields.boolean("active");
    fields.finish()?;
    let (Some(id), Some(name)) = (id, name) else { return Err(AdminError::Internal) };
    let changes = engine.changes(act.actor());
    let brand = changes.create_brand(act.company_id(), &id, &name, active.unwrap_or(true)).await?;
    Ok(view::brand(&brand))
}

/// Changes a brand's name, or switches it on or off.
///
/// # Errors
/// [`AdminError`].
pub async fn change(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    let id: BrandId = id.parse().map_err(|_| AdminError::NotFound)?;
    let mut fields = Fields::of(body, "a change of a brand", &["name", "active"]);
    let name = if fields.has("name") { fields.required_text("name", NAME_MAX_CHARS) } else { None };
    let active = fields.boolean("active").or(fields.cleared("active", true));
    fields.finish()?;
    let changes = engine.changes(act.actor());
    let brand = changes.update_brand(act.company_id(), &id, name.as_deref(), active).await?;
    Ok(view::brand(&brand))
}
