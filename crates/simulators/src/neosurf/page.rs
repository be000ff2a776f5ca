//! The hosted page: the field for the voucher's PIN, and the buttons.

use askama::Template;
use http::Method;

use super::order::{Ending, Order};
use super::{Account, demo_merchant};
use crate::kit::{Call, Error, Reply, Tx, html_page, notice_page, origin_of, see_other};

const PIN_CHARACTERS: usize = 10;
/// The PIN that no voucher has.
const WRONG_PIN: &str = "0000000000";

#[derive(Template)]
#[template(path = "neosurf.html")]
struct Page<'a> {
    provider: &'a str,
    title: &'a str,
    action: String,
    merchant: String,
    amount: &'a str,
    currency: String,
    reference: &'a str,
    is_open: bool,
    is_paid: bool,
    pin_wrong: bool,
    /// How it ended.
    status: &'a str,
    message: &'a str,
    back: &'a str,
}

/// Answers one request of the page.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let found = match call.segments().as_slice() {
        [key] => tx.load::<Order>(key)?.map(|order| ((*key).to_owned(), order)),
        _ => None,
    };
    let Some((key, mut order)) = found else {
        return notice_page(404, "Neosurf", "Unknown payment", "There is no payment at this address.");
    };
    if !order.is_known {
        order.is_known = true;
        tx.save(&key, &order)?;
    }
    if call.method != Method::POST {
        return show(tx, call, &order, false);
    }
    if !order.is_open() {
        return Ok(see_other(order.leads_to()));
    }
    match call.form_field("action").as_deref() {
        Some("pay") if !call.form_field("pin").is_some_and(|pin| is_pin(&pin)) => return show(tx, call, &order, true),
        Some("pay") => order.press_pay(tx, &key)?,
        Some("cancel") => order.end(tx, &key, Ending::Cancelled, None).map(|_| ())?,
        Some("later") => order.end(tx, &key, Ending::Pending, None).map(|_| ())?,
        _ => return show(tx, call, &order, false),
    }
    Ok(see_other(order.leads_to()))
}

/// Ten letters or digits, of a voucher that is not the wrong one. The PIN goes no further than here.
fn is_pin(typed: &str) -> bool {
    let pin: String = typed.chars().filter(|character| !character.is_whitespace()).collect();
    pin.len() == PIN_CHARACTERS && pin.bytes().all(|byte| byte.is_ascii_alphanumeric()) && pin != WRONG_PIN
}

fn show(tx: &Tx<'_>, call: &Call, order: &Order, pin_wrong: bool) -> Result<Reply, Error> {
    let page = Page {
        provider: "Neosurf",
        title: "Voucher payment",
        action: format!("/neosurf{}", call.path),
        merchant: tx.account_of::<Account>(&order.account)?.map_or_else(demo_merchant, |(_, account)| account.merchant),
        amount: &order.amount,
        currency: order.currency_code(),
        reference: &order.reference,
        is_open: order.is_open(),
        is_paid: order.is_paid(),
        pin_wrong,
        status: &order.status,
        message: &order.error_message,
        back: order.leads_to(),
    };
    let mut leads_to: Vec<String> =
        [&order.url_ok, &order.url_ko, &order.url_pending].into_iter().filter_map(|url| origin_of(url)).collect();
    leads_to.dedup();
    html_page(if pin_wrong { 422 } else { 200 }, &page, &leads_to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_has_ten_letters_or_digits() {
        for good in ["1234567890", "AB12CD34EF", " 12345 67890 "] {
            assert!(is_pin(good), "{good}");
        }
        for bad in ["", WRONG_PIN, "00000 00000", "123456789", "12345678901", "123456789-"] {
            assert!(!is_pin(bad), "{bad}");
        }
    }
}
