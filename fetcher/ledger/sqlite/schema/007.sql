ALTER TABLE routes ADD COLUMN tried TEXT NOT NULL DEFAULT '{}'; -- ledger.Route.Tried
