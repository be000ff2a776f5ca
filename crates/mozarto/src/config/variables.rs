//! The environment's variables that are settings.

use super::File;
use crate::limit_settings::number;
use std::collections::BTreeMap;

/// The environment's variables, as a map: tests bring their own.
pub(crate) type Variables = BTreeMap<String, String>;

/// The variables of this process that are ours.
pub(crate) fn variables() -> Variables {
    // Not `vars`, which panics over any variable that is no text; one of ours becomes a text that no setting takes.
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).filter(|(name, _)| name.starts_with("MOZARTO_")).collect()
}

/// Names that belong to commands, not to the configuration.
const OTHER_VARIABLES: [&str; 6] =
    ["MOZARTO_LOG", "MOZARTO_TOKEN", "MOZARTO_URL", "MOZARTO_SANDBOX_DATABASE", "MOZARTO_WEBHOOK_SECRET", "MOZARTO_FAULT"];

pub(super) fn overlay(file: &mut File, variables: &Variables, problems: &mut Vec<String>) {
    for (name, value) in variables {
        let Some(key) = name.strip_prefix("MOZARTO_") else { continue };
        if OTHER_VARIABLES.contains(&name.as_str()) || name == "MOZARTO_MASTER_KEY" {
            continue;
        }
        // Left over where a file was filled in, more often than meant: the embedded store, say, where the file names a server.
        if value.trim().is_empty() {
            problems.push(format!("{name} is empty: give it a value, or do not set it"));
            continue;
        }
        let text = || Some(value.clone());
        match key {
            "ENVIRONMENT" => file.environment = text(),
            "PUBLIC_URL" => file.public_url = text(),
            "LISTEN" => file.listen = text(),
            "DATABASE" => file.database = text(),
            "DATABASE_WAIT_SECONDS" => file.database_wait_seconds = number(name, value, problems),
            "DATABASE_WITHOUT_TLS" => {
                file.database_without_tls = Some(value.split(',').map(|host| host.trim().to_owned()).collect());
            }
            "DATA" => file.data = Some(value.into()),
            "MASTER_KEY_FILE" => file.master_key_file = Some(value.into()),
            "LOG_FORMAT" => file.log_format = text(),
            "RETENTION_CALLBACKS_DAYS" => file.retention.callbacks_days = number(name, value, problems),
            "RETENTION_DELIVERIES_DAYS" => file.retention.deliveries_days = number(name, value, problems),
            "RETENTION_IDEMPOTENCY_HOURS" => file.retention.idempotency_hours = number(name, value, problems),
            "METRICS_LISTEN" => file.metrics_listen = text(),
            _ => {
                let of_limits = key.strip_prefix("LIMITS_");
                if !of_limits.is_some_and(|key| file.limits.overlay(key, name, value, problems)) {
                    overlay_provider(file, name, key, value, problems);
                }
            }
        }
    }
}

fn overlay_provider(file: &mut File, name: &str, key: &str, value: &str, problems: &mut Vec<String>) {
    let unknown = || format!("{name} is no setting");
    let Some(rest) = key.strip_prefix("PROVIDERS_") else {
        problems.push(unknown());
        return;
    };
    let provider = providers::all()
        .iter()
        .map(|provider| provider.descriptor().name)
        .find(|provider| rest.strip_prefix(&provider.to_ascii_uppercase()).is_some_and(|tail| tail.starts_with('_')));
    let Some(provider) = provider else {
        problems.push(unknown());
        return;
    };
    let entry = file.providers.entry(provider.to_owned()).or_default();
    match &rest[provider.len() + 1..] {
        "NOT_FOUND_AFTER_SECONDS" => entry.not_found_after_seconds = number(name, value, problems),
        "ACCEPT_ASSUMED_PROTOCOL" => match value {
            "true" => entry.accept_assumed_protocol = Some(true),
            "false" => entry.accept_assumed_protocol = Some(false),
            _ => problems.push(format!("{name} must be true or false")),
        },
        "BASE_URL" => entry.base_url = Some(value.to_owned()),
        _ => problems.push(unknown()),
    }
}
