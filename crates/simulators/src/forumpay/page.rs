//! The hosted page of a payment link: coin list, address with its countdown, result.

use askama::Template;
use http::Method;

use super::coins::{COINS, Coin, coin};
use super::order::{CURIOUS, Ending, Order, Payment, UNDERPAYMENT};
use super::{Account, demo_merchant};
use crate::kit::{Call, Direction, Error, Reply, Tx, html_page, notice_page, origin_of, see_other};

#[derive(Template)]
#[template(path = "forumpay.html")]
struct Page<'a> {
    provider: &'a str,
    title: &'a str,
    action: String,
    merchant: String,
    amount: &'a str,
    currency: &'a str,
    reference: &'a str,
    coins: &'static [Coin],
    payment: Option<&'a Payment>,
    /// What to send now: all, or what is missing.
    to_send: String,
    underpaid: bool,
    remaining_ms: i64,
    remaining_text: String,
    can_try_again: bool,
    back: Option<&'a str>,
}

/// Answers one request of the page.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let segments = call.segments();
    let order = match segments.as_slice() {
        [_, key] => tx.load::<Order>(key)?.filter(|order| order.direction == Direction::In).map(|order| (*key, order)),
        _ => None,
    };
    let Some((key, mut order)) = order else {
        return notice_page(404, "ForumPay", "Unknown invoice", "There is no invoice at this address.");
    };
    if call.method != Method::POST {
        return show(tx, call, &order);
    }
    press(tx, call, key, &mut order)
}

/// One of the page's buttons. What is not possible now shows the page as it is.
fn press(tx: &Tx<'_>, call: &Call, key: &str, order: &mut Order) -> Result<Reply, Error> {
    let alive = order.payments.iter().position(Payment::is_alive);
    let may_begin = alive.is_none() && order.payments.last().is_none_or(Payment::has_lapsed);
    // A payment in review is ForumPay's.
    let payers = alive.filter(|index| order.payments[*index].awaits_payer());
    let picked = call.form_field("coin");
    let button = call.form_field("action").unwrap_or_default();
    match (button.as_str(), payers) {
        ("choose" | "again", None) if may_begin => {
            let before = order.payments.last().map(|payment| payment.coin.clone());
            if let Some(coin) = picked.or(before).and_then(|code| coin(&code)) {
                order.add_payment(tx, key, coin)?;
            }
        }
        ("pay", Some(index)) => {
            order.press_pay(tx, key, index)?;
            let leads_to = if order.payments[index].is_confirmed() { &order.success_url } else { &order.failure_url };
            if let Some(address) = leads_to {
                return Ok(see_other(address));
            }
        }
        ("pay_less", Some(index)) => order.press_pay_less(tx, key, index)?,
        // The payer stays here: he may try again, or go back by the link.
        ("cancel", Some(index)) => {
            order.end(tx, key, index, Ending::Cancelled(Some(CURIOUS)))?;
        }
        _ => {}
    }
    Ok(see_other(&format!("{}{}", call.base, call.path)))
}

fn show(tx: &Tx<'_>, call: &Call, order: &Order) -> Result<Reply, Error> {
    let payment = order.payments.last();
    let confirmed = payment.is_some_and(Payment::is_confirmed);
    let underpaid = payment.is_some_and(|payment| payment.state == UNDERPAYMENT);
    let remaining_ms = payment.map_or(0, |payment| payment.expires_ms.saturating_sub(tx.now_ms).max(0));
    let seconds = remaining_ms.saturating_add(999) / 1_000;
    let to_send = payment.map(|payment| match &payment.missing {
        Some(missing) if underpaid => missing.clone(),
        _ => payment.amount.clone(),
    });
    let page = Page {
        provider: "ForumPay",
        title: "Crypto payment",
        action: format!("/forumpay{}", call.path),
        merchant: tx.account_of::<Account>(&order.account)?.map_or_else(demo_merchant, |(_, account)| account.merchant),
        amount: &order.invoice_amount,
        currency: &order.invoice_currency,
        reference: &order.reference,
        coins: &COINS,
        payment,
        to_send: to_send.unwrap_or_default(),
        underpaid,
        remaining_ms,
        remaining_text: format!("{}:{:02}", seconds / 60, seconds % 60),
        can_try_again: payment.is_some_and(Payment::has_lapsed),
        back: if confirmed { order.success_url.as_deref() } else { order.failure_url.as_deref() },
    };
    let mut leads_to: Vec<String> =
        [&order.success_url, &order.failure_url].into_iter().flatten().filter_map(|url| origin_of(url)).collect();
    leads_to.dedup();
    html_page(200, &page, &leads_to)
}
