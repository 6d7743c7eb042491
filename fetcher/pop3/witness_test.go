package pop3_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	witness "github.com/knadh/go-pop3"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// The witness is github.com/knadh/go-pop3, an independent client. It reads what
// our client reads, and both have to get the same numbers, UIDs, sizes and
// octets, except where the witness is known to differ (TestWitnessDiffers):
//
//   - A bare LF in a message becomes CRLF.
//   - A line "." between bare LFs ends the message; the rest of it is then read
//     as replies.
//   - A dot at the beginning of a line is removed after a bare LF too, where
//     servers do not stuff one.
//   - A UID ends at its first space, and a listing at the first line that has
//     fewer than two words.

// witnessLogIn begins a session of the witness.
func witnessLogIn(t testing.TB, addr, user, password string) *witness.Conn {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	c, err := witness.New(witness.Opt{Host: host, Port: n}).NewConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(user, password); err != nil {
		t.Fatal(err)
	}
	return c
}

// witnessListing is the witness's UIDL and LIST as our client has them.
func witnessListing(t *testing.T, c *witness.Conn) []pop3.Entry {
	t.Helper()
	uids, err := c.Uidl(0)
	if err != nil {
		t.Fatal(err)
	}
	sizes, err := c.List(0)
	if err != nil {
		t.Fatal(err)
	}
	if len(uids) != len(sizes) {
		t.Fatalf("the witness has %d UIDs and %d sizes, want as many", len(uids), len(sizes))
	}
	var entries []pop3.Entry
	for i, u := range uids {
		if u.ID != sizes[i].ID {
			t.Fatalf("the witness has UID %d beside size %d", u.ID, sizes[i].ID)
		}
		entries = append(entries, pop3.Entry{Number: u.ID, UID: u.UID, Size: int64(sizes[i].Size)})
	}
	return entries
}

// letters are messages with everything in which clients may differ, and which the
// witness keeps octet by octet.
func letters() [][]byte {
	var all [][]byte
	for _, s := range []string{
		"Subject: plain\r\n\r\nhello\r\n",
		"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n...b\r\nc.\r\n.\r\n",
		"Subject: only a header\r\n",
		"\r\nno header\r\n",
		"Subject: empty lines\r\n\r\n\r\n\r\n\r\n",
		"Subject: octets\r\n\r\n\x00\x01\x7f\xe9\xff\r\n",
		"\xef\xbb\xbfSubject: a byte order mark\r\n\r\n\xef\xbb\xbf\r\n",
		"Subject: bare CR\r\n\r\na\rb\r\n\r\r\n",
		"Subject: +OK\r\n\r\n+OK\r\n-ERR\r\n",
		"Subject: long\r\n\r\n" + strings.Repeat("x", 200_000) + "\r\n." + strings.Repeat(".", 100_000) + "\r\n",
		strings.Repeat("Subject: many lines\r\n", 20_000),
	} {
		all = append(all, []byte(s))
	}
	return all
}

// readAll is the listing and all messages of a mailbox, by our client.
func readAll(t *testing.T, c *pop3.Client) ([]pop3.Entry, [][]byte) {
	t.Helper()
	l, err := c.Listing(t.Context())
	if err != nil || l.Malformed != 0 {
		t.Fatalf("listing with %d malformed lines, %v; want none", l.Malformed, err)
	}
	var bodies [][]byte
	for _, e := range l.Entries {
		body, err := retr(t, c, e.Number)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, []byte(body))
	}
	return l.Entries, bodies
}

// witnessAgrees compares what both clients get.
func witnessAgrees(t *testing.T, c *pop3.Client, w *witness.Conn, want [][]byte) {
	t.Helper()
	entries, bodies := readAll(t, c)
	if got := witnessListing(t, w); !slices.Equal(got, entries) || len(entries) != len(want) {
		t.Errorf("the witness lists\n%+v, we\n%+v, want %d messages", got, entries, len(want))
	}
	for i, e := range entries {
		theirs, err := w.RetrRaw(e.Number)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bodies[i], want[i]) || !bytes.Equal(theirs.Bytes(), want[i]) || e.Size != int64(len(want[i])) {
			t.Errorf("message %d, listed with %d octets, is\n%.100q to us and\n%.100q to the witness, want\n%.100q", e.Number, e.Size, bodies[i], theirs, want[i])
		}
	}
	if err := w.Quit(); err != nil {
		t.Error(err)
	}
}

func TestWitnessReadsTheSameFromTestServer(t *testing.T) {
	t.Parallel()
	s := start(t, pop3test.Options{})
	for i, m := range letters() {
		s.Add("leo", pop3test.Message{UID: fmt.Sprintf("uid-%d", i), Octets: m})
	}
	witnessAgrees(t, logIn(t, s), witnessLogIn(t, s.Addr(), "leo", "secret"), letters())
}

// Dovecot sends CRLF whether a message was stored with LF or CRLF, so both
// clients get CRLF here.
func TestWitnessReadsTheSameFromDovecot(t *testing.T) {
	t.Parallel()
	d := startDovecot(t)
	want := append(letters(), []byte("Subject: bare LF\r\n\r\na\r\n.\r\n.b\r\n"))
	stored := append(letters(), []byte("Subject: bare LF\n\na\n.\n.b\n"))
	for i, m := range stored {
		d.deliver(t, fmt.Sprintf("%03d", i), string(m))
	}
	c := d.session(t, pop3.MethodUser, false)
	must(t, c.Login(t.Context(), pop3.Credentials{Method: pop3.MethodUser, Username: "leo", Secret: secret(strange)}))
	entries, bodies := readAll(t, c)
	must(t, c.Quit(t.Context()))
	// Dovecot sorts messages that arrive at once as it likes.
	if sorted := slices.SortedFunc(slices.Values(bodies), bytes.Compare); !slices.EqualFunc(sorted, slices.SortedFunc(slices.Values(want), bytes.Compare), bytes.Equal) {
		t.Errorf("%d messages in %d, want the %d that were stored", len(bodies), len(entries), len(want))
	}
	again := d.session(t, pop3.MethodUser, false)
	must(t, again.Login(t.Context(), pop3.Credentials{Method: pop3.MethodUser, Username: "leo", Secret: secret(strange)}))
	witnessAgrees(t, again, witnessLogIn(t, d.addr, "leo", strange), bodies)
}

// TestWitnessDiffers: our client keeps the octets that the witness does not.
func TestWitnessDiffers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, sent, witness string
	}{
		{"a bare LF becomes CRLF", "Subject: x\n\na\r\n", "Subject: x\r\n\r\na\r\n"},
		{"a dot behind a bare LF is lost", "Subject: x\r\n\r\na\n.b\r\n", "Subject: x\r\n\r\na\r\nb\r\n"},
		{"a dot between bare LFs ends the message", "Subject: x\r\n\r\na\n.\nb\r\n", "Subject: x\r\n\r\na\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, pop3test.Options{})
			s.Add("leo", pop3test.Message{UID: "1", Octets: []byte(tt.sent)})
			if ours, err := retr(t, logIn(t, s), 1); ours != tt.sent || err != nil {
				t.Errorf("we read %q, %v; want %q", ours, err, tt.sent)
			}
			w := witnessLogIn(t, s.Addr(), "leo", "secret")
			defer w.Quit()
			if theirs, err := w.RetrRaw(1); err != nil || theirs.String() != tt.witness {
				t.Errorf("the witness reads %q, %v; want %q", theirs, err, tt.witness)
			}
		})
	}
	t.Run("UIDs", func(t *testing.T) {
		t.Parallel()
		s := start(t, pop3test.Options{})
		for _, uid := range []string{"with space", "", "behind"} {
			s.Add("leo", pop3test.Message{UID: uid, Octets: []byte("a\r\n")})
		}
		ours := []pop3.Entry{{Number: 1, UID: "with space", Size: 3}, {Number: 2, Size: 3}, {Number: 3, UID: "behind", Size: 3}}
		if l, err := logIn(t, s).Listing(t.Context()); err != nil || !slices.Equal(l.Entries, ours) {
			t.Errorf("we list %+v, %v; want %+v", l.Entries, err, ours)
		}
		w := witnessLogIn(t, s.Addr(), "leo", "secret")
		defer w.Quit()
		if theirs, err := w.Uidl(0); err != nil || len(theirs) != 1 || theirs[0].UID != "with" {
			t.Errorf("the witness lists %+v, %v; want the first message with UID %q", theirs, err, "with")
		}
	})
}

// BenchmarkList10000 reads UIDL and LIST of 10,000 messages, with our client and with the
// witness.
func BenchmarkList10000(b *testing.B) {
	const n = 10_000
	s := pop3test.NewServer(pop3test.Options{Users: map[string]string{"leo": "secret"}})
	must(b, s.Start())
	defer s.Close()
	for i := range n {
		s.Add("leo", pop3test.Message{UID: fmt.Sprintf("%08x6b0a2d71", i), Octets: []byte("a\r\n")})
	}
	b.Run("popferry", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c := logIn(b, s)
			if l, err := c.Listing(b.Context()); err != nil || len(l.Entries) != n {
				b.Fatalf("%d messages, %v; want %d", len(l.Entries), err, n)
			}
			must(b, c.Quit(b.Context()))
		}
	})
	b.Run("go-pop3", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w := witnessLogIn(b, s.Addr(), "leo", "secret")
			uids, err := w.Uidl(0)
			sizes, err2 := w.List(0)
			if err != nil || err2 != nil || len(uids) != n || len(sizes) != n {
				b.Fatalf("%d and %d messages, %v, %v; want %d", len(uids), len(sizes), err, err2, n)
			}
			must(b, w.Quit())
		}
	})
}

// BenchmarkRetr1000 reads 1,000 messages of 8 kB, with our client one after the
// other and pipelined, and with the witness.
func BenchmarkRetr1000(b *testing.B) {
	const n = 1000
	s := pop3test.NewServer(pop3test.Options{Users: map[string]string{"leo": "secret"}})
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	octets := []byte("Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 105))
	for i := range n {
		s.Add("leo", pop3test.Message{UID: strconv.Itoa(i), Octets: octets})
	}
	run := func(name string, read func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(n * int64(len(octets)))
			b.ReportAllocs()
			for b.Loop() {
				read(b)
			}
		})
	}
	ours := func(b *testing.B, ahead int) {
		c := logIn(b, s)
		sent := 0
		for i := range n {
			for ahead > 0 && sent < n && sent < i+ahead {
				must(b, c.Ahead(b.Context(), pop3.RetrCommand(sent+1)))
				sent++
			}
			body, err := c.Retr(b.Context(), i+1)
			must(b, err)
			if k, err := body.WriteTo(io.Discard); k != int64(len(octets)) || err != nil {
				b.Fatalf("%d octets, %v; want %d", k, err, len(octets))
			}
		}
		must(b, c.Quit(b.Context()))
	}
	run("popferry", func(b *testing.B) { ours(b, 0) })
	run("popferry pipelined", func(b *testing.B) { ours(b, 64) })
	run("go-pop3", func(b *testing.B) {
		w := witnessLogIn(b, s.Addr(), "leo", "secret")
		for i := range n {
			if m, err := w.RetrRaw(i + 1); err != nil || m.Len() != len(octets) {
				b.Fatalf("%d octets, %v; want %d", m.Len(), err, len(octets))
			}
		}
		must(b, w.Quit())
	})
}
