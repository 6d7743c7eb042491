package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby starts a standby of the server for one test, with more lines in its
// configuration. Its name for synchronous_standby_names is standby.
func (s *Server) Standby(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	next, err := s.standby(settings)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(next.remove)
	s.Until(tb, "the standby has joined", "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = 'standby' AND state = 'streaming')")
	return next
}

func (s *Server) standby(settings []string) (*Server, error) {
	next := &Server{Host: loopback(), Port: 5432}
	var err error
	if next.dir, err = folder(); err != nil {
		return nil, err
	}
	as, err := owner(next.dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(next.dir, "data")
	copying := append(slices.Clone(as), filepath.Join(binaries(), "pg_basebackup"), "--pgdata="+data, "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync",
		fmt.Sprintf("--dbname=host=%s port=%d user=popferry application_name=standby", s.Host, s.Port))
	if out, err := exec.Command(copying[0], copying[1:]...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w\n%s", err, out)
	}
	if err := next.configure(data, settings); err != nil {
		return nil, err
	}
	next.argv = append(as, filepath.Join(binaries(), "postgres"), "-D", data)
	return next, next.run()
}

// Detach has a standby get nothing more from its primary.
func (s *Server) Detach(tb testing.TB) {
	tb.Helper()
	s.Exec(tb, "postgres", "ALTER SYSTEM SET primary_conninfo = ''")
	s.Exec(tb, "postgres", "SELECT pg_reload_conf()")
	s.Until(tb, "the standby is detached", "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
}

// Promote makes a standby the primary.
func (s *Server) Promote(tb testing.TB) {
	tb.Helper()
	s.Exec(tb, "postgres", "SELECT pg_promote()")
}

// Await has the server wait for these standbys at each commit, as
// synchronous_standby_names does; "": for none.
func (s *Server) Await(tb testing.TB, standbys string) {
	tb.Helper()
	s.Exec(tb, "postgres", fmt.Sprintf("ALTER SYSTEM SET synchronous_standby_names = '%s'", standbys))
	s.Exec(tb, "postgres", "SELECT pg_reload_conf()")
	s.Until(tb, "the setting is in force", fmt.Sprintf("SELECT current_setting('synchronous_standby_names') = '%s'", standbys))
}

// Until waits until a query is answered with true.
func (s *Server) Until(tb testing.TB, what, query string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), startLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	check(tb, err)
	defer func() { check(tb, conn.Close(context.WithoutCancel(ctx))) }()
	for {
		var yes bool
		check(tb, conn.QueryRow(ctx, query).Scan(&yes))
		if yes {
			return
		}
		select {
		case <-ctx.Done():
			tb.Fatal(errors.Join(fmt.Errorf("waited %v until %s", startLimit, what), ctx.Err()))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// URLs is that of a database that is on whichever of these servers is the primary.
func URLs(database string, servers ...*Server) string {
	hosts := ""
	for i, s := range servers {
		if i > 0 {
			hosts += ","
		}
		hosts += fmt.Sprintf("%s:%d", s.Host, s.Port)
	}
	return fmt.Sprintf("postgres://popferry@%s/%s?sslmode=disable", hosts, database)
}
