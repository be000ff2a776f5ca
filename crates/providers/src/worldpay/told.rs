//! What goes on the timeline beside the events: notifications, FraudSight, shopper tokens. Each thing once.

use crate::api::{Context, Finding, Memo, Step};
use crate::kit;
use crate::xml::Element;
use domain::{Json, Money};

/// Most things that are remembered as told.
const TOLD_MAX: usize = 64;

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

/// What goes on the timeline, each thing once: inquiries repeat themselves.
pub(super) struct Told {
    memo: Memo,
    told: Vec<Json>,
    notes: Vec<String>,
    anomalies: Vec<String>,
}

impl Told {
    pub(super) fn of(cx: &Context<'_>) -> Self {
        let told = cx.memo.get("told").and_then(Json::as_array).unwrap_or_default().to_vec();
        Self { memo: cx.memo.clone(), told, notes: Vec::new(), anomalies: Vec::new() }
    }

    fn is_new(&mut self, key: &str) -> bool {
        let new = self.told.len() < TOLD_MAX && !self.told.iter().any(|known| known.as_str() == Some(key));
        if new {
            self.told.push(Json::text(key));
        }
        new
    }

    pub(super) fn note(&mut self, key: &str, text: impl FnOnce() -> String) {
        if self.is_new(key) {
            self.notes.push(text());
        }
    }

    pub(super) fn anomaly(&mut self, text: String) {
        if self.is_new(&text) {
            self.anomalies.push(text);
        }
    }

    /// What an order's status brings beside its events.
    pub(super) fn read(&mut self, cx: &Context<'_>, order: &Element) {
        if let Some(score) = order.find("FraudSight") {
            let part = |name| kit::provider_text(score.attribute(name).unwrap_or_default());
            let text = format!("FraudSight: score {}, {}", part("score"), part("message"));
            self.note(&text.clone(), || text);
        }
        self.token(cx, token(order));
    }

    /// Kept sealed; of the token itself nothing is shown.
    fn token(&mut self, cx: &Context<'_>, token: Option<Json>) {
        let Some(token) = token.filter(|_| cx.account.settings.flag("tokenizationEnabled")) else { return };
        let part = |name| token.str_at(name).unwrap_or_default();
        let text =
            format!("shopper token ({}): {} ending in {}, until {}", part("event"), part("brand"), part("last4"), part("expiry"));
        if self.is_new(&text) {
            self.notes.push(text);
            self.memo.set("token", token);
        }
    }

    /// The notification that has Worldpay asked.
    pub(super) fn hint(&mut self, cx: &Context<'_>) {
        let Some(hint) = cx.hint else { return };
        let part = |name| hint.str_at(name).unwrap_or_default();
        let key = format!("{} {}", part("event"), part("key"));
        if self.is_new(&key) {
            self.notes.push(format!("Worldpay notified {}", part("event")));
            let refunded = |json: &Json, name| kit::scalar(json, name).and_then(kit::whole_number);
            if let Some(more) = refunded(hint, "refunded") {
                let sum = refunded(&self.memo, "refunded").unwrap_or_default().saturating_add(more);
                self.memo.set("refunded", Json::from(sum));
            }
        }
        self.token(cx, hint.get("token").cloned());
    }

    /// Whether the refunds notified so far leave something of the payment.
    pub(super) fn is_partial(&self, ours: Money) -> bool {
        let refunded = kit::scalar(&self.memo, "refunded").and_then(|value| value.parse::<i64>().ok());
        refunded.is_some_and(|sum| sum < ours.minor())
    }

    pub(super) fn step(mut self, cx: &Context<'_>, finding: Finding) -> Step {
        self.memo.set("told", Json::Array(self.told));
        let changed = self.memo != *cx.memo && !(self.notes.is_empty() && self.anomalies.is_empty());
        let memo = if changed { Some(self.memo) } else { None };
        let mut finding = Finding { memo: finding.memo.or(memo), ..finding };
        finding.notes.extend(self.notes);
        finding.with_anomalies(self.anomalies).step()
    }
}
