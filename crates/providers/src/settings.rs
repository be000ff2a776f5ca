//! Checking the configuration of a payment method: every problem at once, in the sentences of providers/common "Payment-method
//! configuration".

use crate::Descriptor;
use crate::descriptor::{Setting, SettingRule};
use domain::company::SettingValue;
use domain::urls::{Environment, merchant_url};
use domain::{Currency, Json, Secret, Settings, Timestamp};
use url::{Host, Url};

/// The fields that are the same for all providers. One that a provider's own table does not have is ignored (Flexepin's sheet
/// says so of `webhookUrl`), so that one template can be sent for every provider.
const COMMON_FIELDS: [&str; 5] = ["accountName", "webhookUrl", "isWebhookSecured", "siteUrl", "baseUrl"];
/// How many unknown fields are named; of the others it is said how many there are.
const STRANGERS_NAMED: usize = 20;
/// Longest name of an unknown field that a sentence repeats, characters.
const NAME_SHOWN_MAX_CHARS: usize = 64;
/// Between the name of a setting that is an object and a member's.
const OBJECT_SEPARATOR: char = '.';

/// Who sets what, where and when.
#[derive(Debug, Clone, Copy)]
pub struct SettingContext {
    /// Where we run.
    pub environment: Environment,
    /// Now: kept as the time at which a secret was set.
    pub now: Timestamp,
    /// Whether `baseUrl` may be set: in the sandbox with scope `own`, in production by the operator's configuration file.
    pub may_set_base_url: bool,
    /// The operator's `acceptAssumedProtocol`.
    pub accept_assumed_protocol: bool,
}

/// The configuration after a change. `patch` is the object of what changes (all of it when `current` is empty); `null` takes a
/// field out, a required one too, which is then named by [`missing`].
///
/// A field that neither the provider nor the common list has is refused (`<field> is not a field of <pspType>`): a mistyped
/// secret must not be dropped in silence.
///
/// # Errors
/// Every sentence at once. No sentence quotes a value.
pub fn apply(descriptor: &Descriptor, current: &Settings, patch: &Json, cx: &SettingContext) -> Result<Settings, Vec<String>> {
    let mut problems = Vec::new();
    if let Some(sentence) = refused_protocol(descriptor, cx) {
        problems.push(sentence);
    }
    problems.extend(retired(descriptor, patch));
    let mut settings = current.clone();
    let mut strangers = Vec::new();
    for (name, value) in &members(descriptor, patch, &mut problems, &mut strangers) {
        let Some(setting) = setting_of(descriptor, name) else {
            if !COMMON_FIELDS.contains(&name.as_str()) {
                strangers.push(name.clone());
            }
            continue;
        };
        if matches!(setting.rule, SettingRule::Retired(_)) {
            continue;
        }
        if matches!(setting.rule, SettingRule::BaseUrl) {
            if same_text(current, name, value) {
                continue;
            }
            if !cx.may_set_base_url {
                problems.push(base_url_is_guarded(name, cx.environment));
                continue;
            }
        }
        if *value == Json::Null {
            settings.0.remove(name);
            continue;
        }
        match read(name, setting, value, cx) {
            Ok(value) => {
                settings.0.insert(name.clone(), value);
            }
            Err(sentence) => problems.push(sentence),
        }
    }
    problems.extend(strangers.iter().take(STRANGERS_NAMED).map(|name| not_a_field(name, descriptor)));
    if strangers.len() > STRANGERS_NAMED {
        problems.push(format!("{} more fields are not known", strangers.len() - STRANGERS_NAMED));
    }
    problems.extend(parted(descriptor, &settings, patch));
    if uses_aliases(descriptor, &settings)
        && descriptor.setting_aliases.iter().any(|alias| settings.0.contains_key(alias.setting))
    {
        problems.push(either_or(descriptor));
    }
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// Settings that go together, of which one is missing. A value that was refused counts: it has its own sentence.
fn parted(descriptor: &Descriptor, settings: &Settings, patch: &Json) -> Vec<String> {
    let set = |name: &str| settings.0.contains_key(name) || patch.get(name).is_some_and(|value| *value != Json::Null);
    let pairs = descriptor.settings.iter().filter_map(|setting| Some((setting.name, setting.together_with?)));
    pairs
        .filter(|(one, other)| set(one) != set(other))
        .map(|(one, other)| format!("{one} and {other} must be set together"))
        .collect()
}

/// The members of a patch, those of a setting that is an object under their whole names.
fn members(
    descriptor: &Descriptor,
    patch: &Json,
    problems: &mut Vec<String>,
    strangers: &mut Vec<String>,
) -> Vec<(String, Json)> {
    let mut members = Vec::new();
    for (name, value) in patch.as_object().unwrap_or_default() {
        let whole = |inner: &str| format!("{name}{OBJECT_SEPARATOR}{inner}");
        let of_object = || descriptor.settings.iter().filter(|setting| setting.name.starts_with(&whole("")));
        match value {
            _ if name.contains(OBJECT_SEPARATOR) => strangers.push(name.clone()),
            _ if of_object().next().is_none() => members.push((name.clone(), value.clone())),
            Json::Object(inner) => members.extend(inner.iter().map(|(inner, value)| (whole(inner), value.clone()))),
            Json::Null => members.extend(of_object().map(|setting| (setting.name.to_owned(), Json::Null))),
            _ => problems.push(format!("{name} must be an object")),
        }
    }
    members
}

fn not_a_field(name: &str, descriptor: &Descriptor) -> String {
    let shown = crate::identifier::repeated(name, NAME_SHOWN_MAX_CHARS);
    format!("{shown} is not a field of {}", descriptor.psp_type)
}

/// The sentence of an assumed protocol that production has not accepted; `None` where there is nothing to refuse.
pub fn refused_protocol(descriptor: &Descriptor, cx: &SettingContext) -> Option<String> {
    let name = descriptor.assumed_protocol?;
    let refused = cx.environment == Environment::Production && !cx.accept_assumed_protocol;
    refused.then(|| format!("{} speaks an assumed protocol ({name}) that is not accepted in production", descriptor.psp_type))
}

/// The required fields that are not set, in table order: warnings of the payment method, `PSP_NOT_CONFIGURED` of a Cashier call.
/// `baseUrl` is one of them where neither the configuration nor the environment has an address.
pub fn missing(descriptor: &Descriptor, settings: &Settings, environment: Environment) -> Vec<&'static str> {
    let required: Vec<&'static str> = if uses_aliases(descriptor, settings) {
        descriptor.setting_aliases.iter().filter(|alias| alias.required).map(|alias| alias.alias).collect()
    } else {
        let needed = |setting: &&Setting| {
            let by_other = setting.required_when.is_some_and(|(other, value)| settings.text(other) == Some(value));
            setting.required || by_other
        };
        descriptor.settings.iter().filter(needed).map(|setting| setting.name).collect()
    };
    let mut missing: Vec<&'static str> = required.into_iter().filter(|name| settings.text(name).is_none()).collect();
    if base_url(descriptor, settings, environment).is_none() && !missing.contains(&"baseUrl") {
        missing.push("baseUrl");
    }
    missing
}

/// The address of the provider: the account's, else the environment's; never ends in `/`.
pub fn base_url(descriptor: &Descriptor, settings: &Settings, environment: Environment) -> Option<String> {
    let configured = settings.text("baseUrl").or(descriptor.base_urls.of(environment))?;
    Some(configured.trim_end_matches('/').to_owned())
}

/// The display name: the configured one, else what the sheet says (Flexepin's older set: `merchantId`), else the provider's
/// title.
pub fn account_name<'a>(descriptor: &'a Descriptor, settings: &'a Settings) -> &'a str {
    let of_alias = descriptor.setting_aliases.iter().rev().find_map(|alias| {
        let plain = !setting_of(descriptor, alias.alias).is_some_and(|setting| setting.secret);
        plain.then(|| settings.text(alias.alias)).flatten()
    });
    settings.text("accountName").or(of_alias).unwrap_or(descriptor.title)
}

/// The configuration as the Management API reads it back, in table order: secrets as `{"set":true,"updatedAt":...}`.
pub fn public_view(descriptor: &Descriptor, settings: &Settings) -> Json {
    let names = descriptor.settings.iter().map(|setting| setting.name);
    let aliases = descriptor.setting_aliases.iter().map(|alias| alias.alias);
    let mut view = Json::object::<String>([]);
    for name in names.chain(aliases) {
        let value = match settings.0.get(name) {
            None => continue,
            Some(SettingValue::Plain(value)) => value.clone(),
            Some(SettingValue::Secret { updated_at, .. }) => {
                Json::object([("set", Json::Bool(true)), ("updatedAt", Json::text(updated_at.to_string()))])
            }
        };
        match name.split_once(OBJECT_SEPARATOR) {
            None => view.set(name, value),
            Some((object, member)) => {
                let mut inner = view.remove(object).unwrap_or_else(|| Json::object::<String>([]));
                inner.set(member, value);
                view.set(object, inner);
            }
        }
    }
    view
}

/// The sentence about the first field of an older set that is being set: the others of the set say nothing new.
fn retired(descriptor: &Descriptor, patch: &Json) -> Option<String> {
    descriptor.settings.iter().find_map(|setting| match setting.rule {
        SettingRule::Retired(instead) if patch.get(setting.name).is_some_and(|value| *value != Json::Null) => {
            Some(format!("{} is no longer a field: use {instead}", setting.name))
        }
        _ => None,
    })
}

/// The setting of that name, or the one that it is another name of.
fn setting_of(descriptor: &Descriptor, name: &str) -> Option<&'static Setting> {
    let alias = descriptor.setting_aliases.iter().find(|alias| alias.alias == name);
    let name = alias.map_or(name, |alias| alias.setting);
    descriptor.settings.iter().find(|setting| setting.name == name)
}

fn uses_aliases(descriptor: &Descriptor, settings: &Settings) -> bool {
    descriptor.setting_aliases.iter().any(|alias| settings.0.contains_key(alias.alias))
}

fn either_or(descriptor: &Descriptor) -> String {
    let first: Vec<&str> = descriptor.settings.iter().filter(|setting| setting.required).map(|setting| setting.name).collect();
    let other: Vec<&str> = descriptor.setting_aliases.iter().map(|alias| alias.alias).collect();
    format!("use either {} or {}", first.join(", "), other.join(", "))
}

fn same_text(current: &Settings, name: &str, value: &Json) -> bool {
    match current.0.get(name) {
        Some(SettingValue::Plain(set)) => set == value,
        Some(SettingValue::Secret { .. }) => false,
        None => *value == Json::Null,
    }
}

fn base_url_is_guarded(name: &str, environment: Environment) -> String {
    match environment {
        Environment::Sandbox => format!("{name} may be set with scope own only"),
        Environment::Production => format!("{name} may be set in the operator's configuration only"),
    }
}

fn read(name: &str, setting: &Setting, value: &Json, cx: &SettingContext) -> Result<SettingValue, String> {
    if matches!(setting.rule, SettingRule::Bool) {
        return match value {
            Json::Bool(_) => Ok(SettingValue::Plain(value.clone())),
            _ => Err(format!("{name} must be a boolean")),
        };
    }
    let text = value.as_str().ok_or_else(|| format!("{name} must be a string"))?;
    check_text(name, setting.rule, text, cx.environment)?;
    Ok(if setting.secret {
        SettingValue::Secret { value: Secret::new(text), updated_at: cx.now }
    } else {
        SettingValue::Plain(value.clone())
    })
}

fn check_text(name: &str, rule: SettingRule, text: &str, environment: Environment) -> Result<(), String> {
    let verdict = |good: bool, sentence: &dyn Fn() -> String| if good { Ok(()) } else { Err(sentence()) };
    let length = |min: usize, max: usize| {
        verdict((min..=max).contains(&text.chars().count()), &|| format!("{name} must be {min} to {max} characters"))
    };
    match rule {
        SettingRule::Text { min, max } => length(min, max),
        SettingRule::TextWithout { min, max, without } => {
            length(min, max)?;
            verdict(!text.contains(without), &|| format!("{name} must match [^{without}]{{{min},{max}}}"))
        }
        SettingRule::Currency => verdict(Currency::from_code(text).is_some(), &|| format!("{name} must be an ISO 4217 code")),
        SettingRule::VisibleAscii { min, max, without } => {
            length(min, max)?;
            let good = text.chars().all(|c| c.is_ascii_graphic() && Some(c) != without);
            verdict(good, &|| format!("{name} must match {}{{{min},{max}}}", visible_ascii_set(without)))
        }
        SettingRule::EnvironmentKey { min, max, sandbox_prefix } => {
            check_text(name, SettingRule::VisibleAscii { min, max, without: None }, text, environment)?;
            let right = text.starts_with(sandbox_prefix) == (environment == Environment::Sandbox);
            verdict(right, &|| format!("{name} belongs to the other environment"))
        }
        SettingRule::Own { check, .. } => check(text, environment).map_err(|rest| format!("{name} {rest}")),
        SettingRule::Pattern { shown, check } => verdict(check(text), &|| format!("{name} must match {shown}")),
        SettingRule::OneOf(words) => verdict(words.contains(&text), &|| format!("{name} must be one of {}", words.join(", "))),
        // Read elsewhere, and refused before it is read.
        SettingRule::Bool | SettingRule::Retired(_) => Ok(()),
        SettingRule::MerchantUrl => {
            verdict(merchant_url(text, environment).is_some(), &|| format!("{name} must be an https URL"))
        }
        SettingRule::BaseUrl => {
            // A query would swallow the paths that are appended.
            let url = merchant_url(text, environment).filter(|url| url.query().is_none());
            let url = url.ok_or_else(|| format!("{name} must be an https URL"))?;
            let refused = environment == Environment::Production && is_private_host(&url);
            verdict(!refused, &|| format!("{name} must not be a loopback, private or link-local address"))
        }
    }
}

/// The set of visible ASCII characters as a pattern shows it, with a gap at the one that must not be there.
fn visible_ascii_set(without: Option<char>) -> String {
    match without {
        Some(gap) if gap > '!' && gap < '~' => {
            let (before, after) = (char::from(gap as u8 - 1), char::from(gap as u8 + 1));
            format!("[!-{before}{after}-~]")
        }
        _ => "[!-~]".to_owned(),
    }
}

/// Whether the host says of itself that it is this machine, a private network or a link: a simulator, never a provider. (Names
/// are looked at again where they are resolved.)
pub fn is_private_host(url: &Url) -> bool {
    match url.host() {
        None => true,
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || [".localhost", ".local", ".internal"].iter().any(|end| name.ends_with(end))
        }
        Some(Host::Ipv4(address)) => is_private_v4(address),
        Some(Host::Ipv6(address)) => match address.to_ipv4_mapped() {
            Some(mapped) => is_private_v4(mapped),
            None => {
                address.is_loopback() || address.is_unspecified() || address.is_unique_local() || address.is_unicast_link_local()
            }
        },
    }
}

fn is_private_v4(address: std::net::Ipv4Addr) -> bool {
    address.is_loopback() || address.is_private() || address.is_link_local() || address.is_unspecified()
}

#[cfg(test)]
mod tests;
