//! The Payment Page: methods or the card form, Pay, Cancel.

use askama::Template;
use http::Method;

use super::card::Paid;
use super::order::Order;
use super::{Account, PAGE_PREFIX};
use crate::kit::{Call, Error, Reply, Tx, html_page, notice_page, see_other};

const PROVIDER: &str = "Trust Payments";
const HTML: &str = "text/html; charset=utf-8";
/// The scenario in which the browser's connection is closed once the payment is booked.
const CLOSED: u8 = 12;

/// Methods of the page `choice`: the value of the field, and what the payer reads.
const METHODS: [(&str, &str); 4] =
    [("VISA", "Visa"), ("MASTERCARD", "Mastercard"), ("APPLEPAY", "Apple Pay"), ("GOOGLEPAY", "Google Pay")];

/// What the page has to say about the payer's last attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    /// The card number, or the method, cannot be used.
    Card,
    /// The bank said no; the payer may try again.
    Declined,
}

#[derive(Template)]
#[template(path = "trust.html")]
struct Page<'a> {
    provider: &'a str,
    title: &'a str,
    action: String,
    merchant: &'a str,
    amount: &'a str,
    currency: &'a str,
    reference: &'a str,
    billing: Vec<(&'a str, &'a str)>,
    methods: &'static [(&'static str, &'static str)],
    /// The card form alone.
    details: bool,
    may_pay: bool,
    card_wrong: bool,
    declined: bool,
    is_paid: bool,
    /// How it ended.
    state: String,
    /// Where the payer goes on to; empty when no rule sends him anywhere.
    onward: String,
}

/// "Invalid details": with HTTP 200 unless the request was no form at all.
pub(super) fn invalid_details(status: u16) -> Result<Reply, Error> {
    notice_page(status, PROVIDER, "Invalid details", "Invalid details: the merchant's request cannot be used for a payment.")
}

/// A path that does not exist.
pub(super) fn not_found() -> Result<Reply, Error> {
    notice_page(404, PROVIDER, "Not found", "There is nothing at this address.")
}

/// The form can be posted only.
pub(super) fn method_not_allowed() -> Reply {
    Reply::text(405, HTML, "<html><body>Method Not Allowed</body></html>").header("allow", "POST")
}

/// Answers one request of the page that a posted form led to.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let key = call.path.strip_prefix(PAGE_PREFIX).unwrap_or_default();
    let Some(mut order) = tx.load::<Order>(key)? else {
        return not_found();
    };
    if call.method != Method::POST || !order.may_pay(tx.now_ms) {
        return show(tx, key, &order, Trouble::None);
    }
    match call.form_field("action").as_deref() {
        Some("cancel") => Ok(match order.cancel_redirect(tx)? {
            Some(address) => see_other(&address),
            None => notice_page(200, PROVIDER, "Payment cancelled", "You have not paid. You can close this window.")?,
        }),
        Some("pay") => match chosen(call, order.details) {
            Some(paid) => pay(tx, key, &mut order, &paid),
            None => show(tx, key, &order, Trouble::Card),
        },
        _ => show(tx, key, &order, Trouble::None),
    }
}

/// What the payer chose; a typed number goes no further than here.
fn chosen(call: &Call, details: bool) -> Option<Paid> {
    let number = call.form_field("pan").unwrap_or_default();
    match call.form_field("method") {
        Some(method) if !details && method != "CARD" => Paid::by_method(&method),
        _ => Paid::by_number(&number),
    }
}

fn pay(tx: &Tx<'_>, key: &str, order: &mut Order, paid: &Paid) -> Result<Reply, Error> {
    order.press_pay(tx, key, paid)?;
    let Some(record) = order.last() else {
        return show(tx, key, order, Trouble::None);
    };
    if order.digits() == CLOSED && record.is_success() {
        return Ok(Reply::close());
    }
    match order.redirect(tx, record)? {
        Some(address) => Ok(see_other(&address)),
        None if record.is_refused() => show(tx, key, order, Trouble::Declined),
        None => show(tx, key, order, Trouble::None),
    }
}

/// The page as it stands.
pub(super) fn show(tx: &Tx<'_>, key: &str, order: &Order, trouble: Trouble) -> Result<Reply, Error> {
    let may_pay = order.may_pay(tx.now_ms);
    let last = order.last();
    let undecided_or_paid = last.is_some_and(|record| !record.is_refused());
    if !may_pay && !undecided_or_paid {
        return invalid_details(200);
    }
    let account = tx.account_of::<Account>(&order.account)?.map(|(_, account)| account).unwrap_or_default();
    let onward = match last {
        Some(record) if !may_pay => order.redirect(tx, record)?,
        _ => None,
    };
    let page = Page {
        provider: PROVIDER,
        title: "Payment",
        action: format!("/trust{PAGE_PREFIX}{key}"),
        merchant: account.merchant(),
        amount: &order.amount,
        currency: &order.currency,
        reference: &order.orderreference,
        billing: order.billing.iter().map(|(name, value)| (label(name), value.as_str())).collect(),
        methods: &METHODS,
        details: order.details,
        may_pay,
        card_wrong: trouble == Trouble::Card,
        declined: trouble == Trouble::Declined || (may_pay && last.is_some()),
        is_paid: last.is_some_and(super::attempt::Record::is_success),
        state: order.state(),
        onward: onward.unwrap_or_default(),
    };
    // The way back goes over the platform to a merchant that is not known here, and browsers hold every step of a
    // form's way against this list.
    let anywhere = ["https:".to_owned(), "http:".to_owned()];
    html_page(if page.card_wrong { 422 } else { 200 }, &page, &anywhere)
}

/// A billing field as the payer reads it.
fn label(name: &str) -> &str {
    match name {
        "billingfirstname" => "First name",
        "billinglastname" => "Last name",
        "billingemail" => "E-mail",
        "billingtelephone" => "Telephone",
        "billingpremise" => "Address",
        "billingstreet" => "Street",
        "billingtown" => "Town",
        "billingcounty" => "County",
        "billingpostcode" => "Postcode",
        "billingcountryiso2a" => "Country",
        other => other,
    }
}
