//! What the merchant sees of a provider's own words. A provider may repeat our reference wherever it likes; of a later attempt's
//! order that is an id that the merchant has never seen, so that the transaction's is shown in its place.

use crate::api::{CashierAnswer, Context, Finding, Order, Step};
use domain::Json;

/// The same step with the transaction's id for our reference in all that is published. An address keeps it: the provider's page
/// is found by it. What is for people of ours alone (notes, anomalies) shows what the provider said.
pub(crate) fn step(cx: &Context<'_>, mut step: Step) -> Step {
    if let Some(ids) = Ids::of(cx.order) {
        match &mut step {
            Step::Found(finding) => ids.show_in_finding(finding),
            Step::Refused(refusal) | Step::Silence(refusal) => refusal.data.iter_mut().for_each(|data| ids.show_in(data)),
            Step::Call(_) | Step::TryLater(_) => {}
        }
    }
    step
}

/// The same of what a callback proves ([`CallbackOutcome::Fact`](crate::CallbackOutcome::Fact)), once it is known about which
/// order.
pub fn fact(order: &Order, finding: &mut Finding) {
    if let Some(ids) = Ids::of(order) {
        ids.show_in_finding(finding);
    }
}

struct Ids {
    reference: String,
    transaction: String,
}

impl Ids {
    /// `None`: there is nothing to tell apart, as of every first attempt.
    fn of(order: &Order) -> Option<Self> {
        let ids = || Self { reference: order.reference.to_string(), transaction: order.transaction_id.to_string() };
        (order.reference != order.transaction_id).then(ids)
    }

    fn show_in_finding(&self, finding: &mut Finding) {
        self.show(&mut finding.status);
        finding.message.iter_mut().for_each(|text| self.show(text));
        match &mut finding.answer {
            Some(CashierAnswer::Success { message, data, .. }) => {
                self.show(message);
                self.show_in(data);
            }
            Some(CashierAnswer::Declined { message, data }) => {
                self.show(message);
                data.iter_mut().for_each(|data| self.show_in(data));
            }
            None => {}
        }
    }

    fn show(&self, text: &mut String) {
        if !text.contains(&self.reference) {
            return;
        }
        let word = |word: &str| match word.contains("://") {
            true => word.to_owned(),
            false => word.replace(&self.reference, &self.transaction),
        };
        *text = text.split_inclusive(char::is_whitespace).map(word).collect();
    }

    fn show_in(&self, json: &mut Json) {
        match json {
            Json::String(text) => self.show(text),
            Json::Array(items) => items.iter_mut().for_each(|item| self.show_in(item)),
            Json::Object(members) => members.iter_mut().for_each(|(_, member)| self.show_in(member)),
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }
}
