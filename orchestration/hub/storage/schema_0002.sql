-- What runs or waits, by age: a list of it must not read a year of what has ended.
CREATE INDEX instance_live ON instance (created_at, key) WHERE completed_at IS NULL;

-- Entities without a state, by the time of their last change: housekeeping deletes them.
CREATE INDEX entity_empty ON entity (updated_at) WHERE state IS NULL;
