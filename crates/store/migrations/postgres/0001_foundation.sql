-- Every key starts with the company, so that the same schema can be sharded by company later.
-- Times are milliseconds since the epoch (UTC); amounts are minor units. `sealed` columns are AES-256-GCM under the company's data key.

CREATE TABLE instance (
  name TEXT NOT NULL PRIMARY KEY,          -- e.g. master_key_check: proves that this master key belongs to this database
  value TEXT NOT NULL
);

CREATE TABLE nodes (                       -- processes that own intents; an owner whose heartbeat stopped is dead
  id TEXT NOT NULL PRIMARY KEY,
  started_at BIGINT NOT NULL,
  heartbeat_at BIGINT NOT NULL
);

CREATE TABLE companies (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  billing_currency TEXT NOT NULL,
  country TEXT NOT NULL,
  suspended BIGINT NOT NULL,
  user_auth_url TEXT,
  user_token_algorithm TEXT,
  user_token_key BYTEA,                     -- sealed
  user_token_key_at BIGINT,
  data_key BYTEA NOT NULL,                  -- wrapped under the master key
  config_version BIGINT NOT NULL,         -- one more with every change of anything below that a request reads
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE TABLE users (                       -- people of the back office
  company_id TEXT NOT NULL REFERENCES companies (id),
  id TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,              -- lower case
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  password_hash TEXT NOT NULL,             -- argon2id, PHC text
  role TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (company_id, id)
);

CREATE TABLE credentials (
  company_id TEXT NOT NULL REFERENCES companies (id),
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  scopes TEXT NOT NULL,                    -- words, separated by a blank
  secret BYTEA,                             -- sealed
  token_digest BYTEA,
  generation BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  revoked_at BIGINT,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT,
  PRIMARY KEY (company_id, id)
);

CREATE TABLE brands (
  company_id TEXT NOT NULL REFERENCES companies (id),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  active BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (company_id, id)
);

CREATE TABLE payment_methods (
  company_id TEXT NOT NULL REFERENCES companies (id),
  id TEXT NOT NULL,
  psp_type TEXT NOT NULL,
  brand_id TEXT,
  enabled BIGINT NOT NULL,
  config TEXT NOT NULL,                    -- JSON of the fields that may be read
  secrets BYTEA NOT NULL,                   -- sealed JSON: secret fields, webhook secrets, callback token
  callback_token_hash BYTEA UNIQUE,         -- SHA-256
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (company_id, id)
);

CREATE TABLE rules (
  company_id TEXT NOT NULL REFERENCES companies (id),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  priority BIGINT NOT NULL,
  active BIGINT NOT NULL,
  matching TEXT NOT NULL,                  -- JSON {"pspTypes","brandIds","types"}
  action TEXT NOT NULL,                    -- JSON {"route","hold"}
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (company_id, id)
);

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
  amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
  currency TEXT NOT NULL,
  status TEXT NOT NULL,
  psp_status TEXT NOT NULL,
  message TEXT,
  psp_transaction_id TEXT,
  redirect_url TEXT,
  destination_masked TEXT,
  attention TEXT,
  rule_id TEXT,
  rule_version BIGINT,
  maker TEXT NOT NULL,
  sealed BYTEA NOT NULL,                    -- sealed JSON: order fields and the provider's memo
  callback_token_hash BYTEA,                -- SHA-256
  events_sent BIGINT NOT NULL,
  timeline_length BIGINT NOT NULL,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (company_id, id)
) WITH (fillfactor = 80);
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
  n BIGINT NOT NULL,
  at BIGINT NOT NULL,
  event TEXT NOT NULL,
  from_status TEXT,
  to_status TEXT,
  detail TEXT NOT NULL,                    -- JSON object, redacted
  PRIMARY KEY (company_id, transaction_id, n)
);

CREATE TABLE jobs (                        -- the one next action of a transaction; no row: none is due
  company_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  kind TEXT NOT NULL,                      -- intent | run | inquire | late | hold
  due_at BIGINT NOT NULL,
  attempt BIGINT NOT NULL,
  first_at BIGINT NOT NULL,               -- when this kind of job began, for schedules that end
  detail TEXT NOT NULL,                    -- JSON: the intent (task, step, doubt, sent at), counters; nothing secret
  owner TEXT,                              -- the process that works on it until due_at; past that anybody may
  PRIMARY KEY (company_id, transaction_id)
) WITH (fillfactor = 80);
CREATE INDEX jobs_by_due ON jobs (due_at);
CREATE INDEX jobs_by_owner ON jobs (owner) WHERE owner IS NOT NULL;

CREATE TABLE callbacks (                   -- the inbox: committed before the provider is answered
  company_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  id TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  raw BYTEA NOT NULL,                       -- sealed
  due_at BIGINT,                          -- NULL: processed
  attempt BIGINT NOT NULL,
  owner TEXT,
  PRIMARY KEY (company_id, transaction_id, id)
);
CREATE INDEX callbacks_by_due ON callbacks (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE holds (                       -- pay-outs that wait, or waited, for a person
  company_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  status TEXT NOT NULL,                    -- waiting | approved | rejected
  requested_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  required BIGINT NOT NULL,
  decided_at BIGINT,
  PRIMARY KEY (company_id, transaction_id)
);
CREATE INDEX holds_by_status ON holds (company_id, status, requested_at);

CREATE TABLE approvals (                   -- each decision of a person about a pay-out
  company_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  n BIGINT NOT NULL,
  decision TEXT NOT NULL,                  -- approve | reject | release | resolve
  decided_by TEXT NOT NULL,
  maker TEXT NOT NULL,
  reason TEXT,
  at BIGINT NOT NULL,
  PRIMARY KEY (company_id, transaction_id, n),
  CONSTRAINT maker_is_not_checker CHECK (decided_by <> maker)
);

CREATE TABLE idempotency (
  company_id TEXT NOT NULL,
  path TEXT NOT NULL,                      -- method and path
  idempotency_key TEXT NOT NULL,
  fingerprint BYTEA NOT NULL,               -- keyed digest of the raw body
  transaction_id TEXT NOT NULL,
  answer_status BIGINT,                   -- NULL while the first call is running
  answer BYTEA,                             -- sealed bytes of the answer
  created_at BIGINT NOT NULL,
  expires_at BIGINT,                      -- NULL until the transaction is final
  PRIMARY KEY (company_id, path, idempotency_key)
);
CREATE INDEX idempotency_by_transaction ON idempotency (company_id, transaction_id);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE single_use (                  -- secrets that may be in flight once (a voucher's PIN), by keyed digest
  company_id TEXT NOT NULL,
  method_id TEXT NOT NULL,
  digest BYTEA NOT NULL,
  transaction_id TEXT NOT NULL,
  PRIMARY KEY (company_id, method_id, digest)
);
CREATE INDEX single_use_by_transaction ON single_use (company_id, transaction_id);

CREATE TABLE webhook_events (              -- what merchants are told, in commit order: the pull twin reads it
  position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  company_id TEXT NOT NULL,
  id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  method_id TEXT NOT NULL,
  sample BIGINT NOT NULL,                 -- 1: made by "send test event"
  created_at BIGINT NOT NULL,
  body TEXT NOT NULL,
  written_by xid8 NOT NULL DEFAULT pg_current_xact_id() -- readers stop before the oldest running transaction, so that no cursor skips a late commit
);
CREATE UNIQUE INDEX webhook_events_by_id ON webhook_events (company_id, id);
CREATE INDEX webhook_events_by_company ON webhook_events (company_id, written_by, position);
CREATE INDEX webhook_events_by_transaction ON webhook_events (company_id, transaction_id, sequence);

CREATE TABLE deliveries (
  company_id TEXT NOT NULL,
  id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  method_id TEXT NOT NULL,
  state TEXT NOT NULL,                     -- waiting | delivered | failing | exhausted | stopped | disabled
  attempts BIGINT NOT NULL,               -- attempts of the running schedule
  attempts_total BIGINT NOT NULL,
  next_at BIGINT,                         -- NULL: nothing is due
  owner TEXT,
  lease_until BIGINT,
  last_failure TEXT,
  last_http_status BIGINT,
  created_at BIGINT NOT NULL,
  delivered_at BIGINT,
  PRIMARY KEY (company_id, id)
) WITH (fillfactor = 80);
CREATE INDEX deliveries_by_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_by_transaction ON deliveries (company_id, transaction_id, sequence);
CREATE INDEX deliveries_by_state ON deliveries (company_id, state, id);

CREATE TABLE delivery_attempts (
  company_id TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  n BIGINT NOT NULL,
  at BIGINT NOT NULL,
  http_status BIGINT,
  failure TEXT,
  latency_ms BIGINT NOT NULL,
  response_body TEXT,                      -- the first KiB
  PRIMARY KEY (company_id, delivery_id, n)
);

CREATE TABLE endpoint_health (
  company_id TEXT NOT NULL,
  method_id TEXT NOT NULL,
  failing_since BIGINT,
  disabled_at BIGINT,
  PRIMARY KEY (company_id, method_id)
);

CREATE TABLE audit (
  company_id TEXT NOT NULL,
  id TEXT NOT NULL,
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  before TEXT,                             -- JSON, secrets left out
  after TEXT,
  origin TEXT,                             -- the address it came from
  PRIMARY KEY (company_id, id)
);
