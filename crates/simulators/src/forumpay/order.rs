//! Invoices and buy orders with their payments, and how a payment ends.

use money::{Currency, Money};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::coins::{Coin, coin, first};
use super::{AFTER_CALLBACK_MS, Account, PAYMENT_LIFE_MS};
use crate::kit::{Callback, Direction, Error, Transfer, TransferState, Tx, scenario};

pub(super) const QUOTED: &str = "quoted";
pub(super) const WAITING: &str = "waiting";
pub(super) const PROCESSING: &str = "processing";
pub(super) const UNDERPAYMENT: &str = "underpayment";
pub(super) const CONFIRMED: &str = "confirmed";
pub(super) const CANCELLED: &str = "cancelled";
pub(super) const BLOCKED: &str = "blocked";
/// The `reason` of a payment that the payer cancelled.
pub(super) const CURIOUS: &str = "curious";
/// The `reason` of a payment that a review ended.
pub(super) const BAD_RATE: &str = "bad_rate";
/// No coins.
const NOTHING: &str = "0";

/// What becomes of a payment.
pub(super) enum Ending {
    Confirmed,
    /// No ending yet: ForumPay's compliance looks at it, and then cancels it.
    Blocked,
    /// With its `reason`; a payment that ran out has none.
    Cancelled(Option<&'static str>),
    /// Scenario 09: cancelled by the payer, who then pays with another one.
    CancelledForAnother,
    /// Some other word, set by a control call.
    Raw(String),
}

/// One payment in one coin: an attempt of a payer, or the one of a buy order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Payment {
    pub(super) payment_id: String,
    pub(super) coin: String,
    /// Empty until StartBuyOrder names it.
    pub(super) address: String,
    pub(super) amount: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    /// What an underpaid payment still lacks.
    pub(super) missing: Option<String>,
    /// The coins that have come and were not sent back.
    pub(super) received: String,
    /// What the merchant accepted instead of the invoice's amount.
    pub(super) accepted: Option<String>,
    pub(super) inserted_ms: i64,
    /// When it was confirmed. After a review the `state` may still be `blocked`.
    pub(super) confirmed_ms: Option<i64>,
    pub(super) cancelled_ms: Option<i64>,
    /// When a waiting payment runs out.
    pub(super) expires_ms: i64,
    /// Whether the ledger has it.
    booked: bool,
}

/// An invoice (pay-in) or a buy order (pay-out).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    /// Digest of the account's name.
    pub(super) account: String,
    pub(super) direction: Direction,
    /// `reference_no`; empty for a rate that no order was started from.
    pub(super) reference: String,
    pub(super) pos_id: String,
    pub(super) invoice_currency: String,
    pub(super) invoice_amount: String,
    pub(super) webhook_url: Option<String>,
    pub(super) success_url: Option<String>,
    pub(super) failure_url: Option<String>,
    pub(super) payments: Vec<Payment>,
    /// ConfirmBuyOrder was accepted.
    pub(super) confirm_taken: bool,
    /// Scenario 04 has struck.
    pub(super) confirm_failed: bool,
}

impl Payment {
    pub(super) fn new(coin: &Coin, address: String, amount: String, state: &str, now_ms: i64) -> Self {
        Self {
            payment_id: Uuid::new_v4().to_string(),
            coin: coin.code.to_owned(),
            address,
            amount,
            state: state.to_owned(),
            reason: None,
            missing: None,
            received: NOTHING.to_owned(),
            accepted: None,
            inserted_ms: now_ms,
            confirmed_ms: None,
            cancelled_ms: None,
            expires_ms: i64::MAX,
            booked: false,
        }
    }

    /// Whether it can still end one way or the other.
    pub(super) fn is_alive(&self) -> bool {
        self.awaits_payer() || self.is_in_review()
    }

    /// Whether the payer can still do something about it.
    pub(super) fn awaits_payer(&self) -> bool {
        matches!(self.state.as_str(), WAITING | PROCESSING | UNDERPAYMENT)
    }

    /// Whether compliance looks at it.
    pub(super) fn is_in_review(&self) -> bool {
        self.state == BLOCKED && !self.is_confirmed()
    }

    /// Whether it was paid.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed_ms.is_some()
    }

    /// Whether it ended without being paid.
    pub(super) fn has_lapsed(&self) -> bool {
        self.cancelled_ms.is_some()
    }

    /// Whether coins are there.
    pub(super) fn has_coins(&self) -> bool {
        self.received.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
    }
}

impl Order {
    pub(super) fn scenario(&self) -> u8 {
        scenario(&self.invoice_amount, &self.invoice_currency)
    }

    pub(super) fn money(&self) -> Option<Money> {
        Money::parse_decimal(&self.invoice_amount, Currency::from_code(&self.invoice_currency)?).ok()
    }

    /// The payment that a reference means: its own id, else the latest.
    pub(super) fn index_of(&self, reference: &str) -> Option<usize> {
        self.payments.iter().position(|payment| payment.payment_id == reference).or_else(|| self.payments.len().checked_sub(1))
    }

    /// A payer's new attempt; it runs out by itself.
    pub(super) fn add_payment(&mut self, tx: &Tx<'_>, key: &str, coin: &Coin) -> Result<usize, Error> {
        let amount = self.money().map(|money| coin.exchanged(money)).unwrap_or_default();
        let mut payment = Payment::new(coin, coin.new_address(), amount, WAITING, tx.now_ms);
        payment.expires_ms = tx.now_ms + tx.scaled(PAYMENT_LIFE_MS);
        tx.add_name(&payment.payment_id, key)?;
        tx.schedule(key, &format!("lapse:{}", payment.payment_id), PAYMENT_LIFE_MS)?;
        self.payments.push(payment);
        tx.save(key, self)?;
        Ok(self.payments.len() - 1)
    }

    /// The page's button Pay.
    pub(super) fn press_pay(&mut self, tx: &Tx<'_>, key: &str, index: usize) -> Result<(), Error> {
        let ending = match self.scenario() {
            9 if self.payments.len() == 1 => Ending::CancelledForAnother,
            scenario => ending(scenario),
        };
        self.end(tx, key, index, ending).map(|_| ())
    }

    /// The page's button "Pay less".
    pub(super) fn press_pay_less(&mut self, tx: &Tx<'_>, key: &str, index: usize) -> Result<(), Error> {
        let coins = coin(&self.payments[index].coin).zip(self.money());
        let payment = &mut self.payments[index];
        payment.state = UNDERPAYMENT.to_owned();
        payment.missing = coins.map(|(coin, money)| coin.tenth(money));
        payment.received = coins.map_or_else(|| NOTHING.to_owned(), |(coin, money)| coin.all_but_a_tenth(money));
        tx.save(key, self)
    }

    /// The coins of a payment that has ended come all the same: they are there, and change nothing until the merchant accepts
    /// them.
    pub(super) fn coins_come_late(&mut self, tx: &Tx<'_>, key: &str, index: usize) -> Result<(), Error> {
        let payment = &mut self.payments[index];
        payment.received = payment.amount.clone();
        payment.missing = None;
        tx.save(key, self)?;
        self.tell(tx, key, index, None).map(|_| ())
    }

    /// The merchant accepts at ForumPay what has come: confirmed, for the whole amount or for nine tenths of it.
    pub(super) fn accept_coins(&mut self, tx: &Tx<'_>, key: &str, index: usize) -> Result<(), Error> {
        let money = self.money();
        let payment = &mut self.payments[index];
        if payment.missing.is_some() {
            let less = money.map(|money| Money::from_minor(money.minor() - money.minor() / 10, money.currency()));
            payment.accepted = less.map(|money| money.to_fixed());
        }
        self.end(tx, key, index, Ending::Confirmed).map(|_| ())
    }

    /// `--auto-settle`: picks a coin where none is picked, and pays.
    pub(super) fn pay_by_itself(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        let index = match self.payments.len().checked_sub(1) {
            Some(last) => last,
            None => self.add_payment(tx, key, first())?,
        };
        if self.payments[index].awaits_payer() { self.press_pay(tx, key, index) } else { Ok(()) }
    }

    /// A payment or an unconfirmed order whose time is over.
    pub(super) fn lapse(&mut self, tx: &Tx<'_>, key: &str, payment_id: &str) -> Result<(), Error> {
        let Some(index) = self.payments.iter().position(|payment| payment.payment_id == payment_id) else {
            return Ok(());
        };
        let waits = matches!(self.payments[index].state.as_str(), WAITING | UNDERPAYMENT);
        if waits && !self.confirm_taken {
            self.end(tx, key, index, Ending::Cancelled(None))?;
        }
        Ok(())
    }

    /// A confirmed buy order after `settleDelayMs`.
    pub(super) fn settle(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        if self.payments.first().is_some_and(|payment| payment.state == PROCESSING) {
            let ending = ending(self.scenario());
            self.end(tx, key, 0, ending)?;
        }
        Ok(())
    }

    /// Brings a payment on, books what it means, and notifies; the job of the (first) callback.
    pub(super) fn end(&mut self, tx: &Tx<'_>, key: &str, index: usize, ending: Ending) -> Result<Option<i64>, Error> {
        let payment = &mut self.payments[index];
        (payment.reason, payment.confirmed_ms, payment.cancelled_ms) = (None, None, None);
        let mut then = None;
        match ending {
            Ending::Confirmed => {
                payment.confirmed_ms = Some(tx.now_ms);
                // A review that let it pass leaves its word behind.
                if payment.state != BLOCKED {
                    payment.state = CONFIRMED.to_owned();
                }
                if payment.accepted.is_none() {
                    payment.missing = None;
                    payment.received = payment.amount.clone();
                }
            }
            Ending::Blocked => {
                payment.state = BLOCKED.to_owned();
                payment.received = payment.amount.clone();
                then = Some(format!("reviewed:{}", payment.payment_id));
            }
            Ending::Cancelled(_) | Ending::CancelledForAnother => {
                payment.reason = match ending {
                    Ending::Cancelled(reason) => reason.map(str::to_owned),
                    _ => Some(CURIOUS.to_owned()),
                };
                // What a review does not let pass is sent back.
                if payment.state == BLOCKED {
                    payment.received = NOTHING.to_owned();
                }
                payment.state = CANCELLED.to_owned();
                payment.cancelled_ms = Some(tx.now_ms);
                then = matches!(ending, Ending::CancelledForAnother).then(|| "second".to_owned());
            }
            Ending::Raw(word) => payment.state = word,
        }
        self.book(tx, index)?;
        tx.save(key, self)?;
        if !self.payments[index].is_confirmed() && tx.settings()?.forge_callbacks {
            self.forge(tx, key)?;
        }
        self.tell(tx, key, index, then)
    }

    /// Notifies, and lets `then` happen a little after that; the job of the (first) callback.
    fn tell(&self, tx: &Tx<'_>, key: &str, index: usize, then: Option<String>) -> Result<Option<i64>, Error> {
        let Some(mut callback) = self.callback(tx, &self.payments[index])? else {
            // Nobody to tell; what follows the callback follows all the same.
            return then.map_or(Ok(()), |event| tx.schedule(key, &event, AFTER_CALLBACK_MS)).map(|()| None);
        };
        callback.then = then.map(|event| (event, AFTER_CALLBACK_MS));
        let first = tx.send(key, &callback)?;
        if self.scenario() == 8 {
            tx.send(key, &callback)?;
            tx.send(key, &callback)?;
        }
        Ok(Some(first))
    }

    fn book(&mut self, tx: &Tx<'_>, index: usize) -> Result<(), Error> {
        let payment = &self.payments[index];
        if payment.booked {
            return Ok(());
        }
        match self.direction {
            Direction::In if payment.is_confirmed() => tx.accept(&self.transfer(payment), TransferState::Settled)?,
            Direction::Out if self.confirm_taken && payment.is_confirmed() => {
                tx.transfer_became(&payment.payment_id, TransferState::Settled)?;
            }
            Direction::Out if self.confirm_taken && payment.has_lapsed() => {
                return tx.transfer_became(&payment.payment_id, TransferState::Returned);
            }
            _ => return Ok(()),
        }
        self.payments[index].booked = true;
        Ok(())
    }

    /// The invoice's amount, or what the merchant accepted in its place.
    pub(super) fn amount_of<'a>(&'a self, payment: &'a Payment) -> &'a str {
        payment.accepted.as_deref().unwrap_or(&self.invoice_amount)
    }

    /// The ledger's view of a payment.
    pub(super) fn transfer<'a>(&'a self, payment: &'a Payment) -> Transfer<'a> {
        Transfer {
            reference: &self.reference,
            provider_reference: &payment.payment_id,
            direction: self.direction,
            amount: self.amount_of(payment),
            currency: &self.invoice_currency,
            destination: (self.direction == Direction::Out).then_some(payment.address.as_str()),
        }
    }

    /// Tells of a payment that nobody made. A callback has no status and no signature: all it can lie about is
    /// that something happened.
    pub(super) fn forge(&self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        let invented = Payment::new(first(), first().new_address(), String::new(), CONFIRMED, tx.now_ms);
        match self.callback(tx, self.payments.last().unwrap_or(&invented))? {
            Some(callback) => tx.send(key, &callback).map(|_| ()),
            None => Ok(()),
        }
    }

    fn callback(&self, tx: &Tx<'_>, payment: &Payment) -> Result<Option<Callback>, Error> {
        let url = match &self.webhook_url {
            Some(url) => Some(url.clone()),
            None => tx.account_of::<Account>(&self.account)?.and_then(|(_, account)| account.callback_url),
        };
        if tx.settings()?.short_callbacks {
            let body = json!({"payment_id": payment.payment_id});
            return Ok(url.map(|url| Callback::post(&url, "application/json", body.to_string())));
        }
        let body = json!({
            "pos_id": self.pos_id, "payment_id": payment.payment_id, "currency": payment.coin,
            "address": payment.address, "reference_no": self.reference,
        });
        Ok(url.map(|url| Callback::post(&url, "application/json", body.to_string())))
    }
}

/// What the scenario makes of a payment.
pub(super) fn ending(scenario: u8) -> Ending {
    match scenario {
        1 => Ending::Blocked,
        2 => Ending::Cancelled(Some(CURIOUS)),
        3 => Ending::Cancelled(None),
        _ => Ending::Confirmed,
    }
}
