package dial

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// open dials and hangs up again.
func open(tb testing.TB, t Target) error {
	tb.Helper()
	if t.Host == "" {
		t.Host = "127.0.0.1"
	}
	d, err := New(t)
	check(tb, err)
	conn, err := d.Dial(context.Background())
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = bufio.NewReader(conn).ReadString('\n')
	return err
}

func TestDialWithoutTLS(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{None, StartTLS} {
		if err := open(t, Target{Port: serve(t, greet), TLS: TLS{Mode: mode}}); err != nil {
			t.Errorf("%v: %v", mode, err)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	check(t, err)
	serveOn(t, listener, greet)
	d, err := New(Target{Host: "unix:" + path, TLS: TLS{Mode: None}})
	check(t, err)
	if d.Addr() != "unix:"+path {
		t.Errorf("address %q", d.Addr())
	}
	conn, err := d.Dial(context.Background())
	check(t, err)
	conn.Close()
}

func TestUnknownHost(t *testing.T) {
	t.Parallel()
	d, err := New(Target{Host: "pop.nowhere.test", Port: 995})
	check(t, err)
	d.names.system = knowsNobody()
	_, err = d.Dial(context.Background())
	e := failure(t, err, StageName)
	var dns *net.DNSError
	if !errors.As(e, &dns) || !dns.IsNotFound {
		t.Errorf("%v is not a name that was not found", err)
	}
	if e.Addr != "pop.nowhere.test:995" {
		t.Errorf("address %q", e.Addr)
	}
}

func TestRefusedPort(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	err = open(t, Target{Port: port})
	if failure(t, err, StageConnect); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v is not ECONNREFUSED", err)
	}
}

func TestNotTLS(t *testing.T) {
	t.Parallel()
	err := open(t, Target{Port: serve(t, greet)})
	if failure(t, err, StageTLS); !errors.Is(err, ErrNotTLS) || !strings.Contains(err.Error(), "+OK") {
		t.Errorf("%v does not tell that the server speaks plain text", err)
	}
}

func TestServerClosesDuringHandshake(t *testing.T) {
	t.Parallel()
	failure(t, open(t, Target{Port: serve(t, func(net.Conn) {})}), StageTLS)
}

func TestDialTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork().Over(func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go mute(far)
			return near, nil
		})
		d, err := n.New(Target{Host: "192.0.2.1", Port: 995, Timeout: 50 * time.Millisecond})
		check(t, err)
		start := time.Now()
		_, err = d.Dial(t.Context())
		if failure(t, err, StageTLS); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v is not a timeout", err)
		}
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestDialCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	port := serve(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1)) // the handshake has begun
		cancel()
		mute(conn)
	})
	d, err := New(Target{Host: "127.0.0.1", Port: port})
	check(t, err)
	_, err = d.Dial(ctx)
	if failure(t, err, StageTLS); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not a cancellation", err)
	}
	_, err = d.Dial(ctx)
	if failure(t, err, StageConnect); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not a cancellation", err)
	}
}

func TestLeastVersion(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	old := greetTLS(&tls.Config{Certificates: []tls.Certificate{a.server(nil)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	port := serve(t, old)
	failure(t, open(t, Target{Port: port, TLS: TLS{CAFile: a.file()}}), StageTLS)
	if err := open(t, Target{Port: port, TLS: TLS{CAFile: a.file(), Min: "1.0"}}); err != nil {
		t.Error(err)
	}
}
