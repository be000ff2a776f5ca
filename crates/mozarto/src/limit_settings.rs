//! `[limits]` and `MOZARTO_LIMITS_...`: how much is taken on at once. What is not set is as [`http_api::Limits`] has it.

use ipnet::IpNet;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::time::Duration;

/// The largest number of connections or places that can be meant.
const MANY: usize = 1_000_000;
/// The longest search of a list that can be meant, milliseconds: a person waits for it.
const SEARCH_MAX_MS: usize = 5_000;

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsFile {
    requests_per_second: Option<NonZeroU32>,
    burst: Option<NonZeroU32>,
    connections: Option<usize>,
    connections_per_peer: Option<usize>,
    in_flight: Option<usize>,
    in_flight_per_company: Option<usize>,
    in_flight_per_provider: Option<usize>,
    management_reserve: Option<usize>,
    search_ms: Option<usize>,
    trusted_proxies: Option<Vec<String>>,
}

impl LimitsFile {
    /// Takes a variable over; `key` is its name after `MOZARTO_LIMITS_`. Answers whether it is one of ours.
    pub(crate) fn overlay(&mut self, key: &str, name: &str, value: &str, problems: &mut Vec<String>) -> bool {
        match key {
            "REQUESTS_PER_SECOND" => self.requests_per_second = number(name, value, problems),
            "BURST" => self.burst = number(name, value, problems),
            "CONNECTIONS" => self.connections = number(name, value, problems),
            "CONNECTIONS_PER_PEER" => self.connections_per_peer = number(name, value, problems),
            "IN_FLIGHT" => self.in_flight = number(name, value, problems),
            "IN_FLIGHT_PER_COMPANY" => self.in_flight_per_company = number(name, value, problems),
            "IN_FLIGHT_PER_PROVIDER" => self.in_flight_per_provider = number(name, value, problems),
            "MANAGEMENT_RESERVE" => self.management_reserve = number(name, value, problems),
            "SEARCH_MS" => self.search_ms = number(name, value, problems),
            "TRUSTED_PROXIES" => self.trusted_proxies = Some(value.split(',').map(|part| part.trim().to_owned()).collect()),
            _ => return false,
        }
        true
    }

    /// The limits; what cannot be meant is named.
    pub(crate) fn check(self, problems: &mut Vec<String>) -> http_api::Limits {
        let mut limits = http_api::Limits::default();
        limits.requests_per_second = self.requests_per_second.unwrap_or(limits.requests_per_second);
        limits.burst = self.burst.unwrap_or(limits.burst);
        let mut within = |name: &str, set: Option<usize>, default: usize, least: usize, most: usize| match set {
            Some(value) if !(least..=most).contains(&value) => {
                problems.push(format!("limits.{name} must be {least} to {most}"));
                default
            }
            Some(value) => value,
            None => default,
        };
        limits.connections = within("connections", self.connections, limits.connections, 1, MANY);
        limits.connections_per_peer =
            within("connections_per_peer", self.connections_per_peer, limits.connections_per_peer, 1, MANY);
        limits.in_flight_max = within("in_flight", self.in_flight, limits.in_flight_max, 2, MANY);
        let all = limits.in_flight_max;
        let share = |set: Option<usize>, checked: usize| set.map(|_| checked);
        limits.in_flight_per_company =
            share(self.in_flight_per_company, within("in_flight_per_company", self.in_flight_per_company, all, 1, all));
        limits.in_flight_per_provider =
            share(self.in_flight_per_provider, within("in_flight_per_provider", self.in_flight_per_provider, all, 1, all));
        // A small whole has a small reserve, unless it is set.
        let reserve = limits.management_reserve.min(all / 4);
        limits.management_reserve = within("management_reserve", self.management_reserve, reserve, 0, all - 1);
        if self.search_ms.is_some() {
            let search_ms = within("search_ms", self.search_ms, 0, 0, SEARCH_MAX_MS);
            limits.search = Duration::from_millis(u64::try_from(search_ms).unwrap_or_default());
        }
        limits.trusted_proxies = networks(self.trusted_proxies.unwrap_or_default(), problems);
        limits
    }
}

/// A number, or a problem with it.
pub(crate) fn number<T: std::str::FromStr>(name: &str, value: &str, problems: &mut Vec<String>) -> Option<T> {
    let parsed = value.parse().ok();
    if parsed.is_none() {
        problems.push(format!("{name} must be a number"));
    }
    parsed
}

fn networks(texts: Vec<String>, problems: &mut Vec<String>) -> Vec<IpNet> {
    let mut read = Vec::new();
    for (n, text) in texts.into_iter().enumerate() {
        match text.parse::<IpNet>() {
            Ok(net) if net.prefix_len() > 0 => read.push(net),
            // Whoever comes would say where from.
            Ok(_) => problems.push(format!("limits.trusted_proxies: entry {} is everybody; name your proxies", n + 1)),
            Err(_) => problems.push(format!("limits.trusted_proxies: entry {} is no network, such as 10.0.0.0/8", n + 1)),
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)]) -> Result<http_api::Limits, Vec<String>> {
        let (mut file, mut problems) = (LimitsFile::default(), Vec::new());
        for (key, value) in pairs {
            assert!(file.overlay(key, key, value, &mut problems), "{key}");
        }
        let limits = file.check(&mut problems);
        if problems.is_empty() { Ok(limits) } else { Err(problems) }
    }

    #[test]
    fn defaults_and_shares() {
        let limits = check(&[]).unwrap();
        assert_eq!((limits.connections, limits.connections_per_peer, limits.in_flight_max), (4_096, 256, 1_024));
        assert_eq!((limits.management_reserve, limits.in_flight_per_company), (64, None));
        assert_eq!((limits.search.as_millis(), check(&[("SEARCH_MS", "0")]).unwrap().search.as_millis()), (60, 0));
        let limits = check(&[("IN_FLIGHT", "40"), ("IN_FLIGHT_PER_PROVIDER", "7")]).unwrap();
        assert_eq!((limits.management_reserve, limits.in_flight_per_provider), (10, Some(7)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (pairs, word) in [
            (&[("CONNECTIONS", "0")][..], "limits.connections must be 1 to"),
            (&[("CONNECTIONS", "18446744073709551615")], "limits.connections must be"),
            (&[("CONNECTIONS", "-1")], "must be a number"),
            (&[("CONNECTIONS_PER_PEER", "0")], "limits.connections_per_peer must be"),
            (&[("IN_FLIGHT", "0")], "limits.in_flight must be"),
            (&[("IN_FLIGHT", "100"), ("IN_FLIGHT_PER_COMPANY", "101")], "limits.in_flight_per_company must be 1 to 100"),
            (&[("IN_FLIGHT_PER_PROVIDER", "0")], "limits.in_flight_per_provider must be"),
            (&[("IN_FLIGHT", "64"), ("MANAGEMENT_RESERVE", "64")], "limits.management_reserve must be 0 to 63"),
            (&[("BURST", "0")], "must be a number"),
            (&[("SEARCH_MS", "5001")], "limits.search_ms must be 0 to 5000"),
            (&[("TRUSTED_PROXIES", "10.0.0.0/8, proxy")], "entry 2 is no network"),
            (&[("TRUSTED_PROXIES", "0.0.0.0/0")], "entry 1 is everybody"),
            (&[("TRUSTED_PROXIES", "10.0.0.0/8,::/0")], "entry 2 is everybody"),
        ] {
            let problems = check(pairs).unwrap_err();
            assert!(matches!(problems.as_slice(), [only] if only.contains(word)), "{pairs:?}: {problems:?}");
        }
    }
}
