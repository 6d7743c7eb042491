package fetcher_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestRefusedRETR tells what is about one message from what is about all.
func TestRefusedRETR(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		only  string // the message that is refused, "" for all
		asked int    // how often RETR is sent
		fails bool
	}{
		"bandwidth":     {"[SYS/TEMP] Account exceeded command or bandwidth limits", "", 1, true},
		"locked":        {"[IN-USE] mailbox is locked", "", 1, true},
		"later, to all": {"try again later", "", 3, true},
		"later, to one": {"try again later", "uid-m2", 30, false},
		"one damaged":   {"[SYS/PERM] cannot read it", "uid-m2", 30, false},
		"one gone":      {"no such message", "uid-m2", 30, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bend{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
				if verb != "RETR" || c.only != "" && s.Message(arg).UID != c.only {
					return false
				}
				s.Err("%s", c.text)
				return true
			}})
			w.add(many(30)...)
			r := w.poll()
			if n := len(w.verbs("RETR")); n != c.asked || (r.Err != nil) != c.fails {
				t.Errorf("%d RETR: %+v", n, r)
			}
			if !c.fails && r.Forwarded != 29 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestClockThatWasAhead once, when an account was told to wait, does not keep
// it waiting for years.
func TestClockThatWasAhead(t *testing.T) {
	t.Parallel()
	const decade = 10 * 365 * 24 * time.Hour
	w := newWorld(t, bend{})
	dial := w.account.Source.Dial
	w.account.Source.Dial = func(context.Context) (net.Conn, error) { return nil, errTest }
	w.now.Add(decade)
	w.pollAs(false)
	w.account.Source.Dial = dial
	w.now.Add(7*24*time.Hour - decade)
	w.add("m1")
	if r := w.pollAs(false); r.Skip != fetcher.NotSkipped || r.Forwarded != 1 {
		t.Errorf("%+v", r)
	}
}

// TestMinIntervalCountsEveryLogin, also one that led to nothing.
func TestMinIntervalCountsEveryLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{pop: refuse("login allowed only every 15 minutes", "UIDL")})
	w.account.Policy.MinInterval = 15 * time.Minute
	for i := range 15 {
		if r := w.poll(); (r.Skip == fetcher.NotSkipped) != (i == 0) {
			t.Errorf("minute %d: %+v", i, r)
		}
		w.now.Add(time.Minute)
	}
}

// TestPollThatAPersonBreaksOff is no failure, and is not waited after.
func TestPollThatAPersonBreaksOff(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb != "RETR" || ctx.Err() != nil {
			return false
		}
		stop(errors.New("stopped at once"))
		s.Hang()
		return true
	}})
	w.add("m1")
	if r := w.pollUnder(ctx); r.Err == nil {
		t.Errorf("%+v", r)
	}
	if r := w.pollAs(false); r.Skip != fetcher.NotSkipped || r.Forwarded != 1 {
		t.Errorf("%+v", r)
	}
}

// TestStopAtTOP teaches nothing about the server: a header is asked for by TOP
// again, and no whole message instead.
func TestStopAtTOP(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	var asked []string
	w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "TOP" || verb == "RETR" {
			asked = append(asked, verb)
		}
		if verb != "TOP" || ctx.Err() != nil {
			return false
		}
		stop(errors.New("stopped at once"))
		s.Hang()
		return true
	}})
	w.add("m1")
	w.poll()
	w.account.Policy.Keep = false // its header is asked for before it is deleted
	w.pollUnder(ctx)
	if r := w.poll(); r.Err != nil || len(w.left()) != 0 {
		t.Errorf("%+v, left %v", r, w.left())
	}
	same(t, "asked", asked, []string{"RETR", "TOP", "TOP"})
}

// pollUnder polls under a context of its own.
func (w *world) pollUnder(ctx context.Context) fetcher.Result {
	p := fetcher.New(fetcher.Options{
		Lease:        func(ctx context.Context, id int64) (fetcher.Lease, error) { return w.store.Lease(ctx, id) },
		Destinations: w.store, Spool: w.spool, CopyDir: w.keptDir, Stopping: w.stop, Now: w.now.Now,
		Describe: func(err error) ledger.Cause { return ledger.Cause{Code: "test", Text: err.Error()} },
		Log:      slog.New(slog.DiscardHandler),
	})
	return p.Poll(ctx, w.account, false)
}

// TestStopBetweenDeletions that the server is slow to confirm: without QUIT
// none of them is real, and the ledger notes none.
func TestStopBetweenDeletions(t *testing.T) {
	t.Parallel()
	var w *world
	var n atomic.Int32
	w = newWorld(t, bend{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "DELE" && n.Add(1) == 3 {
			close(w.stop)
			s.Hang() // until the grace after a stop is over
			return true
		}
		return false
	}})
	w.account.Policy.Keep = false
	w.add(many(6)...)
	r := w.poll()
	for _, rec := range w.records() {
		if !rec.DeletedAt.IsZero() {
			t.Errorf("%s counts as deleted", rec.UID)
		}
	}
	if len(w.left()) != 6 || r.Err == nil {
		t.Errorf("left %v, %+v", w.left(), r)
	}
	w.stop = make(chan struct{})
	if r := w.poll(); r.Err != nil || r.Forwarded != 0 || len(w.left()) != 0 {
		t.Errorf("%+v, left %v", r, w.left())
	}
}

// panicking is a ledger that panics when a row is read.
type panicking struct {
	fetcher.Lease
	panics func()
}

func (p panicking) Record(context.Context, int64) (*record, error) {
	p.panics()
	panic("a bug")
}

// TestPanicWaitsForWhatIsInFlight: the lease is not given back under a
// transaction, so that its outcome is on disk before anybody polls again.
func TestPanicWaitsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	inFlight, panicked := make(chan struct{}, 10), make(chan struct{})
	w := newWorld(t, bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		switch {
		case e.Stage != forwarder.StageDot:
		case e.Message == 1:
			return smtptest.Fault{Code: 451, Text: "later"}
		default:
			inFlight <- struct{}{}
			<-panicked
		}
		return smtptest.Fault{}
	}}})
	w.add("m1")
	w.poll() // deferred: it comes last now, and its row is read
	w.add("m2")
	w.now.Add(time.Hour)
	panics := sync.OnceFunc(func() { <-inFlight; close(panicked) })
	w.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
		l, err := w.store.Lease(ctx, id)
		return panicking{l, panics}, err
	}
	var bug *fetcher.PanicError
	if r := w.poll(); !errors.As(r.Err, &bug) || w.states()["uid-m2"] != "forwarded" {
		t.Errorf("%+v, %v", r, w.states())
	}
	w.lease = nil
	w.daily(2, true)
	same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2"})
}
