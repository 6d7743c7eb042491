package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres/server"
)

// TestKindOf: what can pass is told from what cannot, however the driver says it.
func TestKindOf(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err    error
		kind   server.Kind
		passes bool
	}{
		"closed by the server in an answer":  {fmt.Errorf("failed to receive message: %w", io.ErrUnexpectedEOF), server.Away, true},
		"closed by the server between two":   {io.EOF, server.Away, true},
		"closed before the next question":    {fmt.Errorf("migrate the ledger: %w", pgconn.ErrConnClosed), server.Away, true},
		"reset":                              {&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, server.Away, true},
		"shut down (57P01)":                  {&pgconn.PgError{Code: "57P01"}, server.Away, true},
		"a standby (25006)":                  {&pgconn.PgError{Code: "25006"}, server.ReadOnly, true},
		"a password that is changed (28P01)": {&pgconn.PgError{Code: "28P01"}, server.Denied, true},
		"the caller has given up":            {context.Canceled, server.Other, false},
		"a bug, such as a syntax error":      {&pgconn.PgError{Code: "42601"}, server.Other, false},
	} {
		if kind := server.KindOf(test.err); kind != test.kind {
			t.Errorf("%s: %v, want %v", name, kind, test.kind)
		}
		db := &server.Database{Where: "db.example.org/popferry"}
		if passes := errors.Is(db.Explain("read the ledger", test.err), ledger.ErrUnavailable); passes != test.passes {
			t.Errorf("%s: it can pass: %v, want %v", name, passes, test.passes)
		}
	}
}
