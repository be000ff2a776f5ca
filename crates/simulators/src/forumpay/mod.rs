//! ForumPay's own side, written from the ForumPay sheet. `baseUrl` of a connector:
//! `{simulator}/forumpay/pay/v2/`.
//!
//! Account: `PUT /control/forumpay/accounts/{username}` with
//! `{"password":"...","payerIds":["..."],"callbackUrl":"...","merchant":"..."}`. `callbackUrl` (the dashboard's
//! address: all callbacks of pay-outs go there) and `merchant` (shown on the page) may be left out.
//!
//! Ledger: a pay-in at its payment, a pay-out at ConfirmBuyOrder. References: `reference_no`, a `payment_id`, an invoice's id.
//! State words: `waiting`, `processing`, `underpayment`, `blocked`, `confirmed`, `cancelled`; `quoted` before StartBuyOrder.
//!
//! Outcomes beside the common ones: `less` (the button "Pay less"), `late` (the coins of a payment that has ended come after all,
//! and belong to nobody), `accept` (the merchant accepts them at ForumPay: `confirmed`, for what has come). Setting
//! `shortCallbacks`: a callback has `payment_id` alone.

mod api;
mod buy;
mod coins;
mod order;
mod page;

use serde::Deserialize;
use serde_json::Value;

use crate::kit::{Call, Direction, Error, Pressed, Provider, Reply, Tx, is_http_url};
use order::{BAD_RATE, CURIOUS, Ending, Order};

/// A wait for the payer's coins (unscaled).
const PAYMENT_LIFE_MS: u64 = 5 * 60_000;
/// An unconfirmed buy order lapses after this long (unscaled).
const BUY_ORDER_LIFE_MS: u64 = 24 * 3_600_000;
/// What follows a callback (the end of a review; scenario 09: the second payment) comes this long after it (unscaled).
const AFTER_CALLBACK_MS: u64 = 2_000;

/// Turns a refusal into the inner result that `api::answer` writes out.
macro_rules! ask {
    ($outcome:expr) => {
        match $outcome {
            Ok(value) => value,
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
}
use ask;

/// The simulator.
pub(crate) struct ForumPay;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    password: String,
    payer_ids: Vec<String>,
    callback_url: Option<String>,
    #[serde(default = "demo_merchant")]
    merchant: String,
}

fn demo_merchant() -> String {
    "Demo company".to_owned()
}

impl Provider for ForumPay {
    fn name(&self) -> &'static str {
        "forumpay"
    }

    fn is_page(&self, path: &str) -> bool {
        path.starts_with("/invoice/")
    }

    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        api::answer(tx, call)
    }

    fn page(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        page::answer(tx, call)
    }

    fn check_account(&self, body: &Value) -> Result<(), String> {
        let account = Account::deserialize(body).map_err(|error| error.to_string())?;
        if account.password.is_empty() {
            return Err("password must not be empty".to_owned());
        }
        match account.callback_url {
            Some(url) if !is_http_url(&url) => Err("callbackUrl must be an address".to_owned()),
            _ => Ok(()),
        }
    }

    fn more_outcomes(&self) -> &'static [&'static str] {
        &["less", "late", "accept"]
    }

    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        if outcome == "reverse" {
            return Ok(Pressed::NotPossible("ForumPay knows no reversal".to_owned()));
        }
        let of_payer = order.direction == Direction::In;
        let index = match order.index_of(reference) {
            Some(index) => index,
            // The payer has not picked a coin yet: the control call picks one for him.
            None => order.add_payment(tx, &key, coins::first())?,
        };
        if let "late" | "accept" = outcome {
            let possible = of_payer && order.payments[index].has_lapsed();
            match outcome {
                _ if !possible => return Ok(Pressed::NotPossible("only coins of a cancelled pay-in come late".to_owned())),
                "late" => order.coins_come_late(tx, &key, index)?,
                _ if !order.payments[index].has_coins() => {
                    return Ok(Pressed::NotPossible("there are no coins to accept".to_owned()));
                }
                _ => order.accept_coins(tx, &key, index)?,
            }
            return Ok(Pressed::Done(order.payments[index].state.clone()));
        }
        let payment = &order.payments[index];
        if !payment.is_alive() {
            return Ok(Pressed::NotPossible(format!("the payment is {}", payment.state)));
        }
        if !of_payer && !order.confirm_taken && matches!(outcome, "approve" | "pay") {
            return Ok(Pressed::NotPossible("the order was not confirmed by the merchant".to_owned()));
        }
        match outcome {
            "pay" | "less" if of_payer && !payment.awaits_payer() => {
                return Ok(Pressed::NotPossible("the payment is in review".to_owned()));
            }
            "pay" if of_payer => order.press_pay(tx, &key, index)?,
            "less" if of_payer => order.press_pay_less(tx, &key, index)?,
            "pay" | "less" => return Ok(Pressed::NotPossible("a buy order has no page".to_owned())),
            "approve" => order.end(tx, &key, index, Ending::Confirmed).map(|_| ())?,
            // ForumPay has no word for a refusal: a review, and its end.
            "decline" => order.end(tx, &key, index, Ending::Blocked).map(|_| ())?,
            "cancel" => order.end(tx, &key, index, Ending::Cancelled(Some(CURIOUS))).map(|_| ())?,
            _ => order.end(tx, &key, index, Ending::Cancelled(None)).map(|_| ())?,
        }
        Ok(Pressed::Done(order.payments[index].state.clone()))
    }

    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        let index = match order.index_of(reference) {
            Some(index) => index,
            None => order.add_payment(tx, &key, coins::first())?,
        };
        let ending = match word {
            "confirmed" => Ending::Confirmed,
            "cancelled" => Ending::Cancelled(Some(CURIOUS)),
            // Set by hand, a review stays until somebody ends it.
            other => Ending::Raw(other.to_owned()),
        };
        order.end(tx, &key, index, ending)?;
        Ok(Pressed::Done(word.to_owned()))
    }

    fn state(&self, tx: &Tx<'_>, reference: &str) -> Result<Option<String>, Error> {
        Ok(tx.find::<Order>(reference)?.map(|(_, order)| {
            let index = order.index_of(reference);
            index.map_or_else(|| order::WAITING.to_owned(), |index| order.payments[index].state.clone())
        }))
    }

    fn event(&self, tx: &Tx<'_>, key: &str, event: &str) -> Result<(), Error> {
        let Some(mut order) = tx.load::<Order>(key)? else {
            return Ok(());
        };
        if let Some(payment_id) = event.strip_prefix("lapse:") {
            return order.lapse(tx, key, payment_id);
        }
        if let Some(payment_id) = event.strip_prefix("reviewed:") {
            return match order.payments.iter().position(|payment| payment.payment_id == payment_id && payment.is_in_review()) {
                Some(index) => order.end(tx, key, index, Ending::Cancelled(Some(BAD_RATE))).map(|_| ()),
                None => Ok(()),
            };
        }
        match event {
            "auto" => order.pay_by_itself(tx, key),
            "settle" => order.settle(tx, key),
            // The payer may have paid in the meantime; he does not pay twice.
            "second" if order.payments.iter().all(|payment| !payment.is_confirmed()) => {
                let index = order.add_payment(tx, key, coins::first())?;
                order.end(tx, key, index, Ending::Confirmed).map(|_| ())
            }
            _ => Ok(()),
        }
    }
}
