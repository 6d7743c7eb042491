package postgres_test

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/ledgertest"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
	"github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest"
	"github.com/popferry/popferry/fetcher/ledger/seal"
)

// shared is that of all tests here.
var shared = postgrestest.Shared()

func TestMain(m *testing.M) {
	if ledgertest.IsChild() {
		os.Exit(kind().Child())
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest.(*Server).run.func1"))
}

func TestConformance(t *testing.T) {
	t.Parallel()
	shared(t)
	kind().Run(t)
}

func kind() ledgertest.Kind {
	return ledgertest.Kind{
		New: func(t testing.TB) string { return shared(t).New(t) },
		Open: func(ctx context.Context, address string, now func() time.Time) (ledger.Store, error) {
			sealer, err := seal.New(key("a"))
			if err != nil {
				return nil, err
			}
			s, err := postgres.Open(ctx, address, postgres.Options{Create: true, Now: now, Seal: sealer})
			if err != nil {
				return nil, err
			}
			return s, nil
		},
	}
}
