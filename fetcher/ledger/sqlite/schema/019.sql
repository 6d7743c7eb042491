ALTER TABLE notices ADD COLUMN late TEXT NOT NULL DEFAULT ''; -- ledger.Notice.Late
