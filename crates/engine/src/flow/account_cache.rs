//! What providers keep for an account between calls (a bearer token): in memory, never stored, never shown.

use domain::{MethodId, PaymentMethod, Secret, Timestamp};
use providers::Remember;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Accounts that something is kept for at once; beyond them what ends first is forgotten, and is asked for again when it is
/// needed.
const ACCOUNTS_MAX: usize = 4_096;

/// One secret per account, as the account was configured when it was kept.
#[derive(Debug, Default)]
pub(crate) struct AccountCache(Mutex<HashMap<MethodId, Kept>>);

#[derive(Debug)]
struct Kept {
    /// [`PaymentMethod::updated_at`]: a secret of other settings is nobody's.
    version: Timestamp,
    value: Secret,
    until: Timestamp,
}

impl AccountCache {
    /// What is kept for the account as it is configured now, while it is good.
    pub(super) fn get(&self, method: &PaymentMethod, now: Timestamp) -> Option<Secret> {
        let kept = self.lock();
        let kept = kept.get(&method.id).filter(|kept| kept.version == method.updated_at && kept.until > now)?;
        Some(kept.value.clone())
    }

    pub(super) fn change(&self, method: &PaymentMethod, change: Remember, now: Timestamp) {
        let mut kept = self.lock();
        match change {
            Remember::Keep { value, until } if until > now => {
                if kept.len() >= ACCOUNTS_MAX && !kept.contains_key(&method.id) {
                    make_room(&mut kept, now);
                }
                kept.insert(method.id, Kept { version: method.updated_at, value, until });
            }
            Remember::Keep { .. } | Remember::Forget => {
                kept.remove(&method.id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MethodId, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(kept: &mut HashMap<MethodId, Kept>, now: Timestamp) {
    kept.retain(|_, kept| kept.until > now);
    if kept.len() >= ACCOUNTS_MAX
        && let Some(first) = kept.iter().min_by_key(|(_, kept)| kept.until).map(|(id, _)| *id)
    {
        kept.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::company::{Settings, WebhookSecrets};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    fn method(seed: u8) -> PaymentMethod {
        PaymentMethod {
            id: MethodId::new(at(0), [seed; 6]),
            company_id: domain::CompanyId::new(at(0), [0; 6]),
            psp_type: "BRITE".to_owned(),
            brand_id: None,
            enabled: true,
            settings: Settings::default(),
            webhook_secrets: WebhookSecrets {
                signing: Secret::new("s"),
                earlier_signing: Vec::new(),
                bearer: Secret::new("b"),
                previous_bearer: None,
            },
            callback_token: None,
            created_at: at(0),
            updated_at: at(1),
        }
    }

    fn keep(text: &str, until: i64) -> Remember {
        Remember::Keep { value: Secret::new(text), until: at(until) }
    }

    fn text(cache: &AccountCache, method: &PaymentMethod, now: i64) -> Option<String> {
        cache.get(method, at(now)).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn kept_until_its_end_a_change_of_the_settings_or_a_refusal() {
        let (cache, mut account, other) = (AccountCache::default(), method(1), method(2));
        cache.change(&account, keep("token", 100), at(10));
        assert_eq!(text(&cache, &account, 99).as_deref(), Some("token"));
        assert_eq!(text(&cache, &account, 100), None, "past its end");
        assert_eq!(text(&cache, &other, 20), None, "another account's");
        account.updated_at = at(50);
        assert_eq!(text(&cache, &account, 60), None, "of other settings");
        cache.change(&account, keep("new", 200), at(60));
        assert_eq!(text(&cache, &account, 61).as_deref(), Some("new"));
        cache.change(&account, Remember::Forget, at(62));
        assert_eq!(text(&cache, &account, 63), None);
        cache.change(&account, keep("late", 60), at(64));
        assert_eq!(text(&cache, &account, 64), None);
        assert!(!format!("{cache:?}").contains("token"));
    }

    #[test]
    fn bounded_and_what_ends_first_goes_first() {
        let cache = AccountCache::default();
        let of = |n: usize| {
            let mut account = method(0);
            account.id = MethodId::new(at(i64::try_from(n).unwrap()), [7; 6]);
            account
        };
        for n in 0..=ACCOUNTS_MAX {
            cache.change(&of(n), keep("token", 1_000_000 + i64::try_from(n).unwrap()), at(0));
        }
        assert_eq!(cache.lock().len(), ACCOUNTS_MAX);
        assert_eq!(text(&cache, &of(0), 1), None);
        assert_eq!(text(&cache, &of(1), 1).as_deref(), Some("token"));
        assert_eq!(text(&cache, &of(ACCOUNTS_MAX), 1).as_deref(), Some("token"));
    }
}
