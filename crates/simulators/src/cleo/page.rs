//! The hosted page of a transfer-in: `/pay/{token}`.

use askama::Template;
use http::Method;

use super::order::Order;
use super::{Account, CANCELLED, COMPLETED, COUNTRIES, REJECTED, demo_merchant};
use crate::kit::{Call, Error, Reply, Tx, html_page, notice_page, origin_of, see_other};

#[derive(Template)]
#[template(path = "cleo.html")]
struct Page<'a> {
    provider: &'a str,
    title: &'a str,
    action: String,
    merchant: String,
    amount: &'a str,
    local_amount: String,
    currency: &'a str,
    payer: &'a str,
    reference: &'a str,
    banks: &'a [&'a str],
    bank_unknown: bool,
    /// Empty while the transfer waits.
    ended: &'a str,
    good: bool,
    back: Option<&'a str>,
}

/// The name by which a page's token finds its transfer.
pub(super) fn name_of(tx: &Tx<'_>, token: &str) -> String {
    format!("page:{}", tx.digest(token))
}

/// Answers one request of the page.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let segments = call.segments();
    let found = match segments.as_slice() {
        [_, token] => tx.find::<Order>(&name_of(tx, token))?,
        _ => None,
    };
    let Some((key, mut order)) = found else {
        return notice_page(404, "Cleo", "Unknown payment", "There is no payment at this address.");
    };
    if call.method != Method::POST {
        return show(tx, call, &order, false);
    }
    if !order.has_ended() {
        match call.form_field("action").as_deref() {
            // A browser always sends a bank (one is preselected); a script may leave it out.
            Some("pay") if call.form_field("bank").is_some_and(|bank| !banks_of(&order).contains(&bank.as_str())) => {
                return show(tx, call, &order, true);
            }
            Some("pay") => order.press_pay(tx, &key)?,
            Some("decline") => order.finish(tx, &key, REJECTED, None).map(|_| ())?,
            Some("cancel") => order.finish(tx, &key, CANCELLED, None).map(|_| ())?,
            _ => return show(tx, call, &order, false),
        }
    }
    Ok(match &order.return_url {
        Some(url) => see_other(url),
        None => see_other(&format!("{}{}", call.base, call.path)),
    })
}

fn banks_of(order: &Order) -> &'static [&'static str] {
    COUNTRIES.iter().find(|country| country.code == order.country).map_or(&[], |country| &country.banks)
}

/// An amount as the country writes it: `$10.000`, `S/ 1,500.00`, `$1,500.00`.
fn local_amount(amount: &str, currency: &str) -> String {
    let (sign, separator) = match currency {
        "CLP" => ("$", '.'),
        "PEN" => ("S/ ", ','),
        _ => ("$", ','),
    };
    let (whole, rest) = amount.find('.').map_or((amount, ""), |point| amount.split_at(point));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(digit);
    }
    out + rest
}

fn show(tx: &Tx<'_>, call: &Call, order: &Order, bank_unknown: bool) -> Result<Reply, Error> {
    let page = Page {
        provider: "Cleo",
        title: "Bank transfer",
        action: format!("/cleo{}", call.path),
        merchant: tx.account_of::<Account>(&order.account)?.map_or_else(demo_merchant, |(_, account)| account.merchant),
        amount: &order.amount,
        local_amount: local_amount(&order.amount, &order.currency),
        currency: &order.currency,
        payer: &order.payer,
        reference: &order.reference,
        banks: banks_of(order),
        bank_unknown,
        ended: if order.has_ended() { &order.state } else { "" },
        good: order.state == COMPLETED,
        back: order.return_url.as_deref(),
    };
    let leads_to: Vec<String> = order.return_url.as_deref().and_then(origin_of).into_iter().collect();
    html_page(if bank_unknown { 422 } else { 200 }, &page, &leads_to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_in_their_country() {
        assert_eq!(local_amount("10000", "CLP"), "$10.000");
        assert_eq!(local_amount("1234567.80", "PEN"), "S/ 1,234,567.80");
        assert_eq!(local_amount("500.00", "MXN"), "$500.00");
    }
}
