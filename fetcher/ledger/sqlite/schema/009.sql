ALTER TABLE accounts ADD COLUMN port INTEGER NOT NULL DEFAULT 0; -- ledger.Identity.Port
