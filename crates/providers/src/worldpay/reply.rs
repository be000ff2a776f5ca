//! Worldpay's answers: to the orders, to the second submit, to inquiries. Sheet: "Upstream wire protocol", "Status and error mapping".

use super::browser::{self, CAME_AT, CHALLENGE};
use super::told::Told;
use super::{DESCRIPTOR, is_direct, order};
use crate::api::{CashierAnswer, Context, Finding, Refusal, Reply, Standing, Step};
use crate::card::{mask_json, mask_numbers};
use crate::descriptor::{ErrorRow, Signal, StatusRow};
use crate::kit;
use crate::signals::{CERTAIN_REFUSALS, certainly_refused, judge};
use crate::xml::{self, Element};
use domain::urls::merchant_url;
use domain::{Json, Money, TransactionStatus, amounts};

/// `lastEvent` that says nothing.
pub(super) const NO_NEWS: &str = "null";
/// The status word of it.
pub(super) const PENDING: &str = "PENDING";
/// Error codes with which an order was certainly not taken (error table, row 5).
pub(super) const REFUSALS: [&str; 9] = ["2", "3", "5", "6", "10", "11", "12", "13", "14"];
/// Error 5 that says nothing of the kind: the order is there.
const DUPLICATE: &str = "duplicate order";
/// Hosted orders that nobody has paid are over after that, milliseconds.
const HOSTED_LIFE_MS: i64 = 24 * 60 * 60 * 1_000;
/// Longest part of a challenge that is kept, bytes.
const CHALLENGE_PART_MAX_BYTES: usize = 16 * 1_024;
/// Longest address of a page, bytes.
const PAGE_URL_MAX_BYTES: usize = 4_096;

/// Events that leave it open whether the money was taken.
const DOUBTFUL: [&str; 3] = ["ERROR", "FAILURE", "QUERY_REQUIRED"];
/// Events of a refund.
const REFUNDED: [&str; 2] = ["REFUNDED", "REFUNDED_BY_MERCHANT"];
/// Events that a person should see.
const SHOWN: [&str; 3] = ["CAPTURE_FAILED", "REFUND_FAILED", "CHARGEBACK_REVERSED"];
/// The course of a payment: what comes later stands later.
const COURSE: [&[&str]; 9] = [
    &[NO_NEWS, "OPEN", "SHOPPER_REDIRECTED", "WAITING_FOR_SHOPPER", "SIGNED_FORM_RECEIVED"],
    &["SENT_FOR_AUTHORISATION"],
    &["REFUSED", "ERROR", "FAILURE", "QUERY_REQUIRED"],
    &["AUTHORISED"],
    &["CANCELLED", "SHOPPER_CANCELLED", "VOIDED", "EXPIRED"],
    &["CAPTURED", "CAPTURE_FAILED"],
    &["SETTLED", "SETTLED_BY_MERCHANT"],
    &["SENT_FOR_REFUND", "REFUND_WEBFORM_ISSUED", "INFORMATION_REQUESTED", "INFORMATION_SUPPLIED"],
    &["REFUNDED", "REFUNDED_BY_MERCHANT", "REFUND_FAILED", "CHARGED_BACK", "CHARGEBACK_REVERSED"],
];

/// How far a payment has come.
fn stage(event: &str) -> Option<usize> {
    COURSE.iter().position(|events| events.contains(&event))
}

fn row(event: &str) -> Option<&'static StatusRow> {
    DESCRIPTOR.statuses.iter().find(|row| row.word == event)
}

/// The status word of an event.
fn word(row: &StatusRow) -> &'static str {
    row.status.unwrap_or(row.word)
}

// --- reading ----------------------------------------------------------------------------------

/// What a readable answer says.
enum Said<'a> {
    /// An error; whether it is about our order in particular.
    Error { code: &'a str, text: &'a str, of_order: bool },
    /// How our order stands.
    Order(&'a Element),
    /// It is about something else.
    Other(&'static str),
}

/// The document of an answer whose HTTP status lets it be believed: an error also with a 4xx.
fn document(reply: &Reply) -> Option<Element> {
    let Reply::Answer(answer) = reply else { return None };
    let root = xml::parse(&answer.body)?;
    let refuses = kit::may_refuse(answer.status) && answer.status != 408 && root.find("error").is_some();
    (kit::is_success(answer.status) || refuses).then_some(root)
}

fn said<'a>(cx: &Context<'_>, root: &'a Element) -> Option<Said<'a>> {
    let reply = root.child("reply").filter(|_| root.name == "paymentService")?;
    let error = |of: &'a Element| {
        let error = of.child("error")?;
        Some((error.attribute("code").unwrap_or_default(), error.text.trim()))
    };
    if let Some((code, text)) = error(reply) {
        return Some(Said::Error { code, text, of_order: false });
    }
    let order = reply.child("orderStatus")?;
    let ours = cx.order.transaction_id.to_string();
    if order.attribute("orderCode") != Some(&*ours) {
        return Some(Said::Other("order"));
    }
    if root.attribute("merchantCode").is_some_and(|theirs| theirs != cx.account.text("merchantCode")) {
        return Some(Said::Other("merchant code"));
    }
    Some(error(order).map_or(Said::Order(order), |(code, text)| Said::Error { code, text, of_order: true }))
}

/// `lastEvent` of a payment.
pub(super) fn event(payment: &Element) -> &str {
    payment.child("lastEvent").map(|event| event.text.trim()).filter(|event| !event.is_empty()).unwrap_or(NO_NEWS)
}

pub(super) fn is_refund(event: &str) -> bool {
    REFUNDED.contains(&event)
}

/// What in a payment's amount is not ours. `part`: a part of it is as good as all.
pub(super) fn foreign_amount(payment: &Element, ours: Money, part: bool) -> Option<&'static str> {
    let amount = payment.child("amount")?;
    let attribute = |name| amount.attribute(name);
    if attribute("currencyCode").is_some_and(|code| code != ours.currency().code()) {
        return Some("currency");
    }
    let same_value =
        |text: &str| kit::whole_number(text).is_some_and(|value| value == ours.minor() || part && value < ours.minor());
    let same_digits = |text: &str| kit::whole_number(text) == Some(i64::from(ours.currency().digits()));
    let same = attribute("value").is_none_or(same_value) && attribute("exponent").is_none_or(same_digits);
    (!same).then_some("amount")
}

/// The payment that counts: a success, else one in progress, else the last; and whether there are two successes.
fn chosen(order: &Element) -> Option<(&Element, bool)> {
    let payments = || order.children_named("payment");
    let standing = |payment: &&Element| row(event(payment)).map(|row| row.standing);
    let successes = payments().filter(|payment| standing(payment) == Some(Standing::Approved)).count();
    let first = |wanted| payments().find(|payment| standing(payment) == Some(wanted));
    let chosen = first(Standing::Approved).or_else(|| first(Standing::Pending)).or_else(|| payments().last())?;
    Some((chosen, successes > 1))
}

/// How the payment that counts stands by the table; an error says what contradicts.
fn payment<'a>(cx: &Context<'_>, order: &'a Element) -> Result<Option<(&'a Element, &'static StatusRow)>, String> {
    let Some((payment, _)) = chosen(order) else { return Ok(None) };
    let event = event(payment);
    let Some(row) = row(event) else { return Err(format!("Worldpay's event is unknown: {}", kit::provider_text(event))) };
    match foreign_amount(payment, cx.order.amount, is_refund(event)) {
        Some(what) => Err(format!("Worldpay's payment has another {what}")),
        None => Ok(Some((payment, row))),
    }
}

// --- orders -----------------------------------------------------------------------------------

/// The error row; nothing of a card is in what it shows.
fn refusal(reply: &Reply) -> Refusal {
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

/// Error 7: no `errorCode`.
fn payment_details_refused(text: &str) -> Step {
    let message = "Payment details were refused by the provider.".to_owned();
    let finding = Finding::new(Standing::Failed, "payment_details_refused").message(&*message);
    let finding = finding.note(format!("Worldpay: {}", mask_numbers(&kit::provider_text(text))));
    finding.answer(CashierAnswer::Declined { message, data: None }).step()
}

/// What a readable error of an order means; `None`: it leaves the order's fate open.
fn refused(reply: &Reply, code: &str, text: &str) -> Option<Step> {
    let known = code == "4" || code == "7" || REFUSALS.contains(&code) && !text.to_ascii_lowercase().contains(DUPLICATE);
    if !known || !certainly_refused(reply, &[], true) {
        return None;
    }
    Some(if code == "7" { payment_details_refused(text) } else { Step::Refused(refusal(reply)) })
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
        Some(Said::Error { code, text, .. }) => refused(reply, code, text).unwrap_or_else(|| silence(None)),
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
        Some(Said::Error { code, text, .. }) => refused(reply, code, text).unwrap_or_else(silence),
        Some(Said::Other(what)) => in_doubt(format!("Worldpay's answer has another {what}")),
        Some(Said::Order(order)) if order.child("challengeRequired").is_some() => {
            challenge(cx, order, reply).unwrap_or_else(silence)
        }
        Some(Said::Order(order)) => match payment(cx, order) {
            Err(anomaly) => in_doubt(anomaly),
            Ok(Some((payment, row))) if row.standing != Standing::Unchanged => result(cx, order, payment, row),
            Ok(_) => silence(),
        },
        None => silence(),
    }
}

/// A payment's result, as the Cashier call is told of it.
fn result(cx: &Context<'_>, order: &Element, payment: &Element, row: &'static StatusRow) -> Step {
    let mut told = Told::of(cx);
    told.read(cx, order);
    let finding = match row.standing {
        Standing::Approved => {
            let field = |name: &str| Json::text(cx.order.text(&format!("card.{name}")));
            let card = ["brand", "first6", "last4", "expMonth", "expYear"].map(|name| (name, field(name)));
            let mut data = data(cx, row.word, "Approved");
            data.set("card", Json::object(card));
            let message = "Transaction approved".to_owned();
            let finding = Finding::new(Standing::Approved, row.word).message(&*message);
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
            let finding = Finding::new(Standing::Declined, row.word).message(&*message);
            finding.answer(CashierAnswer::Declined { message, data: Some(data) })
        }
        standing => Finding::new(standing, word(row)),
    };
    told.step(cx, finding)
}

/// `ISO8583ReturnCode`: the code, and its words.
fn return_code(payment: &Element) -> Option<(String, String)> {
    let code = payment.child("ISO8583ReturnCode")?;
    let part = |name| kit::provider_text(code.attribute(name).unwrap_or_default());
    Some((part("code"), part("description")))
}

/// The issuer wants to see the payer. `None`: what the page needs is not there.
fn challenge(cx: &Context<'_>, order: &Element, reply: &Reply) -> Option<Step> {
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
    Some(with_page(cx, &cx.pages.challenge, "3-D Secure authentication required").memo(memo).step())
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

/// The answer to call 5. Whatever is no result is asked about.
pub(super) fn went_on(cx: &Context<'_>, reply: &Reply) -> Step {
    let silence = || Step::Silence(refusal(reply));
    let root = document(reply);
    match root.as_ref().and_then(|root| said(cx, root)) {
        Some(Said::Other(what)) => Finding::anomaly(format!("Worldpay's answer has another {what}")).step(),
        Some(Said::Order(order)) => match payment(cx, order) {
            Err(anomaly) => Finding::anomaly(anomaly).step(),
            Ok(Some((payment, row))) if row.standing != Standing::Unchanged => {
                let mut told = Told::of(cx);
                told.read(cx, order);
                told.step(cx, concluded(cx, payment, row))
            }
            Ok(_) => silence(),
        },
        Some(Said::Error { .. }) | None => silence(),
    }
}

// --- inquiries --------------------------------------------------------------------------------

/// A call 6 answered, or not.
pub(super) fn inquired(cx: &Context<'_>, reply: &Reply) -> Step {
    let root = document(reply);
    let order = match root.as_ref().and_then(|root| said(cx, root)) {
        Some(Said::Order(order)) => Some(order),
        Some(Said::Error { code: "5", of_order: true, .. }) => None,
        Some(Said::Other(what)) => return Finding::anomaly(format!("Worldpay's record has another {what}")).step(),
        Some(Said::Error { .. }) | None => return Step::Silence(refusal(reply)),
    };
    let mut told = Told::of(cx);
    told.hint(cx);
    let found = match order.map(|order| payment(cx, order)).transpose() {
        Ok(found) => found.flatten(),
        Err(anomaly) => return told.step(cx, Finding::anomaly(anomaly)),
    };
    if let Some(order) = order {
        told.read(cx, order);
        if chosen(order).is_some_and(|(_, two)| two) {
            told.anomaly("Worldpay has two successful payments of this order".to_owned());
        }
    }
    let mut finding = match found {
        None => absent(cx),
        Some((_, row)) if SHOWN.contains(&row.word) => {
            told.anomaly(format!("Worldpay says {}", row.word));
            Finding::unchanged()
        }
        Some((payment, row)) if is_refund(row.word) => {
            let ours = cx.order.amount;
            if told.is_partial(ours) || foreign_amount(payment, ours, false).is_some() {
                told.note(&format!("partial {}", row.word), || "Worldpay says that a part was refunded".to_owned());
                Finding::unchanged()
            } else {
                Finding::new(row.standing, row.word)
            }
        }
        Some((_, row)) if row.standing == Standing::Unchanged && !DOUBTFUL.contains(&row.word) => {
            told.note(row.word, || format!("Worldpay says {}", row.word));
            Finding::unchanged()
        }
        Some((payment, row)) => concluded(cx, payment, row),
    };
    finding.ask_again = is_behind(cx, order, found.map(|(_, row)| row.word));
    told.step(cx, finding)
}

/// Whether what Worldpay has notified is newer than what its record shows, a copy some minutes old.
fn is_behind(cx: &Context<'_>, order: Option<&Element>, found: Option<&str>) -> bool {
    let Some(notified) = cx.hint.and_then(|hint| hint.str_at("event")) else { return false };
    let shown = order.is_some_and(|order| order.children_named("payment").any(|payment| event(payment) == notified));
    stage(notified).is_some_and(|stage_notified| !shown && found.and_then(stage).is_none_or(|stage| stage <= stage_notified))
}

/// What a payment's event means where the transaction stands.
fn concluded(cx: &Context<'_>, payment: &Element, row: &'static StatusRow) -> Finding {
    use TransactionStatus::{Approved, Created, Reversed};
    let after_approval = matches!(cx.status, Approved | Reversed);
    match row.standing {
        Standing::Approved => Finding { word_follows: true, ..Finding::new(Standing::Approved, row.word) },
        Standing::Cancelled | Standing::Expired if after_approval => Finding::new(Standing::Reversed, row.word),
        Standing::Declined => match return_code(payment) {
            Some((code, text)) => Finding::new(Standing::Declined, row.word).message(format!("{text} ({code})")),
            None => Finding::new(Standing::Declined, row.word),
        },
        Standing::Pending if cx.status == Created => Finding::new(Standing::Pending, word(row)),
        Standing::Pending if stage(row.word) == Some(0) => waiting(cx, word(row)),
        Standing::Pending => Finding::new(Standing::Unchanged, word(row)),
        standing => Finding::new(standing, word(row)),
    }
}

/// Error 5: no payment yet, or no order.
fn absent(cx: &Context<'_>) -> Finding {
    let asked_about = is_direct(cx.order) && browser::runs_out_at(cx).is_none();
    if asked_about { Finding::new(Standing::NotFound, "") } else { waiting(cx, "") }
}

/// The payer has not paid: over once nobody is waited for any more.
fn waiting(cx: &Context<'_>, word: &str) -> Finding {
    let until = match is_direct(cx.order) {
        true => browser::runs_out_at(cx),
        false => Some(cx.order.created_at.plus_ms(cx.scaled_ms(HOSTED_LIFE_MS))),
    };
    match until.filter(|_| cx.status == TransactionStatus::Pending) {
        Some(until) if cx.now >= until => Finding::new(Standing::Expired, "EXPIRED"),
        Some(until) => Finding::new(Standing::Unchanged, word).ask_at(until),
        None => Finding::new(Standing::Unchanged, word),
    }
}

/// "Test connection": an inquiry about nothing.
pub(super) fn tested(reply: &Reply) -> Step {
    let root = document(reply);
    let code = root.as_ref().and_then(|root| root.find("error")).and_then(|error| error.attribute("code"));
    match code {
        Some("5") => Finding::unchanged().message("Worldpay accepts the user and the merchant code").step(),
        Some("4") => {
            let message = "Worldpay refuses the merchant code, or its rights are wrong";
            Finding { proven: false, ..Finding::unchanged().message(message) }.step()
        }
        _ => Step::Refused(refusal(reply)),
    }
}
