package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
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
