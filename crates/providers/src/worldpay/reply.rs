//! Worldpay's answers to the orders and to the second submit. Sheet: "Upstream wire protocol", "Status and error mapping".

use super::browser::{self, CAME_AT, CHALLENGE, SECOND};
use super::record::{Counting, judged, payment};
use super::told::Told;
use super::{DESCRIPTOR, order};
use crate::api::{CashierAnswer, Context, Finding, Refusal, Reply, Standing, Step};
use crate::card::{mask_json, mask_numbers};
use crate::descriptor::{ErrorRow, Signal, StatusRow};
use crate::kit;
use crate::signals::{CERTAIN_REFUSALS, certainly_refused, judge};
use crate::xml::{self, Element, Once};
use domain::urls::merchant_url;
use domain::{Json, amounts};
use std::borrow::Cow;

/// `lastEvent` that says nothing.
pub(super) const NO_NEWS: &str = "null";
/// The status word of it.
pub(super) const PENDING: &str = "PENDING";
/// Error codes with which an order was certainly not taken (error table, row 5).
pub(super) const REFUSALS: [&str; 9] = ["2", "3", "5", "6", "10", "11", "12", "13", "14"];
/// Error 5 that says nothing of the kind: the order is there.
const DUPLICATE: &str = "duplicate order";
/// Error 5 that refuses the card.
const PAYMENT_DETAILS: &str = "invalid payment details";
/// Longest part of a challenge that is kept, bytes.
const CHALLENGE_PART_MAX_BYTES: usize = 16 * 1_024;
/// The status word of a payment whose authentication has no end.
const CHALLENGE_REPEATED: &str = "CHALLENGE_REPEATED";
/// Longest address of a page, bytes.
const PAGE_URL_MAX_BYTES: usize = 4_096;

/// What Worldpay says once in each element; payments, balances and bookings are lists.
#[rustfmt::skip]
pub(super) const ONCE: Once<'_> = Once::InEach(&[
    "reply", "notify", "orderStatus", "orderStatusEvent", "error", "reference", "lastEvent", "amount", "ISO8583ReturnCode",
    "IssuerResponseCode", "challengeRequired", "threeDSChallengeDetails", "acsURL", "payload", "transactionId3DS",
]);

// --- reading ----------------------------------------------------------------------------------

/// What a readable answer says.
pub(super) enum Said<'a> {
    /// An error, about the order or about nothing in particular.
    Error { code: Cow<'a, str>, text: &'a str },
    /// How our order stands.
    Order(&'a Element),
    /// It is about something else.
    Other(&'static str),
}

/// The document of an answer whose HTTP status lets it be believed: an error also with a 4xx.
pub(super) fn document(reply: &Reply) -> Option<Element> {
    let Reply::Answer(answer) = reply else { return None };
    let root = xml::parse_once(&answer.body, &ONCE)?;
    let refuses = kit::may_refuse(answer.status) && answer.status != 408 && root.find("error").is_some();
    (kit::is_success(answer.status) || refuses).then_some(root)
}

pub(super) fn said<'a>(cx: &Context<'_>, root: &'a Element) -> Option<Said<'a>> {
    let reply = root.child("reply").filter(|_| root.name == "paymentService")?;
    let error = |of: &'a Element| {
        let error = of.child("error")?;
        Some((kit::plain_code(error.attribute("code").unwrap_or_default()), error.text.trim()))
    };
    if let Some((code, text)) = error(reply) {
        return Some(Said::Error { code, text });
    }
    let order = reply.child("orderStatus")?;
    let ours = cx.order.reference.to_string();
    // An order has its code by the DTD; an error is told of one that is none.
    let unnamed = order.attribute("orderCode").is_none() && order.child("error").is_some();
    if order.attribute("orderCode") != Some(&*ours) && !unnamed {
        return Some(Said::Other("order"));
    }
    if root.attribute("merchantCode").is_some_and(|theirs| !theirs.is_empty() && theirs != cx.account.text("merchantCode")) {
        return Some(Said::Other("merchant code"));
    }
    Some(error(order).map_or(Said::Order(order), |(code, text)| Said::Error { code, text }))
}

// --- orders -----------------------------------------------------------------------------------

/// The error row; nothing of a card is in what it shows.
pub(super) fn refusal(reply: &Reply) -> Refusal {
    // `timeout` counts in a body that is no XML.
    let is_xml = matches!(reply, Reply::Answer(answer) if answer.status != 408 && xml::parse(&answer.body).is_some());
    let by_table = |row: &&ErrorRow| !(is_xml && matches!(row.signal, Signal::TimedOut));
    let rows: Vec<ErrorRow> = DESCRIPTOR.errors.iter().filter(by_table).copied().collect();
    let mut refusal = judge(&rows, reply);
    refusal.data = refusal.data.map(mask_json);
    refusal
}

/// Refused for good by its HTTP status, or never sent.
fn is_refused_outright(reply: &Reply) -> bool {
    certainly_refused(reply, &CERTAIN_REFUSALS, false)
}

/// Error 7, or error 5 that says so: no `errorCode`.
fn payment_details_refused(text: &str) -> Step {
    let message = "Payment details were refused by the provider.".to_owned();
    let finding = Finding::new(Standing::Failed, "payment_details_refused").message(&*message);
    let finding = finding.note(format!("Worldpay: {}", mask_numbers(&kit::provider_text(text))));
    finding.answer(CashierAnswer::Declined { message, data: None }).step()
}

/// What a readable error of an order means; `None`: it leaves the order's fate open.
fn refused(reply: &Reply, code: &str, text: &str) -> Option<Step> {
    let details = code == "7" || code == "5" && text.to_ascii_lowercase().contains(PAYMENT_DETAILS);
    let known = details || code == "4" || REFUSALS.contains(&code) && !text.to_ascii_lowercase().contains(DUPLICATE);
    if !known || !certainly_refused(reply, &[], true) {
        return None;
    }
    Some(if details { payment_details_refused(text) } else { Step::Refused(refusal(reply)) })
}

fn data(cx: &Context<'_>, status: &str, shown: &str) -> Json {
    let id = Json::text(cx.order.transaction_id.to_string());
    Json::object([
        ("status", Json::text(status)),
        ("transaction_status", Json::text(shown)),
        ("transactionId", id.clone()),
        ("sessionId", Json::text(cx.order.session_id.to_string())),
        ("orderCode", id),
        ("amount", amounts::as_number(&cx.order.amount)),
        ("merchantReference", kit::merchant_reference(cx)),
    ])
}

/// Open, with a page for the payer.
fn with_page(cx: &Context<'_>, url: &str, message: &str) -> Finding {
    let mut data = data(cx, PENDING, "Pending");
    data.set("paymentUrl", Json::text(url));
    let answer = CashierAnswer::Success { message: message.to_owned(), data, redirect_url: Some(url.to_owned()) };
    Finding::new(Standing::Pending, PENDING).answer(answer)
}

/// The answer to call 1.
pub(super) fn hosted(cx: &Context<'_>, reply: &Reply) -> Step {
    if is_refused_outright(reply) {
        return Step::Refused(refusal(reply));
    }
    let silence = |anomaly: Option<String>| Step::Silence(Refusal { anomaly, ..refusal(reply) });
    let root = document(reply);
    match root.as_ref().and_then(|root| said(cx, root)) {
        Some(Said::Error { code, text }) => refused(reply, &code, text).unwrap_or_else(|| silence(None)),
        Some(Said::Other(what)) => silence(Some(format!("Worldpay's answer has another {what}"))),
        Some(Said::Order(order)) => {
            let Some(reference) = order.child("reference") else { return silence(None) };
            let given = reference.text.trim();
            if given.len() > PAGE_URL_MAX_BYTES || merchant_url(given, cx.account.environment).is_none() {
                return silence(Some("Worldpay's page has no address for a browser".to_owned()));
            }
            let mut finding = with_page(cx, &browser::page_address(cx, given), "Successfully");
            finding.psp_transaction_id = reference.attribute("id").map(kit::provider_text).filter(|id| !id.is_empty());
            finding.step()
        }
        None => silence(None),
    }
}

/// Nobody knows what became of it: asked about, and a person sees why.
fn in_doubt(anomaly: String) -> Step {
    let message = "Transaction is being processed";
    Finding::new(Standing::Pending, "unknown").message(message).with_anomalies([anomaly]).step()
}

/// The answer to call 3.
pub(super) fn direct(cx: &Context<'_>, reply: &Reply) -> Step {
    if is_refused_outright(reply) {
        return Step::Refused(refusal(reply));
    }
    let silence = || Step::Silence(refusal(reply));
    let root = document(reply);
    match root.as_ref().and_then(|root| said(cx, root)) {
        Some(Said::Error { code, text }) => refused(reply, &code, text).unwrap_or_else(silence),
        Some(Said::Other(what)) => in_doubt(format!("Worldpay's answer has another {what}")),
        Some(Said::Order(order)) if order.child("challengeRequired").is_some() => {
            challenge(cx, order, reply).map_or_else(silence, Finding::step)
        }
        Some(Said::Order(order)) => match payment(cx, &Told::of(cx), order) {
            Err(anomaly) => in_doubt(anomaly),
            Ok(found) => found.map_or_else(silence, |(payment, row)| result(cx, order, payment, row, reply)),
        },
        None => silence(),
    }
}

/// A payment's result by the table of the records; `None`: its event leaves open what became of it. What a person should see of
/// that comes with the silence.
fn by_record(cx: &Context<'_>, order: &Element, (payment, row): Counting<'_>, reply: &Reply) -> Result<(Told, Finding), Step> {
    let mut told = Told::of(cx);
    let finding = judged(cx, &mut told, order, payment, row);
    if row.standing == Standing::Unchanged {
        return Err(Step::Silence(Refusal { anomaly: told.shown(), ..refusal(reply) }));
    }
    Ok((told, finding))
}

/// A payment's result, as the Cashier call is told of it.
fn result(cx: &Context<'_>, order: &Element, payment: &Element, row: &'static StatusRow, reply: &Reply) -> Step {
    let (told, finding) = match by_record(cx, order, (payment, row), reply) {
        Ok(found) => found,
        Err(silence) => return silence,
    };
    let finding = match finding.standing {
        Standing::Approved => {
            let field = |name: &str| Json::text(cx.order.text(&format!("card.{name}")));
            let card = ["brand", "first6", "last4", "expMonth", "expYear"].map(|name| (name, field(name)));
            let mut data = data(cx, row.word, "Approved");
            data.set("card", Json::object(card));
            let message = "Transaction approved".to_owned();
            let finding = finding.message(&*message);
            finding.answer(CashierAnswer::Success { message, data, redirect_url: None })
        }
        Standing::Declined => {
            let code = return_code(payment);
            let message = "Transaction declined".to_owned();
            let mut data = Json::object([("status", Json::text(row.word)), ("transaction_status", Json::text("Declined"))]);
            if let Some((code, text)) = code {
                data.set("returnCode", Json::text(code));
                data.set("returnMessage", Json::text(text));
            }
            data.set("merchantReference", kit::merchant_reference(cx));
            finding.message(&*message).answer(CashierAnswer::Declined { message, data: Some(data) })
        }
        _ => finding,
    };
    told.step(cx, finding)
}

/// Worldpay's own code, else the issuer's, and its words.
pub(super) fn return_code(payment: &Element) -> Option<(String, String)> {
    let code = payment.child("ISO8583ReturnCode").or_else(|| payment.child("IssuerResponseCode"))?;
    let part = |name| kit::provider_text(code.attribute(name).unwrap_or_default());
    Some((part("code"), part("description")))
}

/// The issuer wants to see the payer. `None`: what the page needs is not there.
fn challenge(cx: &Context<'_>, order: &Element, reply: &Reply) -> Option<Finding> {
    let details = order.child("challengeRequired")?.child("threeDSChallengeDetails")?;
    let part = |name: &'static str| {
        let text = details.text_in(name).filter(|text| text.len() <= CHALLENGE_PART_MAX_BYTES)?;
        Some((name, Json::text(text)))
    };
    let at = (CAME_AT, Json::from(cx.now.millis()));
    let challenge = Json::object([part("acsURL")?, part("payload")?, part("transactionId3DS")?, at]);
    let mut memo = cx.memo.clone();
    memo.set(CHALLENGE, challenge);
    if let Some(machine) = machine(reply) {
        memo.set(order::MACHINE, Json::text(machine));
    }
    Some(with_page(cx, &cx.pages.challenge, "3-D Secure authentication required").memo(memo))
}

/// The cookie `machine`, as long as it can be sent back as it is.
fn machine(reply: &Reply) -> Option<&str> {
    let Reply::Answer(answer) = reply else { return None };
    let cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    let pair = cookies.filter_map(|(_, cookie)| cookie.split(';').next()).filter_map(|pair| pair.trim().split_once('='));
    let good = |value: &str| {
        (1..=kit::PROVIDER_TEXT_MAX_CHARS).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic())
    };
    pair.filter(|(name, value)| *name == order::MACHINE && good(value)).map(|(_, value)| value).next_back()
}

/// Asked for once more, the challenge is shown once more; after that it is over.
fn challenged_again(cx: &Context<'_>, order: &Element, reply: &Reply) -> Option<Finding> {
    if cx.memo.get(CHALLENGE).is_some_and(|known| known.get(SECOND).is_some()) {
        let finding = Finding::new(Standing::Declined, CHALLENGE_REPEATED).message("3-D Secure authentication failed");
        return Some(finding.note("Worldpay asked for 3-D Secure again and again"));
    }
    let mut finding = challenge(cx, order, reply)?.note("Worldpay asks for 3-D Secure again");
    // Nothing of the Cashier call is open any more.
    finding.answer = None;
    if let Some(memo) = &mut finding.memo {
        memo.remove(order::CONTINUED);
        let mut again = memo.get(CHALLENGE).cloned()?;
        again.set(SECOND, Json::Bool(true));
        memo.set(CHALLENGE, again);
    }
    Some(finding)
}

/// The answer to call 5. Whatever is no result is asked about.
pub(super) fn went_on(cx: &Context<'_>, reply: &Reply) -> Step {
    let silence = || Step::Silence(refusal(reply));
    let root = document(reply);
    match root.as_ref().and_then(|root| said(cx, root)) {
        Some(Said::Other(what)) => Finding::anomaly(format!("Worldpay's answer has another {what}")).step(),
        Some(Said::Order(order)) if order.child("challengeRequired").is_some() => {
            challenged_again(cx, order, reply).map_or_else(silence, Finding::step)
        }
        Some(Said::Order(order)) => match payment(cx, &Told::of(cx), order) {
            Err(anomaly) => Finding::anomaly(anomaly).step(),
            Ok(Some((payment, row))) => match by_record(cx, order, (payment, row), reply) {
                Ok((told, finding)) => told.step(cx, finding),
                Err(silence) => silence,
            },
            Ok(None) => silence(),
        },
        Some(Said::Error { .. }) | None => silence(),
    }
}

// --- "Test connection" ---------------------------------------------------------------------------------

/// "Test connection": an inquiry about nothing.
pub(super) fn tested(reply: &Reply) -> Step {
    let root = document(reply);
    let code = root.as_ref().and_then(|root| root.find("error")).and_then(|error| error.attribute("code"));
    match code.map(kit::plain_code).as_deref() {
        Some("5") => Finding::unchanged().message("Worldpay accepts the user and the merchant code").step(),
        Some("4") => {
            let message = "Worldpay refuses the merchant code, or its rights are wrong";
            Finding { proven: false, ..Finding::unchanged().message(message) }.step()
        }
        _ => Step::Refused(refusal(reply)),
    }
}
