-- Phones and what was sent between them and the account's numbers.

CREATE TABLE phone (
    number    TEXT PRIMARY KEY,
    person    TEXT NOT NULL UNIQUE REFERENCES person (id),
    last_read INTEGER NOT NULL DEFAULT 0   -- of text.shown
) WITHOUT ROWID;

CREATE TABLE text (
    sid        TEXT PRIMARY KEY,
    direction  TEXT NOT NULL,              -- Twilio's word: inbound, outbound-api, outbound-reply
    sender     TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    body       TEXT NOT NULL,
    status     TEXT NOT NULL,              -- Twilio's word
    error_code INTEGER,
    created    REAL NOT NULL,              -- epoch seconds, as the next two
    updated    REAL NOT NULL,
    sent       REAL,
    service    TEXT,                       -- the messaging service it was sent through
    callback   TEXT,
    end_status TEXT NOT NULL,              -- the status it will end in, decided when it was accepted
    end_code   INTEGER,
    delay      REAL NOT NULL,              -- of its callbacks, seconds
    shown      INTEGER UNIQUE              -- its place on the phone, counted up; NULL while it is not shown
) WITHOUT ROWID;
CREATE INDEX text_recipient ON text (recipient, shown);
CREATE INDEX text_sender ON text (sender, shown);
CREATE INDEX text_under_way ON text (created) WHERE status IN ('accepted', 'queued', 'sent', 'receiving');

CREATE TABLE opt_out (
    number TEXT NOT NULL,
    scope  TEXT NOT NULL,                  -- a number of the account, or its messaging service
    PRIMARY KEY (number, scope)
) WITHOUT ROWID;
