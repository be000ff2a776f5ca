//! A session with its transaction, and how they end.

use money::{Currency, Money};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Account, CANCELLED_BY_USER, EXPIRED_SESSION, LATE_SUCCESS_MS, SESSION_WORDS, SETTLE_MS, TRANSACTION_WORDS};
use crate::kit::{Ack, Callback, Direction, Error, Transfer, TransferState, Tx, random_token, scenario};

const RISK_REJECTED: &str = "risk_rejected";
const BANK_ERROR: &str = "bank_error";
/// Callbacks are repeated this long after the first time (unscaled).
const RETRY_AT_MS: [u64; 3] = [10 * 60_000, 30 * 60_000, 60 * 60_000];

/// An entry of `callbacks`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Hook {
    pub(super) url: String,
    pub(super) on: Step,
}

/// A state that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// Of the session.
    Session(i64),
    /// Of the transaction.
    Transaction(i64),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Transaction {
    pub(super) id: String,
    pub(super) state: i64,
    pub(super) created_ms: i64,
    pub(super) settled_ms: Option<i64>,
    pub(super) error_code: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    /// Digest of the account's name.
    pub(super) account: String,
    /// Empty where none was sent.
    pub(super) merchant_reference: String,
    pub(super) country_id: String,
    /// ISO 4217 code, capitals.
    pub(super) currency: String,
    /// The currency's digits.
    pub(super) amount: String,
    pub(super) brand_name: Option<String>,
    pub(super) payer: String,
    pub(super) redirect_uri: Option<String>,
    pub(super) hooks: Vec<Hook>,
    pub(super) state: i64,
    pub(super) error_code: Option<String>,
    pub(super) transaction: Option<Transaction>,
    /// Whether the ledger has the money.
    pub(super) booked: bool,
}

impl Session {
    pub(super) fn scenario(&self) -> u8 {
        scenario(&self.amount, &self.currency)
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, 10..=12)
    }

    /// Whether the transaction is in a state.
    pub(super) fn is_in(&self, state: i64) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.state == state)
    }

    pub(super) fn is_credited(&self) -> bool {
        self.is_in(5) || self.is_in(6)
    }

    pub(super) fn session_word(&self) -> String {
        word_of(&SESSION_WORDS, self.state)
    }

    /// The transaction's state, before there is one the session's.
    pub(super) fn word(&self) -> String {
        self.transaction.as_ref().map_or_else(|| self.session_word(), |known| word_of(&TRANSACTION_WORDS, known.state))
    }

    /// The amount as the literal of a JSON number with a point, as Brite writes it: `50.0`.
    pub(super) fn amount_literal(&self) -> String {
        let money = Currency::from_code(&self.currency).and_then(|known| Money::parse_decimal(&self.amount, known).ok());
        let plain = money.map_or_else(|| self.amount.clone(), |money| money.to_plain());
        if plain.contains('.') { plain } else { plain + ".0" }
    }

    /// The page's button Pay.
    pub(super) fn press_pay(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        match self.scenario() {
            1 => self.fail(tx, key),
            2 => self.abort(tx, key, CANCELLED_BY_USER),
            3 => self.abort(tx, key, EXPIRED_SESSION),
            9 => self.reject(tx, key, true),
            _ => self.succeed(tx, key).map(|_| ()),
        }
    }

    /// The whole way to CREDIT; the job of its callback.
    pub(super) fn succeed(&mut self, tx: &Tx<'_>, key: &str) -> Result<Option<i64>, Error> {
        self.step(tx, key, Step::Session(2), None)?;
        self.begin(tx, key)?;
        self.step(tx, key, Step::Transaction(1), None)?;
        self.step(tx, key, Step::Session(5), None)?;
        self.step(tx, key, Step::Transaction(4), None)?;
        self.step(tx, key, Step::Session(12), None)?;
        self.credit(tx, key)
    }

    /// CREDIT, and SETTLED a little later; the job of CREDIT's callback.
    pub(super) fn credit(&mut self, tx: &Tx<'_>, key: &str) -> Result<Option<i64>, Error> {
        let job = self.step(tx, key, Step::Transaction(5), None)?;
        tx.schedule(key, "settle", SETTLE_MS)?;
        Ok(job)
    }

    /// The bank fails the payment.
    pub(super) fn fail(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        self.step(tx, key, Step::Session(2), None)?;
        self.begin(tx, key)?;
        self.error_code = Some(BANK_ERROR.to_owned());
        self.step(tx, key, Step::Transaction(3), None)?;
        self.step(tx, key, Step::Session(11), None).map(|_| ())
    }

    /// The session is given up, and with it a transaction that has begun.
    pub(super) fn abort(&mut self, tx: &Tx<'_>, key: &str, error_code: &str) -> Result<(), Error> {
        self.error_code = Some(error_code.to_owned());
        if self.is_in(0) || self.is_in(1) || self.is_in(4) {
            self.step(tx, key, Step::Transaction(2), None)?;
        }
        self.step(tx, key, Step::Session(10), None).map(|_| ())
    }

    /// Brite's risk rules reject the payment; `late`: the money comes all the same.
    pub(super) fn reject(&mut self, tx: &Tx<'_>, key: &str, late: bool) -> Result<(), Error> {
        self.step(tx, key, Step::Session(2), None)?;
        self.begin(tx, key)?;
        self.error_code = Some(RISK_REJECTED.to_owned());
        self.step(tx, key, Step::Session(10), None)?;
        self.step(tx, key, Step::Transaction(2), late.then_some("late")).map(|_| ())
    }

    /// The transaction comes to be.
    pub(super) fn begin(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        if self.transaction.is_some() {
            return Ok(());
        }
        let id = random_token();
        tx.add_name(&id, key)?;
        self.transaction = Some(Transaction { id, state: 0, created_ms: tx.now_ms, settled_ms: None, error_code: None });
        self.step(tx, key, Step::Transaction(0), None).map(|_| ())
    }

    /// Reaches a state, books what it means, and tells whoever registered for it; the job of the (first) callback.
    /// The caller saves.
    pub(super) fn step(&mut self, tx: &Tx<'_>, key: &str, step: Step, then: Option<&str>) -> Result<Option<i64>, Error> {
        self.reach(tx, step)?;
        let urls = self.hooks.iter().filter(|hook| hook.on == step).map(|hook| hook.url.clone()).collect();
        self.tell(tx, key, step, urls, then)
    }

    /// The same for a word set by hand: where nobody registered for it, the first address is told.
    pub(super) fn step_told_anyway(&mut self, tx: &Tx<'_>, key: &str, step: Step) -> Result<(), Error> {
        self.reach(tx, step)?;
        let mut urls: Vec<String> = self.hooks.iter().filter(|hook| hook.on == step).map(|hook| hook.url.clone()).collect();
        if urls.is_empty() {
            urls.extend(self.hooks.first().map(|hook| hook.url.clone()));
        }
        self.tell(tx, key, step, urls, None).map(|_| ())
    }

    fn reach(&mut self, tx: &Tx<'_>, step: Step) -> Result<(), Error> {
        let state = match step {
            Step::Session(state) => {
                self.state = state;
                return Ok(());
            }
            Step::Transaction(state) => state,
        };
        let Some(transaction) = &mut self.transaction else {
            return Ok(());
        };
        transaction.state = state;
        transaction.error_code = if matches!(state, 2 | 3) { self.error_code.clone() } else { None };
        if state == 6 {
            transaction.settled_ms = Some(tx.now_ms);
        }
        let id = transaction.id.clone();
        let booked = self.booked;
        self.booked |= matches!(state, 5..=7);
        match (state, booked) {
            (5 | 6, false) => tx.accept(&self.transfer(&id), TransferState::Settled),
            // After a DEBIT taken back the money is there again.
            (5 | 6, true) => tx.transfer_became(&id, TransferState::Settled),
            (7, false) => tx.accept(&self.transfer(&id), TransferState::Returned),
            (7, true) => tx.transfer_became(&id, TransferState::Returned),
            _ => Ok(()),
        }
    }

    fn transfer<'a>(&'a self, id: &'a str) -> Transfer<'a> {
        Transfer {
            reference: &self.merchant_reference,
            provider_reference: id,
            direction: Direction::In,
            amount: &self.amount,
            currency: &self.currency,
            destination: None,
        }
    }

    fn tell(&self, tx: &Tx<'_>, key: &str, step: Step, urls: Vec<String>, mut then: Option<&str>) -> Result<Option<i64>, Error> {
        let mut first = None;
        let times = if self.scenario() == 8 { 3 } else { 1 };
        for url in urls {
            let transaction_id = self.transaction.as_ref().map(|transaction| transaction.id.as_str());
            let Some(mut callback) = self.callback(tx, key, step, &url, transaction_id.unwrap_or_default())? else {
                continue;
            };
            callback.then = then.take().map(|event| (event.to_owned(), LATE_SUCCESS_MS));
            for _ in 0..times {
                let job = tx.send(key, &callback)?;
                first = first.or(Some(job));
                callback.then = None;
            }
        }
        // Nobody to tell; what follows the callback follows all the same.
        if let Some(event) = then {
            tx.schedule(key, event, LATE_SUCCESS_MS)?;
        }
        Ok(first)
    }

    /// CREDIT told of what nobody paid; there is no signature that could be wrong.
    pub(super) fn forge(&self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        let Some(hook) = self.hooks.first() else {
            return Ok(());
        };
        match self.callback(tx, key, Step::Transaction(5), &hook.url, &random_token())? {
            Some(callback) => tx.send(key, &callback).map(|_| ()),
            None => Ok(()),
        }
    }

    fn callback(&self, tx: &Tx<'_>, key: &str, step: Step, url: &str, transaction_id: &str) -> Result<Option<Callback>, Error> {
        let Some((_, account)) = tx.account_of::<Account>(&self.account)? else {
            return Ok(None);
        };
        let body = match step {
            Step::Session(state) => json!({"merchant_id": account.merchant_id, "session_id": key, "session_state": state}),
            Step::Transaction(state) => {
                json!({"merchant_id": account.merchant_id, "transaction_id": transaction_id, "transaction_state": state})
            }
        };
        let mut callback = Callback::post(url, "application/json", body.to_string());
        callback.headers.push(("user-agent".to_owned(), "Brite Callback".to_owned()));
        callback.retry_at_ms = RETRY_AT_MS.to_vec();
        callback.ack = Ack::Exactly200;
        Ok(Some(callback))
    }
}

fn word_of(words: &[&str], state: i64) -> String {
    let known = usize::try_from(state).ok().and_then(|index| words.get(index));
    known.map_or_else(|| state.to_string(), |word| (*word).to_owned())
}
