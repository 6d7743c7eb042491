ALTER TABLE messages ADD COLUMN chosen TEXT NOT NULL DEFAULT ''; -- ledger.Record.Chosen
