//! The cashier page and its form.

use askama::Template;
use axum::Form as FormBody;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use url::form_urlencoded::Serializer;

use super::{CASHIER_POLICY, Here, Shop, failed, page, see_other};
use crate::catalog::{CUSTOMERS, Customer, Direction, Field, Group, Keep, Kind, Note, OutcomeBy, PROVIDERS, VOUCHER_PREFIXES};
use crate::desk::Placed;
use crate::form::{AMOUNT, CURRENCY, Form, Problems};

#[derive(Template)]
#[template(path = "cashier.html")]
struct CashierPage {
    here: Here,
    form: Form,
    providers: Vec<Choice>,
    directions: Vec<Choice>,
    customers: Vec<Choice>,
    payment: Vec<Input>,
    payer: Vec<Input>,
    amount_error: Option<String>,
    currency_error: Option<String>,
    /// Sentences with the id of the input they belong to; empty: to none.
    problems: Vec<(String, String)>,
    note: Option<&'static Note>,
    triggers: Vec<TriggerLine>,
    happens: Vec<String>,
    button: &'static str,
    voucher_prefixes: String,
}

impl CashierPage {
    fn customer(&self) -> &'static Customer {
        self.form.customer
    }
}

/// A link that chooses something.
struct Choice {
    title: &'static str,
    detail: &'static str,
    symbol: &'static str,
    href: String,
    is_chosen: bool,
    /// Why it cannot be chosen; empty: it can.
    unavailable: String,
}

struct TriggerLine {
    digits: &'static str,
    meaning: &'static str,
    href: String,
}

/// An input of the form.
struct Input {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    /// `text`, `email`, `tel`, `checkbox` or `select`.
    control: &'static str,
    input_mode: &'static str,
    autocomplete: &'static str,
    value: String,
    options: &'static [(&'static str, &'static str)],
    error: String,
    is_voucher: bool,
    is_wide: bool,
    is_optional: bool,
}

impl Input {
    fn new(field: &'static Field, value: &str, problems: &Problems) -> Input {
        let (control, input_mode) = match field.kind {
            Kind::Text => ("text", "text"),
            Kind::Email => ("email", "email"),
            Kind::Phone => ("tel", "tel"),
            Kind::Number => ("text", "decimal"),
            Kind::Voucher => ("text", "numeric"),
            Kind::Flag => ("checkbox", "none"),
            Kind::Choice(_) => ("select", "none"),
        };
        Input {
            name: field.name,
            label: field.label,
            hint: field.hint,
            control,
            input_mode,
            autocomplete: field.autocomplete,
            value: match field.keep {
                Keep::Nothing => String::new(),
                Keep::Whole | Keep::LastFour => value.to_owned(),
            },
            options: match field.kind {
                Kind::Choice(options) => options,
                _ => &[],
            },
            error: problems.of(field.name).unwrap_or_default().to_owned(),
            is_voucher: field.kind == Kind::Voucher,
            is_wide: field.wide,
            is_optional: field.optional,
        }
    }

    /// What describes the input, for `aria-describedby`.
    fn described_by(&self) -> String {
        let mut ids = Vec::new();
        if !self.error.is_empty() {
            ids.push(format!("{}-error", self.name));
        }
        if !self.hint.is_empty() {
            ids.push(format!("{}-hint", self.name));
        }
        ids.join(" ")
    }
}

/// `GET /`: the form, with what its query chooses.
pub(super) async fn show(Query(pairs): Query<Vec<(String, String)>>) -> Response {
    match Form::blank(&pairs) {
        Ok(form) => answer(StatusCode::OK, form, Problems::default()),
        Err(error) => failed(&error),
    }
}

/// `POST /orders`: places the order and sends the browser on, or shows what is wrong with everything kept.
pub(super) async fn place(State(desk): State<Shop>, FormBody(pairs): FormBody<Vec<(String, String)>>) -> Response {
    let form = match Form::sent(&pairs) {
        Ok(form) => form,
        Err(error) => return failed(&error),
    };
    match desk.place(form.clone()).await {
        Ok(Placed::Order { order, page }) => match page {
            Some(address) if !order.status.is_settled() => see_other(address.as_str()),
            _ => see_other(&format!("/orders/{}", order.number)),
        },
        Ok(Placed::Refused { message, errors }) => refused(form, &message, &errors),
        Err(error) => failed(&error),
    }
}

fn refused(mut form: Form, message: &str, errors: &[String]) -> Response {
    let problems = form.problems(message, errors);
    match form.renew_key() {
        Ok(()) => answer(StatusCode::UNPROCESSABLE_ENTITY, form, problems),
        Err(error) => failed(&error),
    }
}

fn answer(status: StatusCode, form: Form, problems: Problems) -> Response {
    let mut response = page(status, &build(form, &problems));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CASHIER_POLICY));
    response
}

fn build(form: Form, problems: &Problems) -> CashierPage {
    let inputs = |group: Group| {
        form.values
            .iter()
            .filter(|(field, _)| field.group == group)
            .map(|(field, value)| Input::new(field, value, problems))
            .collect()
    };
    let own = |field: &str| problems.of(field).map(str::to_owned);
    let mut listed: Vec<(String, String)> = problems.general.iter().map(|sentence| (String::new(), sentence.clone())).collect();
    listed.extend(problems.by_field.iter().cloned());
    CashierPage {
        here: Here::Cashier,
        providers: provider_choices(&form),
        directions: direction_choices(&form),
        customers: customer_choices(&form),
        payment: inputs(Group::Payment),
        payer: inputs(Group::Payer),
        amount_error: own(AMOUNT),
        currency_error: own(CURRENCY),
        problems: listed,
        note: form.provider.note.as_ref(),
        triggers: trigger_lines(&form),
        happens: what_happens(&form),
        button: match form.direction {
            Direction::PayIn => form.provider.buttons.0,
            Direction::PayOut => form.provider.buttons.1,
        },
        voucher_prefixes: VOUCHER_PREFIXES
            .iter()
            .map(|(currency, prefix)| format!("{currency}:{prefix}"))
            .collect::<Vec<_>>()
            .join(","),
        form,
    }
}

fn link(pairs: &[(&str, &str)]) -> String {
    let query = Serializer::new(String::new()).extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty())).finish();
    format!("/?{query}")
}

fn provider_choices(form: &Form) -> Vec<Choice> {
    PROVIDERS
        .iter()
        .map(|provider| {
            let direction = if provider.directions.contains(&form.direction) { form.direction } else { provider.directions[0] };
            Choice {
                title: provider.name,
                detail: provider.tagline,
                symbol: provider.symbol,
                href: link(&[("provider", provider.psp_type), ("direction", direction.code())]),
                is_chosen: provider.psp_type == form.provider.psp_type,
                unavailable: String::new(),
            }
        })
        .collect()
}

fn direction_choices(form: &Form) -> Vec<Choice> {
    [(Direction::PayIn, "Pay in", "add money", "in"), (Direction::PayOut, "Pay out", "withdraw", "out")]
        .into_iter()
        .map(|(direction, title, detail, symbol)| Choice {
            title,
            detail,
            symbol,
            href: link(&[
                ("provider", form.provider.psp_type),
                ("direction", direction.code()),
                ("customer", form.customer.user_id),
            ]),
            is_chosen: direction == form.direction,
            unavailable: if form.provider.directions.contains(&direction) {
                String::new()
            } else {
                format!("{} has no pay-outs", form.provider.name)
            },
        })
        .collect()
}

fn customer_choices(form: &Form) -> Vec<Choice> {
    CUSTOMERS
        .iter()
        .map(|customer| Choice {
            title: customer.first_name,
            detail: customer.place,
            symbol: "person",
            href: link(&[
                ("provider", form.provider.psp_type),
                ("direction", form.direction.code()),
                ("customer", customer.user_id),
            ]),
            is_chosen: customer.user_id == form.customer.user_id,
            unavailable: String::new(),
        })
        .collect()
}

fn trigger_lines(form: &Form) -> Vec<TriggerLine> {
    let major = form.provider.amount.split('.').next().unwrap_or_default();
    form.provider
        .triggers
        .iter()
        .filter(|trigger| !trigger.meaning(form.direction).is_empty())
        .map(|trigger| TriggerLine {
            digits: trigger.digits,
            meaning: trigger.meaning(form.direction),
            href: link(&[
                ("provider", form.provider.psp_type),
                ("direction", form.direction.code()),
                ("customer", form.customer.user_id),
                ("currency", &form.currency),
                ("amount", &format!("{major}.{}", trigger.digits)),
            ]),
        })
        .collect()
}

/// What will happen, in the order in which it does.
fn what_happens(form: &Form) -> Vec<String> {
    let name = form.provider.name;
    let mut steps = vec!["The shop stores the order, then calls the Cashier API.".to_owned()];
    match (form.direction, form.provider.outcome) {
        (_, OutcomeBy::Answer) => {
            steps.push(format!("{name} checks and redeems the voucher at once."));
            steps.push("The answer is final: there is no page and no webhook.".to_owned());
        }
        (Direction::PayIn, OutcomeBy::Webhook) => {
            if form.provider.hosted_page {
                steps.push(format!("You pay, or refuse to, on {name}'s page, a simulator here."));
                steps.push("You come back to a pending order.".to_owned());
            }
            steps.push("A signed webhook settles it, live on the page.".to_owned());
        }
        (Direction::PayOut, OutcomeBy::Webhook) => {
            steps.push(format!("{name} pays it out; when an approval is needed first, it waits for the back office."));
            steps.push("A signed webhook settles it, live on the page.".to_owned());
        }
    }
    steps
}
