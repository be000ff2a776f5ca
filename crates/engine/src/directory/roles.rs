//! Addresses by role: the sandbox's own parts listen where there is room, so that their addresses are stored by what they are
//! for.
//!
//! `role:simulator` (a `baseUrl`) is the provider's simulator, `role:simulator/<path>` a path below it; `role:shop/<path>` is an
//! address of the demo shop. Only the binary stores them; callers of the API neither set nor see them.

use crate::core::Config;
use domain::Json;
use domain::company::{SettingValue, Settings};

/// How a value by role begins.
const PREFIX: &str = "role:";
/// The provider's simulator.
const SIMULATOR: &str = "role:simulator";
/// The demo shop, followed by a path.
const SHOP: &str = "role:shop/";
/// The same, followed by a path of its own.
const BELOW_SIMULATOR: &str = "role:simulator/";
/// Where a simulated account points when there is no simulator: a name that never resolves (RFC 2606), so that its credentials go
/// nowhere.
const NO_SIMULATOR: &str = "https://simulator.invalid";

/// Whether the value names an address by role.
pub fn is_role(value: &str) -> bool {
    value.starts_with(PREFIX)
}

/// The address of a role for a provider; none where this process has no such part.
pub fn resolve(value: &str, psp_type: &str, config: &Config) -> Option<String> {
    if value == SIMULATOR {
        let base = config.simulator_url.as_deref()?;
        let descriptor = providers::by_psp_type(psp_type)?.descriptor();
        return Some(format!("{base}/{}{}", descriptor.name, descriptor.base_urls.simulator_path));
    }
    if let Some(path) = value.strip_prefix(BELOW_SIMULATOR) {
        let base = config.simulator_url.as_deref()?;
        return Some(format!("{base}/{}/{path}", providers::by_psp_type(psp_type)?.descriptor().name));
    }
    let path = value.strip_prefix(SHOP)?;
    Some(format!("{}/{path}", config.shop_url.as_deref()?))
}

/// Resolves every value by role. Where its part is not there, an address is taken out, and one that credentials go to leads
/// nowhere.
pub(super) fn resolve_settings(settings: &mut Settings, psp_type: &str, config: &Config) {
    settings.0.retain(|_, value| {
        let SettingValue::Plain(Json::String(text)) = value else { return true };
        if !is_role(text) {
            return true;
        }
        match resolve(text, psp_type, config) {
            Some(address) => *text = address,
            None if text.starts_with(SIMULATOR) => *text = NO_SIMULATOR.to_owned(),
            None => return false,
        }
        true
    });
}

/// The stored values by role, by field name.
pub(super) fn of(settings: &Settings) -> Vec<(String, String)> {
    let role = |(name, value): (&String, &SettingValue)| match value {
        SettingValue::Plain(Json::String(text)) if is_role(text) => Some((name.clone(), text.clone())),
        _ => None,
    };
    settings.0.iter().filter_map(role).collect()
}
