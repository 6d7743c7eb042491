package dial

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("POPFERRY_TEST_RELAY") != "" {
		os.Exit(relayMain(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// serve accepts connections until the end of the test and gives each to
// handle; it returns the port.
func serve(tb testing.TB, handle func(net.Conn)) int {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(tb, err)
	serveOn(tb, listener, handle)
	return listener.Addr().(*net.TCPAddr).Port
}

func serveOn(tb testing.TB, listener net.Listener, handle func(net.Conn)) {
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	tb.Cleanup(func() {
		listener.Close()
		all.Wait()
	})
}

// greetTLS does the handshake and says one line.
func greetTLS(config *tls.Config) func(net.Conn) {
	return func(raw net.Conn) {
		_, _ = io.WriteString(tls.Server(raw, config), "+OK\r\n")
	}
}

// greet says its line at once, as plaintext servers do.
func greet(conn net.Conn) {
	_, _ = io.WriteString(conn, "+OK POP3 ready\r\n")
	_, _ = io.Copy(io.Discard, conn)
}

// mute reads until the other side hangs up, and never says anything.
func mute(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// knowsNobody is a resolver whose DNS server answers NXDOMAIN to everything.
func knowsNobody() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			// Not a PacketConn: length before each message (RFC 1035 4.2.2).
			var length [2]byte
			if _, err := io.ReadFull(server, length[:]); err != nil {
				return
			}
			message := make([]byte, binary.BigEndian.Uint16(length[:]))
			if _, err := io.ReadFull(server, message); err != nil {
				return
			}
			message[2], message[3] = 0x81, 0x83 // a response, NXDOMAIN (RFC 1035 4.1.1)
			_, _ = server.Write(append(length[:], message...))
		}()
		return client, nil
	}}
}

// failure checks that err is an *Error of this stage, and returns it.
func failure(tb testing.TB, err error, want Stage) *Error {
	tb.Helper()
	var e *Error
	if !errors.As(err, &e) {
		tb.Fatalf("got error %v, want an *Error", err)
	}
	if e.Stage != want {
		tb.Fatalf("got stage %v (%v), want %v", e.Stage, e, want)
	}
	return e
}
