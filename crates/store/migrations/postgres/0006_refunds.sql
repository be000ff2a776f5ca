ALTER TABLE transactions ADD COLUMN refunded_minor BIGINT NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0 AND refunded_minor <= amount_minor);
ALTER TABLE transactions ADD COLUMN disputed BIGINT NOT NULL DEFAULT 0;    -- 1: a chargeback is open
