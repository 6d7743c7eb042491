ALTER TABLE messages ADD COLUMN mark TEXT NOT NULL DEFAULT ''; -- ledger.Record.Mark
ALTER TABLE messages ADD COLUMN doubt_since INTEGER;

CREATE INDEX messages_marked ON messages (account) WHERE mark <> ''; -- few or none, and asked for by each poll
