package fetcher_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
)

// TestBackoffSetByAClockAheadEnds once, when an account was told to wait, does not keep
// it waiting for years.
func TestBackoffSetByAClockAheadEnds(t *testing.T) {
	t.Parallel()
	const decade = 10 * 365 * 24 * time.Hour
	f := newFixture(t, faults{})
	dial := f.account.Source.Dial
	f.account.Source.Dial = func(context.Context) (net.Conn, error) { return nil, errTest }
	f.now.Add(decade)
	f.pollAs(false)
	f.account.Source.Dial = dial
	f.now.Add(7*24*time.Hour - decade)
	f.add("m1")
	if r := f.pollAs(false); r.Skip != fetcher.NotSkipped || r.Forwarded != 1 {
		t.Errorf("%+v", r)
	}
}
