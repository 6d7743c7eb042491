-- Several configurations may share a ledger.
ALTER TABLE accounts ADD COLUMN config TEXT NOT NULL DEFAULT ''; -- ledger.Identity.Config
