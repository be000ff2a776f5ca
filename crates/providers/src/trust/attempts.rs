//! The attempts to pay one order, judged together: what one of them came to never ends an order while another may be open, and
//! never takes anything back of what another one paid. Sheet: "JSON web services", "Status and error mapping".

use super::notify::told_reference;
use super::query::{CANCELLED, FORM_ERRORS, REFUND, STATUSES, covers, is_paid, raw_status};
use crate::api::{Context, Standing};
use crate::kit;
use domain::{Json, TransactionStatus};

/// In the memo: the word of each attempt by its reference, once one was open or a second one succeeded. A notification tells of
/// one alone, and a record may come late.
const ATTEMPTS: &str = "attempts";
/// So many are remembered.
const REMEMBERED_MAX: usize = 50;

/// One attempt to pay, or one refund.
pub(super) struct Attempt<'a> {
    /// `None`: it is remembered.
    pub(super) record: Option<&'a Json>,
    pub(super) reference: Option<String>,
    pub(super) word: String,
    /// `None`: the word is unknown.
    pub(super) standing: Option<Standing>,
}

impl<'a> Attempt<'a> {
    pub(super) fn of(record: &'a Json) -> Self {
        let reference = kit::token(record, "transactionreference").map(str::to_owned);
        Self { record: Some(record), ..Self::remembered(reference, raw_status(record)) }
    }

    fn remembered(reference: Option<String>, word: String) -> Self {
        // `EXPIRED` is our own word.
        let row = STATUSES.iter().find(|row| row.standing != Standing::Expired && covers(row.word, &word));
        Self { record: None, reference, standing: row.map(|row| row.standing), word }
    }

    /// Error code `0` and not cancelled.
    pub(super) fn is_success(&self) -> bool {
        self.word.starts_with("0/") && self.word != CANCELLED && (self.standing.is_some() || self.is_refund())
    }

    fn is_refund(&self) -> bool {
        self.record.is_some_and(|record| record.str_at("requesttypedescription") == Some(REFUND))
    }

    /// Corrections of the form are none.
    pub(super) fn is_try(&self) -> bool {
        !FORM_ERRORS.iter().any(|row| covers(row, &self.word))
    }

    fn is_open(&self) -> bool {
        self.is_try() && matches!(self.standing, None | Some(Standing::Unchanged))
    }

    fn started(&self) -> Option<&str> {
        kit::scalar(self.record?, "transactionstartedtimestamp")
    }
}

/// All attempts that are known.
pub(super) struct Judged<'a> {
    all: Vec<Attempt<'a>>,
    deciding: Option<usize>,
    /// Whether the payer paid more than once.
    pub(super) again: bool,
}

impl<'a> Judged<'a> {
    /// The attempt that says where the order stands.
    pub(super) fn deciding(&self) -> Option<&Attempt<'a>> {
        self.all.get(self.deciding?)
    }
}

/// Judges those that are told of now with those that are remembered, and remembers them.
pub(super) fn judge<'a>(cx: &Context<'_>, fresh: Vec<Attempt<'a>>, memo: &mut Json, anomalies: &mut Vec<String>) -> Judged<'a> {
    let known = memo.get(ATTEMPTS).and_then(Json::as_object).unwrap_or_default().iter();
    let known = known.map(|(reference, word)| (Some(reference.clone()).filter(|text| !text.is_empty()), word));
    let mut all: Vec<Attempt<'a>> = known
        .filter(|(reference, _)| fresh.iter().all(|attempt| attempt.reference != *reference))
        .map(|(reference, word)| Attempt::remembered(reference, word.as_str().unwrap_or_default().to_owned()))
        .collect();
    all.extend(fresh);
    let deciding = if is_paid(cx) && cx.psp_transaction_id.is_some() { of_paid(cx, &all, anomalies) } else { of_open(cx, &all) };
    let paid_by = cx.psp_transaction_id.filter(|_| is_paid(cx)).or_else(|| all.get(deciding?)?.reference.as_deref());
    let others = all.iter().filter(|attempt| attempt.is_success()).filter_map(|attempt| attempt.reference.as_deref());
    let others: Vec<&str> = others.filter(|reference| paid_by.is_some_and(|paid_by| paid_by != *reference)).collect();
    for reference in &others {
        anomalies.push(format!("the payer paid this order more than once at Trust: also by {}", told_reference(reference)));
    }
    let again = !others.is_empty();
    if again || memo.get(ATTEMPTS).is_some() || all.iter().any(Attempt::is_open) {
        remember(&all, memo);
    }
    Judged { all, deciding, again }
}

/// Those that have ended are forgotten first.
fn remember(all: &[Attempt<'_>], memo: &mut Json) {
    let mut kept: Vec<&Attempt<'_>> = all.iter().filter(|attempt| attempt.is_try()).collect();
    if kept.len() > REMEMBERED_MAX {
        kept.retain(|attempt| attempt.is_open() || attempt.is_success());
        kept.truncate(REMEMBERED_MAX);
    }
    let mut words = Json::Object(Vec::new());
    for attempt in kept {
        words.set(attempt.reference.as_deref().unwrap_or_default(), Json::text(&*attempt.word));
    }
    memo.set(ATTEMPTS, words);
}

/// The success that counts: an approved one before one that is suspended, the known one before another, else the first.
fn success(cx: &Context<'_>, all: &[Attempt<'_>]) -> Option<usize> {
    let rank = |at: &usize| {
        let is_known = all[*at].reference.is_some() && all[*at].reference.as_deref() == cx.psp_transaction_id;
        (all[*at].standing == Some(Standing::Approved), is_known)
    };
    (0..all.len()).rev().filter(|at| all[*at].is_success()).max_by_key(rank)
}

/// A success wins; else one that is open; else the newest. Corrections of the form count only among themselves.
fn of_open(cx: &Context<'_>, all: &[Attempt<'_>]) -> Option<usize> {
    let tries = || (0..all.len()).filter(|at| all[*at].is_try());
    let open = || tries().find(|at| all[*at].is_open());
    let newest = || tries().max_by_key(|at| all[*at].started());
    success(cx, all).or_else(open).or_else(newest).or(all.len().checked_sub(1))
}

/// Of what is paid: a success, else the attempt that paid. What another attempt came to else says nothing of it.
fn of_paid(cx: &Context<'_>, all: &[Attempt<'_>], anomalies: &mut Vec<String>) -> Option<usize> {
    let approved = success(cx, all).filter(|at| all[*at].standing == Some(Standing::Approved) && all[*at].reference.is_some());
    let own = || all.iter().position(|attempt| attempt.reference.as_deref() == cx.psp_transaction_id);
    let nameless = |attempt: &Attempt<'_>| attempt.reference.is_none() && attempt.word == CANCELLED;
    if cx.status == TransactionStatus::Approved && all.iter().any(nameless) {
        anomalies.push("Trust cancelled an attempt and does not say which: it may be the one that paid".to_owned());
    }
    approved.or_else(own)
}
