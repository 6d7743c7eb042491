ALTER TABLE recipients ADD COLUMN doubts INTEGER NOT NULL DEFAULT 0; -- ledger.Recipient.Doubts

-- ledger.Listings
ALTER TABLE accounts ADD COLUMN listed_before INTEGER;
ALTER TABLE accounts ADD COLUMN listed_last INTEGER;

-- Rows are forgotten by when their message was last seen. Until now that was not
-- noted of deleted messages; the next listing takes it back for those that it shows.
UPDATE messages SET last_seen = deleted_at WHERE deleted_at IS NOT NULL AND last_seen IS NULL;
DROP INDEX messages_deleted;
CREATE INDEX messages_missing ON messages (account, last_seen) WHERE last_seen IS NOT NULL;
