package app

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
)

// fakeShared is a shared ledger.
type fakeShared struct {
	ledger.Store
	ahead time.Duration
	tell  func(postgres.Failover)
	lossy bool
}

func (f *fakeShared) Now() time.Time                             { return time.Now().Add(f.ahead) }
func (f *fakeShared) Ahead() time.Duration                       { return f.ahead }
func (f *fakeShared) OnFailover(tell func(postgres.Failover))    { f.tell = tell }
func (f *fakeShared) Asynchronous(context.Context) (bool, error) { return f.lossy, nil }

// TestClockOff: the clocks differ by more than a minute. That is said once, and again
// when it comes back.
func TestClockOff(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	f := &fakeShared{}
	s := watchShared(f, slog.New(slog.NewTextHandler(&out, nil)))
	for i, tt := range []struct {
		ahead    time.Duration
		off      bool
		warnings int
	}{{time.Minute, false, 0}, {61 * time.Second, true, 1}, {2 * time.Minute, true, 1}, {0, false, 1}, {-2 * time.Minute, true, 2}} {
		f.ahead = tt.ahead
		if off := s.clockOff(); off != tt.off {
			t.Errorf("%d: ahead by %v: off is %v, want %v", i, tt.ahead, off, tt.off)
		}
		if n := strings.Count(out.String(), "the clocks of the ledger's database and of this machine differ"); n != tt.warnings {
			t.Errorf("%d: %d warnings, want %d", i, n, tt.warnings)
		}
	}
	if now := ledger.Now(f); time.Since(now).Round(time.Minute) != 2*time.Minute {
		t.Errorf("the time for the ledger is %v, want the database's", now)
	}
	if s := watchShared(nil, nil); s.clockOff() {
		t.Error("the clock of this machine's own ledger is off")
	}
}

// TestFailoverIsLogged: with both timelines, and what it means for the mail.
func TestFailoverIsLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	f := &fakeShared{}
	watchShared(f, slog.New(slog.NewTextHandler(&out, nil)))
	f.tell(postgres.Failover{Was: "7/1", Is: "7/2"})
	for _, want := range []string{"had a failover", "comes twice", "timeline_before=7/1", "timeline=7/2"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("logged %q, want %q in it", out.String(), want)
		}
	}
}

// TestLedgerWarnings: of standbys that the database does not wait for.
func TestLedgerWarnings(t *testing.T) {
	t.Parallel()
	if got := LedgerWarnings(t.Context(), &fakeShared{}); len(got) > 0 {
		t.Errorf("got %q, want none", got)
	}
	got := LedgerWarnings(t.Context(), &fakeShared{lossy: true})
	if len(got) != 1 || !strings.Contains(got[0], "synchronous_standby_names is empty") {
		t.Errorf("got %q, want one that names the setting", got)
	}
}
