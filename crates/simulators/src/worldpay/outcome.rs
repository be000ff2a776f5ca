//! How orders end: the page's buttons, the controls, and what comes due.

use super::card::{Kept, Wish};
use super::order::{AUTHORISED, Answered, CANCELLED, CAPTURED, ERROR, EXPIRED, Order, REFUSED};
use crate::kit::{Ack, Callback, Error, Pressed, Tx, random_hex};

impl Order {
    /// "Pay" on the hosted page: the scenario, or what a published value asks for, decides. Answers `lastEvent`.
    pub(super) fn press_pay(&mut self, tx: &Tx<'_>, key: &str, card: &Kept, wish: Option<Wish>) -> Result<String, Error> {
        // 11 and 12 are faults of the wire and not of the page; a published value comes before the other digits.
        let scenario = self.scenario();
        let (word, code, then) = match wish {
            _ if matches!(scenario, 11 | 12) => (AUTHORISED, None, None),
            Some(Wish::Refused { code }) => (REFUSED, Some(code), None),
            Some(Wish::Error) => (ERROR, None, None),
            // The hosted page does the challenge itself.
            Some(Wish::Challenge) => (AUTHORISED, None, None),
            None => match scenario {
                1 => (REFUSED, None, None),
                2 => (CANCELLED, None, None),
                9 if self.payments.is_empty() => (REFUSED, None, Some("second")),
                _ => (AUTHORISED, None, None),
            },
        };
        let index = self.add_payment(Some(card));
        self.payments[index].return_code = code;
        if word == AUTHORISED {
            self.make_token(tx, card)?;
        }
        self.became(tx, key, index, word, then)?;
        Ok(word.to_owned())
    }

    /// "Cancel" on the hosted page.
    pub(super) fn press_cancel(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        let index = self.add_payment(None);
        self.became(tx, key, index, CANCELLED, None).map(|_| ())
    }

    /// A control call's outcome.
    pub(super) fn reach(&mut self, tx: &Tx<'_>, key: &str, outcome: &str) -> Result<Pressed, Error> {
        let not = |why: String| Ok(Pressed::NotPossible(why));
        let state = self.state();
        let paid = self.counting().filter(|index| self.left(&self.payments[*index]) > 0);
        match (outcome, paid) {
            ("pay", _) => return self.reach_pay(tx, key),
            ("approve" | "decline", Some(_)) => return not(format!("the order is {state}")),
            ("approve", None) => self.end(tx, key, AUTHORISED)?,
            ("decline", None) => self.end(tx, key, REFUSED)?,
            ("cancel" | "expire", None) if !self.is_open() => return not(format!("the order is {state}")),
            ("cancel", None) => self.end(tx, key, CANCELLED)?,
            ("expire", None) => {
                self.ticket_dead_at_ms = tx.now_ms;
                self.end(tx, key, EXPIRED)?;
            }
            ("reverse" | "refund" | "chargeback", None) => return not(format!("the order is {state}, not paid")),
            ("cancel" | "expire", Some(_)) if state != AUTHORISED => return not(format!("the order is {state}")),
            (_, Some(index)) => {
                let word = match outcome {
                    "expire" => EXPIRED,
                    "refund" => "REFUNDED",
                    "chargeback" => "CHARGED_BACK",
                    "reverse" if state != AUTHORISED => "REFUNDED",
                    _ => CANCELLED,
                };
                self.became(tx, key, index, word, None)?;
            }
            (other, None) => return not(format!("Worldpay knows no outcome {other}")),
        }
        Ok(Pressed::Done(self.state()))
    }

    /// A control call's outcome for a part of the money: refunds alone.
    pub(super) fn reach_part(&mut self, tx: &Tx<'_>, key: &str, outcome: &str, minor: i64) -> Result<Pressed, Error> {
        let paid = self.counting().filter(|index| (1..=self.left(&self.payments[*index])).contains(&minor));
        match paid {
            Some(index) if outcome == "refund" => {
                self.moves(index, "REFUNDED", Some(minor));
                self.happened(tx, key, index, "REFUNDED", None)?;
                Ok(Pressed::Done(self.state()))
            }
            Some(_) => Ok(Pressed::NotPossible(format!("{outcome} has no parts"))),
            None => Ok(Pressed::NotPossible("so much is not left of the payment".to_owned())),
        }
    }

    /// The page's main button, the scenario included.
    fn reach_pay(&mut self, tx: &Tx<'_>, key: &str) -> Result<Pressed, Error> {
        let state = self.state();
        if self.hosted {
            if !self.is_open() {
                return Ok(Pressed::NotPossible(format!("the order is {state}")));
            }
            if self.ticket_is_dead(tx) {
                return Ok(Pressed::NotPossible("the ticket of the page is dead".to_owned()));
            }
            let word = self.press_pay(tx, key, &Kept::demo(), None)?;
            return Ok(Pressed::Done(word));
        }
        match &self.challenge {
            Some(challenge) if challenge.closed || challenge.answered.is_some() => {
                Ok(Pressed::NotPossible(format!("the challenge was answered, the order is {state}")))
            }
            Some(challenge) if challenge.never_returns => Ok(Pressed::NotPossible("this challenge never returns".to_owned())),
            Some(challenge) if challenge.way_back.is_none() => {
                Ok(Pressed::NotPossible("the payer has not opened the challenge".to_owned()))
            }
            Some(_) => {
                self.authenticate_unattended(tx, key)?;
                Ok(Pressed::Done(self.state()))
            }
            None => Ok(Pressed::NotPossible("a direct order without a challenge has no page".to_owned())),
        }
    }

    /// Ends the order with a payment of its own; a challenge that was open is over.
    fn end(&mut self, tx: &Tx<'_>, key: &str, word: &str) -> Result<(), Error> {
        if let Some(challenge) = &mut self.challenge {
            challenge.closed = true;
        }
        let card = self.card.clone().unwrap_or_else(Kept::demo);
        let index = self.add_payment(Some(&card));
        if word == AUTHORISED {
            self.make_token(tx, &card)?;
        }
        self.became(tx, key, index, word, None).map(|_| ())
    }

    /// Presses "Authenticate" where no payer does, and goes back as his browser would.
    fn authenticate_unattended(&mut self, tx: &Tx<'_>, key: &str) -> Result<(), Error> {
        let Some(challenge) = &mut self.challenge else {
            return Ok(());
        };
        let Some((return_url, md)) = challenge.way_back.clone() else {
            return Ok(());
        };
        challenge.answered = Some(Answered::Authenticated);
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("TransactionId", &challenge.transaction_id)
            .append_pair("Response", &random_hex(32))
            .append_pair("MD", &md)
            .finish();
        tx.save(key, self)?;
        let mut back = Callback::post(&return_url, "application/x-www-form-urlencoded", form);
        back.retry_at_ms.clear();
        back.ack = Ack::Anything;
        tx.send(key, &back).map(|_| ())
    }

    /// Something has come due.
    pub(super) fn happens(&mut self, tx: &Tx<'_>, key: &str, event: &str) -> Result<(), Error> {
        match event {
            "auto" if self.is_open() && self.payments.is_empty() && !self.ticket_is_dead(tx) => {
                self.press_pay(tx, key, &Kept::demo(), None).map(|_| ())
            }
            "auto_challenge" => {
                let waits = |one: &super::order::Challenge| !one.closed && one.answered.is_none() && !one.never_returns;
                if self.challenge.as_ref().is_some_and(waits) { self.authenticate_unattended(tx, key) } else { Ok(()) }
            }
            // The payer may have paid in the meantime; he does not pay twice.
            "second" if self.is_open() => self.end(tx, key, AUTHORISED),
            "capture" => match self.payments.iter().position(|payment| payment.last_event == AUTHORISED) {
                Some(index) => self.became(tx, key, index, CAPTURED, None).map(|_| ()),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
