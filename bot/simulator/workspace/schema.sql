-- The whole workspace. Bodies are JSON in Slack's shape; columns hold what is searched by.

CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE person (joined INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL);

CREATE TABLE user_group (id TEXT PRIMARY KEY, handle TEXT NOT NULL, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE user_group_member (
    user_group TEXT NOT NULL REFERENCES user_group (id),
    person     TEXT NOT NULL REFERENCES person (id),
    PRIMARY KEY (user_group, person)
) WITHOUT ROWID;

CREATE TABLE channel (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    topic      TEXT NOT NULL DEFAULT '',
    is_private INTEGER NOT NULL DEFAULT 0,
    im_with    TEXT REFERENCES person (id)   -- set for a direct message between that person and the app
) WITHOUT ROWID;
CREATE TABLE channel_member (
    channel   TEXT NOT NULL REFERENCES channel (id),
    person    TEXT NOT NULL REFERENCES person (id),
    last_read TEXT NOT NULL DEFAULT '0',
    PRIMARY KEY (channel, person)
) WITHOUT ROWID;

CREATE TABLE message (
    channel      TEXT NOT NULL REFERENCES channel (id),
    ts           TEXT NOT NULL,
    author       TEXT NOT NULL,
    thread_ts    TEXT,            -- the parent's ts, on replies only
    broadcast    INTEGER NOT NULL DEFAULT 0,
    ephemeral_to TEXT,
    body         TEXT NOT NULL,
    PRIMARY KEY (channel, ts)
) WITHOUT ROWID;
CREATE INDEX message_thread ON message (channel, thread_ts, ts) WHERE thread_ts IS NOT NULL;

-- The people whom a message names. Kept apart, so that unread marks need no scan of the texts.
CREATE TABLE mention (
    channel TEXT NOT NULL,
    ts      TEXT NOT NULL,
    person  TEXT NOT NULL,
    PRIMARY KEY (channel, ts, person),
    FOREIGN KEY (channel, ts) REFERENCES message (channel, ts) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE reaction (
    channel TEXT NOT NULL,
    ts      TEXT NOT NULL,
    name    TEXT NOT NULL,
    person  TEXT NOT NULL,
    PRIMARY KEY (channel, ts, name, person),
    FOREIGN KEY (channel, ts) REFERENCES message (channel, ts) ON DELETE CASCADE
) WITHOUT ROWID;

-- Open modals (position 0 is the root) and App Homes (position NULL).
CREATE TABLE view (
    id          TEXT PRIMARY KEY,
    person      TEXT NOT NULL REFERENCES person (id),
    position    INTEGER,
    external_id TEXT UNIQUE,
    body        TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE response_url (
    secret     TEXT PRIMARY KEY,
    channel    TEXT NOT NULL,
    person     TEXT NOT NULL,
    message_ts TEXT,             -- the message the interaction came from, when there is one
    expires    REAL NOT NULL,    -- epoch seconds
    uses_left  INTEGER NOT NULL
) WITHOUT ROWID;
