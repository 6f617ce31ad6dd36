-- The file's first schema. Times are microseconds since the Unix epoch, UTC; events are protobuf HistoryEvent bytes.

-- One orchestration instance. `key` is internal and, by AUTOINCREMENT, never used again. `execution` changes with
-- continue-as-new. `turns` counts the turns applied, so that each is applied once.
CREATE TABLE instance (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    execution TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT,
    status INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    completed_at INTEGER,
    scheduled_at INTEGER,
    turns INTEGER NOT NULL DEFAULT 0,
    turned_at INTEGER NOT NULL DEFAULT 0,
    input TEXT,
    output TEXT,
    custom_status TEXT,
    failure BLOB,
    tags BLOB,
    trace BLOB,
    parent INTEGER,
    parent_id TEXT,
    parent_execution TEXT,
    parent_task INTEGER
) STRICT;
CREATE INDEX instance_created ON instance (created_at, key);
CREATE INDEX instance_completed ON instance (completed_at, id) WHERE completed_at IS NOT NULL;
CREATE INDEX instance_parent ON instance (parent) WHERE parent IS NOT NULL;

-- What each turn added to an execution's history. `events` are bytes that can be joined, see wire.py.
CREATE TABLE history (
    instance INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    events BLOB NOT NULL,
    PRIMARY KEY (instance, turn)
) STRICT, WITHOUT ROWID;

-- Events that no turn has consumed. `kind`: 0 from outside, survives continue-as-new; 1 bound to one execution;
-- 2 suspend and resume; 3 rewind. Kinds 2 and 3 are delivered even to a suspended instance. See engine/inbox.py.
CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY,
    instance INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    event BLOB NOT NULL
) STRICT;
CREATE INDEX inbox_of ON inbox (instance, at, seq);

-- Activities that have no result. A key is never used again either, whatever a slow worker still holds.
CREATE TABLE activity (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    instance INTEGER NOT NULL,
    execution TEXT NOT NULL,
    task INTEGER NOT NULL,
    name TEXT NOT NULL,
    version TEXT,
    at INTEGER NOT NULL,
    request BLOB NOT NULL
) STRICT;
CREATE INDEX activity_of ON activity (instance);

-- Durable timers. `task` -1 is a scheduled start.
CREATE TABLE timer (
    instance INTEGER NOT NULL,
    task INTEGER NOT NULL,
    fire_at INTEGER NOT NULL,
    PRIMARY KEY (instance, task)
) STRICT, WITHOUT ROWID;
CREATE INDEX timer_due ON timer (fire_at, instance, task);

-- Entities, and the messages that no batch has consumed. `lock_section` is set while an orchestration holds the lock.
-- `entity_later` has signals that are due later.
CREATE TABLE entity (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    updated_at INTEGER NOT NULL,
    batches INTEGER NOT NULL DEFAULT 0,
    state TEXT,
    lock_section TEXT,
    lock_owner TEXT,
    lock_owner_execution TEXT
) STRICT;
CREATE INDEX entity_locked ON entity (lock_owner) WHERE lock_owner IS NOT NULL;
CREATE TABLE entity_inbox (
    seq INTEGER PRIMARY KEY,
    entity INTEGER NOT NULL,
    at INTEGER NOT NULL,
    caller TEXT,
    caller_execution TEXT,
    section TEXT,
    event BLOB NOT NULL
) STRICT;
CREATE INDEX entity_inbox_of ON entity_inbox (entity, seq);
CREATE TABLE entity_later (
    seq INTEGER PRIMARY KEY,
    fire_at INTEGER NOT NULL,
    entity TEXT NOT NULL,
    event BLOB NOT NULL
) STRICT;
CREATE INDEX entity_later_due ON entity_later (fire_at, seq);

-- When a skippable clock was moved, and to when.
CREATE TABLE skip (
    seq INTEGER PRIMARY KEY,
    from_at INTEGER NOT NULL,
    to_at INTEGER NOT NULL
) STRICT;
