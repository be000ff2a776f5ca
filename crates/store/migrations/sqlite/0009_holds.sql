-- The index of the list of holds, its order written out; the statements of the list name it.
DROP INDEX holds_by_status;
CREATE INDEX holds_by_status ON holds (company_id, status, requested_at, transaction_id);
