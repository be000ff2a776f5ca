//! eMerchantPay's own side (the Genesis gateway), written from the eMerchantPay sheet.
//!
//! Account: `PUT /control/emerchantpay/accounts/{terminal token}` with
//! `{"username":"...","password":"...","currency":"EUR","notificationDigest":"sha1","merchant":"..."}`.
//! `notificationDigest` (`sha1`, `sha256` or `sha512`; `sha1`) and `merchant` (shown on the page) may be left out;
//! other fields are refused.
//!
//! Ledger: a payment at its approval. References: `unique_id` and `transaction_id`. State words: the gateway's
//! `status` (`pending_async`, `approved`, `declined`, `error`, `cancelled`, `timeout`, `voided`, `refunded`,
//! `chargebacked`, ...). `reverse` is a `voided`.
//!
//! Notifications: every end of a payment whose payer was sent somewhere, and everything that comes after an end.
//! What the process call itself answered is notified only by the scenarios that are about notifications (08, 10).

mod api;
mod cards;
mod care;
mod check;
mod payment;
mod sign;
mod threeds;
mod xml;

use money::Currency;
use serde::Deserialize;
use serde_json::Value;

use crate::kit::{Call, Error, Pressed, Provider, Reply, Tx};
use payment::{APPROVED, CANCELLED, CHARGEBACKED, DECLINED, Payment, REFUNDED, Reason, Step, TIMEOUT, VOIDED};
use sign::NotificationDigest;
use threeds::Button;

/// A challenge or a device check that nobody finished ends after this long (unscaled).
const UNFINISHED_MS: u64 = 2 * 3_600_000;
/// Scenario 09: the approval comes this long after the decline, or after its notification (unscaled).
const LATE_SUCCESS_MS: u64 = 2_000;
const CREDENTIAL_MAX_CHARACTERS: usize = 255;

/// The simulator.
pub(crate) struct EmerchantPay;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Account {
    username: String,
    password: String,
    /// The terminal's currency.
    currency: String,
    #[serde(default)]
    notification_digest: NotificationDigest,
    #[serde(default = "demo_merchant")]
    merchant: String,
}

fn demo_merchant() -> String {
    "Demo company".to_owned()
}

impl Provider for EmerchantPay {
    fn name(&self) -> &'static str {
        "emerchantpay"
    }

    fn is_page(&self, path: &str) -> bool {
        path.starts_with("/threeds/authentication/")
    }

    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        api::answer(tx, call)
    }

    fn page(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        threeds::page(tx, call)
    }

    fn check_account(&self, body: &Value) -> Result<(), String> {
        let account = Account::deserialize(body).map_err(|error| error.to_string())?;
        let is_credential = |text: &str| (1..=CREDENTIAL_MAX_CHARACTERS).contains(&text.chars().count());
        if !is_credential(&account.username) || account.username.contains(':') {
            return Err("username must be 1 to 255 characters without a colon".to_owned());
        }
        if !is_credential(&account.password) {
            return Err("password must be 1 to 255 characters".to_owned());
        }
        match Currency::from_code(&account.currency) {
            Some(_) => Ok(()),
            None => Err("currency must be an ISO 4217 code".to_owned()),
        }
    }

    fn more_outcomes(&self) -> &'static [&'static str] {
        &["refund", "chargeback"]
    }

    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error> {
        let Some((key, mut payment)) = tx.find::<Payment>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        let after_approval = matches!(outcome, "reverse" | "refund" | "chargeback");
        if after_approval != (payment.state == APPROVED) || (!after_approval && !payment.is_open()) {
            return Ok(Pressed::NotPossible(format!("the payment is {}", payment.state)));
        }
        match outcome {
            "pay" if payment.step == Step::Page => threeds::press(tx, &key, &mut payment, Button::Authenticate)?,
            "pay" => return Ok(Pressed::NotPossible("the payer is not on the page of the challenge yet".to_owned())),
            "approve" => payment.end(tx, &key, APPROVED, None, None)?,
            "decline" => payment.end(tx, &key, DECLINED, Some(Reason::of_authentication()), None)?,
            "cancel" => payment.end(tx, &key, CANCELLED, None, None)?,
            "expire" => payment.end(tx, &key, TIMEOUT, None, None)?,
            "refund" => payment.end(tx, &key, REFUNDED, None, Some("refund"))?,
            "chargeback" => payment.end(tx, &key, CHARGEBACKED, None, Some("chargeback"))?,
            _ => payment.end(tx, &key, VOIDED, None, Some("void"))?,
        };
        Ok(Pressed::Done(payment.state))
    }

    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error> {
        let Some((key, mut payment)) = tx.find::<Payment>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        let event = payment::is_after_approval(word).then_some(word);
        payment.end(tx, &key, word, None, event)?;
        Ok(Pressed::Done(payment.state))
    }

    fn state(&self, tx: &Tx<'_>, reference: &str) -> Result<Option<String>, Error> {
        Ok(tx.find::<Payment>(reference)?.map(|(_, payment)| payment.state))
    }

    fn event(&self, tx: &Tx<'_>, key: &str, event: &str) -> Result<(), Error> {
        let Some(mut payment) = tx.load::<Payment>(key)? else {
            return Ok(());
        };
        match event {
            "auto" if payment.step == Step::Page && payment.is_open() => {
                threeds::press(tx, key, &mut payment, Button::Authenticate).map(|_| ())
            }
            "unfinished" if payment.step != Step::Over => payment.end(tx, key, TIMEOUT, None, None).map(|_| ()),
            "late" if payment.state == DECLINED => payment.end(tx, key, APPROVED, None, None).map(|_| ()),
            // The payment was brought to its end by other means meanwhile.
            _ => Ok(()),
        }
    }

    fn blanked(&self, text: &str) -> String {
        care::blanked(text)
    }
}
