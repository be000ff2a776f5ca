//! The hosted page of a pay-in: `/webflow`.

use askama::Template;
use http::Method;

use super::order::Order;
use super::{ABORTED, REJECTED, SUCCESS, api};
use crate::kit::{Call, Direction, Error, Reply, Tx, html_page, notice_page, see_other};

const BANKS: [&str; 5] =
    ["Maple Test Bank", "Northern Test Credit Union", "Prairie Test Savings", "Atlantic Test Bank", "Banque d'essai"];

#[derive(Template)]
#[template(path = "gigadat.html")]
struct Page<'a> {
    provider: &'a str,
    title: &'a str,
    action: String,
    site: &'a str,
    amount: &'a str,
    payer: &'a str,
    reference: &'a str,
    banks: &'a [&'a str],
    bank_unknown: bool,
    paying: bool,
    /// Empty while the payment waits.
    ended: &'a str,
    good: bool,
}

/// Answers one request of the page, or of a merchant that registers a pay-out without Basic.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let (key, mut order) = match api::admitted(tx, call)? {
        Ok(found) => found,
        Err(text) => {
            return notice_page(400, "Gigadat", text, "This address leads to no payment, or its time is over.");
        }
    };
    if order.direction == Direction::Out {
        return api::register(tx, call);
    }
    if call.method != Method::POST {
        order.open(tx, &key)?;
        return show(&key, &order, call, false);
    }
    if !order.paying && !order.has_ended() {
        match call.form_field("action").as_deref() {
            Some("pay") => {
                let bank = call.form_field("bank");
                // A browser always sends a bank (one is preselected); a script may leave it out.
                if bank.as_deref().is_some_and(|bank| !BANKS.contains(&bank)) {
                    return show(&key, &order, call, true);
                }
                order.press_pay(tx, &key, bank)?;
            }
            Some("decline") => order.finish(tx, &key, REJECTED, None).map(|_| ())?,
            Some("leave") => order.finish(tx, &key, ABORTED, None).map(|_| ())?,
            _ => return show(&key, &order, call, false),
        }
    }
    // No return address exists upstream: the payer stays, on the closing page.
    Ok(see_other(&format!("{}{}?{}", call.base, call.path, call.query)))
}

fn show(key: &str, order: &Order, call: &Call, bank_unknown: bool) -> Result<Reply, Error> {
    let page = Page {
        provider: "Gigadat",
        title: "Interac payment",
        action: format!("/gigadat{}?{}", call.path, call.query),
        site: &order.site,
        amount: &order.amount,
        payer: &order.name,
        reference: key,
        banks: &BANKS,
        bank_unknown,
        paying: order.paying,
        ended: if order.has_ended() { &order.state } else { "" },
        good: order.state == SUCCESS,
    };
    html_page(if bank_unknown { 422 } else { 200 }, &page, &[])
}
