package fetcher_test

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
)

func TestTryAgainOnlyIfSomethingIsLeftToDo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		r    result
		want bool
	}{
		"nothing new":                      {result{OnServer: 3}, false},
		"forwarded, held and skipped":      {result{Counts: counts{Forwarded: 1, Held: 2, Skipped: 3}}, false},
		"with a notice":                    {result{Notice: errTest}, false},
		"one deferred":                     {result{Counts: counts{Forwarded: 1, Deferred: 1}}, true},
		"one waiting":                      {result{Waiting: 1}, true},
		"failed":                           {result{OnServer: -1, Err: errTest}, true},
		"not polled, leased":               {result{OnServer: -1, Skip: fetcher.Leased}, false},
		"not polled, too soon":             {result{OnServer: -1, Skip: fetcher.TooSoon}, false},
		"not polled, because it backs off": {result{OnServer: -1, Skip: fetcher.BackingOff}, true},
	} {
		if got := test.r.TryAgain(); got != test.want {
			t.Errorf("%s: to be tried again: %v, want %v", name, got, test.want)
		}
	}
}

func TestSummaryLine(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]result{
		"isp: 12 forwarded, 1 held, 2 deferred, 3 skipped, 18 on server, 1.5 s": {
			Account: "isp", Counts: counts{Forwarded: 12, Held: 1, Deferred: 2, Skipped: 3, Unknown: 1}, OnServer: 18, Duration: 1500 * time.Millisecond,
		},
		"isp: 0 forwarded, 0 held, 0 deferred, 0 skipped, 0 on server, 0.0 s": {Account: "isp", OnServer: -1, Err: errTest},
	} {
		if got := r.Summary(); got != want {
			t.Errorf("summary: %q, want %q", got, want)
		}
	}
}

// A poll that yields is one poll with those that go on with it.
func TestResultAfterYieldIsOfAllTurns(t *testing.T) {
	t.Parallel()
	yielded := result{Account: "isp", Counts: counts{Forwarded: 10, Held: 1, Deferred: 2, Unknown: 1, Octets: 100}, OnServer: 30, Duration: time.Second, Err: fetcher.ErrYielded}
	for name, test := range map[string]struct{ then, want result }{
		"the rest": {
			result{Account: "isp", Counts: counts{Forwarded: 5, Skipped: 1, Octets: 50}, OnServer: 25, Waiting: 2, Duration: time.Second},
			result{Account: "isp", Counts: counts{Forwarded: 15, Held: 1, Deferred: 2, Skipped: 1, Unknown: 1, Octets: 150}, OnServer: 25, Waiting: 2, Duration: 2 * time.Second},
		},
		"no login": {
			result{Account: "isp", OnServer: -1, Err: errTest, Duration: time.Second},
			result{Account: "isp", Counts: yielded.Counts, OnServer: 30, Duration: 2 * time.Second, Err: errTest},
		},
		"a back-off": {
			result{Account: "isp", OnServer: -1, Skip: fetcher.BackingOff},
			result{Account: "isp", Counts: yielded.Counts, OnServer: 30, Duration: time.Second, Skip: fetcher.BackingOff, Err: fetcher.ErrYielded},
		},
	} {
		if got := test.then.After(yielded); got != test.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, test.want)
		}
	}
}
