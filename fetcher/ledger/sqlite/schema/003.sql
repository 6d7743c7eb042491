-- Back-offs are those of a destination at its server, and of single recipients there.
-- The table destinations is no longer used: its back-offs last an hour at most.

CREATE TABLE routes (
    destination  TEXT    NOT NULL,
    server       TEXT    NOT NULL,
    recipients   TEXT    NOT NULL, -- '': the destination itself
    failures     INTEGER NOT NULL,
    not_before   INTEGER,
    cause_code   TEXT    NOT NULL,
    cause_text   TEXT    NOT NULL,
    last_success INTEGER,
    PRIMARY KEY (destination, server, recipients)
) STRICT, WITHOUT ROWID;

ALTER TABLE accounts ADD COLUMN refusals TEXT NOT NULL DEFAULT '{}'; -- ledger.Refusals as JSON

ALTER TABLE messages ADD COLUMN refused_since INTEGER; -- ledger.Record.RefusedSince
