ALTER TABLE recipients ADD COLUMN doubts INTEGER NOT NULL DEFAULT 0; -- ledger.Recipient.Doubts
