-- Indexes that fit their statements whatever the statistics say.

-- Lists: each narrows by what is given, in the order of the list. Together they serve every filter (see ARCHITECTURE.md).
DROP INDEX transactions_by_status;
DROP INDEX transactions_by_attention;
CREATE INDEX transactions_by_group ON transactions (company_id, psp_type, operation, status, id);
CREATE INDEX transactions_by_attention ON transactions (company_id, attention, psp_type, operation, status, id) WHERE attention IS NOT NULL;

-- Nothing asked by it.
DROP INDEX IF EXISTS webhook_events_by_transaction;

-- Deliveries that wait, by the endpoint that they are for; and those that somebody works on, by the end of the lease.
DROP INDEX deliveries_by_due;
CREATE INDEX deliveries_queue ON deliveries (company_id, method_id, next_at) WHERE owner IS NULL AND next_at IS NOT NULL;
CREATE INDEX deliveries_held ON deliveries (next_at) WHERE owner IS NOT NULL;
