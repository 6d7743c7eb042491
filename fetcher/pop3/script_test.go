package pop3

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play runs the server's side of a dialogue and returns the client's. Lines:
//
//	S: text   the server sends the text and CRLF
//	R: octets the server sends the octets as they are
//	C: text   the client has to send the text and CRLF
//	X:        the server closes the connection
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
	c := New(near, o)
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
			if got != text+"\r\n" {
				t.Errorf("the client sends %q, %v; want %q", got, err, text)
				return
			}
		case "X:":
			flush()
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

// ready is a client past its greeting; the lines follow it.
func ready(t *testing.T, lines ...string) *Client {
	t.Helper()
	c := play(t, Options{}, append([]string{"S: +OK ready <1896.697170952@dbc.mtview.ca.us>"}, lines...)...)
	if _, err := c.Greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// refused is the *Error in err; the test fails if there is none.
func refused(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is no *Error", err)
	}
	return e
}

// broken checks that an error is of the wanted class and that it is what the
// session is broken by, now and in every later call.
func broken(t *testing.T, c *Client, err, want error) {
	t.Helper()
	var protocol *ProtocolError
	if want == errProtocol && !errors.As(err, &protocol) || want != errProtocol && !errors.Is(err, want) {
		t.Fatalf("error %v is no %v", err, want)
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
