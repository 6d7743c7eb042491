ALTER TABLE messages ADD COLUMN trace_lines TEXT NOT NULL DEFAULT ''; -- ledger.Record.TraceLines
