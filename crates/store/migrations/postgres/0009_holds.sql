-- A look-up of a hold by its key must not take the index of their list: that one has a collation of its own, which the statements of the list name.
DROP INDEX holds_by_status;
CREATE INDEX holds_by_status ON holds (company_id COLLATE "C", status, requested_at, transaction_id COLLATE "C");
