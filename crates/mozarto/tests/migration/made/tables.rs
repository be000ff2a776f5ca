//! The tables that are filled, as they were, and rows on their way into them.

use store::Value;

/// A table with the columns that are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Transactions,
    Timeline,
    Jobs,
    Callbacks,
    Holds,
    Approvals,
    Idempotency,
    SingleUse,
    PageTokens,
    Events,
    Deliveries,
    DeliveryAttempts,
    EndpointHealth,
    Nodes,
}

impl Table {
    pub(crate) const ALL: [Self; 14] = [
        Self::Transactions,
        Self::Timeline,
        Self::Jobs,
        Self::Callbacks,
        Self::Holds,
        Self::Approvals,
        Self::Idempotency,
        Self::SingleUse,
        Self::PageTokens,
        Self::Events,
        Self::Deliveries,
        Self::DeliveryAttempts,
        Self::EndpointHealth,
        Self::Nodes,
    ];

    /// Its name, the columns of its key, and the others.
    const fn shape(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Transactions => (
                "transactions",
                "company_id, id",
                "session_id, psp_type, operation, method_id, brand_id, merchant_reference, user_id, amount_minor, \
                 currency, status, psp_status, message, psp_transaction_id, redirect_url, destination_masked, \
                 attention, rule_id, rule_version, maker, sealed, callback_token_hash, events_sent, \
                 timeline_length, version, created_at, updated_at, refunded_minor, disputed",
            ),
            Self::Timeline => ("timeline", "company_id, transaction_id, n", "at, event, from_status, to_status, detail"),
            Self::Jobs => ("jobs", "company_id, transaction_id", "kind, due_at, attempt, first_at, detail, owner, psp_type"),
            Self::Callbacks => (
                "callbacks",
                "company_id, transaction_id, id",
                "received_at, raw, due_at, attempt, owner, digest, copies, told, weight, psp_type",
            ),
            Self::Holds => ("holds", "company_id, transaction_id", "status, requested_at, expires_at, required, decided_at"),
            Self::Approvals => ("approvals", "company_id, transaction_id, n", "decision, decided_by, maker, reason, at"),
            Self::Idempotency => (
                "idempotency",
                "company_id, path, idempotency_key",
                "fingerprint, transaction_id, answer_status, answer, created_at, expires_at",
            ),
            Self::SingleUse => ("single_use", "company_id, method_id, digest", "transaction_id"),
            Self::PageTokens => ("page_tokens", "token_hash", "company_id, transaction_id, page"),
            Self::Events => ("webhook_events", "company_id, id", "transaction_id, sequence, method_id, sample, created_at, body"),
            Self::Deliveries => (
                "deliveries",
                "company_id, id",
                "event_id, transaction_id, sequence, method_id, state, attempts, attempts_total, next_at, owner, \
                 lease_until, last_failure, last_http_status, created_at, delivered_at",
            ),
            Self::DeliveryAttempts => {
                ("delivery_attempts", "company_id, delivery_id, n", "at, http_status, failure, latency_ms, response_body")
            }
            Self::EndpointHealth => ("endpoint_health", "company_id, method_id", "failing_since, disabled_at"),
            Self::Nodes => ("nodes", "id", "started_at, heartbeat_at"),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        self.shape().0
    }

    pub(crate) fn keys(self) -> Vec<&'static str> {
        self.shape().1.split(", ").collect()
    }

    pub(crate) fn others(self) -> Vec<&'static str> {
        self.shape().2.split(", ").collect()
    }

    /// Those of the key, then the others.
    pub(crate) fn columns(self) -> Vec<&'static str> {
        [self.keys(), self.others()].concat()
    }
}

/// Rows that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Rows(Vec<(Table, Vec<Vec<Value>>)>);

impl Rows {
    /// Adds a row: its key, then the other columns.
    pub(crate) fn add(&mut self, table: Table, row: Vec<Value>) {
        debug_assert_eq!(row.len(), table.columns().len(), "{table:?}");
        match self.0.iter_mut().find(|(of, _)| *of == table) {
            Some((_, rows)) => rows.push(row),
            None => self.0.push((table, vec![row])),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|(_, rows)| rows.len()).sum()
    }

    pub(crate) fn take(&mut self) -> Vec<(Table, Vec<Vec<Value>>)> {
        std::mem::take(&mut self.0)
    }
}
