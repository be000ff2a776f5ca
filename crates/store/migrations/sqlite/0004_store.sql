-- The embedded store has one writer: positions are given out in the order of the commits and are plain data already. What an event's round is on a shared
-- store, its position is here.
CREATE TABLE feed_state (
  one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  round INTEGER NOT NULL,
  closed INTEGER NOT NULL
) STRICT;
INSERT INTO feed_state (one, round, closed) VALUES (1, 1, 0);
