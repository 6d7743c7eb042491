package doubt_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/doubt"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// memory is the messages of an account.
type memory struct {
	rows []*ledger.Record
	puts int
	err  error
}

func (m *memory) Marked(context.Context) (marked []*ledger.Record, err error) {
	for _, r := range m.rows {
		if r.Mark != "" {
			marked = append(marked, r)
		}
	}
	return marked, m.err
}

func (m *memory) Put(_ context.Context, recs ...*ledger.Record) error {
	m.puts += len(recs)
	return m.err
}

// inbox is a destination that has the messages of these traces.
type inbox struct {
	has    []string
	err    error
	sought []forwarder.Sought
}

func (b *inbox) Find(_ context.Context, sought []forwarder.Sought) ([]bool, error) {
	b.sought = sought
	found := make([]bool, len(sought))
	for i, s := range sought {
		found[i] = slices.Contains(b.has, s.Trace)
	}
	return found, b.err
}

func (b *inbox) Traces(context.Context, string) (map[string]bool, error) { panic("not asked for") }

func marked(trace string, since time.Time) *ledger.Record {
	return &ledger.Record{
		Known: ledger.Known{ID: 7, UID: trace, State: ledger.Unknown, CopyFile: "7-copy.eml", NextAttempt: noon, Cause: ledger.Cause{Code: ledger.CauseInterrupted}},
		Trace: trace, TraceLines: "Received: here\r\n", Mark: `"INBOX" 3 9`, DoubtSince: since,
		Excerpt:    ledger.Excerpt{MessageID: "<1@example.org>", Subject: "s"},
		Recipients: []ledger.Recipient{{Address: "INBOX", State: ledger.Unknown, Attempts: 2, Doubts: 1}},
	}
}

// settle looks for one message, and returns whether it has to wait.
func settle(t *testing.T, rec *ledger.Record, b *inbox) (doubt.Result, bool) {
	t.Helper()
	return settleAfter(t, rec, b, time.Time{})
}

// settleAfter is settle when the destination could not be asked since then.
func settleAfter(t *testing.T, rec *ledger.Record, b *inbox, failed time.Time) (doubt.Result, bool) {
	t.Helper()
	res, err := doubt.Settle(t.Context(), &memory{rows: []*ledger.Record{rec}}, b, failed, noon)
	if err != nil {
		t.Fatal(err)
	}
	return res, res.Waiting[rec.ID]
}

func TestSkippedMessageStaysSkippedUntilRetried(t *testing.T) {
	t.Parallel()
	rec := marked("t1", noon.Add(-time.Hour))
	rec.Skip()
	b := &inbox{has: []string{"t1"}}
	if res, _ := settle(t, rec, b); rec.State != ledger.Skipped || len(res.Arrived) > 0 || len(b.sought) > 0 {
		t.Errorf("a skipped message is %s now, %d have arrived, %d were looked for; want it left alone", rec.State, len(res.Arrived), len(b.sought))
	}
	rec.Retry(noon)
	if _, waits := settle(t, rec, b); rec.State != ledger.Forwarded || waits {
		t.Errorf("the message is %s after retry, want it found", rec.State)
	}
}

func TestMessageThatHasArrivedIsForwarded(t *testing.T) {
	t.Parallel()
	for _, state := range []ledger.State{ledger.Unknown, ledger.Deferred, ledger.Held} {
		rec := marked("t1", noon.Add(-time.Second))
		rec.State = state
		b := &inbox{has: []string{"t1"}}
		res, waits := settle(t, rec, b)
		if len(res.Arrived) != 1 || waits || !slices.Equal(res.Copies, []string{"7-copy.eml"}) {
			t.Errorf("%v: %d have arrived, waits %v, copies %v; want 1, false, that of the message", state, len(res.Arrived), waits, res.Copies)
		}
		if rec.State != ledger.Forwarded || !rec.ForwardedAt.Equal(noon) || rec.Recipients[0].State != ledger.Forwarded || rec.Recipients[0].Doubts != 0 {
			t.Errorf("%v: the row is %+v, want it forwarded", state, rec)
		}
		if rec.Mark+rec.CopyFile+rec.TraceLines+rec.Excerpt.Subject+rec.Cause.Code != "" || !rec.DoubtSince.IsZero() || !rec.NextAttempt.IsZero() {
			t.Errorf("%v: the row still has what only one in doubt needs: %+v", state, rec)
		}
		want := forwarder.Sought{Mark: forwarder.Mark{Folder: forwarder.Place{Name: "INBOX", Validity: 3, Next: 9}}, Folder: "INBOX", Trace: "t1", MessageID: "<1@example.org>"}
		if len(b.sought) != 1 || b.sought[0] != want {
			t.Errorf("%v: looked for %+v, want %+v", state, b.sought, want)
		}
	}
}

func TestMessageThatIsNotThereWaits(t *testing.T) {
	t.Parallel()
	away := errors.New("no route to host")
	never, yesterday := time.Time{}, noon.Add(-24*time.Hour)
	for name, tt := range map[string]struct {
		since  time.Time
		err    error
		failed time.Time // when it could not be asked for the first time
		waits  bool
		then   time.Time // DoubtSince afterwards
	}{
		"just cut off":                        {noon, nil, never, true, noon},
		"not long enough ago":                 {noon.Add(-299 * time.Second), nil, never, true, noon.Add(-299 * time.Second)},
		"long enough ago":                     {noon.Add(-5 * time.Minute), nil, never, false, noon.Add(-5 * time.Minute)},
		"it can be asked again":               {noon.Add(-5 * time.Minute), nil, noon.Add(-time.Hour), false, noon.Add(-5 * time.Minute)},
		"popferry ended in the middle":        {time.Time{}, nil, never, true, noon},
		"by a clock that was set back":        {noon.Add(time.Hour), nil, never, true, noon},
		"the destination cannot be asked":     {noon.Add(-time.Hour), away, never, true, noon.Add(-time.Hour)},
		"it could not be asked for a day":     {yesterday.Add(-time.Hour), away, yesterday, false, yesterday.Add(-time.Hour)},
		"it cannot be asked a day later":      {yesterday, away, never, true, yesterday},
		"nor a moment before that":            {yesterday, away, noon.Add(-time.Minute), true, yesterday},
		"not by a clock that was set back":    {yesterday, away, noon.Add(time.Hour), true, yesterday},
		"killed, and it could not be asked":   {time.Time{}, away, yesterday, true, noon},
		"cut off while it could not be asked": {noon, away, yesterday, true, noon},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := marked("t1", tt.since)
			res, waits := settleAfter(t, rec, &inbox{err: tt.err}, tt.failed)
			failed := tt.failed
			switch {
			case tt.err == nil:
				failed = never
			case failed.IsZero() || failed.After(noon):
				failed = noon
			}
			if !res.FailedSince.Equal(failed) {
				t.Errorf("it could not be asked since %v, want %v", res.FailedSince, failed)
			}
			if waits != tt.waits || !rec.DoubtSince.Equal(tt.then) || rec.Mark == "" || rec.State != ledger.Unknown {
				t.Errorf("waits %v, in doubt since %v, mark %q, %v; want %v, %v, a mark, unknown", waits, rec.DoubtSince, rec.Mark, rec.State, tt.waits, tt.then)
			}
			if !errors.Is(res.Err, tt.err) {
				t.Errorf("error %v, want %v", res.Err, tt.err)
			}
		})
	}
}

func TestWithoutDoubtsNobodyIsAsked(t *testing.T) {
	t.Parallel()
	rec := marked("t1", noon)
	rec.Mark = ""
	b := &inbox{err: errors.New("asked")}
	rows := &memory{rows: []*ledger.Record{rec}}
	if res, err := doubt.Settle(t.Context(), rows, b, time.Time{}, noon); err != nil || res.Err != nil || b.sought != nil || rows.puts > 0 {
		t.Errorf("%v, %v, looked for %v, %d rows written; want nothing", err, res.Err, b.sought, rows.puts)
	}
	rec.Mark = `"INBOX" 3 9`
	if res, err := doubt.Settle(t.Context(), rows, nil, time.Time{}, noon); err != nil || len(res.Waiting) > 0 || rows.puts > 0 {
		t.Errorf("without a finder: %v, %v, %d rows written; want nothing", err, res.Waiting, rows.puts)
	}
}

func TestLedgerFailure(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	if _, err := doubt.Settle(t.Context(), &memory{err: full}, &inbox{}, time.Time{}, noon); !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
}

// TestMark: what is noted before and after an attempt.
func TestMark(t *testing.T) {
	t.Parallel()
	place := func(folder string, validity, next uint32) forwarder.Mark {
		return forwarder.Mark{Folder: forwarder.Place{Name: folder, Validity: validity, Next: next}}
	}
	old := place("INBOX", 3, 9)
	for name, at := range map[string]struct{ now, want forwarder.Mark }{
		"the same folder, grown":     {place("INBOX", 3, 12), old},
		"another folder":             {place("Work", 3, 12), place("Work", 3, 12)},
		"a folder that was replaced": {place("INBOX", 4, 12), place("INBOX", 4, 12)},
		"UIDs that went back":        {place("INBOX", 3, 8), place("INBOX", 3, 8)},
		"not to be looked at":        {forwarder.Mark{}, forwarder.Mark{}},
	} {
		rec := marked("t1", noon)
		rec.Mark = old.String()
		doubt.Begin(rec, at.now)
		if rec.Mark != at.want.String() || !rec.DoubtSince.IsZero() {
			t.Errorf("%s: mark %q since %v, want %q since none", name, rec.Mark, rec.DoubtSince, at.want)
		}
	}
	for name, tt := range map[string]struct {
		state   ledger.State
		inDoubt bool
		before  string
		mark    string
		since   time.Time
	}{
		"forwarded":             {ledger.Forwarded, false, "older", "", time.Time{}},
		"cut off":               {ledger.Unknown, true, "", "new", noon},
		"held for its doubts":   {ledger.Held, true, "", "new", noon},
		"refused":               {ledger.Held, false, "", "", time.Time{}},
		"refused after a doubt": {ledger.Deferred, false, "older", "older", noon.Add(-time.Hour)},
	} {
		rec, before := marked("t1", time.Time{}), marked("t1", time.Time{})
		rec.State, rec.Mark = tt.state, "new"
		if before.Mark = tt.before; tt.before != "" {
			before.DoubtSince = noon.Add(-time.Hour)
		}
		doubt.Conclude(rec, before, tt.inDoubt, noon)
		if rec.Mark != tt.mark || !rec.DoubtSince.Equal(tt.since) {
			t.Errorf("%s: mark %q since %v, want %q since %v", name, rec.Mark, rec.DoubtSince, tt.mark, tt.since)
		}
	}
}

// TestEachIsSettledByItself: one that has arrived, one that waits and one that is
// sent again.
func TestEachIsSettledByItself(t *testing.T) {
	t.Parallel()
	a, b, c := marked("a", noon), marked("b", noon), marked("c", noon.Add(-time.Hour))
	a.ID, b.ID, c.ID = 1, 2, 3
	rows := &memory{rows: []*ledger.Record{a, b, c}}
	res, err := doubt.Settle(t.Context(), rows, &inbox{has: []string{"a"}}, time.Time{}, noon)
	if err != nil || !maps.Equal(res.Waiting, map[int64]bool{2: true}) || len(res.Arrived) != 1 || rows.puts != 1 {
		t.Errorf("%v, waiting %v, %d have arrived, %d rows written; want 2 waiting, 1, 1", err, res.Waiting, len(res.Arrived), rows.puts)
	}
}

// Known, Record and Put are those of doubt.AllRows.
func (m *memory) Known(context.Context) (*ledger.Rows, error) {
	rows := ledger.NewRows(len(m.rows))
	for _, r := range m.rows {
		rows.Add(&r.Known)
	}
	return rows, m.err
}

func (m *memory) Record(_ context.Context, id int64) (*ledger.Record, error) {
	for _, r := range m.rows {
		if r.ID == id {
			return r, nil
		}
	}
	return nil, ledger.ErrNotFound
}

// TestAll: what was sent and is not known to have arrived is looked for anywhere, and the
// rest is not.
func TestAll(t *testing.T) {
	t.Parallel()
	at := func(id int64, state ledger.State, trace, mark string) *ledger.Record {
		return &ledger.Record{Known: ledger.Known{ID: id, State: state}, Trace: trace, Mark: mark, DoubtSince: noon}
	}
	m := &memory{rows: []*ledger.Record{
		at(1, ledger.Deferred, "t1", ""), at(2, ledger.Held, "t2", ""), at(3, ledger.Unknown, "t3", `"INBOX" 3 9`),
		at(4, ledger.Deferred, "", ""), at(5, ledger.Forwarded, "t5", ""), at(6, ledger.Skipped, "t6", ""),
	}}
	if err := doubt.All(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	anywhere := forwarder.Anywhere().String()
	for i, want := range []string{anywhere, anywhere, `"INBOX" 3 9`, "", "", ""} {
		if got := m.rows[i].Mark; got != want {
			t.Errorf("row %d has the mark %q, want %q", i+1, got, want)
		}
	}
	if m.puts != 2 || !m.rows[0].DoubtSince.IsZero() {
		t.Errorf("%d rows written, in doubt since %v; want 2, from the next look on", m.puts, m.rows[0].DoubtSince)
	}
	if back, err := forwarder.ParseMark(anywhere); err != nil || back != forwarder.Anywhere() {
		t.Errorf("the mark is read back as %+v, %v", back, err)
	}
}
