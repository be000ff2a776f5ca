//! Orders with their payments: what is kept, what a payment becomes, and who is told.

use money::{Currency, Money};
use serde::{Deserialize, Serialize};

use super::card::{Kept, Token, token_for};
use super::{Account, LATE_SUCCESS_MS, TICKET_LIFE_MS, told};
use crate::kit::{Ack, Callback, Direction, Error, Transfer, TransferState, Tx, random_digits};

pub(super) const AUTHORISED: &str = "AUTHORISED";
pub(super) const CAPTURED: &str = "CAPTURED";
pub(super) const REFUSED: &str = "REFUSED";
pub(super) const CANCELLED: &str = "CANCELLED";
pub(super) const EXPIRED: &str = "EXPIRED";
pub(super) const ERROR: &str = "ERROR";
const OPEN: &str = "OPEN";
/// `ISO8583ReturnCode` of a plain refusal.
pub(super) const PLAIN_REFUSAL: &str = "5";
/// Attempts of a payer on one order.
const PAYMENTS_MAX: usize = 20;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Notifications are sent again for seven days.
const RETRY_HOURS: u64 = 7 * 24;
const ACKNOWLEDGEMENT: &str = "[OK]";

/// One attempt to pay an order: a `payment` element of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Payment {
    /// Method code.
    pub(super) method: String,
    /// The masked number.
    pub(super) masked: String,
    pub(super) last_event: String,
    pub(super) return_code: Option<String>,
    pub(super) authorisation_id: String,
    /// The ledger's name of it.
    reference: String,
    /// Whether the ledger has it.
    pub(super) booked: bool,
    /// Minor units that went back to the payer, and that the last event moved.
    #[serde(default)]
    pub(super) given_back: i64,
    #[serde(default)]
    pub(super) moved: i64,
    /// Whether it was settled: its money is in other accounts then.
    #[serde(default)]
    pub(super) settled: bool,
}

/// What a token was asked for with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TokenAsked {
    pub(super) event_reference: Option<String>,
    pub(super) shopper: String,
}

/// A token that a payment led to, with its `tokenEvent`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TokenMade {
    pub(super) token: Token,
    pub(super) event: String,
}

/// What FraudSight made of the data that came with an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Fraud {
    pub(super) score: String,
    pub(super) id: String,
    pub(super) message: String,
}

/// What was pressed on the challenge page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answered {
    Authenticated,
    Failed,
    Cancelled,
}

/// A 3-D Secure challenge of a direct order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Challenge {
    pub(super) transaction_id: String,
    pub(super) acs_url: String,
    pub(super) payload: String,
    /// `session/@id` of the first submit.
    pub(super) session: Option<String>,
    /// Digest of the cookie `machine`.
    pub(super) machine: String,
    /// Whatever is pressed, the second submit answers CANCELLED.
    pub(super) cancels: bool,
    /// The browser never comes back.
    pub(super) never_returns: bool,
    pub(super) answered: Option<Answered>,
    /// The second submit was taken, or a control call ended the order.
    pub(super) closed: bool,
    /// Where the browser goes back to, and with what, once the page was opened.
    pub(super) way_back: Option<(String, String)>,
}

/// An order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    /// Digest of the account's name.
    pub(super) account: String,
    pub(super) merchant_code: String,
    /// `orderCode`.
    pub(super) code: String,
    /// `reference/@id`.
    pub(super) reference_id: String,
    pub(super) description: String,
    pub(super) language: String,
    pub(super) amount_minor: i64,
    pub(super) currency: String,
    pub(super) capture_delay: String,
    /// Paid on the hosted page rather than server to server.
    pub(super) hosted: bool,
    pub(super) included: Vec<String>,
    pub(super) excluded: Vec<String>,
    pub(super) ticket: String,
    pub(super) ticket_dead_at_ms: i64,
    pub(super) token_asked: Option<TokenAsked>,
    pub(super) token_made: Option<TokenMade>,
    pub(super) fraud: Option<Fraud>,
    /// The card of a direct order, as far as it may be kept.
    pub(super) card: Option<Kept>,
    pub(super) challenge: Option<Challenge>,
    pub(super) payments: Vec<Payment>,
}

/// The key of an order: codes are unique per merchant code.
pub(super) fn key_of(account: &str, code: &str) -> String {
    format!("{account}.{code}")
}

pub(super) fn is_success(word: &str) -> bool {
    matches!(word, AUTHORISED | CAPTURED | "SETTLED" | "SETTLED_BY_MERCHANT")
}

pub(super) fn is_return(word: &str) -> bool {
    matches!(word, CANCELLED | "VOIDED" | EXPIRED | "REFUNDED" | "REFUNDED_BY_MERCHANT" | "CHARGED_BACK")
}

/// What came back to the merchant after all.
fn is_undone(word: &str) -> bool {
    matches!(word, "CHARGEBACK_REVERSED" | "REFUND_FAILED" | "REFUND_EXPIRED" | "REFUND_REVERSED")
}

pub(super) fn is_refund(word: &str) -> bool {
    matches!(word, "REFUNDED" | "REFUNDED_BY_MERCHANT")
}

fn is_in_progress(word: &str) -> bool {
    matches!(
        word,
        "SENT_FOR_AUTHORISATION"
            | "WAITING_FOR_AUTHORISATION"
            | "SHOPPER_REDIRECTED"
            | "WAITING_FOR_SHOPPER"
            | OPEN
            | "SIGNED_FORM_RECEIVED"
            | "null"
    )
}

impl Order {
    /// The amount, `None` for a currency that is no more.
    pub(super) fn money(&self) -> Option<Money> {
        Currency::from_code(&self.currency).map(|currency| Money::from_minor(self.amount_minor, currency))
    }

    /// Decimal text of the amount.
    pub(super) fn amount_text(&self) -> String {
        self.money().map(|money| money.to_fixed()).unwrap_or_default()
    }

    pub(super) fn exponent(&self) -> u8 {
        self.money().map_or(2, |money| money.currency().digits())
    }

    pub(super) fn scenario(&self) -> u8 {
        self.money().map_or(0, |money| money.scenario_digits())
    }

    /// Whether a payment of it succeeded.
    pub(super) fn is_paid(&self) -> bool {
        self.payments.iter().any(|payment| is_success(&payment.last_event))
    }

    /// The payment that counts: one that succeeded, else one in progress, else the last.
    pub(super) fn counting(&self) -> Option<usize> {
        let first = |wanted: fn(&str) -> bool| self.payments.iter().position(|payment| wanted(&payment.last_event));
        let holding = || self.payments.iter().position(|payment| self.left(payment) > 0);
        first(is_success).or_else(holding).or_else(|| first(is_in_progress)).or_else(|| self.payments.len().checked_sub(1))
    }

    /// `lastEvent` of the payment that counts.
    pub(super) fn state(&self) -> String {
        self.counting().map_or_else(|| OPEN.to_owned(), |index| self.payments[index].last_event.clone())
    }

    /// Whether the payer can still do anything on the hosted page.
    pub(super) fn is_open(&self) -> bool {
        let done = |payment: &Payment| !matches!(payment.last_event.as_str(), REFUSED | ERROR);
        !self.payments.iter().any(done) && self.payments.len() < PAYMENTS_MAX
    }

    /// Whether the ticket of the hosted page is dead.
    pub(super) fn ticket_is_dead(&self, tx: &Tx<'_>) -> bool {
        self.ticket_dead_at_ms <= tx.now_ms
    }

    /// When the ticket of a new hosted order dies; scenario 03 has it dead from the start.
    pub(super) fn ticket_end_ms(&self, tx: &Tx<'_>) -> i64 {
        if self.scenario() == 3 { tx.now_ms } else { tx.now_ms + tx.scaled(TICKET_LIFE_MS) }
    }

    /// A new attempt, before anything became of it; without a card it is the demo card's.
    pub(super) fn add_payment(&mut self, card: Option<&Kept>) -> usize {
        let card = card.or(self.card.as_ref()).cloned().unwrap_or_else(Kept::demo);
        let reference = match self.payments.len() {
            0 => self.reference_id.clone(),
            before => format!("{}.{before}", self.reference_id),
        };
        self.payments.push(Payment {
            method: card.method.clone(),
            masked: card.masked.clone(),
            last_event: OPEN.to_owned(),
            return_code: None,
            authorisation_id: random_digits(6),
            reference,
            booked: false,
            given_back: 0,
            moved: 0,
            settled: false,
        });
        self.payments.len() - 1
    }

    /// Makes the token that was asked for, once the card is good.
    pub(super) fn make_token(&mut self, tx: &Tx<'_>, card: &Kept) -> Result<(), Error> {
        if let Some(asked) = &self.token_asked {
            let (token, event) = token_for(tx, &self.account, &asked.shopper, card)?;
            self.token_made = Some(TokenMade { token, event: event.to_owned() });
        }
        Ok(())
    }

    /// What is left of a payment, minor units; nothing of one that never came.
    pub(super) fn left(&self, payment: &Payment) -> i64 {
        if payment.booked { self.amount_minor - payment.given_back } else { 0 }
    }

    /// A payment has a new `lastEvent`: ledger, notification, what follows. Answers the job of the (first)
    /// notification, if there is one.
    pub(super) fn became(
        &mut self,
        tx: &Tx<'_>,
        key: &str,
        index: usize,
        word: &str,
        then: Option<&str>,
    ) -> Result<Option<i64>, Error> {
        self.moves(index, word, None);
        self.happened(tx, key, index, word, then)
    }

    /// What an event moves of a payment's money: the whole of what is left, unless it is a part.
    pub(super) fn moves(&mut self, index: usize, word: &str, part: Option<i64>) {
        let left = self.left(&self.payments[index]);
        let payment = &mut self.payments[index];
        if is_undone(word) && is_return(&payment.last_event) {
            payment.given_back -= payment.moved;
        }
        payment.settled |= matches!(word, "SETTLED" | "SETTLED_BY_MERCHANT");
        payment.moved = self.amount_minor;
        if is_return(word) && payment.booked {
            payment.moved = part.unwrap_or(left);
            payment.given_back += payment.moved;
        }
    }

    pub(super) fn happened(
        &mut self,
        tx: &Tx<'_>,
        key: &str,
        index: usize,
        word: &str,
        then: Option<&str>,
    ) -> Result<Option<i64>, Error> {
        self.payments[index].last_event = word.to_owned();
        if word == REFUSED {
            self.payments[index].return_code.get_or_insert_with(|| PLAIN_REFUSAL.to_owned());
        } else {
            self.payments[index].return_code = None;
        }
        self.book(tx, index)?;
        tx.save(key, self)?;
        if word == AUTHORISED {
            self.schedule_capture(tx, key)?;
        }
        // An error is no news to Worldpay's notifications: the merchant has it from the reply or asks.
        let callback = if word == ERROR { None } else { self.notification(tx, Some(index), word)? };
        let Some(mut callback) = callback else {
            return then.map_or(Ok(()), |event| tx.schedule(key, event, LATE_SUCCESS_MS)).map(|()| None);
        };
        callback.then = then.map(|event| (event.to_owned(), LATE_SUCCESS_MS));
        let first = tx.send(key, &callback)?;
        if self.scenario() == 8 {
            tx.send(key, &callback)?;
            tx.send(key, &callback)?;
        }
        if !self.is_paid() && !self.payments[index].booked && tx.settings()?.forge_callbacks {
            self.forge(tx, key)?;
        }
        Ok(Some(first))
    }

    fn book(&mut self, tx: &Tx<'_>, index: usize) -> Result<(), Error> {
        let amount = self.amount_text();
        let is_empty = self.left(&self.payments[index]) == 0;
        let payment = &mut self.payments[index];
        if is_success(&payment.last_event) && !payment.booked {
            payment.booked = true;
            let transfer = Transfer {
                reference: &self.code,
                provider_reference: &payment.reference,
                direction: Direction::In,
                amount: &amount,
                currency: &self.currency,
                destination: None,
            };
            return tx.accept(&transfer, TransferState::Settled);
        }
        match payment.booked {
            true if is_success(&payment.last_event) || is_undone(&payment.last_event) => {
                tx.transfer_became(&payment.reference, TransferState::Settled)
            }
            true if is_return(&payment.last_event) && is_empty => tx.transfer_became(&payment.reference, TransferState::Returned),
            _ => Ok(()),
        }
    }

    /// CAPTURED follows by `captureDelay`: days, the installation's own delay (none here), or never.
    fn schedule_capture(&self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        match self.capture_delay.as_str() {
            "OFF" => Ok(()),
            "DEFAULT" | "0" => tx.schedule_settlement(key, "capture"),
            days => tx.schedule(key, "capture", days.parse::<u64>().unwrap_or(0) * DAY_MS),
        }
    }

    /// Notifies that money came that nobody paid.
    pub(super) fn forge(&self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        match self.notification(tx, None, AUTHORISED)? {
            Some(callback) => tx.send(key, &callback).map(|_| ()),
            None => Ok(()),
        }
    }

    /// A notification about a payment (of the demo card, where there is none), in the lane of the merchant code.
    fn notification(&self, tx: &Tx<'_>, index: Option<usize>, word: &str) -> Result<Option<Callback>, Error> {
        let Some((_, account)) = tx.account_of::<Account>(&self.account)? else {
            return Ok(None);
        };
        let Some(url) = &account.notification_url else {
            return Ok(None);
        };
        let invented;
        let payment = match index {
            Some(index) => &self.payments[index],
            None => {
                let mut order = self.clone();
                let index = order.add_payment(None);
                order.payments[index].last_event = word.to_owned();
                invented = order.payments.swap_remove(index);
                &invented
            }
        };
        let mut callback = Callback::post(url, "text/xml", told::notification(tx, &account, self, payment));
        callback.retry_at_ms = [MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS].to_vec();
        callback.retry_at_ms.extend((1..=RETRY_HOURS).map(|hours| hours * HOUR_MS));
        callback.ack = Ack::Body200(ACKNOWLEDGEMENT.to_owned());
        callback.lane = Some(self.account.clone());
        Ok(Some(callback))
    }
}
