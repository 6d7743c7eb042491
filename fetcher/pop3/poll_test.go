package pop3_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// outcome is what a poll got.
type outcome struct {
	listing pop3.Listing
	bodies  map[int]string // those that came whole
	refused map[int]error  // those that the server refused
	broken  int            // the message at which the session broke, 0 if none
	err     error          // why the session or the poll ended, nil after QUIT's +OK
}

// poll fetches all there is, as a careful caller would: a body that is shorter
// than listed is asked for once more and has to be confirmed.
func poll(t *testing.T, s *pop3test.Server, o pop3.Options) outcome {
	t.Helper()
	out := outcome{bodies: make(map[int]string), refused: make(map[int]error)}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	c, _, err := pop3.Open(t.Context(), pop3.Config{Dial: dialer(s), Credentials: leo, Options: o}, nil)
	if err != nil {
		out.err = err
		return out
	}
	defer c.Close()
	if out.listing, err = c.Listing(t.Context()); errors.Is(err, pop3.ErrNoUIDL) {
		out.listing.Entries, err = c.List(t.Context())
	}
	if err != nil {
		out.err = err
		return out
	}
	for _, e := range out.listing.Entries {
		body, err := whole(t, c, e)
		switch {
		case err == nil:
			out.bodies[e.Number] = body
		case c.Err() != nil:
			out.broken, out.err = e.Number, err
			return out
		default:
			out.refused[e.Number] = err
		}
	}
	out.err = c.Quit(t.Context())
	return out
}

// whole is a body that is certainly whole.
func whole(t *testing.T, c *pop3.Client, e pop3.Entry) (string, error) {
	body, err := retr(t, c, e.Number)
	if err != nil || int64(len(body)) >= e.Size {
		return body, err
	}
	again, err := retr(t, c, e.Number)
	if err != nil {
		return "", err
	}
	if err := c.Confirm(t.Context(), e); err != nil {
		return "", err
	}
	if len(again) != len(body) {
		return "", errors.New("another length")
	}
	return again, nil
}

// limit is how much of a message is taken in these tests.
const limit = 8 << 20

// capped is a buffer that takes so much.
type capped struct{ bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if c.Len()+len(p) > limit {
		return 0, errTooLong
	}
	return c.Buffer.Write(p)
}

var errTooLong = errors.New("too long")

// retr is one RETR.
func retr(t *testing.T, c *pop3.Client, n int) (string, error) {
	b, err := c.Retr(t.Context(), n)
	if err != nil {
		return "", err
	}
	defer b.Close()
	var buf capped
	_, err = b.WriteTo(&buf)
	return buf.String(), err
}

// box is n small messages.
func box(n int) []pop3test.Message {
	var out []pop3test.Message
	for i := range n {
		out = append(out, pop3test.Message{UID: fmt.Sprintf("uid-%d", i+1), Octets: message(i + 1)})
	}
	return out
}

// message is a small message.
func message(n int) []byte {
	return fmt.Appendf(nil, "Subject: message %d\r\n\r\n%s.\r\nend\r\n", n, strings.Repeat("a line\r\n", 50))
}

// handler answers some commands in place of the server.
type handler = func(s *pop3test.Session, verb, arg string) bool

// on answers one command.
func on(verb string, f func(s *pop3test.Session, arg string)) handler {
	return func(s *pop3test.Session, v, arg string) bool {
		if v != verb {
			return false
		}
		f(s, arg)
		return true
	}
}

// only answers one command for one argument.
func only(verb, arg string, f func(s *pop3test.Session)) handler {
	return func(s *pop3test.Session, v, a string) bool {
		if v != verb || a != arg {
			return false
		}
		f(s)
		return true
	}
}
