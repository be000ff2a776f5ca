//! What an attempt does next, and how it stands in the store: a word, and beside it JSON with nothing secret in it.
//!
//! Only here is either of them read or written. A store keeps open work across programs, so that what this one has no word
//! for, or a member that is not there, is no fault: it is taken for what is safe, by [`Next::read`].

use crate::schedule::inquiry_step_ms;
use crate::{Currency, Doubt, Json, Money, Task, Timestamp, TransactionId};

/// What an attempt does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A provider flow is running; past its due time, or when its owner is dead, it is recovered.
    Intent(Intent),
    /// What a person let go is to be sent.
    Run {
        /// The provider's finishing step, or the sending itself.
        task: Task,
    },
    /// The provider is to be asked.
    Inquire(Counters),
    /// The provider is to be asked for a late success.
    Late,
    /// A person is to be reminded of a hold.
    Hold,
    /// What this program does not understand: it is left as it is for one that does, and is a person's turn in the end.
    Unknown {
        /// The word in the store.
        word: String,
        /// What stands beside it.
        detail: String,
    },
}

/// The call that a provider flow has open, or is about to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// What the provider is asked to do.
    pub task: Task,
    /// Which call of it; empty: none is known to come.
    pub step: String,
    /// What silence after the call means.
    pub doubt: Doubt,
    /// Our reference at the provider.
    pub reference: Option<TransactionId>,
    /// The order's money.
    pub amount: Option<Money>,
    /// When the intent was stored.
    pub sent_at: Option<Timestamp>,
}

/// What an inquiry counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// When what is asked about was sent: for how long the provider may not know it.
    pub sent_at: Timestamp,
    /// How often running it was not found.
    pub not_found: i64,
    /// When the schedule asked last.
    pub asked_at: Option<Timestamp>,
    /// For how long it has waited so far, milliseconds as written.
    pub waited_ms: Option<i64>,
}

const INTENT: &str = "intent";
const RUN: &str = "run";
const INQUIRE: &str = "inquire";
const LATE: &str = "late";
const HOLD: &str = "hold";

impl Next {
    /// What stands in the store; `first_at`: since when. What cannot be made out is never guessed:
    ///
    /// * an intent's unknown doubt is money, and an unknown task is one that is not made again: it is asked about;
    /// * of a run without a task that is known nothing is sent, nor is anything done by an unknown word: [`Next::Unknown`];
    /// * an inquiry that does not say when the call was sent counts "not found" from when the inquiries began, which was
    ///   after it.
    pub fn read(word: &str, detail: &str, first_at: Timestamp) -> Self {
        let json = Json::parse(detail.as_bytes()).unwrap_or(Json::Null);
        match (word, task(&json)) {
            (INTENT, task) => Self::Intent(Intent::read(&json, task)),
            (RUN, Some(task)) => Self::Run { task },
            (INQUIRE, _) => Self::Inquire(Counters::read(&json, first_at)),
            (LATE, _) => Self::Late,
            (HOLD, _) => Self::Hold,
            _ => Self::Unknown { word: word.to_owned(), detail: detail.to_owned() },
        }
    }

    /// The word in the store and in `nextAction`.
    pub fn word(&self) -> &str {
        match self {
            Self::Intent(_) => INTENT,
            Self::Run { .. } => RUN,
            Self::Inquire(_) => INQUIRE,
            Self::Late => LATE,
            Self::Hold => HOLD,
            Self::Unknown { word, .. } => word,
        }
    }

    /// What stands beside the word in the store.
    pub fn detail(&self) -> String {
        let json = match self {
            Self::Intent(intent) => intent.to_json(),
            Self::Run { task } => Json::object([("task", Json::text(task.as_str()))]),
            Self::Inquire(counters) => counters.to_json(),
            Self::Late | Self::Hold => Json::Object(Vec::new()),
            Self::Unknown { detail, .. } => return detail.clone(),
        };
        json.to_text()
    }

    /// A call may be open.
    pub const fn is_intent(&self) -> bool {
        matches!(self, Self::Intent(_))
    }

    /// It is to send what a person let go, whatever that is.
    pub fn is_run(&self) -> bool {
        self.word() == RUN
    }
}

impl Intent {
    fn read(json: &Json, task: Option<Task>) -> Self {
        let currency = json.str_at("currency").and_then(Currency::from_code);
        let amount = |currency| json.str_at("amount").and_then(|text| Money::parse_decimal(text, currency).ok());
        Self {
            task: task.unwrap_or(Task::Inquire),
            step: json.str_at("step").unwrap_or_default().to_owned(),
            doubt: json.str_at("doubt").and_then(|doubt| doubt.parse().ok()).unwrap_or(Doubt::Money),
            reference: json.str_at("reference").and_then(|reference| reference.parse().ok()),
            amount: currency.and_then(amount),
            sent_at: time(json, "sentAt"),
        }
    }

    /// As it stands in the store and on timelines: what is not known is not there.
    pub fn to_json(&self) -> Json {
        let members = [
            ("task", Some(Json::text(self.task.as_str()))),
            ("step", Some(Json::text(&*self.step))),
            ("doubt", Some(Json::text(self.doubt.as_str()))),
            ("reference", self.reference.map(|reference| Json::text(reference.to_string()))),
            ("amount", self.amount.map(|amount| Json::text(amount.to_fixed()))),
            ("currency", self.amount.map(|amount| Json::text(amount.currency().code()))),
            ("sentAt", self.sent_at.map(|at| Json::from(at.millis()))),
        ];
        Json::object(members.into_iter().filter_map(|(name, value)| Some((name, value?))))
    }
}

impl Counters {
    /// Nothing counted yet, of what was sent then.
    pub const fn since(sent_at: Timestamp) -> Self {
        Self { sent_at, not_found: 0, asked_at: None, waited_ms: None }
    }

    fn read(json: &Json, first_at: Timestamp) -> Self {
        Self {
            sent_at: time(json, "sentAt").unwrap_or(first_at),
            not_found: number(json, "notFound").unwrap_or_default(),
            asked_at: time(json, "askedAt"),
            waited_ms: number(json, "waitedMs"),
        }
    }

    /// As it stands in the store.
    pub fn to_json(&self) -> Json {
        let mut json = Json::object([("sentAt", Json::from(self.sent_at.millis())), ("notFound", Json::from(self.not_found))]);
        // Not there before the schedule's first inquiry.
        if let (Some(asked_at), Some(waited_ms)) = (self.asked_at, self.waited_ms) {
            json.set("askedAt", Json::from(asked_at.millis()));
            json.set("waitedMs", Json::from(waited_ms));
        }
        json
    }

    /// After inquiry number `attempt` of the schedule; `since_ms`: how much written time lies between a point and now. One that
    /// came before its time (a start, a provider that says when) counts for what was waited; none for more than its step, because
    /// more is a clock's mistake, or a time in which nobody ran.
    #[must_use]
    pub fn asked(self, attempt: u32, now: Timestamp, since_ms: impl Fn(Timestamp) -> i64) -> Self {
        let step = inquiry_step_ms(attempt);
        let before = self.waited_ms.unwrap_or_else(|| (0..attempt).map(inquiry_step_ms).sum());
        let waited = self.asked_at.map_or(step, |at| since_ms(at).clamp(0, step));
        Self { asked_at: Some(now), waited_ms: Some(before.saturating_add(waited)), ..self }
    }
}

fn task(json: &Json) -> Option<Task> {
    json.str_at("task")?.parse().ok()
}

fn number(json: &Json, name: &str) -> Option<i64> {
    json.get(name)?.as_number()?.parse().ok()
}

fn time(json: &Json, name: &str) -> Option<Timestamp> {
    number(json, name).map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn read(word: &str, detail: &str) -> Next {
        Next::read(word, detail, FIRST_AT)
    }

    fn intent(detail: &str) -> Intent {
        let Next::Intent(intent) = read(INTENT, detail) else { panic!("{detail} is no intent") };
        intent
    }

    fn counters(detail: &str) -> Counters {
        let Next::Inquire(counters) = read(INQUIRE, detail) else { panic!("{detail} counts nothing") };
        counters
    }

    /// As they stand in stores, whichever program wrote them.
    #[test]
    fn what_is_stored_is_read_and_written_to_the_byte() {
        let intent = |task, step, doubt, amount, currency| {
            let call = format!(r#""task":"{task}","step":"{step}","doubt":"{doubt}""#);
            let money = format!(r#""reference":"6a0980d6e1000102030405aa","amount":"{amount}","currency":"{currency}""#);
            format!(r#"{{{call},{money},"sentAt":1780000000000}}"#)
        };
        let tasks = [Task::PayIn, Task::PayOut, Task::Finalise, Task::ReleaseAgain, Task::Continue, Task::Inquire, Task::Test];
        let doubts = [Doubt::Harmless, Doubt::Page, Doubt::Money];
        let mut stored = Vec::new();
        for task in tasks.map(Task::as_str) {
            stored.push((RUN, format!(r#"{{"task":"{task}"}}"#)));
            for doubt in doubts.map(Doubt::as_str) {
                for (amount, currency) in
                    [("100.00", "CAD"), ("25.00", "EUR"), ("2500", "JPY"), ("1.234", "KWD"), ("0.01", "GBP")]
                {
                    stored.push((INTENT, intent(task, "redeem", doubt, amount, currency)));
                }
            }
        }
        stored.push((INTENT, intent("pay_in", "", "harmless", "92233720368547758.07", "EUR")));
        stored.push((INQUIRE, r#"{"sentAt":1780000000000,"notFound":0}"#.to_owned()));
        stored.push((INQUIRE, r#"{"sentAt":1780000000000,"notFound":1}"#.to_owned()));
        let asked = r#"{"sentAt":1780000000000,"notFound":0,"askedAt":1780000010000,"waitedMs":10000}"#;
        stored.push((INQUIRE, asked.to_owned()));
        stored.push((LATE, "{}".to_owned()));
        stored.push((HOLD, "{}".to_owned()));
        for (word, detail) in stored {
            let next = read(word, &detail);
            assert!(!matches!(next, Next::Unknown { .. }), "{word} {detail}");
            assert_eq!((next.word(), next.detail()), (word, detail));
        }
    }

    #[test]
    fn an_intent_in_doubt_is_money_and_is_not_made_again() {
        let whole = r#"{"task":"pay_out","step":"send","doubt":"harmless","amount":"1.00","currency":"EUR","sentAt":5}"#;
        assert_eq!((intent(whole).task, intent(whole).doubt), (Task::PayOut, Doubt::Harmless));
        for detail in
            ["{}", "", "{", "[]", r#"{"task":"fly","doubt":"some"}"#, r#"{"task":1,"doubt":null}"#, r#"{"doubt":"Page"}"#]
        {
            let read = intent(detail);
            assert_eq!((read.task, read.doubt), (Task::Inquire, Doubt::Money), "{detail}");
            assert_eq!((read.reference, read.amount, read.sent_at), (None, None, None), "{detail}");
        }
        // Money is read whole or not at all.
        for money in [r#""amount":"1.00""#, r#""amount":"1.00","currency":"XXQ""#, r#""amount":"1.001","currency":"EUR""#] {
            assert_eq!(intent(&format!("{{{money}}}")).amount, None, "{money}");
        }
        let written = intent(r#"{"task":"pay_in","step":"redeem"}"#).to_json().to_text();
        assert_eq!(written, r#"{"task":"pay_in","step":"redeem","doubt":"money"}"#, "what is not known is not made up");
    }

    #[test]
    fn what_is_not_understood_is_kept_as_it_is() {
        for (word, detail) in [
            (RUN, "{}"),
            (RUN, r#"{"task":"fly"}"#),
            (RUN, r#"{"task":["pay_out"]}"#),
            (RUN, ""),
            ("rest", r#"{"task":"pay_out"}"#),
            ("Intent", "no JSON"),
            ("", "{}"),
        ] {
            let next = read(word, detail);
            assert_eq!(next, Next::Unknown { word: word.to_owned(), detail: detail.to_owned() });
            assert_eq!((next.word(), &*next.detail(), next.is_run()), (word, detail, word == RUN));
        }
    }

    #[test]
    fn inquiries_without_a_beginning_count_from_their_own() {
        for detail in ["{}", "", "{", r#"{"sentAt":null}"#, r#"{"sentAt":"1","notFound":"2","waitedMs":1.5}"#] {
            assert_eq!(counters(detail), Counters::since(FIRST_AT), "{detail}");
        }
        let sent_at = Timestamp::from_millis(7);
        assert_eq!(counters(r#"{"sentAt":7,"notFound":1}"#), Counters { not_found: 1, ..Counters::since(sent_at) });
        // What the schedule never wrote alone is not added to.
        assert_eq!(counters(r#"{"sentAt":7,"askedAt":9}"#).to_json().to_text(), r#"{"sentAt":7,"notFound":0}"#);
    }

    #[test]
    fn a_wait_counts_as_it_was_up_to_its_step() {
        let now = Timestamp::from_millis(100_000);
        let first = Counters::since(FIRST_AT).asked(0, now, |_| 0);
        assert_eq!((first.asked_at, first.waited_ms), (Some(now), Some(10_000)));
        for (since, waited) in [(4_000, 14_000), (30_000, 40_000), (90_000, 40_000), (-5, 10_000)] {
            assert_eq!(first.asked(1, now, |_| since).waited_ms, Some(waited), "{since}");
        }
    }
}
