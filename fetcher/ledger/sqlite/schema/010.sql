ALTER TABLE messages ADD COLUMN digest TEXT NOT NULL DEFAULT ''; -- ledger.Record.Digest
