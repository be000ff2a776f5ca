//! A deposit or a withdraw, and how it ends.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{APPROVED, Account, CANCELLED, CURRENCY, DECLINED, EXPIRED};
use crate::kit::{Callback, Direction, Error, Transfer, TransferState, Tx, hmac_sha256_hex, random_hex, scenario};

/// Scenario 09: the success comes this long after the callback of the negative ending (unscaled).
const LATE_SUCCESS_MS: u64 = 2_000;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    /// Digest of the account's name.
    pub(super) account: String,
    pub(super) direction: Direction,
    pub(super) reference: String,
    pub(super) user_id: String,
    pub(super) client: String,
    pub(super) brand: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) email: String,
    pub(super) phone: String,
    pub(super) user_ip: String,
    pub(super) amount: String,
    pub(super) site_url: String,
    pub(super) callback_url: String,
    pub(super) token: String,
    pub(super) created_at_ms: i64,
    pub(super) state: String,
    /// Whether the ledger has the money as moved for good.
    pub(super) settled: bool,
}

impl Order {
    pub(super) fn kind(&self) -> &'static str {
        if self.direction == Direction::In { "deposit" } else { "withdraw" }
    }

    pub(super) fn scenario(&self) -> u8 {
        scenario(&self.amount, CURRENCY)
    }

    /// The transaction as the inquiry and the callback tell it, with a status of its own choosing.
    pub(super) fn told(&self, key: &str, status: &str) -> Value {
        json!({
            "transactionId": key, "referenceId": self.reference, "userId": self.user_id, "amount": self.amount,
            "currency": CURRENCY, "type": self.kind(), "status": status, "message": status,
        })
    }
}

pub(super) fn transfer<'a>(key: &'a str, order: &'a Order) -> Transfer<'a> {
    Transfer {
        reference: &order.reference,
        provider_reference: key,
        direction: order.direction,
        amount: &order.amount,
        currency: CURRENCY,
        // Interac pays a mail address.
        destination: (order.direction == Direction::Out).then_some(order.email.as_str()),
    }
}

/// What the scenario makes of a payment.
pub(super) fn ending(scenario: u8) -> &'static str {
    match scenario {
        1 => DECLINED,
        2 => CANCELLED,
        3 => EXPIRED,
        _ => APPROVED,
    }
}

/// The page's button Pay.
pub(super) fn press_pay(tx: &Tx<'_>, key: &str, order: &mut Order) -> Result<(), Error> {
    match order.scenario() {
        9 => finish(tx, key, order, DECLINED, Some("late")),
        scenario => finish(tx, key, order, ending(scenario), None),
    }
}

pub(super) fn finish(tx: &Tx<'_>, key: &str, order: &mut Order, word: &str, then: Option<&str>) -> Result<(), Error> {
    finish_and_send(tx, key, order, word, then).map(|_| ())
}

/// Sets the status, books what it means, and notifies; the job of the (first) callback.
pub(super) fn finish_and_send(
    tx: &Tx<'_>,
    key: &str,
    order: &mut Order,
    word: &str,
    then: Option<&str>,
) -> Result<Option<i64>, Error> {
    order.state = word.to_owned();
    if word == APPROVED && !order.settled {
        order.settled = true;
        match order.direction {
            Direction::In => tx.accept(&transfer(key, order), TransferState::Settled)?,
            Direction::Out => tx.transfer_became(key, TransferState::Settled)?,
        }
    } else if [DECLINED, CANCELLED, EXPIRED].contains(&word) && order.direction == Direction::Out && !order.settled {
        tx.transfer_became(key, TransferState::Returned)?;
    }
    tx.save(key, order)?;
    if word != APPROVED && tx.settings()?.forge_callbacks {
        forge(tx, key, order)?;
    }
    let Some((api_key, _)) = tx.account_of::<Account>(&order.account)? else {
        return Ok(None);
    };
    let mut callback = callback(order, key, word, api_key.as_bytes());
    callback.then = then.map(|event| (event.to_owned(), LATE_SUCCESS_MS));
    let first = tx.send(key, &callback)?;
    if order.scenario() == 8 {
        tx.send(key, &callback)?;
        tx.send(key, &callback)?;
    }
    Ok(Some(first))
}

/// Success told for what nobody paid, signed with a key that is nobody's.
pub(super) fn forge(tx: &Tx<'_>, key: &str, order: &Order) -> Result<(), Error> {
    tx.send(key, &callback(order, key, APPROVED, random_hex(32).as_bytes())).map(|_| ())
}

fn callback(order: &Order, key: &str, status: &str, signing_key: &[u8]) -> Callback {
    let body = order.told(key, status).to_string();
    let signature = hmac_sha256_hex(signing_key, body.as_bytes());
    let mut callback = Callback::post(&order.callback_url, "application/json", body);
    callback.headers.push(("x-signature".to_owned(), signature));
    callback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callback_has_the_bytes_and_the_signature_of_the_sheet() {
        let order = Order {
            account: String::new(),
            direction: Direction::In,
            reference: "64a1f2b3c4d5e6f7a8b9c0d1".into(),
            user_id: "user_123".into(),
            client: "Demo".into(),
            brand: "Demo".into(),
            first_name: "John".into(),
            last_name: "Doe".into(),
            email: "player@example.com".into(),
            phone: "4915112345678".into(),
            user_ip: "203.0.113.42".into(),
            amount: "100.00".into(),
            site_url: "https://your-site.com/operations".into(),
            callback_url: "https://gw.example/callbacks/payone/t".into(),
            token: "t".into(),
            created_at_ms: 0,
            state: APPROVED.into(),
            settled: true,
        };
        let callback = callback(&order, "HS932097JV", APPROVED, b"payone-key-0001");
        assert_eq!(callback.body.len(), 184);
        assert_eq!(callback.headers[1].0, "x-signature");
        assert_eq!(callback.headers[1].1, "a0f98e4c504367f481a5d185ef44415f5017d382c93560f84a830f45846c0d4f");
    }
}
