package postgres_test

import (
	"context"
	"os"
	"path"
	"strings"
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

// TestLaterSchema: a later popferry has brought the tables up to date, by steps that only
// add. This one goes on writing to them.
func TestLaterSchema(t *testing.T) {
	t.Parallel()
	s := shared(t)
	k := kind()
	k.New = func(t testing.TB) string {
		address := s.New(t)
		store, err := postgres.Open(t.Context(), address, postgres.Options{Create: true})
		if err == nil {
			err = store.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		database, _, _ := strings.Cut(path.Base(address), "?")
		s.Exec(t, database, `DO $$ DECLARE name text; BEGIN
			FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'popferry' LOOP
				EXECUTE format('ALTER TABLE popferry.%I ADD COLUMN later text NOT NULL DEFAULT %L', name, 'later');
			END LOOP;
			UPDATE popferry.ledger SET version = version + 1;
		END $$`)
		return address
	}
	k.Run(t)
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
