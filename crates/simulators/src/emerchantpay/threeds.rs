//! 3-D Secure: the device check, its continuation, and the page of the challenge.

use askama::Template;
use http::Method;

use super::api::{html, is_of, unauthorized};
use super::cards::{Ending, Way};
use super::payment::{APPROVED, CANCELLED, DECLINED, ERROR, IN_PROGRESS, PENDING_ASYNC, Payment, Reason, Step, TIMEOUT};
use super::xml::Answer;
use super::{Account, sign};
use crate::kit::{Call, Callback, Error, Reply, Tx, html_page, notice_page, same_text, see_other};

/// The state of a device check that has been made.
const METHOD_COMPLETED: &str = "completed";

/// The buttons of the challenge page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Button {
    Authenticate,
    Fail,
    Cancel,
}

/// Whether the form carries the merchant's signature of a payment.
fn is_signed(call: &Call, key: &str, payment: &Payment, account: &Account) -> bool {
    let expected = sign::method(key, &payment.amount.to_string(), &payment.timestamp(), &account.password);
    call.form_field("unique_id").is_some_and(|unique_id| same_text(&unique_id, key))
        && call.form_field("signature").is_some_and(|signature| same_text(&signature, &expected))
}

/// `POST /threeds/threeds_method`, by the browser in a hidden frame: the device check, and the callback about it.
pub(super) fn method(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let key = call.form_field("unique_id").unwrap_or_default();
    let Some(mut payment) = tx.load::<Payment>(&key)? else {
        return Ok(html(404, "The page you were looking for does not exist"));
    };
    let account = tx.account_of::<Account>(&payment.account)?.map(|(_, account)| account);
    let Some(account) = account.filter(|account| is_signed(call, &key, &payment, account)) else {
        return Ok(html(400, "The request is not valid"));
    };
    if payment.step != Step::Method || payment.method_completed {
        // Not wanted any more.
        return Ok(Reply::empty(422));
    }
    payment.method_completed = true;
    tx.save(&key, &payment)?;
    let signature = sign::method_callback(&key, METHOD_COMPLETED, &account.password);
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("unique_id", &key)
        .append_pair("threeds_method_status", METHOD_COMPLETED)
        .append_pair("signature", &signature)
        .finish();
    let mut callback = Callback::post(&payment.method_callback_url, "application/x-www-form-urlencoded", body);
    // It speeds the payer's way up and decides nothing: once is enough.
    callback.retry_at_ms = Vec::new();
    tx.send(&key, &callback)?;
    Ok(html(200, "This simulated device check is complete"))
}

/// `PUT /threeds/threeds_method/{unique_id}`: the merchant goes on after the device check.
pub(super) fn continue_payment(tx: &Tx<'_>, call: &Call, key: &str) -> Result<Reply, Error> {
    if !tx.any_account::<Account>(|account| is_of(call, account))? {
        return Ok(unauthorized());
    }
    let own = match tx.load::<Payment>(key)? {
        Some(payment) => tx
            .account_of::<Account>(&payment.account)?
            .filter(|(_, account)| is_of(call, account))
            .map(|(_, account)| (payment, account)),
        None => None,
    };
    let Some((mut payment, account)) = own else {
        return Ok(html(404, "The page you were looking for does not exist"));
    };
    // What these two say is about the call, not about the payment.
    let of_the_call = |word: &str, text: &str| {
        let answer = Answer::default().with("transaction_type", "sale3d").with("status", word).with("unique_id", key);
        answer.with("transaction_id", &payment.transaction_id).with("technical_message", text).with("message", text)
    };
    if !is_signed(call, key, &payment, &account) {
        return Ok(of_the_call(IN_PROGRESS, "Please check signature!").reply(400));
    }
    if payment.step != Step::Method || !payment.is_open() {
        let word = if payment.is_open() { PENDING_ASYNC } else { ERROR };
        return Ok(of_the_call(word, "The transaction was continued already, please reconcile").reply(409));
    }
    if payment.course.way.has_page() {
        payment.step = Step::Page;
        tx.save(key, &payment)?;
        tx.schedule_auto_settle(key, "auto")?;
        return Ok(payment.told_with_next(key, &call.base).reply(200));
    }
    let job = payment.run_out(tx, key)?;
    let reply = payment.told(key).reply(200);
    let early = payment.scenario() == 10;
    Ok(reply.after(job.filter(|_| early).map(|job| tx.sent_once(job))))
}

/// One of the buttons of the page; the job of the (first) notification.
pub(super) fn press(tx: &Tx<'_>, key: &str, payment: &mut Payment, button: Button) -> Result<Option<i64>, Error> {
    match (payment.course.ending, button) {
        // These ends come whatever is pressed.
        (Ending::Cancelled | Ending::TimedOut, _) | (_, Button::Authenticate) => payment.run_out(tx, key),
        (_, Button::Fail) => payment.end(tx, key, DECLINED, Some(Reason::of_authentication())),
        (_, Button::Cancel) => payment.end(tx, key, CANCELLED, None),
    }
}

#[derive(Template)]
#[template(path = "emerchantpay.html")]
struct Page<'a> {
    provider: &'a str,
    title: &'a str,
    action: String,
    merchant: &'a str,
    usage: &'a str,
    amount: String,
    currency: &'a str,
    card: &'a str,
    /// Empty while the payer is awaited.
    ended: &'a str,
    approved: bool,
    back: &'a str,
}

/// `/threeds/authentication/{unique_id}`: the page of the challenge, and of the redirect of 3-D Secure 1.
pub(super) fn page(tx: &Tx<'_>, call: &Call) -> Result<Reply, Error> {
    let segments = call.segments();
    let payment = match segments.as_slice() {
        [_, _, key] => tx.load::<Payment>(key)?.map(|payment| (*key, payment)),
        _ => None,
    };
    let shown = payment.filter(|(_, payment)| payment.course.way.has_page() && payment.step != Step::Method);
    let Some((key, mut payment)) = shown else {
        return notice_page(404, "eMerchantPay", "Unknown payment", "There is no payment at this address.");
    };
    let waits = payment.step == Step::Page && payment.is_open();
    if waits && payment.course.ending == Ending::TimedOut {
        payment.run_out(tx, key)?;
        return show(tx, call, &payment);
    }
    if call.method != Method::POST {
        return show(tx, call, &payment);
    }
    if !waits {
        return Ok(see_other(payment.return_url()));
    }
    let button = match call.form_field("action").as_deref() {
        Some("pay") => Button::Authenticate,
        Some("decline") => Button::Fail,
        Some("cancel") => Button::Cancel,
        _ => return show(tx, call, &payment),
    };
    let job = press(tx, key, &mut payment, button)?;
    let early = payment.scenario() == 10;
    Ok(see_other(payment.return_url()).after(job.filter(|_| early).map(|job| tx.sent_once(job))))
}

fn show(tx: &Tx<'_>, call: &Call, payment: &Payment) -> Result<Reply, Error> {
    let merchant = tx.account_of::<Account>(&payment.account)?.map(|(_, account)| account.merchant);
    let ended = match payment.state.as_str() {
        _ if payment.step == Step::Page && payment.is_open() => "",
        TIMEOUT => "expired",
        word => word,
    };
    let page = Page {
        provider: "eMerchantPay",
        title: if payment.course.way == Way::Redirect { "3-D Secure 1" } else { "3-D Secure" },
        action: format!("/emerchantpay{}", call.path),
        merchant: merchant.as_deref().unwrap_or_default(),
        usage: &payment.usage,
        amount: payment.amount_text(),
        currency: &payment.currency,
        card: &payment.card_masked,
        ended,
        approved: payment.state == APPROVED,
        back: payment.return_url(),
    };
    // The return address leads on to a page of the merchant's that nothing here can know, and a browser holds every
    // step of that way against the policy.
    html_page(200, &page, &["https:".to_owned(), "http:".to_owned()])
}
