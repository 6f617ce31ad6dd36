-- The rules for the contents of a hub's file, beyond what SQLite itself verifies. Each statement finds what breaks a rule.

-- name: orphaned_history
SELECT h.instance, count(*) AS count FROM history AS h
WHERE NOT EXISTS (SELECT 1 FROM instance AS i WHERE i.key = h.instance) GROUP BY h.instance;

-- name: orphaned_inbox
SELECT m.instance, count(*) AS count FROM inbox AS m
WHERE NOT EXISTS (SELECT 1 FROM instance AS i WHERE i.key = m.instance) GROUP BY m.instance;

-- name: orphaned_activity
SELECT a.instance, count(*) AS count FROM activity AS a
WHERE NOT EXISTS (SELECT 1 FROM instance AS i WHERE i.key = a.instance) GROUP BY a.instance;

-- name: orphaned_timer
SELECT t.instance, count(*) AS count FROM timer AS t
WHERE NOT EXISTS (SELECT 1 FROM instance AS i WHERE i.key = t.instance) GROUP BY t.instance;

-- name: orphaned_entity_inbox
SELECT m.entity, count(*) AS count FROM entity_inbox AS m
WHERE NOT EXISTS (SELECT 1 FROM entity AS e WHERE e.key = m.entity) GROUP BY m.entity;

-- name: unclear_end
SELECT id, status FROM instance
WHERE (completed_at IS NOT NULL) <> (status IN (SELECT value FROM json_each(:ended)));

-- name: ended_with_timer
SELECT i.id, count(*) AS count FROM timer AS t JOIN instance AS i ON i.key = t.instance
WHERE i.completed_at IS NOT NULL GROUP BY i.key;

-- name: ended_with_inbox
SELECT i.id, count(*) AS count FROM inbox AS m JOIN instance AS i ON i.key = m.instance
WHERE i.completed_at IS NOT NULL GROUP BY i.key;

-- name: turn_missing
-- No turn is missing, and what is packed (turn -1) has ended, and the count of turns is one more than the last turn. The exception is an instance with a rewind
-- event (kind 3) in its inbox: its history is about to be rewritten.
SELECT i.id, i.turns, min(h.turn) AS first, max(h.turn) AS last, count(*) AS count
FROM history AS h JOIN instance AS i ON i.key = h.instance
GROUP BY i.key
HAVING count <> last - first + 1 OR last > i.turns OR (first < 0 AND i.completed_at IS NULL) OR (i.completed_at IS NULL AND last <> i.turns - 1
    AND NOT EXISTS (SELECT 1 FROM inbox AS m WHERE m.instance = i.key AND m.kind > 2));

-- name: never_woken
-- An execution begins with an event in the inbox, and has a history after that event was consumed.
SELECT i.id FROM instance AS i
WHERE i.completed_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM history AS h WHERE h.instance = i.key)
  AND NOT EXISTS (SELECT 1 FROM inbox AS m WHERE m.instance = i.key);

-- name: locked_by_nobody
SELECT e.id, e.lock_owner FROM entity AS e
WHERE e.lock_owner IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM instance AS i
    WHERE i.id = e.lock_owner AND i.execution = e.lock_owner_execution AND i.completed_at IS NULL);

-- name: counts
SELECT (SELECT count(*) FROM instance) AS instances,
       (SELECT count(*) FROM instance WHERE completed_at IS NOT NULL) AS ended,
       (SELECT coalesce(sum(turns), 0) FROM instance) AS turns,
       (SELECT count(*) FROM timer) AS timers,
       (SELECT count(*) FROM inbox) AS events,
       (SELECT count(*) FROM activity) AS activities,
       (SELECT count(*) FROM entity) AS entities,
       (SELECT count(*) FROM entity_inbox) + (SELECT count(*) FROM entity_later) AS messages;

-- name: histories
SELECT h.instance, h.turn, h.events, i.id, i.execution, i.turns, i.completed_at FROM history AS h
JOIN instance AS i ON i.key = h.instance
WHERE h.instance > ? AND h.instance <= ? ORDER BY h.instance, h.turn;

-- name: window
SELECT max(key) FROM (SELECT key FROM instance WHERE key > ? ORDER BY key LIMIT ?);

-- name: before_first_turn
-- What waits for each instance that has no history, in the order it came.
SELECT i.id, m.event FROM inbox AS m JOIN instance AS i ON i.key = m.instance
WHERE i.completed_at IS NULL AND NOT EXISTS (SELECT 1 FROM history AS h WHERE h.instance = i.key)
ORDER BY m.instance, m.seq;

-- name: inbox_of
SELECT event FROM inbox WHERE instance = ? ORDER BY seq;

-- name: failures
SELECT id, failure FROM instance WHERE failure IS NOT NULL;

-- name: tags
SELECT id, tags FROM instance WHERE tags IS NOT NULL;

-- name: inbox
SELECT seq, event FROM inbox;

-- name: activity_tasks
SELECT task FROM activity WHERE instance = ? AND execution = ?;

-- name: timer_tasks
SELECT task FROM timer WHERE instance = ?;

-- name: exists_id
SELECT 1 FROM instance WHERE id = ?;

-- name: requests
SELECT key, request FROM activity;

-- name: entity_inbox
SELECT seq, event FROM entity_inbox;

-- name: entity_later
SELECT seq, event FROM entity_later;

-- name: oldest_work
SELECT min(at) FROM (SELECT min(fire_at) AS at FROM timer UNION ALL SELECT min(at) FROM activity);
