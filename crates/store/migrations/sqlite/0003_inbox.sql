-- Callbacks that say the same are one row, what one says is told once, and of a flood the first and the newest are kept.
ALTER TABLE callbacks ADD COLUMN digest BLOB;                        -- keyed digest of what came and of how it was read; NULL: from before
ALTER TABLE callbacks ADD COLUMN copies INTEGER NOT NULL DEFAULT 1;  -- how often it came
ALTER TABLE callbacks ADD COLUMN told INTEGER NOT NULL DEFAULT 0;    -- 1: what it gives to be seen is on the timeline
ALTER TABLE callbacks ADD COLUMN weight INTEGER NOT NULL DEFAULT 2;  -- of those that wait, what is kept first: 0 seen only | 1 a hint without facts | 2 a hint | 3 a fact
