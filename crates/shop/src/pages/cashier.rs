//! The cashier page and its form.

use askama::Template;
use axum::Form as FormBody;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, USER_AGENT};
use url::form_urlencoded::Serializer;

use super::{CASHIER_POLICY, Here, Shop, failed, page, see_other};
use crate::catalog::{
    CUSTOMERS, CardPart, Customer, Direction, Field, Group, Kind, Note, OutcomeBy, PROVIDERS, PayerPage, Prefill,
    VOUCHER_PREFIXES, WHOLE_CURRENCIES, triggers_of,
};
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
    ways: Vec<Choice>,
    payment: Vec<Input>,
    card: Vec<Input>,
    cards: Vec<CardLine>,
    account: Vec<Input>,
    payer: Vec<Input>,
    record: Vec<Input>,
    /// Whether something in the folded part is wrong.
    record_is_open: bool,
    device: Vec<Input>,
    amount_error: Option<String>,
    currency_error: Option<String>,
    /// Sentences with the id of the input they belong to; empty: to none.
    problems: Vec<(String, String)>,
    note: Option<&'static Note>,
    triggers: Vec<TriggerLine>,
    happens: Vec<String>,
    button: &'static str,
    voucher_prefixes: String,
    whole_currencies: String,
}

impl CashierPage {
    /// Whether the last digits of the amount are whole units.
    fn is_whole(&self) -> bool {
        WHOLE_CURRENCIES.contains(&self.form.currency.as_str())
    }

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

/// A public test card to choose.
struct CardLine {
    number: String,
    does: &'static str,
    href: String,
    /// Its parts, for the page's script.
    parts: Vec<(&'static str, &'static str)>,
    is_chosen: bool,
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
    /// The part of a card that it holds; empty: none.
    card_part: &'static str,
}

impl Input {
    fn new(form: &Form, field: &'static Field, value: &str, problems: &Problems) -> Input {
        let (control, input_mode) = match field.kind {
            Kind::Text if field.digits => ("text", "numeric"),
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
            value: form.shown(field, value),
            options: match field.kind {
                Kind::Choice(options) => options,
                _ => &[],
            },
            error: problems.of(field.name).unwrap_or_default().to_owned(),
            is_voucher: field.kind == Kind::Voucher,
            is_wide: field.wide,
            is_optional: field.optional && !matches!(field.kind, Kind::Choice(_)),
            card_part: match field.prefill {
                Prefill::Card(part) => part.word(),
                _ => "",
            },
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
pub(super) async fn place(
    State(desk): State<Shop>,
    headers: HeaderMap,
    FormBody(pairs): FormBody<Vec<(String, String)>>,
) -> Response {
    let mut form = match Form::sent(&pairs) {
        Ok(form) => form,
        Err(error) => return failed(&error),
    };
    let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    form.take_headers(header(USER_AGENT), header(ACCEPT));
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
    let inputs = |group: Group| -> Vec<Input> {
        let of_group = form.values.iter().filter(|(field, _)| field.group == group);
        of_group.map(|(field, value)| Input::new(&form, field, value, problems)).collect()
    };
    let mut record = inputs(Group::Record);
    // Boxes to tick stand together, after what is typed.
    record.sort_by_key(|input| input.control == "checkbox");
    let own = |field: &str| problems.of(field).map(str::to_owned);
    let mut listed: Vec<(String, String)> = problems.general.iter().map(|sentence| (String::new(), sentence.clone())).collect();
    listed.extend(problems.by_field.iter().cloned());
    CashierPage {
        here: Here::Cashier,
        providers: provider_choices(&form),
        directions: direction_choices(&form),
        customers: customer_choices(&form),
        ways: way_choices(&form),
        payment: inputs(Group::Payment),
        card: inputs(Group::Card),
        cards: card_lines(&form),
        account: inputs(Group::Account),
        payer: inputs(Group::Payer),
        record_is_open: record.iter().any(|input| !input.error.is_empty()),
        record,
        device: inputs(Group::Device),
        amount_error: own(AMOUNT),
        currency_error: own(CURRENCY),
        problems: listed,
        note: form.provider.note.as_ref(),
        triggers: trigger_lines(&form),
        happens: what_happens(&form),
        button: form.button(),
        voucher_prefixes: VOUCHER_PREFIXES
            .iter()
            .map(|(currency, prefix)| format!("{currency}:{prefix}"))
            .collect::<Vec<_>>()
            .join(","),
        whole_currencies: WHOLE_CURRENCIES.join(","),
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
                ("way", way_code(form)),
                ("customer", form.customer.user_id),
            ]),
            is_chosen: direction == form.direction,
            unavailable: if form.provider.directions.contains(&direction) {
                String::new()
            } else {
                // The hyphen does not break.
                format!("{} has no pay\u{2011}outs", form.provider.name)
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
                ("way", way_code(form)),
                ("customer", customer.user_id),
            ]),
            is_chosen: customer.user_id == form.customer.user_id,
            unavailable: String::new(),
        })
        .collect()
}

fn way_code(form: &Form) -> &'static str {
    form.way.map_or("", |way| way.code)
}

fn way_choices(form: &Form) -> Vec<Choice> {
    let has_customers = form.provider.ways.iter().any(|way| !way.customer.is_empty());
    form.provider
        .ways_for(form.direction)
        .map(|way| Choice {
            title: way.title,
            detail: way.detail,
            symbol: "",
            href: link(&[
                ("provider", form.provider.psp_type),
                ("direction", form.direction.code()),
                ("way", way.code),
                // Where the ways have a customer each, choosing one changes the customer.
                ("customer", if has_customers { way.customer } else { form.customer.user_id }),
            ]),
            is_chosen: way.code == way_code(form),
            unavailable: String::new(),
        })
        .collect()
}

fn card_lines(form: &Form) -> Vec<CardLine> {
    if !form.takes_card() {
        return Vec::new();
    }
    let chosen = form.test_card();
    let parts = [CardPart::Name, CardPart::Number, CardPart::Month, CardPart::Year, CardPart::Code];
    form.provider
        .cards
        .iter()
        .enumerate()
        .map(|(place, card)| CardLine {
            number: card.grouped(),
            does: card.does,
            href: link(&[
                ("provider", form.provider.psp_type),
                ("way", way_code(form)),
                ("customer", form.customer.user_id),
                ("amount", &form.amount),
                ("currency", &form.currency),
                ("card", &place.to_string()),
            ]),
            parts: parts.iter().map(|part| (part.word(), card.part(*part, form.customer))).collect(),
            is_chosen: chosen.is_some_and(|chosen| std::ptr::eq(chosen, card)),
        })
        .collect()
}

fn trigger_lines(form: &Form) -> Vec<TriggerLine> {
    let major = form.usual_amount().split('.').next().unwrap_or_default();
    let amount_of = |digits: &str| {
        if WHOLE_CURRENCIES.contains(&form.currency.as_str()) {
            format!("{}{digits}", major.get(..major.len().saturating_sub(2)).unwrap_or_default())
        } else {
            format!("{major}.{digits}")
        }
    };
    triggers_of(form.provider, form.way)
        .iter()
        .filter(|trigger| !trigger.meaning(form.direction).is_empty())
        .map(|trigger| TriggerLine {
            digits: trigger.digits,
            meaning: trigger.meaning(form.direction),
            href: link(&[
                ("provider", form.provider.psp_type),
                ("direction", form.direction.code()),
                ("way", way_code(form)),
                ("customer", form.customer.user_id),
                ("currency", &form.currency),
                ("amount", &amount_of(trigger.digits)),
            ]),
        })
        .collect()
}

/// What will happen, in the order in which it does.
fn what_happens(form: &Form) -> Vec<String> {
    let name = form.provider.name;
    let mut steps = vec!["The shop stores the order, then calls the Cashier API.".to_owned()];
    if form.provider.outcome == OutcomeBy::Answer {
        steps.push(format!("{name} checks and redeems the voucher at once."));
        steps.push("The answer is final: there is no page and no webhook.".to_owned());
        return steps;
    }
    if form.direction == Direction::PayOut {
        steps.push(format!("{name} pays it out; when an approval is needed first, it waits for the back office."));
        steps.push("A signed webhook settles it, live on the page.".to_owned());
        return steps;
    }
    match form.payer_page() {
        PayerPage::None => {}
        PayerPage::Provider => steps.push(format!("You pay, or refuse to, on {name}'s page, a simulator here.")),
        PayerPage::PlatformFirst => {
            steps.push("A link of the platform, good once and for five minutes, leads on.".to_owned());
            steps.push(format!("You pay, or refuse to, on {name}'s page, a simulator here."));
        }
        PayerPage::Challenge => {
            steps.push("The card goes along with the call, and the shop keeps nothing of it.".to_owned());
            steps.push("Some cards are charged at once; for others the issuer asks you first.".to_owned());
        }
    }
    match form.payer_page() {
        PayerPage::Challenge => steps.push("The answer or a signed webhook settles it, live on the page.".to_owned()),
        _ => {
            steps.push("You come back to a pending order.".to_owned());
            steps.push("A signed webhook settles it, live on the page.".to_owned());
        }
    }
    steps
}
