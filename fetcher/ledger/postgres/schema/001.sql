-- Names of states are those of ledger.State; they are not checked here, so that a
-- new one needs no new tables. Octets that popferry sends or compares again are
-- bytea: text can hold neither NUL nor what is not UTF-8.

CREATE TABLE ledger (
    id      uuid    NOT NULL DEFAULT gen_random_uuid(),
    version integer NOT NULL, -- of the schema: the number of steps taken
    oldest  integer NOT NULL, -- version that a popferry must know to write here
    origin   text   NOT NULL DEFAULT '', -- server.Timeline when it was made
    timeline text   NOT NULL DEFAULT '', -- when it was last opened
    moved    text   NOT NULL DEFAULT '', -- ledger.MovedError.To
    single  boolean PRIMARY KEY DEFAULT true CHECK (single) -- there is one row
);
INSERT INTO ledger (version, oldest) VALUES (0, 1);

CREATE TABLE accounts (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text COLLATE "C" NOT NULL UNIQUE,
    username      text     NOT NULL,
    host          text     NOT NULL,
    port          integer  NOT NULL,
    config        text     NOT NULL DEFAULT '', -- ledger.Identity.Config
    listed        timestamptz,
    last_poll     timestamptz,
    last_success  timestamptz,
    next_poll     timestamptz,
    failures      integer  NOT NULL DEFAULT 0,
    not_before    timestamptz,
    cause_code    text     NOT NULL DEFAULT '',
    cause_text    text     NOT NULL DEFAULT '',
    on_server     integer  NOT NULL DEFAULT 0,
    postponed     integer  NOT NULL DEFAULT 0,
    server        json     NOT NULL DEFAULT '{}', -- ledger.ServerFacts
    uids          smallint NOT NULL DEFAULT 0,    -- ledger.UIDState
    refusals      json     NOT NULL DEFAULT '{}', -- ledger.Refusals
    listed_before timestamptz, -- ledger.Listings
    listed_last   timestamptz,
    began         timestamptz, -- ledger.Planned
    settings      text     NOT NULL DEFAULT ''
) WITH (fillfactor = 70); -- each poll changes its row

-- Each process asks every few seconds what the others have polled.
CREATE INDEX accounts_polled ON accounts (last_poll);

CREATE TABLE messages (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account        bigint  NOT NULL REFERENCES accounts ON DELETE CASCADE,
    uid            bytea   NOT NULL,
    generation     integer NOT NULL,
    state          text    NOT NULL,
    size           bigint  NOT NULL, -- octets as listed, -1: not listed
    print          bytea   NOT NULL, -- fingerprint
    attempts       integer NOT NULL,
    next_attempt   timestamptz,
    forwarded_at   timestamptz,
    deleted_at     timestamptz,
    deletions      integer NOT NULL,
    missing_since  timestamptz,
    cause_code     text    NOT NULL,
    cause_text     text    NOT NULL,
    copy           text    NOT NULL, -- ledger.Known.CopyFile
    message_size   bigint  NOT NULL, -- octets as fetched
    broken_at      bigint  NOT NULL, -- octets
    trace          text    NOT NULL,
    first_attempt  timestamptz,
    sender         text    NOT NULL DEFAULT '', -- the process and session of the last intent
    trace_lines    bytea   NOT NULL,
    mark           bytea   NOT NULL,
    doubt_since    timestamptz,
    message_id     text    NOT NULL,
    header_from    text    NOT NULL,
    header_subject text    NOT NULL,
    header_date    text    NOT NULL,
    first_seen     timestamptz,
    refused_since  timestamptz,
    digest         text    NOT NULL,
    recipients     json    NOT NULL, -- in the order of the envelope; nobody asks for one alone
    chosen         text    NOT NULL, -- ledger.Record.Chosen
    -- The first guarantee, where a bug in the program cannot break it.
    CHECK (deleted_at IS NULL OR state = 'forwarded')
);

-- A server's UIDs may be longer than an entry of an index.
CREATE UNIQUE INDEX messages_uid ON messages (account, sha256(uid), generation);
CREATE INDEX messages_state ON messages (account, state);
CREATE INDEX messages_missing ON messages (account, missing_since) WHERE missing_since IS NOT NULL;
CREATE INDEX messages_copies ON messages (account) WHERE copy <> '';
CREATE INDEX messages_marked ON messages (account) WHERE mark <> '';

-- The octets of retained copies, written and removed with the row of their message.
CREATE TABLE copies (
    message  bigint  NOT NULL REFERENCES messages ON DELETE CASCADE,
    position integer NOT NULL, -- from 0
    octets   bytea   NOT NULL,
    PRIMARY KEY (message, position)
);
ALTER TABLE copies ALTER COLUMN octets SET STORAGE EXTERNAL; -- compressing takes longer than writing

-- Refused messages that were put into quarantine, in pieces. They stay until the user
-- removes them, whatever happens to the rows of messages.
CREATE TABLE quarantine (
    trace    text COLLATE "C" NOT NULL, -- of the message
    position integer NOT NULL, -- from 0
    account  text NOT NULL, -- its name
    stored   timestamptz,
    octets   bytea NOT NULL,
    PRIMARY KEY (trace, position)
);
ALTER TABLE quarantine ALTER COLUMN octets SET STORAGE EXTERNAL;

CREATE TABLE days (
    date    date    NOT NULL, -- in UTC
    account bigint  NOT NULL REFERENCES accounts ON DELETE CASCADE,
    outcome text    NOT NULL, -- a state's name
    count   integer NOT NULL,
    PRIMARY KEY (account, date, outcome)
);
CREATE INDEX days_date ON days (date);

CREATE TABLE routes (
    key          bytea   PRIMARY KEY, -- SHA-256 of the next three, which may be long
    destination  text    COLLATE "C" NOT NULL,
    server       text    COLLATE "C" NOT NULL,
    recipients   text    COLLATE "C" NOT NULL, -- '': the destination itself
    failures     integer NOT NULL,
    not_before   timestamptz,
    tried        json    NOT NULL DEFAULT '{}', -- ledger.Route.Tried
    cause_code   text    NOT NULL DEFAULT '',
    cause_text   text    NOT NULL DEFAULT '',
    last_success timestamptz,
    facts        text    NOT NULL DEFAULT '' -- ledger.Route.Facts
);

CREATE TABLE notices (
    account bigint PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    since   timestamptz,
    told    timestamptz,
    held    bigint[] NOT NULL, -- ids of messages, ascending
    late    bigint[] NOT NULL,
    held_at timestamptz
);

-- Sign-ins by OAuth2 (ledger.Token).
CREATE TABLE tokens (
    key        bytea    PRIMARY KEY, -- SHA-256 of the next three
    provider   text     COLLATE "C" NOT NULL,
    client     text     COLLATE "C" NOT NULL,
    username   text     COLLATE "C" NOT NULL,
    access     bytea    NOT NULL, -- sealed, as is the next
    refresh    bytea    NOT NULL,
    url        text     NOT NULL,
    header     boolean  NOT NULL,
    scopes     text     NOT NULL,
    signed     timestamptz,
    obtained   timestamptz,
    ends       timestamptz,
    until      timestamptz,
    rotation   smallint NOT NULL,
    asked      timestamptz,
    cause_code text     NOT NULL,
    cause_text text     NOT NULL,
    refused    timestamptz,
    refusals   integer  NOT NULL,
    told       timestamptz,
    room       bytea    NOT NULL DEFAULT '' -- octets that are kept free while a renewal is under way
);
ALTER TABLE tokens ALTER COLUMN room SET STORAGE EXTERNAL;

-- What was sent to destinations that have a rate (ledger.Quota), by account and minute.
-- A count stays when its account is forgotten.
CREATE TABLE sent (
    quota    text        COLLATE "C" NOT NULL, -- ledger.Quota.Key
    minute   timestamptz NOT NULL, -- its beginning
    account  bigint      NOT NULL,
    messages bigint      NOT NULL,
    octets   bigint      NOT NULL,
    PRIMARY KEY (quota, minute, account)
);

-- Processes that poll on schedule (ledger.Replica). One that is killed leaves its row.
CREATE TABLE replicas (
    id      uuid    PRIMARY KEY, -- of the process
    name    text    COLLATE "C" NOT NULL,
    version text    NOT NULL,
    started timestamptz,
    beat    timestamptz NOT NULL,
    leases  integer NOT NULL,
    sick    text    NOT NULL,
    session bigint  NOT NULL -- how many it has opened; the last one is open
);

-- Who was the last to send messages of an account, and in which of its sessions: if
-- that one is over and the process is not, it has lost the ledger.
CREATE TABLE holders (
    account bigint PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    process uuid   NOT NULL,
    session bigint NOT NULL
);

-- Polls that users want now (ledger.Request).
CREATE TABLE requests (
    account bigint      PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    at      timestamptz NOT NULL
);

-- Servers that single processes could not connect to (ledger.Sightings).
CREATE TABLE sightings (
    server  text        COLLATE "C" NOT NULL,
    process uuid        NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (server, process)
);
