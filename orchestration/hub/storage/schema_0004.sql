-- Written to try whether the disk has room, and empty otherwise. See upkeep/room.py.
CREATE TABLE room (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    filler BLOB NOT NULL
) STRICT;
