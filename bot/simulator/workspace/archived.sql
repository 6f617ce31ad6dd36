-- Channels that were archived.
ALTER TABLE channel ADD COLUMN is_archived INTEGER NOT NULL DEFAULT 0;
