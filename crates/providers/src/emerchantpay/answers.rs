//! The answer to `sale3d`, and what the merchant is told of it. Sheet: "Cashier contract", "Answers", the error table.

use super::record::{Record, Row};
use super::{DESCRIPTOR, refunds, wire};
use crate::api::{CashierAnswer, Context, Finding, Refusal, Reply, Standing, Step};
use crate::card::{brand_or, without_card};
use crate::kit;
use crate::signals::judge;
use domain::{Json, Timestamp, amounts};

/// What a refused payer is told when the gateway has no words for it.
const DECLINED: &str = "Transaction declined";

/// The error row; nothing of a card is in what it shows.
pub(super) fn refusal(reply: &Reply) -> Refusal {
    let refusal = judge(DESCRIPTOR.errors, reply);
    Refusal { data: refusal.data.map(without_card), ..refusal }
}

/// An answer that is not believed, or no answer: asked about.
pub(super) fn in_doubt(reply: &Reply, anomaly: Option<String>) -> Step {
    Step::Silence(Refusal { anomaly, ..refusal(reply) })
}

pub(super) fn sold(cx: &Context<'_>, reply: &Reply) -> Step {
    let answer = match reply {
        Reply::Lost(lost) if lost.nothing_sent() => return Step::Refused(refusal(reply)),
        Reply::Lost(_) => return in_doubt(reply, None),
        Reply::Answer(answer) => answer,
    };
    let record = match (answer.status, Record::read(answer)) {
        (401 | 403 | 429, _) => return Step::Refused(refusal(reply)),
        (404, None) if !Record::is_there(answer) => return Step::Refused(refusal(reply)),
        (200..=299 | 400..=407 | 409..=499, Some(record)) => record,
        _ => return in_doubt(reply, None),
    };
    if let Some(what) = record.foreign(cx) {
        return in_doubt(reply, Some(foreign("answer", what, &record)));
    }
    let word = record.word();
    match record.standing() {
        Some(Standing::Approved) if word == "approved" && record.code().is_none() && record.unique_id().is_some() => {
            approved(cx, &record).step()
        }
        Some(Standing::Pending) if word == "pending_async" => challenged(cx, &record, reply),
        // Open, with nothing for the payer to do.
        Some(Standing::Pending) if record.unique_id().is_some() => finding(Standing::Pending, &record).step(),
        Some(Standing::Declined) => match record.row() {
            Row::Table => Step::Refused(refusal(reply)),
            Row::Declined => refused(cx, Standing::Declined, &record).step(),
            Row::Failed => refused(cx, Standing::Failed, &record).step(),
            Row::Doubt => in_doubt(reply, None),
        },
        None => in_doubt(reply, Some(format!("eMerchantPay's status is unknown: {word}"))),
        _ => in_doubt(reply, None),
    }
}

/// What is shown of a document that is not about our payment as we know it.
pub(super) fn foreign(document: &str, what: &str, record: &Record) -> String {
    match what {
        "amount" if record.is_partial_approval() => {
            let approved = record.amount().map_or_else(String::new, |minor| format!(", {minor} in minor units"));
            format!("eMerchantPay approved only a part of the amount{approved}")
        }
        _ => format!("eMerchantPay's {document} has another {what}"),
    }
}

/// The finding of a record: its word, the gateway's id.
pub(super) fn finding(standing: Standing, record: &Record) -> Finding {
    let finding = Finding::new(standing, record.word());
    match record.unique_id() {
        Some(id) => finding.psp_id(id),
        None => finding,
    }
}

pub(super) fn approved(cx: &Context<'_>, record: &Record) -> Finding {
    let message = "Transaction approved".to_owned();
    let answer =
        CashierAnswer::Success { message: message.clone(), data: data(cx, record, "Approved", None), redirect_url: None };
    let finding = finding(Standing::Approved, record).message(message).answer(answer);
    Finding { memo: refunds::approved_at(cx, record), ..finding }
}

/// No, at once or found at once: 400 without `errorCode`, in the gateway's words for payers; its technical ones go to the
/// timeline only.
pub(super) fn refused(cx: &Context<'_>, standing: Standing, record: &Record) -> Finding {
    let message = record.said("message").unwrap_or_else(|| DECLINED.to_owned());
    let shown = match standing {
        Standing::Failed => "Failed",
        Standing::Cancelled => "Cancelled",
        Standing::Expired => "Expired",
        _ => "Declined",
    };
    let members = [
        ("status", Some(record.word())),
        ("transaction_status", Some(shown.to_owned())),
        ("uniqueId", record.unique_id().map(str::to_owned)),
        ("code", record.said("code")),
        ("responseCode", record.said("response_code")),
    ];
    let mut data = Json::object(members.into_iter().filter_map(|(name, text)| Some((name, Json::String(text?)))));
    data.set("merchantReference", kit::merchant_reference(cx));
    let finding = finding(standing, record).message(&*message).answer(CashierAnswer::Declined { message, data: Some(data) });
    match record.said("technical_message") {
        Some(text) => finding.note(format!("eMerchantPay: {text}")),
        None => finding,
    }
}

/// The issuer, or the gateway's device check before it, wants the payer's browser.
fn challenged(cx: &Context<'_>, record: &Record, reply: &Reply) -> Step {
    let Some(unique_id) = record.unique_id() else { return in_doubt(reply, None) };
    let found = |url: &str| {
        let answer = CashierAnswer::Success {
            message: "3-D Secure authentication required".to_owned(),
            data: data(cx, record, "Pending", Some(url)),
            redirect_url: Some(url.to_owned()),
        };
        finding(Standing::Pending, record).answer(answer)
    };
    let Some(method) = record.text("threeds_method_url") else {
        return match redirect(cx, record) {
            Ok(Some(url)) => found(url).step(),
            Ok(None) => in_doubt(reply, None),
            Err(anomaly) => in_doubt(reply, Some(anomaly)),
        };
    };
    let on_gateway = |url: Option<&str>| url.is_some_and(|url| kit::is_providers(cx, url));
    let go_on = record.text("threeds_method_continue_url");
    if !on_gateway(Some(method)) || !on_gateway(go_on) {
        return in_doubt(reply, Some("eMerchantPay's device check is not on the gateway's own address".to_owned()));
    }
    let Some(timestamp) = record.text("timestamp").and_then(signed_form) else {
        return in_doubt(reply, Some("eMerchantPay's device check has no readable timestamp".to_owned()));
    };
    let memo = Json::object([
        (wire::UNIQUE_ID, Json::text(unique_id)),
        (wire::AMOUNT, Json::text(cx.order.amount.minor().to_string())),
        (wire::TIMESTAMP, Json::String(timestamp)),
        (wire::METHOD_URL, Json::text(method)),
        (wire::CONTINUE_URL, Json::text(go_on.unwrap_or_default())),
    ]);
    found(&cx.pages.challenge).memo(memo).step()
}

/// A time as signatures have it, whole seconds in UTC: `2026-01-02T03:04:05Z`.
fn signed_form(timestamp: &str) -> Option<String> {
    let at = Timestamp::parse(timestamp)?;
    Some(Timestamp::from_millis(at.seconds() * 1_000).to_string())
}

/// Where the payer is challenged; an error says why a browser must not go there.
pub(super) fn redirect<'a>(cx: &Context<'_>, record: &'a Record) -> Result<Option<&'a str>, String> {
    let Some(url) = record.text("redirect_url") else { return Ok(None) };
    let good = domain::urls::merchant_url(url, cx.account.environment).is_some();
    good.then_some(Some(url)).ok_or_else(|| "eMerchantPay's redirect_url is no address for a browser".to_owned())
}

fn data(cx: &Context<'_>, record: &Record, shown: &str, url: Option<&str>) -> Json {
    let field = |name: &str| Json::text(cx.order.text(name));
    let mut card =
        Json::object(["brand", "first6", "last4", "expMonth", "expYear"].map(|name| (name, field(&format!("card.{name}")))));
    let brand = brand_or(cx.order.text("card.brand"), record.text("card_brand"));
    card.set("brand", Json::text(brand));
    let mut data = Json::object([
        ("status", Json::text(record.word())),
        ("transaction_status", Json::text(shown)),
        ("transactionId", Json::text(cx.order.transaction_id.to_string())),
        ("sessionId", Json::text(cx.order.session_id.to_string())),
        ("uniqueId", Json::from(record.unique_id())),
        ("amount", amounts::as_number(&cx.order.amount)),
        ("merchantReference", kit::merchant_reference(cx)),
        ("card", card),
    ]);
    if let Some(url) = url {
        data.set("url", Json::text(url));
    }
    data
}
