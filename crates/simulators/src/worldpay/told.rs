//! The XML that Worldpay says: replies and notifications.

use super::Account;
use super::balance::{self, Amount};
use super::card::return_text;
use super::order::{Challenge, Order, Payment, REFUSED, TokenMade, is_refund, is_success};
use super::xml::Out;
use crate::kit::{Tx, date_of, random_digits};

/// An error; under `orderStatus` where it is about an order.
pub(super) fn error(merchant_code: &str, order_code: Option<&str>, code: u8, text: &str) -> String {
    let mut out = Out::of(merchant_code);
    out.open("reply", &[]);
    if let Some(order_code) = order_code {
        out.open("orderStatus", &[("orderCode", order_code)]);
    }
    out.cdata("error", &[("code", &code.to_string())], text);
    out.finish()
}

/// The reply to a hosted order.
pub(super) fn hosted(order: &Order, address: &str) -> String {
    let mut out = status(order);
    out.leaf("reference", &[("id", &order.reference_id)], address);
    out.finish()
}

/// The reply that asks for a challenge.
pub(super) fn challenge(order: &Order, challenge: &Challenge) -> String {
    let mut out = status(order);
    out.open("challengeRequired", &[])
        .open("threeDSChallengeDetails", &[])
        .leaf("threeDSVersion", &[], "2.1.0")
        .leaf("transactionId3DS", &[], &challenge.transaction_id)
        .cdata("acsURL", &[], &challenge.acs_url)
        .leaf("payload", &[], &challenge.payload);
    out.finish()
}

/// The reply with one payment, and the token that it led to.
pub(super) fn paid(account: &Account, order: &Order, payment: &Payment) -> String {
    let mut out = status(order);
    write_payment(&mut out, account, order, payment, true);
    if let Some(made) = &order.token_made {
        write_token(&mut out, order, made);
    }
    out.finish()
}

/// The reply to an inquiry: every payment of the order.
pub(super) fn inquired(account: &Account, order: &Order) -> String {
    let mut out = status(order);
    for payment in &order.payments {
        write_payment(&mut out, account, order, payment, true);
    }
    out.finish()
}

fn status(order: &Order) -> Out {
    let mut out = Out::of(&order.merchant_code);
    out.open("reply", &[]).open("orderStatus", &[("orderCode", &order.code)]);
    out
}

/// A notification of what became of a payment.
pub(super) fn notification(tx: &Tx<'_>, account: &Account, order: &Order, payment: &Payment) -> String {
    let word = payment.last_event.as_str();
    let mut out = Out::of(&order.merchant_code);
    out.open("notify", &[]).open("orderStatusEvent", &[("orderCode", &order.code)]);
    write_payment(&mut out, account, order, payment, false);
    out.open("journal", &[("journalType", word), ("sent", "n")]);
    write_date(&mut out, "bookingDate", tx.now_ms);
    for booking in balance::journal(account, order, payment) {
        out.open("accountTx", &[("accountType", booking.account), ("batchId", "23")]);
        write_amount(&mut out, &booking.amount, None);
        out.close();
    }
    if is_refund(word) && payment.booked {
        let reference = if account.refund_references { random_digits(12) } else { String::new() };
        out.empty("journalReference", &[("type", "refund"), ("reference", &reference)]);
    }
    out.close();
    if let Some(made) = order.token_made.as_ref().filter(|_| order.hosted && is_success(word)) {
        write_token(&mut out, order, made);
    }
    out.finish()
}

/// An amount; `side`: with the side of the account that it is on.
fn write_amount(out: &mut Out, amount: &Amount, side: Option<&str>) {
    let (value, exponent) = (amount.minor.to_string(), amount.exponent.to_string());
    let mut attributes =
        vec![("value", value.as_str()), ("currencyCode", amount.currency.as_str()), ("exponent", exponent.as_str())];
    attributes.extend(side.map(|side| ("debitCreditIndicator", side)));
    out.empty("amount", &attributes);
}

fn write_date(out: &mut Out, name: &'static str, at_ms: i64) {
    let part = |format: &str| date_of(at_ms, format);
    let date = [("dayOfMonth", &*part("%d")), ("month", &*part("%m")), ("year", &*part("%Y"))];
    out.open(name, &[]).empty("date", &date).close();
}

fn write_payment(out: &mut Out, account: &Account, order: &Order, payment: &Payment, in_reply: bool) {
    let word = payment.last_event.as_str();
    out.open("payment", &[]).leaf("paymentMethod", &[], &payment.method);
    if in_reply {
        out.open("paymentMethodDetail", &[]).empty("card", &[("number", &payment.masked), ("type", "creditcard")]).close();
    }
    // The whole of the order, whatever the event moved.
    write_amount(out, &Amount::of(order, order.amount_minor), Some("credit"));
    out.leaf("lastEvent", &[], word);
    if is_success(word) && in_reply {
        out.empty("AuthorisationId", &[("id", &payment.authorisation_id)])
            .empty("CVCResultCode", &[("description", "B")])
            .empty("AVSResultCode", &[("description", "E")]);
    }
    if account.balances && (in_reply || payment.given_back > 0) {
        for balance in balance::balances(account, order, payment) {
            out.open("balance", &[("accountType", balance.account)]);
            let side = if balance.amount.minor < 0 { "debit" } else { "credit" };
            write_amount(out, &Amount { minor: balance.amount.minor.abs(), ..balance.amount }, Some(side));
            out.close();
        }
    }
    if !in_reply {
        out.leaf("cardNumber", &[], &payment.masked);
    }
    if let Some(code) = payment.return_code.as_deref().filter(|_| word == REFUSED) {
        let name = if account.issuer_response_codes { "IssuerResponseCode" } else { "ISO8583ReturnCode" };
        out.empty(name, &[("code", code), ("description", return_text(code))]);
    }
    out.empty("riskScore", &[("value", if in_reply { "51" } else { "0" })]);
    if let Some(fraud) = &order.fraud {
        out.empty("FraudSight", &[("score", &fraud.score), ("id", &fraud.id), ("message", &fraud.message)]);
    }
    out.close();
}

fn write_token(out: &mut Out, order: &Order, made: &TokenMade) {
    out.open("token", &[]);
    if let Some(asked) = &order.token_asked {
        out.leaf("authenticatedShopperID", &[], &asked.shopper);
        if let Some(reference) = &asked.event_reference {
            out.leaf("tokenEventReference", &[], reference);
        }
    }
    out.open("tokenDetails", &[("tokenEvent", &made.event)]).leaf("paymentTokenID", &[], &made.token.id);
    write_date(out, "paymentTokenExpiry", made.token.expires_ms);
    out.close().close();
}
