package postgres_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
)

// octets is a message that fails for the first times it is read.
type octets struct {
	content []byte
	fail    int
}

func (o *octets) WriteTo(w io.Writer) (int64, error) {
	if o.fail--; o.fail >= 0 {
		_, _ = w.Write(o.content[:len(o.content)/2])
		return 0, errTest
	}
	n, err := w.Write(o.content)
	return int64(n), err
}

var errTest = errors.New("read error of the test")

// TestCopies: a copy is there with its row, for every holder of the lease, and goes
// with it.
func TestCopies(t *testing.T) {
	f := setup(t, shared(t))
	for _, size := range []int{0, 1, 256 << 10, 256<<10 + 1, 3 << 20} {
		l := f.lease(f.store).(*postgres.Lease)
		content := bytes.Repeat([]byte("\x00\xff\r\n"), size/4+1)[:size]
		rec := &ledger.Record{Known: ledger.Known{UID: "kept", State: ledger.Deferred, CopyFile: "1-a-b.eml"}}
		l.StageCopy(rec.CopyFile, &octets{content, 1})
		f.wants("a copy that cannot be read", l.Put(t.Context(), rec), errTest)
		f.wantCopies(l)
		f.must(l.Put(t.Context(), &ledger.Record{Known: ledger.Known{UID: "other", State: ledger.Held}}, rec))
		f.must(l.Release())

		l = f.leaseSoon(f.open("second")).(*postgres.Lease)
		f.wantCopies(l, rec.CopyFile)
		f.wantCopy(l, rec.CopyFile, content)
		rec.Attempts++
		f.must(l.Put(t.Context(), rec)) // a change that leaves the copy alone
		f.wantCopy(l, rec.CopyFile, content)
		rec.State, rec.CopyFile = ledger.Forwarded, ""
		f.must(l.Put(t.Context(), rec))
		f.wantCopies(l)
		_, err := l.OpenCopy("1-a-b.eml")
		f.wants("a copy that is gone", err, fs.ErrNotExist)
		_, err = l.Forget(t.Context())
		f.must(err)
		f.must(l.Release())
		accounts, err := f.store.Claim(t.Context(), []ledger.Identity{{Name: "isp", Username: "leo", Host: "pop.example.net"}})
		f.must(err)
		f.account = accounts[0].ID
	}
}

// TestCopySettledLate: a copy that is part of an outcome is written with it, though
// the lease was lost.
func TestCopySettledLate(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store).(*postgres.Lease)
	r := intent()
	f.must(l.Put(t.Context(), r))
	f.cut(f.name)
	outcome := *r
	outcome.State, outcome.CopyFile = ledger.Deferred, "1-a-b.eml"
	l.StageCopy(outcome.CopyFile, &octets{[]byte("octets"), 0})
	f.until("it is settled", func() error { return l.Settle(t.Context(), r, &outcome) })
	f.must(l.Release())
	f.wantCopy(f.lease(f.store).(*postgres.Lease), outcome.CopyFile, []byte("octets"))
}

func (f *fixture) wantCopies(l *postgres.Lease, want ...string) {
	f.Helper()
	names, err := l.CopyNames(f.Context())
	if err != nil || len(names) != len(want) || len(want) > 0 && names[0] != want[0] {
		f.Errorf("copies %v, %v, want %v", names, err, want)
	}
}

func (f *fixture) wantCopy(l *postgres.Lease, name string, want []byte) {
	f.Helper()
	from, err := l.OpenCopy(name)
	f.must(err)
	var got bytes.Buffer
	if _, err := from.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), want) {
		f.Errorf("a copy of %d octets, %v, want the %d that were kept", got.Len(), err, len(want))
	}
}

// TestQuarantine: what was put into quarantine is there with the row of its message, or
// neither is. It stays when the row goes.
func TestQuarantine(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store).(*postgres.Lease)
	content := bytes.Repeat([]byte("refused\r\n"), 100_000)
	r := intent()
	f.must(l.Put(t.Context(), r))
	l.StageQuarantine(r.Trace, &octets{content, 1})
	f.wants("octets that cannot be read", l.Settle(t.Context(), r, forwarded(r)), errTest)
	f.wantState(ledger.Sending)
	f.wantQuarantine(f.store)
	f.must(l.Settle(t.Context(), r, forwarded(r)))
	f.wantState(ledger.Forwarded)
	_, err := l.Forget(t.Context())
	f.must(err)

	other := f.open("second")
	f.wantQuarantine(other, ledger.Quarantined{Trace: r.Trace, Account: "isp", Size: int64(len(content))})
	from, err := other.OpenQuarantine(t.Context(), r.Trace)
	f.must(err)
	var got bytes.Buffer
	if _, err := from.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), content) {
		t.Errorf("%d octets, %v, want the %d that were put there", got.Len(), err, len(content))
	}
	f.must(other.DropQuarantine(t.Context(), r.Trace))
	f.wants("deleting it once more", other.DropQuarantine(t.Context(), r.Trace), ledger.ErrNotFound)
	_, err = other.OpenQuarantine(t.Context(), r.Trace)
	f.wants("one that is gone", err, fs.ErrNotExist)
	f.wantQuarantine(f.store)
}

// TestQuarantineSettledLate: it is part of the outcome, also of one that is written
// without the lease.
func TestQuarantineSettledLate(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store).(*postgres.Lease)
	r := intent()
	f.must(l.Put(t.Context(), r))
	l.StageQuarantine(r.Trace, &octets{[]byte("refused"), 0})
	f.cut(f.name)
	f.until("it is settled", func() error { return l.Settle(t.Context(), r, forwarded(r)) })
	f.wantQuarantine(f.store, ledger.Quarantined{Trace: r.Trace, Account: "isp", Size: 7})
}

func (f *fixture) wantQuarantine(s *postgres.Store, want ...ledger.Quarantined) {
	f.Helper()
	got, err := s.Quarantine(f.Context())
	for i := range got {
		if time.Since(got[i].Stored).Abs() > time.Hour {
			f.Errorf("stored at %v, want now", got[i].Stored)
		}
		got[i].Stored = time.Time{}
	}
	if err != nil || !slices.Equal(got, want) {
		f.Errorf("in quarantine are %+v, %v; want %+v", got, err, want)
	}
}

// A copy is written though the lease was lost, once, and beside what another process has
// put under its UID meanwhile.
func TestCopyAfterTheLeaseWasLost(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store).(*postgres.Lease)
	kept := func(name string, id int64) *ledger.Record {
		return &ledger.Record{Account: f.account, Known: ledger.Known{ID: id, UID: "uid", State: ledger.Deferred, CopyFile: name}}
	}
	before := kept("1-a-before.eml", 0)
	l.StageCopy(before.CopyFile, &octets{content: []byte("part")})
	f.must(l.Put(t.Context(), before))
	f.cut(f.name)
	second := f.leaseSoon(f.open("second")).(*postgres.Lease)
	other := &ledger.Record{Known: ledger.Known{UID: "uid 2", State: ledger.Forwarded}}
	f.must(second.Put(t.Context(), other))

	again, late := kept("1-a-whole.eml", before.ID), kept("1-b-late.eml", 0)
	late.UID = "uid 2"
	for range 2 { // as one whose answer was lost
		for _, rec := range []*ledger.Record{again, late} {
			l.StageCopy(rec.CopyFile, &octets{content: []byte(rec.CopyFile)})
			f.until("a copy is written", func() error { return l.PutCopy(t.Context(), rec) })
		}
	}
	f.wantCopies(second, "1-a-whole.eml", "1-b-late.eml")
	for _, name := range []string{"1-a-whole.eml", "1-b-late.eml"} {
		f.wantCopy(second, name, []byte(name))
	}
	if is, err := second.Record(t.Context(), other.ID); err != nil || is.State != ledger.Forwarded {
		t.Errorf("what another process has put is %+v, %v; want it as it was", is, err)
	}
}
