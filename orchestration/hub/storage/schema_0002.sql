-- What waits, by age: a list of it must not read through a year of what has ended.
CREATE INDEX instance_live ON instance (created_at, key) WHERE completed_at IS NULL;

-- Entities without a state, by the time at which they were last heard of: housekeeping forgets them.
CREATE INDEX entity_empty ON entity (updated_at) WHERE state IS NULL;
