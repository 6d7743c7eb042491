-- Times are Unix milliseconds, NULL for never. States are the names of
-- ledger.State; they are not checked here, so that a new one needs no new tables.
-- AUTOINCREMENT: an id is never used again for another row.

CREATE TABLE accounts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL UNIQUE,
    username     TEXT    NOT NULL,
    host         TEXT    NOT NULL,
    listed       INTEGER,
    last_poll    INTEGER,
    last_success INTEGER,
    next_poll    INTEGER,
    failures     INTEGER NOT NULL DEFAULT 0,
    not_before   INTEGER,
    cause_code   TEXT    NOT NULL DEFAULT '',
    cause_text   TEXT    NOT NULL DEFAULT '',
    on_server    INTEGER NOT NULL DEFAULT 0,
    server       TEXT    NOT NULL DEFAULT '{}', -- ledger.ServerFacts as JSON
    renumbered   INTEGER NOT NULL DEFAULT 0, -- 1: ledger.UIDsRenumbered
    adopt        INTEGER NOT NULL DEFAULT 0  -- 1: ledger.UIDsAdopting
) STRICT;

CREATE TABLE messages (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    account        INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    uid            BLOB    NOT NULL, -- raw octets
    generation     INTEGER NOT NULL,
    state          TEXT    NOT NULL,
    size           INTEGER NOT NULL, -- octets as listed, -1: not listed
    print          TEXT    NOT NULL, -- fingerprint
    attempts       INTEGER NOT NULL,
    next_attempt   INTEGER,
    forwarded_at   INTEGER,
    deleted_at     INTEGER,
    deletions      INTEGER NOT NULL DEFAULT 0,
    message_size   INTEGER NOT NULL, -- octets as fetched
    cause_code     TEXT    NOT NULL,
    cause_text     TEXT    NOT NULL,
    trace          TEXT    NOT NULL,
    first_attempt  INTEGER,
    spool          TEXT    NOT NULL, -- file of the retained copy
    message_id     TEXT    NOT NULL,
    header_from    TEXT    NOT NULL,
    header_subject TEXT    NOT NULL,
    header_date    TEXT    NOT NULL,
    first_seen     INTEGER,
    last_seen      INTEGER, -- ledger.Known.MissingSince
    -- The first guarantee, where a bug in the program cannot break it.
    CHECK (deleted_at IS NULL OR state = 'forwarded')
) STRICT;

CREATE UNIQUE INDEX messages_uid ON messages (account, uid, generation);
-- By account alone, rows come by state, then in the order of their ids.
CREATE INDEX messages_state ON messages (account, state);
CREATE INDEX messages_deleted ON messages (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE recipients (
    message      INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    position     INTEGER NOT NULL, -- from 0, in the order of the envelope
    address      TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    code         INTEGER NOT NULL,
    text         TEXT    NOT NULL,
    attempts     INTEGER NOT NULL,
    next_attempt INTEGER,
    PRIMARY KEY (message, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE days (
    date    TEXT    NOT NULL, -- 2006-01-02, in UTC
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    outcome TEXT    NOT NULL, -- a state's name
    count   INTEGER NOT NULL,
    PRIMARY KEY (date, account, outcome)
) STRICT, WITHOUT ROWID;

CREATE TABLE destinations (
    name         TEXT    PRIMARY KEY,
    failures     INTEGER NOT NULL,
    not_before   INTEGER,
    cause_code   TEXT    NOT NULL,
    cause_text   TEXT    NOT NULL,
    last_success INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE notices (
    account INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    since   INTEGER,
    told    INTEGER,
    held    TEXT    NOT NULL, -- ids of messages, ascending, with a space between two
    held_at INTEGER
) STRICT;
