package dial

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/cmd/internal/certtest"
)

// oneSegment is the longest ClientHello that the servers of these tests take.
const oneSegment = 1400

// helloLimit is a server that can't take a ClientHello longer than oneSegment: it
// does bad then. It counts the long ones and the others.
type helloLimit struct {
	bad         func(net.Conn)
	good        func(net.Conn)
	long, short atomic.Int32
}

func (l *helloLimit) serve(conn net.Conn) {
	head := make([]byte, 5) // of a record, RFC 8446 section 5.1
	if _, err := io.ReadFull(conn, head); err != nil {
		return
	}
	if binary.BigEndian.Uint16(head[3:]) > oneSegment {
		l.long.Add(1)
		l.bad(conn)
		return
	}
	l.short.Add(1)
	l.good(unread{conn, io.MultiReader(bytes.NewReader(head), conn)})
}

// unread is a connection whose first octets were read already.
type unread struct {
	net.Conn
	from io.Reader
}

func (c unread) Read(p []byte) (int, error) { return c.from.Read(p) }

// The ways in which servers fail at a ClientHello that is too long.
var (
	hangUp = func(net.Conn) {}
	reset  = func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }
	refuse = func(conn net.Conn) {
		_, _ = conn.Write([]byte{21, 3, 1, 0, 2, 2, 50}) // fatal, decode_error (RFC 8446 section 6)
		mute(conn)
	}
)

func TestLongClientHelloIsTriedOnceMoreShort(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]func(net.Conn){"hangs up": hangUp, "resets": reset, "alert": refuse, "silent": mute} {
		for _, mode := range []Mode{Implicit, StartTLS} {
			t.Run(name+", "+mode.String(), func(t *testing.T) {
				t.Parallel()
				a := newAuthority(t)
				server := &helloLimit{bad: bad, good: greetTLS(&tls.Config{Certificates: []tls.Certificate{a.server(nil)}})}
				d, err := New(Target{Host: "127.0.0.1", Port: serve(t, server.serve), Timeout: 2 * time.Second, TLS: TLS{Mode: mode, CAFile: a.file()}})
				check(t, err)
				for range 3 {
					conn, err := session(t, d)
					check(t, err)
					if _, ok := conn.(*tls.Conn); !ok {
						t.Errorf("got a %T, want a *tls.Conn", conn)
					}
					conn.Close()
				}
				if long, short := server.long.Load(), server.short.Load(); long != 1 || short != 3 {
					t.Errorf("got %d long and %d short ClientHellos, want 1 and 3", long, short)
				}
			})
		}
	}
}

// session connects as the protocol clients do, but without a protocol.
func session(t *testing.T, d *Dialer) (net.Conn, error) {
	t.Helper()
	conn, err := d.Dial(t.Context())
	if err != nil || d.Upgrade() == nil {
		return conn, err
	}
	limited, cancel := context.WithTimeout(t.Context(), d.timeout)
	defer cancel()
	var again *Error
	secure, err := d.Upgrade()(limited, conn)
	if err != nil {
		conn.Close()
	}
	if errors.As(err, &again) && again.NewConnection() {
		conn, err = d.Dial(t.Context())
		check(t, err)
		secure, err = d.Upgrade()(t.Context(), conn)
	}
	return secure, err
}

// TestShortClientHelloChecksTheSame: the second try accepts no certificate and no
// version that the first would not.
func TestShortClientHelloChecksTheSame(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	good := a.server(nil)
	for name, tt := range map[string]struct {
		server   *tls.Config
		settings TLS
		want     Stage
	}{
		"unknown authority": {&tls.Config{Certificates: []tls.Certificate{good}}, TLS{}, StageCertificate},
		"another pin":       {&tls.Config{Certificates: []tls.Certificate{good}}, TLS{Pin: pinOf(a.server(nil))}, StageCertificate},
		"TLS 1.1":           {&tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, TLS{CAFile: a.file()}, StageTLS},
		"old cipher suites": {&tls.Config{Certificates: []tls.Certificate{certtest.New(t).RSA("127.0.0.1")}, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}, TLS{CAFile: a.file()}, StageTLS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &helloLimit{bad: hangUp, good: greetTLS(tt.server)}
			err := open(t, Target{Port: serve(t, server.serve), TLS: tt.settings})
			failure(t, err, tt.want)
			if server.short.Load() != 1 {
				t.Errorf("got %d short ClientHellos, want 1", server.short.Load())
			}
		})
	}
}

// TestCertificateIsNotTriedAgain: neither a certificate that is not accepted nor
// plain text is a reason for a second connection.
func TestCertificateIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, handle := range map[string]func(net.Conn){
		"certificate": greetTLS(&tls.Config{Certificates: []tls.Certificate{a.server(nil)}}),
		"plain text":  greet,
	} {
		var connections atomic.Int32
		port := serve(t, func(conn net.Conn) { connections.Add(1); handle(conn) })
		if err := open(t, Target{Port: port}); err == nil {
			t.Errorf("%s: got no error", name)
		}
		if got := connections.Load(); got != 1 {
			t.Errorf("%s: got %d connections, want 1", name, got)
		}
	}
}

// TestShortClientHelloThatDoesNotHelpIsForgotten: the error says that it was
// tried, and the next connection begins with a long one.
func TestShortClientHelloThatDoesNotHelpIsForgotten(t *testing.T) {
	t.Parallel()
	server := &helloLimit{bad: hangUp, good: hangUp}
	d, err := New(Target{Host: "127.0.0.1", Port: serve(t, server.serve)})
	check(t, err)
	for range 2 {
		_, err = d.Dial(t.Context())
		if failure(t, err, StageTLS); !strings.Contains(err.Error(), "also without a post-quantum key share") {
			t.Errorf("got %v, want both tries in it", err)
		}
	}
	if long, short := server.long.Load(), server.short.Load(); long != 2 || short != 2 {
		t.Errorf("got %d long and %d short ClientHellos, want 2 each", long, short)
	}
}

// TestShortClientHelloForAnHour: a cut for another reason has no effect for long.
func TestShortClientHelloForAnHour(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	server := &helloLimit{bad: hangUp, good: greetTLS(&tls.Config{Certificates: []tls.Certificate{a.server(nil)}})}
	n := NewNetwork()
	target := Target{Host: "127.0.0.1", Port: serve(t, server.serve), TLS: TLS{CAFile: a.file()}}
	d, err := n.New(target)
	check(t, err)
	now := time.Now()
	d.tls.now = func() time.Time { return now }
	for _, tt := range []struct {
		passed time.Duration
		long   int32
	}{{0, 1}, {time.Hour - time.Second, 1}, {2 * time.Second, 2}, {-24 * time.Hour, 3}} {
		now = now.Add(tt.passed)
		d, err = n.New(target) // of another account
		check(t, err)
		conn, err := d.Dial(t.Context())
		check(t, err)
		conn.Close()
		if got := server.long.Load(); got != tt.long {
			t.Errorf("after %v more: got %d long ClientHellos, want %d", tt.passed, got, tt.long)
		}
	}
}

// TestSilentServerLeavesTimeForTheShortClientHello: of a long timeout it takes
// ten seconds.
func TestSilentServerLeavesTimeForTheShortClientHello(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ timeout, first time.Duration }{{5 * time.Minute, 10 * time.Second}, {3 * time.Second, 1500 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var at []time.Duration
			n := NewNetwork().Over(func(context.Context, string, string) (net.Conn, error) {
				at = append(at, time.Since(start))
				near, far := net.Pipe()
				go mute(far)
				return near, nil
			})
			d, err := n.New(Target{Host: "192.0.2.1", Port: 995, Timeout: tt.timeout})
			check(t, err)
			_, err = d.Dial(t.Context())
			failure(t, err, StageTLS)
			if len(at) != 2 || at[1] != tt.first || time.Since(start) != tt.timeout {
				t.Errorf("connections at %v, over after %v; want the second at %v, over after %v", at, time.Since(start), tt.first, tt.timeout)
			}
		})
	}
}
