package fetcher_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// many are names m1 to mN.
func many(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("m%d", i+1))
	}
	return out
}

// renumber gives all messages new UIDs, as a server does that was moved.
func (w *world) renumber(prefix string) {
	w.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
		for i := range ms {
			ms[i].UID = fmt.Sprint(prefix, i)
		}
		return ms
	})
}

func TestServerThatWasMoved(t *testing.T) {
	t.Parallel()
	for _, top := range []bool{true, false} {
		t.Run(fmt.Sprint("top ", top), func(t *testing.T) {
			t.Parallel()
			b := bend{}
			if !top {
				b.pop = refuse("unknown command", "TOP")
			}
			w := newWorld(t, b)
			w.add(many(30)...)
			w.poll()
			w.renumber("moved-")
			w.add("new1", "new2")
			if r := w.poll(); r.Err != nil || r.Forwarded != 2 {
				t.Fatalf("%+v", r)
			}
			if r := w.poll(); r.Err != nil || r.Forwarded != 0 {
				t.Errorf("%+v", r)
			}
			// What is known under its new UID is deleted by it.
			w.account.Policy.Keep = false
			if r := w.poll(); r.Err != nil || r.OnServer != 0 {
				t.Errorf("%+v", r)
			}
			same(t, "arrived", sorted(w.arrived()), sorted(append(many(30), "new1", "new2")))
		})
	}
}

func TestMoveThatCannotBeTold(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"adopt", "resend"} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bend{})
			w.account.Policy.OnlyNew = true // rows without fingerprints
			w.add(many(12)...)
			w.poll()
			w.renumber("moved-")
			for range 2 {
				if r := w.poll(); !errors.Is(r.Err, fetcher.ErrRenumbered) || !r.TryAgain() || len(w.arrived()) > 0 {
					t.Fatalf("%+v, arrived %v", r, w.arrived())
				}
			}
			l, err := w.store.Lease(t.Context(), w.account.ID)
			must(t, err)
			a, err := l.Account(t.Context())
			must(t, err)
			a.UIDs = map[string]ledger.UIDState{"adopt": ledger.UIDsAdopting, "resend": ledger.UIDsStable}[word]
			must(t, l.PutAccount(t.Context(), a))
			must(t, l.Release())
			want := map[string]int{"adopt": 0, "resend": 12}[word]
			for range 2 {
				if r := w.poll(); r.Err != nil || len(w.arrived()) != want {
					t.Errorf("%+v, %d arrived, want %d", r, len(w.arrived()), want)
				}
			}
			w.add("new")
			w.poll()
			if len(w.arrived()) != want+1 {
				t.Errorf("%d arrived, want %d", len(w.arrived()), want+1)
			}
		})
	}
}

func TestListingsThatChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.add(many(20)...)
	w.poll()
	var hidden []pop3test.Message
	show := func(from, to int) { // only a part of the mailbox
		w.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
			hidden = append(hidden, ms...)
			return hidden[from:to:to]
		})
		hidden = hidden[:20]
	}
	for _, window := range [][2]int{{0, 0}, {0, 20}, {0, 5}, {5, 10}, {10, 20}, {0, 0}, {0, 20}} {
		w.now.Add(40 * 24 * time.Hour)
		show(window[0], window[1])
		if r := w.poll(); r.Err != nil || r.Forwarded != 0 {
			t.Errorf("window %v: %+v", window, r)
		}
	}
}

func TestGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == 1 {
			return smtptest.Fault{Code: 550, Text: "no"}
		}
		return smtptest.Fault{}
	}}})
	w.add("bad")
	w.poll()
	w.add("m2")
	w.poll()
	keep := w.pop.Messages("leo")
	w.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	w.poll()
	if got := w.states()["uid-bad"]; got != "gone" {
		t.Errorf("it is %s", got)
	}
	w.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return keep })
	w.poll()
	if got := w.states()["uid-bad"]; got != "held" { // it was refused, and still is
		t.Errorf("back on the server it is %s", got)
	}
	same(t, "arrived", w.arrived(), []string{"m2"})
}

// TestYears plays more than a year of one poll a day in a mailbox kept for 30
// days, with mail each day: nothing is lost or comes twice, and the mailbox
// does not grow.
func TestYears(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.KeepFor = 30 * 24 * time.Hour
	const days = 400
	for day := range days {
		w.add(fmt.Sprint("day", day))
		if day%50 == 49 {
			w.now.Add(-36 * time.Hour) // a clock that jumps back
		}
		if r := w.poll(); r.Err != nil {
			t.Fatalf("day %d: %v", day, r.Err)
		}
		w.now.Add(24 * time.Hour)
	}
	if got := w.arrived(); len(got) != days || len(sorted(got)) != days {
		t.Errorf("%d messages arrived, want %d", len(got), days)
	}
	if left := w.left(); len(left) < 29 || len(left) > 34 {
		t.Errorf("%d messages are left, want those of 30 days", len(left))
	}
	n, err := w.store.Prune(t.Context(), w.now.Now().Add(-90*24*time.Hour))
	must(t, err)
	if n < 250 {
		t.Errorf("%d rows pruned", n)
	}
	var rows int
	must(t, w.store.Messages(t.Context(), ledger.Filter{}, func(string, *ledger.Record) error { rows++; return nil }))
	if r := w.poll(); r.Err != nil || r.Forwarded != 0 {
		t.Errorf("after pruning to %d rows: %+v", rows, r)
	}
}

func TestUIDThatComesBackWithAnotherMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.Keep = false
	put := func(name string) {
		w.pop.Add("leo", pop3test.Message{UID: "hash-1", Octets: letter(name)})
	}
	for i, name := range []string{"aa", "aa", "bb", "aa"} { // all of the same size
		put(name)
		if r := w.poll(); r.Err != nil || r.OnServer != 0 {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	if got := strings.Join(w.arrived(), " "); got != "aa bb" {
		t.Errorf("arrived: %s", got)
	}
}

// TestServerThatWasMovedWithMailWithoutHeaders: by TOP they look alike, so they
// are told by what RETR shows.
func TestServerThatWasMovedWithMailWithoutHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	for i := range 12 {
		w.pop.Add("leo", pop3test.Message{UID: fmt.Sprint(i), Octets: fmt.Appendf(nil, "Subject: alike\r\n\r\nbody %d\r\n", i+10)})
	}
	w.poll()
	w.renumber("moved-")
	if r := w.poll(); r.Err != nil || r.Forwarded != 0 || len(w.smtp.Messages()) != 12 {
		t.Errorf("%+v, %d arrived", r, len(w.smtp.Messages()))
	}
}
