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

// notes is a View that records its calls.
type notes struct {
	said   []string
	closed bool
}

func (n *notes) Interval() (every, delay time.Duration) { return 250 * time.Millisecond, time.Second }
func (n *notes) Show(s Status)                          { n.said = append(n.said, s.Account+" shown") }
func (n *notes) Done(account string)                    { n.said = append(n.said, account+" gone") }
func (n *notes) Close()                                 { n.closed = true }

// TestTrackerShowsLongPolls: of many polls only those that take longer than a
// second are shown, until they end.
func TestTrackerShowsLongPolls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var view notes
		tracker := Watch(&view)
		_, endLong := tracker.Start("long")
		for i := range 500 {
			counts, end := tracker.Start(fmt.Sprint("short", i))
			if counts == nil {
				t.Fatal("got no counts, want some")
			}
			time.AfterFunc(time.Duration(i)*time.Millisecond, end)
		}
		time.Sleep(1100 * time.Millisecond)
		endLong()
		time.Sleep(time.Second)
		_, endLast := tracker.Start("last")
		tracker.Stop()
		tracker.Stop()
		endLast() // too late to be shown
		if want := []string{"long shown", "long gone"}; !slices.Equal(view.said, want) || !view.closed {
			t.Errorf("got %q, closed %t; want %q, closed", view.said, view.closed, want)
		}
	})
}

// TestTrackerSecondPoll: a poll that finds its account leased, as after a reload,
// does not affect the running one.
func TestTrackerSecondPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var view notes
		tracker := Watch(&view)
		_, end := tracker.Start("isp")
		_, endLeased := tracker.Start("isp")
		endLeased()
		time.Sleep(1100 * time.Millisecond)
		end()
		time.Sleep(time.Second)
		tracker.Stop()
		if want := []string{"isp shown", "isp gone"}; !slices.Equal(view.said, want) {
			t.Errorf("got %q, want %q", view.said, want)
		}
	})
}

// TestNilTracker: without a tracker nothing is counted.
func TestNilTracker(t *testing.T) {
	t.Parallel()
	var tracker *Tracker
	counts, end := tracker.Start("isp")
	if counts != nil {
		t.Error("got counts, want none")
	}
	end()
	tracker.Stop()
}

// TestLines: a line every 30 s, the first one after 30 s.
func TestLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		tracker := Watch(Lines(slog.New(slog.NewTextHandler(&out, nil))))
		_, endShort := tracker.Start("short")
		_, endLong := tracker.Start("long")
		time.Sleep(29 * time.Second)
		endShort()
		time.Sleep(32 * time.Second)
		endLong()
		time.Sleep(time.Minute)
		tracker.Stop()
		if n := strings.Count(out.String(), "msg=polling account=long done=0 messages=0 fetched=0 octets=0 rate=0 left=0s"); n != 2 || strings.Contains(out.String(), "short") {
			t.Errorf("got %d lines about long, want 2 and none about short in\n%s", n, out.String())
		}
	})
}
