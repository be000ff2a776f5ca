//! A transfer, and how it ends.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CANCELLED, COMPLETED, EXPIRED, LATE_SUCCESS_MS, REJECTED};
use crate::kit::{Callback, Direction, Error, Transfer, TransferState, Tx, scenario};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    /// Digest of the account's name.
    pub(super) account: String,
    pub(super) direction: Direction,
    pub(super) reference: String,
    /// The currency's digits.
    pub(super) amount: String,
    pub(super) currency: String,
    pub(super) country: String,
    pub(super) payer: String,
    /// The account number that a transfer-out goes to.
    pub(super) destination: String,
    pub(super) return_url: Option<String>,
    pub(super) notification_url: String,
    pub(super) state: String,
    /// Whether the ledger has the money as moved for good.
    pub(super) settled: bool,
}

impl Order {
    pub(super) fn scenario(&self) -> u8 {
        scenario(&self.amount, &self.currency)
    }

    pub(super) fn has_ended(&self) -> bool {
        [COMPLETED, REJECTED, EXPIRED, CANCELLED].contains(&self.state.as_str())
    }

    /// The transfer as the inquiry and the callback tell it, with a status of its own choosing.
    pub(super) fn told(&self, key: &str, status: &str) -> Value {
        let kind = if self.direction == Direction::In { "TRANSFER_IN" } else { "TRANSFER_OUT" };
        json!({
            "id": key, "externalReference": self.reference, "type": kind, "status": status, "amount": self.amount,
            "currency": self.currency, "country": self.country,
            "reason": (status == REJECTED).then_some("Rejected by the bank"),
        })
    }

    /// The ledger's view.
    pub(super) fn transfer<'a>(&'a self, key: &'a str) -> Transfer<'a> {
        Transfer {
            reference: &self.reference,
            provider_reference: key,
            direction: self.direction,
            amount: &self.amount,
            currency: &self.currency,
            destination: (self.direction == Direction::Out).then_some(self.destination.as_str()),
        }
    }

    /// The page's button Pay.
    pub(super) fn press_pay(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        match self.scenario() {
            9 => self.finish(tx, key, REJECTED, Some("late")).map(|_| ()),
            scenario => self.finish(tx, key, ending(scenario), None).map(|_| ()),
        }
    }

    /// An accepted transfer-out after `settleDelayMs`.
    pub(super) fn settle(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        self.finish(tx, key, ending(self.scenario()), None).map(|_| ())
    }

    /// Sets the status, books what it means, and notifies; the job of the (first) callback.
    pub(super) fn finish(&mut self, tx: &Tx<'_>, key: &str, word: &str, then: Option<&str>) -> Result<Option<i64>, Error> {
        self.state = word.to_owned();
        if word == COMPLETED && !self.settled {
            self.settled = true;
            match self.direction {
                Direction::In => tx.accept(&self.transfer(key), TransferState::Settled)?,
                Direction::Out => tx.transfer_became(key, TransferState::Settled)?,
            }
        } else if self.has_ended() && self.direction == Direction::Out && !self.settled {
            tx.transfer_became(key, TransferState::Returned)?;
        }
        tx.save(key, self)?;
        if word != COMPLETED && tx.settings()?.forge_callbacks {
            self.forge(tx, key)?;
        }
        let mut callback = self.callback(key, word);
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
        tx.send(key, &self.callback(key, COMPLETED)).map(|_| ())
    }

    /// Repeated at 1, 5 and 15 minutes until a 2xx.
    fn callback(&self, key: &str, status: &str) -> Callback {
        Callback::post(&self.notification_url, "application/json", self.told(key, status).to_string())
    }
}

/// What the scenario makes of a transfer.
fn ending(scenario: u8) -> &'static str {
    match scenario {
        1 => REJECTED,
        2 => CANCELLED,
        3 => EXPIRED,
        _ => COMPLETED,
    }
}
