//! An order of the shop and the statuses it goes through.

use crate::catalog::{Direction, OutcomeBy, Provider};

/// Where an order stands. The platform's `transaction_status`, and `New` before there is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Stored here, no answer of the platform yet.
    New,
    Pending,
    OnHold,
    Approved,
    Declined,
    Cancelled,
    Expired,
    Rejected,
    Failed,
    Reversed,
}

impl Status {
    const ALL: [Status; 10] = [
        Status::New,
        Status::Pending,
        Status::OnHold,
        Status::Approved,
        Status::Declined,
        Status::Cancelled,
        Status::Expired,
        Status::Rejected,
        Status::Failed,
        Status::Reversed,
    ];

    /// The platform's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Status::New => "New",
            Status::Pending => "Pending",
            Status::OnHold => "OnHold",
            Status::Approved => "Approved",
            Status::Declined => "Declined",
            Status::Cancelled => "Cancelled",
            Status::Expired => "Expired",
            Status::Rejected => "Rejected",
            Status::Failed => "Failed",
            Status::Reversed => "Reversed",
        }
    }

    /// The status of a word; an unknown word is `None` and changes nothing.
    pub(crate) fn from_word(word: &str) -> Option<Status> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// How far along an order is. The platform's states only ever move up these ranks (Cashier API, "Transaction
    /// life"), so comparing them puts news in order that arrives out of order: an early webhook, a slow answer, a
    /// replayed delivery.
    fn rank(self) -> u8 {
        match self {
            Status::New => 0,
            Status::OnHold => 1,
            Status::Pending => 2,
            Status::Declined | Status::Cancelled | Status::Expired | Status::Rejected | Status::Failed => 3,
            Status::Approved => 4,
            Status::Reversed => 5,
        }
    }

    /// Whether news of `self` moves an order on that stands at `old`.
    pub(crate) fn supersedes(self, old: Status) -> bool {
        self.rank() > old.rank()
    }

    /// Whether the outcome is known. A late success or a reversal may still follow.
    pub(crate) fn is_settled(self) -> bool {
        self.rank() >= 3
    }

    /// Whether it ended without success.
    pub(crate) fn is_negative(self) -> bool {
        self.rank() == 3
    }
}

/// What told the status that an order has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The Cashier call's own answer.
    Answer,
    Webhook,
    /// A status query.
    Query,
}

impl Source {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Source::Answer => "answer",
            Source::Webhook => "webhook",
            Source::Query => "query",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Source> {
        [Source::Answer, Source::Webhook, Source::Query].into_iter().find(|source| source.word() == word)
    }
}

/// An order as stored. Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) seq: i64,
    /// The order number: the request's `merchantReference`.
    pub(crate) number: String,
    /// The form's key and the call's `Idempotency-Key`.
    pub(crate) key: String,
    pub(crate) psp_type: String,
    pub(crate) direction: Direction,
    /// As typed, then as the platform writes it: `100.00`.
    pub(crate) amount: String,
    pub(crate) currency: String,
    /// `userId` of the customer.
    pub(crate) customer: String,
    /// The request that was sent, with what is secret masked.
    pub(crate) request: String,
    pub(crate) status: Status,
    pub(crate) source: Option<Source>,
    pub(crate) transaction_id: Option<String>,
    pub(crate) session_id: Option<String>,
    pub(crate) psp_transaction_id: Option<String>,
    /// The provider's own word; not for logic.
    pub(crate) provider_status: String,
    pub(crate) message: String,
    pub(crate) error_code: Option<String>,
    /// Whether the platform gave a page for the payer. Its address is never stored: it carries a token.
    pub(crate) has_page: bool,
    pub(crate) created_at_ms: i64,
    /// When the platform said that the provider has it.
    pub(crate) sent_at_ms: Option<i64>,
    pub(crate) webhook_at_ms: Option<i64>,
    pub(crate) settled_at_ms: Option<i64>,
    /// How often the platform was asked since the status last changed.
    pub(crate) asks: i64,
}

impl Order {
    /// The provider, if the catalog still has it.
    pub(crate) fn provider(&self) -> Option<&'static Provider> {
        Provider::of(&self.psp_type)
    }

    pub(crate) fn provider_name(&self) -> &str {
        self.provider().map_or(&self.psp_type, |provider| provider.name)
    }

    /// Whether a webhook will tell the outcome.
    pub(crate) fn awaits_webhook(&self) -> bool {
        self.provider().is_none_or(|provider| provider.outcome == OutcomeBy::Webhook)
    }
}

/// News of a transaction from any of the three sources.
#[derive(Debug, Clone)]
pub(crate) struct News {
    pub(crate) source: Source,
    pub(crate) transaction_id: String,
    pub(crate) session_id: Option<String>,
    pub(crate) psp_transaction_id: Option<String>,
    pub(crate) merchant_reference: String,
    pub(crate) status: Option<Status>,
    pub(crate) provider_status: String,
    pub(crate) message: String,
    pub(crate) error_code: Option<String>,
    /// Decimal text and ISO code; checked against the order's when both are there.
    pub(crate) amount: Option<String>,
    pub(crate) currency: Option<String>,
    pub(crate) has_page: bool,
}

impl News {
    /// Whether amount and currency are those of `order`; what is absent contradicts nothing.
    pub(crate) fn same_money(&self, order: &Order) -> bool {
        let amount = self.amount.as_deref().is_none_or(|amount| same_decimal(amount, &order.amount));
        let currency = self.currency.as_deref().is_none_or(|currency| currency == order.currency);
        amount && currency
    }
}

/// Whether two decimals are equal as numbers: digits are compared, nothing is converted.
fn same_decimal(a: &str, b: &str) -> bool {
    fn plain(text: &str) -> (&str, &str) {
        let (major, fraction) = text.split_once('.').unwrap_or((text, ""));
        (major.trim_start_matches('0'), fraction.trim_end_matches('0'))
    }
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for status in Status::ALL {
            assert_eq!(Status::from_word(status.word()), Some(status));
        }
        assert_eq!(Status::from_word("approved"), None);
    }

    #[test]
    fn news_moves_forward_only() {
        use Status::*;
        for (old, new) in [
            (New, Pending),
            (New, OnHold),
            (OnHold, Pending),
            (OnHold, Rejected),
            (Pending, Approved),
            (Pending, Failed),
            (Failed, Approved),
            (Declined, Approved),
            (Approved, Reversed),
        ] {
            assert!(new.supersedes(old), "{old:?} -> {new:?}");
            assert!(!old.supersedes(new), "{new:?} -> {old:?}");
        }
        assert!(!Cancelled.supersedes(Declined));
        assert!(!Approved.supersedes(Approved));
    }

    #[test]
    fn amounts_are_compared_digit_by_digit() {
        assert!(same_decimal("100", "100.00"));
        assert!(same_decimal("0.10", ".1"));
        assert!(same_decimal("0100.5", "100.50"));
        assert!(!same_decimal("100.01", "100.1"));
        assert!(!same_decimal("10", "100"));
        assert!(!same_decimal("9007199254740993", "9007199254740992"));
    }
}
