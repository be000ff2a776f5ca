//! The hosted page of a session: `/{token}`, the "Test Bank".

use askama::Template;
use http::Method;

use super::session::Session;
use super::{Account, CANCELLED_BY_USER, demo_merchant};
use crate::kit::{Call, Error, Reply, Tx, html_page, notice_page, origin_of, see_other};

#[derive(Template)]
#[template(path = "brite.html")]
struct Page<'a> {
    provider: &'a str,
    title: &'a str,
    action: String,
    merchant: String,
    amount: &'a str,
    currency: &'a str,
    payer: &'a str,
    reference: &'a str,
    login_missing: bool,
    /// Empty while the payment waits.
    ended: String,
    good: bool,
    back: Option<&'a str>,
}

/// The name by which a page's token finds its session.
pub(super) fn name_of(tx: &Tx<'_>, token: &str) -> String {
    format!("page:{}", tx.digest(token))
}

/// Answers one request of the page.
pub(super) fn answer(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let segments = call.segments();
    let found = match segments.as_slice() {
        [token] => tx.find::<Session>(&name_of(tx, token))?,
        _ => None,
    };
    let Some((key, mut session)) = found else {
        return notice_page(404, "Brite", "Unknown payment", "There is no payment at this address.");
    };
    if call.method != Method::POST {
        return show(tx, call, &session, false);
    }
    if !session.has_ended() {
        match call.form_field("action").as_deref() {
            // A browser always sends the field; a script may leave it out. What is typed is looked at, never kept.
            Some("pay") if call.form_field("login").is_some_and(|login| login.trim().is_empty()) => {
                return show(tx, call, &session, true);
            }
            Some("pay") => session.press_pay(tx, &key)?,
            Some("cancel") => session.abort(tx, &key, CANCELLED_BY_USER)?,
            Some("fail") => session.fail(tx, &key)?,
            Some("risk") => session.reject(tx, &key, false)?,
            Some("late") => session.reject(tx, &key, true)?,
            _ => return show(tx, call, &session, false),
        }
        tx.save(&key, &session)?;
    }
    Ok(match &session.redirect_uri {
        Some(uri) => see_other(uri),
        None => see_other(&format!("{}{}", call.base, call.path)),
    })
}

fn show(tx: &Tx<'_>, call: &Call, session: &Session, login_missing: bool) -> Result<Reply, Error> {
    let merchant = match &session.brand_name {
        Some(brand) => brand.clone(),
        None => tx.account_of::<Account>(&session.account)?.map_or_else(demo_merchant, |(_, account)| account.merchant),
    };
    let page = Page {
        provider: "Brite",
        title: "Test Bank",
        action: format!("/brite{}", call.path),
        merchant,
        amount: &session.amount,
        currency: &session.currency,
        payer: &session.payer,
        reference: &session.merchant_reference,
        login_missing,
        ended: if session.has_ended() { session.word() } else { String::new() },
        good: session.is_credited(),
        back: session.redirect_uri.as_deref(),
    };
    let leads_to: Vec<String> = session.redirect_uri.as_deref().and_then(origin_of).into_iter().collect();
    html_page(if login_missing { 422 } else { 200 }, &page, &leads_to)
}
