-- Every key starts with the company, so that the same schema can be sharded by company later.
-- Times are milliseconds since the epoch (UTC); amounts are minor units. `sealed` columns are AES-256-GCM under the company's data key.

CREATE TABLE instance (
  name TEXT NOT NULL PRIMARY KEY,          -- e.g. master_key_check: proves that this master key belongs to this database
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (                       -- processes that own intents; an owner whose heartbeat stopped is dead
  id TEXT NOT NULL PRIMARY KEY,
  started_at INTEGER NOT NULL,
  heartbeat_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE companies (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  billing_currency TEXT NOT NULL,
  country TEXT NOT NULL,
  suspended INTEGER NOT NULL,
  user_auth_url TEXT,
  user_token_algorithm TEXT,
  user_token_key BLOB,                     -- sealed
  user_token_key_at INTEGER,
  data_key BLOB NOT NULL,                  -- wrapped under the master key
  config_version INTEGER NOT NULL,         -- one more with every change of anything below that a request reads
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (                       -- people of the back office
  company_id TEXT NOT NULL REFERENCES companies (id),
  id TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,              -- lower case
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  password_hash TEXT NOT NULL,             -- argon2id, PHC text
  role TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (company_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE credentials (
  company_id TEXT NOT NULL REFERENCES companies (id),
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  scopes TEXT NOT NULL,                    -- words, separated by a blank
  secret BLOB,                             -- sealed
  token_digest BLOB,
  generation INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER,
  PRIMARY KEY (company_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE brands (
  company_id TEXT NOT NULL REFERENCES companies (id),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  active INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (company_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE payment_methods (
  company_id TEXT NOT NULL REFERENCES companies (id),
  id TEXT NOT NULL,
  psp_type TEXT NOT NULL,
  brand_id TEXT,
  enabled INTEGER NOT NULL,
  config TEXT NOT NULL,                    -- JSON of the fields that may be read
  secrets BLOB NOT NULL,                   -- sealed JSON: secret fields, webhook secrets, callback token
  callback_token_hash BLOB UNIQUE,         -- SHA-256
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (company_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE rules (
  company_id TEXT NOT NULL REFERENCES companies (id),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  priority INTEGER NOT NULL,
  active INTEGER NOT NULL,
  matching TEXT NOT NULL,                  -- JSON {"pspTypes","brandIds","types"}
  action TEXT NOT NULL,                    -- JSON {"route","hold"}
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (company_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE transactions (
  company_id TEXT NOT NULL,
  id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  psp_type TEXT NOT NULL,
  operation TEXT NOT NULL,
  method_id TEXT NOT NULL,
  brand_id TEXT,
  merchant_reference TEXT,
  user_id TEXT NOT NULL,
  amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
  currency TEXT NOT NULL,
  status TEXT NOT NULL,
  psp_status TEXT NOT NULL,
  message TEXT,
  psp_transaction_id TEXT,
  redirect_url TEXT,
  destination_masked TEXT,
  attention TEXT,
  rule_id TEXT,
  rule_version INTEGER,
  maker TEXT NOT NULL,
  sealed BLOB NOT NULL,                    -- sealed JSON: order fields and the provider's memo
  callback_token_hash BLOB,                -- SHA-256
  events_sent INTEGER NOT NULL,
  timeline_length INTEGER NOT NULL,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (company_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX transactions_by_session ON transactions (company_id, session_id);
CREATE UNIQUE INDEX transactions_by_callback_token ON transactions (callback_token_hash) WHERE callback_token_hash IS NOT NULL;
CREATE INDEX transactions_by_psp_id ON transactions (company_id, psp_transaction_id) WHERE psp_transaction_id IS NOT NULL;
CREATE INDEX transactions_by_user ON transactions (company_id, user_id, id);
CREATE INDEX transactions_by_reference ON transactions (company_id, merchant_reference, id) WHERE merchant_reference IS NOT NULL;
CREATE INDEX transactions_by_status ON transactions (company_id, status, id);
CREATE INDEX transactions_by_attention ON transactions (company_id, attention, id) WHERE attention IS NOT NULL;

CREATE TABLE timeline (                    -- what happened to a transaction, in order
  company_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  at INTEGER NOT NULL,
  event TEXT NOT NULL,
  from_status TEXT,
  to_status TEXT,
  detail TEXT NOT NULL,                    -- JSON object, redacted
  PRIMARY KEY (company_id, transaction_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (                        -- the one next action of a transaction; no row: none is due
  company_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  kind TEXT NOT NULL,                      -- intent | run | inquire | late | hold
  due_at INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  first_at INTEGER NOT NULL,               -- when this kind of job began, for schedules that end
  detail TEXT NOT NULL,                    -- JSON: the intent (task, step, doubt, sent at), counters; nothing secret
  owner TEXT,                              -- the process that works on it until due_at; past that anybody may
  PRIMARY KEY (company_id, transaction_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_by_due ON jobs (due_at);
CREATE INDEX jobs_by_owner ON jobs (owner) WHERE owner IS NOT NULL;

CREATE TABLE callbacks (                   -- the inbox: committed before the provider is answered
  company_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  id TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  raw BLOB NOT NULL,                       -- sealed
  due_at INTEGER,                          -- NULL: processed
  attempt INTEGER NOT NULL,
  owner TEXT,
  PRIMARY KEY (company_id, transaction_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX callbacks_by_due ON callbacks (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE holds (                       -- pay-outs that wait, or waited, for a person
  company_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  status TEXT NOT NULL,                    -- waiting | approved | rejected
  requested_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  required INTEGER NOT NULL,
  decided_at INTEGER,
  PRIMARY KEY (company_id, transaction_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX holds_by_status ON holds (company_id, status, requested_at);

CREATE TABLE approvals (                   -- each decision of a person about a pay-out
  company_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  decision TEXT NOT NULL,                  -- approve | reject | release | resolve
  decided_by TEXT NOT NULL,
  maker TEXT NOT NULL,
  reason TEXT,
  at INTEGER NOT NULL,
  PRIMARY KEY (company_id, transaction_id, n),
  CONSTRAINT maker_is_not_checker CHECK (decided_by <> maker)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
  company_id TEXT NOT NULL,
  path TEXT NOT NULL,                      -- method and path
  idempotency_key TEXT NOT NULL,
  fingerprint BLOB NOT NULL,               -- keyed digest of the raw body
  transaction_id TEXT NOT NULL,
  answer_status INTEGER,                   -- NULL while the first call is running
  answer BLOB,                             -- sealed bytes of the answer
  created_at INTEGER NOT NULL,
  expires_at INTEGER,                      -- NULL until the transaction is final
  PRIMARY KEY (company_id, path, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_transaction ON idempotency (company_id, transaction_id);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE single_use (                  -- secrets that may be in flight once (a voucher's PIN), by keyed digest
  company_id TEXT NOT NULL,
  method_id TEXT NOT NULL,
  digest BLOB NOT NULL,
  transaction_id TEXT NOT NULL,
  PRIMARY KEY (company_id, method_id, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX single_use_by_transaction ON single_use (company_id, transaction_id);

CREATE TABLE webhook_events (              -- what merchants are told, in commit order: the pull twin reads it
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  company_id TEXT NOT NULL,
  id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  method_id TEXT NOT NULL,
  sample INTEGER NOT NULL,                 -- 1: made by "send test event"
  created_at INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX webhook_events_by_id ON webhook_events (company_id, id);
CREATE INDEX webhook_events_by_company ON webhook_events (company_id, position);
CREATE INDEX webhook_events_by_transaction ON webhook_events (company_id, transaction_id, sequence);

CREATE TABLE deliveries (
  company_id TEXT NOT NULL,
  id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  method_id TEXT NOT NULL,
  state TEXT NOT NULL,                     -- waiting | delivered | failing | exhausted | stopped | disabled
  attempts INTEGER NOT NULL,               -- attempts of the running schedule
  attempts_total INTEGER NOT NULL,
  next_at INTEGER,                         -- NULL: nothing is due
  owner TEXT,
  lease_until INTEGER,
  last_failure TEXT,
  last_http_status INTEGER,
  created_at INTEGER NOT NULL,
  delivered_at INTEGER,
  PRIMARY KEY (company_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_by_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_by_transaction ON deliveries (company_id, transaction_id, sequence);
CREATE INDEX deliveries_by_state ON deliveries (company_id, state, id);

CREATE TABLE delivery_attempts (
  company_id TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  at INTEGER NOT NULL,
  http_status INTEGER,
  failure TEXT,
  latency_ms INTEGER NOT NULL,
  response_body TEXT,                      -- the first KiB
  PRIMARY KEY (company_id, delivery_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE endpoint_health (
  company_id TEXT NOT NULL,
  method_id TEXT NOT NULL,
  failing_since INTEGER,
  disabled_at INTEGER,
  PRIMARY KEY (company_id, method_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  company_id TEXT NOT NULL,
  id TEXT NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  before TEXT,                             -- JSON, secrets left out
  after TEXT,
  origin TEXT,                             -- the address it came from
  PRIMARY KEY (company_id, id)
) STRICT, WITHOUT ROWID;
