-- Files that the app uploads: first an address, then the bytes, then they are shared.

CREATE TABLE file (
    id     TEXT PRIMARY KEY,
    secret TEXT NOT NULL UNIQUE,   -- of the address that the bytes are sent to
    name   TEXT NOT NULL,
    length INTEGER NOT NULL,       -- as announced
    data   BLOB                    -- NULL until they have come
) WITHOUT ROWID;
