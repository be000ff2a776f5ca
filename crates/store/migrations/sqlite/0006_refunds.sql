ALTER TABLE transactions ADD COLUMN refunded_minor INTEGER NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0 AND refunded_minor <= amount_minor);
ALTER TABLE transactions ADD COLUMN disputed INTEGER NOT NULL DEFAULT 0;   -- 1: a chargeback is open
