//! What a commit tells: entries of the timeline, each thing once, without secrets and without anything that acts on a terminal.

use super::{Commit, Told};
use domain::limits::EVENTS_PER_TRANSACTION_MAX;
use domain::{Attention, Json, TransactionStatus};
use providers::{Finding, Refusal};
use store::repository::transactions::{self, TimelineEntry};

impl Commit<'_> {
    /// Adds an entry to the timeline.
    pub(in crate::flow) fn note(
        &mut self,
        event: &str,
        from: Option<TransactionStatus>,
        to: Option<TransactionStatus>,
        detail: Json,
    ) {
        let t = &mut self.work.transaction;
        // A storm of repeated callbacks must not grow the timeline without end; changes of status are few and always kept.
        if t.timeline_length >= i64::from(EVENTS_PER_TRANSACTION_MAX) && to.is_none() {
            return;
        }
        self.entry(event, from, to, detail);
    }

    /// Adds an entry to the timeline, however long it is.
    pub(super) fn entry(&mut self, event: &str, from: Option<TransactionStatus>, to: Option<TransactionStatus>, detail: Json) {
        let t = &mut self.work.transaction;
        t.timeline_length += 1;
        // What is noted are words of a provider or a browser.
        let mut detail = if event == "noted" { self.work.masker().json(detail) } else { detail };
        if self.work.transaction.attempts > 1 && detail.get("attempt").is_none() {
            detail.set("attempt", Json::from(self.work.attempt.n));
        }
        let t = &self.work.transaction;
        let entry = TimelineEntry { n: t.timeline_length, at: self.now, event: event.to_owned(), from, to, detail };
        transactions::add_to_timeline(&mut self.batch, t.company_id, t.id, &entry);
    }

    /// Notes and anomalies that are told already are not told again from here on.
    pub(in crate::flow) fn only_new(&mut self, told: Told) {
        self.told = Some(told);
    }

    /// From here on everything is told. Answers what was not to be told again.
    pub(in crate::flow) fn tell_all(&mut self) -> Told {
        self.told.take().unwrap_or_default()
    }

    fn is_news(&mut self, text: &str) -> bool {
        self.told.as_mut().is_none_or(|told| told.insert(text.to_owned()))
    }

    /// A text with words of a provider or a browser in it, fit for a timeline and a log: without secrets, and nothing in it acts
    /// on a terminal.
    fn shown(&self, text: &str) -> String {
        domain::visible::visible(&self.work.masker().text(text), &[]).into_owned()
    }

    /// Shows something that should not be. Answers whether it was told now.
    pub(in crate::flow) fn anomaly(&mut self, text: &str, severity: &str) -> bool {
        let text = &*self.shown(text);
        if !self.is_news(text) {
            return false;
        }
        metrics::counter!("mozarto_anomalies_total", "provider" => self.work.provider.descriptor().name).increment(1);
        tracing::warn!(transaction = %self.work.id(), severity, "anomaly: {text}");
        self.note("anomaly", None, None, Json::object([("text", Json::text(text)), ("severity", Json::text(severity))]));
        self.anomalous = true;
        if self.work.transaction.attention != Some(Attention::Stuck) {
            self.work.transaction.attention = Some(Attention::Anomaly);
        }
        true
    }

    /// Shows what a finding wants to be seen. Answers whether anything was told now.
    pub(in crate::flow) fn show(&mut self, finding: &Finding) -> bool {
        let mut shown = false;
        for text in &finding.anomalies {
            shown |= self.anomaly(text, "warning");
        }
        for text in &finding.notes {
            if self.is_news(text) {
                self.note("noted", None, None, Json::object([("text", Json::text(&**text))]));
                shown = true;
            }
        }
        shown
    }

    /// Shows what was wrong with an answer that was not believed.
    pub(in crate::flow) fn show_doubt(&mut self, refusal: &Refusal) {
        if let Some(text) = &refusal.anomaly {
            self.anomaly(text, "warning");
        }
    }
}
