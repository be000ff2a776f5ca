//! Neosurf's own side (redirect API v3, SOAP status query), written from the Neosurf sheet. `baseUrl` of a
//! connector: `{simulator}/neosurf`, `soapUrl`: `{simulator}/neosurf/soap/index.php`.
//!
//! Account: `PUT /control/neosurf/accounts/{merchantId}` with
//! `{"secret":"...","subMerchantId":"merchant.example","testOnly":true,"merchant":"..."}`. `testOnly` (the account
//! takes `test=yes` alone) and `merchant` (shown on the page) may be left out.
//!
//! Ledger: a pay-in at its payment. References: `merchantTransactionId`, Neosurf's `transactionId`, the page's id.
//! State words: `pending`, `ok`, `ko`.

mod api;
mod order;
mod page;
mod sign;
mod soap;

use serde::Deserialize;
use serde_json::Value;

use crate::kit::{Call, Error, Pressed, Provider, Reply, Tx};
use order::{Ending, Order};

/// Every page of ours begins so.
const PAGE_PREFIX: &str = "EN-";

/// The simulator.
pub(crate) struct Neosurf;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Account {
    secret: String,
    sub_merchant_id: String,
    #[serde(default = "yes")]
    test_only: bool,
    #[serde(default = "demo_merchant")]
    merchant: String,
}

fn yes() -> bool {
    true
}

fn demo_merchant() -> String {
    "Demo company".to_owned()
}

impl Account {
    /// Whether a call may have this `test`: `yes` always, `no` only where the account is not for tests alone.
    fn takes_test(&self, flag: &str) -> bool {
        flag == "yes" || (flag == "no" && !self.test_only)
    }
}

impl Provider for Neosurf {
    fn name(&self) -> &'static str {
        "neosurf"
    }

    fn is_page(&self, path: &str) -> bool {
        path.strip_prefix('/').is_some_and(|path| path.starts_with(PAGE_PREFIX))
    }

    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        match call.segments().as_slice() {
            [] => api::create(tx, call),
            ["soap", "index.php"] => soap::answer(tx, call),
            _ => Ok(api::not_found()),
        }
    }

    fn page(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        page::answer(tx, call)
    }

    fn check_account(&self, body: &Value) -> Result<(), String> {
        let account = Account::deserialize(body).map_err(|error| error.to_string())?;
        if account.secret.is_empty() || account.sub_merchant_id.is_empty() {
            return Err("secret and subMerchantId must not be empty".to_owned());
        }
        Ok(())
    }

    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        if !order.is_open() {
            return Ok(Pressed::NotPossible(format!("the transaction is {} already", order.status)));
        }
        match outcome {
            "pay" => order.press_pay(tx, &key)?,
            "approve" => order.end(tx, &key, Ending::Paid, None).map(|_| ())?,
            "decline" => order.end(tx, &key, Ending::Declined, None).map(|_| ())?,
            "cancel" => order.end(tx, &key, Ending::Cancelled, None).map(|_| ())?,
            "expire" => order.end(tx, &key, Ending::Expired, None).map(|_| ())?,
            _ => return Ok(Pressed::NotPossible("reversals of Neosurf are not simulated".to_owned())),
        }
        Ok(Pressed::Done(order.status))
    }

    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        order.end(tx, &key, Ending::of_word(word), None)?;
        Ok(Pressed::Done(order.status))
    }

    fn state(&self, tx: &Tx<'_>, reference: &str) -> Result<Option<String>, Error> {
        Ok(tx.find::<Order>(reference)?.map(|(_, order)| order.status))
    }

    fn event(&self, tx: &Tx<'_>, key: &str, event: &str) -> Result<(), Error> {
        let Some(mut order) = tx.load::<Order>(key)? else {
            return Ok(());
        };
        match event {
            "auto" if order.is_open() => order.press_pay(tx, key),
            "expire" if order.is_open() => order.end(tx, key, Ending::Expired, None).map(|_| ()),
            "late" => order.end(tx, key, Ending::Paid, None).map(|_| ()),
            // The transaction was brought to its end by other means meanwhile.
            _ => Ok(()),
        }
    }
}
