-- ledger.Planned: what the next poll follows from.
ALTER TABLE accounts ADD COLUMN began INTEGER;
ALTER TABLE accounts ADD COLUMN settings TEXT NOT NULL DEFAULT '';
UPDATE accounts SET began = last_poll; -- it follows from the last one as well
