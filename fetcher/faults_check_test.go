package fetcher_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// split takes the trace lines off.
func split(m smtptest.Message) (trace, body string) {
	_, after, _ := bytes.Cut(m.Data, []byte("X-Popferry-Trace: id="))
	line, rest, _ := bytes.Cut(after, []byte("\r\n"))
	trace, _, _ = strings.Cut(string(line), ";")
	return trace, string(rest)
}

// traces counts by recipient and trace how often a message arrived.
func (s *storm) traces(f *fate) map[string]map[string]int {
	out := make(map[string]map[string]int)
	for _, a := range s.account.Destination.Recipients {
		out[a] = make(map[string]int)
	}
	for _, m := range s.smtp.Messages() {
		trace, body := split(m)
		for _, a := range m.Recipients {
			if body == f.want {
				out[a][trace]++
			}
		}
	}
	return out
}

// deleting is called when the server is about to delete messages: each of them
// has arrived.
func (s *storm) deleting(doomed []*pop3test.Message) {
	there := s.pop.Messages("leo")
	for _, m := range doomed {
		i := indexOf(there, m)
		if i < 0 {
			continue // another client was faster
		}
		there[i].UID = "deleted now"
		s.mail.change(m.Octets, func(f *fate) {
			f.deleted++
			for a, traces := range s.traces(f) {
				if len(traces) == 0 || !f.shared && len(traces) < f.deleted {
					f.wrong = append(f.wrong, fmt.Sprintf("copy %d (%s) is deleted, but %d arrived at %s", f.deleted, m.UID, len(traces), a))
				}
			}
		})
	}
}

func indexOf(list []pop3test.Message, m *pop3test.Message) int {
	for i, o := range list {
		if o.UID == m.UID && bytes.Equal(o.Octets, m.Octets) {
			return i
		}
	}
	return -1
}

// check is what has to be true in the end.
func (s *storm) check() {
	s.t.Helper()
	s.mail.mu.Lock() // a session that was left behind may still end
	defer s.mail.mu.Unlock()
	bodies := make(map[string]bool)
	for _, f := range s.mail.order {
		bodies[f.want] = true
		for _, w := range f.wrong {
			s.t.Errorf("%s: %s", f.name, w)
		}
		settled := s.settled(f)
		for a, traces := range s.traces(f) {
			need := f.copies - f.removed - settled
			switch {
			case s.mail.alike && f.anew:
				need = 0 // another message under its UID and of its size may hide it; it stays
			case f.shared:
				need = min(need, 1)
			}
			if len(traces) < need {
				s.t.Errorf("%s: %d arrived at %s, want %d: %v", f.name, len(traces), a, need, f)
			}
			if len(traces) > f.copies+f.renumbered {
				s.t.Errorf("%s: arrived at %s under %d traces: %v", f.name, a, len(traces), f)
			}
			for trace, n := range traces {
				if doubts := s.led.doubts[delivery{trace, a}]; n > 1+doubts {
					s.t.Errorf("%s: arrived %d times at %s, and was in doubt %d times", f.name, n, a, doubts)
				}
			}
		}
	}
	for _, m := range s.smtp.Messages() {
		if _, body := split(m); !bodies[body] {
			s.t.Errorf("arrived altered: %.200q", m.Data)
		}
	}
	if s.t.Failed() {
		s.tell()
	}
}

// settled counts the copies on the server that a person has to decide about.
func (s *storm) settled(f *fate) int {
	n := 0
	for _, m := range s.pop.Messages("leo") {
		if s.mail.byOctets[string(m.Octets)] != f {
			continue
		}
		if p := s.account.Policy.MaxSize; p > 0 && int64(listed(m.Octets)) > p {
			n++
			continue
		}
		for _, r := range s.records() {
			if r.UID == m.UID && (r.State == ledger.Held || r.State == ledger.Skipped) {
				n++
				break
			}
		}
	}
	return n
}

// tell shows what may explain a failure.
func (s *storm) tell() {
	for _, r := range s.records() {
		s.t.Logf("row %+v", *r)
	}
	for _, m := range s.pop.Messages("leo") {
		s.t.Logf("left: %s %s, %d octets", m.UID, s.mail.byOctets[string(m.Octets)].name, listed(m.Octets))
	}
	for _, c := range s.pop.Log() {
		s.t.Logf("session %d: %s", c.Session, c.Line)
	}
}
