package sqlite

import (
	"errors"
	"testing"
)

// TestMigrate: an older ledger is brought up step by step, and a step that
// fails leaves it as it was.
func TestMigrate(t *testing.T) {
	t.Parallel()
	s := create(t, newPath(t))
	s.writer.close() // the session is the test's now
	c := s.writer.session
	steps, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	later := append(steps[:len(steps):len(steps)], "CREATE TABLE second (id INTEGER)", "CREATE TABLE third (id INTEGER); CREATE TABLE second (id INTEGER)")

	if err := migrate(c, s.path, later, false); err == nil {
		t.Error("a step that fails: no error")
	}
	expect(t, c, len(steps), 0)
	if err := migrate(c, s.path, later[:len(steps)+1], false); err != nil {
		t.Error(err)
	}
	expect(t, c, len(steps)+1, 1)
	if err := migrate(c, s.path, later[:len(steps)+1], false); err != nil {
		t.Error(err)
	}
}

// expect fails unless the schema has a version, and so many new tables.
func expect(t *testing.T, c *session, version, tables int) {
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
		if err := s.writer.session.scan("PRAGMA "+pragma, nil, &got); err != nil || got != want {
			t.Errorf("%s is %s, %v, want %s", pragma, got, err, want)
		}
	}
	if _, err := s.read.Exec("DELETE FROM accounts"); err == nil {
		t.Error("a connection for reading can write")
	}
}
