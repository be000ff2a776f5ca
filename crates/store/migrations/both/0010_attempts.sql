-- An attempt is an entity: what belongs to one account's try to carry a transaction out stands in a row of its own, its next action with it.
-- One text for both stores: PostgreSQL reads BIGINT for INTEGER and BYTEA for BLOB, leaves STRICT and WITHOUT ROWID out, and reads what stands in its comments.
/*pg LOCK TABLE callbacks, jobs, transactions, page_tokens, single_use IN ACCESS EXCLUSIVE MODE; */

CREATE TABLE attempts (
  company_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  n INTEGER NOT NULL,                      -- 1, 2, ... per transaction
  kind TEXT NOT NULL,                      -- pay
  method_id TEXT NOT NULL,
  psp_type TEXT NOT NULL,
  reference TEXT,                          -- ours at the provider; NULL: the transaction's id (the first attempt)
  psp_transaction_id TEXT,
  callback_token_hash BLOB,                -- SHA-256
  sealed BLOB,                             -- sealed JSON: memo, inquiries, pages; NULL: in the transaction's, from before
  outcome TEXT,                            -- the status that it ended as; NULL: open
  code TEXT,                               -- the provider's word for that
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  next_kind TEXT,                          -- the one next action: intent | run | inquire | late | hold; NULL: none is due
  next_at INTEGER,                         -- when it is due, or until when its owner has it
  next_tries INTEGER,
  next_first_at INTEGER,                   -- when this kind of action began, for schedules that end
  next_detail TEXT,                        -- JSON: the intent (task, step, doubt, sent at), counters; nothing secret
  next_owner TEXT,                         -- the process that works on it until next_at; past that anybody may
  PRIMARY KEY (company_id, transaction_id, n)
) STRICT, WITHOUT ROWID;

INSERT INTO attempts (company_id, transaction_id, n, kind, method_id, psp_type, psp_transaction_id, callback_token_hash, outcome, code, started_at, ended_at,
  next_kind, next_at, next_tries, next_first_at, next_detail, next_owner)
SELECT t.company_id, t.id, 1, 'pay', t.method_id, t.psp_type, t.psp_transaction_id, t.callback_token_hash,
  CASE WHEN t.status IN ('Created', 'OnHold', 'Pending') THEN NULL ELSE t.status END,
  CASE WHEN t.status IN ('Created', 'OnHold', 'Pending') THEN NULL ELSE t.psp_status END,
  t.created_at,
  CASE WHEN t.status IN ('Created', 'OnHold', 'Pending') THEN NULL ELSE t.updated_at END,
  j.kind, j.due_at, j.attempt, j.first_at, j.detail, j.owner
FROM transactions t LEFT JOIN jobs j ON j.company_id = t.company_id AND j.transaction_id = t.id;

CREATE UNIQUE INDEX attempts_by_callback_token ON attempts (callback_token_hash) WHERE callback_token_hash IS NOT NULL;
CREATE UNIQUE INDEX attempts_by_reference ON attempts (reference, company_id /*pg COLLATE "C" */) WHERE reference IS NOT NULL;
CREATE INDEX attempts_by_psp_id ON attempts (psp_transaction_id, company_id /*pg COLLATE "C" */) WHERE psp_transaction_id IS NOT NULL;
CREATE INDEX attempts_by_due ON attempts (psp_type, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX attempts_by_owner ON attempts (next_owner) WHERE next_owner IS NOT NULL;
/*pg ALTER TABLE attempts SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0); */

DROP TABLE jobs;
DROP INDEX transactions_by_callback_token;
DROP INDEX transactions_by_psp_id;
ALTER TABLE transactions DROP COLUMN callback_token_hash;
ALTER TABLE transactions ADD COLUMN live INTEGER NOT NULL DEFAULT 1;        -- which attempt is live: psp_type, method_id, psp_transaction_id are its
ALTER TABLE transactions ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1;    -- how many were begun
ALTER TABLE page_tokens ADD COLUMN n INTEGER NOT NULL DEFAULT 1;            -- the attempt
ALTER TABLE single_use ADD COLUMN n INTEGER NOT NULL DEFAULT 1;             -- the attempt
ALTER TABLE callbacks ADD COLUMN of_attempt INTEGER NOT NULL DEFAULT 1;
