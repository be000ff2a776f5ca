-- The credentials behind each credential: those that made or rotated it, and those behind them, separated by blanks. For credentials from before it is read
-- from the audit log, step by step, because a credential may have been made by one that another one made.
ALTER TABLE credentials ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
WITH RECURSIVE made (company_id, id, maker) AS (
  SELECT company_id, substr(object, 12), substr(actor, 12) FROM audit
  WHERE action IN ('credential.create', 'credential.rotate') AND object LIKE 'credential:%' AND actor LIKE 'credential:%'
), behind (company_id, id, maker) AS (
  SELECT company_id, id, maker FROM made
  UNION
  SELECT b.company_id, b.id, m.maker FROM behind b JOIN made m ON m.company_id = b.company_id AND m.id = b.maker
)
UPDATE credentials SET made_by = COALESCE((SELECT group_concat(b.maker, ' ') FROM behind b
  WHERE b.company_id = credentials.company_id AND b.id = credentials.id AND b.maker <> credentials.id), '');
