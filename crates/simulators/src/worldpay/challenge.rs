//! The 3DS Flex challenge page: `JWT` and `MD` in, the payer's answer, and the way back to `ReturnUrl`.

use askama::Template;
use http::Method;

use super::jwt;
use super::order::{Answered, Challenge, Order};
use super::page::NAME;
use super::{Account, STEP_UP_ANSWER};
use crate::kit::{Call, Error, Reply, Tx, html_page, notice_page, random_hex, same_text};

const MD_MAX_BYTES: usize = 1_024;

#[derive(Template)]
#[template(path = "worldpay_3ds.html")]
struct Page<'a> {
    provider: &'a str,
    title: &'a str,
    action: String,
    merchant: &'a str,
    amount: String,
    currency: &'a str,
    card: &'a str,
    transaction_id: &'a str,
}

#[derive(Template)]
#[template(path = "worldpay_3ds_return.html")]
struct Return<'a> {
    provider: &'a str,
    title: &'a str,
    return_url: &'a str,
    transaction_id: &'a str,
    response: String,
    md: &'a str,
}

/// `POST /V2/Cruise/StepUp`.
pub(super) fn open(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let refuse = |why: &str| notice_page(400, NAME, "Challenge refused", why);
    if call.method != Method::POST {
        return notice_page(405, NAME, "Method not allowed", "A challenge is opened with a POST.");
    }
    let (Some(jwt), md) = (call.form_field("JWT"), call.form_field("MD").unwrap_or_default()) else {
        return refuse("JWT is missing");
    };
    if md.len() > MD_MAX_BYTES {
        return refuse("MD is too long");
    }
    let read = match jwt::read(&jwt) {
        Ok(read) => read,
        Err(why) => return refuse(why),
    };
    let claims = &read.claims;
    let Some((key, mut order)) = order_of(tx, &claims.payload.transaction_id)? else {
        return refuse("JWT is about no challenge");
    };
    let Some((_, account)) = tx.account_of::<Account>(&order.account)? else {
        return refuse("JWT is about no challenge");
    };
    let Some(secret) = account.three_ds_jwt_key.as_deref() else {
        return refuse("3DS Flex is not set up");
    };
    if let Err(why) = read.verify(secret, tx.now_ms) {
        return refuse(why);
    }
    let same = |ours: &Option<String>, theirs: &str| ours.as_deref().is_some_and(|ours| ours == theirs);
    if !same(&account.three_ds_issuer, &claims.iss) || !same(&account.three_ds_org_unit_id, &claims.org_unit_id) {
        return refuse("iss or OrgUnitId is not the account's");
    }
    let Some(challenge) = order.challenge.as_mut() else {
        return refuse("JWT is about no challenge");
    };
    if challenge.acs_url != claims.payload.acs_url || challenge.payload != claims.payload.payload {
        return refuse("ACSUrl or Payload is not that of the challenge");
    }
    if challenge.closed {
        return ended();
    }
    if challenge.answered.is_some() {
        return way_back(challenge);
    }
    challenge.way_back = Some((claims.return_url.clone(), md));
    tx.save(&key, &order)?;
    tx.schedule_auto_settle(&key, "auto_challenge")?;
    show(&order, &account)
}

/// One of the page's buttons.
pub(super) fn press(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let id = call.form_field("challenge").unwrap_or_default();
    let Some((key, mut order)) = order_of(tx, &id)?.filter(|_| call.method == Method::POST) else {
        return notice_page(404, NAME, "Unknown challenge", "There is no challenge at this address.");
    };
    let Some(challenge) = order.challenge.as_mut() else {
        return notice_page(404, NAME, "Unknown challenge", "There is no challenge at this address.");
    };
    if challenge.closed {
        return ended();
    }
    if challenge.never_returns {
        return notice_page(200, NAME, "Your bank does not answer", "The payment cannot be confirmed now.");
    }
    if challenge.answered.is_none() {
        challenge.answered = match call.form_field("action").as_deref() {
            Some("authenticate") => Some(Answered::Authenticated),
            Some("fail") => Some(Answered::Failed),
            Some("cancel") => Some(Answered::Cancelled),
            _ => return notice_page(400, NAME, "Unknown answer", "That button is not known here."),
        };
        tx.save(&key, &order)?;
    }
    match &order.challenge {
        Some(challenge) => way_back(challenge),
        None => ended(),
    }
}

/// The order of a challenge's own id.
fn order_of(tx: &Tx<'_>, transaction_id: &str) -> Result<Option<(String, Order)>, Error> {
    let Some(key) = tx.keys_of(transaction_id)?.pop() else {
        return Ok(None);
    };
    let order = tx.load::<Order>(&key)?;
    let is_it = |order: &Order| order.challenge.as_ref().is_some_and(|one| same_text(&one.transaction_id, transaction_id));
    Ok(order.filter(is_it).map(|order| (key, order)))
}

fn ended() -> Result<Reply, Error> {
    notice_page(410, NAME, "Challenge over", "This payment has been confirmed or has ended already.")
}

fn show(order: &Order, account: &Account) -> Result<Reply, Error> {
    let page = Page {
        provider: NAME,
        title: "Confirm your payment",
        action: format!("/worldpay{STEP_UP_ANSWER}"),
        merchant: &account.merchant,
        amount: order.amount_text(),
        currency: &order.currency,
        card: order.card.as_ref().map_or("", |card| &card.masked),
        transaction_id: order.challenge.as_ref().map_or("", |challenge| &challenge.transaction_id),
    };
    html_page(200, &page, &[])
}

/// The form that takes the browser back; what it carries decides nothing, the second submit asks here.
fn way_back(challenge: &Challenge) -> Result<Reply, Error> {
    let Some((return_url, md)) = &challenge.way_back else {
        return ended();
    };
    let page = Return {
        provider: NAME,
        title: "Back to the shop",
        return_url,
        transaction_id: &challenge.transaction_id,
        response: random_hex(32),
        md,
    };
    // `ReturnUrl` leads on to a page of the merchant's that nothing here can know, and a browser holds every step
    // of that way against the policy.
    html_page(200, &page, &["https:".to_owned(), "http:".to_owned()])
}
