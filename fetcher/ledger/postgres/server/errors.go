package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/popferry/popferry/fetcher/ledger"
)

var (
	// ErrNoAnswer: the database did not answer in time.
	ErrNoAnswer = errors.New("no answer in time")
	// ErrGone: the connection was lost.
	ErrGone = errors.New("the connection is closed")
	// ErrOther: the database has another ledger than the one before.
	ErrOther = errors.New("the database has another ledger than before")
)

// Kind says what is wrong with the database, where the operator can mend it.
type Kind uint8

const (
	// Other: any other failure.
	Other Kind = iota
	// Away: it cannot be reached, or the connection to it was lost.
	Away
	// Lost: the lease was lost with the connection: another process may have it.
	Lost
	// Denied: it does not accept the user, the password or the certificate.
	Denied
	// Forbidden: the user may not do there what popferry needs.
	Forbidden
	// NoDatabase: the server has no such database.
	NoDatabase
	// Full: its disk is full.
	Full
	// ReadOnly: it takes no writes, as a standby does.
	ReadOnly
	// Crowded: it has no room for one more connection or lock.
	Crowded
	// Slow: it did not answer in time.
	Slow
	// Unsafe: it does not keep what it has confirmed (fsync is off).
	Unsafe
	// Old: it is older than PostgreSQL 14.
	Old
	// Pooled: a pooler between popferry and it gives each transaction another session.
	Pooled
	// Replaced: another ledger is there than before.
	Replaced
	// Corrupt: it says that its data are damaged.
	Corrupt
)

// kinds are what is wrong, in a few words, and what the operator can do about it.
var kinds = map[Kind]struct{ what, hint string }{
	Away:       {"the database cannot be reached", "nothing is sent or deleted until it can be; popferry then goes on by itself"},
	Lost:       {"the connection to the database was lost, and the right to poll the account with it", "popferry goes on with the next poll"},
	Denied:     {"the database does not accept the login", "check user and password (state_password_file, state_password_env, state_password_command or PGPASSFILE) and pg_hba.conf"},
	Forbidden:  {"the database user may not do what popferry needs", "make it the owner of the database: ALTER DATABASE name OWNER TO user"},
	NoDatabase: {"the server has no such database", "create it: CREATE DATABASE name OWNER user"},
	Full:       {"the disk of the database is full", "free some space there; popferry then continues where it stopped"},
	ReadOnly:   {"the database takes no writes", "name the primary in `state`; a standby becomes one by pg_promote()"},
	Crowded:    {"the database has no room for one more connection or lock", "raise max_connections or max_locks_per_transaction; each popferry has up to six connections, and a lock for each account that it polls"},
	Slow:       {"the database does not answer in time", "look at its load and its disks; popferry goes on by itself"},
	Unsafe:     {"the database has fsync = off, so that a power failure can take what it has confirmed", "set fsync = on"},
	Old:        {"the database is too old", "popferry needs PostgreSQL 14 or newer"},
	Pooled:     {"a pooler gives each transaction another session of the database", "connect to the database itself, or set pool_mode = session in pgbouncer for this database"},
	Replaced:   {"it is another ledger than the one that popferry began with", "restart popferry, if that is meant; until then nothing is sent"},
	Corrupt:    {"the database is damaged", "stop popferry and restore a backup; with an empty ledger, popferry forwards all mail that is still on the servers again"},
}

// String says in a few words what is wrong.
func (k Kind) String() string {
	if about, ok := kinds[k]; ok {
		return about.what
	}
	return "unexpected"
}

// Hint says what the operator can do about it; "" for Other.
func (k Kind) Hint() string { return kinds[k].hint }

// Error is a failure of the database.
type Error struct {
	Doing string // "write the ledger"
	Where string // the server and the database
	Kind  Kind
	Err   error
}

// Error says what was tried where, what happened and what to do. The password is
// not in it.
func (e *Error) Error() string {
	msg := fmt.Sprintf("%s at %s: ", e.Doing, e.Where)
	if e.Kind == Other {
		return msg + e.Err.Error()
	}
	return fmt.Sprintf("%s%s (%v): %s", msg, e.Kind, e.Err, e.Kind.Hint())
}

// OfLedger marks it for ledger.Failed.
func (*Error) OfLedger() {}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether the failure is one that can pass (ledger.ErrUnavailable), or
// the loss of a lease (ledger.ErrLost).
func (e *Error) Is(target error) bool {
	switch e.Kind {
	case Away, Full, ReadOnly, Crowded, Slow, Replaced, Denied:
		return target == ledger.ErrUnavailable
	case Lost:
		return target == ledger.ErrLost
	default:
		return false
	}
}

// Explain wraps a failure of the database in an *Error. It returns any other error,
// such as ledger.ErrNotFound or the end of a caller's context, unchanged.
func (d *Database) Explain(doing string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	kind := KindOf(err)
	if kind == Other && !isDatabase(err) {
		return err
	}
	return &Error{Doing: doing, Where: d.Where, Kind: kind, Err: brief(err)}
}

// OfKind is a failure of which the kind is known.
func (d *Database) OfKind(doing string, kind Kind, err error) error {
	return &Error{Doing: doing, Where: d.Where, Kind: kind, Err: err}
}

func isDatabase(err error) bool {
	var answer *pgconn.PgError
	var connect *pgconn.ConnectError
	return errors.As(err, &answer) || errors.As(err, &connect) || errors.Is(err, pgx.ErrTxCommitRollback)
}

// KindOf says what a failure means.
func KindOf(err error) Kind {
	var answer *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &answer):
		return kindOfCode(answer.Code)
	case errors.Is(err, ErrNoAnswer):
		return Slow
	case errors.Is(err, ErrOther):
		return Replaced
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &connect):
		return Other // the caller's
	case errors.As(err, &connect), errors.As(err, &network), errors.Is(err, ErrGone), errors.Is(err, pgconn.ErrConnClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Away
	default:
		return Other
	}
}

// kindOfCode reads a SQLSTATE (PostgreSQL's documentation, appendix A).
func kindOfCode(code string) Kind {
	switch code {
	case "28000", "28P01":
		return Denied
	case "42501":
		return Forbidden
	case "3D000":
		return NoDatabase
	case "53100":
		return Full
	case "53000", "53200", "53300", "53400":
		return Crowded
	case "25006":
		return ReadOnly
	case "57014":
		return Slow
	case "57P01", "57P02", "57P03", "57P04", "57P05", "25P03":
		return Away
	case "XX001", "XX002":
		return Corrupt
	}
	if strings.HasPrefix(code, "08") {
		return Away
	}
	return Other
}

// brief is an error of pgx without the settings of the connection, which name the
// user, and without a second line.
func brief(err error) error {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		text := strings.Join(strings.Fields(connect.Error()), " ")
		if _, after, ok := strings.Cut(text, "`: "); ok {
			text = after
		}
		return &briefError{text, err}
	}
	return err
}

// briefError has another text than the error that it stands for.
type briefError struct {
	text string
	err  error
}

func (e *briefError) Error() string { return e.text }

func (e *briefError) Unwrap() error { return e.err }
