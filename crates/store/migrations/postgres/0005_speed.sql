-- Indexes that fit their statements whatever the statistics say. While a table is small every index costs the same, and the plan that is made then is kept: so
-- none but the primary key may fit any part of a look-up by the primary key. Those of look-ups hold what is looked for; those of lists have a collation of
-- their own, which the statements of lists name (see ARCHITECTURE.md, Plans and lists).

DROP INDEX transactions_by_session;
DROP INDEX transactions_by_psp_id;
DROP INDEX transactions_by_user;
DROP INDEX transactions_by_reference;
DROP INDEX transactions_by_status;
DROP INDEX transactions_by_attention;
CREATE UNIQUE INDEX transactions_by_session ON transactions (session_id, company_id COLLATE "C");
CREATE INDEX transactions_by_psp_id ON transactions (psp_transaction_id, company_id COLLATE "C") WHERE psp_transaction_id IS NOT NULL;
CREATE INDEX transactions_by_user ON transactions (user_id, company_id COLLATE "C", id COLLATE "C");
CREATE INDEX transactions_by_reference ON transactions (merchant_reference, company_id COLLATE "C", id COLLATE "C") WHERE merchant_reference IS NOT NULL;
CREATE INDEX transactions_by_group ON transactions (company_id COLLATE "C", psp_type, operation, status, id COLLATE "C");
CREATE INDEX transactions_by_attention ON transactions (company_id COLLATE "C", attention, psp_type, operation, status, id COLLATE "C")
  WHERE attention IS NOT NULL;

DROP INDEX idempotency_by_transaction;
CREATE INDEX idempotency_by_transaction ON idempotency (transaction_id);
DROP INDEX single_use_by_transaction;
CREATE INDEX single_use_by_transaction ON single_use (transaction_id);

-- Nothing asked by it.
DROP INDEX IF EXISTS webhook_events_by_transaction;

-- Deliveries that wait, by the endpoint that they are for; and those that somebody works on, by the end of the lease.
DROP INDEX deliveries_by_due;
DROP INDEX deliveries_by_transaction;
DROP INDEX deliveries_by_state;
CREATE INDEX deliveries_queue ON deliveries (company_id COLLATE "C", method_id, next_at) WHERE owner IS NULL AND next_at IS NOT NULL;
CREATE INDEX deliveries_held ON deliveries (next_at) WHERE owner IS NOT NULL;
CREATE INDEX deliveries_by_transaction ON deliveries (transaction_id, sequence);
CREATE INDEX deliveries_by_state ON deliveries (company_id COLLATE "C", state, id COLLATE "C");

-- Queues: rows come and go by the thousand, so that a share of the table is too late a moment to clear up.
ALTER TABLE jobs SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE callbacks SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE deliveries SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
