package app

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// TestFactsAreKept: what was learnt of a destination is in the ledger for the next
// process, and is written only when it changes.
func TestFactsAreKept(t *testing.T) {
	t.Parallel()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "popferry.db"), sqlite.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	port, logins := withoutPlain(t)
	d := config.Destination{Name: "main", Protocol: config.ProtocolSMTP, Server: config.Server{
		Host: "127.0.0.1", Port: port, TLS: config.TLS{Mode: config.TLSNone}, Timeout: time.Minute,
		Username: "leo", Auth: "auto", Secret: config.NewSecret("s3cret"),
	}}
	for i, want := range []string{"PLAIN LOGIN", "LOGIN"} {
		known, err := store.Route(t.Context(), routeOf(d))
		if err != nil {
			t.Fatal(err)
		}
		r := NewResources() // of the next process
		pool, err := r.pool(d, nil, known.Facts, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := pool.Check(t.Context()); err != nil {
			t.Error(err)
		}
		r.Pools.release(pool)
		if err := pool.keepFacts(t.Context(), store); err != nil {
			t.Error(err)
		}
		if got := <-logins; got != want {
			t.Errorf("process %d logs in by %s, want %s", i+1, got, want)
		}
		now, err := store.Route(t.Context(), routeOf(d))
		if err != nil || now.Facts == "" || i > 0 && now.Facts != known.Facts {
			t.Errorf("process %d leaves the facts %q (%v), found %q", i+1, now.Facts, err, known.Facts)
		}
	}
}

// withoutPlain is a server that offers AUTH PLAIN and LOGIN, and has LOGIN only.
// logins has the methods that each session tried.
func withoutPlain(t *testing.T) (port int, logins <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	tried := make(chan string, 10)
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			tried <- serveWithoutPlain(conn)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, tried
}

func serveWithoutPlain(conn net.Conn) string {
	defer conn.Close()
	var methods []string
	fmt.Fprint(conn, "220 mx\r\n")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		switch words := strings.Fields(lines.Text() + " ."); words[0] {
		case "EHLO":
			fmt.Fprint(conn, "250-mx\r\n250 AUTH PLAIN LOGIN\r\n")
		case "AUTH":
			methods = append(methods, words[1])
			if words[1] != "LOGIN" {
				fmt.Fprint(conn, "504 5.7.4 Unrecognized authentication type\r\n")
				continue
			}
			fmt.Fprint(conn, "334 \r\n")
			lines.Scan()
			fmt.Fprint(conn, "334 \r\n")
			lines.Scan()
			fmt.Fprint(conn, "235 ok\r\n")
		case "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return strings.Join(methods, " ")
		default:
			fmt.Fprint(conn, "500 what?\r\n")
		}
	}
	return strings.Join(methods, " ")
}
