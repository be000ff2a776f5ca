//! What went back of a payment: its refunds, and what will not be settled. Each is counted once; where Trust takes one back that
//! was counted, what has gone back in all counts from then on. Sheet: "JSON web services", "Status and error mapping".

use super::attempts::{Attempt, Judged};
use super::notify::told_reference;
use super::query::{CANCELLED, is_paid, notices};
use crate::api::{Context, Finding, Standing, Turn, TurnKind};
use crate::kit;
use domain::Json;

/// In the memo: how much less is settled than was authorised, minor units.
const LOWERED: &str = "lowered";
/// In the memo: the minor units of each refund by its key.
const REFUNDS: &str = "refunds";
/// In the memo: something was taken back that was counted.
const TAKEN_BACK: &str = "takenBack";

fn minor(record: &Json, name: &str) -> Option<i64> {
    kit::scalar(record, name).and_then(kit::whole_number)
}

/// Counts what went back. A refund proves the payment, whatever else is known of it.
pub(super) fn count(
    cx: &Context<'_>,
    finding: &mut Finding,
    judged: &Judged<'_>,
    refunds: &[Attempt<'_>],
    memo: &mut Json,
    anomalies: &mut Vec<String>,
) {
    let attempt = judged.deciding();
    let success = attempt.filter(|attempt| attempt.is_success());
    let parent = cx.psp_transaction_id.filter(|_| is_paid(cx)).or_else(|| success?.reference.as_deref());
    let mut known = Known::of(memo);
    let settles = success.filter(|attempt| parent.is_none() || attempt.reference.as_deref() == parent);
    if let Some(settles) = settles.and_then(|attempt| minor(attempt.record?, "settlebaseamount")) {
        known.settles(settles, cx.order.amount.minor(), finding);
    }
    let mut nameless: Vec<Option<i64>> = Vec::new();
    let mut proof = None;
    for refund in refunds {
        let Some(record) = refund.record else { continue };
        let theirs = kit::token(record, "parenttransactionreference");
        if theirs.is_some() && parent.is_some() && theirs != parent {
            continue;
        }
        let minor = minor(record, "baseamount");
        let key = refund.reference.clone().unwrap_or_else(|| nameless_key(&mut nameless, minor));
        if refund.is_success() && theirs.is_none() && judged.again && !known.has(&key) {
            let key = told_reference(&key);
            anomalies.push(format!("Trust does not say which of the payments of this order was refunded: {key}"));
        } else if refund.is_success() {
            if refund.reference.is_none() && known.may_be_another(&key, minor, cx) && notices(cx).any(|notice| notice == record) {
                let minor = minor.unwrap_or_default();
                anomalies.push(format!(
                    "Trust notified a refund of {minor} in minor units again, without a reference: perhaps another one, look it up"
                ));
            }
            known.refunded(&key, minor);
            finding.turns.push(Turn { kind: TurnKind::Refunded, key, minor });
            proof = proof.or(Some((refund, theirs)));
        } else if matches!(refund.standing, Some(Standing::Cancelled | Standing::Declined)) && known.takes_back(&key) {
            finding.notes.push(format!("Trust took a refund back: {}", told_reference(&key)));
        } else {
            finding.notes.push(format!("Trust tells of a refund that changes nothing: {}", kit::provider_text(&refund.word)));
        }
    }
    if let Some((refund, parent)) = proof {
        let unproven = !matches!(finding.standing, Standing::Approved | Standing::Reversed) && finding.status != CANCELLED;
        if unproven {
            let paid = attempt.filter(|attempt| attempt.standing != Some(Standing::Declined));
            finding.psp_transaction_id = parent.map(str::to_owned).or_else(|| paid?.reference.clone());
        }
        if unproven || is_approved(cx) && finding.standing == Standing::Approved {
            (finding.standing, finding.status) = (Standing::Approved, refund.word.clone());
        }
    }
    if is_paid(cx) || matches!(finding.standing, Standing::Approved | Standing::Reversed) {
        finding.given_back = known.keep(memo);
    }
}

fn is_approved(cx: &Context<'_>) -> bool {
    cx.status == domain::TransactionStatus::Approved
}

/// What is known to have gone back.
struct Known {
    lowered: i64,
    refunds: Vec<(String, i64)>,
    /// Something that was counted is less now: the sum of the parts is no longer what has gone back.
    taken_back: bool,
}

impl Known {
    fn of(memo: &Json) -> Self {
        let refunds = memo.get(REFUNDS).and_then(Json::as_object).unwrap_or_default();
        let refund = |(key, minor): &(String, Json)| Some((key.clone(), kit::whole_number(minor.as_number()?)?));
        Self {
            lowered: minor(memo, LOWERED).unwrap_or_default(),
            refunds: refunds.iter().filter_map(refund).collect(),
            taken_back: memo.get(TAKEN_BACK).is_some(),
        }
    }

    fn has(&self, key: &str) -> bool {
        self.refunds.iter().any(|(known, _)| known == key)
    }

    /// Whether a refund that is told without a reference is known by its amount and may be another one all the same: as much is
    /// left.
    fn may_be_another(&self, key: &str, minor: Option<i64>, cx: &Context<'_>) -> bool {
        self.has(key) && self.sum().saturating_add(minor.unwrap_or_default()) <= cx.order.amount.minor()
    }

    fn sum(&self) -> i64 {
        self.refunds.iter().fold(self.lowered, |sum, (_, minor)| sum.saturating_add(*minor))
    }

    /// What `settlebaseamount` says; what is no part of the amount says nothing.
    fn settles(&mut self, settles: i64, amount: i64, finding: &mut Finding) {
        let lowered = amount - settles;
        if !(1..=amount).contains(&settles) || lowered == self.lowered {
            return;
        }
        if lowered > self.lowered {
            let minor = Some(lowered - self.lowered);
            finding.turns.push(Turn { kind: TurnKind::Refunded, key: format!("settles {settles}"), minor });
        }
        self.taken_back |= lowered < self.lowered;
        self.lowered = lowered;
    }

    fn refunded(&mut self, key: &str, minor: Option<i64>) {
        let minor = minor.unwrap_or_default();
        match self.refunds.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => {
                self.taken_back |= *known != minor;
                *known = minor;
            }
            None => self.refunds.push((key.to_owned(), minor)),
        }
    }

    /// Answers whether it was counted.
    fn takes_back(&mut self, key: &str) -> bool {
        let counted = self.has(key);
        self.refunds.retain(|(known, _)| known != key);
        self.taken_back |= counted;
        counted
    }

    /// Remembers it. How much has gone back in all, where the parts do not say so.
    fn keep(self, memo: &mut Json) -> Option<i64> {
        if self.lowered != 0 || memo.get(LOWERED).is_some() {
            memo.set(LOWERED, Json::from(self.lowered));
        }
        if !self.refunds.is_empty() || memo.get(REFUNDS).is_some() {
            memo.set(REFUNDS, Json::object(self.refunds.iter().map(|(key, minor)| (key.clone(), Json::from(*minor)))));
        }
        let sum = self.sum();
        self.taken_back.then(|| {
            memo.set(TAKEN_BACK, Json::Bool(true));
            sum
        })
    }
}

/// Records of one answer are distinct: of refunds without a reference, the place among those of one amount tells one from
/// another.
fn nameless_key(before: &mut Vec<Option<i64>>, minor: Option<i64>) -> String {
    before.push(minor);
    let key = format!("refund {minor:?}");
    match before.iter().filter(|other| **other == minor).count() {
        1 => key,
        nth => format!("{key} {nth}"),
    }
}
