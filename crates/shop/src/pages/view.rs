//! An order as people read it: words, symbols and steps for what the store knows.

use askama::Template;

use super::Shop;
use crate::catalog::Direction;
use crate::clock;
use crate::error::Error;
use crate::order::{Order, Source, Status};
use crate::store::HookRow;

/// Webhooks shown on an order's page.
const WEBHOOKS_SHOWN: i64 = 20;
/// Last characters of an id that a narrow column shows: ids of one minute begin alike.
const ID_SHOWN: usize = 8;

/// A status as a badge: symbol and word, colour only besides.
pub(crate) struct Badge {
    pub(crate) tone: &'static str,
    pub(crate) symbol: &'static str,
    pub(crate) word: &'static str,
}

impl Badge {
    pub(crate) fn of(status: Status) -> Badge {
        let (tone, symbol, word) = match status {
            Status::New => ("wait", "clock", "No answer yet"),
            Status::Pending => ("wait", "clock", "Pending"),
            Status::OnHold => ("hold", "pause", "Waiting for approval"),
            Status::Approved => ("good", "check", "Approved"),
            Status::Declined => ("bad", "cross", "Declined"),
            Status::Cancelled => ("bad", "cross", "Cancelled"),
            Status::Expired => ("bad", "hourglass", "Expired"),
            Status::Rejected => ("bad", "cross", "Rejected"),
            Status::Failed => ("bad", "alert", "Failed"),
            Status::Reversed => ("undone", "undo", "Reversed"),
        };
        Badge { tone, symbol, word }
    }
}

/// One step of an order's way.
pub(crate) struct Step {
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    /// For people, and for machines; both empty while it has not come to that.
    pub(crate) at: String,
    pub(crate) at_machine: String,
    /// `done`, `now`, `todo`, `failed` or `skipped`.
    pub(crate) state: &'static str,
}

impl Step {
    fn new(title: &'static str, state: &'static str, at_ms: Option<i64>, detail: impl Into<String>) -> Step {
        Step {
            title,
            detail: detail.into(),
            at: at_ms.map(clock::readable).unwrap_or_default(),
            at_machine: at_ms.map(clock::rfc3339).unwrap_or_default(),
            state,
        }
    }

    pub(crate) fn symbol(&self) -> &'static str {
        match self.state {
            "done" => "check",
            "failed" => "cross",
            "skipped" => "dash",
            "now" => "clock",
            _ => "dot",
        }
    }

    /// For the ears, what the symbol says to the eyes.
    pub(crate) fn spoken(&self) -> &'static str {
        match self.state {
            "done" => "done",
            "failed" => "ended here",
            "skipped" => "not needed",
            "now" => "in progress",
            _ => "to come",
        }
    }
}

/// A webhook as a row of a table.
pub(crate) struct HookLine {
    pub(crate) id: String,
    pub(crate) short_id: String,
    pub(crate) order: Option<String>,
    pub(crate) transaction_id: String,
    pub(crate) sequence: String,
    pub(crate) method: String,
    pub(crate) status: String,
    pub(crate) amount: String,
    pub(crate) currency: String,
    pub(crate) effect: String,
    pub(crate) at: String,
    pub(crate) at_short: String,
    pub(crate) at_machine: String,
    pub(crate) duplicates: i64,
}

impl HookLine {
    pub(crate) fn of(row: HookRow) -> HookLine {
        HookLine {
            short_id: shortened(&row.id),
            id: row.id,
            order: row.order_number,
            transaction_id: row.transaction_id,
            sequence: row.sequence.map_or_else(|| "none".to_owned(), |sequence| sequence.to_string()),
            method: row.method,
            status: row.transaction_status,
            amount: row.amount,
            currency: row.currency,
            effect: row.effect,
            at: clock::readable(row.received_at_ms),
            at_short: clock::short(row.received_at_ms),
            at_machine: clock::rfc3339(row.received_at_ms),
            duplicates: row.duplicates,
        }
    }
}

fn shortened(id: &str) -> String {
    let length = id.chars().count();
    if length <= ID_SHOWN + 1 {
        return id.to_owned();
    }
    let end: String = id.chars().skip(length - ID_SHOWN).collect();
    format!("…{end}")
}

/// The live part of an order's page.
#[derive(Template)]
#[template(path = "order_live.html")]
pub(crate) struct OrderView {
    pub(crate) number: String,
    pub(crate) kind: &'static str,
    pub(crate) provider: String,
    pub(crate) amount: String,
    pub(crate) currency: String,
    pub(crate) headline: String,
    pub(crate) text: String,
    pub(crate) badge: Badge,
    pub(crate) steps: Vec<Step>,
    pub(crate) hooks: Vec<HookLine>,
    pub(crate) has_webhooks: bool,
    pub(crate) can_continue: bool,
    pub(crate) approve_at: Option<String>,
    pub(crate) is_settled: bool,
    /// The cashier with the same choices.
    pub(crate) again_at: String,
    pub(crate) facts: Vec<(&'static str, String)>,
}

impl OrderView {
    /// Reads what belongs to `order`.
    pub(crate) async fn load(desk: &Shop, order: Order) -> Result<OrderView, Error> {
        let hooks = desk.store.webhooks(Some(order.seq), WEBHOOKS_SHOWN).await?;
        let held = order.status == Status::OnHold;
        let approve_at = desk.addresses.back_office.clone().filter(|_| held);
        Ok(OrderView {
            headline: headline(&order).to_owned(),
            text: explanation(&order),
            badge: Badge::of(order.status),
            steps: steps(&order),
            hooks: hooks.into_iter().map(HookLine::of).collect(),
            has_webhooks: order.awaits_webhook(),
            can_continue: order.has_page && order.status == Status::Pending,
            approve_at,
            is_settled: order.status.is_settled(),
            again_at: format!("/?provider={}&direction={}", order.psp_type, order.direction.code()),
            facts: facts(&order),
            kind: order.direction.title(),
            provider: order.provider_name().to_owned(),
            number: order.number,
            amount: order.amount,
            currency: order.currency,
        })
    }

    /// The part alone, as the live events bring it.
    pub(crate) fn fragment(&self) -> Result<String, Error> {
        Ok(self.render()?)
    }

    pub(crate) fn page_title(&self) -> String {
        format!("{} - {}", self.badge.word, self.number)
    }
}

fn headline(order: &Order) -> &'static str {
    match (order.status, order.direction) {
        (Status::New, _) => "No answer yet",
        (Status::Pending, Direction::PayIn) => "Payment pending",
        (Status::Pending, Direction::PayOut) => "Pay-out pending",
        (Status::OnHold, _) => "The pay-out waits for approval",
        (Status::Approved, Direction::PayIn) => "Payment received",
        (Status::Approved, Direction::PayOut) => "Pay-out sent",
        (Status::Declined, Direction::PayIn) => "The payment was declined",
        (Status::Declined, Direction::PayOut) => "The pay-out was declined",
        (Status::Cancelled, Direction::PayIn) => "The payment was cancelled",
        (Status::Cancelled, Direction::PayOut) => "The pay-out was cancelled",
        (Status::Expired, Direction::PayIn) => "The payment has expired",
        (Status::Expired, Direction::PayOut) => "The pay-out has expired",
        (Status::Rejected, _) => "The pay-out was rejected",
        (Status::Failed, Direction::PayIn) => "The payment failed",
        (Status::Failed, Direction::PayOut) => "The pay-out failed",
        (Status::Reversed, Direction::PayIn) => "The payment was reversed",
        (Status::Reversed, Direction::PayOut) => "The pay-out was reversed",
    }
}

fn explanation(order: &Order) -> String {
    let provider = order.provider_name();
    match order.status {
        Status::New => "The platform has not given a clear answer. It is being asked; nothing is sent twice.".to_owned(),
        Status::Pending if !order.awaits_webhook() => {
            format!("{provider} sends no webhook. The shop keeps asking for the status, and this page follows.")
        }
        Status::Pending if order.has_page => {
            format!("{provider} has not told the outcome yet. This page turns by itself as soon as the webhook lands.")
        }
        Status::Pending => "The outcome is not known yet. This page turns by itself as soon as the webhook lands.".to_owned(),
        Status::OnHold => "Somebody in the back office has to approve this pay-out before any money moves.".to_owned(),
        Status::Approved if order.direction == Direction::PayOut => format!("{provider} has paid it out."),
        Status::Approved => "The money is there; goods may be handed over.".to_owned(),
        Status::Reversed => "It was approved, and has been taken back since.".to_owned(),
        Status::Rejected => "The back office rejected it. No money moved.".to_owned(),
        Status::Declined | Status::Cancelled | Status::Expired => reason(order),
        Status::Failed => order.message.clone(),
    }
}

/// Why nothing was paid, as far as anybody said more than the status does. Not that no money moved: of a payment that was
/// cancelled a part may have come.
fn reason(order: &Order) -> String {
    let outcome = match order.direction {
        Direction::PayIn => "This order is not paid.",
        Direction::PayOut => "Nothing was paid out.",
    };
    let said = order.message.trim_end_matches('.');
    if said.is_empty() || said.eq_ignore_ascii_case(order.status.word()) {
        format!("No reason was given. {outcome}")
    } else if !said.contains(char::is_alphabetic) {
        format!("{} gave no reason but its code {said}. {outcome}", order.provider_name())
    } else {
        format!("The reason given: {said}. {outcome}")
    }
}

fn steps(order: &Order) -> Vec<Step> {
    let at = order.settled_at_ms;
    let settled = match order.status {
        status if !status.is_settled() => Step::new("Settled", "todo", None, ""),
        status if status.is_negative() => Step::new("Settled", "failed", at, status.word()),
        status => Step::new("Settled", "done", at, status.word()),
    };
    vec![
        Step::new("Created", "done", Some(order.created_at_ms), "Stored before any call"),
        sent_step(order),
        told_step(order),
        settled,
    ]
}

fn sent_step(order: &Order) -> Step {
    const TITLE: &str = "Sent to the provider";
    match (order.sent_at_ms, order.status) {
        (Some(at), _) => Step::new(TITLE, "done", Some(at), format!("{} has it", order.provider_name())),
        (None, Status::OnHold) => Step::new(TITLE, "now", None, "Waiting for approval"),
        (None, Status::New) => Step::new(TITLE, "now", None, "Waiting for the platform's answer"),
        (None, Status::Rejected) => Step::new(TITLE, "skipped", None, "Never sent"),
        (None, _) => Step::new(TITLE, "failed", None, order.error_code.clone().unwrap_or_else(|| "Not taken".to_owned())),
    }
}

fn told_step(order: &Order) -> Step {
    let settled = order.status.is_settled();
    if order.awaits_webhook() {
        const TITLE: &str = "Webhook received";
        return match (order.webhook_at_ms, settled, order.source) {
            (Some(at), _, _) => Step::new(TITLE, "done", Some(at), "Verified and stored"),
            (None, true, Some(Source::Query)) => Step::new(TITLE, "skipped", None, "Learned by asking"),
            (None, true, _) => Step::new(TITLE, "skipped", None, "The answer told the outcome"),
            (None, false, _) if order.sent_at_ms.is_some() => Step::new(TITLE, "now", None, "Waiting for it"),
            (None, false, _) => Step::new(TITLE, "todo", None, ""),
        };
    }
    const TITLE: &str = "Answer received";
    match (settled, order.source) {
        (true, Some(Source::Query)) => Step::new(TITLE, "done", order.settled_at_ms, "By asking for the status"),
        (true, _) => Step::new(TITLE, "done", order.settled_at_ms, "The call's own answer is final"),
        (false, Some(_)) => Step::new(TITLE, "now", None, "It was not clear: asking for the status"),
        (false, None) => Step::new(TITLE, "todo", None, ""),
    }
}

fn facts(order: &Order) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Order", order.number.clone())];
    let mut add = |name, value: &Option<String>| {
        if let Some(value) = value {
            facts.push((name, value.clone()));
        }
    };
    add("Transaction", &order.transaction_id);
    add("Session", &order.session_id);
    add("Provider's id", &order.psp_transaction_id);
    add("Error code", &order.error_code);
    let word = Some(order.provider_status.clone()).filter(|word| !word.is_empty());
    add("Status word", &word);
    let message = Some(order.message.clone()).filter(|message| !message.is_empty());
    add("Message", &message);
    facts.push(("Customer", order.customer.clone()));
    facts
}
