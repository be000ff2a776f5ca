//! Invoices and buy orders with their payments, and how a payment ends.

use money::{Currency, Money};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::coins::{Coin, coin, first};
use super::{Account, LATE_SUCCESS_MS, PAYMENT_LIFE_MS};
use crate::kit::{Callback, Direction, Error, Transfer, TransferState, Tx, scenario};

pub(super) const QUOTED: &str = "quoted";
pub(super) const WAITING: &str = "waiting";
pub(super) const PROCESSING: &str = "processing";
pub(super) const UNDERPAYMENT: &str = "underpayment";
pub(super) const CONFIRMED: &str = "confirmed";
pub(super) const CANCELLED: &str = "cancelled";
pub(super) const BLOCKED: &str = "blocked";
/// The `reason` of a cancelled payment.
pub(super) const CURIOUS: &str = "curious";
/// The `reason` of a payment that ran out ([assumed]).
pub(super) const EXPIRED: &str = "expired";

/// How a payment ends.
pub(super) enum Ending {
    Confirmed,
    Blocked,
    Cancelled(&'static str),
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
    pub(super) inserted_ms: i64,
    pub(super) ended_ms: i64,
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
            inserted_ms: now_ms,
            ended_ms: 0,
            expires_ms: i64::MAX,
            booked: false,
        }
    }

    /// Whether it can still end one way or the other.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.state.as_str(), WAITING | PROCESSING | UNDERPAYMENT)
    }

    /// Whether it was paid.
    pub(super) fn is_confirmed(&self) -> bool {
        self.state == CONFIRMED
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
        let (ending, then) = match self.scenario() {
            9 if self.payments.len() == 1 => (Ending::Cancelled(CURIOUS), Some("second")),
            scenario => (ending(scenario), None),
        };
        self.end(tx, key, index, ending, then).map(|_| ())
    }

    /// The page's button "Pay less".
    pub(super) fn press_pay_less(&mut self, tx: &Tx<'_>, key: &str, index: usize) -> Result<(), Error> {
        let missing = coin(&self.payments[index].coin).zip(self.money()).map(|(coin, money)| coin.tenth(money));
        let payment = &mut self.payments[index];
        payment.state = UNDERPAYMENT.to_owned();
        payment.missing = missing;
        tx.save(key, self)
    }

    /// `--auto-settle`: picks a coin where none is picked, and pays.
    pub(super) fn pay_by_itself(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        let index = match self.payments.len().checked_sub(1) {
            Some(last) => last,
            None => self.add_payment(tx, key, first())?,
        };
        if self.payments[index].is_alive() { self.press_pay(tx, key, index) } else { Ok(()) }
    }

    /// A payment or an unconfirmed order whose time is over.
    pub(super) fn lapse(&mut self, tx: &Tx<'_>, key: &str, payment_id: &str) -> Result<(), Error> {
        let Some(index) = self.payments.iter().position(|payment| payment.payment_id == payment_id) else {
            return Ok(());
        };
        let waits = matches!(self.payments[index].state.as_str(), WAITING | UNDERPAYMENT);
        if waits && !self.confirm_taken {
            self.end(tx, key, index, Ending::Cancelled(EXPIRED), None)?;
        }
        Ok(())
    }

    /// A confirmed buy order after `settleDelayMs`.
    pub(super) fn settle(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        if self.payments.first().is_some_and(|payment| payment.state == PROCESSING) {
            let ending = ending(self.scenario());
            self.end(tx, key, 0, ending, None)?;
        }
        Ok(())
    }

    /// Ends a payment, books what it means, and notifies; the job of the (first) callback.
    pub(super) fn end(
        &mut self,
        tx: &Tx<'_>,
        key: &str,
        index: usize,
        ending: Ending,
        then: Option<&str>,
    ) -> Result<Option<i64>, Error> {
        let payment = &mut self.payments[index];
        payment.reason = None;
        payment.ended_ms = tx.now_ms;
        payment.state = match ending {
            Ending::Confirmed => CONFIRMED.to_owned(),
            Ending::Blocked => BLOCKED.to_owned(),
            Ending::Cancelled(reason) => {
                payment.reason = Some(reason.to_owned());
                CANCELLED.to_owned()
            }
            Ending::Raw(word) => word,
        };
        if payment.state == CONFIRMED {
            payment.missing = None;
        }
        let state = payment.state.clone();
        self.book(tx, index, &state)?;
        tx.save(key, self)?;
        if state != CONFIRMED && tx.settings()?.forge_callbacks {
            self.forge(tx, key)?;
        }
        let Some(mut callback) = self.callback(tx, &self.payments[index])? else {
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

    fn book(&mut self, tx: &Tx<'_>, index: usize, state: &str) -> Result<(), Error> {
        let payment = &self.payments[index];
        if payment.booked {
            return Ok(());
        }
        match (self.direction, state) {
            (Direction::In, CONFIRMED) => tx.accept(&self.transfer(payment), TransferState::Settled)?,
            (Direction::Out, CONFIRMED) if self.confirm_taken => {
                tx.transfer_became(&payment.payment_id, TransferState::Settled)?;
            }
            (Direction::Out, BLOCKED | CANCELLED) if self.confirm_taken => {
                return tx.transfer_became(&payment.payment_id, TransferState::Returned);
            }
            _ => return Ok(()),
        }
        self.payments[index].booked = true;
        Ok(())
    }

    /// The ledger's view of a payment.
    pub(super) fn transfer<'a>(&'a self, payment: &'a Payment) -> Transfer<'a> {
        Transfer {
            reference: &self.reference,
            provider_reference: &payment.payment_id,
            direction: self.direction,
            amount: &self.invoice_amount,
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
        2 => Ending::Cancelled(CURIOUS),
        3 => Ending::Cancelled(EXPIRED),
        _ => Ending::Confirmed,
    }
}
