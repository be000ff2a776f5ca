-- The feed's places are plain data. An event is stored in the round that is open; rounds are closed by a sequencer after the commits of all who wrote in them,
-- and what is in a closed round is shown. Nothing here means something in one cluster's life only: a dump that is restored elsewhere goes on where it was.
CREATE TABLE feed_state (
  one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
  round BIGINT NOT NULL,                   -- what is stored now belongs to this round
  closed BIGINT NOT NULL                   -- everything up to this round is committed, and nothing will be added to it
);
INSERT INTO feed_state (one, round, closed) VALUES (1, 1, 0);
-- For whoever stores an event without saying its round.
CREATE FUNCTION mozarto_feed_round() RETURNS BIGINT LANGUAGE sql VOLATILE AS 'SELECT round FROM feed_state WHERE one = 1';

-- What is there is numbered in the order in which it was shown until now, and is the first, closed round.
ALTER TABLE webhook_events ALTER COLUMN position DROP IDENTITY;
ALTER TABLE webhook_events DROP CONSTRAINT webhook_events_pkey;
ALTER TABLE webhook_events ADD COLUMN round BIGINT NOT NULL DEFAULT 0;
UPDATE webhook_events e SET position = shown.place
  FROM (SELECT company_id, id, row_number() OVER (ORDER BY written_by, position) AS place FROM webhook_events) shown
  WHERE e.company_id = shown.company_id AND e.id = shown.id AND e.position <> shown.place;
DROP INDEX webhook_events_by_company;
ALTER TABLE webhook_events DROP COLUMN written_by;
ALTER TABLE webhook_events ALTER COLUMN round SET DEFAULT mozarto_feed_round();
-- Within a round: when it was written, in microseconds of the store's clock (older ones: a running number).
ALTER TABLE webhook_events ALTER COLUMN position SET DEFAULT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT);
ALTER TABLE webhook_events ADD CONSTRAINT webhook_events_pkey PRIMARY KEY USING INDEX webhook_events_by_id;
-- With a collation of its own, which the statements of the feed name: a look-up by the primary key must not take it.
CREATE INDEX webhook_events_by_place ON webhook_events (company_id COLLATE "C", round, position);
CREATE INDEX webhook_events_by_age ON webhook_events (position);
