package fetcher_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// twin is the copy of one message that a domain's mailbox gets for one recipient, as
// Postfix writes it: only X-Original-To and Delivered-To differ.
func twin(to string) []byte {
	return []byte("Return-Path: <a@example.com>\r\nX-Original-To: " + to + "\r\nDelivered-To: " + to + "\r\n" +
		"Received: from a by mx.isp.example (Postfix) with ESMTPS id 4ABCD; Sun, 22 Nov 2026 10:00:00 +0000\r\n" +
		"From: a@example.com\r\nTo: leo@example.org, mia@example.org\r\nDate: Sun, 22 Nov 2026 09:59:58 +0000\r\nMessage-ID: <twin@example.com>\r\nSubject: twin\r\n\r\nbody\r\n")
}

const leo, mia = "leo@example.org", "mia@example.org"

// toDeliveredTo is a filter that sends a message to who its Delivered-To names, and
// drops what is for trap.
type toDeliveredTo struct{}

func (toDeliveredTo) Look(_ context.Context, message io.Reader) (v fetcher.Verdict, err error) {
	octets, err := io.ReadAll(message)
	_, after, _ := strings.Cut(string(octets), "Delivered-To: ")
	to, _, _ := strings.Cut(after, "\r\n")
	v.To, v.Drop = []string{to}, strings.HasPrefix(to, "trap@")
	return v, err
}

// wantEachOnce checks that each of these recipients got one message.
func (f *fixture) wantEachOnce(recipients ...string) {
	f.t.Helper()
	got, want := make(map[string]int), make(map[string]int)
	for _, m := range f.smtp.Messages() {
		for _, to := range m.Recipients {
			got[to]++
		}
	}
	for _, to := range recipients {
		want[to] = 1
	}
	if !maps.Equal(got, want) {
		f.t.Errorf("the recipients got %v, want %v; left on the server are %v, the rows are %v", got, want, f.left(), f.states())
	}
}

// pollHourly polls so many times.
func (f *fixture) pollHourly(polls int) {
	for range polls {
		f.pollBySchedule()
		f.now.Add(time.Hour)
	}
}

// Where copies of one message go to several recipients, each of them arrives, whatever
// becomes of the others on the server.
func TestCopiesForSeveralRecipientsAreSeveralMessages(t *testing.T) {
	t.Parallel()
	sorts := map[string]func(*fixture){
		"multidrop": func(f *fixture) { f.sortBy(nil) },
		"filter":    func(f *fixture) { f.account.Filter = toDeliveredTo{} },
	}
	byNumber := func(f *fixture) {
		f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
			for i := range ms {
				ms[i].UID = fmt.Sprint(i + 1)
			}
			return ms
		})
	}
	for name, scenario := range map[string]struct {
		keep, hides, lateSecond, quitLost bool
		most                              int            // max_messages
		change                            func(*fixture) // after the first poll
	}{
		"at once":                    {},
		"kept":                       {keep: true, most: 2},
		"hidden":                     {hides: true, most: 2},
		"the answer to QUIT is lost": {lateSecond: true, quitLost: true},
		"the owner deletes the first": {keep: true, lateSecond: true, change: func(f *fixture) {
			f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[:1] })
		}},
		"moved to another server": {keep: true, most: 2, change: func(f *fixture) {
			f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
				for i := range ms {
					ms[i].UID = "new" + ms[i].UID
				}
				ms[1], ms[2] = ms[2], ms[1]
				return ms
			})
		}},
		"UIDs that are numbers": {most: 2, change: byNumber},
	} {
		for how, sort := range sorts {
			for top, handler := range map[string]popHandler{"": nil, " without TOP": popRefuses("unknown command", "TOP")} {
				t.Run(name+" by "+how+top, func(t *testing.T) {
					t.Parallel()
					var f *fixture
					lost := false
					faults := faults{pop: func(s *pop3test.Session, verb, arg string) bool {
						if verb == "QUIT" && scenario.quitLost && !lost {
							lost = true
							f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
							s.Close()
							return true
						}
						return handler != nil && handler(s, verb, arg)
					}}
					if scenario.hides {
						faults.hides = &hiding{}
					}
					f = newFixture(t, faults)
					f.account.Source.Hides = scenario.hides
					f.account.Policy.Keep, f.account.Policy.MaxMessages = scenario.keep, scenario.most
					sort(f)
					f.addUnder("u0", dated("other", "Delivered-To: tim@example.org\r\n"+youngReceived))
					f.addUnder("u1", twin(leo))
					if !scenario.lateSecond {
						f.addUnder("u2", twin(mia))
					}
					if scenario.change != nil && name == "UIDs that are numbers" {
						scenario.change(f)
					}
					f.pollHourly(1)
					if scenario.change != nil {
						scenario.change(f)
					}
					if scenario.lateSecond {
						f.addUnder("u2", twin(mia))
					}
					f.pollHourly(4)
					f.wantEachOnce(leo, mia, "tim@example.org")
				})
			}
		}
	}
}

// A copy for a recipient whose mail is dropped says nothing about the others.
func TestFilterDropsOneCopyOfSeveral(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{hides: &hiding{}})
	f.account.Source.Hides, f.account.Policy.MaxMessages = true, 1
	f.account.Filter = toDeliveredTo{}
	f.addUnder("u1", twin("trap@example.org"))
	f.addUnder("u2", twin(leo))
	f.pollHourly(3)
	f.wantEachOnce(leo)
}

// Messages that were forwarded before their account had a filter are known by it, also
// under other UIDs, and those of the filter are known without it.
func TestFilterComesAndGoes(t *testing.T) {
	t.Parallel()
	for top, handler := range map[string]popHandler{"": nil, "without TOP": popRefuses("unknown command", "TOP")} {
		t.Run(top, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pop: handler})
			for i, filter := range []fetcher.Filter{nil, filterFunc(spamFilter), nil} {
				f.account.Filter = filter
				f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
					for k := range ms {
						ms[k].UID = fmt.Sprint("gen", i, "-", k)
					}
					return ms
				})
				name := fmt.Sprint("m", i)
				f.addUnder("uid-"+name, dated(name, "Delivered-To: leo@example.org\r\n"+youngReceived))
				f.pollHourly(2)
			}
			f.wantArrived("m0", "m1", "m2")
			f.account.Policy.Keep = false
			f.pollHourly(2)
			f.wantLeft()
		})
	}
}

// What one recipient has under several addresses is one message, as it was.
func TestCopiesForOneRecipientAreOneMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.addUnder("u1", twin(leo))
	f.pollHourly(1)
	f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
	f.addUnder("u2", twin(mia))
	f.pollHourly(2)
	f.wantArrived("twin")
}
