package smtp

import (
	"testing"
	"time"
)

// TestCapacity: how many transactions a session takes at a time.
func TestCapacity(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fresh           bool // no message was answered yet
		ext             extensions
		distinguishable bool
		lmtp            bool
		learnt          []fact
		want            int
	}{
		"no extensions":                        {want: 1},
		"PIPELINING":                           {ext: extensions{pipelining: true}, want: 2},
		"PIPELINING, the first message":        {fresh: true, ext: extensions{pipelining: true}, want: 1},
		"PIPELINING, nothing behind a dot":     {ext: extensions{pipelining: true}, learnt: []fact{noPipeliningBehindDot}, want: 1},
		"PIPELINING that does not work":        {ext: extensions{pipelining: true, chunking: true}, distinguishable: true, learnt: []fact{noPipelining}, want: 1},
		"CHUNKING without PIPELINING":          {ext: extensions{chunking: true}, distinguishable: true, want: 1},
		"CHUNKING":                             {ext: extensions{pipelining: true, chunking: true}, distinguishable: true, want: 32},
		"CHUNKING, the first message":          {fresh: true, ext: extensions{pipelining: true, chunking: true}, want: 1},
		"CHUNKING, nothing behind a dot":       {ext: extensions{pipelining: true, chunking: true}, distinguishable: true, learnt: []fact{noPipeliningBehindDot}, want: 32},
		"CHUNKING, by DATA, nothing behind it": {ext: extensions{pipelining: true, chunking: true}, learnt: []fact{noPipeliningBehindDot}, want: 1},
		"CHUNKING that does not work":          {ext: extensions{pipelining: true, chunking: true}, distinguishable: true, learnt: []fact{noBDAT}, want: 2},
		"CHUNKING in LMTP":                     {ext: extensions{pipelining: true, chunking: true}, distinguishable: true, lmtp: true, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{LMTP: tt.lmtp}.withDefaults()
			s := &session{o: &o, quirk: newQuirks(&o), ext: tt.ext, used: !tt.fresh}
			s.signatures.distinguishable.Store(tt.distinguishable)
			for _, f := range tt.learnt {
				s.quirk.suspect(f)
			}
			if got := s.capacity(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// TestMaxSessions: a server that refused more gets one more an hour.
func TestMaxSessions(t *testing.T) {
	t.Parallel()
	seen := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	now := seen
	o := Options{Now: func() time.Time { return now }}.withDefaults()
	q := newQuirks(&o)
	if got := q.maxSessions(4); got != 4 {
		t.Errorf("nothing was seen: %d sessions, want 4", got)
	}
	q.limitSessions(1)
	for after, want := range map[time.Duration]int{
		0: 1, 59 * time.Minute: 1, time.Hour: 2, 2 * time.Hour: 3, 3 * time.Hour: 4, 1000 * time.Hour: 4,
		-time.Hour:                 1, // the clock was set back
		-70 * 365 * 24 * time.Hour: 4, // it was far ahead
	} {
		now = seen.Add(after)
		if got := q.maxSessions(4); got != want {
			t.Errorf("after %v: %d sessions, want %d", after, got, want)
		}
	}
	now = seen
	if q.limitSessions(0); q.maxSessions(4) != 1 {
		t.Error("no session, want at least one")
	}
}

// TestThrottledOnce: of several messages that are refused because of one session
// too many, only the first ends a session.
func TestThrottledOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	o := Options{Now: func() time.Time { return now }}.withDefaults()
	q := &queue{now: o.Now, quirks: newQuirks(&o), window: newWindow(4, 32)}
	for range 4 {
		q.sessions = append(q.sessions, &session{load: 1})
	}
	all := q.sessions
	throttled := func(what string, s *session, began time.Time, want int) {
		t.Helper()
		q.onThrottled(s, began)
		if got := q.quirks.maxSessions(4); got != want {
			t.Errorf("%s: %d sessions, want %d", what, got, want)
		}
	}
	throttled("the first", all[0], now, 3)
	throttled("another one, with four sessions", all[1], now, 3)
	began := now
	now = now.Add(5 * time.Second)
	q.forget(all[0])
	q.noteEnd(all[0])
	throttled("one that began with four", all[1], began, 3)
	throttled("one that began when the server may not have noticed", all[1], now, 3)
	now = now.Add(2 * time.Second)
	all[2].load = 2
	throttled("one that began with three, only just after", all[1], now, 1)
	for i, want := range []bool{true, true, false, true} {
		if got := all[i].over.Load(); got != want {
			t.Errorf("session %d is over: %v, want %v", i+1, got, want)
		}
	}
	for _, s := range []*session{all[1], all[3]} {
		q.forget(s)
		q.noteEnd(s)
	}
	now = now.Add(2 * time.Second)
	throttled("the last one stays", all[2], now, 1)
	if all[2].over.Load() {
		t.Error("the last session is over, want it to stay")
	}
}
