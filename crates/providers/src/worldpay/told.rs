//! What goes on the timeline beside the events (FraudSight, shopper tokens), and what notifications told of refunds: each part
//! once, by its bytes.

use crate::api::{Context, Finding, Memo, Step};
use crate::kit;
use crate::xml::Element;
use aws_lc_rs::digest;
use domain::{Json, Money};

/// Most parts that are remembered.
const PARTS_MAX: usize = 64;
/// Bytes of a notification's digest that name it.
const NAME_BYTES: usize = 16;
/// How the members of the hint begin that are notifications; the name of its bytes follows.
const NOTICE: &str = "notice ";
/// In the memo: the refunds that notifications told of, by name.
const PARTS: &str = "parts";
/// In the memo: how many chargebacks were won, and whether one is open.
const CHARGEBACKS_WON: &str = "chargebacksWon";
const CHARGEBACK_OPEN: &str = "chargebackOpen";
/// Members of a notice and of a part.
pub(super) const EVENT: &str = "event";
pub(super) const MINOR: &str = "minor";
const OPEN: &str = "open";
const TWICE: &str = "twice";
/// Of a part: when it was told first, milliseconds, and whether a person has been told that no record shows it.
const AT: &str = "at";
const MISSED: &str = "missed";
/// A record reads a copy some minutes old: what it does not show after this it does not have, milliseconds.
const SHOWN_AFTER_MS: i64 = 60 * 60 * 1_000;
/// A member of the hint that the inbox may add: how often these bytes came.
const COPIES: &str = "copies";

/// A shopper token of a reply or a notification: its id, expiry and card.
pub(super) fn token(of: &Element) -> Option<Json> {
    let details = of.find("token")?.child("tokenDetails")?;
    let id = details.text_in("paymentTokenID").filter(|id| id.len() <= kit::PROVIDER_TEXT_MAX_CHARS)?;
    let date = details.child("paymentTokenExpiry").and_then(|expiry| expiry.find("date"));
    let part = |name| date.and_then(|date| date.attribute(name)).unwrap_or_default();
    let number = of.find("card").and_then(|card| card.attribute("number")).or_else(|| of.text_of("cardNumber"));
    let number = number.unwrap_or_default();
    let members = [
        ("id", id),
        ("event", details.attribute("tokenEvent").unwrap_or_default()),
        ("expiry", &[part("year"), part("month"), part("dayOfMonth")].join("-")),
        ("brand", of.text_of("paymentMethod").unwrap_or_default()),
        ("last4", number.get(number.len().saturating_sub(4)..).unwrap_or_default()),
    ];
    Some(Json::object(members.map(|(name, text)| (name, Json::text(kit::provider_text(text))))))
}

/// The member of a hint for a notification of these bytes. Its name is made of letters: a run of digits could be taken for a
/// card's number and masked.
pub(super) fn notice_name(body: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, body);
    let letters = hash.as_ref().iter().take(NAME_BYTES).flat_map(|byte| [byte >> 4, byte & 0x0f]);
    format!("{NOTICE}{}", letters.map(|half| char::from(b'a' + half)).collect::<String>())
}

/// The notifications that started this inquiry: name and what was read.
pub(super) fn notices<'a>(cx: &Context<'a>) -> impl Iterator<Item = (&'a str, &'a Json)> {
    let members = cx.hint.and_then(Json::as_object).unwrap_or_default();
    members.iter().filter_map(|(name, notice)| Some((name.strip_prefix(NOTICE)?, notice)))
}

fn minor(json: &Json, name: &str) -> Option<i64> {
    kit::scalar(json, name)?.parse().ok()
}

/// What an inquiry brings beside the payment's event.
#[derive(Clone)]
pub(super) struct Told {
    memo: Memo,
    notes: Vec<String>,
    anomalies: Vec<String>,
}

impl Told {
    pub(super) fn of(cx: &Context<'_>) -> Self {
        Self { memo: cx.memo.clone(), notes: Vec::new(), anomalies: Vec::new() }
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(super) fn anomaly(&mut self, text: impl Into<String>) {
        self.anomalies.push(text.into());
    }

    /// What a person should see, as one text.
    pub(super) fn shown(&self) -> Option<String> {
        (!self.anomalies.is_empty()).then(|| self.anomalies.join("; "))
    }

    /// What an order's status brings beside its events.
    pub(super) fn read(&mut self, cx: &Context<'_>, order: &Element) {
        if let Some(score) = order.find("FraudSight") {
            let part = |name| kit::provider_text(score.attribute(name).unwrap_or_default());
            self.note(format!("FraudSight: score {}, {}", part("score"), part("message")));
        }
        self.token(cx, token(order));
    }

    /// Kept sealed; of the token itself nothing is shown.
    fn token(&mut self, cx: &Context<'_>, token: Option<Json>) {
        let Some(token) = token.filter(|_| cx.account.settings.flag("tokenizationEnabled")) else { return };
        let part = |name| token.str_at(name).unwrap_or_default();
        let text =
            format!("shopper token ({}): {} ending in {}, until {}", part("event"), part("brand"), part("last4"), part("expiry"));
        self.note(text);
        self.memo.set("token", token);
    }

    /// The notifications that have Worldpay asked. One whose bytes came before, and were worked off, has come again.
    pub(super) fn hint(&mut self, cx: &Context<'_>, is_refund: impl Fn(&str) -> bool) {
        let Some(hint) = cx.hint else { return };
        self.token(cx, hint.get("token").cloned());
        let copies = minor(hint, COPIES).unwrap_or(1);
        let mut parts = self.parts_json();
        for (name, notice) in notices(cx).filter(|(_, notice)| notice.str_at(EVENT).is_some_and(&is_refund)) {
            let known = parts.get(name).cloned();
            let again = known.as_ref().is_some_and(|part| part.get(OPEN).is_none() || part.get(TWICE).is_some());
            if known.is_none() && parts.as_object().is_none_or(|parts| parts.len() >= PARTS_MAX) {
                continue;
            }
            let mut part = Json::object([(OPEN, Json::Bool(true)), (MINOR, notice.get(MINOR).cloned().unwrap_or(Json::Null))]);
            if again || copies > 1 {
                part.set(TWICE, Json::Bool(true));
            }
            let before = |member| known.as_ref().and_then(|part| part.get(member)).cloned();
            part.set(AT, before(AT).unwrap_or_else(|| Json::from(cx.now.millis())));
            if let Some(missed) = before(MISSED) {
                part.set(MISSED, missed);
            }
            parts.set(name, part);
        }
        if parts.as_object().is_some_and(|parts| !parts.is_empty()) {
            self.memo.set(PARTS, parts);
        }
    }

    fn parts_json(&self) -> Json {
        self.memo.get(PARTS).cloned().unwrap_or_else(|| Json::Object(Vec::new()))
    }

    /// The parts that notifications told of: name, and minor units where they are known.
    pub(super) fn parts(&self) -> Vec<(String, Option<i64>)> {
        let parts = self.parts_json();
        parts.as_object().unwrap_or_default().iter().map(|(name, part)| (name.clone(), minor(part, MINOR))).collect()
    }

    /// Has a person look up the parts that Worldpay's record still does not show.
    pub(super) fn missed(&mut self, cx: &Context<'_>) {
        let mut parts = self.parts_json();
        for (name, minor) in self.parts() {
            let Some(mut part) = parts.get(&name).cloned() else { continue };
            let late = self::minor(&part, AT).is_some_and(|at| cx.now.millis() - at >= cx.scaled_ms(SHOWN_AFTER_MS));
            if part.get(OPEN).is_none() || part.get(MISSED).is_some() || !late {
                continue;
            }
            let of =
                minor.map_or_else(String::new, |minor| format!(" of {}", Money::from_minor(minor, cx.order.amount.currency())));
            self.anomaly(format!("Worldpay notified a refund{of} that its record does not show: look it up"));
            part.set(MISSED, Json::Bool(true));
            parts.set(&name, part);
            self.memo.set(PARTS, parts.clone());
        }
    }

    /// Whether one of them came twice.
    pub(super) fn came_twice(&self) -> bool {
        self.parts_json().as_object().unwrap_or_default().iter().any(|(_, part)| part.get(TWICE).is_some())
    }

    /// How many chargebacks were won, with the one that is open: what tells one from another.
    pub(super) fn chargeback(&mut self, won: bool) -> String {
        let before = minor(&self.memo, CHARGEBACKS_WON).unwrap_or_default();
        let open = self.memo.get(CHARGEBACK_OPEN).is_some();
        let number = if won && !open && before > 0 { before } else { before + 1 };
        if won {
            self.memo.set(CHARGEBACKS_WON, Json::from(number));
            self.memo.remove(CHARGEBACK_OPEN);
        } else {
            self.memo.set(CHARGEBACK_OPEN, Json::Bool(true));
        }
        format!("chargeback {number}")
    }

    /// Whether the last that records have shown of a chargeback is that it was won.
    pub(super) fn won_chargeback(&self) -> bool {
        self.memo.get(CHARGEBACK_OPEN).is_none() && minor(&self.memo, CHARGEBACKS_WON).is_some()
    }

    pub(super) fn step(mut self, cx: &Context<'_>, finding: Finding) -> Step {
        // What is asked about again is not worked off.
        if let Some(mut parts) = self.memo.get(PARTS).cloned().filter(|_| !finding.ask_again) {
            for (name, _) in self.parts() {
                let mut part = parts.get(&name).cloned().unwrap_or(Json::Null);
                part.remove(OPEN);
                parts.set(&name, part);
            }
            self.memo.set(PARTS, parts);
        }
        let memo = (self.memo != *cx.memo).then_some(self.memo);
        let mut finding = Finding { memo: finding.memo.or(memo), ..finding };
        finding.notes.extend(self.notes);
        finding.with_anomalies(self.anomalies).step()
    }
}
