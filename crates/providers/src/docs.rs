//! A descriptor as tables for people: the same in the provider's README, the product's documentation and the conformance suite.

use crate::Descriptor;
use crate::descriptor::{FieldRule, OperationSpec, Setting, SettingRule, Signal};
use std::fmt::Write as _;

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
        let (required, secret) = (yes(setting.required), yes(setting.secret));
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
        SettingRule::VisibleAscii { min, max, without: None } => format!("{min} to {max} visible ASCII characters"),
        SettingRule::VisibleAscii { min, max, without: Some(gap) } => {
            format!("{min} to {max} visible ASCII characters without `{gap}`")
        }
        SettingRule::Pattern { shown, .. } => format!("`{shown}`"),
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
        FieldRule::Whole { min, max } => format!("whole number from {min} to {max}"),
        FieldRule::OneOf(words) => format!("one of {}", words.join(", ")),
        FieldRule::MerchantUrl => "https URL".to_owned(),
        // A check of the provider's own says what it wants when it refuses; nothing sensible is an empty text.
        FieldRule::Own(own) | FieldRule::OwnSecret(own) => own("").err().unwrap_or("text").to_owned(),
    }
}

fn signal(signal: &Signal) -> String {
    let quoted = |texts: &[&str]| texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" or ");
    match signal {
        Signal::Http(statuses) => format!("HTTP {}", statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")),
        Signal::EmptyNotFound => "HTTP 404 without body".to_owned(),
        Signal::Body(texts) => format!("body contains {}", quoted(texts)),
        Signal::Member(name, []) => format!("`{name}` is set"),
        Signal::Member(name, texts) => format!("`{name}` contains {}", quoted(texts)),
        Signal::TimedOut => "HTTP 408, `timeout` in the body, no connection or answer in the limit".to_owned(),
        Signal::Unavailable => "HTTP 5xx, connection refused or broken".to_owned(),
        Signal::Otherwise => "anything else".to_owned(),
    }
}
