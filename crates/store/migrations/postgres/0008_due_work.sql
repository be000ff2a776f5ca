-- Due work by its provider, so that what is due at a silent one keeps nobody else's from being done.
-- Both at once: a commit of another process takes callbacks before jobs.
LOCK TABLE callbacks, jobs IN ACCESS EXCLUSIVE MODE;
ALTER TABLE jobs ADD COLUMN psp_type TEXT NOT NULL DEFAULT '';
UPDATE jobs SET psp_type = COALESCE(
  (SELECT t.psp_type FROM transactions t WHERE t.company_id = jobs.company_id AND t.id = jobs.transaction_id), '');
DROP INDEX jobs_by_due;
CREATE INDEX jobs_by_due ON jobs (psp_type, due_at);

ALTER TABLE callbacks ADD COLUMN psp_type TEXT NOT NULL DEFAULT '';
UPDATE callbacks SET psp_type = COALESCE(
  (SELECT t.psp_type FROM transactions t WHERE t.company_id = callbacks.company_id AND t.id = callbacks.transaction_id), '')
  WHERE due_at IS NOT NULL;
DROP INDEX callbacks_by_due;
CREATE INDEX callbacks_by_due ON callbacks (psp_type, due_at) WHERE due_at IS NOT NULL;
