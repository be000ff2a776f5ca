//! A transaction, and how it ends.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use money::{Currency, Money};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::{
    ABORTED, Account, BANK_MS, CURRENCY, EXPIRED, INITED, LATE_SUCCESS_MS, PENDING, REJECTED, SUCCESS, TOKEN, TOKEN_LIFE_MS,
};
use crate::kit::{Ack, Callback, Direction, Error, Transfer, TransferState, Tx, random_token, same_text, scenario};

/// Every JSON Web Token begins so: `{"` in base64url.
pub(super) const TOKEN_HEAD: &str = "eyJ";
/// Other words for a negative end that Gigadat has.
const OTHER_ENDS: [&str; 3] = ["STATUS_REJECTED1", "STATUS_FAILED", "STATUS_ABORTED"];

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    /// Digest of the account's name.
    pub(super) account: String,
    pub(super) direction: Direction,
    /// `CPI`, `ETO` or `ACH`.
    pub(super) kind: String,
    pub(super) user_id: String,
    pub(super) name: String,
    /// Empty for `ACH`, as is `mobile`.
    pub(super) email: String,
    pub(super) mobile: String,
    pub(super) site: String,
    pub(super) user_ip: String,
    /// Two decimals.
    pub(super) amount: String,
    pub(super) sandbox: bool,
    /// Where a pay-out goes: the mail address, or institution-transit-account.
    pub(super) destination: String,
    pub(super) token: String,
    pub(super) token_at_ms: i64,
    /// How often a token was made.
    pub(super) tokens: u32,
    pub(super) state: String,
    pub(super) bank: String,
    /// The payer has pressed Pay.
    pub(super) paying: bool,
    /// The deposit call came: the money moves.
    pub(super) released: bool,
    /// Whether the ledger has the money as moved for good.
    pub(super) settled: bool,
}

/// An opaque session token in the form of a JSON Web Token.
pub(super) fn new_token(transaction_id: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(&json!({"alg": "HS256", "typ": "JWT"}));
    format!("{head}.{}.{}", part(&json!({"transactionId": transaction_id})), random_token())
}

impl Order {
    pub(super) fn scenario(&self) -> u8 {
        scenario(&self.amount, CURRENCY)
    }

    pub(super) fn has_ended(&self) -> bool {
        [SUCCESS, REJECTED, ABORTED, EXPIRED].contains(&self.state.as_str()) || OTHER_ENDS.contains(&self.state.as_str())
    }

    /// Whether a token is this transaction's and still good.
    pub(super) fn admits(&self, tx: &Tx<'_>, token: &str) -> bool {
        same_text(&self.token, token) && tx.now_ms <= self.token_at_ms.saturating_add(tx.scaled(TOKEN_LIFE_MS))
    }

    /// The amount as the literal of a JSON number: `10`.
    pub(super) fn amount_literal(&self) -> String {
        let money = Currency::from_code(CURRENCY).and_then(|cad| Money::parse_decimal(&self.amount, cad).ok());
        money.map_or_else(|| self.amount.clone(), |money| money.to_plain())
    }

    fn transfer<'a>(&'a self, key: &'a str) -> Transfer<'a> {
        Transfer {
            reference: key,
            provider_reference: key,
            direction: self.direction,
            amount: &self.amount,
            currency: CURRENCY,
            destination: (self.direction == Direction::Out).then_some(self.destination.as_str()),
        }
    }

    /// The payer has opened the page.
    pub(super) fn open(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        if self.state == TOKEN {
            self.state = INITED.to_owned();
            tx.save(key, self)?;
        }
        Ok(())
    }

    /// The page's button Pay: the bank has the payment, and says its word a little later.
    pub(super) fn press_pay(&mut self, tx: &Tx<'_>, key: &str, bank: Option<String>) -> Result<(), Error> {
        self.paying = true;
        self.state = PENDING.to_owned();
        if let Some(bank) = bank {
            self.bank = bank;
        }
        tx.save(key, self)?;
        tx.schedule(key, "bank", BANK_MS)
    }

    pub(super) fn bank_has_decided(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        match self.scenario() {
            9 => self.finish(tx, key, REJECTED, Some("late")).map(|_| ()),
            scenario => self.finish(tx, key, ending(scenario), None).map(|_| ()),
        }
    }

    /// The pay-out is registered; nothing moves yet.
    pub(super) fn register(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        if self.state != TOKEN {
            return Ok(());
        }
        self.state = PENDING.to_owned();
        tx.save(key, self)?;
        if tx.settings()?.forge_callbacks { self.forge(tx, key) } else { Ok(()) }
    }

    /// The deposit call: the money moves from here on, once.
    pub(super) fn release(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        self.released = true;
        self.state = INITED.to_owned();
        tx.save(key, self)?;
        tx.accept(&self.transfer(key), TransferState::Accepted)
    }

    /// A released pay-out after `settleDelayMs`.
    pub(super) fn settle(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        self.finish(tx, key, ending(self.scenario()), None).map(|_| ())
    }

    /// Sets the status, books what it means, and notifies; the job of the (first) callback.
    pub(super) fn finish(&mut self, tx: &Tx<'_>, key: &str, word: &str, then: Option<&str>) -> Result<Option<i64>, Error> {
        self.state = word.to_owned();
        if word == SUCCESS && !self.settled {
            match self.direction {
                Direction::In => {
                    self.settled = true;
                    tx.accept(&self.transfer(key), TransferState::Settled)?;
                }
                // A success told of what was never released moves nothing.
                Direction::Out if self.released => {
                    self.settled = true;
                    tx.transfer_became(key, TransferState::Settled)?;
                }
                Direction::Out => {}
            }
        } else if self.has_ended() && self.released && !self.settled {
            tx.transfer_became(key, TransferState::Returned)?;
        }
        tx.save(key, self)?;
        if word != SUCCESS && tx.settings()?.forge_callbacks {
            self.forge(tx, key)?;
        }
        let Some(mut callback) = self.callback(tx, key, word)? else {
            // Nobody to tell; what follows the callback follows all the same.
            return then.map_or(Ok(()), |event| tx.schedule(key, event, LATE_SUCCESS_MS)).map(|()| None);
        };
        callback.then = then.map(|event| (event.to_owned(), LATE_SUCCESS_MS));
        let first = tx.send(key, &callback)?;
        if self.scenario() == 8 {
            tx.send(key, &callback)?;
            tx.send(key, &callback)?;
        }
        Ok(Some(first))
    }

    /// Success told for what nobody paid; there is no signature that could be wrong.
    pub(super) fn forge(&self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        match self.callback(tx, key, SUCCESS)? {
            Some(callback) => tx.send(key, &callback).map(|_| ()),
            None => Ok(()),
        }
    }

    /// A form to the listener, whose query says what counts (section "Callbacks").
    fn callback(&self, tx: &Tx<'_>, key: &str, status: &str) -> Result<Option<Callback>, Error> {
        let account = tx.account_of::<Account>(&self.account)?;
        let listener = account.and_then(|(_, account)| account.callback_url).and_then(|url| Url::parse(&url).ok());
        let Some(mut url) = listener else {
            return Ok(None);
        };
        url.query_pairs_mut().append_pair("transaction", key).append_pair("status", status);
        // The rail that was used, not the one that was asked for.
        let rail = if self.direction == Direction::In { "ETI" } else { &self.kind };
        let sent_at = (tx.now_ms / 1_000).to_string();
        let sandbox = self.sandbox.to_string();
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("transactionId", key)
            .append_pair("userId", &self.user_id)
            .append_pair("site", &self.site)
            .append_pair("userIp", &self.user_ip)
            .append_pair("currency", CURRENCY)
            .append_pair("amount", &self.amount)
            .append_pair("name", &self.name)
            .append_pair("email", &self.email)
            .append_pair("type", rail)
            .append_pair("sandbox", &sandbox)
            .append_pair("entityId", self.entity())
            .append_pair("iat", &sent_at)
            .append_pair("aggid", self.user())
            .append_pair("cookie", "")
            .append_pair("cpiType", rail)
            .finish();
        let mut callback = Callback::post(url.as_str(), "application/x-www-form-urlencoded", body);
        callback.ack = Ack::Exactly200;
        Ok(Some(callback))
    }

    /// Gigadat's id of the merchant's user: 24 digits that tell nothing.
    pub(super) fn user(&self) -> &str {
        self.account.get(..24).unwrap_or_default()
    }

    /// Gigadat's id of the merchant's entity.
    pub(super) fn entity(&self) -> &str {
        self.account.get(24..48).unwrap_or_default()
    }
}

/// What the scenario makes of a payment.
fn ending(scenario: u8) -> &'static str {
    match scenario {
        1 => REJECTED,
        2 => ABORTED,
        3 => EXPIRED,
        _ => SUCCESS,
    }
}
