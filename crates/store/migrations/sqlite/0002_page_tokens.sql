CREATE TABLE page_tokens (                 -- addresses of ours that a payer's browser is given
  token_hash BLOB NOT NULL PRIMARY KEY,    -- SHA-256
  company_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  page TEXT NOT NULL                       -- pay | challenge | back | device_check
) STRICT, WITHOUT ROWID;
