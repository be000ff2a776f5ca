//! eMerchantPay's own side (the Genesis gateway), written from the eMerchantPay sheet.
//!
//! Account: `PUT /control/emerchantpay/accounts/{terminal token}` with
//! `{"username":"...","password":"...","currency":"EUR","notificationDigest":"sha1","merchant":"...","wantsBilling":false}`.
//! `notificationDigest` (`sha1`, `sha256` or `sha512`; `sha1`), `merchant` (shown on the page) and `wantsBilling` (the
//! payer's address and IP are required, as terminals do by default; `false`) may be left out; other fields are refused.
//! The sheet does not say whether a record's `timestamp` moves with a refund: it does, unless `"refundTimes":false`.
//!
//! Ledger: a payment at its approval. References: `unique_id` and `transaction_id`. State words: the gateway's
//! `status` (`pending_async`, `approved`, `declined`, `error`, `cancelled`, `timeout`, `voided`, `refunded`,
//! `chargebacked`, ...). `reverse` is a `voided`. `refund?minor=3000` gives a part back: the payment is then `refunded` with
//! that amount; `approve?minor=3000` is a partial approval. The word `retrieval_request` is notified and changes nothing.
//!
//! Notifications: every end of a payment, what the process call itself answered included, and everything that comes after.

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
use payment::{
    APPROVED, CANCELLED, CHARGEBACKED, DECLINED, PENDING_ASYNC, PENDING_REVIEW, Payment, REFUNDED, RETRIEVAL_REQUEST, Reason,
    Step, TIMEOUT, VOIDED,
};
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
    /// Whether the payer's address and IP are required.
    #[serde(default)]
    wants_billing: bool,
    /// Whether the time of a record becomes that of the refund that it tells of.
    #[serde(default = "moving")]
    refund_times: bool,
}

fn moving() -> bool {
    true
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
        if after_approval != payment.is_paid() || (!after_approval && !payment.is_open()) {
            return Ok(Pressed::NotPossible(format!("the payment is {}", payment.state)));
        }
        match outcome {
            "pay" if payment.step == Step::Page => threeds::press(tx, &key, &mut payment, Button::Authenticate)?,
            "pay" => return Ok(Pressed::NotPossible("the payer is not on the page of the challenge yet".to_owned())),
            "approve" => payment.end(tx, &key, APPROVED, None)?,
            "decline" => payment.end(tx, &key, DECLINED, Some(Reason::of_authentication()))?,
            "cancel" => payment.end(tx, &key, CANCELLED, None)?,
            "expire" => payment.end(tx, &key, TIMEOUT, None)?,
            "refund" => payment.end(tx, &key, REFUNDED, None)?,
            "chargeback" => payment.end(tx, &key, CHARGEBACKED, None)?,
            _ => payment.end(tx, &key, VOIDED, None)?,
        };
        Ok(Pressed::Done(payment.state))
    }

    fn part(&self, tx: &Tx<'_>, reference: &str, outcome: &str, minor: i64) -> Result<Pressed, Error> {
        let Some((key, mut payment)) = tx.find::<Payment>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        match outcome {
            "refund" if payment.is_paid() && minor <= payment.left() => payment.refund_part(tx, &key, minor)?,
            "approve" if payment.is_open() && minor < payment.amount => payment.approve_part(tx, &key, minor)?,
            _ => return Ok(Pressed::NotPossible(format!("the payment is {}", payment.state))),
        };
        Ok(Pressed::Done(payment.state))
    }

    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error> {
        let Some((key, mut payment)) = tx.find::<Payment>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        if word == RETRIEVAL_REQUEST {
            payment.retrieval_request(tx, &key)?;
            return Ok(Pressed::Done(payment.state));
        }
        let let_through = payment.state == PENDING_REVIEW && word == PENDING_ASYNC;
        payment.end(tx, &key, word, None)?;
        if let_through {
            // Nobody is there any more to be sent to the page.
            tx.schedule(&key, "unfinished", UNFINISHED_MS)?;
        }
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
            // A person looks at it, which may take a day.
            "unfinished" if payment.state == PENDING_REVIEW => Ok(()),
            "unfinished" if payment.step != Step::Over => payment.end(tx, key, TIMEOUT, None).map(|_| ()),
            "late" if payment.state == DECLINED => payment.end(tx, key, APPROVED, None).map(|_| ()),
            // The payment was brought to its end by other means meanwhile.
            _ => Ok(()),
        }
    }

    fn blanked(&self, text: &str) -> String {
        care::blanked(text)
    }
}
