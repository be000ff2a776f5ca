//! Where a payment's money is: the balances of its accounts, and what a journal books. Worldpay sheet, "Refunds in parts".
//!
//! What is captured is in `IN_PROCESS_CAPTURED`; once it is settled, in `SETTLED_BIBIT_NET` and, what Worldpay keeps of it, in
//! `SETTLED_BIBIT_COMMISSION`, both in the settlement's currency. A refund is taken from the net account alone; its journal shows
//! the commission that stays first, and what was captured only where that is another currency.

use money::{Currency, Money};

use super::Account;
use super::order::{Order, Payment, is_return, is_success};

const AUTHORISED: &str = "IN_PROCESS_AUTHORISED";
const CAPTURED: &str = "IN_PROCESS_CAPTURED";
const NET: &str = "SETTLED_BIBIT_NET";
const COMMISSION: &str = "SETTLED_BIBIT_COMMISSION";
/// What Worldpay keeps of a settled payment, percent.
const COMMISSION_PERCENT: i64 = 1;
/// What a unit of the order's currency is in another one, percent.
const RATE_PERCENT: i64 = 86;

/// An amount in some currency; minor units.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) minor: i64,
    pub(super) currency: String,
    pub(super) exponent: u8,
}

impl Amount {
    pub(super) fn of(order: &Order, minor: i64) -> Self {
        Self { minor, currency: order.currency.clone(), exponent: order.exponent() }
    }

    /// In the settlement's currency, by a rate that serves for a test.
    fn settled(account: &Account, order: &Order, minor: i64) -> Self {
        let other = account.settlement_currency.as_deref().filter(|code| *code != order.currency);
        match other.and_then(Currency::from_code) {
            Some(currency) => {
                let minor = minor * RATE_PERCENT / 100;
                let money = Money::from_minor(minor, currency);
                Self { minor, currency: currency.code().to_owned(), exponent: money.currency().digits() }
            }
            None => Self::of(order, minor),
        }
    }
}

/// So much in an account, less than nothing on its debit side.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Booking {
    pub(super) account: &'static str,
    pub(super) amount: Amount,
}

fn commission(order: &Order) -> i64 {
    order.amount_minor * COMMISSION_PERCENT / 100
}

/// The balances of a payment as they stand.
pub(super) fn balances(account: &Account, order: &Order, payment: &Payment) -> Vec<Booking> {
    // What was never captured is in no account once it is over.
    if !payment.booked || matches!(payment.last_event.as_str(), "CANCELLED" | "SHOPPER_CANCELLED" | "VOIDED" | "EXPIRED") {
        return Vec::new();
    }
    let left = order.amount_minor - payment.given_back;
    if payment.settled {
        let commission = commission(order);
        return [(NET, left - commission), (COMMISSION, commission)]
            .map(|(name, minor)| Booking { account: name, amount: Amount::settled(account, order, minor) })
            .into();
    }
    let name = if payment.last_event == "AUTHORISED" { AUTHORISED } else { CAPTURED };
    vec![Booking { account: name, amount: Amount::of(order, left) }]
}

/// What the journal of the last event books.
pub(super) fn journal(account: &Account, order: &Order, payment: &Payment) -> Vec<Booking> {
    let word = payment.last_event.as_str();
    let booking = |account, amount| Booking { account, amount };
    let moved = || Amount::of(order, payment.moved);
    match word {
        "AUTHORISED" => vec![booking(AUTHORISED, moved())],
        "SETTLED" | "SETTLED_BY_MERCHANT" => balances(account, order, payment),
        _ if is_return(word) && payment.settled => {
            let settled = |minor| Amount::settled(account, order, minor);
            let mut bookings = vec![booking(COMMISSION, settled(commission(order))), booking(NET, settled(payment.moved))];
            if bookings[0].amount.currency != order.currency {
                bookings.push(booking(CAPTURED, moved()));
            }
            bookings
        }
        "REFUNDED" | "REFUNDED_BY_MERCHANT" | "CHARGED_BACK" => vec![booking(CAPTURED, moved())],
        _ if is_success(word) => vec![booking(CAPTURED, moved())],
        _ => Vec::new(),
    }
}
