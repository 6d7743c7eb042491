package fetcher_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// leave_on_server was changed after the message was sent.
func TestX3FailoverAfterAChangeOfThePolicy(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*fetcher.Account){
		"leave_on_server: 14d": func(a *fetcher.Account) { a.Policy.KeepFor = 14 * 24 * time.Hour },
		"a filter": func(a *fetcher.Account) {
			a.Filter = filterFunc(func(context.Context, string) (v fetcher.Verdict, err error) { return v, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			s := f.deliverByIMAP("INBOX", imaptest.Options{})
			takeOver := f.standby()
			f.add("m1")
			f.poll()
			f.wantInbox(s, "m1")
			takeOver()
			change(&f.account)
			t.Log(inWords(f.poll()))
			f.wantInbox(s, "m1")
		})
	}
}

// The filter is asked about a copy that it has not seen, also after a failover.
func TestX3FilterSeesACopyAfterAFailover(t *testing.T) {
	t.Parallel()
	var fails atomic.Bool
	fails.Store(true)
	f := newFixture(t, faults{hides: &hiding{}})
	f.account.Source.Hides = true
	f.account.Filter = filterFunc(func(ctx context.Context, name string) (v fetcher.Verdict, err error) {
		if fails.Load() {
			return v, errTest
		}
		return spamFilter(ctx, name)
	})
	s := f.deliverByIMAP("INBOX", imaptest.Options{})
	f.add("spam1")
	f.poll()
	takeOver := f.standby()
	takeOver()
	fails.Store(false)
	for range 4 {
		f.now.Add(time.Hour)
		t.Log(inWords(f.poll()), f.states())
	}
	f.wantInbox(s)
}
