package fetcher_test

import (
	"context"
	"net"
	"testing"
	"time"
)

// A clock that was ahead once, when the account was told to wait, does not keep it
// waiting for years.
func TestBackoffSetByAClockAheadEnds(t *testing.T) {
	t.Parallel()
	const decade = 10 * 365 * 24 * time.Hour
	f := newFixture(t, faults{})
	dial := f.account.Source.Dial
	f.account.Source.Dial = func(context.Context) (net.Conn, error) { return nil, errTest }
	f.now.Add(decade)
	wantResult(t, f.pollBySchedule(), result{OnServer: -1, Err: errTest})
	f.account.Source.Dial = dial
	f.now.Add(7*24*time.Hour - decade)
	f.add("m1")
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1}, OnServer: 1})
}
