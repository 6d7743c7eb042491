package sqlite

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// TestMigrate: an older ledger gets all steps that it lacks, and a step that fails
// leaves it as it was.
func TestMigrate(t *testing.T) {
	t.Parallel()
	s := create(t, newPath(t))
	s.writer.close() // the connection is the test's now
	c := s.writer.conn
	steps, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	later := append(steps[:len(steps):len(steps)], "CREATE TABLE second (id INTEGER)", "CREATE TABLE third (id INTEGER); CREATE TABLE second (id INTEGER)")

	if err := migrate(c, s.path, later, false); err == nil {
		t.Error("a step that fails: no error, want one")
	}
	wantSchema(t, c, len(steps), 0)
	if err := migrate(c, s.path, later[:len(steps)+1], false); err != nil {
		t.Error(err)
	}
	wantSchema(t, c, len(steps)+1, 1)
	if err := migrate(c, s.path, later[:len(steps)+1], false); err != nil {
		t.Error(err)
	}
}

// TestMigrateFrom1: a ledger of the first version keeps its rows, where a body broke
// off is no longer the size of the message, and deleted ones count as missing since
// then.
func TestMigrateFrom1(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	statement(t, path, firstSchema(t)+`;
		INSERT INTO accounts (name, username, host, server, renumbered) VALUES ('isp', 'leo', 'pop.example.net',
			'{"no_capa":true,"login_gap":60000000000,"expires":true,"expire_days":30,"hides":true,"has_uidl":true,"no_top_since":"2026-01-02T03:04:05Z","utf8":true,
			"bad_logins":2,"last_login":"2026-01-02T03:04:05Z","odd_sizes":true,"lockstep":"2026-01-02T03:04:05Z","breaks":1}', 1);
		INSERT INTO accounts (name, username, host, adopt) VALUES ('work', 'leo', 'mail.example.com', 1);
		INSERT INTO messages (account, uid, generation, state, size, print, attempts, message_size, cause_code, cause_text, trace, spool,
			message_id, header_from, header_subject, header_date, last_seen) VALUES
			(1, x'61', 0, 'deferred', 500, '', 2, 123, 'incomplete', 'it broke off', '', '', '', '', '', '', NULL),
			(1, x'62', 0, 'forwarded', 500, 'print', 1, 510, '', '', 'trace', 'copy', '<b@example.org>', '', '', '', 1767323045000);
		INSERT INTO messages (account, uid, generation, state, size, print, attempts, deleted_at, deletions, message_size, cause_code, cause_text, trace, spool,
			message_id, header_from, header_subject, header_date) VALUES (1, x'63', 0, 'forwarded', 500, 'print', 1, 1767323045000, 1, 510, '', '', 'trace', '', '', '', '', '')`)
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })

	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	accounts, err := s.Accounts(t.Context())
	if len(accounts) == 0 {
		t.Fatal(err)
	}
	seen := accounts[0].Server.Expires.Last
	now := ledger.Fact[bool]{Value: true, First: seen, Last: seen, Count: 2}
	if time.Since(seen) > time.Hour {
		t.Errorf("facts are from %v, want now", seen)
	}
	wantAccounts := []ledger.Account{
		{ID: 1, Identity: ledger.Identity{Name: "isp", Username: "leo", Host: "pop.example.net"}, UIDs: ledger.UIDsRenumbered,
			Server: ledger.ServerFacts{Capabilities: ledger.Capabilities{Expires: now}, Habits: ledger.Habits{RetrHides: now, HasUIDL: now}, BadLogins: 2, LastLogin: at}},
		{ID: 2, Identity: ledger.Identity{Name: "work", Username: "leo", Host: "mail.example.com"}, UIDs: ledger.UIDsAdopting},
	}
	if err != nil || !reflect.DeepEqual(accounts, wantAccounts) {
		t.Errorf("accounts\n got %+v, %v\nwant %+v", accounts, err, wantAccounts)
	}
	var got []ledger.Record
	err = s.Messages(t.Context(), ledger.Filter{}, func(_ string, r *ledger.Record) error { got = append(got, *r); return nil })
	want := []ledger.Record{
		{Known: ledger.Known{ID: 1, UID: "a", State: ledger.Deferred, Size: 500, Attempts: 2, Cause: ledger.Cause{Code: "incomplete", Text: "it broke off"}}, Account: 1, BrokenAt: 123},
		{Known: ledger.Known{ID: 2, UID: "b", State: ledger.Forwarded, Size: 500, Fingerprint: "print", Attempts: 1, CopyFile: "copy", MissingSince: at}, Account: 1, MessageSize: 510, Trace: "trace",
			Excerpt: ledger.Excerpt{MessageID: "<b@example.org>"}},
		{Known: ledger.Known{ID: 3, UID: "c", State: ledger.Forwarded, Size: 500, Fingerprint: "print", Attempts: 1, DeletedAt: at, Deletions: 1, MissingSince: at}, Account: 1, MessageSize: 510, Trace: "trace"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("messages\n got %+v, %v\nwant %+v", got, err, want)
	}
}

// firstSchema is the script that makes a ledger of the first version.
func firstSchema(t *testing.T) string {
	t.Helper()
	steps, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	return steps[0] + fmt.Sprintf("; PRAGMA application_id = %d; PRAGMA user_version = 1", applicationID)
}

// wantSchema fails unless the schema has this version and number of new tables.
func wantSchema(t *testing.T, c *writeConn, version, tables int) {
	t.Helper()
	var v, n int
	if err := errors.Join(c.scan("PRAGMA user_version", nil, &v),
		c.scan("SELECT count(*) FROM sqlite_schema WHERE name IN ('second', 'third')", nil, &n)); err != nil {
		t.Fatal(err)
	}
	if v != version || n != tables {
		t.Errorf("version %d with %d new tables, want %d with %d", v, n, version, tables)
	}
}

// TestPragmas: the guarantees rest on these.
func TestPragmas(t *testing.T) {
	t.Parallel()
	s := create(t, newPath(t))
	s.writer.close()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "60000"} {
		var got string
		if err := s.writer.conn.scan("PRAGMA "+pragma, nil, &got); err != nil || got != want {
			t.Errorf("%s is %s, %v, want %s", pragma, got, err, want)
		}
	}
	if _, err := s.read.Exec("DELETE FROM accounts"); err == nil {
		t.Error("a connection for reading can write, want an error")
	}
}

// TestLookDoesNotMigrate: a command that only looks leaves older tables to the popferry
// that uses them.
func TestLookDoesNotMigrate(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	statement(t, path, firstSchema(t))
	_, err := Open(t.Context(), path, Options{Look: true})
	var older *ledger.OlderError
	if !errors.As(err, &older) || older.Version != 1 {
		t.Errorf("error %v, want a *ledger.OlderError of version 1", err)
	}
	for _, o := range []Options{{}, {Look: true}} {
		s, err := Open(t.Context(), path, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
