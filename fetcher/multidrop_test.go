package fetcher_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/multidrop"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// sortBy makes the mailbox that of the domain example.org.
func (f *fixture) sortBy(names map[string][]string) {
	otherwise := []string{"postmaster@example.org"}
	f.account.Multidrop = &multidrop.Sorter{Header: "Delivered-To", Prefix: "box-", Domains: []string{"example.org", "example.net"}, Map: names, Otherwise: otherwise}
	f.account.Destination.Recipients = otherwise
}

// addDelivered puts a message into the mailbox with these lines above its Received line.
func (f *fixture) addDelivered(name, lines string) {
	f.addUnder("uid-"+name, dated(name, lines+youngReceived))
}

const postmaster = "postmaster@example.org"

func TestMultidropSortsByWhatTheLastDeliveryWrote(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.sortBy(map[string][]string{"sales": {"leo@example.org", "mia@elsewhere.example"}, "tim@example.net": {"tim@example.org"}, "nobody": {}})
	want := make(map[string]string)
	for i, c := range []struct{ lines, want string }{
		{"Delivered-To: leo@example.org\r\n", "leo@example.org"},
		{"delivered-TO:\r\n <Leo@EXAMPLE.org>\r\n", "Leo@EXAMPLE.org"},
		{"Delivered-To: box-leo@example.org\r\n", "leo@example.org"},
		{"Delivered-To: mailbox@isp.example\r\nDelivered-To: leo@example.org\r\n", "leo@example.org"},
		{"Delivered-To: leo@example.org, mia@example.net, leo@example.org\r\n", "leo@example.org mia@example.net"},
		{"Delivered-To: sales@example.org\r\n", "leo@example.org mia@elsewhere.example"},
		{"Delivered-To: SALES@example.net\r\n", "leo@example.org mia@elsewhere.example"},
		{"Delivered-To: tim@example.net\r\n", "tim@example.org"},
		{"Delivered-To: tim@example.org\r\n", "tim@example.org"},
		{"Delivered-To: nobody@example.org\r\n", postmaster},
		{"Delivered-To: leo@example.com\r\n", postmaster},
		{"Delivered-To: leo@example.org.evil.example\r\n", postmaster},
		{"Delivered-To: leo\r\n", postmaster},
		{"", postmaster},
		{"To: leo@example.org\r\nCc: mia@example.org\r\n", postmaster},
		{oldReceived + "Delivered-To: leo@example.org\r\n", postmaster}, // below the topmost Received
	} {
		name := fmt.Sprint("m", i)
		f.addDelivered(name, c.lines)
		want[name] = c.want
	}
	f.addUnder("uid-none", dated("none", "Delivered-To: leo@example.org\r\n")) // no Received at all
	want["none"] = postmaster
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: len(want)}, OnServer: len(want)})
	wantRecipients(t, f, want)
}

// Whatever stands in the header, no address outside of the domains gets anything, and
// everything arrives.
func TestMultidropLeavesNoDomain(t *testing.T) {
	t.Parallel()
	const messages = 1000
	r := rand.New(rand.NewPCG(1, 2))
	one := func(list ...string) string { return list[r.IntN(len(list))] }
	f := newFixture(t, faults{})
	f.sortBy(nil)
	for i := range messages {
		var lines strings.Builder
		for range r.IntN(5) {
			address := one("leo", "mia", "\"a b\"", "a,b", "x@example.org", "", "ü", "box-", "<", "a\rb", "postmaster") + one("@", "@@", "", "%") +
				one("example.org", "EXAMPLE.NET", "evil.example", "example.org.evil.example", "evil.example>", "example.org, x@evil.example", "example.org> <x@evil.example", "[127.0.0.1]", "example.org\r\n evil.example", "")
			lines.WriteString(one("Delivered-To: ", "delivered-to:", "Delivered-To:\r\n\t", "To: ", "Cc: ", "Received: by b; for ", "Delivered-To : ", "X-Original-To: ", " ", "Delivered-To") +
				one("", "<", "\"x\" <") + address + one("", ">", ";") + "\r\n")
		}
		f.addUnder(fmt.Sprint("uid-", i), dated(fmt.Sprint("m", i), lines.String()+one(youngReceived, "", oldReceived+youngReceived)))
	}
	f.poll()
	got := make(map[string]bool)
	for _, m := range f.smtp.Messages() {
		got[nameOf(m)] = true
		for _, to := range m.Recipients {
			_, domain, _ := strings.Cut(to, "@")
			if !slices.Contains([]string{"example.org", "example.net"}, strings.ToLower(domain)) {
				t.Errorf("%s went to %q:\n%s", nameOf(m), to, m.Data)
			}
		}
	}
	if len(got) != messages {
		t.Errorf("%d messages arrived, want %d", len(got), messages)
	}
	for _, rec := range f.records() {
		if rec.State != ledger.Forwarded {
			t.Errorf("%s is %s: %+v %+v", rec.UID, rec.State, rec.Cause, rec.Recipients)
		}
	}
}

// Of a thousand messages with forged, doubled, folded, missing and foreign fields, each
// goes to who the last delivery named, or to otherwise, or is held as a loop. What is
// expected does not come from the header, but from how it was made.
func TestMultidropGivesEachMessageToItsRecipient(t *testing.T) {
	t.Parallel()
	const messages = 1000
	r := rand.New(rand.NewPCG(3, 4))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	f := newFixture(t, faults{})
	f.sortBy(map[string][]string{"sales": {"leo@example.org", "mia@home.example"}, "tim@example.net": {"tim@home.example"}})
	own := map[string]string{ // what the last delivery writes, and who gets it
		"leo@example.org": "leo@example.org", "<mia@example.net>": "mia@example.net", "box-zoe@example.org": "zoe@example.org",
		"sales@example.net": "leo@example.org mia@home.example", "Tim@example.net": "tim@home.example",
	}
	names := slices.Sorted(maps.Keys(own))
	foreign := func() string {
		return pick("leo@example.com", "leo@example.org.evil.example", "leo", "", "@example.org", "leo@@evil.example", "<>", "leo@example.org@evil.example")
	}
	field := func(value string) string {
		return pick("Delivered-To: ", "delivered-TO:", "Delivered-To:\r\n\t", "DELIVERED-TO:\r\n ") + value + "\r\n"
	}
	forged := func() string { // by the sender
		return pick("To: ", "Cc: ", "Bcc: ", "X-Original-To: ", "Envelope-To: ", "Apparently-To: ", "Received: from x by y for ", "XDelivered-To: ", "Delivered-To-: ") + "eve@example.org\r\n"
	}
	want, held := make(map[string]string), make(map[string]bool)
	for i := range messages {
		name := fmt.Sprint("m", i)
		a, b := pick(names...), pick(names...)
		var lines, to string
		switch r.IntN(9) {
		case 0: // one
			lines, to = field(a)+youngReceived, own[a]
		case 1: // with forged ones
			lines, to = field(a)+youngReceived+field("eve@example.org")+forged(), own[a]
		case 2: // doubled
			lines, to = field(a)+field(b)+field(a)+youngReceived, own[a]+" "+own[b]
		case 3: // with foreign ones
			lines, to = field(foreign())+field(a)+field(foreign())+youngReceived, own[a]
		case 4: // two in one field
			lines, to = field(foreign()+", "+a+",\r\n "+b)+youngReceived, own[a]+" "+own[b]
		case 5: // foreign ones alone
			lines, to = field(foreign())+youngReceived+field("eve@example.org"), postmaster
		case 6: // missing
			lines, to = youngReceived+forged()+field("eve@example.org")+forged(), postmaster
		case 7: // without any Received
			lines, to = field(a)+"X: y\r\n", postmaster
		case 8: // it has gone round and round
			lines, held[name] = field(a)+strings.Repeat(youngReceived, 60), true
		}
		f.addUnder("uid-"+name, dated(name, lines))
		if !held[name] {
			all := strings.Fields(to)
			slices.Sort(all)
			want[name] = strings.Join(slices.Compact(all), " ")
		}
	}
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: len(want), Held: len(held)}, OnServer: messages})
	got := make(map[string]string)
	for _, m := range f.smtp.Messages() {
		all := slices.Clone(m.Recipients)
		slices.Sort(all)
		if before, twice := got[nameOf(m)]; twice {
			t.Errorf("%s came twice: to %s and to %v", nameOf(m), before, all)
		}
		got[nameOf(m)] = strings.Join(all, " ")
	}
	for name, to := range want {
		if got[name] != to {
			t.Errorf("%s went to %q, want %q", name, got[name], to)
		}
	}
	for _, rec := range f.records() {
		name := strings.TrimPrefix(rec.UID, "uid-")
		if (rec.State == ledger.Held) != held[name] {
			t.Errorf("%s is %s, want held: %t", name, rec.State, held[name])
		}
	}
	if len(got) != len(want) || len(held) == 0 {
		t.Errorf("%d messages arrived, want %d, and %d held", len(got), len(want), len(held))
	}
}

// Somebody whom the destination does not have gets nothing, otherwise does, once, and
// those who are there do.
func TestMultidropDivertsWhoIsNotThere(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]smtptest.Fault{"5.1.1": reply(550, 5, 1, 1), "550": reply(550)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{smtp: smtpFault(forwarder.StageRcpt, fault, onAddress("gone"))})
			f.account.Policy.Keep = false
			f.sortBy(nil)
			f.addDelivered("m1", "Delivered-To: gone1@example.org\r\n")
			f.addDelivered("m2", "Delivered-To: gone2@example.org, leo@example.org\r\n")
			f.addDelivered("m3", "Delivered-To: gone3@example.org, postmaster@example.org\r\n")
			f.addDelivered("m4", "Delivered-To: mia@example.org\r\n")
			wantResult(t, f.poll(), result{Counts: counts{Forwarded: 4}})
			wantRecipients(t, f, map[string]string{"m1": postmaster, "m2": "leo@example.org" + postmaster, "m3": postmaster, "m4": "mia@example.org"})
			f.wantAll("forwarded")
		})
	}
}

// What is diverted waits for otherwise, also over polls, and is not deleted before.
func TestMultidropDivertedMessageWaitsForOtherwise(t *testing.T) {
	t.Parallel()
	var busy atomic.Bool
	busy.Store(true)
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		switch {
		case e.Stage == forwarder.StageRcpt && strings.HasPrefix(e.Address, "gone"):
			return reply(550, 5, 1, 1)
		case e.Stage == forwarder.StageRcpt && busy.Load():
			return reply(450, 4, 2, 0)
		}
		return smtptest.Fault{}
	}}})
	f.account.Policy.Keep = false
	f.sortBy(nil)
	f.addDelivered("m1", "Delivered-To: gone@example.org\r\n")
	wantResult(t, f.poll(), result{Counts: counts{Deferred: 1}, OnServer: 1})
	f.wantLeft("uid-m1")
	busy.Store(false)
	f.now.Add(time.Hour)
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}})
	wantRecipients(t, f, map[string]string{"m1": postmaster})
	f.wantLeft()
}

// A refusal of one recipient is no fault of the route: others go on.
func TestMultidropRefusalIsTheRecipients(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageRcpt, reply(550, 5, 7, 1), onAddress("closed"))})
	f.sortBy(nil)
	for i := range 6 {
		f.addDelivered(fmt.Sprint("closed", i), "Delivered-To: closed@example.org\r\n")
	}
	f.addDelivered("m1", "Delivered-To: leo@example.org\r\n")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1, Held: 6}, OnServer: 7})
	wantRecipients(t, f, map[string]string{"m1": "leo@example.org"})
}

// A message that comes back to the mailbox from which it was sent is held.
func TestMultidropLoopIsCaught(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.sortBy(nil)
	f.addDelivered("m1", "Delivered-To: leo@example.org\r\n")
	f.poll()
	back := append([]byte("Delivered-To: leo@example.org\r\n"+youngReceived), f.smtp.Messages()[0].Data...)
	f.addUnder("back", back)
	wantResult(t, f.poll(), result{Counts: counts{Held: 1}, OnServer: 2})
	f.wantState("back", "held")
}

// Where a destination refuses the recipients of all messages, it may be the destination:
// the messages are held, but not for good.
func TestDestinationThatRefusesAllChosenRecipients(t *testing.T) {
	t.Parallel()
	byFilter := func(f *fixture) {
		f.account.Filter = filterFunc(func(context.Context, string) (fetcher.Verdict, error) {
			return fetcher.Verdict{To: []string{"leo@example.org"}}, nil
		})
	}
	for how, sort := range map[string]func(*fixture){"multidrop": func(f *fixture) { f.sortBy(nil) }, "filter": byFilter} {
		for name, fault := range map[string]smtptest.Fault{
			"relay denied": {Code: 554, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "<leo@example.org>: Relay access denied"},
			"nobody known": {Code: 550, Enhanced: forwarder.EnhancedCode{5, 1, 1}, Text: "<leo@example.org>: Recipient address rejected: User unknown in virtual mailbox table"},
		} {
			for _, messages := range []int{3, 12} {
				t.Run(fmt.Sprint(how, " ", name, " ", messages), func(t *testing.T) {
					t.Parallel()
					var broken atomic.Bool
					broken.Store(true)
					f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
						if e.Stage == forwarder.StageRcpt && broken.Load() {
							return fault
						}
						return smtptest.Fault{}
					}}})
					f.account.Policy.Keep = false
					sort(f)
					want := make(map[string]string)
					for _, n := range numbered(messages) {
						f.addDelivered(n, "Delivered-To: leo@example.org\r\n")
						want[n] = "leo@example.org"
					}
					f.pollHourly(3)
					broken.Store(false)
					f.pollHourly(2)
					wantRecipients(t, f, want)
					f.wantLeft()
				})
			}
		}
	}
}
