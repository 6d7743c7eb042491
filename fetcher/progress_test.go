package fetcher_test

import (
	"sync"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// An observer sees what is to come before anything is sent, then what was dealt
// with, at the end all of it: what the server refuses to give out and what is
// refused by the destination included.
func TestProgressCountsEveryMessageThatIsDealtWith(t *testing.T) {
	t.Parallel()
	for name, pipelining := range map[string]bool{"one at a time": false, "asked for ahead": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p fetcher.Progress
			var mu sync.Mutex
			var seen []fetcher.Snapshot
			f := newFixture(t, faults{
				pop: func(s *pop3test.Session, verb, arg string) bool {
					switch {
					case verb == "CAPA" && !pipelining:
						s.Err("no")
					case verb == "RETR" && arg == "3":
						s.Err("not now")
					default:
						return false
					}
					return true
				},
				smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
					if e.Stage != forwarder.StageDot {
						return smtptest.Fault{}
					}
					mu.Lock()
					defer mu.Unlock()
					if seen = append(seen, p.Snapshot()); len(seen) == 2 {
						return reply(550)
					}
					return smtptest.Fault{}
				}},
				pool: smtp.Options{Connections: 1, InFlight: 1},
			})
			f.account.Progress = &p
			f.add("m1", "m2", "m3", "m4")
			var octets int64
			for _, m := range f.pop.Messages("leo") {
				octets += int64(len(m.Octets))
			}
			f.poll()
			came := octets - int64(len(octetsOf("m3")))
			want := fetcher.Snapshot{Messages: 4, Done: 4, Octets: came, Fetched: came} // nothing more is to come
			if got := p.Snapshot(); got != want {
				t.Errorf("at the end %+v, want %+v", got, want)
			}
			for i, got := range seen {
				if got.Messages != 4 || got.Octets != octets || got.Done > i+1 || got.Fetched == 0 {
					t.Errorf("at the final dot of message %d: %+v, want 4 messages of %d octets, at most %d done, something fetched", i+1, got, octets, i+1)
				}
			}
			if len(seen) != 3 {
				t.Errorf("%d transactions, want 3", len(seen))
			}
			before := p.Snapshot()
			f.poll() // m3 is refused again, the rest is known
			if got := p.Snapshot(); got.Done != got.Messages || got.Fetched != before.Fetched {
				t.Errorf("with nothing new %+v, want all of the messages done and %d octets fetched as before", got, before.Fetched)
			}
		})
	}
}
