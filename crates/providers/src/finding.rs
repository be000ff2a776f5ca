//! What a provider found: where a transaction stands, what the Cashier call answers, where the money of a pay-out goes.

use crate::api::{Memo, Step};
use domain::{Json, Timestamp};

/// Where a transaction stands at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Taken, open.
    Pending,
    /// Brought to the provider's hold: a person must approve before [`Task::Finalise`](crate::Task::Finalise).
    OnHold,
    /// Paid.
    Approved,
    /// Refused.
    Declined,
    /// Cancelled by the payer.
    Cancelled,
    /// Ran out.
    Expired,
    /// Certainly not taken.
    Failed,
    /// Paid, then taken back.
    Reversed,
    /// The inquiry says nothing that changes anything; the status word is taken over when it is set and the transaction is open.
    Unchanged,
    /// The provider does not know it. Counts only `not_found_after_s` after the send, twice running.
    NotFound,
    /// A money-releasing call did not take effect ("not confirmed"). Counts like [`NotFound`](Self::NotFound), but ends with a
    /// person and "Release again".
    NotReleased,
    /// Something that only a person can settle: attention `stuck` at once, the status stays `Pending`.
    Stuck,
}

/// What can become of a payment's money after it was paid: the kinds of event that books are kept by (books, "Postings").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnKind {
    /// Given back, in part or whole.
    Refunded,
    /// Taken back by the payer's bank; open until it is won or lost.
    ChargedBack,
    /// The chargeback was decided for the merchant.
    ChargebackWon,
    /// The chargeback was decided for the payer.
    ChargebackLost,
}

impl TurnKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Refunded, Self::ChargedBack, Self::ChargebackWon, Self::ChargebackLost];

    /// The event's word on the timeline.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refunded => "refunded",
            Self::ChargedBack => "charged_back",
            Self::ChargebackWon => "chargeback_won",
            Self::ChargebackLost => "chargeback_lost",
        }
    }
}

/// One turn of a payment's money. The engine counts each once, by kind and key, however often it is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What happened.
    pub kind: TurnKind,
    /// The provider's own reference of it, or what else tells it from another of this payment. It is shown: nothing personal, no
    /// number of a card.
    pub key: String,
    /// How much, in minor units of the payment's currency; `None`: not said.
    pub minor: Option<i64>,
}

/// What a provider found.
#[derive(Clone)]
pub struct Finding {
    /// Where it stands.
    pub standing: Standing,
    /// The word for `status`; empty: keep the one there is.
    pub status: String,
    /// For a person; `None`: keep.
    pub message: Option<String>,
    /// The provider's id; `None`: keep.
    pub psp_transaction_id: Option<String>,
    /// To be kept on the timeline and shown: contradictions, wrong amounts.
    pub anomalies: Vec<String>,
    /// To be kept on the timeline only: nothing is wrong, nothing changes.
    pub notes: Vec<String>,
    /// What to remember; `None`: the memo stays.
    pub memo: Option<Memo>,
    /// What the Cashier call answers: for [`Task::PayIn`](crate::Task::PayIn), [`Task::PayOut`](crate::Task::PayOut), and an
    /// inquiry that may settle a Cashier call still open
    /// ([`UnknownFate::GatewayTimeout`](crate::descriptor::UnknownFate::GatewayTimeout)).
    pub answer: Option<CashierAnswer>,
    /// While it is open: to be asked about again at this time at the latest, also past the end of the common schedule.
    pub ask_at: Option<Timestamp>,
    /// While it is `Approved` and stays so, the status word follows the provider's (`CAPTURED` after `AUTHORISED`); no second
    /// webhook.
    pub word_follows: bool,
    /// The provider has told of something newer than its record shows: the callbacks that started the inquiry stay open, and are
    /// asked about on the common schedule.
    pub ask_again: bool,
    /// What became of the money since it was paid, oldest first: all that is known, not only what is new. Refunds that make up
    /// the whole amount make an approved payment `Reversed`. Counted only where the payment is, or becomes by this finding,
    /// `Approved` or `Reversed`.
    pub turns: Vec<Turn>,
    /// How much has been given back so far as the provider's record says, in minor units; `None`: it does not say. It wins over
    /// the sum of the parts: where
    /// [`turns`](Self::turns) do not add up to it, the difference to what was counted is one refund of its own.
    pub given_back: Option<i64>,
    /// For [`Task::Test`](crate::Task::Test): whether the account works; [`message`](Self::message) is the sentence shown.
    pub proven: bool,
}

impl std::fmt::Debug for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the memo and the answer: they hold tokens and personal data.
        f.debug_struct("Finding")
            .field("standing", &self.standing)
            .field("status", &self.status)
            .field("psp_transaction_id", &self.psp_transaction_id)
            .field("anomalies", &self.anomalies)
            .field("notes", &self.notes)
            .field("turns", &self.turns)
            .finish_non_exhaustive()
    }
}

impl Finding {
    /// A finding with that standing and word.
    pub fn new(standing: Standing, status: impl Into<String>) -> Self {
        Self {
            standing,
            status: status.into(),
            message: None,
            psp_transaction_id: None,
            anomalies: Vec::new(),
            notes: Vec::new(),
            memo: None,
            answer: None,
            ask_at: None,
            word_follows: false,
            ask_again: false,
            turns: Vec::new(),
            given_back: None,
            proven: true,
        }
    }

    /// Nothing changes.
    pub fn unchanged() -> Self {
        Self::new(Standing::Unchanged, "")
    }

    /// Nothing changes, and a person should see why.
    pub fn anomaly(text: impl Into<String>) -> Self {
        Self { anomalies: vec![text.into()], ..Self::unchanged() }
    }

    /// With a message.
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = Some(text.into());
        self
    }

    /// With something that a person should see.
    #[must_use]
    pub fn with_anomalies(mut self, texts: impl IntoIterator<Item = String>) -> Self {
        self.anomalies.extend(texts);
        self
    }

    /// With a line for the timeline.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// With a turn of the payment's money.
    #[must_use]
    pub fn turn(mut self, kind: TurnKind, key: impl Into<String>, minor: Option<i64>) -> Self {
        self.turns.push(Turn { kind, key: key.into(), minor });
        self
    }

    /// With the provider's id.
    #[must_use]
    pub fn psp_id(mut self, id: impl Into<String>) -> Self {
        self.psp_transaction_id = Some(id.into());
        self
    }

    /// With the Cashier's answer.
    #[must_use]
    pub fn answer(mut self, answer: CashierAnswer) -> Self {
        self.answer = Some(answer);
        self
    }

    /// With the memo.
    #[must_use]
    pub fn memo(mut self, memo: Memo) -> Self {
        self.memo = Some(memo);
        self
    }

    /// To be asked about again then at the latest.
    #[must_use]
    pub fn ask_at(mut self, at: Timestamp) -> Self {
        self.ask_at = Some(at);
        self
    }

    /// As a step.
    pub fn step(self) -> Step {
        Step::Found(Box::new(self))
    }
}

/// What the Cashier call answers, apart from `transaction`, which is added to it.
#[derive(Clone)]
pub enum CashierAnswer {
    /// 200 with `message` and `data`.
    Success {
        /// `message`.
        message: String,
        /// `data`, exactly as the sheet shows it.
        data: Json,
        /// The page's address inside `data`, for `transaction.redirectUrl`.
        redirect_url: Option<String>,
    },
    /// 400 without `errorCode`: the provider said no at once.
    Declined {
        /// The reason, fit for a payer.
        message: String,
        /// The raw answer as the sheet shows it.
        data: Option<Json>,
    },
}

impl std::fmt::Debug for CashierAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Success { .. } => "Success(..)",
            Self::Declined { .. } => "Declined(..)",
        })
    }
}

/// Where the money of a pay-out goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// The whole of it, for comparison (duplicates, ledgers).
    pub full: String,
    /// Masked, for approvals and lists.
    pub masked: String,
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Destination({})", self.masked)
    }
}
