package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Timeline is the history that a server writes (PostgreSQL's documentation, "Timelines").
// A standby that is promoted begins another one, and so does a backup that is restored:
// what was committed at the end of the one before may be missing. The zero value is not
// known.
type Timeline struct {
	System string // the system identifier
	Number int64
}

// String is the timeline as it is stored; "" if it is not known.
func (t Timeline) String() string {
	if t == (Timeline{}) {
		return ""
	}
	return t.System + "/" + strconv.FormatInt(t.Number, 10)
}

// TimelineOf asks a primary for its timeline. Servers of other kinds may not know theirs,
// or not tell it: that is the zero value.
func TimelineOf(ctx context.Context, conn *pgx.Conn) (t Timeline, err error) {
	// The number is in the name of the file that is written now. What the control file
	// has may be that of the last checkpoint.
	const ask = "SELECT system_identifier::text, pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) FROM pg_catalog.pg_control_system()"
	var file string
	if err := conn.QueryRow(ctx, ask).Scan(&t.System, &file); err != nil {
		var answer *pgconn.PgError
		if errors.As(err, &answer) && !conn.IsClosed() {
			return Timeline{}, nil
		}
		return Timeline{}, err
	}
	if len(file) < 8 {
		return Timeline{}, nil
	}
	if t.Number, err = strconv.ParseInt(file[:8], 16, 64); err != nil {
		return Timeline{}, fmt.Errorf("the name of a WAL file is %q: %w", file, err)
	}
	return t, nil
}

// Asynchronous reports whether the server has standbys and does not wait for any of them
// at a commit: after a failover to one, what was committed last may be missing. Programs
// that only store what the server writes, such as pg_receivewal, are no standbys.
func Asynchronous(ctx context.Context, conn *pgx.Conn) (yes bool, err error) {
	const ask = `SELECT current_setting('synchronous_standby_names') = '' AND EXISTS (SELECT FROM pg_catalog.pg_stat_replication
		WHERE coalesce(application_name, '') NOT IN ('pg_basebackup', 'pg_receivewal', 'barman_receive_wal'))`
	err = conn.QueryRow(ctx, ask).Scan(&yes)
	var answer *pgconn.PgError
	if errors.As(err, &answer) && !conn.IsClosed() {
		return false, nil // a server of another kind
	}
	return yes, err
}
