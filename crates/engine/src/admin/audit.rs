//! The audit log, newest first.

use super::error::AdminError;
use super::params::Params;
use super::{Act, page};
use crate::Engine;
use domain::{Json, TransactionId};
use store::repository::audit::{self, AuditEntry};

/// The name of the list in its cursors.
const LIST: &str = "audit";

/// A page of the company's audit log.
///
/// # Errors
/// [`AdminError`].
pub async fn list(engine: &Engine, act: &Act<'_>, query: Option<&str>) -> Result<Json, AdminError> {
    let mut params = Params::list(query, &[]);
    let limit = params.limit();
    let cursor = params.cursor(|text| page::place::<1>(LIST, text)?[0].parse::<TransactionId>().ok());
    params.finish()?;
    let before = cursor.map(|id| id.to_string());
    let mut found = audit::list(engine.store(), act.company_id(), before.as_deref(), limit + 1).await?;
    let next = page::cut(&mut found, limit).map(|last| page::cursor(LIST, &[&last.id]));
    Ok(page::shown(found.iter().map(shown).collect(), next))
}

fn shown(entry: &AuditEntry) -> Json {
    Json::object([
        ("id", Json::text(&*entry.id)),
        ("at", Json::text(entry.at.to_string())),
        ("actor", Json::text(&*entry.actor)),
        ("action", Json::text(&*entry.action)),
        ("object", Json::text(&*entry.object)),
        ("before", entry.before.clone().unwrap_or(Json::Null)),
        ("after", entry.after.clone().unwrap_or(Json::Null)),
        ("from", entry.from.clone().into()),
    ])
}
