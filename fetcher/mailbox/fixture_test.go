package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/fetcher/spool"
)

// fixture is a POP3 server that can misbehave, and what sessions with it are
// opened with. Facts last from one session to the next.
type fixture struct {
	t    *testing.T
	pop  *pop3test.Server
	conf Config
}

type handler = func(s *pop3test.Session, verb, arg string) (answered bool)

// shortTimeout is a limit that is to be reached. A server that is well must answer
// within it, also while the machine is busy.
const shortTimeout = 2 * time.Second

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newFixture(t *testing.T, handle handler) *fixture {
	t.Helper()
	return newFixtureWith(t, pop3test.Options{Handle: handle})
}

func newFixtureWith(t *testing.T, o pop3test.Options) *fixture {
	t.Helper()
	o.Users = map[string]string{"leo": "secret"}
	f := &fixture{t: t, pop: pop3test.NewServer(o)}
	must(t, f.pop.Start())
	t.Cleanup(func() { _ = f.pop.Close() })
	f.conf = Config{
		Source: Source{
			Host: "pop.example.net", Addr: f.pop.Addr(),
			Dial: func(ctx context.Context) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", f.pop.Addr())
			},
			Credentials: pop3.Credentials{Username: "leo", Secret: func(context.Context) (string, error) { return "secret", nil }},
			Timeout:     5 * time.Minute, // longer than any wait that ends, however busy the machine is
		},
		Facts: new(ledger.ServerFacts), Now: noon, Spool: spool.New(t.TempDir(), 64<<20),
	}
	return f
}

// add puts messages into the mailbox.
func (f *fixture) add(names ...string) {
	for _, n := range names {
		f.pop.Add("leo", pop3test.Message{UID: "uid-" + n, Octets: []byte(octetsOf(n))})
	}
}

// octetsOf is a message that is recognised by its name. Messages with names of the
// same length have the same size.
func octetsOf(name string) string {
	return fmt.Sprintf("From: %[1]s@example.org\r\nMessage-ID: <%[1]s@example.org>\r\n\r\n.dot\r\nbody of %[1]s\r\n", name)
}

func numbered(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("m%d", i+1))
	}
	return out
}

func (f *fixture) open() *Session {
	f.t.Helper()
	s, err := Open(f.t.Context(), f.conf)
	must(f.t, err)
	f.t.Cleanup(func() { _ = s.conn.Close() })
	return s
}

// retrieve retrieves a message that is to come whole.
func (f *fixture) retrieve(s *Session, e pop3.Entry) string {
	f.t.Helper()
	b, err := s.Retrieve(f.t.Context(), e, func(*message.Body) error { return nil })
	must(f.t, err)
	defer b.Release()
	octets, err := io.ReadAll(b.Item.Reader())
	must(f.t, err)
	return string(octets)
}

// wantRetrieved retrieves all that is listed, with the pipelining that the server
// allows, and compares it with the messages of these names.
func (f *fixture) wantRetrieved(s *Session, names ...string) {
	f.t.Helper()
	if got := len(s.Listing.Entries); got != len(names) {
		f.t.Fatalf("%d messages are listed, want %d", got, len(names))
	}
	s.Expect(s.Listing.Entries)
	for i, e := range s.Listing.Entries {
		if got, want := f.retrieve(s, e), octetsOf(names[i]); got != want {
			f.t.Errorf("message %d: %q, want %q", e.Number, got, want)
		}
	}
	must(f.t, s.Discard(f.t.Context()))
}

// deleteAll deletes all that is listed.
func (f *fixture) deleteAll(s *Session) {
	f.t.Helper()
	deleted, err := s.Delete(f.t.Context(), s.Listing.Entries, func(int, *pop3.Error) {})
	must(f.t, err)
	if len(deleted) != len(s.Listing.Entries) {
		f.t.Errorf("deleted: %v, want all %d", deleted, len(s.Listing.Entries))
	}
	if left := f.pop.Messages("leo"); len(left) > 0 {
		f.t.Errorf("%d messages are left on the server, want none", len(left))
	}
}

// sent are the commands with these verbs that the server got.
func (f *fixture) sent(verbs ...string) []string {
	var out []string
	for _, c := range f.pop.Commands("leo") {
		if verb, _, _ := strings.Cut(c, " "); slices.Contains(verbs, verb) {
			out = append(out, c)
		}
	}
	return out
}

// wantSent compares the commands with these verbs.
func (f *fixture) wantSent(want []string, verbs ...string) {
	f.t.Helper()
	if got := f.sent(verbs...); !slices.Equal(got, want) {
		f.t.Errorf("sent: %q, want %q", got, want)
	}
}

// atStep fails the test unless err is an *Error at this step.
func atStep(t *testing.T, err error, want pop3.Step) {
	t.Helper()
	var at *Error
	if !errors.As(err, &at) || at.Step != want {
		t.Errorf("error %v, want an *Error at %s", err, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
