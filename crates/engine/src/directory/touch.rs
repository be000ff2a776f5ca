//! When credentials were last used: noted in memory, written in the background.

use crate::pulse::trouble;
use domain::{CompanyId, CredentialId, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use store::repository::credentials;
use store::{Batch, Driver};

/// A credential's last use is written at most this often, milliseconds.
const WRITE_EVERY_MS: i64 = 60_000;
/// Most credentials whose use is noted; further ones are not noted until those are written.
const NOTED_MAX: usize = 100_000;
/// Most uses written in one batch.
const BATCH_MAX: usize = 500;

#[derive(Clone, Copy, Debug)]
struct Touch {
    company: CompanyId,
    used_at: Timestamp,
    written_at: Option<Timestamp>,
}

impl Touch {
    fn is_due(&self) -> bool {
        self.written_at.is_none_or(|written| self.used_at.since(written) >= WRITE_EVERY_MS)
    }
}

/// What is noted.
#[derive(Debug, Default)]
pub(super) struct Touches(Mutex<HashMap<CredentialId, Touch>>);

impl Touches {
    /// Notes a use.
    pub(super) fn note(&self, company: CompanyId, credential: CredentialId, now: Timestamp) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= NOTED_MAX && !noted.contains_key(&credential) {
            // Those that are written and were not used since can be told again from the store.
            noted.retain(|_, touch| touch.written_at != Some(touch.used_at));
            if noted.len() >= NOTED_MAX {
                return;
            }
        }
        let touch = noted.entry(credential).or_insert(Touch { company, used_at: now, written_at: None });
        touch.used_at = touch.used_at.max(now);
    }

    /// Writes what is due.
    pub(super) async fn flush(&self, db: &dyn Driver) {
        let due: Vec<(CredentialId, Touch)> = {
            let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            noted.iter().filter(|(_, touch)| touch.is_due()).map(|(id, touch)| (*id, *touch)).collect()
        };
        for piece in due.chunks(BATCH_MAX) {
            let mut batch = Batch::new();
            for (credential, touch) in piece {
                credentials::touch(&mut batch, touch.company, *credential, touch.used_at);
            }
            if let Err(error) = db.commit(batch).await {
                trouble!(warn, error, %error, "last uses of credentials were not written");
                return;
            }
            let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (credential, written) in piece {
                if let Some(touch) = noted.get_mut(credential) {
                    touch.written_at = Some(written.used_at);
                }
            }
        }
    }
}
