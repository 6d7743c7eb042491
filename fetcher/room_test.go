package fetcher_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// fullBeside is a destination that takes m1 and has no room for messages whose names
// begin with "large". Of these, large1 is under way when m1 arrives, and large2 begins
// when that is on disk.
type fullBeside struct {
	fetcher.Forwarder
	arrived chan struct{} // closed: m1 has, and it is on disk
}

func (f fullBeside) Submit(m *forwarder.Message) fetcher.Delivery {
	name, _, _ := strings.Cut(m.MessageID, "@")
	return fullBesideDelivery{f.Forwarder.Submit(m), strings.TrimPrefix(name, "<"), f.arrived}
}

type fullBesideDelivery struct {
	fetcher.Delivery
	name    string
	arrived chan struct{}
}

// Wait implements fetcher.Delivery.
func (d fullBesideDelivery) Wait(ctx context.Context, intend func(context.Context, forwarder.Mark) error) ([]forwarder.Outcome, error) {
	if d.name == "m1" {
		return d.Delivery.Wait(ctx, intend)
	}
	d.Delivery.Done() // its place, for m1 must not wait for it
	if d.name == "large2" {
		<-d.arrived
	}
	if err := intend(ctx, forwarder.Mark{}); err != nil {
		return nil, err
	}
	<-d.arrived
	return []forwarder.Outcome{{Kind: forwarder.Refused, Stage: forwarder.StageRcpt, Code: 452, Enhanced: forwarder.EnhancedCode{4, 2, 2}, Text: "mailbox full", Recipient: "me@example.org"}}, nil
}

// Done implements fetcher.Delivery.
func (d fullBesideDelivery) Done() {
	if d.name == "m1" {
		d.Delivery.Done()
		close(d.arrived)
	}
}

// That a message finds no room while another one is accepted shows that it is too
// large for what is left: it waits alone. One that is begun after that, and finds none,
// shows that the mailbox is full.
func TestNoRoomBesideAMessageThatPasses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mail []string
		want result
	}{
		"under way with it": {[]string{"large1", "m1"}, result{Counts: counts{Forwarded: 1, Deferred: 1}, OnServer: 2}},
		"begun after it":    {[]string{"large2", "m1"}, result{Counts: counts{Forwarded: 1}, OnServer: 2, Err: errAny}},
		"both":              {[]string{"large1", "large2", "m1"}, result{Counts: counts{Forwarded: 1}, OnServer: 3, Err: errAny}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			f.account.Destination.Forwarder = fullBeside{f.account.Destination.Forwarder, make(chan struct{})}
			f.add(test.mail...)
			wantResult(t, f.poll(), test.want)
			f.wantArrived("m1")
		})
	}
}

// TestNoRoomBesideAMessageThatEndsSessions: the smallest message is one that ended a
// session before. What was not tried goes first, so that it does not wait for that one.
func TestNoRoomBesideAMessageThatEndsSessions(t *testing.T) {
	t.Parallel()
	large := false
	f := newFixture(t, faults{
		pool: oneInFlight, pipelining: pop3test.PipeliningHidden,
		pop: func(s *pop3test.Session, verb, arg string) bool {
			if m := s.Message(arg); verb != "RETR" || m == nil || m.UID != "uid-broken" {
				return false
			}
			s.Write("+OK\r\n.\r\nx\r\n.\r\n")
			return true
		},
		smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
			switch {
			case e.Stage == forwarder.StageMail:
				large = strings.HasPrefix(e.Address, "sender-large")
			case e.Stage == forwarder.StageRcpt && large:
				return reply(452, 4, 2, 2)
			}
			return smtptest.Fault{}
		}},
	})
	f.account.Destination.Original = true
	f.account.Policy.MinInterval = time.Minute // one session a poll
	f.addUnder("uid-broken", []byte("Subject: x\r\n\r\n"))
	f.poll()
	for _, name := range []string{"large1", "large2"} {
		f.addUnder("uid-"+name, slices.Concat(octetsOf(name), make([]byte, 2000)))
	}
	f.add("m1")
	f.now.Add(time.Hour)
	f.poll()
	f.wantArrived("m1")
}
