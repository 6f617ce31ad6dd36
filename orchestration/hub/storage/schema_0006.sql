-- What workers were known to run, and when such a worker was last there: JSON, see engine/known_work.py. One row.
CREATE TABLE known_work (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    record TEXT NOT NULL
) STRICT;
