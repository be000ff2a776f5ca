//! Worldpay's documents.

use super::SERVICE;
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

const DOCTYPE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><!DOCTYPE paymentService PUBLIC \"-//WorldPay//DTD WorldPay \
                       PaymentService v1//EN\" \"http://dtd.worldpay.com/paymentService_v1.dtd\">";
pub(super) const CAPTURED: &str = "IN_PROCESS_CAPTURED";
pub(super) const NET: &str = "SETTLED_BIBIT_NET";
pub(super) const COMMISSION: &str = "SETTLED_BIBIT_COMMISSION";

/// An answer with a body, or without.
pub(super) fn http(status: u16, body: &str) -> Value {
    json!({"http": status, "headers": {"content-type": "text/xml"}, "body": body})
}

/// A document with this in `reply`.
pub(super) fn reply(inner: &str) -> String {
    format!("{DOCTYPE}<paymentService version=\"1.4\"><reply>{inner}</reply></paymentService>")
}

/// A document with this of ours.
pub(super) fn asking(merchant: &str, inner: &str) -> String {
    let doctype = DOCTYPE.replace("WorldPay", "Worldpay");
    format!("{doctype}<paymentService version=\"1.4\" merchantCode=\"{merchant}\">{inner}</paymentService>")
}

pub(super) fn xml(inner: &str) -> Value {
    http(200, &reply(inner))
}

pub(super) fn error(code: &str, text: &str) -> String {
    format!("<error code=\"{code}\"><![CDATA[{text}]]></error>")
}

/// An answer about an order.
pub(super) fn status(id: &str, inner: &str) -> Value {
    xml(&format!("<orderStatus orderCode=\"{id}\">{inner}</orderStatus>"))
}

pub(super) fn amount(minor: i64, currency: &str, side: &str) -> String {
    format!("<amount value=\"{minor}\" currencyCode=\"{currency}\" exponent=\"2\" debitCreditIndicator=\"{side}\"/>")
}

/// A payment of 150.00, with more inside.
pub(super) fn payment(event: &str, more: &str) -> String {
    let whole = amount(15_000, "EUR", "credit");
    format!("<payment><paymentMethod>VISA-SSL</paymentMethod>{whole}<lastEvent>{event}</lastEvent>{more}</payment>")
}

pub(super) fn balance(account: &str, minor: i64, currency: &str, side: &str) -> String {
    format!("<balance accountType=\"{account}\">{}</balance>", amount(minor, currency, side))
}

pub(super) fn booking(account: &str, minor: i64, currency: &str) -> String {
    format!("<accountTx accountType=\"{account}\" batchId=\"23\">{}</accountTx>", amount(minor, currency, "credit"))
}

/// A notification with that about an order.
pub(super) fn notification(id: &str, inner: &str) -> String {
    format!(
        "{DOCTYPE}<paymentService version=\"1.4\" merchantCode=\"DEMOCOMPANY\"><notify>\
         <orderStatusEvent orderCode=\"{id}\">{inner}</orderStatusEvent></notify></paymentService>"
    )
}

/// One of an event, with its journal.
pub(super) fn event(id: &str, word: &str) -> String {
    let payment = payment(word, "<cardNumber>4444********1111</cardNumber><riskScore value=\"0\"/>");
    let date = "<bookingDate><date dayOfMonth=\"01\" month=\"01\" year=\"2026\"/></bookingDate>";
    let booking = booking("IN_PROCESS_AUTHORISED", 15_000, "EUR");
    notification(id, &format!("{payment}<journal journalType=\"{word}\" sent=\"n\">{date}{booking}</journal>"))
}

/// One of a refund, as the console's have it.
pub(super) fn refund(id: &str, bookings: &str, day: u8, reference: &str) -> String {
    let date = format!("<bookingDate><date dayOfMonth=\"{day:02}\" month=\"01\" year=\"2026\"/></bookingDate>");
    let reference = format!("<journalReference type=\"refund\" reference=\"{reference}\"/>");
    let journal = format!("<journal journalType=\"REFUNDED\" sent=\"n\">{date}{bookings}{reference}</journal>");
    let payment = payment("REFUNDED", "<cardNumber>4444********1111</cardNumber>");
    notification(id, &format!("{payment}{journal}"))
}

/// What the memo calls a notification by: letters of its bytes' digest.
pub(super) fn name_of(body: &str) -> String {
    let hash = digest(&SHA256, body.as_bytes());
    let halves = hash.as_ref().iter().take(16).flat_map(|byte| [byte >> 4, byte & 0x0f]);
    halves.map(|half| char::from(b'a' + half)).collect()
}

fn next(about: &str, mut answer: Value) -> Value {
    answer["path"] = json!(SERVICE);
    answer["about"] = json!(about);
    answer
}

/// The answer to the next order.
pub(super) fn next_submit(reply: Value) -> Value {
    next("<description>", reply)
}

/// The answer to the next second submit.
pub(super) fn next_second(reply: Value) -> Value {
    next("completedAuthentication", reply)
}

/// The answer to the next question about an order: nothing else carries it so.
pub(super) fn next_inquiry(id: &str, reply: Value) -> Value {
    next(&format!("<orderInquiry orderCode=\"{id}\""), reply)
}
