package fetcher_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// refuse answers -ERR to some verbs.
func refuse(text string, verbs ...string) func(*pop3test.Session, string, string) bool {
	return func(s *pop3test.Session, verb, _ string) bool {
		if !slices.Contains(verbs, verb) {
			return false
		}
		s.Err("%s", text)
		return true
	}
}

func TestWithoutUIDL(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refused []string
		keep    bool
		works   bool
	}{
		"kept, by TOP":     {[]string{"UIDL"}, true, true},
		"deleted, by TOP":  {[]string{"UIDL"}, false, true},
		"deleted, by RETR": {[]string{"UIDL", "TOP"}, false, true},
		"kept, no TOP":     {[]string{"UIDL", "TOP"}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bend{pop: refuse("unknown command", c.refused...)})
			w.account.Policy.Keep = c.keep
			w.add("m1", "m2")
			w.pop.Add("leo", pop3test.Message{UID: "none", Octets: []byte("\r\nno header at all\r\n")})
			r := w.poll()
			if !c.works {
				if !errors.Is(r.Err, pop3.ErrNoUIDL) || len(w.arrived()) != 0 {
					t.Errorf("%+v", r)
				}
				return
			}
			if r.Err != nil || r.Forwarded != 3 {
				t.Fatalf("%+v", r)
			}
			w.add("m3")
			if r := w.poll(); r.Err != nil || r.Forwarded != 1 {
				t.Errorf("%+v", r)
			}
			if want := map[bool]int{true: 4, false: 0}[c.keep]; len(w.left()) != want {
				t.Errorf("left: %v", w.left())
			}
		})
	}
}

func TestRefusedLoginIsNotBelievedAtOnce(t *testing.T) {
	t.Parallel()
	var refused atomic.Bool
	w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb != "PASS" && verb != "AUTH" || !refused.Load() {
			return false
		}
		s.Err("[AUTH] invalid password")
		return true
	}})
	w.poll()
	refused.Store(true)
	waits := []time.Duration{time.Minute, 2 * time.Minute, 40 * time.Minute}
	for i, wait := range waits {
		r := w.poll()
		var doubted *fetcher.UnconfirmedAuthError
		if errors.As(r.Err, &doubted) != (i < 2) {
			t.Errorf("try %d: %v", i+1, r.Err)
		}
		a, err := w.store.Accounts(t.Context())
		must(t, err)
		if got := a[0].NotBefore.Sub(w.now.Now()); got != wait {
			t.Errorf("try %d: it waits %v, want %v", i+1, got, wait)
		}
	}
	refused.Store(false)
	if r := w.poll(); r.Err != nil {
		t.Error(r.Err)
	}
}

func TestServerIsKeptAwake(t *testing.T) {
	t.Parallel()
	awake := make(chan struct{})
	var once atomic.Bool
	b := bend{
		pop: func(_ *pop3test.Session, verb, _ string) bool {
			if verb == "NOOP" && once.CompareAndSwap(false, true) {
				close(awake)
			}
			return false
		},
		smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
			if e.Stage == forwarder.StageDot {
				<-awake // the destination is slow: it answers once the POP3 server was heard from
			}
			return smtptest.Fault{}
		}},
	}
	w := newWorld(t, b)
	w.account.Source.Timeout = impatience
	w.account.Policy.Keep = false
	w.add("m1")
	if r := w.poll(); r.Err != nil || r.Forwarded != 1 || r.OnServer != 0 {
		t.Errorf("%+v", r)
	}
}

func TestServerThatIgnoresDELE(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "DELE" {
			s.OK("gone, or so")
		}
		return verb == "DELE"
	}})
	w.account.Policy.Keep = false
	w.add("m1", "m2")
	for i := range 5 {
		r := w.poll()
		if r.Err != nil || errors.Is(r.Notice, fetcher.ErrDeleIgnored) != (i > 2) {
			t.Errorf("poll %d: %+v", i+1, r)
		}
	}
	same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2"})
	if got := len(w.verbs("DELE")); got != 6 {
		t.Errorf("%d DELEs, want three for each message", got)
	}
}

func TestUTF8ModeWhenItIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"PASS", "RETR"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			var mode atomic.Bool
			w := newWorld(t, bend{pop: func(s *pop3test.Session, v, _ string) bool {
				switch {
				case v == "CAPA":
					s.Lines("capabilities", "USER", "UIDL", "TOP", "RESP-CODES", "UTF8")
				case v == "UTF8":
					mode.Store(true)
					s.OK("UTF8 on")
				case v == verb && !mode.Load():
					s.Err("[UTF8] only in UTF8 mode")
				default:
					return false
				}
				return true
			}})
			w.add("m1")
			w.poll()
			w.poll()
			same(t, "arrived", w.arrived(), []string{"m1"})
		})
	}
}

func TestRaisedLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.MaxSize = 100
	w.add("m1")
	w.poll()
	w.account.Policy.MaxSize = 1000
	if r := w.poll(); r.Forwarded != 1 {
		t.Errorf("%+v, %v", r, w.states())
	}
}

// TestBodiesThatDoNotComeWhole: what cannot be told to be whole is not
// forwarded and not deleted; the third time it is held, and the others go on.
func TestBodiesThatDoNotComeWhole(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(s *pop3test.Session){
		"terminator lost":  func(s *pop3test.Session) { s.Write("+OK\r\nSubject: bad\r\n\r\nno end\r\n"); s.Close() },
		"terminator glued": func(s *pop3test.Session) { s.Write("+OK\r\nSubject: bad\r\n\r\nno end.\r\n") },
		"cut":              func(s *pop3test.Session) { s.Write("+OK\r\nSubject: bad"); s.Reset() },
		"unstuffed dot":    func(s *pop3test.Session) { s.Write("+OK\r\nSubject: bad\r\n\r\na\r\n.\r\n+OK b\r\n.\r\n") },
		"nothing at all":   func(s *pop3test.Session) { s.Write("+OK\r\n.\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, arg string) bool {
				if m := s.Message(arg); verb != "RETR" || m == nil || m.UID != "bad" {
					return false
				}
				send(s)
				return true
			}})
			w.account.Policy.Keep = false
			w.account.Source.Timeout = impatience
			w.add("m1")
			w.pop.Add("leo", pop3test.Message{UID: "bad", Octets: []byte("Subject: bad\r\n\r\na\r\n.\r\n+OK b\r\n" + strings.Repeat("x\r\n", 100))})
			w.add("m2")
			for i := range 4 {
				w.poll()
				if got, want := w.states()["bad"], map[bool]string{true: "deferred", false: "held"}[i < 2]; got != want {
					t.Errorf("after %d polls it is %q, want %s", i+1, got, want)
				}
			}
			same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2"})
			same(t, "left", w.left(), []string{"bad"})
		})
	}
}
