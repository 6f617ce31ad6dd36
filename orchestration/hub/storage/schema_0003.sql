-- What the hub remembers of its time, see clock.py: one row. `seen` is its last time without skips, `run` is for how long
-- hubs on this file have run, `delays` is JSON. `retention` is what the last hub was told to keep.
CREATE TABLE clock (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seen INTEGER NOT NULL,
    run INTEGER NOT NULL,
    delays TEXT NOT NULL,
    retention INTEGER
) STRICT;
INSERT INTO clock (only, seen, run, delays)
SELECT 1, max(updated_at) - (SELECT coalesce(sum(to_at - from_at), 0) FROM skip), 0, '[]' FROM instance HAVING count(*);

-- Events of an instance are read in the order they came, which is that of `seq`.
DROP INDEX inbox_of;
CREATE INDEX inbox_of ON inbox (instance);
