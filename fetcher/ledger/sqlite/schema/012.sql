-- Sign-ins by OAuth2 (ledger.Token).

CREATE TABLE tokens (
    provider   TEXT    NOT NULL,
    client     TEXT    NOT NULL,
    user       TEXT    NOT NULL,
    access     TEXT    NOT NULL,
    refresh    TEXT    NOT NULL,
    url        TEXT    NOT NULL,
    header     INTEGER NOT NULL, -- 1: ledger.Token.Header
    scopes     TEXT    NOT NULL,
    signed     INTEGER,
    obtained   INTEGER,
    ends       INTEGER,
    until      INTEGER,
    rotation   INTEGER NOT NULL,
    asked      INTEGER,
    cause_code TEXT    NOT NULL,
    cause_text TEXT    NOT NULL,
    refused    INTEGER,
    refusals   INTEGER NOT NULL,
    told       INTEGER,
    room       BLOB    NOT NULL DEFAULT x'', -- octets that are kept free while a renewal is under way
    PRIMARY KEY (provider, client, user)
) STRICT;
