//! Orchestration rules.

use super::read::{self, parse};
use crate::{Batch, Driver, QueryError, Row};
use domain::{CompanyId, Json, Rule, RuleId, Timestamp};
use std::str::FromStr;

/// The label of the guard that fails when the rule changed in between.
pub const VERSION_GUARD: &str = "rule version";

macro_rules! columns {
    () => {
        "id, name, priority, active, matching, action, version, created_at, updated_at"
    };
}

/// A rule of that id is there already.
const ID_TAKEN: &str = "rule";
/// The rule is there.
const THERE_GUARD: &str = "rule is there";
const INSERT: &str = concat!("INSERT INTO rules (company_id, ", columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
const UPDATE: &str = "UPDATE rules SET name = ?3, priority = ?4, active = ?5, matching = ?6, action = ?7, \
                      version = ?8, updated_at = ?9 WHERE company_id = ?1 AND id = ?2 AND version = ?10";
const DELETE: &str = "DELETE FROM rules WHERE company_id = ?1 AND id = ?2";
const FIND: &str = concat!("SELECT ", columns!(), " FROM rules WHERE company_id = ?1 AND id = ?2");
const LIST: &str = concat!("SELECT ", columns!(), " FROM rules WHERE company_id = ?1 ORDER BY created_at, id");

/// Adds a rule.
pub fn insert(batch: &mut Batch, company: CompanyId, rule: &Rule) {
    let values = vec![
        company.to_string().into(),
        rule.id.to_string().into(),
        (&*rule.name).into(),
        rule.priority.into(),
        rule.active.into(),
        matching(rule).into(),
        action(rule).into(),
        rule.version.into(),
        rule.created_at.millis().into(),
        rule.updated_at.millis().into(),
    ];
    batch.insert(ID_TAKEN, INSERT, values);
}

/// Changes a rule that is still at the version before `rule.version`; otherwise the batch fails with [`VERSION_GUARD`].
pub fn update(batch: &mut Batch, company: CompanyId, rule: &Rule) {
    let values = vec![
        company.to_string().into(),
        rule.id.to_string().into(),
        (&*rule.name).into(),
        rule.priority.into(),
        rule.active.into(),
        matching(rule).into(),
        action(rule).into(),
        rule.version.into(),
        rule.updated_at.millis().into(),
        (rule.version - 1).into(),
    ];
    batch.guard(VERSION_GUARD, UPDATE, values);
}

/// Takes a rule out. Transactions keep its id and version.
pub fn delete(batch: &mut Batch, company: CompanyId, rule: RuleId) {
    batch.guard(THERE_GUARD, DELETE, vec![company.to_string().into(), rule.to_string().into()]);
}

/// A rule.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn find(db: &dyn Driver, company: CompanyId, id: RuleId) -> Result<Option<Rule>, QueryError> {
    let rows = db.query(FIND, vec![company.to_string().into(), id.to_string().into()]).await?;
    rows.first().map(rule).transpose()
}

/// Every rule of a company, oldest first.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn list(db: &dyn Driver, company: CompanyId) -> Result<Vec<Rule>, QueryError> {
    let rows = db.query(LIST, vec![company.to_string().into()]).await?;
    rows.iter().map(rule).collect()
}

fn texts<T: ToString>(items: &[T]) -> Json {
    Json::Array(items.iter().map(|item| Json::text(item.to_string())).collect())
}

fn matching(rule: &Rule) -> String {
    let types: Vec<&str> = rule.types.iter().map(|operation| operation.as_str()).collect();
    Json::object([("pspTypes", texts(&rule.psp_types)), ("brandIds", texts(&rule.brand_ids)), ("types", texts(&types))]).to_text()
}

fn action(rule: &Rule) -> String {
    Json::object([("route", texts(&rule.route)), ("hold", Json::Bool(rule.hold))]).to_text()
}

fn rule(row: &Row) -> Result<Rule, QueryError> {
    let id: RuleId = parse(row, 0)?;
    let matching = read::json(row, 4)?;
    let action = read::json(row, 5)?;
    Ok(Rule {
        id,
        name: row.text(1)?,
        priority: row.int(2)?,
        active: row.bool(3)?,
        psp_types: list_of(&matching, "pspTypes", id)?,
        brand_ids: list_of(&matching, "brandIds", id)?,
        types: list_of(&matching, "types", id)?,
        route: list_of(&action, "route", id)?,
        hold: action.get("hold").and_then(Json::as_bool).ok_or_else(|| corrupt("hold", id))?,
        version: row.int(6)?,
        created_at: Timestamp::from_millis(row.int(7)?),
        updated_at: Timestamp::from_millis(row.int(8)?),
    })
}

fn corrupt(member: &str, id: RuleId) -> QueryError {
    QueryError::Corrupt(format!("rules: {member} of {id}"))
}

fn list_of<T: FromStr>(document: &Json, member: &str, id: RuleId) -> Result<Vec<T>, QueryError> {
    let items = document.get(member).and_then(Json::as_array).ok_or_else(|| corrupt(member, id))?;
    let read = |item: &Json| item.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| corrupt(member, id));
    items.iter().map(read).collect()
}
