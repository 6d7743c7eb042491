package smtp_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// TestFactsAreKeptForTheNextPool: also as JSON. One that was seen once lasts for
// an hour, and one that is proven for 30 days.
func TestFactsAreKeptForTheNextPool(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	freely := piped + whole + ok + whole + envelope + "C: DATA\n" + ok + ok + ok + go354 + line + "C: .\n" + ok + bye
	notBehindDot := piped + whole + ok + whole + "C-\n" + ok + whole + ok + bye
	inLockstep := piped + strings.Repeat(lockstep, 3) + bye
	behindDot := func(s forwarder.Sighting) smtp.Facts { return smtp.Facts{NoPipeliningBehindDot: s} }
	pipelining := func(s forwarder.Sighting) smtp.Facts { return smtp.Facts{NoPipelining: s} }
	for _, tt := range []struct {
		name   string
		facts  func(forwarder.Sighting) smtp.Facts
		seen   int
		ago    time.Duration
		script string
	}{
		{"proven", behindDot, 2, 29 * day, notBehindDot},
		{"proven long ago", behindDot, 2, 30 * day, freely},
		{"seen once", pipelining, 1, 59 * time.Minute, inLockstep},
		{"seen once, a while ago", pipelining, 1, time.Hour, freely},
		{"seen by a clock that was ahead", pipelining, 2, -30 * day, freely},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, tt.script)
				o := options(peer)
				o.Connections = 1
				text, err := json.Marshal(tt.facts(forwarder.Sighting{At: time.Now().Add(-tt.ago), Count: tt.seen}))
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(text, &o.Facts); err != nil {
					t.Fatal(err)
				}
				p := smtp.New(o)
				if got := p.Facts(); !reflect.DeepEqual(got, o.Facts) {
					t.Errorf("the pool begins with %+v, want %+v", got, o.Facts)
				}
				wantAccepted(t, p, 1)
				wantAccepted(t, p, 2)
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// wantAccepted delivers so many messages at once.
func wantAccepted(t *testing.T, p *smtp.Pool, n int) {
	t.Helper()
	var calls sync.WaitGroup
	for range n {
		calls.Go(func() {
			if out, err := deliver(t.Context(), p, message("hi\r\n"), ready); describe(out) != "accepted dot 250 ok" || err != nil {
				t.Errorf("got %q and %v, want it accepted", describe(out), err)
			}
		})
		synctest.Wait() // so that they come in order
	}
	calls.Wait()
}

// TestSecondSightingLasts: two silences an hour apart are no accident.
func TestSecondSightingLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent := piped + envelope + "C: DATA\n" + ok + "C!"
		peer := newPeer(t, silent, silent, piped+lockstep+bye)
		o := options(peer)
		for i, want := range []string{"broken rcpt read pipe: i/o timeout", "broken rcpt read pipe: i/o timeout", "accepted dot 250 ok"} {
			p := smtp.New(o)
			out, err := deliver(t.Context(), p, message("hi\r\n"), ready)
			if got := describe(out); got != want || err != nil {
				t.Errorf("message %d: got %q and %v, want %q", i+1, got, err, want)
			}
			if got := p.Facts().NoPipelining.Count; got != min(i+1, 2) {
				t.Errorf("message %d: seen %d times, want %d", i+1, got, min(i+1, 2))
			}
			o.Facts = p.Facts()
			_ = p.Close()
			time.Sleep(2 * time.Hour)
		}
		peer.done()
	})
}
