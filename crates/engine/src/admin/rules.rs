//! Orchestration rules.

use super::error::AdminError;
use super::fields::Fields;
use super::params::Params;
use super::{Act, page};
use crate::Engine;
use crate::directory::change::{NAME_MAX_CHARS, RulePatch};
use crate::directory::view;
use domain::{Json, Rule, RuleId};

/// The name of the list in its cursors.
const LIST: &str = "rules";
/// Bounds of a priority.
const PRIORITY_MAX: i64 = 1_000_000;

/// A page of the company's rules, oldest first.
///
/// # Errors
/// [`AdminError`].
pub async fn list(engine: &Engine, act: &Act<'_>, query: Option<&str>) -> Result<Json, AdminError> {
    let mut params = Params::list(query, &[]);
    let (limit, after) = page::params(&mut params, LIST);
    params.finish()?;
    let company = act.fresh(engine).await?;
    let key = |rule: &Rule| rule.id.to_string();
    Ok(page::of_whole(LIST, &company.rules, key, view::rule, after.as_deref(), limit))
}

/// One rule.
///
/// # Errors
/// [`AdminError`].
pub async fn find(engine: &Engine, act: &Act<'_>, id: &str) -> Result<Json, AdminError> {
    let id: RuleId = id.parse().map_err(|_| AdminError::NotFound)?;
    let company = act.fresh(engine).await?;
    company.rules.iter().find(|rule| rule.id == id).map(view::rule).ok_or(AdminError::NotFound)
}

/// Adds a rule.
///
/// # Errors
/// [`AdminError`].
pub async fn create(engine: &Engine, act: &Act<'_>, body: &Json) -> Result<Json, AdminError> {
    let patch = read(body, true)?;
    let rule = engine.changes(act.actor()).create_rule(act.company_id(), &patch).await?;
    Ok(view::rule(&rule))
}

/// Changes a rule.
///
/// # Errors
/// [`AdminError`].
pub async fn change(engine: &Engine, act: &Act<'_>, id: &str, body: &Json) -> Result<Json, AdminError> {
    let id: RuleId = id.parse().map_err(|_| AdminError::NotFound)?;
    let patch = read(body, false)?;
    let rule = engine.changes(act.actor()).update_rule(act.company_id(), id, &patch).await?;
    Ok(view::rule(&rule))
}

/// Takes a rule out; answers with what it was.
///
/// # Errors
/// [`AdminError`].
pub async fn delete(engine: &Engine, act: &Act<'_>, id: &str) -> Result<Json, AdminError> {
    let id: RuleId = id.parse().map_err(|_| AdminError::NotFound)?;
    let rule = engine.changes(act.actor()).delete_rule(act.company_id(), id).await?;
    Ok(view::rule(&rule))
}

/// Reads a body. What is `null` goes back to what it is in a new rule.
fn read(body: &Json, new: bool) -> Result<RulePatch, AdminError> {
    let mut fields = Fields::of(body, "a rule", &["name", "priority", "active", "match", "action"]);
    let name = if new || fields.has("name") { fields.required_text("name", NAME_MAX_CHARS) } else { None };
    let mut patch = RulePatch {
        name,
        priority: fields.integer("priority", -PRIORITY_MAX, PRIORITY_MAX).or(fields.cleared("priority", 0)),
        active: fields.boolean("active").or(fields.cleared("active", true)),
        ..RulePatch::default()
    };
    if let Some(matching) = fields.object_or_null("match") {
        let mut inner = Fields::inside(matching, "match.", "a match", &["pspTypes", "brandIds", "types"]);
        patch.psp_types = texts(&mut inner, "pspTypes");
        patch.brand_ids = texts(&mut inner, "brandIds");
        patch.types = texts(&mut inner, "types");
        if *matching == Json::Null {
            let none = || Some(Vec::new());
            (patch.psp_types, patch.brand_ids, patch.types) = (none(), none(), none());
        }
        fields.join(inner);
    }
    if let Some(action) = fields.object_or_null("action") {
        let mut inner = Fields::inside(action, "action.", "an action", &["route", "hold"]);
        patch.route =
            inner.list("route", "must be a list of {\"paymentMethodId\"}", routed).or(inner.cleared("route", Vec::new()));
        patch.hold = inner.boolean("hold").or(inner.cleared("hold", false));
        if *action == Json::Null {
            (patch.route, patch.hold) = (Some(Vec::new()), Some(false));
        }
        fields.join(inner);
    }
    fields.finish()?;
    Ok(patch)
}

fn texts(fields: &mut Fields<'_>, name: &str) -> Option<Vec<String>> {
    let read = |item: &Json| item.as_str().map(str::to_owned);
    fields.list(name, "must be a list of strings", read).or(fields.cleared(name, Vec::new()))
}

/// `{"paymentMethodId":"..."}` and nothing else.
fn routed(item: &Json) -> Option<String> {
    match item.as_object()? {
        [(name, Json::String(id))] if name == "paymentMethodId" => Some(id.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, new: bool) -> Result<RulePatch, AdminError> {
        read(&Json::parse(text.as_bytes()).unwrap(), new)
    }

    #[test]
    fn a_patch_has_only_what_was_sent() {
        let patch = read_text(r#"{"match":{"types":["PAYOUT"]},"action":{"route":[{"paymentMethodId":"a"}]}}"#, false).unwrap();
        assert_eq!(patch.types, Some(vec!["PAYOUT".to_owned()]));
        assert_eq!(patch.route, Some(vec!["a".to_owned()]));
        assert!(patch.name.is_none() && patch.priority.is_none() && patch.active.is_none() && patch.hold.is_none());
        assert!(patch.psp_types.is_none() && patch.brand_ids.is_none());
    }

    #[test]
    fn null_goes_back_to_the_default() {
        let patch = read_text(r#"{"priority":null,"active":null,"match":null,"action":{"route":null}}"#, false).unwrap();
        assert_eq!((patch.priority, patch.active), (Some(0), Some(true)));
        assert_eq!((patch.psp_types, patch.types), (Some(vec![]), Some(vec![])));
        assert_eq!((patch.route, patch.hold), (Some(vec![]), None));
        assert_eq!(read_text(r#"{"name":null}"#, false).unwrap_err(), AdminError::missing("name"));
    }

    #[test]
    fn every_problem_is_told() {
        let bad =
            r#"{"priority":"1","colour":"red","match":{"pspTypes":"PAYONE","tags":[]},"action":{"route":[{"id":"x"}],"hold":1}}"#;
        let expected = [
            "Missing required field: name",
            "colour is not a field of a rule",
            "priority must be a whole number from -1000000 to 1000000",
            "match.tags is not a field of a match",
            "match.pspTypes must be a list of strings",
            "action.route must be a list of {\"paymentMethodId\"}",
            "action.hold must be a boolean",
        ];
        assert_eq!(read_text(bad, true).unwrap_err(), AdminError::Invalid(expected.map(str::to_owned).to_vec()));
    }
}
