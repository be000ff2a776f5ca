//! PayOne's own side (`payone-assumed-v0`), written from the PayOne sheet.
//!
//! Account: `PUT /control/payone/accounts/{apiKey}` with `{"client":"Demo company","active":true}`
//! (`active` may be left out).
//!
//! Ledger: a deposit at its settlement, a withdraw at its acceptance. References: `referenceId` and PayOne's id.
//! State words: `Pending`, `Approved`, `Declined`, `Cancelled`, `Expired`.

mod api;
mod order;

use askama::Template;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::kit::{Call, Direction, Error, Pressed, Provider, Reply, Tx, html_page, notice_page, origin_of, same_text, see_other};
use order::{Order, ending, finish, press_pay};

const CURRENCY: &str = "CAD";
const PENDING: &str = "Pending";
const APPROVED: &str = "Approved";
const DECLINED: &str = "Declined";
const CANCELLED: &str = "Cancelled";
const EXPIRED: &str = "Expired";
const BANKS: [&str; 5] =
    ["Maple Test Bank", "Northern Test Credit Union", "Prairie Test Savings", "Atlantic Test Bank", "Banque d'essai"];

/// The simulator.
pub(crate) struct PayOne;

#[derive(Deserialize)]
struct Account {
    client: String,
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

impl Provider for PayOne {
    fn name(&self) -> &'static str {
        "payone"
    }

    fn is_page(&self, path: &str) -> bool {
        path.starts_with("/webflow-payment/")
    }

    fn upstream(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        api::answer(tx, call)
    }

    fn page(&self, tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
        let segments = call.segments();
        let order = match segments.as_slice() {
            [_, key, token] => tx
                .load::<Order>(key)?
                .filter(|order| order.direction == Direction::In && same_text(&order.token, token))
                .map(|order| ((*key).to_owned(), order)),
            _ => None,
        };
        let Some((key, mut order)) = order else {
            return notice_page(404, "PayOne", "Unknown payment", "There is no payment at this address.");
        };
        if call.method != Method::POST {
            return show(&key, &order, call, false);
        }
        if order.state != PENDING {
            return Ok(see_other(&order.site_url));
        }
        match call.form_field("action").as_deref() {
            // A browser always sends a bank (one is preselected); a script may leave it out.
            Some("pay") if call.form_field("bank").is_some_and(|bank| !BANKS.contains(&bank.as_str())) => {
                return show(&key, &order, call, true);
            }
            Some("pay") => press_pay(tx, &key, &mut order)?,
            Some("decline") => finish(tx, &key, &mut order, DECLINED, None)?,
            Some("cancel") => finish(tx, &key, &mut order, CANCELLED, None)?,
            _ => return show(&key, &order, call, false),
        }
        Ok(see_other(&order.site_url))
    }

    fn check_account(&self, body: &Value) -> Result<(), String> {
        let account = Account::deserialize(body).map_err(|error| error.to_string())?;
        if account.client.is_empty() { Err("client must not be empty".to_owned()) } else { Ok(()) }
    }

    fn outcome(&self, tx: &Tx<'_>, reference: &str, outcome: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        if order.state != PENDING {
            return Ok(Pressed::NotPossible(format!("the {} is {} already", order.kind(), order.state)));
        }
        match outcome {
            "pay" if order.direction == Direction::In => press_pay(tx, &key, &mut order)?,
            "pay" => return Ok(Pressed::NotPossible("a withdraw has no page".to_owned())),
            "approve" => finish(tx, &key, &mut order, APPROVED, None)?,
            "decline" => finish(tx, &key, &mut order, DECLINED, None)?,
            "cancel" => finish(tx, &key, &mut order, CANCELLED, None)?,
            "expire" => finish(tx, &key, &mut order, EXPIRED, None)?,
            _ => return Ok(Pressed::NotPossible("PayOne knows no reversal".to_owned())),
        }
        Ok(Pressed::Done(order.state))
    }

    fn set_status(&self, tx: &Tx<'_>, reference: &str, word: &str) -> Result<Pressed, Error> {
        let Some((key, mut order)) = tx.find::<Order>(reference)? else {
            return Ok(Pressed::Unknown);
        };
        finish(tx, &key, &mut order, word, None)?;
        Ok(Pressed::Done(order.state))
    }

    fn state(&self, tx: &Tx<'_>, reference: &str) -> Result<Option<String>, Error> {
        Ok(tx.find::<Order>(reference)?.map(|(_, order)| order.state))
    }

    fn event(&self, tx: &Tx<'_>, key: &str, event: &str) -> Result<(), Error> {
        let Some(mut order) = tx.load::<Order>(key)? else {
            return Ok(());
        };
        match event {
            "auto" if order.state == PENDING => press_pay(tx, key, &mut order),
            "settle" if order.state == PENDING => {
                let word = ending(order.scenario());
                finish(tx, key, &mut order, word, None)
            }
            "late" => finish(tx, key, &mut order, APPROVED, None),
            // The order was brought to its end by other means meanwhile.
            _ => Ok(()),
        }
    }
}
#[derive(Template)]
#[template(path = "payone.html")]
struct Page<'a> {
    provider: &'a str,
    title: &'a str,
    action: String,
    merchant: &'a str,
    amount: &'a str,
    payer: String,
    reference: &'a str,
    banks: &'a [&'a str],
    bank_unknown: bool,
    /// Empty while the payment waits.
    ended: &'a str,
    site_url: &'a str,
}

fn show(key: &str, order: &Order, call: &Call, bank_unknown: bool) -> Result<Reply, Error> {
    let page = Page {
        provider: "PayOne",
        title: "Interac payment",
        action: format!("/payone{}", call.path),
        merchant: &order.client,
        amount: &order.amount,
        payer: format!("{} {}", order.first_name, order.last_name),
        reference: key,
        banks: &BANKS,
        bank_unknown,
        ended: if order.state == PENDING { "" } else { &order.state },
        site_url: &order.site_url,
    };
    let leads_to: Vec<String> = origin_of(&order.site_url).into_iter().collect();
    html_page(if bank_unknown { 422 } else { 200 }, &page, &leads_to)
}
