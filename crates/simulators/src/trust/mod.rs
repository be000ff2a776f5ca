//! Trust Payments' own side (Payment Pages, URL notifications, JSON web services), written from the Trust sheet.
//! `pagesBaseUrl` and `webServicesBaseUrl` of a connector: both `{simulator}/trust`.
//!
//! Account: `PUT /control/trust/accounts/{sitereference}` with
//! `{"siteSecurityPassword":"...","hashFields":"currencyiso3a,mainamount,...","currencies":["EUR"],
//! "webServicesUsername":"...","webServicesPassword":"...","notificationUrl":"...","merchant":"...",
//! "refundReferences":true,"says":{"baseamount":null}}`; each may be left
//! out: no password (nothing is signed, no rules are taken), the default list of hash fields, all currencies, no
//! web-services user, no fixed notification address, "Demo company". Without `refundReferences` the `transactionreference` of a
//! REFUND is empty. `says`: members of its records that say something else, or nothing.
//!
//! Ledger: a pay-in at its successful AUTH. References: `orderreference`, `transactionreference`.
//! State words: `waiting`, `expired`, else `errorcode` and, when that is 0, `settlestatus`: `0/0`, `70000`, `0/3`;
//! `refunded`. In parts (`?minor=`): `refund`, and `lower` and `raise`, which settle so much less or more. A payer's further
//! attempt, whatever became of those before: `pay-again`, `decline-again`, `suspend-again`, `cancel-again`. A raw word is that of
//! the attempt or the refund whose `transactionreference` is named, else of the newest attempt.

mod attempt;
mod card;
mod form;
mod order;
mod page;
mod query;
mod sign;

use serde::Deserialize;
use serde_json::Value;

use crate::kit::{Call, Error, Pressed, Provider, Reply, Tx, is_http_url};
use attempt::Ending;
use card::Paid;
use order::{Order, Told};

/// Pages of ours, one per posted form.
const PAGE_PREFIX: &str = "/process/payments/session/";

/// The simulator.
pub(crate) struct Trust;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Account {
    site_security_password: Option<String>,
    /// Comma-separated, in the agreed order.
    hash_fields: Option<String>,
    currencies: Option<Vec<String>>,
    web_services_username: Option<String>,
    web_services_password: Option<String>,
    /// Of notifications that the form does not ask for; the sandbox tells every simulator such an address by this other name.
    #[serde(alias = "callbackUrl")]
    notification_url: Option<String>,
    merchant: Option<String>,
    /// Whether a refund's record has a reference of its own; `true`.
    refund_references: Option<bool>,
    /// Members of its records that say something else.
    says: Option<serde_json::Map<String, Value>>,
}

impl Account {
    /// The fields of the request hash, in the agreed order.
    fn hash_fields(&self) -> Vec<&str> {
        match &self.hash_fields {
            Some(list) => list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
            None => sign::DEFAULT_HASH_FIELDS.to_vec(),
        }
    }

    fn takes(&self, currency: &str) -> bool {
        self.currencies.as_ref().is_none_or(|list| list.iter().any(|known| known == currency))
    }

    /// The name that its page shows.
    fn merchant(&self) -> &str {
        self.merchant.as_deref().unwrap_or("Demo company")
    }
}

fn done(pressed: bool, order: &Order) -> Pressed {
    match pressed {
        true => Pressed::Done(order.state()),
        false => Pressed::NotPossible(format!("not possible: the order is {}", order.state())),
    }
}

impl Provider for Trust {
    fn name(&self) -> &'static str {
        "trust"
    }

    fn is_page(&self, path: &str) -> bool {
        path.starts_with(PAGE_PREFIX)
    }

    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        match call.segments().as_slice() {
            ["process", "payments", "choice"] => form::answer(tx, call, false),
            ["process", "payments", "details"] => form::answer(tx, call, true),
            ["json"] => query::answer(tx, call),
            _ => page::not_found(),
        }
    }

    fn page(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        page::answer(tx, call)
    }

    fn check_account(&self, body: &Value) -> Result<(), String> {
        let account = Account::deserialize(body).map_err(|error| error.to_string())?;
        if account.site_security_password.as_deref() == Some("") {
            return Err("siteSecurityPassword must not be empty".to_owned());
        }
        let fields = account.hash_fields();
        if ["sitereference", "currencyiso3a", "mainamount"].iter().any(|name| !fields.contains(name)) {
            return Err("hashFields must contain sitereference, currencyiso3a, mainamount".to_owned());
        }
        if account.web_services_username.is_some() != account.web_services_password.is_some() {
            return Err("webServicesUsername and webServicesPassword must be set together".to_owned());
        }
        if account.notification_url.as_deref().is_some_and(|url| !is_http_url(url)) {
            return Err("notificationUrl must be an address".to_owned());
        }
        Ok(())
    }

    /// The query names no account in its address: the web-services user finds the sites that have him.
    fn account_aliases(&self, body: &Value) -> Vec<String> {
        body.get("webServicesUsername").and_then(Value::as_str).map(str::to_owned).into_iter().collect()
    }

    fn more_outcomes(&self) -> &'static [&'static str] {
        &["suspend", "refund", "lower", "raise", "pay-again", "decline-again", "suspend-again", "cancel-again"]
    }

    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        let pressed = match outcome {
            "pay" if order.may_pay(tx.now_ms) => order.press_pay(tx, &key, &Paid::by_default()).map(|_| true)?,
            "approve" => order.settle(tx, &key, &Ending::APPROVED)?,
            "decline" => order.settle(tx, &key, &Ending::DECLINED)?,
            "suspend" => order.settle(tx, &key, &Ending::SUSPENDED)?,
            "cancel" => order.cancel(tx, &key, false)?,
            "reverse" => order.cancel(tx, &key, true)?,
            "refund" => order.refund(tx, &key, None)?,
            "expire" => order.expire(tx, &key)?,
            "pay-again" => order.further(tx, &key, &Ending::APPROVED)?,
            "decline-again" => order.further(tx, &key, &Ending::DECLINED)?,
            "suspend-again" => order.further(tx, &key, &Ending::SUSPENDED)?,
            "cancel-again" => order.further(tx, &key, &Ending::CANCELLED)?,
            _ => false,
        };
        Ok(done(pressed, &order))
    }

    fn part(&self, tx: &Tx<'_>, reference: &str, outcome: &str, minor_units: i64) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        let pressed = match outcome {
            "refund" => order.refund(tx, &key, Some(minor_units))?,
            "lower" => order.lower(tx, &key, minor_units)?,
            "raise" => order.raise(tx, &key, minor_units)?,
            _ => false,
        };
        Ok(done(pressed, &order))
    }

    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        order.set_raw(tx, &key, reference, &Ending::of_word(word))?;
        Ok(Pressed::Done(order.state()))
    }

    fn state(&self, tx: &Tx<'_>, reference: &str) -> Result<Option<String>, Error> {
        Ok(tx.find::<Order>(reference)?.map(|(_, order)| order.state()))
    }

    fn event(&self, tx: &Tx<'_>, key: &str, event: &str) -> Result<(), Error> {
        let Some(mut order) = tx.load::<Order>(key)? else {
            return Ok(());
        };
        match event {
            "auto" if order.may_pay(tx.now_ms) => order.press_pay(tx, key, &Paid::by_default()).map(|_| ()),
            "second" if order.may_pay(tx.now_ms) => {
                order.attempt(tx, key, &Ending::APPROVED, &Paid::by_default(), Told::Yes).map(|_| ())
            }
            // The order was brought to its end by other means meanwhile.
            _ => Ok(()),
        }
    }

    fn blanked(&self, text: &str) -> String {
        card::blanked(text)
    }
}
