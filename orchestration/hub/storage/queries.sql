-- Every statement that the hub runs while it serves. Times are in microseconds. The schema explains the columns.

-- name: instance_by_id
SELECT key, id, execution, name, version, status, created_at, updated_at, completed_at, scheduled_at, turns, turned_at,
       input, output, custom_status, failure, tags, trace, parent, parent_id, parent_execution, parent_task
FROM instance WHERE id = ?;

-- name: instance_by_key
-- Without payloads: a turn does not need the input, which may be 1 MiB.
SELECT key, id, execution, name, version, status, created_at, updated_at, completed_at, scheduled_at, turns, turned_at,
       tags, trace, parent, parent_id, parent_execution, parent_task
FROM instance WHERE key = ?;

-- name: instance_brief
-- What is needed to put an event into the inbox.
SELECT key, id, execution, name, version, status, scheduled_at, turns, parent_id FROM instance WHERE id = ?;

-- name: instance_result
SELECT output, failure FROM instance WHERE key = ?;

-- name: instance_add
INSERT INTO instance (id, execution, name, version, status, created_at, updated_at, scheduled_at, input, tags,
                      parent, parent_id, parent_execution, parent_task)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: instance_size
-- About how many bytes its payloads have. The length of a blob is read without the blob.
SELECT coalesce(length(input), 0) + coalesce(length(output), 0)
       + (SELECT coalesce(sum(length(events)), 0) FROM history WHERE instance = i.key)
FROM instance AS i WHERE key = ?;

-- name: instance_delete
DELETE FROM instance WHERE key = ?;

-- name: instance_status
UPDATE instance SET status = ?, updated_at = ? WHERE key = ?;

-- name: instance_end
UPDATE instance SET status = ?, updated_at = ?, completed_at = ?, output = ?, failure = ? WHERE key = ?;

-- name: instance_apply_turn
-- The fence: it takes effect once for each turn, and only in the execution for which the turn was dispatched.
UPDATE instance
SET turns = turns + 1, turned_at = ?, updated_at = ?, status = iif(status = ?, ?, status),
    custom_status = coalesce(?, custom_status), trace = coalesce(?, trace)
WHERE key = ? AND execution = ? AND turns = ? AND completed_at IS NULL
RETURNING key, id, execution, name, version, status, scheduled_at, turns, tags, parent, parent_id, parent_execution, parent_task;

-- name: instance_continue
UPDATE instance SET execution = ?, version = ?, input = ?, tags = ?, trace = NULL, scheduled_at = NULL WHERE key = ?;

-- name: instance_revive
-- An instance that failed without a turn has its end in the history, at the number of the next turn.
UPDATE instance SET status = ?, updated_at = ?, completed_at = NULL, output = NULL, failure = NULL,
    turns = (SELECT max(turn) + 1 FROM history WHERE instance = key)
WHERE key = ?;

-- name: instance_rewound
-- Its history is one piece now.
UPDATE instance SET execution = ?, turns = 1 WHERE key = ?;

-- name: children
SELECT key, id FROM instance WHERE parent = ?;

-- name: children_reassign
-- The sub-orchestrations of an execution become those of the execution that replaces it.
UPDATE instance SET parent_execution = ? WHERE parent = ? AND parent_execution = ? RETURNING key, status, parent_task;

-- name: history_add
INSERT INTO history (instance, turn, events) VALUES (?, ?, ?);

-- name: history_of
SELECT turn, events FROM history WHERE instance = ? ORDER BY turn;

-- name: history_size
-- Bytes of what has happened and of what waits. The length of a blob is read without the blob.
SELECT (SELECT coalesce(sum(length(events)), 0) FROM history WHERE instance = ?)
       + (SELECT coalesce(sum(length(event)), 0) FROM inbox WHERE instance = ?);

-- name: history_last
SELECT turn, events FROM history WHERE instance = ? ORDER BY turn DESC LIMIT 1;

-- name: history_replace
UPDATE history SET events = ? WHERE instance = ? AND turn = ?;

-- name: history_delete
DELETE FROM history WHERE instance = ?;

-- name: inbox_add
INSERT INTO inbox (instance, at, kind, event) VALUES (?, ?, ?, ?);

-- name: turn_of
-- What a turn needs besides the history: the instance, once for each event in its inbox, in the order they came. Their
-- times are no order: a clock may be set.
SELECT i.id, i.execution, i.status, i.turns, i.turned_at, i.trace, b.seq, b.at, b.kind, b.event
FROM inbox AS b JOIN instance AS i ON i.key = b.instance
WHERE b.instance = ? AND i.completed_at IS NULL AND (i.turns > 0 OR i.scheduled_at IS NULL OR i.scheduled_at <= ?)
ORDER BY b.seq;

-- name: inbox_of
SELECT seq, at, kind, event FROM inbox WHERE instance = ? ORDER BY seq;

-- name: inbox_defer
UPDATE inbox SET at = max(at, ?) WHERE instance = ?;

-- name: inbox_take
DELETE FROM inbox WHERE seq = ?;

-- name: inbox_delete
DELETE FROM inbox WHERE instance = ?;

-- name: inbox_deliverable
-- Of what is to be delivered, the kind that comes first: 0 is an event from outside.
SELECT kind FROM inbox WHERE instance = ? AND (kind >= 2 OR NOT ?) ORDER BY kind LIMIT 1;

-- name: inbox_waking
-- What a hub that starts has to dispatch: instances with events in the inbox, not those that only wait.
SELECT i.key, i.name, i.version
FROM (SELECT instance, max(kind) AS kind FROM inbox GROUP BY instance) AS m
JOIN instance AS i ON i.key = m.instance
WHERE i.completed_at IS NULL AND (m.kind >= 2 OR i.status <> ?)
  AND (i.turns > 0 OR i.scheduled_at IS NULL OR i.scheduled_at <= ?)
ORDER BY i.key;

-- name: activity_add
INSERT INTO activity (instance, execution, task, name, version, at, request) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: activity_request
SELECT request FROM activity WHERE key = ?;

-- name: activity_take
DELETE FROM activity WHERE key = ? RETURNING instance, execution, task, at;

-- name: activity_reassign
UPDATE activity SET execution = ? WHERE instance = ? AND execution = ? RETURNING task;

-- name: activity_delete
DELETE FROM activity WHERE instance = ?;

-- name: activity_all
SELECT key, name, version FROM activity
ORDER BY key;

-- name: timer_add
INSERT OR REPLACE INTO timer (instance, task, fire_at) VALUES (?, ?, ?);

-- name: timer_due
SELECT instance, task, fire_at FROM timer WHERE fire_at <= ? ORDER BY fire_at, instance, task LIMIT 256;

-- name: timer_take
DELETE FROM timer WHERE instance = ? AND task = ?;

-- name: timer_delete
DELETE FROM timer WHERE instance = ?;

-- name: timer_next
SELECT min(fire_at) FROM (SELECT min(fire_at) AS fire_at FROM timer UNION ALL SELECT min(fire_at) FROM entity_later);

-- name: timer_next_after
SELECT min(fire_at) FROM (SELECT min(fire_at) AS fire_at FROM timer WHERE fire_at > ?1 UNION ALL SELECT min(fire_at) FROM entity_later WHERE fire_at > ?1);

-- name: entity_by_id
SELECT key, id, updated_at, batches, state, lock_section, lock_owner, lock_owner_execution FROM entity WHERE id = ?;

-- name: entity_by_key
SELECT key, id, updated_at, batches, state, lock_section, lock_owner, lock_owner_execution FROM entity WHERE key = ?;

-- name: entity_add
INSERT INTO entity (id, updated_at) VALUES (?, ?);

-- name: entity_apply_batch
-- The fence of entities, as instance_apply_turn is the fence of instances.
UPDATE entity SET batches = batches + 1, state = ?, updated_at = ? WHERE key = ? AND batches = ?;

-- name: entity_lock
UPDATE entity SET lock_section = ?, lock_owner = ?, lock_owner_execution = ?, updated_at = ? WHERE key = ?;

-- name: entity_unlock
UPDATE entity SET lock_section = NULL, lock_owner = NULL, lock_owner_execution = NULL, updated_at = ?
WHERE id = ? AND lock_section = ?
RETURNING key, id;

-- name: entity_locks_of
SELECT id, lock_section FROM entity WHERE lock_owner = ? AND lock_owner_execution = ?;

-- name: entity_page
-- A page of all entities, for cleaning.
SELECT key, id, state IS NULL AS empty, lock_section, lock_owner, lock_owner_execution
FROM entity WHERE id > ? ORDER BY id LIMIT ?;

-- name: entity_delete_empty
-- An entity without a state, a lock or a message can be deleted.
DELETE FROM entity WHERE key = ? AND state IS NULL AND lock_section IS NULL
    AND NOT EXISTS (SELECT 1 FROM entity_inbox AS m WHERE m.entity = entity.key);

-- name: entity_inbox_add
INSERT INTO entity_inbox (entity, at, caller, caller_execution, section, event) VALUES (?, ?, ?, ?, ?, ?);

-- name: entity_inbox_of
-- At most as many as one batch takes.
SELECT seq, at, caller, caller_execution, section, event FROM entity_inbox WHERE entity = ? ORDER BY seq LIMIT 256;

-- name: entity_inbox_head
SELECT seq, at, caller, caller_execution, section, event FROM entity_inbox WHERE entity = ? ORDER BY seq LIMIT 1;

-- name: entity_inbox_by
-- What the owner of the lock has sent; all others wait.
SELECT seq, at, caller, caller_execution, section, event FROM entity_inbox
WHERE entity = ? AND caller = ? AND caller_execution = ? AND section IS NULL ORDER BY seq LIMIT 256;

-- name: entity_inbox_size
SELECT count(*) FROM entity_inbox WHERE entity = ?;

-- name: entity_inbox_take
DELETE FROM entity_inbox WHERE seq = ?;

-- name: entity_inbox_answer
-- The caller's execution as it is now: the caller may have been rewound while the operation ran.
DELETE FROM entity_inbox WHERE seq = ? RETURNING caller_execution;

-- name: entity_calls_reassign
UPDATE entity_inbox SET caller_execution = ?
WHERE entity = (SELECT key FROM entity WHERE id = ?) AND caller = ? AND caller_execution = ? AND section IS NULL
RETURNING event;

-- name: entity_waking
SELECT DISTINCT e.key, e.id FROM entity_inbox AS m JOIN entity AS e ON e.key = m.entity ORDER BY e.key;

-- name: entity_later_add
INSERT INTO entity_later (fire_at, entity, event) VALUES (?, ?, ?);

-- name: entity_later_due
SELECT seq, fire_at, entity, event FROM entity_later WHERE fire_at <= ? ORDER BY fire_at, seq LIMIT 256;

-- name: entity_later_take
DELETE FROM entity_later WHERE seq = ?;

-- name: expired_next
-- The first instance after (time, id) that ended by a given time.
SELECT key, id, completed_at, parent, parent_execution FROM instance
WHERE completed_at IS NOT NULL AND completed_at <= ? AND (completed_at, id) > (?, ?)
ORDER BY completed_at, id LIMIT 1;

-- name: expired_child
SELECT key, completed_at FROM instance WHERE parent = ? AND key > ? ORDER BY key LIMIT 1;

-- name: expired_by_key
SELECT execution, completed_at, parent, parent_execution FROM instance WHERE key = ?;

-- name: expired_entities
-- Entities that have no state, no lock and no message.
DELETE FROM entity WHERE key IN (
    SELECT e.key FROM entity AS e INDEXED BY entity_empty
    WHERE e.state IS NULL AND e.updated_at <= ? AND e.lock_section IS NULL
      AND NOT EXISTS (SELECT 1 FROM entity_inbox AS m WHERE m.entity = e.key)
    LIMIT 50);

-- name: expired_between
-- How many ended after the first time, and by the second.
SELECT count(*) FROM instance WHERE completed_at > ? AND completed_at <= ?;

-- name: clock_get
SELECT seen, run, delays, retention FROM clock WHERE only = 1;

-- name: clock_put
INSERT OR REPLACE INTO clock (only, seen, run, delays, retention) VALUES (1, ?, ?, ?, ?);

-- name: known_work_get
SELECT record FROM known_work WHERE only = 1;

-- name: known_work_put
INSERT OR REPLACE INTO known_work (only, record) VALUES (1, ?);

-- name: turned_at_limit
-- What runs must not go on seeing a later time than this.
UPDATE instance SET turned_at = ? WHERE completed_at IS NULL AND turned_at > ?;

-- name: skip_add
INSERT INTO skip (from_at, to_at) VALUES (?, ?);

-- name: skip_all
SELECT from_at, to_at FROM skip ORDER BY seq;

-- name: list_instances
-- One page, oldest first. %(filters)s is made of fixed conditions only.
SELECT key, id, execution, name, version, status, created_at, updated_at, completed_at, scheduled_at, turns, turned_at,
       input, output, custom_status, failure, tags, trace, parent, parent_id, parent_execution, parent_task
FROM instance WHERE (created_at, key) > (:after_at, :after_key) %(filters)s
ORDER BY created_at, key LIMIT :limit;

-- name: list_ended
SELECT completed_at, id FROM instance
WHERE completed_at IS NOT NULL AND (completed_at, id) > (:after_at, :after_id) %(filters)s
ORDER BY completed_at, id LIMIT :limit;

-- name: list_ended_keys
SELECT key FROM instance WHERE id IN (SELECT value FROM json_each(?)) AND completed_at IS NOT NULL;

-- name: list_purgeable
SELECT key FROM instance WHERE completed_at IS NOT NULL AND key > :after_key %(filters)s ORDER BY key LIMIT :limit;

-- name: list_family
-- The ended sub-orchestrations of these instances.
SELECT key FROM instance WHERE parent IN (SELECT value FROM json_each(?)) AND completed_at IS NOT NULL;

-- name: list_entities
SELECT e.key, e.id, e.updated_at, e.state, e.lock_owner,
       (SELECT count(*) FROM entity_inbox AS m WHERE m.entity = e.key) AS backlog
FROM entity AS e WHERE e.id > :after_id %(filters)s ORDER BY e.id LIMIT :limit;

-- name: room_try
INSERT OR REPLACE INTO room (only, filler) VALUES (1, zeroblob(?));

-- name: room_clear
DELETE FROM room;

-- name: packable
-- The next that ended by a given time after (time, id), and whether the pieces of its history are to be packed. What ended
-- before its first turn has a single short piece, whose number says so.
SELECT key, id, completed_at,
       status <> ? AND turns > 0
       AND EXISTS (SELECT 1 FROM history AS h WHERE h.instance = i.key AND h.turn > ?) AS unpacked
FROM instance AS i
WHERE completed_at IS NOT NULL AND completed_at <= ? AND (completed_at, id) > (?, ?)
ORDER BY completed_at, id LIMIT ?;

-- name: packable_pieces
-- How many pieces the history of an instance has that has ended; 0 where it has not, or is gone.
SELECT count(*) FROM history AS h JOIN instance AS i ON i.key = h.instance
WHERE i.key = ? AND i.completed_at IS NOT NULL;

-- name: unfinished
-- What has not ended, in groups: the oldest by what their custom status says, all others by their ID. Names and texts
-- are cut: they come from whoever starts instances. So a text need not be UTF-8: JSON can name half a surrogate pair.
WITH oldest AS MATERIALIZED (
    SELECT key, name, created_at, iif(json_valid(custom_status), custom_status, NULL) AS status
    FROM instance INDEXED BY instance_live WHERE completed_at IS NULL ORDER BY created_at, key LIMIT :most
), found AS (
    SELECT name, created_at, json_extract(status, :said0) AS said0, json_extract(status, :said1) AS said1,
           json_extract(status, :said2) AS said2, json_extract(status, :time0) AS time0,
           json_extract(status, :time1) AS time1, json_extract(status, :time2) AS time2
    FROM oldest
    UNION ALL
    SELECT name, created_at, substr(id, 1, max(length(id) - :suffix, 0)), NULL, NULL, NULL, NULL, NULL
    FROM (SELECT name, id, created_at FROM instance INDEXED BY instance_live
          WHERE completed_at IS NULL ORDER BY created_at, key LIMIT -1 OFFSET :most)
)
SELECT substr(name, 1, 100) AS name, CAST(substr(said0, 1, 100) AS BLOB) AS said0,
       CAST(substr(said1, 1, 100) AS BLOB) AS said1, CAST(substr(said2, 1, 100) AS BLOB) AS said2, count(*) AS number,
       min(created_at) AS created_at, CAST(substr(min(time0), 1, 40) AS BLOB) AS time0,
       CAST(substr(min(time1), 1, 40) AS BLOB) AS time1, CAST(substr(min(time2), 1, 40) AS BLOB) AS time2
FROM found GROUP BY 1, 2, 3, 4 ORDER BY number DESC LIMIT :groups;
