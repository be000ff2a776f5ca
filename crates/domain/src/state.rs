//! The state table of a transaction: (from, change) -> to. Whatever is not in it is refused (Cashier API, section 6).

use crate::transaction::Operation;

/// Where a transaction stands. `Created` is inside only and shown as `Pending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransactionStatus {
    /// Stored; the provider has not answered yet.
    Created,
    /// At the provider; the outcome is open.
    Pending,
    /// A pay-out that waits for a person.
    OnHold,
    /// Paid. Final but for a reversal.
    Approved,
    /// The provider said no.
    Declined,
    /// The payer cancelled.
    Cancelled,
    /// Ran out at the provider.
    Expired,
    /// A person rejected the pay-out; nothing was sent.
    Rejected,
    /// Certainly not taken.
    Failed,
    /// Paid, then taken back.
    Reversed,
}

impl TransactionStatus {
    /// Every status.
    pub const ALL: [TransactionStatus; 10] = [
        Self::Created,
        Self::Pending,
        Self::OnHold,
        Self::Approved,
        Self::Declined,
        Self::Cancelled,
        Self::Expired,
        Self::Rejected,
        Self::Failed,
        Self::Reversed,
    ];

    /// The word kept in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Pending => "Pending",
            Self::OnHold => "OnHold",
            Self::Approved => "Approved",
            Self::Declined => "Declined",
            Self::Cancelled => "Cancelled",
            Self::Expired => "Expired",
            Self::Rejected => "Rejected",
            Self::Failed => "Failed",
            Self::Reversed => "Reversed",
        }
    }

    /// The word shown outside: `Created` is `Pending`.
    pub const fn shown(self) -> &'static str {
        match self {
            Self::Created => "Pending",
            other => other.as_str(),
        }
    }

    /// Whether the transaction has ended (a late success or a reversal may still follow). Each arrival in one has its webhook.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Created | Self::Pending | Self::OnHold)
    }

    /// The endings of a pay-in after which the provider is asked again for a late success.
    pub const fn may_turn_late(self) -> bool {
        matches!(self, Self::Failed | Self::Declined | Self::Cancelled | Self::Expired)
    }
}

impl std::str::FromStr for TransactionStatus {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(())
    }
}

/// What happens to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The provider took it, or its fate is unknown.
    Accept,
    /// It waits for a person.
    Hold,
    /// A person let it go.
    Release,
    /// A person refused it.
    Reject,
    /// The provider says paid.
    Approve,
    /// The provider says no.
    Decline,
    /// The payer gave up.
    Cancel,
    /// It ran out.
    Expire,
    /// It was certainly not taken.
    Fail,
    /// The money went back.
    Reverse,
}

impl Change {
    /// Every change.
    pub const ALL: [Change; 10] = [
        Self::Accept,
        Self::Hold,
        Self::Release,
        Self::Reject,
        Self::Approve,
        Self::Decline,
        Self::Cancel,
        Self::Expire,
        Self::Fail,
        Self::Reverse,
    ];

    /// The word on the timeline.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Hold => "held",
            Self::Release => "released",
            Self::Reject => "rejected",
            Self::Approve => "approved",
            Self::Decline => "declined",
            Self::Cancel => "cancelled",
            Self::Expire => "expired",
            Self::Fail => "failed",
            Self::Reverse => "reversed",
        }
    }
}

/// The change is not in the table: it is kept on the timeline, counted and shown as an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{change:?} is not possible from {from:?}")]
pub struct Refused {
    /// Where the transaction stood.
    pub from: TransactionStatus,
    /// What was asked.
    pub change: Change,
}

/// The table itself.
///
/// A late success (a pay-in approved after a negative ending) is `Approve` from that ending; it is refused for pay-outs, whose
/// late payment is an anomaly of the highest severity.
pub fn next(from: TransactionStatus, change: Change, operation: Operation) -> Result<TransactionStatus, Refused> {
    use TransactionStatus as S;
    let to = match (from, change) {
        (S::Created, Change::Accept) => S::Pending,
        (S::Created, Change::Hold) if operation == Operation::PayOut => S::OnHold,
        (S::Created, Change::Fail) => S::Failed,
        (S::OnHold, Change::Release) => S::Pending,
        (S::OnHold, Change::Reject) => S::Rejected,
        (S::Pending, Change::Approve) => S::Approved,
        (S::Pending, Change::Decline) => S::Declined,
        (S::Pending, Change::Cancel) => S::Cancelled,
        (S::Pending, Change::Expire) => S::Expired,
        (S::Pending, Change::Fail) => S::Failed,
        (S::Approved, Change::Reverse) => S::Reversed,
        (ended, Change::Approve) if ended.may_turn_late() && operation == Operation::PayIn => S::Approved,
        _ => return Err(Refused { from, change }),
    };
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The drawing of the Cashier API, section 6, as a list, written apart from the code above.
    const DRAWN: &[(&str, &str, &str, &str)] = &[
        ("both", "Created", "failed", "Failed"),
        ("out", "Created", "held", "OnHold"),
        ("both", "Created", "accepted", "Pending"),
        ("both", "OnHold", "released", "Pending"),
        ("both", "OnHold", "rejected", "Rejected"),
        ("both", "Pending", "approved", "Approved"),
        ("both", "Pending", "declined", "Declined"),
        ("both", "Pending", "cancelled", "Cancelled"),
        ("both", "Pending", "expired", "Expired"),
        ("both", "Pending", "failed", "Failed"),
        ("both", "Approved", "reversed", "Reversed"),
        ("in", "Failed", "approved", "Approved"),
        ("in", "Declined", "approved", "Approved"),
        ("in", "Cancelled", "approved", "Approved"),
        ("in", "Expired", "approved", "Approved"),
    ];

    #[test]
    fn the_table_is_the_drawing() {
        for (operation, side) in [(Operation::PayIn, "in"), (Operation::PayOut, "out")] {
            for from in TransactionStatus::ALL {
                for change in Change::ALL {
                    let drawn = DRAWN
                        .iter()
                        .find(|row| (row.0 == "both" || row.0 == side) && row.1 == from.as_str() && row.2 == change.as_str())
                        .map(|row| row.3);
                    let table = next(from, change, operation).ok().map(TransactionStatus::as_str);
                    assert_eq!(table, drawn, "{side} {from:?} {change:?}");
                }
            }
        }
    }
}
