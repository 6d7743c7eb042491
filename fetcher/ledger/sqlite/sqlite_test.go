package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/ledgertest"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

func TestMain(m *testing.M) {
	if ledgertest.IsChild() {
		os.Exit(kind().Child())
	}
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	kind().Run(t)
}

// TestLaterSchema: a later popferry has brought the tables up to date, by steps that only
// add. This one goes on writing to them.
func TestLaterSchema(t *testing.T) {
	t.Parallel()
	k := kind()
	k.New = func(t testing.TB) string {
		path := filepath.Join(t.TempDir(), "popferry.db")
		addStep(t, path, "")
		return path
	}
	k.Run(t)
}

// addStep makes a ledger, and takes a step of the schema that this version does not know:
// each table has one more column. more is done with it.
func addStep(t testing.TB, path, more string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{Create: true})
	must(t, err)
	must(t, s.Close())
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	var version int
	must(t, db.QueryRow("PRAGMA user_version").Scan(&version))
	for _, name := range tables(t, db) {
		_, err := db.Exec("ALTER TABLE " + name + " ADD COLUMN later TEXT NOT NULL DEFAULT 'later'")
		must(t, err)
	}
	_, err = db.Exec(fmt.Sprintf("PRAGMA user_version = %d; %s", version+1, more))
	must(t, err)
}

// TestLaterSchemaThatMayNotBeWritten: the ledger says which version it takes.
func TestLaterSchemaThatMayNotBeWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "popferry.db")
	addStep(t, path, "UPDATE ledger SET oldest = 1000")
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); !errors.Is(err, ledger.ErrNewer) || !strings.Contains(err.Error(), "version 1000") {
		t.Errorf("error %v, want %v that names the version", err, ledger.ErrNewer)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func kind() ledgertest.Kind {
	return ledgertest.Kind{
		New: func(t testing.TB) string { return filepath.Join(t.TempDir(), "popferry.db") },
		Open: func(ctx context.Context, path string, now func() time.Time) (ledger.Store, error) {
			s, err := sqlite.Open(ctx, path, sqlite.Options{Create: true, Now: now})
			if err != nil {
				return nil, err
			}
			return s, nil
		},
	}
}

// tables are the names of a ledger's tables.
func tables(t testing.TB, db *sql.DB) (names []string) {
	t.Helper()
	rows, err := db.Query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		names = append(names, name)
	}
	must(t, rows.Err())
	return names
}
