package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Bouncer starts pgbouncer before a database of the server, with more lines in its
// configuration, and returns the database's URL there.
func (s *Server) Bouncer(tb testing.TB, database string, settings ...string) (through string) {
	tb.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			missing(tb, "pgbouncer is not installed")
		}
	}
	u, err := url.Parse(database)
	check(tb, err)
	dir, err := os.MkdirTemp("", "popferry-pgbouncer-")
	check(tb, err)
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	as, err := owner(dir)
	check(tb, err)
	host := loopback()
	conf := fmt.Sprintf("[databases]\n* = host=%s port=%d user=popferry\n[pgbouncer]\nlisten_addr = %s\nlisten_port = 6432\nunix_socket_dir =\nauth_type = any\n%s\n",
		s.Host, s.Port, host, strings.Join(settings, "\n"))
	check(tb, os.WriteFile(filepath.Join(dir, "ini"), []byte(conf), 0o644))

	log := new(strings.Builder)
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	argv := append(as, program, "--quiet", filepath.Join(dir, "ini"))
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	check(tb, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the log has the reason
	}()
	tb.Cleanup(func() {
		cancel()
		<-ended
		if tb.Failed() {
			tb.Logf("log of pgbouncer:\n%s", log)
		}
	})
	u.Host = host + ":6432"
	for deadline := time.Now().Add(startLimit); ; time.Sleep(10 * time.Millisecond) {
		err := exec1(ctx, u.String(), "SELECT 1")
		select {
		case <-ended:
			err = errors.Join(errors.New("pgbouncer has ended"), err)
		default:
			if err != nil && time.Now().Before(deadline) {
				continue
			}
		}
		check(tb, err)
		return u.String()
	}
}
