package outcome

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func TestAttemptNextDoublesToSixHoursThenOnceADay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		age    time.Duration
		number int
		want   time.Duration
	}{
		{0, 1, time.Minute},
		{time.Minute, 2, 2 * time.Minute},
		{time.Hour, 9, 256 * time.Minute},
		{time.Hour, 10, 6 * time.Hour},
		{4 * 24 * time.Hour, 1000, 6 * time.Hour},
		{5 * 24 * time.Hour, 1, 24 * time.Hour},
	} {
		a := Attempt{Now: noon, First: noon.Add(-test.age), Number: test.number}
		if got := a.Next().Sub(noon); got != test.want {
			t.Errorf("attempt %d after %v waits %v, want %v", test.number, test.age, got, test.want)
		}
	}
}

// TestAttemptNextUnderAWrongClock: where the age is not known the tries tell it.
func TestAttemptNextUnderAWrongClock(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]time.Time{
		"first tried in 1970": time.Unix(60, 0),
		"first tried in 2100": time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		waited := time.Duration(0)
		for number := 1; waited < retryHorizon; number++ {
			wait := Attempt{Now: noon.Add(waited), First: first, Number: number}.Next().Sub(noon.Add(waited))
			if want := exponential(firstWait, longestWait, number); wait != want {
				t.Fatalf("%s: try %d after %v waits %v, want %v", name, number, waited, wait, want)
			}
			waited += wait
		}
		if wait := (Attempt{Now: noon, First: first, Number: 100}).Next().Sub(noon); wait != slowRetryInterval {
			t.Errorf("%s: try 100 waits %v, want %v", name, wait, slowRetryInterval)
		}
	}
}

func TestPollAndLoginBackoffDouble(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][2]time.Duration{
		1: {time.Minute, 10 * time.Minute}, 2: {2 * time.Minute, 20 * time.Minute},
		7: {time.Hour, 640 * time.Minute}, 9: {time.Hour, 24 * time.Hour}, 1000: {time.Hour, 24 * time.Hour},
	} {
		if poll, login := PollBackoff(n), LoginBackoff(n); poll != want[0] || login != want[1] {
			t.Errorf("failure %d: polls wait %v and logins %v, want %v and %v", n, poll, login, want[0], want[1])
		}
	}
}

// TestWaitsThatAreAskedFor: a destination is given the time that it asks for, in a
// poll up to two minutes and between polls up to a day.
func TestWaitsThatAreAskedFor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		times int
		asked time.Duration
		want  time.Duration // 0: it is not sent again
	}{
		{0, 0, time.Second}, {2, 0, 15 * time.Second}, {3, 0, 0}, {3, time.Second, 0},
		{0, 30 * time.Second, 30 * time.Second}, {2, 2 * time.Second, 15 * time.Second}, {0, 2 * time.Minute, 2 * time.Minute}, {0, 2*time.Minute + 1, 0},
	} {
		if got, ok := ThrottleWait(test.times, test.asked); got != test.want || ok != (test.want > 0) {
			t.Errorf("%d times, asked for %v: %v and %v, want %v", test.times, test.asked, got, ok, test.want)
		}
	}
	for asked, want := range map[time.Duration]time.Duration{0: time.Minute, 5 * time.Minute: 5 * time.Minute, 1000 * time.Hour: 24 * time.Hour} {
		if got := RouteBackoff(1, asked); got != want {
			t.Errorf("asked for %v: %v, want %v", asked, got, want)
		}
	}
}

func TestLateAfterFiveDays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 8, 0, 0, 0, time.UTC)
	today, longAgo, ahead := now.Add(-time.Hour), now.AddDate(0, 0, -5), now.AddDate(0, 0, 5)
	for name, test := range map[string]struct {
		seen, first time.Time
		attempts    int
		want        bool
	}{
		"tried since today":                        {longAgo, today, 5, false},
		"tried for five days":                      {longAgo, longAgo, 28, true},
		"could not be fetched for five days":       {longAgo, time.Time{}, 28, true},
		"never tried":                              {longAgo, time.Time{}, 0, false},
		"first tried under a clock that ran ahead": {longAgo, ahead, 29, true},
	} {
		rec := &ledger.Record{FirstAttempt: test.first, FirstSeen: test.seen}
		rec.Attempts = test.attempts
		if got := Late(rec, now); got != test.want {
			t.Errorf("%s: late %t, want %t", name, got, test.want)
		}
	}
}
