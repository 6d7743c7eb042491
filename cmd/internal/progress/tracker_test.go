package progress

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// notes is a view that writes down what it is told.
type notes struct {
	said   []string
	closed bool
}

func (n *notes) Interval() (gap, patience time.Duration) { return 250 * time.Millisecond, time.Second }
func (n *notes) Show(s Status)                           { n.said = append(n.said, s.Account+" shown") }
func (n *notes) Done(account string)                     { n.said = append(n.said, account+" gone") }
func (n *notes) Close()                                  { n.closed = true }

// TestBoard: of many polls those are shown that take longer than a second, from
// then until they end.
func TestBoard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var view notes
		b := Watch(&view)
		_, endLong := b.Start("long")
		for i := range 500 {
			counts, end := b.Start(fmt.Sprint("short", i))
			if counts == nil {
				t.Fatal("nothing counts")
			}
			time.AfterFunc(time.Duration(i)*time.Millisecond, end)
		}
		time.Sleep(1100 * time.Millisecond)
		endLong()
		time.Sleep(time.Second)
		_, endLast := b.Start("last")
		b.Stop()
		b.Stop()
		endLast() // too late to be told
		if want := []string{"long shown", "long gone"}; !slices.Equal(view.said, want) || !view.closed {
			t.Errorf("%q, closed %t, want %q", view.said, view.closed, want)
		}
	})
}

// TestSecondPoll: one that finds its account leased, as after a reload, takes
// nothing away from the poll that goes on.
func TestSecondPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var view notes
		b := Watch(&view)
		_, end := b.Start("isp")
		_, endLeased := b.Start("isp")
		endLeased()
		time.Sleep(1100 * time.Millisecond)
		end()
		time.Sleep(time.Second)
		b.Stop()
		if want := []string{"isp shown", "isp gone"}; !slices.Equal(view.said, want) {
			t.Errorf("%q, want %q", view.said, want)
		}
	})
}

// TestNobodyLooks: without a board nothing is counted.
func TestNobodyLooks(t *testing.T) {
	t.Parallel()
	var b *Tracker
	counts, end := b.Start("isp")
	if counts != nil {
		t.Error("somebody counts")
	}
	end()
	b.Stop()
}

// TestLines: a line at 30 s and each 30 s from then on.
func TestLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := Watch(Lines(slog.New(slog.NewTextHandler(&out, nil))))
		_, endShort := b.Start("short")
		_, endLong := b.Start("long")
		time.Sleep(29 * time.Second)
		endShort()
		time.Sleep(32 * time.Second)
		endLong()
		time.Sleep(time.Minute)
		b.Stop()
		if n := strings.Count(out.String(), "msg=polling account=long done=0 messages=0 fetched=0 octets=0 rate=0 left=0s"); n != 2 || strings.Contains(out.String(), "short") {
			t.Errorf("%d lines in\n%s", n, out.String())
		}
	})
}
