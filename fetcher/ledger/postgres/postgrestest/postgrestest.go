// Package postgrestest starts PostgreSQL for tests: Debian's, in a folder of its own
// and not as root. A test binary starts one server and gives each test a database of
// its own there. It ends with the binary, however that ends.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// envRequire is cmd/internal/realserver.EnvRequire: if it is 1, a test that lacks its
// server fails instead of being skipped.
const envRequire = "POPFERRY_REQUIRE_SERVERS"

// leash runs the server until stdin ends, which it does with the test binary at the
// latest, or a line comes. Then it ends the server at once, and at the end of stdin
// it removes its folder, too.
const leash = `exec 3<&0
dir=$1; shift
"$@" 3<&- & server=$!
{ read line <&3; kill -s QUIT $server; [ "$line" ] || { wait; while kill -0 $server; do sleep 0.01; done; rm -rf "$dir"; }; } 2>/dev/null & watch=$!
wait $server
wait $watch`

// startLimit is how long a server may take to start or stop.
const startLimit = time.Minute

// killLimit is how long it may take to stop by itself: it kills its children after 5 s.
const killLimit = 15 * time.Second

// Server is a running server.
type Server struct {
	Host string // an address of loopback
	Port int

	dir   string
	argv  []string
	stdin io.WriteCloser
	ended chan struct{}
	names atomic.Int64
}

// Shared starts a server for all tests of a binary, once.
func Shared() func(testing.TB) *Server {
	var once sync.Once
	var s *Server
	var err error
	return func(tb testing.TB) *Server {
		tb.Helper()
		require(tb)
		once.Do(func() { s, err = start() })
		if err != nil {
			tb.Fatal(err)
		}
		return s
	}
}

// Start starts a server for one test, with more lines in its configuration.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	require(tb)
	s, err := start(settings...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.remove)
	return s
}

// remove ends the server, and removes its folder, which is still there after Stop.
func (s *Server) remove() {
	_ = s.stdin.Close()
	<-s.ended
	_ = os.RemoveAll(s.dir)
}

// New makes a database, and returns its URL.
func (s *Server) New(tb testing.TB) (url string) {
	tb.Helper()
	name := fmt.Sprintf("t%d_%d", os.Getpid(), s.names.Add(1))
	s.Exec(tb, "postgres", "CREATE DATABASE "+name)
	return s.URL(name)
}

// URL is that of a database.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://popferry@%s:%d/%s?sslmode=disable", s.Host, s.Port, database)
}

// Exec runs statements in a database.
func (s *Server) Exec(tb testing.TB, database, statements string) {
	tb.Helper()
	check(tb, exec1(tb.Context(), s.URL(database), statements))
}

// Query reads the only row that a query in a database has.
func (s *Server) Query(tb testing.TB, database, query string, into ...any) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), s.URL(database))
	check(tb, err)
	check(tb, errors.Join(conn.QueryRow(tb.Context(), query).Scan(into...), conn.Close(tb.Context())))
}

// Stop stops the server at once, as a crash does. Go starts it again.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	check(tb, s.end())
}

// Go starts the server again after Stop, in the same folder.
func (s *Server) Go(tb testing.TB) {
	tb.Helper()
	check(tb, s.run())
}

func exec1(ctx context.Context, url, statements string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, statements).ReadAll()
	return errors.Join(err, conn.Close(ctx))
}

// binaries is the folder of PostgreSQL's programs, which are not on the PATH; "": it
// is not installed.
func binaries() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is good
	if len(found) == 0 {
		path, _ := exec.LookPath("postgres")
		return filepath.Dir(path)
	}
	return filepath.Dir(slices.Max(found))
}

func require(tb testing.TB) {
	tb.Helper()
	if dir := binaries(); dir != "" && dir != "." {
		return
	}
	missing(tb, "PostgreSQL is not installed")
}

func missing(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv(envRequire) == "1" {
		tb.Fatalf("%s, and %s is set", why, envRequire)
	}
	tb.Skip(why)
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// loopback is a random one of the addresses of this machine (RFC 1122 3.2.1.3), so
// that each server can have its usual port.
func loopback() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
}

// start makes a folder with a new cluster and starts its server.
func start(settings ...string) (s *Server, err error) {
	s = &Server{Host: loopback(), Port: 5432}
	if s.dir, err = folder(); err != nil {
		return nil, err
	}
	as, err := owner(s.dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	initdb := append(slices.Clone(as), filepath.Join(binaries(), "initdb"), "--no-sync", "--no-instructions", "--auth=trust", "--username=popferry", "--encoding=UTF8", "--locale=C", data)
	if out, err := exec.Command(initdb[0], initdb[1:]...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if err := s.configure(data, settings); err != nil {
		return nil, err
	}
	s.argv = append(as, filepath.Join(binaries(), "postgres"), "-D", data)
	return s, s.run()
}

// configure writes the configuration of a server.
func (s *Server) configure(data string, settings []string) error {
	conf, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	// fsync stays on: popferry refuses a server without.
	_, err = fmt.Fprintf(conf, "\nlisten_addresses = '%s'\nunix_socket_directories = ''\nmax_connections = 400\nshared_buffers = 32MB\nfull_page_writes = off\nautovacuum = off\n", s.Host)
	for _, line := range settings {
		_, _ = fmt.Fprintln(conf, line)
	}
	return errors.Join(err, conf.Close())
}

// folder makes a folder, in memory if there is such a file system: there a sync
// takes no time.
func folder() (string, error) {
	parent := os.TempDir()
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		parent = "/dev/shm"
	}
	return os.MkdirTemp(parent, "popferry-postgres-")
}

// owner gives the folder to a user that PostgreSQL runs as, and returns the words that
// begin a command of that user.
func owner(dir string) ([]string, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2, os.Chown(dir, uid, gid)); err != nil {
		return nil, err
	}
	return []string{"setpriv", "--reuid=" + u.Uid, "--regid=" + u.Gid, "--clear-groups"}, nil
}

// run starts the server and waits until it answers.
func (s *Server) run() error {
	remove := s.dir
	cmd := exec.Command("/bin/sh", append([]string{"-c", leash, "postgres", remove}, s.argv...)...)
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	if s.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.ended = ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the log has the reason
	}()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		err := exec1(ctx, s.URL("postgres"), "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("PostgreSQL did not start: %w\n%s", err, s.lastOfLog())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL did not start: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// end stops the server and waits for it. One that still waits for its children long after
// it has killed them, as was seen under load, is killed itself.
func (s *Server) end() error {
	if _, err := io.WriteString(s.stdin, "stop\n"); err != nil {
		return err
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(killLimit):
	}
	if err := s.kill(); err != nil {
		return fmt.Errorf("PostgreSQL did not stop: %w\n%s", err, s.lastOfLog())
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(startLimit):
		return fmt.Errorf("PostgreSQL did not stop\n%s", s.lastOfLog())
	}
}

// kill kills the process that all others of the server belong to.
func (s *Server) kill() error {
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return process.Kill()
}

// lastOfLog is the end of the server's log.
func (s *Server) lastOfLog() []byte {
	const most = 4000
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return []byte(err.Error())
	}
	return text[max(0, len(text)-most):]
}
