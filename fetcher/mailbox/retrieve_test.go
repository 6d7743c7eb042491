package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

func TestIntegrity(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		octets, listed int64
		want           integrity
	}{
		{100, 100, exact}, {101, 100, longer}, {99, 100, shorter}, {3, 100, shorter}, {2, 100, empty}, {0, 100, empty},
		{2, 2, exact}, {2, 1, longer},
		{0, 0, longer}, {5, 0, longer}, {5, -1, longer}, {0, -1, longer},
	} {
		if got := integrityOf(test.octets, test.listed); got != test.want {
			t.Errorf("%d octets of %d listed: %d, want %d", test.octets, test.listed, got, test.want)
		}
	}
}

// What the server lists, and what it sends each time that it is asked.
func TestRetrieveProvesThatAMessageIsWhole(t *testing.T) {
	t.Parallel()
	const whole = "Subject: a\r\n\r\none\r\ntwo\r\n"
	body := func(octets string) string { return "+OK\r\n" + octets + ".\r\n" }
	type incomplete = IncompleteError
	for name, test := range map[string]struct {
		listed  int
		replies []string // to RETR, in their order; an end without a dot ends the session
		want    string
		err     *incomplete // nil: it is whole
	}{
		"as long as listed":                 {listed: len(whole), replies: []string{body(whole)}, want: whole},
		"longer":                            {listed: 10, replies: []string{body(whole)}, want: whole},
		"longer, listed as empty":           {listed: 0, replies: []string{body(whole)}, want: whole},
		"shorter, the same twice":           {listed: 100, replies: []string{body(whole), body(whole)}, want: whole},
		"shorter, longer the second time":   {listed: 100, replies: []string{body("Subject: a\r\n"), body(whole)}, err: &incomplete{Got: int64(len(whole)), Listed: 100}},
		"shorter, then as long as listed":   {listed: len(whole), replies: []string{body("Subject: a\r\n"), body(whole)}, want: whole},
		"shorter, then longer than listed":  {listed: 15, replies: []string{body("Subject: a\r\n"), body(whole)}, want: whole},
		"shorter, then something behind it": {listed: 15, replies: []string{body("Subject: a\r\n"), body(whole) + "more\r\n"}, err: &incomplete{Got: int64(len(whole)), Listed: 15, Err: errAny}},
		"empty":                             {listed: 100, replies: []string{body("")}, err: &incomplete{Listed: 100}},
		"an empty line":                     {listed: 100, replies: []string{body("\r\n")}, err: &incomplete{Got: 2, Listed: 100}},
		"broken off":                        {listed: 100, replies: []string{"+OK\r\nSubject: a\r\n"}, err: &incomplete{Got: 12, Listed: 100, Err: io.ErrUnexpectedEOF}},
		"something behind it":               {listed: 10, replies: []string{body(whole) + "more\r\n"}, err: &incomplete{Got: int64(len(whole)), Listed: 10, Err: errAny}},
		"without an end":                    {listed: 10, replies: []string{"+OK\r\n" + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 20)}, err: &incomplete{Got: 1000, Listed: 10, Err: errEndless}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			f := newFixture(t, func(s *pop3test.Session, verb, arg string) bool {
				switch {
				case verb == "CAPA":
					s.Lines("", "UIDL", "TOP", "USER") // no PIPELINING
				case verb == "LIST" && arg == "":
					s.Lines("", fmt.Sprint("1 ", test.listed))
				case verb == "RETR":
					s.Write(test.replies[asked])
					if asked++; !strings.Contains(test.replies[asked-1], "\r\n.\r\n") {
						s.Close()
					}
				default:
					return false
				}
				return true
			})
			f.conf.MaxSize = 1000
			f.conf.Facts.RetrKeeps.Prove(true, noon) // else no message has to keep to the limit
			f.add("m1")
			s := f.open()
			if test.err == nil {
				if got := f.retrieve(s, s.Listing.Entries[0]); got != test.want {
					t.Errorf("retrieved %q, want %q", got, test.want)
				}
				return
			}
			_, err := s.Retrieve(t.Context(), s.Listing.Entries[0], nil)
			var got *incomplete
			if !errors.As(err, &got) || got.Got != test.err.Got || got.Listed != test.err.Listed || (got.Err == nil) != (test.err.Err == nil) {
				t.Fatalf("error %+v, want %+v", err, test.err)
			}
			if test.err.Err == errEndless && !errors.Is(err, errEndless) {
				t.Errorf("error %v, want %v in it", err, errEndless)
			}
			if asked != len(test.replies) {
				t.Errorf("RETR was sent %d times, want %d", asked, len(test.replies))
			}
		})
	}
}

var errAny = errors.New("any error")

func TestRefusedRETRIsThePOP3Error(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(s *pop3test.Session, verb, arg string) bool {
		if verb == "RETR" && arg == "1" {
			s.Err("[SYS/PERM] cannot read it")
			return true
		}
		return false
	})
	f.add("m1", "m2")
	s := f.open()
	_, err := s.Retrieve(t.Context(), s.Listing.Entries[0], nil)
	var refused *pop3.Error
	if !errors.As(err, &refused) || refused.Code != "SYS/PERM" {
		t.Errorf("error %v, want a *pop3.Error with code SYS/PERM", err)
	}
	if got, want := f.retrieve(s, s.Listing.Entries[1]), octetsOf("m2"); got != want {
		t.Errorf("the next message: %q, want %q", got, want)
	}
}

// A refusal gives nothing out, so QUIT is safe.
func TestRefusedRETROfHidingServerIsNotInCustody(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		if verb == "RETR" {
			s.Err("no")
		}
		return verb == "RETR"
	})
	f.conf.Source.Hides = true
	f.add("m1")
	s := f.open()
	if _, err := s.Retrieve(t.Context(), s.Listing.Entries[0], nil); err == nil {
		t.Error("no error, want a refusal")
	}
	if got := s.Ending(); got != Normally {
		t.Errorf("ending: %d, want %d", got, Normally)
	}
}

// A connection that is cut because ctx ended says nothing against the message.
func TestRetrieveThatIsCancelledReturnsTheCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("stopped at once")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		if verb == "RETR" {
			cancel(cause)
			s.Hang()
		}
		return verb == "RETR"
	})
	f.add("m1")
	s := f.open()
	if _, err := s.Retrieve(ctx, s.Listing.Entries[0], nil); err != cause {
		t.Errorf("error %v, want %v", err, cause)
	}
}

func TestRetrieveNotesThatTheServerWantsUTF8(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		switch verb {
		case "CAPA":
			s.Lines("capabilities", "USER", "UIDL", "TOP", "RESP-CODES", "UTF8")
		case "RETR":
			s.Err("[UTF8] only in UTF8 mode")
		default:
			return false
		}
		return true
	})
	f.add("m1")
	s := f.open()
	if _, err := s.Retrieve(t.Context(), s.Listing.Entries[0], nil); err == nil || !f.conf.Facts.WantsUTF8.Get(noon) {
		t.Errorf("error %v, UTF8 mode is noted: %v; want an error, true", err, f.conf.Facts.WantsUTF8.Get(noon))
	}
}
