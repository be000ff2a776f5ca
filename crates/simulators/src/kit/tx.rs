//! The transaction that a simulator works in: orders, names, accounts, settings, ledger, due times.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

use super::Error;
use super::dress::Dress;
use super::echo::Echo;
use super::jobs::Callback;
use super::seal::Seal;
use super::text::timestamp_of;

/// A job that became due-able with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Armed {
    /// When it is due, in milliseconds since 1970.
    pub(crate) due_at_ms: i64,
    /// The job's id.
    pub(crate) id: i64,
}

/// Who waits for the first sending of a callback.
pub(crate) type Waiters = Mutex<HashMap<i64, oneshot::Sender<()>>>;

/// How fast time goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Divides every wait; at least 1.
    pub(crate) time_scale: u32,
    /// Hosted pages press Pay by themselves after this many unscaled milliseconds.
    pub(crate) auto_settle_ms: Option<u64>,
}

impl Pace {
    /// A wait in real milliseconds.
    pub(crate) fn scaled(&self, wait_ms: u64) -> u64 {
        wait_ms / u64::from(self.time_scale.max(1))
    }
}

/// A provider's switches (`PUT /control/{provider}/settings`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct ProviderSettings {
    /// Accepted pay-outs settle after this many (unscaled) milliseconds.
    pub(crate) settle_delay_ms: u64,
    /// Callbacks are lost on their way.
    pub(crate) drop_callbacks: bool,
    /// Besides the true callbacks, success is told for what nobody paid, with a wrong signature.
    pub(crate) forge_callbacks: bool,
    /// Callbacks have no more than the least that the provider's own plugins read (ForumPay: `payment_id` alone). Shown once it
    /// is set.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) short_callbacks: bool,
    /// Records leave out what the provider does not promise to have in them (Brite: reference and session of a transaction).
    /// Shown once it is set.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) short_records: bool,
    /// Every answer wears this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dress: Option<Dress>,
    /// Every callback wears this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dress_callbacks: Option<Dress>,
    /// What it is sent comes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) echo: Option<Echo>,
}

impl Default for ProviderSettings {
    fn default() -> Self {
        Self {
            settle_delay_ms: 500,
            drop_callbacks: false,
            forge_callbacks: false,
            short_callbacks: false,
            short_records: false,
            dress: None,
            dress_callbacks: None,
            echo: None,
        }
    }
}

/// Which way the money goes, seen from the merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// A pay-in.
    In,
    /// A pay-out.
    Out,
}

/// What became of an accepted transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransferState {
    /// The provider took it on.
    Accepted,
    /// The money moved for good.
    Settled,
    /// The money came back.
    Returned,
}

impl TransferState {
    fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Settled => "settled",
            Self::Returned => "returned",
        }
    }
}

/// A transfer that the provider accepts.
#[derive(Debug)]
pub(crate) struct Transfer<'a> {
    /// The merchant's (our) reference.
    pub(crate) reference: &'a str,
    /// The provider's own reference: one ledger entry each.
    pub(crate) provider_reference: &'a str,
    /// In or out.
    pub(crate) direction: Direction,
    /// Decimal text with the currency's digits.
    pub(crate) amount: &'a str,
    /// ISO 4217 code.
    pub(crate) currency: &'a str,
    /// Where a pay-out goes.
    pub(crate) destination: Option<&'a str>,
}

/// One transaction over `simulators.db`, of one provider.
pub(crate) struct Tx<'a> {
    connection: &'a Connection,
    /// The provider whose rows this transaction sees.
    pub(crate) provider: &'static str,
    /// The time of the transaction, in milliseconds since 1970.
    pub(crate) now_ms: i64,
    seal: &'a Seal,
    pace: &'a Pace,
    waiters: &'a Waiters,
    armed: RefCell<Vec<Armed>>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(
        connection: &'a Connection,
        provider: &'static str,
        seal: &'a Seal,
        pace: &'a Pace,
        waiters: &'a Waiters,
    ) -> Self {
        Self { connection, provider, now_ms: now_ms(), seal, pace, waiters, armed: RefCell::default() }
    }

    /// The same transaction, seen as another provider's; what it arms has to be armed here too.
    pub(super) fn of(&self, provider: &'static str) -> Tx<'_> {
        Tx { connection: self.connection, provider, armed: RefCell::default(), ..*self }
    }

    /// The jobs that this transaction armed.
    pub(crate) fn into_armed(self) -> Vec<Armed> {
        self.armed.into_inner()
    }

    /// The connection, for the kit's own statements.
    pub(super) fn connection(&self) -> &Connection {
        self.connection
    }

    /// A wait (unscaled milliseconds) in real milliseconds.
    pub(crate) fn scaled(&self, wait_ms: u64) -> i64 {
        i64::try_from(self.pace.scaled(wait_ms)).unwrap_or(i64::MAX / 2)
    }

    /// A keyed digest of something that must not be kept in the clear.
    pub(crate) fn digest(&self, text: &str) -> String {
        self.seal.digest(text)
    }

    // --- orders ---------------------------------------------------------------------------------

    /// Keeps a new order under its key and other names that find it.
    pub(crate) fn insert<T: Serialize>(&self, key: &str, names: &[&str], order: &T) -> Result<(), Error> {
        self.connection.prepare_cached("INSERT INTO orders(provider, key, body) VALUES(?1, ?2, ?3)")?.execute(params![
            self.provider,
            key,
            serde_json::to_string(order)?
        ])?;
        names.iter().try_for_each(|name| self.add_name(name, key))
    }

    /// Adds a name that finds an order; adding it twice is one name.
    pub(crate) fn add_name(&self, name: &str, key: &str) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT OR IGNORE INTO names(provider, name, key, seq) \
                 SELECT ?1, ?2, ?3, COALESCE(MAX(seq), 0) + 1 FROM names WHERE provider = ?1 AND name = ?2",
            )?
            .execute(params![self.provider, name, key])?;
        Ok(())
    }

    /// Writes an order back.
    pub(crate) fn save<T: Serialize>(&self, key: &str, order: &T) -> Result<(), Error> {
        self.connection.prepare_cached("UPDATE orders SET body = ?3 WHERE provider = ?1 AND key = ?2")?.execute(params![
            self.provider,
            key,
            serde_json::to_string(order)?
        ])?;
        Ok(())
    }

    /// The order of a key.
    pub(crate) fn load<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let body: Option<String> = self
            .connection
            .prepare_cached("SELECT body FROM orders WHERE provider = ?1 AND key = ?2")?
            .query_row(params![self.provider, key], |row| row.get(0))
            .optional()?;
        Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
    }

    /// The keys of all orders with a name, oldest first.
    pub(crate) fn keys_of(&self, name: &str) -> Result<Vec<String>, Error> {
        let mut statement =
            self.connection.prepare_cached("SELECT key FROM names WHERE provider = ?1 AND name = ?2 ORDER BY seq")?;
        let keys = statement.query_map(params![self.provider, name], |row| row.get(0))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// The order that a reference means: by its key, else the newest with that name.
    pub(crate) fn find<T: DeserializeOwned>(&self, reference: &str) -> Result<Option<(String, T)>, Error> {
        if let Some(order) = self.load(reference)? {
            return Ok(Some((reference.to_owned(), order)));
        }
        match self.keys_of(reference)?.pop() {
            Some(key) => Ok(self.load(&key)?.map(|order| (key, order))),
            None => Ok(None),
        }
    }

    /// Whether an order has this key.
    pub(crate) fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self
            .connection
            .prepare_cached("SELECT 1 FROM orders WHERE provider = ?1 AND key = ?2")?
            .exists(params![self.provider, key])?)
    }

    /// Notes that a value was used in a scope (nonces); `false` when it had been before.
    pub(crate) fn use_once(&self, scope: &str, value: &str) -> Result<bool, Error> {
        let added = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO used(provider, scope, value) VALUES(?1, ?2, ?3)")?
            .execute(params![self.provider, scope, value])?;
        Ok(added == 1)
    }

    // --- accounts and settings ------------------------------------------------------------------

    /// Sets an account (a whole body; sealed, its name and its aliases kept as digests only).
    pub(crate) fn put_account(&self, name: &str, body: &Value, aliases: &[String]) -> Result<(), Error> {
        let digest = self.digest(name);
        let text = serde_json::json!({"name": name, "body": body}).to_string();
        let sealed = self.seal.seal(&format!("{}/{digest}", self.provider), &text)?;
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO accounts(provider, name_digest, sealed) VALUES(?1, ?2, ?3)")?
            .execute(params![self.provider, digest, sealed])?;
        self.connection
            .prepare_cached("DELETE FROM aliases WHERE provider = ?1 AND name_digest = ?2")?
            .execute(params![self.provider, digest])?;
        for alias in aliases {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO aliases(provider, alias_digest, name_digest) VALUES(?1, ?2, ?3)")?
                .execute(params![self.provider, self.digest(alias), digest])?;
        }
        Ok(())
    }

    /// The accounts that an alias finds: digest and body of each.
    pub(crate) fn accounts_by_alias<T: DeserializeOwned>(&self, alias: &str) -> Result<Vec<(String, T)>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name_digest FROM aliases WHERE provider = ?1 AND alias_digest = ?2 ORDER BY name_digest")?;
        let digests: Vec<String> =
            statement.query_map(params![self.provider, self.digest(alias)], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut accounts = Vec::with_capacity(digests.len());
        for digest in digests {
            if let Some((_, body)) = self.account_of(&digest)? {
                accounts.push((digest, body));
            }
        }
        Ok(accounts)
    }

    /// The account of a name: its digest (what orders keep) and its body.
    pub(crate) fn account<T: DeserializeOwned>(&self, name: &str) -> Result<Option<(String, T)>, Error> {
        let digest = self.digest(name);
        Ok(self.account_of(&digest)?.map(|(_, body)| (digest, body)))
    }

    /// The account of a digest: its name and its body.
    pub(crate) fn account_of<T: DeserializeOwned>(&self, digest: &str) -> Result<Option<(String, T)>, Error> {
        #[derive(Deserialize)]
        struct Kept<T> {
            name: String,
            body: T,
        }
        let sealed: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT sealed FROM accounts WHERE provider = ?1 AND name_digest = ?2")?
            .query_row(params![self.provider, digest], |row| row.get(0))
            .optional()?;
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let text = self.seal.open_text(&format!("{}/{digest}", self.provider), &sealed)?;
        let kept: Kept<T> = serde_json::from_str(&text)?;
        Ok(Some((kept.name, kept.body)))
    }

    /// Whether any account of the provider is as `wanted` says: for a caller who names none.
    pub(crate) fn any_account<T: DeserializeOwned>(&self, wanted: impl Fn(&T) -> bool) -> Result<bool, Error> {
        let mut statement = self.connection.prepare_cached("SELECT name_digest FROM accounts WHERE provider = ?1")?;
        let digests: Vec<String> = statement.query_map([self.provider], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for digest in digests {
            if self.account_of::<T>(&digest)?.is_some_and(|(_, account)| wanted(&account)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The provider's switches.
    pub(crate) fn settings(&self) -> Result<ProviderSettings, Error> {
        let body: Option<String> = self
            .connection
            .prepare_cached("SELECT body FROM settings WHERE provider = ?1")?
            .query_row([self.provider], |row| row.get(0))
            .optional()?;
        Ok(body.map(|body| serde_json::from_str(&body)).transpose()?.unwrap_or_default())
    }

    /// Sets the provider's switches.
    pub(crate) fn put_settings(&self, settings: &ProviderSettings) -> Result<(), Error> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO settings(provider, body) VALUES(?1, ?2)")?
            .execute(params![self.provider, serde_json::to_string(settings)?])?;
        Ok(())
    }

    // --- due times ------------------------------------------------------------------------------

    /// Has `event` happen to an order after an (unscaled) wait, a restart in between or not.
    pub(crate) fn schedule(&self, key: &str, event: &str, wait_ms: u64) -> Result<(), Error> {
        self.insert_job(key, "event", None, wait_ms, event).map(|_| ())
    }

    /// Has an accepted pay-out settle: `event` after `settleDelayMs`.
    pub(crate) fn schedule_settlement(&self, key: &str, event: &str) -> Result<(), Error> {
        self.schedule(key, event, self.settings()?.settle_delay_ms)
    }

    /// Has a hosted page press Pay by itself where `--auto-settle` asks for it.
    pub(crate) fn schedule_auto_settle(&self, key: &str, event: &str) -> Result<(), Error> {
        self.pace.auto_settle_ms.map_or(Ok(()), |wait_ms| self.schedule(key, event, wait_ms))
    }

    /// Sends a callback as soon as this transaction is durable; answers its job.
    pub(crate) fn send(&self, key: &str, callback: &Callback) -> Result<i64, Error> {
        self.insert_job(key, "callback", callback.lane.as_deref(), 0, &serde_json::to_string(callback)?)
    }

    /// Resolves once the callback of a job was sent for the first time, whatever the answer.
    pub(crate) fn sent_once(&self, job: i64) -> oneshot::Receiver<()> {
        let (send, receive) = oneshot::channel();
        if let Ok(mut waiters) = self.waiters.lock() {
            waiters.insert(job, send);
        }
        receive
    }

    fn insert_job(&self, key: &str, kind: &str, lane: Option<&str>, wait_ms: u64, body: &str) -> Result<i64, Error> {
        let due_at_ms = self.now_ms.saturating_add(self.scaled(wait_ms));
        self.connection
            .prepare_cached("INSERT INTO jobs(provider, order_key, kind, lane, due_at_ms, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![self.provider, key, kind, lane, due_at_ms, body])?;
        let id = self.connection.last_insert_rowid();
        self.arm(Armed { due_at_ms, id });
        Ok(id)
    }

    pub(super) fn arm(&self, armed: Armed) {
        self.armed.borrow_mut().push(armed);
    }

    // --- ledger ---------------------------------------------------------------------------------

    /// Notes that the provider accepted a transfer; the same provider reference again counts in `times`.
    pub(crate) fn accept(&self, transfer: &Transfer<'_>, state: TransferState) -> Result<(), Error> {
        let direction = if transfer.direction == Direction::In { "in" } else { "out" };
        self.connection
            .prepare_cached(
                "INSERT INTO ledger(provider, reference, provider_reference, direction, amount, currency, \
                 destination, at_ms, times, state) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9) \
                 ON CONFLICT(provider, provider_reference) DO UPDATE SET times = times + 1",
            )?
            .execute(params![
                self.provider,
                transfer.reference,
                transfer.provider_reference,
                direction,
                transfer.amount,
                transfer.currency,
                transfer.destination,
                self.now_ms,
                state.word()
            ])?;
        Ok(())
    }

    /// Changes what became of an accepted transfer; money that moved for good only ever comes back whole.
    pub(crate) fn transfer_became(&self, provider_reference: &str, state: TransferState) -> Result<(), Error> {
        self.connection
            .prepare_cached("UPDATE ledger SET state = ?3 WHERE provider = ?1 AND provider_reference = ?2")?
            .execute(params![self.provider, provider_reference, state.word()])?;
        Ok(())
    }

    /// The ledger in the form of the control route, of one reference or whole.
    pub(crate) fn ledger(&self, reference: Option<&str>) -> Result<Value, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT reference, provider_reference, direction, amount, currency, destination, at_ms, times, state \
             FROM ledger WHERE provider = ?1 AND (?2 IS NULL OR reference = ?2 OR provider_reference = ?2) ORDER BY seq",
        )?;
        let transfers = statement.query_map(params![self.provider, reference], |row| {
            let mut transfer = serde_json::json!({
                "reference": row.get::<_, String>(0)?,
                "providerReference": row.get::<_, String>(1)?,
                "direction": row.get::<_, String>(2)?,
                "amount": row.get::<_, String>(3)?,
                "currency": row.get::<_, String>(4)?,
            });
            if let Some(destination) = row.get::<_, Option<String>>(5)? {
                transfer["destination"] = Value::String(destination);
            }
            transfer["at"] = Value::String(timestamp_of(row.get(6)?));
            transfer["times"] = Value::from(row.get::<_, i64>(7)?);
            transfer["state"] = Value::String(row.get(8)?);
            Ok(transfer)
        })?;
        Ok(serde_json::json!({"transfers": transfers.collect::<Result<Vec<_>, _>>()?}))
    }
}

/// The present, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
