ALTER TABLE routes ADD COLUMN facts TEXT NOT NULL DEFAULT ''; -- ledger.Route.Facts
