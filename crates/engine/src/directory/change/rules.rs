//! Orchestration rules.

use super::{ChangeError, Changes, NAME_MAX_CHARS, Open, Plan, RULES_MAX, change, name_problem, refuse, shown, view};
use domain::{BrandId, CompanyId, MethodId, Operation, PaymentMethod, Rule, RuleId};
use store::Batch;
use store::repository::{brands, methods, rules};

/// Bounds of a priority.
const PRIORITY_MAX: i64 = 1_000_000;
/// Most entries of a list in a match or a route.
const LIST_MAX: usize = 100;

/// A new rule, or what changes of one: `None` leaves a field as it is, and as it is by default in a new one (priority 0, active,
/// matches everything, the brand's account or else the company's, no hold). A new rule must have a name.
#[derive(Clone, Debug, Default)]
pub struct RulePatch {
    /// Shown name.
    pub name: Option<String>,
    /// Higher wins.
    pub priority: Option<i64>,
    /// Only active rules count.
    pub active: Option<bool>,
    /// `match.pspTypes`.
    pub psp_types: Option<Vec<String>>,
    /// `match.brandIds`.
    pub brand_ids: Option<Vec<String>>,
    /// `match.types`.
    pub types: Option<Vec<String>>,
    /// `action.route`, the ids of payment methods.
    pub route: Option<Vec<String>>,
    /// `action.hold`.
    pub hold: Option<bool>,
}

impl Changes<'_> {
    /// Adds a rule.
    ///
    /// # Errors
    /// [`ChangeError::Invalid`] with every sentence.
    pub async fn create_rule(&self, company: CompanyId, new: &RulePatch) -> Result<Rule, ChangeError> {
        change!(self, company, |open| self.plan_new_rule(&open, new).await)
    }

    async fn plan_new_rule(&self, open: &Open, new: &RulePatch) -> Result<Plan<Rule>, ChangeError> {
        let now = self.now();
        let mut rule = Rule {
            id: RuleId::new(now, self.random.bytes()),
            name: String::new(),
            priority: 0,
            active: true,
            psp_types: Vec::new(),
            brand_ids: Vec::new(),
            types: Vec::new(),
            route: Vec::new(),
            hold: false,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let missing = new.name.as_deref().unwrap_or_default().is_empty();
        let mut problems: Vec<String> = missing.then(|| "Missing required field: name".to_owned()).into_iter().collect();
        let patch = RulePatch { name: new.name.clone().filter(|_| !missing), ..new.clone() };
        self.patch_rule(open, &mut rule, &patch, &mut problems).await?;
        refuse(problems)?;
        if rules::list(self.db, open.company.id).await?.len() >= RULES_MAX {
            return Err(ChangeError::too_many("rules", RULES_MAX));
        }
        let mut batch = Batch::new();
        rules::insert(&mut batch, open.company.id, &rule);
        Ok(Plan {
            batch,
            action: "rule.create",
            object: view::object("rule", &rule.id),
            before: None,
            after: shown(view::rule(&rule)),
            result: rule,
        })
    }

    /// Changes a rule. Its version goes up: transactions keep the one that decided.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`], [`ChangeError::Invalid`] with every sentence.
    pub async fn update_rule(&self, company: CompanyId, id: RuleId, patch: &RulePatch) -> Result<Rule, ChangeError> {
        change!(self, company, |open| self.plan_rule(&open, id, patch).await)
    }

    async fn plan_rule(&self, open: &Open, id: RuleId, patch: &RulePatch) -> Result<Plan<Rule>, ChangeError> {
        let before = rules::find(self.db, open.company.id, id).await?.ok_or(ChangeError::NotFound)?;
        let mut rule = before.clone();
        let mut problems = Vec::new();
        self.patch_rule(open, &mut rule, patch, &mut problems).await?;
        refuse(problems)?;
        rule.version += 1;
        rule.updated_at = self.now();
        let mut batch = Batch::new();
        rules::update(&mut batch, open.company.id, &rule);
        Ok(Plan {
            batch,
            action: "rule.update",
            object: view::object("rule", &rule.id),
            before: shown(view::rule(&before)),
            after: shown(view::rule(&rule)),
            result: rule,
        })
    }

    /// Takes a rule out and returns what it was.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`].
    pub async fn delete_rule(&self, company: CompanyId, id: RuleId) -> Result<Rule, ChangeError> {
        change!(self, company, |open| self.plan_no_rule(&open, id).await)
    }

    async fn plan_no_rule(&self, open: &Open, id: RuleId) -> Result<Plan<Rule>, ChangeError> {
        let rule = rules::find(self.db, open.company.id, id).await?.ok_or(ChangeError::NotFound)?;
        let mut batch = Batch::new();
        rules::delete(&mut batch, open.company.id, id);
        Ok(Plan {
            batch,
            action: "rule.delete",
            object: view::object("rule", &id),
            before: shown(view::rule(&rule)),
            after: None,
            result: rule,
        })
    }

    async fn patch_rule(
        &self,
        open: &Open,
        rule: &mut Rule,
        patch: &RulePatch,
        problems: &mut Vec<String>,
    ) -> Result<(), ChangeError> {
        if let Some(name) = &patch.name {
            problems.extend(name_problem("name", name));
            rule.name.clone_from(name);
        }
        if let Some(priority) = patch.priority {
            if !(-PRIORITY_MAX..=PRIORITY_MAX).contains(&priority) {
                problems.push(format!("priority must be a whole number from {} to {PRIORITY_MAX}", -PRIORITY_MAX));
            }
            rule.priority = priority;
        }
        rule.active = patch.active.unwrap_or(rule.active);
        rule.hold = patch.hold.unwrap_or(rule.hold);
        if let Some(psp_types) = &patch.psp_types {
            read_list("match.pspTypes", psp_types, problems, &mut rule.psp_types, |text| {
                let known = providers::by_psp_type(text).map(|provider| provider.descriptor().psp_type.to_owned());
                known.ok_or_else(|| format!("Unknown pspType: {}", short(text)))
            });
        }
        if let Some(types) = &patch.types {
            read_list("match.types", types, problems, &mut rule.types, |text| {
                text.parse::<Operation>().map_err(|()| "match.types must be PAYIN or PAYOUT".to_owned())
            });
        }
        if let Some(brand_ids) = &patch.brand_ids {
            let known = brands::list(self.db, open.company.id).await?;
            read_list("match.brandIds", brand_ids, problems, &mut rule.brand_ids, |text| {
                let brand = text.parse::<BrandId>().ok().filter(|id| known.iter().any(|brand| brand.id == *id));
                brand.ok_or_else(|| format!("match.brandIds: there is no brand {}", short(text)))
            });
        }
        if let Some(route) = &patch.route {
            let known = methods::list(self.db, &open.data_key, open.company.id).await?;
            let known: Vec<PaymentMethod> = known.into_iter().map(|stored| stored.method).collect();
            let psp_types = rule.psp_types.clone();
            read_list("action.route", route, problems, &mut rule.route, |text| routed(text, &known, &psp_types));
        }
        Ok(())
    }
}

/// A method of the company, of a provider that the rule is for.
fn routed(text: &str, known: &[PaymentMethod], psp_types: &[String]) -> Result<MethodId, String> {
    let method = text.parse().ok().and_then(|id: MethodId| known.iter().find(|method| method.id == id));
    let method = method.ok_or_else(|| format!("action.route: there is no payment method {}", short(text)))?;
    if !psp_types.is_empty() && !psp_types.contains(&method.psp_type) {
        return Err(format!("action.route: {} is none of match.pspTypes", method.psp_type));
    }
    Ok(method.id)
}

/// A stranger's word as a sentence repeats it.
fn short(text: &str) -> String {
    // An id may be read, what may be a card number not.
    if providers::identifier::check("", text).is_err() {
        return providers::identifier::repeated(text, NAME_MAX_CHARS);
    }
    let short: String = text.chars().filter(|c| !c.is_control()).take(NAME_MAX_CHARS).collect();
    domain::visible::visible(&short, &[]).into_owned()
}

/// Reads a list; what cannot be read is a problem, what is there twice counts once.
fn read_list<T: PartialEq>(
    field: &str,
    given: &[String],
    problems: &mut Vec<String>,
    into: &mut Vec<T>,
    read: impl Fn(&str) -> Result<T, String>,
) {
    into.clear();
    if given.len() > LIST_MAX {
        problems.push(format!("{field} must have at most {LIST_MAX} entries"));
        return;
    }
    for text in given {
        match read(text) {
            Ok(item) if into.contains(&item) => {}
            Ok(item) => into.push(item),
            Err(sentence) if problems.contains(&sentence) => {}
            Err(sentence) => problems.push(sentence),
        }
    }
}
