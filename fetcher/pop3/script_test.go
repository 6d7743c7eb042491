package pop3

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play runs the server's side of a dialogue and returns the client's. Lines:
//
//	S: text   the server sends the text and CRLF
//	R: octets the server sends the octets as they are
//	C: text   the client has to send the text and CRLF; *** at its end is anything
//	T:        TLS begins
//	X:        the server closes the connection
//	W:        the server says nothing more, until the client hangs up
//
// Lines of the server that follow one another are sent in one piece. After
// the last line the client must send nothing more.
func play(t *testing.T, o Options, lines ...string) *Client {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		perform(t, far, lines)
	}()
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	c := newClient(near, o)
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return c
}

// perform is the server's side of play.
func perform(t *testing.T, conn net.Conn, lines []string) {
	in := bufio.NewReader(conn)
	var out strings.Builder
	flush := func() {
		if out.Len() == 0 {
			return // a pipe waits for a reader even of nothing
		}
		_, _ = io.WriteString(conn, out.String()) // the client may have given up: that is what some tests are about
		out.Reset()
	}
	for _, line := range lines {
		kind, text := line[:2], strings.TrimPrefix(line[2:], " ")
		switch kind {
		case "S:":
			out.WriteString(text + "\r\n")
		case "R:":
			out.WriteString(text)
		case "C:":
			flush()
			got, err := in.ReadString('\n')
			if begin, open := strings.CutSuffix(text, "***"); got != text+"\r\n" && !(open && strings.HasPrefix(got, begin)) {
				t.Errorf("the client sends %q, %v; want %q", got, err, text)
				return
			}
		case "T:":
			flush()
			secured := tls.Server(conn, serverTLS())
			if err := secured.Handshake(); err != nil {
				return // what the client makes of it is the test
			}
			conn, in = secured, bufio.NewReader(secured)
		case "X:":
			flush()
			return
		case "W:":
			flush()
			_, _ = io.Copy(io.Discard, in)
			return
		default:
			t.Errorf("no such line: %q", line)
		}
	}
	flush()
	if rest, _ := io.ReadAll(in); len(rest) > 0 {
		t.Errorf("the client still sends %q", rest)
	}
}

// serverName is whom the certificate of the tests is for.
const serverName = "pop.example.net"

// certificate is that of the tests' servers, and the roots to know it by.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{serverName},
		// Good on the clock of a synctest bubble too, which begins in 2000.
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
})

func serverTLS() *tls.Config {
	cert, _ := certificate()
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

func clientTLS() *tls.Config {
	_, roots := certificate()
	return &tls.Config{RootCAs: roots, ServerName: serverName}
}

// upgrade is a Config.StartTLS.
func upgrade(cfg *tls.Config) func(context.Context, net.Conn) (net.Conn, error) {
	return func(ctx context.Context, raw net.Conn) (net.Conn, error) {
		conn := tls.Client(raw, cfg)
		return conn, conn.HandshakeContext(ctx)
	}
}

// ready is a client past its greeting; the lines follow it.
func ready(t *testing.T, lines ...string) *Client {
	t.Helper()
	c := play(t, Options{}, append([]string{"S: +OK ready <1896.697170952@dbc.mtview.ca.us>"}, lines...)...)
	if _, err := c.greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// refused is the *Error in err; the test fails if there is none.
func refused(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is not an *Error", err)
	}
	return e
}

// broken checks that an error is of the wanted class and that it is what the
// session is broken by, now and in every later call.
func broken(t *testing.T, c *Client, err, want error) {
	t.Helper()
	var protocol *ProtocolError
	if want == errProtocol && !errors.As(err, &protocol) || want != errProtocol && !errors.Is(err, want) {
		t.Fatalf("error %v is not %v", err, want)
	}
	if c.Err() == nil || c.Err().Error() != err.Error() {
		t.Errorf("the session's error is %v, want %v", c.Err(), err)
	}
	if later := c.Noop(t.Context()); later != c.Err() {
		t.Errorf("a later call returns %v, want %v", later, c.Err())
	}
}

// errProtocol stands for any *ProtocolError in tables.
var errProtocol = errors.New("a *ProtocolError")

// password is a Secret.
func password(s string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s, nil }
}

// Names of errors for tables.
var (
	errEOF     = io.ErrUnexpectedEOF
	errTimeout = os.ErrDeadlineExceeded
)
