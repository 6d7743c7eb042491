package fetcher_test

import (
	"bytes"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// popRefuses answers -ERR to some verbs.
func popRefuses(text string, verbs ...string) popHandler {
	return func(s *pop3test.Session, verb, _ string) bool {
		if !slices.Contains(verbs, verb) {
			return false
		}
		s.Err("%s", text)
		return true
	}
}

// answerRETR answers RETR for one message.
func answerRETR(uid string, answer func(s *pop3test.Session, m *pop3test.Message)) popHandler {
	return func(s *pop3test.Session, verb, arg string) bool {
		m := s.Message(arg)
		if verb != "RETR" || m == nil || m.UID != uid {
			return false
		}
		answer(s, m)
		return true
	}
}

// saysExpire is a server that says EXPIRE 0 and does not do it.
func saysExpire(s *pop3test.Session, verb, _ string) bool {
	if verb == "CAPA" {
		s.Lines("capabilities", "USER", "UIDL", "TOP", "EXPIRE 0")
	}
	return verb == "CAPA"
}

// hiding is a server that gives each message once: at QUIT, what was retrieved is
// gone.
type hiding struct {
	says      bool // EXPIRE 0
	bySession bool // what another session retrieved stays
	retrieved map[int][]string
}

// handle is called for each command. nil hides nothing.
func (h *hiding) handle(pop *pop3test.Server, s *pop3test.Session, verb, arg string) bool {
	if h == nil {
		return false
	}
	session := 0
	if h.bySession {
		session = s.Number
	}
	switch m := s.Message(arg); {
	case verb == "CAPA" && h.says:
		return saysExpire(s, verb, arg)
	case verb == "RETR" && m != nil:
		if h.retrieved == nil {
			h.retrieved = make(map[int][]string)
		}
		h.retrieved[session] = append(h.retrieved[session], m.UID)
	case verb == "QUIT":
		gone := h.retrieved[session]
		delete(h.retrieved, session)
		pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
			return slices.DeleteFunc(ms, func(m pop3test.Message) bool { return slices.Contains(gone, m.UID) })
		})
	}
	return false
}

// partialListing is a server that for a while lists less than it has.
type partialListing struct {
	on         atomic.Bool
	uids, list []string
}

func (p *partialListing) handle(s *pop3test.Session, verb, arg string) bool {
	switch {
	case !p.on.Load() || arg != "":
		return false
	case verb == "STAT":
		s.OK("%d 100", len(p.uids))
	case verb == "UIDL":
		s.Lines("", p.uids...)
	case verb == "LIST":
		s.Lines("", p.list...)
	default:
		return false
	}
	return true
}

// unstuffed sends a message as it is: a dot alone on its line ends it, and the
// rest comes only when the next command does.
type unstuffed struct {
	uid  string
	list []string // what LIST answers, if anything
	rest string
}

func (u *unstuffed) handle(s *pop3test.Session, verb, arg string) bool {
	if u.rest != "" {
		s.Write(u.rest + ".\r\n")
		u.rest = ""
	}
	m := s.Message(arg)
	switch {
	case verb == "LIST" && arg == "" && u.list != nil:
		s.Lines("", u.list...)
	case verb == "RETR" && m != nil && m.UID == u.uid:
		head, rest, _ := bytes.Cut(m.Octets, []byte("\r\n.\r\n"))
		s.Write("+OK\r\n" + string(head) + "\r\n.\r\n")
		u.rest = string(rest)
	default:
		return false
	}
	return true
}

// flood sends a header and a body of 16 MB, as long as anybody reads it. It
// reports whether that was to its end.
func flood(s *pop3test.Session) bool {
	s.Write("+OK\r\nMessage-ID: <m1@example.org>\r\n\r\n")
	mega := strings.Repeat(strings.Repeat("x", 62)+"\r\n", 1<<14)
	for range 16 {
		s.Write(mega)
		if s.Flush() != nil {
			return false
		}
	}
	s.Write(".\r\n")
	return true
}

// smtpFault has the destination answer events at a stage with a fault: those that
// match all of the conditions.
func smtpFault(stage forwarder.Stage, fault smtptest.Fault, match ...func(smtptest.Event) bool) smtptest.Options {
	return smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage != stage || slices.ContainsFunc(match, func(m func(smtptest.Event) bool) bool { return !m(e) }) {
			return smtptest.Fault{}
		}
		return fault
	}}
}

// Conditions of smtpFault.

func onMessage(n int) func(smtptest.Event) bool {
	return func(e smtptest.Event) bool { return e.Message == n }
}

func onFirst(n int) func(smtptest.Event) bool {
	return func(e smtptest.Event) bool { return e.Message <= n }
}

func exceptFirst(e smtptest.Event) bool { return e.Message > 1 }

func onAddress(prefix string) func(smtptest.Event) bool {
	return func(e smtptest.Event) bool { return strings.HasPrefix(e.Address, prefix) }
}

func while(on *atomic.Bool) func(smtptest.Event) bool {
	return func(smtptest.Event) bool { return on.Load() }
}

// reply is a refusal.
func reply(code int, enhanced ...int) smtptest.Fault {
	f := smtptest.Fault{Code: code, Text: "made to fail"}
	copy(f.Enhanced[:], enhanced)
	return f
}

// oneConnection keeps messages in their order to the end: on several connections,
// the destination may take a later one first.
var oneConnection = smtp.Options{Connections: 1}

// oneInFlight has the destination deal with one message at a time, so that it is
// known which one it is.
var oneInFlight = smtp.Options{InFlight: 1}
