//! `mozarto.toml` and `MOZARTO_...`: read, checked, explained. Secrets come from the environment or a file, never from the
//! command line.

mod variables;

pub(crate) use variables::{Variables, variables};

use crate::limit_settings::LimitsFile;
use crate::toml_error::explain;
use anyhow::{Context, Result, anyhow, bail};
use domain::Secret;
use domain::urls::Environment;
use engine::core::{ProviderConfig, Retention};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::driver::postgres::{ConnectOptions, check_address};
use store::vault::MasterKey;
use variables::overlay;

/// How long a database server that cannot be reached is waited for at the start, unless the operator says otherwise, seconds.
const DATABASE_WAIT_SECONDS: u64 = 30;

/// The file as it is written. Unknown settings are refused: a typing error must not be silence.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    environment: Option<String>,
    public_url: Option<String>,
    listen: Option<String>,
    metrics_listen: Option<String>,
    database: Option<String>,
    database_wait_seconds: Option<u64>,
    database_without_tls: Option<Vec<String>>,
    data: Option<PathBuf>,
    master_key_file: Option<PathBuf>,
    log_format: Option<String>,
    #[serde(default)]
    limits: LimitsFile,
    #[serde(default)]
    retention: RetentionFile,
    #[serde(default)]
    providers: BTreeMap<String, ProviderFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionFile {
    callbacks_days: Option<u32>,
    deliveries_days: Option<u32>,
    idempotency_hours: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderFile {
    not_found_after_seconds: Option<u32>,
    accept_assumed_protocol: Option<bool>,
    base_url: Option<String>,
}

/// What `serve` runs with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) environment: Environment,
    pub(crate) public_url: String,
    pub(crate) listen: SocketAddr,
    /// Where `/metrics` is; `None`: nowhere.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// `postgres://...`; none: the embedded store in `data`.
    pub(crate) database: Option<Secret>,
    /// How it is come to.
    pub(crate) connect: ConnectOptions,
    pub(crate) data: PathBuf,
    pub(crate) master_key: Option<MasterKeySource>,
    pub(crate) json_logs: bool,
    pub(crate) limits: http_api::Limits,
    pub(crate) retention: Retention,
    pub(crate) providers: BTreeMap<String, ProviderConfig>,
}

/// Where the master key comes from.
#[derive(Debug)]
pub(crate) enum MasterKeySource {
    /// `MOZARTO_MASTER_KEY`.
    Text(Secret),
    /// `MOZARTO_MASTER_KEY_FILE` or `master_key_file`.
    File(PathBuf),
}

impl MasterKeySource {
    /// The key itself.
    pub(crate) fn read(&self) -> Result<MasterKey> {
        match self {
            Self::Text(text) => MasterKey::from_text(text.expose()).context("MOZARTO_MASTER_KEY"),
            Self::File(path) => {
                MasterKey::from_file(path).with_context(|| format!("the master key in {}", MasterKey::shown_path(path)))
            }
        }
    }
}

/// Reads the settings; every problem is named at once.
///
/// # Errors
/// The problems, one per line, each saying what to do.
pub(crate) fn load(file: Option<&Path>, variables: &Variables) -> Result<Settings> {
    let mut read = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            toml::from_str::<File>(&text).map_err(|error| anyhow!("{}, {}", path.display(), explain(&text, &error)))?
        }
        None => File::default(),
    };
    let mut problems = Vec::new();
    overlay(&mut read, variables, &mut problems);
    let settings = check(read, variables, &mut problems);
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        _ => {
            let whence = file.map_or_else(|| "MOZARTO_...".to_owned(), |path| format!("{} and MOZARTO_...", path.display()));
            bail!("the configuration ({whence}) is not usable:\n  - {}", problems.join("\n  - "))
        }
    }
}

/// What the sandbox takes from the environment, which is all that it has.
pub(crate) struct SandboxSettings {
    pub(crate) providers: BTreeMap<String, ProviderConfig>,
    pub(crate) limits: http_api::Limits,
    /// `None`: not set.
    pub(crate) metrics_listen: Option<Option<SocketAddr>>,
}

/// Reads it.
pub(crate) fn of_sandbox(variables: &Variables) -> Result<SandboxSettings> {
    const TAKEN: [&str; 3] = ["MOZARTO_PROVIDERS_", "MOZARTO_LIMITS_", "MOZARTO_METRICS_LISTEN"];
    let mut read = File::default();
    let mut problems = Vec::new();
    let taken = variables.iter().filter(|(name, _)| TAKEN.iter().any(|prefix| name.starts_with(prefix)));
    overlay(&mut read, &taken.map(|(k, v)| (k.clone(), v.clone())).collect(), &mut problems);
    let metrics_listen = read.metrics_listen.is_some().then(|| metrics_listen(read.metrics_listen.as_deref(), &mut problems));
    let limits = read.limits.check(&mut problems);
    let providers = provider_settings(read.providers, &mut problems);
    if !problems.is_empty() {
        bail!("the environment is not usable:\n  - {}", problems.join("\n  - "));
    }
    Ok(SandboxSettings { providers, limits, metrics_listen })
}

/// How long things are kept, from the environment alone: what the sandbox takes.
pub(crate) fn retention_from(variables: &Variables) -> Result<Retention> {
    let mut read = File::default();
    let mut problems = Vec::new();
    let of_retention = variables.iter().filter(|(name, _)| name.starts_with("MOZARTO_RETENTION_"));
    overlay(&mut read, &of_retention.map(|(k, v)| (k.clone(), v.clone())).collect(), &mut problems);
    let retention = retention(&read.retention, &mut problems);
    if !problems.is_empty() {
        bail!("the environment is not usable:\n  - {}", problems.join("\n  - "));
    }
    Ok(retention)
}

fn check(file: File, variables: &Variables, problems: &mut Vec<String>) -> Option<Settings> {
    let environment: Option<Environment> = file.environment.as_deref().and_then(|word| word.parse().ok());
    if environment.is_none() {
        problems.push("environment must be \"sandbox\" or \"production\"".to_owned());
    }
    let listen: Option<SocketAddr> = file.listen.as_deref().unwrap_or("127.0.0.1:8080").parse().ok();
    if listen.is_none() {
        problems.push("listen must be an address with a port, such as 0.0.0.0:8080".to_owned());
    }
    let metrics_listen = metrics_listen(file.metrics_listen.as_deref(), problems);
    if metrics_listen.is_some() && metrics_listen == listen {
        problems.push("metrics_listen must be another address than listen".to_owned());
    }
    let public_url = public_url(file.public_url.as_deref(), environment, problems);
    let master_key = master_key(file.master_key_file, variables, problems);
    let connect = ConnectOptions {
        wait: Duration::from_secs(file.database_wait_seconds.unwrap_or(DATABASE_WAIT_SECONDS)),
        tls_required: environment == Some(Environment::Production),
        without_tls: file.database_without_tls.unwrap_or_default(),
    };
    if file.data.as_deref().is_some_and(|data| data.to_string_lossy().contains("://")) {
        problems.push("data must be a directory; the address of a database belongs in `database`".to_owned());
    }
    match file.database.as_deref() {
        None => {}
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            // As it is read when it is connected to.
            if let Err(error) = check_address(url, &connect) {
                problems.push(format!("database: {error}"));
            }
        }
        Some(_) => {
            problems.push("database must be a postgres:// address; leave it out for the embedded store in `data`".to_owned())
        }
    }
    let json_logs = match file.log_format.as_deref() {
        None | Some("json") => true,
        Some("text") => false,
        Some(_) => {
            problems.push("log_format must be \"json\" or \"text\"".to_owned());
            true
        }
    };
    let retention = retention(&file.retention, problems);
    let limits = file.limits.check(problems);
    let providers = provider_settings(file.providers, problems);
    if environment == Some(Environment::Production) {
        no_simulators(&providers, problems);
    }
    Some(Settings {
        environment: environment?,
        public_url: public_url?,
        listen: listen?,
        metrics_listen,
        database: file.database.map(Secret::new),
        connect,
        data: file.data.unwrap_or_else(|| PathBuf::from("./mozarto-data")),
        master_key,
        json_logs,
        limits,
        retention,
        providers,
    })
}

/// Where the master key is; it is read once here, so that what is wrong with it is said with everything else.
fn master_key(file: Option<PathBuf>, variables: &Variables, problems: &mut Vec<String>) -> Option<MasterKeySource> {
    let text = variables.get("MOZARTO_MASTER_KEY").map(|text| MasterKeySource::Text(Secret::new(text.clone())));
    let source = text.or_else(|| file.map(MasterKeySource::File));
    match &source {
        None => problems.push(
            "there is no master key: set MOZARTO_MASTER_KEY (32 bytes in hex or base64) or master_key_file; \
             without it nothing that is stored can be opened again"
                .to_owned(),
        ),
        Some(source) => {
            if let Err(error) = source.read() {
                problems.push(format!("{error:#}"));
            }
        }
    }
    source
}

/// The longest time that a setting of retention may say, days.
const RETENTION_MAX_DAYS: u32 = 3_650;
const HOUR_MS: i64 = 3_600_000;

/// Less than what merchants are promised (30 days of replays and of the pull twin, 24 hours of a key) cannot be set.
fn retention(file: &RetentionFile, problems: &mut Vec<String>) -> Retention {
    let default = Retention::default();
    let mut of = |name: &str, value: Option<u32>, least: u32, most: u32, unit_ms: i64, otherwise: i64| match value {
        None => otherwise,
        Some(number) if (least..=most).contains(&number) => i64::from(number) * unit_ms,
        Some(_) => {
            problems.push(format!("retention.{name} must be a number from {least} to {most}"));
            otherwise
        }
    };
    let day_ms = 24 * HOUR_MS;
    Retention {
        callbacks_ms: of("callbacks_days", file.callbacks_days, 1, RETENTION_MAX_DAYS, day_ms, default.callbacks_ms),
        deliveries_ms: of("deliveries_days", file.deliveries_days, 30, RETENTION_MAX_DAYS, day_ms, default.deliveries_ms),
        idempotency_ms: of("idempotency_hours", file.idempotency_hours, 24, 24 * 365, HOUR_MS, default.idempotency_ms),
    }
}

fn public_url(text: Option<&str>, environment: Option<Environment>, problems: &mut Vec<String>) -> Option<String> {
    let Some(text) = text else {
        problems.push("public_url is missing: the address where providers and browsers reach this server".to_owned());
        return None;
    };
    let Some(url) = bare_address(text) else {
        problems.push(format!("public_url must be {BARE_ADDRESS}"));
        return None;
    };
    if environment == Some(Environment::Production) && url.scheme() != "https" {
        problems.push("public_url must be https in production: callbacks and payers' browsers use it".to_owned());
    }
    Some(text.trim_end_matches('/').to_owned())
}

/// What an address of a server is made of.
const BARE_ADDRESS: &str = "an http or https address without user, query or fragment, such as https://pay.example";

/// An address that paths can be put behind.
fn bare_address(text: &str) -> Option<url::Url> {
    // The reader would forgive blanks, line breaks, backslashes and another number of slashes; what is put together from the text
    // would not.
    if text.split_once("://").is_none_or(|(_, rest)| rest.starts_with('/')) {
        return None;
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return None;
    }
    let url = url::Url::parse(text).ok()?;
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    // `https://@pay.example` has an empty user.
    let is_ours = matches!(url.scheme(), "http" | "https") && url.host().is_some() && !text.contains('@');
    (is_bare && is_ours).then_some(url)
}

/// Where `/metrics` is, unless it is set.
pub(crate) const METRICS_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

fn metrics_listen(text: Option<&str>, problems: &mut Vec<String>) -> Option<SocketAddr> {
    match text {
        None => Some(METRICS_LISTEN),
        Some("off") => None,
        Some(text) => {
            let read = text.parse().ok();
            if read.is_none() {
                problems.push("metrics_listen must be an address with a port, such as 127.0.0.1:9464, or \"off\"".to_owned());
            }
            read
        }
    }
}

/// At once, a call of ours may still be on its way to the provider, and "not found" would say of a payment that is about to be
/// made that there is none; after that the schedule of inquiries has ended (72 h), and nothing would ever count.
const NOT_FOUND_AFTER_SECONDS: RangeInclusive<u32> = 1..=259_200;

fn provider_settings(read: BTreeMap<String, ProviderFile>, problems: &mut Vec<String>) -> BTreeMap<String, ProviderConfig> {
    let mut settings = BTreeMap::new();
    for (name, file) in read {
        if providers::by_name(&name).is_none() {
            problems.push(format!("[providers.{name}]: there is no such provider"));
            continue;
        }
        if file.base_url.as_deref().is_some_and(|text| bare_address(text).is_none()) {
            problems.push(format!("providers.{name}.base_url must be {BARE_ADDRESS}"));
        }
        if file.not_found_after_seconds.is_some_and(|seconds| !NOT_FOUND_AFTER_SECONDS.contains(&seconds)) {
            let (least, most) = (NOT_FOUND_AFTER_SECONDS.start(), NOT_FOUND_AFTER_SECONDS.end());
            problems.push(format!("providers.{name}.not_found_after_seconds must be a number from {least} to {most}"));
        }
        let config = ProviderConfig {
            not_found_after_s: file.not_found_after_seconds,
            accept_assumed_protocol: file.accept_assumed_protocol.unwrap_or_default(),
            base_url: file.base_url,
        };
        settings.insert(name, config);
    }
    settings
}

/// In production an operator's provider address must not be a simulator's.
fn no_simulators(providers: &BTreeMap<String, ProviderConfig>, problems: &mut Vec<String>) {
    for (name, config) in providers {
        let Some(base) = &config.base_url else { continue };
        if !engine::flow::may_be_production_base(base) {
            problems.push(format!(
                "providers.{name}.base_url must be an https address of the provider in production, not a loopback, private or link-local host"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    const KEY: (&str, &str) = ("MOZARTO_MASTER_KEY", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");

    #[test]
    fn the_environment_is_enough() {
        let settings = load(
            None,
            &with(&[
                KEY,
                ("MOZARTO_ENVIRONMENT", "production"),
                ("MOZARTO_PUBLIC_URL", "https://pay.example/"),
                ("MOZARTO_PROVIDERS_PAYONE_NOT_FOUND_AFTER_SECONDS", "60"),
                ("MOZARTO_RETENTION_CALLBACKS_DAYS", "7"),
            ]),
        )
        .unwrap();
        assert_eq!(settings.public_url, "https://pay.example");
        assert_eq!(settings.providers["payone"].not_found_after_s, Some(60));
        assert_eq!(settings.retention, Retention { callbacks_ms: 7 * 24 * HOUR_MS, ..Retention::default() });
        assert!(!format!("{settings:?}").contains("000102"));
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let error = load(
            None,
            &with(&[
                ("MOZARTO_ENVIRONMENT", "production"),
                ("MOZARTO_PUBLIC_URL", "http://pay.example"),
                ("MOZARTO_LISTEN", "everywhere"),
                ("MOZARTO_DATABASE", "mysql://x"),
                ("MOZARTO_PROVIDERS_NOBODY_BASE_URL", "https://x.example"),
                ("MOZARTO_PROVIDERS_PAYONE_BASE_URL", "https://127.0.0.1:8081/payone"),
                ("MOZARTO_LIMITS_TRUSTED_PROXIES", "10.0.0.0/8, proxy"),
                ("MOZARTO_RETENTION_DELIVERIES_DAYS", "29"),
                ("MOZARTO_RETENTION_IDEMPOTENCY_HOURS", "23"),
                ("MOZARTO_RETENTION_CALLBACKS_DAYS", "0"),
                ("MOZARTO_TYPO", "1"),
            ]),
        )
        .unwrap_err()
        .to_string();
        for part in [
            "no master key",
            "public_url must be https",
            "listen must be",
            "database must be",
            "NOBODY_BASE_URL is no setting",
            "TYPO is no setting",
            "trusted_proxies: entry 2 is no network",
            "retention.deliveries_days must be a number from 30 to 3650",
            "retention.idempotency_hours must be a number from 24 to 8760",
            "retention.callbacks_days must be a number from 1 to 3650",
            "providers.payone.base_url",
        ] {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }
}
