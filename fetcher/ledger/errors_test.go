package ledger_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres/server"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// TestFailed: the failures of every store are known as such.
func TestFailed(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&sqlite.Error{Err: errors.New("x")}, &server.Error{Err: errors.New("x")}} {
		if !ledger.Failed(fmt.Errorf("poll: %w", err)) {
			t.Errorf("%T is no failure of the ledger, want one", err)
		}
	}
	for _, err := range []error{nil, ledger.ErrLeased, errors.New("x")} {
		if ledger.Failed(err) {
			t.Errorf("%v is a failure of the ledger, want none", err)
		}
	}
}
