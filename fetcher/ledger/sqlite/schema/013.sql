ALTER TABLE accounts ADD COLUMN postponed INTEGER NOT NULL DEFAULT 0; -- ledger.Account.Postponed
