//! Brands of a company.

use super::read::parse;
use crate::{Batch, Driver, QueryError, Row};
use domain::{Brand, BrandId, CompanyId, Timestamp};

/// The label of the insertion that fails when the company has a brand of that id.
pub const DUPLICATE: &str = "brand";

/// The brand is there.
const THERE_GUARD: &str = "brand is there";
const INSERT: &str = "INSERT INTO brands (company_id, id, name, active, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const UPDATE: &str = "UPDATE brands SET name = ?3, active = ?4, updated_at = ?5 WHERE company_id = ?1 AND id = ?2";
const FIND: &str = "SELECT id, name, active, created_at, updated_at FROM brands WHERE company_id = ?1 AND id = ?2";
const LIST: &str = "SELECT id, name, active, created_at, updated_at FROM brands WHERE company_id = ?1 ORDER BY created_at, id";

/// Adds a brand; fails the batch with [`DUPLICATE`] when there is one of that id.
pub fn insert(batch: &mut Batch, company: CompanyId, brand: &Brand) {
    let values = vec![
        company.to_string().into(),
        brand.id.as_str().into(),
        (&*brand.name).into(),
        brand.active.into(),
        brand.created_at.millis().into(),
        brand.updated_at.millis().into(),
    ];
    batch.insert(DUPLICATE, INSERT, values);
}

/// Changes a brand.
pub fn update(batch: &mut Batch, company: CompanyId, brand: &Brand) {
    let values = vec![
        company.to_string().into(),
        brand.id.as_str().into(),
        (&*brand.name).into(),
        brand.active.into(),
        brand.updated_at.millis().into(),
    ];
    batch.guard(THERE_GUARD, UPDATE, values);
}

/// A brand.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find(db: &dyn Driver, company: CompanyId, id: &BrandId) -> Result<Option<Brand>, QueryError> {
    let rows = db.query(FIND, vec![company.to_string().into(), id.as_str().into()]).await?;
    rows.first().map(brand).transpose()
}

/// Every brand of a company, oldest first.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn list(db: &dyn Driver, company: CompanyId) -> Result<Vec<Brand>, QueryError> {
    let rows = db.query(LIST, vec![company.to_string().into()]).await?;
    rows.iter().map(brand).collect()
}

fn brand(row: &Row) -> Result<Brand, QueryError> {
    Ok(Brand {
        id: parse(row, 0)?,
        name: row.text(1)?,
        active: row.bool(2)?,
        created_at: Timestamp::from_millis(row.int(3)?),
        updated_at: Timestamp::from_millis(row.int(4)?),
    })
}
