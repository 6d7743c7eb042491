package postgres_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// TestReplicas: processes see each other, the leases that each has, and what the
// others have polled.
func TestReplicas(t *testing.T) {
	f := setup(t, shared(t))
	other := f.open("second")
	started := f.store.Now().Truncate(time.Millisecond)
	l := f.lease(f.store)
	_, err := f.store.Beat(t.Context(), ledger.Replica{Name: "a:1", Version: "1.2", Started: started})
	f.must(err)
	if _, err = other.Beat(t.Context(), ledger.Replica{Name: "b:1", Version: "1.3", Sick: "no DNS"}); err != nil {
		t.Fatal(err)
	}
	seen, err := other.Replicas(t.Context())
	f.must(err)
	if len(seen) != 2 || seen[0].Name != "a:1" || seen[0].Version != "1.2" || seen[0].Leases != 1 || !seen[0].Started.Equal(started) || f.store.Now().Sub(seen[0].Beat).Abs() > time.Minute ||
		seen[1].Name != "b:1" || seen[1].Leases != 0 || seen[1].Sick != "no DNS" {
		t.Errorf("got %+v, want a:1 with one lease, and b:1 that is sick", seen)
	}
	a, err := l.Account(t.Context())
	f.must(err)
	a.LastPoll, a.Began = f.store.Now(), started
	f.must(l.PutAccount(t.Context(), a))
	news, err := other.Beat(t.Context(), ledger.Replica{Name: "b:1"})
	f.must(err)
	if want := []ledger.Polled{{Account: f.account, Began: started}}; !slices.EqualFunc(news.Polled, want, func(a, b ledger.Polled) bool { return a.Account == b.Account && a.Began.Equal(b.Began) }) {
		t.Errorf("news of polls: got %v, want %v", news.Polled, want)
	}
	f.must(f.store.Leave(t.Context()))
	if seen, err = other.Replicas(t.Context()); err != nil || len(seen) != 1 || seen[0].Sick != "" {
		t.Errorf("after one has left: got %+v, %v; want b:1, which is well", seen, err)
	}
}

// TestRequests: a request is seen by all, until one has answered it. One that comes
// meanwhile is another one.
func TestRequests(t *testing.T) {
	f := setup(t, shared(t))
	other := f.open("second")
	f.must(f.store.Request(t.Context(), f.account, f.account+99)) // there is no such account any more
	news, err := other.Beat(t.Context(), ledger.Replica{Name: "b"})
	f.must(err)
	if len(news.Requests) != 1 || news.Requests[0].Account != f.account {
		t.Fatalf("requests: got %v, want one for account %d", news.Requests, f.account)
	}
	r, err := other.Requested(t.Context(), f.account)
	f.must(err)
	f.until("a later request", func() error {
		f.must(f.store.Request(t.Context(), f.account))
		if again, err := other.Requested(t.Context(), f.account); err != nil || !again.At.After(r.At) {
			return errors.New("it has the time of the one before")
		}
		return nil
	})
	f.must(other.Answered(t.Context(), r))
	later, err := other.Requested(t.Context(), f.account)
	f.must(err)
	f.must(other.Answered(t.Context(), later))
	if _, err := f.store.Requested(t.Context(), f.account); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("after the answer: got %v, want none", err)
	}
}

// TestSightings: what one process could not reach is the server's fault once another
// one could not either, or if there is no other.
func TestSightings(t *testing.T) {
	f := setup(t, shared(t))
	other := f.open("second")
	unreached := func(who interface {
		ledger.Sightings
	}, want bool) {
		t.Helper()
		got, err := who.Unreached(t.Context(), "pop.example.net:995")
		f.must(err)
		if got != want {
			t.Errorf("confirmed: got %t, want %t", got, want)
		}
	}
	unreached(f.store, true) // alone
	f.must(f.store.Reached(t.Context(), "pop.example.net:995"))
	_, err := other.Beat(t.Context(), ledger.Replica{Name: "b"})
	f.must(err)
	unreached(f.store, false)
	unreached(f.store, false)
	unreached(other, true)
	f.must(f.store.Reached(t.Context(), "pop.example.net:995"))
	_, err = f.store.Beat(t.Context(), ledger.Replica{Name: "a"})
	f.must(err)
	unreached(other, false)
}
