//! Which rule decides, and which account is used.

use crate::directory::CompanySnapshot;
use domain::{BrandId, Operation, PaymentMethod, Rule};
use std::sync::Arc;

/// Why there is no way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// No active rule matches; an unknown or inactive brand too.
    Rule,
    /// The rule matches, but no enabled account is there.
    Method,
}

/// The account to use, and the rule that said so.
pub(crate) struct Route {
    pub(crate) rule: Rule,
    pub(crate) method: Arc<PaymentMethod>,
}

/// Finds the rule and the account. Brand rules come before company rules; then priority; then age. Of the accounts the first that
/// suits the request is taken; where none does, the first, which then says what is wrong.
pub(crate) fn find(
    company: &CompanySnapshot,
    psp_type: &str,
    operation: Operation,
    brand: Option<&BrandId>,
    suits: &dyn Fn(&PaymentMethod) -> bool,
) -> Result<Route, NoRoute> {
    if let Some(brand) = brand {
        let active = company.brand(brand).is_some_and(|brand| brand.active);
        if !active {
            return Err(NoRoute::Rule);
        }
    }
    let rule = company
        .rules
        .iter()
        .filter(|rule| matches(rule, psp_type, operation, brand))
        .min_by_key(|rule| (rule.brand_ids.is_empty(), std::cmp::Reverse(rule.priority), rule.created_at, rule.id))
        .ok_or(NoRoute::Rule)?;
    let method = account(company, rule, psp_type, brand, suits).ok_or(NoRoute::Method)?;
    Ok(Route { rule: rule.clone(), method: method.clone() })
}

fn matches(rule: &Rule, psp_type: &str, operation: Operation, brand: Option<&BrandId>) -> bool {
    let any_or = |list_is_empty: bool, found: bool| list_is_empty || found;
    rule.active
        && any_or(rule.psp_types.is_empty(), rule.psp_types.iter().any(|p| p == psp_type))
        && any_or(rule.types.is_empty(), rule.types.contains(&operation))
        && any_or(rule.brand_ids.is_empty(), brand.is_some_and(|brand| rule.brand_ids.contains(brand)))
}

fn account<'a>(
    company: &'a CompanySnapshot,
    rule: &Rule,
    psp_type: &str,
    brand: Option<&BrandId>,
    suits: &dyn Fn(&PaymentMethod) -> bool,
) -> Option<&'a Arc<PaymentMethod>> {
    let usable = |method: &&Arc<PaymentMethod>| method.enabled && method.psp_type == psp_type;
    if !rule.route.is_empty() {
        return best(rule.route.iter().filter_map(|id| company.method(*id)).filter(usable), suits);
    }
    // The snapshot lists the methods oldest first.
    let of_brand = brand.and_then(|brand| {
        best(company.methods.iter().filter(usable).filter(|method| method.brand_id.as_ref() == Some(brand)), suits)
    });
    of_brand.or_else(|| best(company.methods.iter().filter(usable).filter(|method| method.brand_id.is_none()), suits))
}

fn best<'a>(
    mut candidates: impl Iterator<Item = &'a Arc<PaymentMethod>>,
    suits: &dyn Fn(&PaymentMethod) -> bool,
) -> Option<&'a Arc<PaymentMethod>> {
    let first = candidates.next()?;
    if suits(first) { Some(first) } else { candidates.find(|method| suits(method)).or(Some(first)) }
}
