//! Worldpay's records: what an inquiry answers, which payment of an order counts, what is left of it. Sheet: "Inquiry", "Status
//! and error mapping", "Refunds in parts".

use super::browser;
use super::is_direct;
use super::reply::{NO_NEWS, PENDING, Said, document, refusal, return_code, said};
use super::told::{self, EVENT, Told};
use crate::api::{Context, Finding, Reply, Standing, Step, TurnKind};
use crate::descriptor::StatusRow;
use crate::kit;
use crate::signals::of_inquiry;
use crate::xml::Element;
use domain::{Money, TransactionStatus};

/// Hosted orders that nobody has paid are over after that, milliseconds.
const HOSTED_LIFE_MS: i64 = 24 * 60 * 60 * 1_000;
const CHARGED_BACK: &str = "CHARGED_BACK";
const CHARGEBACK_WON: &str = "CHARGEBACK_REVERSED";

/// A `lastEvent`.
#[derive(Clone, Copy)]
struct Event {
    row: StatusRow,
    /// How far a payment has come: what comes later stands later.
    stage: u8,
    kind: Kind,
}

/// What an event says beside its status.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Given back, a part or all: what is left decides.
    Refund,
    /// It can only follow a payment, and says nothing of what is left of it.
    Proof,
    /// The same, and a person should see it.
    SeenProof,
    /// It changes nothing, and a person should see it.
    Seen,
}

const fn event_of(word: &'static str, standing: Standing, stage: u8, kind: Kind) -> Event {
    Event { row: StatusRow::of(word, standing), stage, kind }
}

const fn plain(word: &'static str, standing: Standing, stage: u8) -> Event {
    event_of(word, standing, stage, Kind::Plain)
}

const fn proof(word: &'static str, stage: u8, kind: Kind) -> Event {
    event_of(word, Standing::Approved, stage, kind)
}

const fn seen(word: &'static str, stage: u8) -> Event {
    event_of(word, Standing::Unchanged, stage, Kind::Seen)
}

/// Of an event whose place in the course of a payment is not known.
const NO_STAGE: u8 = u8::MAX;
const NO_NEWS_EVENT: Event =
    Event { row: StatusRow { word: NO_NEWS, standing: Standing::Pending, status: Some(PENDING) }, stage: 0, kind: Kind::Plain };
const EVENTS: [Event; 42] = [
    plain("SENT_FOR_AUTHORISATION", Standing::Pending, 1),
    plain("WAITING_FOR_AUTHORISATION", Standing::Pending, 1),
    plain("SHOPPER_REDIRECTED", Standing::Pending, 0),
    plain("WAITING_FOR_SHOPPER", Standing::Pending, 0),
    plain("OPEN", Standing::Pending, 0),
    plain("SIGNED_FORM_RECEIVED", Standing::Pending, 0),
    NO_NEWS_EVENT,
    plain("AUTHORISED", Standing::Approved, 3),
    plain("CAPTURED", Standing::Approved, 5),
    plain("SETTLED", Standing::Approved, 6),
    plain("SETTLED_BY_MERCHANT", Standing::Approved, 6),
    plain("REFUSED", Standing::Declined, 2),
    // These and EXPIRED after an approval: Reversed.
    plain("CANCELLED", Standing::Cancelled, 4),
    plain("SHOPPER_CANCELLED", Standing::Cancelled, 4),
    plain("VOIDED", Standing::Cancelled, 4),
    plain("EXPIRED", Standing::Expired, 4),
    plain("ERROR", Standing::Unchanged, 2),
    plain("FAILURE", Standing::Unchanged, 2),
    plain("QUERY_REQUIRED", Standing::Unchanged, 2),
    // While something is left of the payment: Approved.
    event_of("REFUNDED", Standing::Reversed, 8, Kind::Refund),
    event_of("REFUNDED_BY_MERCHANT", Standing::Reversed, 8, Kind::Refund),
    plain(CHARGED_BACK, Standing::Reversed, 8),
    proof("SENT_FOR_REFUND", 7, Kind::Proof),
    proof("SENT_FOR_FAST_REFUND", 7, Kind::Proof),
    proof("REFUND_REQUESTED", 7, Kind::Proof),
    proof("REFUND_RECEIVED", 7, Kind::Proof),
    proof("REFUND_WEBFORM_ISSUED", 7, Kind::Proof),
    proof("INFORMATION_REQUESTED", 7, Kind::Proof),
    proof("INFORMATION_SUPPLIED", 7, Kind::Proof),
    proof("DISPUTED_FUNDS_HELD", 7, Kind::Proof),
    proof("DISPUTED_FUNDS_RELEASED", 9, Kind::Proof),
    proof("DISPUTE_EXPIRED", 9, Kind::Proof),
    proof("DISPUTE_RESERVE_RELEASED", 9, Kind::Proof),
    proof("REFUND_FAILED", 9, Kind::SeenProof),
    proof("REFUND_EXPIRED", 9, Kind::SeenProof),
    proof("REFUND_REVERSED", 9, Kind::SeenProof),
    proof(CHARGEBACK_WON, 9, Kind::SeenProof),
    seen("CAPTURE_FAILED", 5),
    seen("REFUSED_BY_BANK", NO_STAGE),
    seen("REVOKE_REQUESTED", NO_STAGE),
    seen("REVOKED", NO_STAGE),
    seen("REVOKE_FAILED", NO_STAGE),
];

/// The status table.
pub(super) static STATUSES: [StatusRow; EVENTS.len()] = {
    let mut rows = [EVENTS[0].row; EVENTS.len()];
    let mut at = 0;
    while at < rows.len() {
        rows[at] = EVENTS[at].row;
        at += 1;
    }
    rows
};

fn entry(event: &str) -> Option<Event> {
    EVENTS.into_iter().find(|entry| entry.row.word == event)
}

/// How far a payment has come.
fn stage(event: &str) -> Option<u8> {
    entry(event).map(|entry| entry.stage).filter(|stage| *stage != NO_STAGE)
}

fn kind(event: &str) -> Kind {
    entry(event).map_or(Kind::Seen, |entry| entry.kind)
}

fn row(event: &str) -> Option<&'static StatusRow> {
    STATUSES.iter().find(|row| row.word == event)
}

/// The status word of an event.
pub(super) fn word(row: &StatusRow) -> &'static str {
    row.status.unwrap_or(row.word)
}

/// `lastEvent` of a payment.
pub(super) fn event(payment: &Element) -> &str {
    payment.child("lastEvent").map(|event| event.text.trim()).filter(|event| !event.is_empty()).unwrap_or(NO_NEWS)
}

pub(super) fn is_refund(event: &str) -> bool {
    kind(event) == Kind::Refund
}

/// What in a payment's amount is not ours. `part`: less of it is as good as all.
pub(super) fn foreign_amount(payment: &Element, ours: Money, part: bool) -> Option<&'static str> {
    let amount = payment.child("amount")?;
    // An empty one says nothing.
    let attribute = |name| amount.attribute(name).filter(|value| !value.trim().is_empty());
    if attribute("currencyCode").is_some_and(|code| code != ours.currency().code()) {
        return Some("currency");
    }
    let same_value =
        |text: &str| kit::whole_number(text).is_some_and(|value| value == ours.minor() || part && value < ours.minor());
    let same_digits = |text: &str| kit::whole_number(text) == Some(i64::from(ours.currency().digits()));
    let same = attribute("value").is_none_or(same_value) && attribute("exponent").is_none_or(same_digits);
    (!same).then_some("amount")
}

/// An amount in the order's currency, minor units; `None`: in another one, or not to be read.
pub(super) fn in_our_currency(amount: &Element, ours: Money) -> Option<i64> {
    let digits = Some(i64::from(ours.currency().digits()));
    let ours = amount.attribute("currencyCode") == Some(ours.currency().code())
        && amount.attribute("exponent").is_none_or(|exponent| exponent.is_empty() || kit::whole_number(exponent) == digits);
    kit::whole_number(amount.attribute("value").filter(|_| ours)?)
}

/// What a payment is to the choice of the one that counts; what stands lower here goes before.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It came to nothing: of several the last counts.
    Ended,
    /// The same word, after an approval: no other can have become of what was approved.
    Undone,
    Open,
    /// Nobody knows what it says of the money.
    Odd,
    /// Paid, and nothing is left of it.
    GivenBack,
    /// Paid, and something is left of it.
    Held,
    Success,
}

/// The rank of a payment; among equals what is left of it, minor units, how far it has come, and its word decide, and not where
/// it is listed.
fn rank(cx: &Context<'_>, told: &Told, order: &Element, payment: &Element) -> (Rank, i64, u8, usize) {
    let Some(at) = EVENTS.iter().position(|entry| entry.row.word == event(payment)) else { return (Rank::Odd, 0, 0, 0) };
    let Event { stage, kind, .. } = EVENTS[at];
    let left = match left(payment, cx.order.amount) {
        Left::Known(left) => left,
        _ if kind == Kind::Refund => i64::MIN,
        _ => cx.order.amount.minor(),
    };
    let given_back = || of_event(cx, &mut told.clone(), order, payment, &STATUSES[at]).standing == Standing::Reversed;
    let rank = match STATUSES[at].standing {
        Standing::Approved | Standing::Reversed if given_back() => Rank::GivenBack,
        Standing::Approved if kind == Kind::Plain => Rank::Success,
        Standing::Approved | Standing::Reversed => Rank::Held,
        Standing::Pending => Rank::Open,
        Standing::Unchanged if kind == Kind::Seen => Rank::Odd,
        Standing::Cancelled | Standing::Expired if after_approval(cx) => Rank::Undone,
        _ => return (Rank::Ended, 0, 0, 0),
    };
    (rank, left, stage, at)
}

/// Whether it was paid, whatever has become of it.
fn is_paid(payment: &Element) -> bool {
    row(event(payment)).is_some_and(|row| matches!(row.standing, Standing::Approved | Standing::Reversed))
}

/// A payment and how it stands by the table.
pub(super) type Counting<'a> = (&'a Element, &'static StatusRow);

/// The payment that counts; an error says what contradicts.
pub(super) fn payment<'a>(cx: &Context<'_>, told: &Told, order: &'a Element) -> Result<Option<Counting<'a>>, String> {
    let foreign = |payment: &Element| foreign_amount(payment, cx.order.amount, is_refund(event(payment)));
    if let Some(what) = order.children_named("payment").find_map(foreign) {
        return Err(format!("Worldpay's payment has another {what}"));
    }
    let counting = order.children_named("payment").max_by_key(|payment| rank(cx, told, order, payment));
    let known = |payment| row(event(payment)).map(|row| (payment, row)).ok_or_else(|| kit::provider_text(event(payment)));
    counting.map(known).transpose().map_err(|word| format!("Worldpay's event is unknown: {word}"))
}

/// A call 6 answered, or not.
pub(super) fn inquired(cx: &Context<'_>, reply: &Reply) -> Step {
    let root = document(reply);
    let order = match root.as_ref().and_then(|root| said(cx, root)) {
        Some(Said::Order(order)) => Some(order),
        Some(Said::Error { code, .. }) if code == "5" => None,
        Some(Said::Other(what)) => return Finding::anomaly(format!("Worldpay's record has another {what}")).step(),
        Some(Said::Error { .. }) | None => return Step::Silence(of_inquiry(refusal(reply), reply)),
    };
    let mut told = Told::of(cx);
    told.hint(cx, is_refund);
    let found = match order.map(|order| payment(cx, &told, order)).transpose() {
        Ok(found) => found.flatten(),
        Err(anomaly) => return told.step(cx, Finding::anomaly(anomaly)),
    };
    let mut finding = match order.zip(found) {
        None => absent(cx),
        Some((order, (payment, row))) => judged(cx, &mut told, order, payment, row),
    };
    // Of several refunds whose parts are not known nobody can say whether all of them are in what is left.
    let comparable = told.parts().len() == 1 || told.parts().iter().all(|(_, minor)| minor.is_some());
    let counted = finding.given_back.is_some() && !finding.ask_again && comparable;
    finding.ask_again |= is_behind(cx, order, found.map(|(_, row)| row.word), counted);
    // A record of a refund that says nothing of what is left has them all.
    let has_all = finding.given_back.is_none() && found.is_some_and(|(_, row)| is_refund(row.word));
    if finding.ask_again && !has_all {
        told.missed(cx);
    }
    told.step(cx, finding)
}

/// What an order says by the payment that counts: the same whoever brings it, an inquiry or the answer to a call.
pub(super) fn judged(cx: &Context<'_>, told: &mut Told, order: &Element, payment: &Element, row: &'static StatusRow) -> Finding {
    told.read(cx, order);
    if order.children_named("payment").filter(|payment| is_paid(payment)).count() > 1 {
        told.anomaly("Worldpay has two successful payments of this order");
    }
    // Of what does not count nothing is counted: somebody should know.
    let is_seen = |word: &&str| matches!(kind(word), Kind::Seen | Kind::SeenProof) || *word == CHARGED_BACK;
    let others = order.children_named("payment").filter(|other| !std::ptr::eq(*other, payment));
    for word in others.map(event).filter(is_seen) {
        told.anomaly(format!("Worldpay says {} of another payment of this order", kit::provider_text(word)));
    }
    of_event(cx, told, order, payment, row)
}

fn of_event(cx: &Context<'_>, told: &mut Told, order: &Element, payment: &Element, row: &'static StatusRow) -> Finding {
    let word = row.word;
    if is_refund(word) {
        return refunded(cx, told, order, payment, word);
    }
    if word == CHARGED_BACK {
        return Finding::new(Standing::Reversed, word).turn(TurnKind::ChargedBack, told.chargeback(false), None);
    }
    match kind(word) {
        Kind::Seen | Kind::SeenProof => told.anomaly(format!("Worldpay says {word}")),
        Kind::Proof => told.note(format!("Worldpay says {word}")),
        Kind::Plain if has_gone_on(cx, told, payment, row) => {
            return Finding { word_follows: true, ..refunded(cx, told, order, payment, word) };
        }
        Kind::Plain | Kind::Refund => {
            if contradicts(cx, told, payment, row) {
                told.anomaly(format!("Worldpay says {word} of a payment that is Reversed"));
            }
            return concluded(cx, payment, row);
        }
    }
    match (row.standing, word) {
        (Standing::Unchanged, _) => Finding::unchanged(),
        (proven, CHARGEBACK_WON) => Finding::new(proven, word).turn(TurnKind::ChargebackWon, told.chargeback(true), None),
        (proven, _) => Finding::new(proven, word),
    }
}

/// Whether a plain success comes after all of it has gone back, although something is left by it, and no chargeback was won.
fn contradicts(cx: &Context<'_>, told: &Told, payment: &Element, row: &StatusRow) -> bool {
    let nothing_left = matches!(left(payment, cx.order.amount), Left::Known(..=0));
    row.standing == Standing::Approved && cx.status == TransactionStatus::Reversed && !nothing_left && !told.won_chargeback()
}

// --- refunds ----------------------------------------------------------------------------------

/// What a record says is left of a payment.
enum Left {
    /// No balance is given.
    Unsaid,
    /// Not all of it in the order's currency, or not to be read: it decides nothing.
    Elsewhere,
    /// Minor units.
    Known(i64),
}

/// The sum of the balances, credit less debit.
fn left(payment: &Element, ours: Money) -> Left {
    let mut sum = Left::Unsaid;
    for balance in payment.children_named("balance") {
        let amount = balance.child("amount");
        let side = amount.and_then(|amount| amount.attribute("debitCreditIndicator")).unwrap_or("credit");
        let minor = amount.and_then(|amount| in_our_currency(amount, ours)).filter(|_| matches!(side, "credit" | "debit"));
        let before = if let Left::Known(before) = sum { before } else { 0 };
        match minor.and_then(|minor| before.checked_add(if side == "debit" { -minor } else { minor })) {
            Some(after) => sum = Left::Known(after),
            None => return Left::Elsewhere,
        }
    }
    sum
}

/// Whether a record has gone on to a plain word after a refund was notified: what is left is what it says all the same. While all
/// is left, it has not heard of it.
fn has_gone_on(cx: &Context<'_>, told: &Told, payment: &Element, row: &StatusRow) -> bool {
    let less = matches!(left(payment, cx.order.amount), Left::Known(left) if left < cx.order.amount.minor());
    row.standing == Standing::Approved && less && !told.parts().is_empty()
}

/// The parts that notifications told of, without those by which the record says that another payment of the order was given
/// back: a notification names the order alone. The largest that fit first.
fn own_parts(cx: &Context<'_>, told: &Told, order: &Element, payment: &Element) -> Vec<(String, Option<i64>)> {
    let (mut parts, whole) = (told.parts(), cx.order.amount.minor());
    let went_back = |other: &Element| match left(other, cx.order.amount) {
        Left::Known(left) => whole - left.clamp(0, whole),
        Left::Unsaid if is_refund(event(other)) => whole,
        Left::Unsaid | Left::Elsewhere => 0,
    };
    let others = order.children_named("payment").filter(|other| is_paid(other) && !std::ptr::eq(*other, payment));
    let mut given_back: i64 = others.map(went_back).sum();
    if given_back > 0 {
        parts.sort_by_key(|(_, minor)| std::cmp::Reverse(*minor));
    }
    parts.retain(|(_, minor)| {
        let others = minor.filter(|minor| *minor <= given_back);
        given_back -= others.unwrap_or_default();
        others.is_none()
    });
    parts
}

/// What is left decides, as the record says it; else the parts that notifications told of.
fn refunded(cx: &Context<'_>, told: &mut Told, order: &Element, payment: &Element, word: &str) -> Finding {
    let (ours, left) = (cx.order.amount, left(payment, cx.order.amount));
    let parts = own_parts(cx, told, order, payment);
    let known: i64 = parts.iter().filter_map(|(_, minor)| *minor).fold(0, i64::saturating_add);
    let mut finding = Finding::new(Standing::Approved, word);
    // Of a payment that is over the parts are counted already, unless a chargeback gave back what it had taken.
    if cx.status != TransactionStatus::Reversed || told.won_chargeback() {
        for (name, minor) in parts.iter().filter(|(_, minor)| minor.is_some()) {
            finding = finding.turn(TurnKind::Refunded, name.clone(), *minor);
        }
    }
    let nothing_known = told.parts().iter().all(|(_, minor)| minor.is_none());
    let unknown = parts.is_empty() || parts.iter().any(|(_, minor)| minor.is_none());
    match left {
        Left::Known(left) if left > ours.minor() => {
            told.anomaly("Worldpay's balance is more than was paid");
            finding.turns.clear();
        }
        Left::Known(left) => {
            if left < 0 {
                told.anomaly("Worldpay's balance says that more was refunded than was paid");
            }
            let given_back = ours.minor() - left.max(0);
            finding.given_back = Some(given_back);
            // A record that is some minutes old has not heard of them yet.
            finding.ask_again = known > given_back;
            if left <= 0 {
                finding.standing = Standing::Reversed;
            }
        }
        // Less than the whole, although it should be the whole: a part at least.
        Left::Unsaid if nothing_known && foreign_amount(payment, ours, false).is_some() => {
            told.note("Worldpay says that a part was refunded");
        }
        Left::Unsaid if nothing_known => finding.standing = Standing::Reversed,
        Left::Unsaid | Left::Elsewhere => by_parts(told, &mut finding, known >= ours.minor(), unknown),
    }
    finding
}

/// The record says nothing of what is left: the engine counts the parts, and nothing is guessed of what they leave open.
fn by_parts(told: &mut Told, finding: &mut Finding, whole: bool, unknown: bool) {
    if whole {
        finding.standing = Standing::Reversed;
    } else if told.came_twice() {
        told.anomaly("a refund was told twice without a reference: look it up");
        finding.ask_again = true;
    } else if unknown {
        told.anomaly("a refund was told without its part in the order's currency: look it up");
    }
}

// --- the course of a payment ------------------------------------------------------------------

/// Whether what Worldpay has notified is newer than what its record shows, a copy some minutes old. `counted`: its refunds are in
/// what is left.
fn is_behind(cx: &Context<'_>, order: Option<&Element>, found: Option<&str>, counted: bool) -> bool {
    let open = |notified: &&str| !(counted && is_refund(notified));
    told::notices(cx).filter_map(|(_, notice)| notice.str_at(EVENT)).filter(open).any(|notified| {
        let shown = order.is_some_and(|order| order.children_named("payment").any(|payment| event(payment) == notified));
        stage(notified).is_some_and(|stage_notified| !shown && found.and_then(stage).is_none_or(|stage| stage <= stage_notified))
    })
}

fn after_approval(cx: &Context<'_>) -> bool {
    matches!(cx.status, TransactionStatus::Approved | TransactionStatus::Reversed)
}

/// What a payment's event means where the transaction stands.
fn concluded(cx: &Context<'_>, payment: &Element, row: &'static StatusRow) -> Finding {
    match row.standing {
        Standing::Approved => Finding { word_follows: true, ..Finding::new(Standing::Approved, row.word) },
        Standing::Cancelled | Standing::Expired if after_approval(cx) => Finding::new(Standing::Reversed, row.word),
        Standing::Declined => match return_code(payment) {
            Some((code, text)) => Finding::new(Standing::Declined, row.word).message(format!("{text} ({code})")),
            None => Finding::new(Standing::Declined, row.word),
        },
        Standing::Pending if cx.status == TransactionStatus::Created => Finding::new(Standing::Pending, word(row)),
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
