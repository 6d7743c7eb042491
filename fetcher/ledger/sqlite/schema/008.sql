ALTER TABLE messages ADD COLUMN trace_lines TEXT NOT NULL DEFAULT ''; -- ledger.Record.TraceLines

CREATE INDEX messages_copies ON messages (id) WHERE spool <> ''; -- few or none, and asked for by status
