-- What was sent to destinations that have a rate (ledger.Quota), by account and minute.
-- A count stays when its account is forgotten.

CREATE TABLE sent (
    quota    TEXT    NOT NULL, -- ledger.Quota.Key
    minute   INTEGER NOT NULL, -- its beginning
    account  INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    octets   INTEGER NOT NULL,
    PRIMARY KEY (quota, minute, account)
) STRICT, WITHOUT ROWID;
