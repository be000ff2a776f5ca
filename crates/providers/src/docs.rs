//! A descriptor as tables for people: the same in the provider's README, the product's documentation and the conformance suite.

use crate::browser::{COLOR_DEPTH_MAX, COLOR_DEPTH_MIN, SCREEN_SIZE_MAX};
use crate::descriptor::{FieldRule, OperationSpec, Setting, SettingRule, Signal};
use crate::{Descriptor, Provider};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A provider's row of the published table (Cashier API, section 1), in Markdown, word for word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixRow {
    /// `Pay-In`.
    pub pay_in: Cow<'static, str>,
    /// `Pay-Out`.
    pub pay_out: Cow<'static, str>,
    /// `Outcome arrives by`.
    pub outcome_by: Cow<'static, str>,
    /// `URL field in data`.
    pub url_field: Cow<'static, str>,
}

impl MatrixRow {
    /// What the descriptor says of itself; see [`Provider::matrix_row`].
    pub fn of(descriptor: &Descriptor) -> Self {
        let has = |spec: &Option<OperationSpec>| Cow::Borrowed(yes(spec.is_some()));
        let called_back = descriptor.callbacks.per_transaction || descriptor.callbacks.per_account;
        Self {
            pay_in: has(&descriptor.pay_in),
            pay_out: has(&descriptor.pay_out),
            outcome_by: match (called_back, descriptor.webhooks) {
                (true, _) => "callback",
                (false, true) => "the answer itself",
                (false, false) => "the answer itself; no webhook",
            }
            .into(),
            url_field: descriptor.redirect_field.map_or(Cow::Borrowed("none"), |field| format!("`{field}`").into()),
        }
    }
}

/// Heading of the table of providers.
const MATRIX_HEAD: &str =
    "| Provider | `pspType` | Pay-In | Pay-Out | Outcome arrives by | URL field in `data` |\n|---|---|---|---|---|---|\n";

/// The table of providers, as published, of those that are registered.
pub fn matrix() -> String {
    crate::all().iter().fold(MATRIX_HEAD.to_owned(), |mut table, provider| {
        table.push_str(&matrix_line(*provider));
        table.push('\n');
        table
    })
}

/// A provider's line of [`matrix`], without its end.
pub fn matrix_line(provider: &dyn Provider) -> String {
    let (descriptor, row) = (provider.descriptor(), provider.matrix_row());
    let (title, code) = (descriptor.title, descriptor.psp_type);
    format!("| {title} | `{code}` | {} | {} | {} | {} |", row.pay_in, row.pay_out, row.outcome_by, row.url_field)
}

/// The provider's page in the product's documentation (`docs/providers/<name>.md`): what the descriptor says, around the README
/// of its folder.
pub fn page(provider: &dyn Provider, readme: &str) -> String {
    let descriptor = provider.descriptor();
    let name = descriptor.name;
    let mut text = format!("<!-- Made from the descriptor and README.md in crates/providers/src/{name}; do not edit. -->\n\n");
    // The title first, the facts, then the rest of the README.
    let (title, rest) = readme.split_once('\n').unwrap_or((readme, ""));
    text.push_str(title);
    text.push_str("\n\n");
    // Writing to a `String` cannot fail.
    let _ = write_facts(&mut text, provider);
    for line in rest.lines().filter(|line| !line.starts_with("<!--")) {
        text.push_str(line);
        text.push('\n');
    }
    let _ = write_triggers(&mut text, descriptor);
    text
}

fn write_facts(text: &mut String, provider: &dyn Provider) -> std::fmt::Result {
    let (descriptor, row) = (provider.descriptor(), provider.matrix_row());
    let address = |base: Option<&str>| base.map_or_else(|| "none known: set `baseUrl`".to_owned(), |base| format!("<{base}>"));
    writeln!(text, "| | |\n|---|---|")?;
    writeln!(text, "| What it is | {} |", descriptor.kind)?;
    writeln!(text, "| `pspType` | `{}` |", descriptor.psp_type)?;
    writeln!(text, "| Pay-In, Pay-Out | {}, {} |", row.pay_in, row.pay_out)?;
    writeln!(text, "| Outcome arrives by | {} |", row.outcome_by)?;
    writeln!(text, "| URL field in `data` | {} |", row.url_field)?;
    writeln!(text, "| Webhooks to the merchant | {} |", yes(descriptor.webhooks))?;
    writeln!(text, "| Address in the sandbox | {} |", address(descriptor.base_urls.sandbox))?;
    writeln!(text, "| Address in production | {} |", address(descriptor.base_urls.production))?;
    if descriptor.callbacks.per_account {
        writeln!(
            text,
            "| Callback address | one per account: the payment method's `callbackUrl`, to be entered at the provider |"
        )?;
    }
    if descriptor.callbacks.per_transaction {
        writeln!(text, "| Callback address | one per transaction, told in the call |")?;
    }
    let limits = descriptor.limits;
    writeln!(text, "| Limits of a call | {} ms to connect, {} ms to answer |", limits.connect_ms, limits.answer_ms)?;
    writeln!(text, "| \"Not found\" counts after | {} s |", descriptor.not_found_after_s)?;
    if descriptor.release_again {
        writeln!(text, "| \"Release again\" | yes |")?;
    }
    if let Some(protocol) = descriptor.assumed_protocol {
        writeln!(
            text,
            "| Protocol | assumed as a whole: `{protocol}`; production refuses it until the operator accepts it by name |"
        )?;
    }
    Ok(())
}

fn write_triggers(text: &mut String, descriptor: &Descriptor) -> std::fmt::Result {
    let name = descriptor.name;
    writeln!(text, "\nTo see one of them against a running sandbox:\n\n```sh")?;
    if descriptor.pay_in.is_some() {
        writeln!(text, "mozarto trigger {name} 01 --data mozarto-data")?;
    }
    if descriptor.pay_out.is_some() {
        writeln!(text, "mozarto trigger {name} 01 --payout --data mozarto-data")?;
    }
    writeln!(text, "```")
}

/// The configuration, request, error and status tables in Markdown.
pub fn tables(descriptor: &Descriptor) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = write_tables(&mut text, descriptor);
    text
}

fn write_tables(text: &mut String, descriptor: &Descriptor) -> std::fmt::Result {
    writeln!(text, "## Configuration\n\n| Field | Required | Secret | Rule | Meaning |\n|---|---|---|---|---|")?;
    let retired = |setting: &&Setting| matches!(setting.rule, SettingRule::Retired(_));
    for setting in descriptor.settings.iter().filter(|setting| !retired(setting)) {
        let when = setting.required_when.map(|(other, value)| format!(" (yes: `{other}` `{value}`)")).unwrap_or_default();
        let (required, secret) = (format!("{}{when}", yes(setting.required)), yes(setting.secret));
        writeln!(text, "| `{}` | {required} | {secret} | {} | {} |", setting.name, setting_rule(setting.rule), setting.meaning)?;
    }
    for alias in descriptor.setting_aliases {
        writeln!(
            text,
            "| `{}` | {} in its set | | as `{}` | older name of `{}` |",
            alias.alias,
            yes(alias.required),
            alias.setting,
            alias.setting
        )?;
    }
    for (title, spec) in [("Pay-In", &descriptor.pay_in), ("Pay-Out", &descriptor.pay_out)] {
        if let Some(spec) = spec {
            write_operation(text, title, spec)?;
        }
    }
    writeln!(text, "\n## Statuses\n\n| Provider's word | Leads to | `status` |\n|---|---|---|")?;
    for row in descriptor.statuses {
        writeln!(text, "| `{}` | {:?} | `{}` |", row.word, row.standing, row.status.unwrap_or(row.word))?;
    }
    writeln!(text, "\n## Errors\n\n| # | Signal | `errorCode` | HTTP |\n|---|---|---|---|")?;
    for row in descriptor.errors {
        writeln!(text, "| {} | {} | `{}` | {} |", row.row, signal(&row.signal), row.code.as_str(), row.code.http_status())?;
    }
    Ok(())
}

fn write_operation(text: &mut String, title: &str, spec: &OperationSpec) -> std::fmt::Result {
    writeln!(text, "\n## {title}\n\n| Field | Required | Rule |\n|---|---|---|")?;
    for field in spec.fields {
        let when = field.only_when.map(|(other, value)| format!(" (`{other}` `{value}`)")).unwrap_or_default();
        writeln!(text, "| `{}` | {}{when} | {} |", field.name, yes(field.required), field_rule(field.rule))?;
    }
    if spec.always_held {
        writeln!(text, "\nAlways waits for a back-office approval.")?;
    }
    writeln!(text, "\n```json\n{}\n```", spec.example)
}

const fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn setting_rule(rule: SettingRule) -> String {
    match rule {
        SettingRule::Text { min, max } => format!("{min} to {max} characters"),
        SettingRule::TextWithout { min, max, without } => format!("{min} to {max} characters without `{without}`"),
        SettingRule::Currency => "ISO 4217 code".to_owned(),
        SettingRule::VisibleAscii { min, max, without: None } => format!("{min} to {max} visible ASCII characters"),
        SettingRule::VisibleAscii { min, max, without: Some(gap) } => {
            format!("{min} to {max} visible ASCII characters without `{gap}`")
        }
        SettingRule::EnvironmentKey { min, max, sandbox_prefix } => {
            format!("{min} to {max} visible ASCII characters, `{sandbox_prefix}...` in the sandbox alone")
        }
        SettingRule::Pattern { shown, .. } => format!("`{shown}`"),
        SettingRule::Own { shown, .. } => shown.to_owned(),
        SettingRule::OneOf(words) => format!("one of {}", words.join(", ")),
        SettingRule::Bool => "boolean (`false`)".to_owned(),
        SettingRule::MerchantUrl => "https URL".to_owned(),
        SettingRule::BaseUrl => "https URL, guarded".to_owned(),
        SettingRule::Retired(instead) => format!("no longer a field: use {instead}"),
    }
}

fn field_rule(rule: FieldRule) -> String {
    match rule {
        FieldRule::Amount => "number above 0".to_owned(),
        FieldRule::Currency => "ISO 4217 code".to_owned(),
        FieldRule::OnlyCurrency(only) => format!("`{only}`"),
        FieldRule::SameCurrency => "equals `currency`".to_owned(),
        FieldRule::UserId => "1 to 64 characters, the authenticated user".to_owned(),
        FieldRule::Email => "e-mail address".to_owned(),
        FieldRule::Text { min: 0, max } => format!("at most {max} characters"),
        FieldRule::Text { min, max } => format!("{min} to {max} characters"),
        FieldRule::Phone => "at least 6 digits".to_owned(),
        FieldRule::Country => "ISO 3166-1 alpha-2 code".to_owned(),
        FieldRule::Date { past: true } => "`YYYY-MM-DD`, in the past".to_owned(),
        FieldRule::Date { past: false } => "`YYYY-MM-DD`".to_owned(),
        FieldRule::Bool => "boolean".to_owned(),
        FieldRule::TestMode => "boolean, not `true` in production".to_owned(),
        FieldRule::Number => "number".to_owned(),
        FieldRule::Digits => "text of digits".to_owned(),
        FieldRule::Object => "object".to_owned(),
        FieldRule::IpAddress => "IP address (the caller's)".to_owned(),
        FieldRule::IpAddressAsSent => "IP address".to_owned(),
        FieldRule::Card => "object: `pan`, `expMonth`, `expYear`, `cvv`, `cardHolderName`, all texts".to_owned(),
        FieldRule::BrowserNumber { min, max } => format!("number from {min} to {max}, fractions are cut"),
        FieldRule::ScreenSize => format!("number from 0 to {SCREEN_SIZE_MAX}, fractions are cut; 0 counts as not sent"),
        FieldRule::ColorDepth => {
            format!("number from {COLOR_DEPTH_MIN} to {COLOR_DEPTH_MAX}; the nearest usual one below is sent")
        }
        FieldRule::BrowserLanguage => "language tag; sent with at most 8 characters".to_owned(),
        FieldRule::TextRequiredIn { min, max, country } => format!("{min} to {max} characters; required in `{country}`"),
        FieldRule::MerchantUrl => "https URL".to_owned(),
        FieldRule::OneOf(words) => format!("one of {}", words.join(", ")),
        FieldRule::Related(related) => related.shown.to_owned(),
        // A check of the provider's own says what it wants when it refuses; nothing sensible is an empty text.
        FieldRule::Prefill(FieldRule::Object) => "object; else left out of the form".to_owned(),
        FieldRule::Prefill(rule) => format!("{}; else left out of the form", field_rule(*rule)),
        FieldRule::Own(own) | FieldRule::OwnSecret(own) => own("").err().unwrap_or("text").to_owned(),
    }
}

fn signal(signal: &Signal) -> String {
    let quoted = |texts: &[&str]| texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" or ");
    match signal {
        Signal::Http(statuses) => format!("HTTP {}", statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")),
        Signal::EmptyNotFound => "HTTP 404 without body".to_owned(),
        Signal::NotFoundWithout(roots) => format!("HTTP 404 without XML ({})", quoted(roots)),
        Signal::Code(codes) => format!("code {}", codes.join(", ")),
        Signal::Body(texts) => format!("body contains {}", quoted(texts)),
        Signal::Member(name, []) => format!("`{name}` is set"),
        Signal::Member(name, texts) => format!("`{name}` contains {}", quoted(texts)),
        Signal::First(list, name, texts) => format!("`{name}` in `{list}` is {}", quoted(texts)),
        Signal::ErrorCode(codes) => format!("`error/@code` {}", quoted(codes)),
        Signal::TimedOut => "HTTP 408, `timeout` in the body, no connection or answer in the limit".to_owned(),
        Signal::Unavailable => "HTTP 5xx, connection refused or broken".to_owned(),
        Signal::Otherwise => "anything else".to_owned(),
    }
}
