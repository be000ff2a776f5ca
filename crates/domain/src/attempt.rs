//! One attempt to have a transaction carried out at one account of one provider.

use crate::{MethodId, Timestamp, Transaction, TransactionId, TransactionStatus};

/// What an attempt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptKind {
    /// The payment itself.
    Pay,
}

impl AttemptKind {
    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pay => "pay",
        }
    }
}

impl std::str::FromStr for AttemptKind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Pay].into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// An attempt: begun when its account is chosen. The last one begun is the transaction's live one, unless an earlier one turned
/// out paid (orchestration, "Attempts").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// 1, 2, ... within its transaction.
    pub n: i64,
    /// What it is for.
    pub kind: AttemptKind,
    /// The account.
    pub method_id: MethodId,
    /// The account's provider.
    pub psp_type: String,
    /// Our reference at the provider: the transaction's id for the first attempt, a new id of the same form for each later one.
    pub reference: TransactionId,
    /// The provider's id of it.
    pub psp_transaction_id: Option<String>,
    /// How it ended; `None`: it is open.
    pub outcome: Option<TransactionStatus>,
    /// The provider's last word of it, once it has ended.
    pub code: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, or what became of it was last corrected.
    pub ended_at: Option<Timestamp>,
}

impl Attempt {
    /// The first attempt of a transaction: its account and its reference are the transaction's.
    pub fn first(transaction: &Transaction) -> Self {
        Self {
            n: 1,
            kind: AttemptKind::Pay,
            method_id: transaction.method_id,
            psp_type: transaction.psp_type.clone(),
            reference: transaction.id,
            psp_transaction_id: None,
            outcome: None,
            code: None,
            started_at: transaction.created_at,
            ended_at: None,
        }
    }

    /// Ends it, or corrects how it ended.
    pub fn end(&mut self, outcome: TransactionStatus, code: &str, now: Timestamp) {
        self.outcome = Some(outcome);
        self.code = Some(code.to_owned());
        self.ended_at = Some(now);
    }

    /// Whether money moved by it and stays moved.
    pub fn is_paid(&self) -> bool {
        self.outcome == Some(TransactionStatus::Approved)
    }
}
