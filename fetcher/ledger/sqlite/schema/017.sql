CREATE TABLE ledger (
    oldest INTEGER NOT NULL,            -- version that a popferry must know to write here
    moved  TEXT NOT NULL DEFAULT '',    -- ledger.MovedError.To
    single INTEGER PRIMARY KEY DEFAULT 1 CHECK (single = 1) -- there is one row
);
INSERT INTO ledger (oldest) VALUES (1); -- those that do not know this table refuse any newer version
